"""What a crash leaves: an exact prefix that reaches the last checkpoint, wherever the recorder was killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge import age
from pbx_bridge.archive.recovery import NothingToRecover, rebuild, recover, unfinished_recordings
from pbx_bridge.archive.sealed import RecordingFiles, SealedFile
from pbx_bridge.archive.tail import Tail, unpack_tail
from pbx_bridge.ids import RecordingId, new_recording_id
from tests.age.samples import STRANGER, TRAINER, plaintext
from tests.archive.writer_process import CHECKPOINT_EVERY, LARGEST_WRITE

CHUNK = age.CHUNK_SIZE
KEY = TRAINER.recipient()
KILLS = 20
DEADLINE_S = 30


@pytest.fixture
def recording() -> RecordingId:
    return new_recording_id()


def recovered(folder: Path, recording: RecordingId) -> bytes:
    with recover(folder, recording, TRAINER) as prefix:
        return prefix.read()


def abandoned(folder: Path, recording: RecordingId, checkpointed: int, more: int = 0) -> RecordingFiles:
    """An interrupted recording of plaintext, of which `checkpointed` bytes were checkpointed and `more` written after."""
    with SealedFile(folder, recording, KEY) as file:
        file.write(plaintext(checkpointed))
        file.checkpoint()
        file.write(plaintext(more, checkpointed))
    return RecordingFiles(folder, recording)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_recorder_loses_at_most_what_came_after_its_last_checkpoint(
    tmp_path: Path, recording: RecordingId, seed: int
) -> None:
    dice = random.Random(seed)
    command = [
        sys.executable,
        "-m",
        "tests.archive.writer_process",
        str(tmp_path),
        recording,
        str(KEY),
        str(seed),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(dice.randrange(1, 40)):
            safe = int(process.stdout.readline())
        # A busy wait of a random length, to meet the writer at any place between two checkpoints.
        for _ in range(dice.randrange(200_000)):
            pass
        process.kill()
        safe = max(safe, *(int(line) for line in process.stdout.read().split(b"\n")[:-1]), 0)
        assert process.wait(DEADLINE_S) == -signal.SIGKILL
    prefix = recovered(tmp_path, recording)
    assert prefix == plaintext(len(prefix))
    assert safe <= len(prefix) <= safe + 2 * CHECKPOINT_EVERY * LARGEST_WRITE
    with pytest.raises(age.AgeError):
        age.open_bytes((tmp_path / f"{recording}.part").read_bytes(), [TRAINER])


CALLS = ("pwrite", "write", "fdatasync", "fsync", "ftruncate", "rename", "unlink", "posix_fallocate")
"""Every call by which the recorder changes the disk."""


def killed_at(step: int, work: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Fork, do `work`, and SIGKILL the child in its system call number `step` (a write: when half is written).

    Returns whether the child was killed; False when it had fewer calls. The calls are real; only the moment is chosen.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    try:
        counter = iter(range(1_000_000))

        def dying(call: Callable[..., Any], halves: bool) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **named: Any) -> Any:
                if next(counter) == step:
                    if halves:
                        call(arguments[0], arguments[1][: len(arguments[1]) // 2], *arguments[2:])
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **named)

            return wrapped

        for name in CALLS:
            monkeypatch.setattr(os, name, dying(getattr(os, name), halves=name in ("pwrite", "write")))
        work()
        os._exit(0)
    except BaseException:
        os._exit(1)


@pytest.mark.parametrize("size", [1000, CHUNK, CHUNK + 1, 3 * CHUNK + 500])
def test_killed_in_any_system_call_it_leaves_what_was_checkpointed_or_the_whole(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call of a short recording with two checkpoints and a rewritten start is the one that is never returned from."""
    first, rewritten = size // 2, plaintext(50, 10_000_000)
    whole = rewritten + plaintext(size)[50:]
    for step in range(1_000):
        recording = new_recording_id()
        files = RecordingFiles(tmp_path, recording)
        reached = tmp_path / f"{recording}.reached"

        def record(recording: RecordingId = recording, reached: Path = reached) -> None:
            file = SealedFile(tmp_path, recording, KEY)
            file.write(plaintext(first))
            file.checkpoint()
            reached.write_text("1")
            file.write(plaintext(size - first, first))
            file.checkpoint()
            reached.write_text("2")
            file.seek(0)
            file.write(rewritten)
            file.finish()

        killed = killed_at(step, record, monkeypatch)
        checkpoints = int(reached.read_text()) if reached.exists() else 0
        if files.sealed.exists():
            assert age.open_bytes(files.sealed.read_bytes(), [TRAINER]) == whole
            assert unfinished_recordings(tmp_path) == []
            if not killed:
                break
            files.remove_unfinished()
            continue
        assert killed
        try:
            prefix = recovered(tmp_path, recording)
        except (NothingToRecover, FileNotFoundError):
            assert checkpoints == 0
        else:
            assert len(prefix) >= (0, first, size)[checkpoints]
            assert prefix in (plaintext(len(prefix)), whole)
            rebuild(tmp_path, recording, TRAINER, KEY)
            assert age.open_bytes(files.sealed.read_bytes(), [TRAINER]) == prefix
        files.remove_unfinished()
    assert step > 10


@given(st.integers(0, 4 * CHUNK), st.integers(0, 3 * CHUNK))
@settings(max_examples=60)
def test_a_prefix_reaches_the_checkpoint_wherever_the_chunks_end(
    tmp_path_factory: pytest.TempPathFactory, checkpointed: int, more: int
) -> None:
    folder, recording = tmp_path_factory.mktemp("crash"), new_recording_id()
    if checkpointed == 0:
        checkpointed = 1
    abandoned(folder, recording, checkpointed, more)
    prefix = recovered(folder, recording)
    assert prefix == plaintext(len(prefix))
    assert checkpointed <= len(prefix) <= checkpointed + more


