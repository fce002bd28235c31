"""The files of one recording: their names, their durability, and what it means when the disk refuses.

It knows names and the disk; it never knows what is in a file.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId


class StorageFailed(OperatorError):
    """The folder of recordings took no more. What the last checkpoint covered stays recoverable."""

    def __init__(self, folder: Path, number: int | None, *, doing: str, kept: bool = True) -> None:
        full = number in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else f"{doing} failed ({os.strerror(number or errno.EIO)})"
        mend = "Free space there" if full else "Check that folder, its disk and its permissions"
        rest = "; what was recorded up to the last checkpoint is sealed there and the keeper can recover it"
        super().__init__(what, where=str(folder), do=mend + rest * kept)
        self.errno = number
        self.full = full


@dataclass(frozen=True, slots=True)
class RecordingFiles:
    """The names one recording may have in its folder."""

    folder: Path
    recording: RecordingId

    def _named(self, suffix: str) -> Path:
        return self.folder / f"{self.recording}.{suffix}"

    @property
    def sealed(self) -> Path:
        """The finished file."""
        return self._named("age")

    @property
    def part(self) -> Path:
        """The file in the making."""
        return self._named("part")

    @property
    def tail(self) -> Path:
        """What is in no sealed chunk yet."""
        return self._named("tail")

    def unfinished(self, rebuild: bool) -> tuple[Path, Path, Path]:
        """The file in the making, its tail, and the tail's successor before it takes its place."""
        if rebuild:
            return self._named("rebuild"), self._named("rebuild-tail"), self._named("rebuild-tail.new")
        return self.part, self.tail, self._named("tail.new")

    def remove_unfinished(self) -> None:
        """Remove all that is not the finished file, durably. It may be missing."""
        for path in (*self.unfinished(rebuild=True), *self.unfinished(rebuild=False)):
            path.unlink(missing_ok=True)
        sync_folder(self.folder)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Put `data` into a file of the owner alone and onto the disk; a link in its place is not followed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
