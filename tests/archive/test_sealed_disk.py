"""The recorder's file on a real small disk: when it is full, and what a search of the raw disk finds (P17)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx_bridge import age
from pbx_bridge.archive.recovery import rebuild, recover
from pbx_bridge.archive.sealed import SealedFile, StorageFailed
from pbx_bridge.ids import new_recording_id
from tests.age.samples import TRAINER, plaintext
from tests.archive.disk import SmallDisk, found_on, small_disk

KEY = TRAINER.recipient()
BLOCK = 20_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, mebibytes=12) as mounted:
        yield mounted


def fill(disk: SmallDisk) -> Path:
    """Leave not one free block."""
    filling = disk.folder / "filling"
    with filling.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filling


def test_a_disk_that_fills_up_ends_the_recording_clearly_and_keeps_what_was_checkpointed(
    disk: SmallDisk,
) -> None:
    recording, safe = new_recording_id(), 0
    file = SealedFile(disk.folder, recording, KEY)

    def write_on() -> None:
        nonlocal safe
        while True:
            file.write(plaintext(BLOCK, file.tell()))
            file.checkpoint()
            safe = file.tell()

    with pytest.raises(
        StorageFailed, match=r"the disk is full\. Free space there; what was recorded"
    ) as fault:
        write_on()
    assert fault.value.full
    assert safe > 3 << 20
    file.close()
    filling = fill(disk)
    with recover(disk.folder, recording, TRAINER) as prefix:
        assert safe <= prefix.size <= safe + BLOCK
        for at in range(0, prefix.size, 1 << 20):
            assert prefix.read(1 << 20) == plaintext(min(1 << 20, prefix.size - at), at)
        size = prefix.size
    with pytest.raises(StorageFailed, match="the disk is full"):
        rebuild(disk.folder, recording, TRAINER, KEY)
    filling.unlink()
    assert {path.name for path in disk.folder.iterdir()} == {
        f"{recording}.part",
        f"{recording}.tail",
        "lost+found",
    }
    with recover(disk.folder, recording, TRAINER) as prefix:
        assert prefix.size == size


def test_after_a_failed_write_nothing_more_is_written_until_it_is_discarded(disk: SmallDisk) -> None:
    recording = new_recording_id()
    file = SealedFile(disk.folder, recording, KEY)
    fill(disk)
    with pytest.raises(StorageFailed):
        file.write(plaintext(10 * age.CHUNK_SIZE))
    assert not file.writable()
    for more in (file.checkpoint, file.finish, lambda: file.write(b"x")):
        with pytest.raises(StorageFailed, match="full"):
            more()
    file.discard()
    assert {path.name for path in disk.folder.iterdir()} == {"filling", "lost+found"}


def test_a_tail_without_room_is_said_and_the_recording_goes_on_when_there_is_some_again(
    disk: SmallDisk,
) -> None:
    recording = new_recording_id()
    file = SealedFile(disk.folder, recording, KEY)
    file.write(plaintext(1000))
    file.checkpoint()
    filling = fill(disk)
    file.write(plaintext(1000, 1000))
    with pytest.raises(StorageFailed, match="full"):
        file.checkpoint()
    filling.unlink()
    file.checkpoint()
    assert file.finish().plain_size == 2000


def test_a_short_recording_can_be_finished_on_a_disk_that_became_full(disk: SmallDisk) -> None:
    """Room for chunk 0 is taken at the start."""
    recording = new_recording_id()
    file = SealedFile(disk.folder, recording, KEY)
    file.write(plaintext(60_000))
    fill(disk)
    assert file.finish().plain_size == 60_000
    assert age.open_bytes((disk.folder / f"{recording}.age").read_bytes(), [TRAINER]) == plaintext(60_000)


def test_a_full_disk_takes_no_new_recording_and_keeps_nothing_of_it(disk: SmallDisk) -> None:
    fill(disk)
    with pytest.raises(StorageFailed, match=r"the disk is full. Free space there$"):
        SealedFile(disk.folder, new_recording_id(), KEY)
    assert {path.name for path in disk.folder.iterdir()} == {"filling", "lost+found"}


def test_nothing_lies_on_the_disk_in_clear(disk: SmallDisk) -> None:
    """Finished, discarded, abandoned, recovered and rebuilt: no 16 bytes of any recording, free blocks included."""
    size = 4 * age.CHUNK_SIZE + 777
    slices = [plaintext(16, at) for at in range(0, size - 16, 997)]

    def written() -> tuple[SealedFile, str]:
        recording = new_recording_id()
        file = SealedFile(disk.folder, recording, KEY)
        for at in range(0, size, BLOCK):
            file.write(plaintext(min(BLOCK, size - at), at))
            file.checkpoint()
        return file, recording

    finished, discarded, abandoned = written(), written(), written()
    finished[0].finish()
    discarded[0].discard()
    abandoned[0].close()
    with recover(disk.folder, abandoned[1], TRAINER) as prefix:
        assert prefix.read() == plaintext(size)
    rebuild(disk.folder, abandoned[1], TRAINER, KEY)
    disk.written_through()
    sealed = (disk.folder / f"{finished[1]}.age").read_bytes()
    assert found_on(disk.image, slices) == 0
    assert found_on(disk.image, [sealed[at : at + 16] for at in range(0, len(sealed) - 16, 997)]) > 200

    leak = disk.folder / "leak"
    leak.write_bytes(b"." * 5 + slices[100])
    disk.written_through()
    leak.unlink()
    disk.written_through()
    assert found_on(disk.image, slices) == 1, "the search does not find a packet that was planted and removed"