def test_what_is_rebuilt_opens_everywhere_under_a_new_key_and_replaces_the_rest(
    tmp_path: Path, recording: RecordingId
) -> None:
    files = abandoned(tmp_path, recording, 2 * CHUNK + 9)
    old = files.part.read_bytes()
    fresh = age.X25519Identity.generate()
    assert unfinished_recordings(tmp_path) == [recording]
    signed = rebuild(tmp_path, recording, TRAINER, fresh.recipient())
    assert {path.name for path in tmp_path.iterdir()} == {f"{recording}.age"}
    assert unfinished_recordings(tmp_path) == []
    new = files.sealed.read_bytes()
    assert signed.plain_size == 2 * CHUNK + 9
    assert pyrage.decrypt(new, [pyrage.x25519.Identity.from_str(str(fresh))]) == plaintext(2 * CHUNK + 9)
    old_slices = {old[at : at + 16] for at in range(40, len(old), 16)} - {bytes(16)}
    assert not old_slices & {new[at : at + 16] for at in range(40, len(new) - 16)}


def test_a_rebuilding_that_was_itself_interrupted_is_begun_again(
    tmp_path: Path, recording: RecordingId
) -> None:
    abandoned(tmp_path, recording, 2 * CHUNK)
    with SealedFile(tmp_path, recording, KEY, rebuild=True) as half:
        half.write(plaintext(100))
        half.checkpoint()
    assert rebuild(tmp_path, recording, TRAINER, KEY).plain_size == 2 * CHUNK
    assert len(list(tmp_path.iterdir())) == 1


def test_a_discarded_rebuilding_leaves_the_interrupted_recording(
    tmp_path: Path, recording: RecordingId
) -> None:
    abandoned(tmp_path, recording, CHUNK)
    SealedFile(tmp_path, recording, KEY, rebuild=True).discard()
    assert recovered(tmp_path, recording) == plaintext(CHUNK)


def test_a_prefix_can_be_read_in_any_order(tmp_path: Path, recording: RecordingId) -> None:
    abandoned(tmp_path, recording, 3 * CHUNK + 100)
    with recover(tmp_path, recording, TRAINER) as prefix:
        assert prefix.size == 3 * CHUNK + 100
        assert not prefix.whole
        for at in (3 * CHUNK + 50, 0, 2 * CHUNK - 5, 3 * CHUNK - 5):
            prefix.seek(at)
            assert prefix.read(50) == plaintext(50, at)


def test_a_torn_chunk_ends_the_prefix_before_it(tmp_path: Path, recording: RecordingId) -> None:
    files = abandoned(tmp_path, recording, 4 * CHUNK + 100)
    torn = bytearray(files.part.read_bytes())
    torn[-age.SEALED_CHUNK_SIZE - 100] ^= 1
    files.part.write_bytes(torn)
    assert recovered(tmp_path, recording) == plaintext(2 * CHUNK)


def test_a_tail_of_another_recording_or_time_is_not_used(tmp_path: Path, recording: RecordingId) -> None:
    other = abandoned(tmp_path, new_recording_id(), 500)
    files = abandoned(tmp_path, recording, 300)
    files.tail.write_bytes(other.tail.read_bytes())
    with pytest.raises(NothingToRecover, match="before its first checkpoint"):
        recover(tmp_path, recording, TRAINER)


@pytest.mark.parametrize("damage", [b"", b"noise", bytes(300_000)])
def test_a_damaged_tail_or_part_is_no_unexpected_error(
    tmp_path: Path, recording: RecordingId, damage: bytes
) -> None:
    files = abandoned(tmp_path, recording, 2 * CHUNK)
    tail = files.tail.read_bytes()
    files.tail.write_bytes(damage)
    with pytest.raises(NothingToRecover):
        recover(tmp_path, recording, TRAINER)
    files.tail.write_bytes(tail)
    files.part.write_bytes(damage)
    with pytest.raises(NothingToRecover, match="before its header"):
        recover(tmp_path, recording, TRAINER)


def test_before_the_first_checkpoint_there_is_nothing(tmp_path: Path, recording: RecordingId) -> None:
    with SealedFile(tmp_path, recording, KEY) as file:
        file.write(plaintext(3 * CHUNK))
    with pytest.raises(NothingToRecover):
        recover(tmp_path, recording, TRAINER)


def test_only_the_recordings_identity_recovers_it(tmp_path: Path, recording: RecordingId) -> None:
    abandoned(tmp_path, recording, 100)
    with pytest.raises(age.NoIdentityMatches):
        recover(tmp_path, recording, STRANGER)


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path, recording: RecordingId) -> None:
    (tmp_path / "backup.part").touch()
    (tmp_path / f"{recording}.age").touch()
    (tmp_path / f"{recording}.part").touch()
    assert unfinished_recordings(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"backup.part", f"{recording}.age"}


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda rest: b"pbx-bridge tail 1\n" + rest))
def test_noise_is_no_tail(noise: bytes) -> None:
    tail = unpack_tail(noise)
    assert tail is None or tail.pack() == noise


def test_a_tail_returns_whole_or_not_at_all() -> None:
    tail = Tail(bytes(16), 3, plaintext(CHUNK), plaintext(77))
    assert unpack_tail(tail.pack()) == tail
    assert unpack_tail(tail.pack()[:50_000]) is None
    assert unpack_tail(tail.pack() + bytes(CHUNK)) is None
    assert unpack_tail(Tail(bytes(16), 1, b"short", b"more").pack()) is None
