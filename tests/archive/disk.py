"""A small real disk for tests: ext4 in a file, mounted over a loop device, whose raw image can be searched."""

from __future__ import annotations

import mmap
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A mounted file system and the image below it."""

    folder: Path
    image: Path

    def written_through(self) -> None:
        """Everything the file system holds back is in the image now."""
        _run("sync", "--file-system", str(self.folder))


@contextmanager
def small_disk(where: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """Make and mount one under `where`; it is unmounted again at the end."""
    image, folder = where / "disk.img", where / "disk"
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    folder.mkdir()
    # No reserved blocks: root would otherwise never meet a full disk. Data in the journal too: it is searched as well.
    _run("mkfs.ext4", "-q", "-m", "0", "-O", "has_journal", "-J", "size=4", str(image))
    _run("mount", "-o", "loop,data=journal", str(image), str(folder))
    try:
        yield SmallDisk(folder, image)
    finally:
        # Lazily: a failed test may still hold a file open, and its own message is the one to see.
        _run("umount", "--lazy", str(folder))


@contextmanager
def filled(disk: SmallDisk) -> Iterator[Path]:
    """Not one free block in the block."""
    filling = disk.folder / "filling"
    with filling.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    try:
        yield filling
    finally:
        filling.unlink(missing_ok=True)


def found_on(image: Path, plain: Iterable[bytes]) -> int:
    """How many of these byte strings lie anywhere in `image`, free blocks and journal included."""
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        return sum(raw.find(piece) >= 0 for piece in plain)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, timeout=COMMAND_WITHIN_S, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()}"
