"""The recorder's file: what it holds when finished, what it refuses, what it leaves, and that memory does not grow."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import av
import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge import age
from pbx_bridge.archive.recovery import recover
from pbx_bridge.archive.sealed import RecordingFiles, SealedFile, StorageFailed, payload_digest
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, new_recording_id
from tests.age.samples import SIZES, TRAINER, pieces_of, plaintext

CHUNK = age.CHUNK_SIZE
KEY = TRAINER.recipient()


@pytest.fixture
def recording() -> RecordingId:
    return new_recording_id()


def opened(folder: Path, recording: RecordingId) -> bytes:
    return bytes(
        pyrage.decrypt(
            (folder / f"{recording}.age").read_bytes(), [pyrage.x25519.Identity.from_str(str(TRAINER))]
        )
    )


def names(folder: Path) -> set[str]:
    return {path.name.partition(".")[2] for path in folder.iterdir()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_finished_file_is_a_whole_standard_age_file(
    tmp_path: Path, recording: RecordingId, size: int, checkpointed: bool
) -> None:
    file = SealedFile(tmp_path, recording, KEY)
    for at in range(0, size, 10_000):
        file.write(plaintext(min(10_000, size - at), at))
        if checkpointed:
            file.checkpoint()
    digest = file.finish()
    assert opened(tmp_path, recording) == plaintext(size)
    assert names(tmp_path) == {"age"}
    sealed = (tmp_path / f"{recording}.age").read_bytes()
    assert (digest.plain_size, digest.sealed_size) == (size, len(sealed))
    assert len(pieces_of(sealed)[1]) == max(1, -(-size // CHUNK))


def test_a_muxers_file_can_be_sought_in(tmp_path: Path, recording: RecordingId) -> None:
    """libavformat goes back to write sizes, duration and the seek head: a file made without that lacks them."""
    file = SealedFile(tmp_path, recording, KEY)
    with av.open(file, "w", format="webm", options={"reserve_index_space": "0"}) as container:
        stream = container.add_stream(
            "libvpx-vp9", rate=10, options={"deadline": "realtime", "cpu-used": "8"}
        )
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for at in range(40):
            frame = av.VideoFrame(320, 240, "yuv420p")
            for plane in frame.planes:
                plane.update(os.urandom(plane.buffer_size))
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert file.finish().plain_size > 3 * CHUNK
    with (
        (tmp_path / f"{recording}.age").open("rb") as source,
        av.open(age.Reader(source, [TRAINER]), "r") as container,
    ):
        assert container.duration == 4_000_000
        container.seek(3_500_000)
        assert sum(1 for _ in container.decode(video=0)) <= 40


def test_the_digest_says_what_the_payload_is_and_survives_a_rewrap(
    tmp_path: Path, recording: RecordingId
) -> None:
    for size in (0, CHUNK, CHUNK + 1, 3 * CHUNK):
        file = SealedFile(tmp_path, new_recording_id(), KEY)
        file.write(plaintext(size))
        signed = file.finish()
        path = max(tmp_path.glob("*.age"), key=lambda path: path.stat().st_mtime_ns)
        sealed = path.read_bytes()
        fresh = age.rewrap_header(sealed, [TRAINER], [age.X25519Identity.generate().recipient()])
        assert payload_digest(io.BytesIO(sealed[fresh.payload_at :])) == signed.payload_sha256
        changed = bytearray(sealed[fresh.payload_at :])
        changed[-1] ^= 1
        assert payload_digest(io.BytesIO(changed)) != signed.payload_sha256
        path.unlink()


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[int | None, int]]:
    """Writes as (place, size): None appends, a place is within the first 64 KiB."""
    place = st.none() | st.integers(0, CHUNK - 1)
    return draw(st.lists(st.tuples(place, st.integers(0, 70_000)), max_size=12))


@given(edits(), st.data())
@settings(max_examples=60)
def test_any_allowed_edits_give_the_file_a_plain_one_would_be(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int | None, int]], data: st.DataObject
) -> None:
    folder, recording = tmp_path_factory.mktemp("edits"), new_recording_id()
    file, plain = SealedFile(folder, recording, KEY), io.BytesIO()
    for number, (place, size) in enumerate(edits):
        block = plaintext(size, number * 100_000)
        end = len(plain.getvalue())
        if place is None or place > end:
            place = end
        if place < end and min(place + size, end) > CHUNK:
            block = block[: CHUNK - place]
        assert file.seek(place) == plain.seek(place)
        assert file.write(block) == plain.write(block)
        assert file.tell() == plain.tell()
        if data.draw(st.booleans()):
            file.checkpoint()
    assert file.finish().plain_size == len(plain.getvalue())
    assert opened(folder, recording) == plain.getvalue()


def test_going_back_beyond_the_first_chunk_is_refused_and_changes_nothing(
    tmp_path: Path, recording: RecordingId
) -> None:
    file = SealedFile(tmp_path, recording, KEY)
    file.write(plaintext(3 * CHUNK))
    for place, block in [(CHUNK, b"x"), (CHUNK - 1, b"xy"), (0, bytes(CHUNK + 1)), (3 * CHUNK - 1, b"x")]:
        file.seek(place)
        with pytest.raises(io.UnsupportedOperation, match=f"at {place} goes back beyond the first 65536"):
            file.write(block)
    file.seek(3 * CHUNK + 1)
    with pytest.raises(io.UnsupportedOperation, match="gap"):
        file.write(b"x")
    with pytest.raises(ValueError, match="before the start"):
        file.seek(-1)
    file.finish()
    assert opened(tmp_path, recording) == plaintext(3 * CHUNK)


def test_nobody_else_on_the_machine_may_read_the_files(tmp_path: Path, recording: RecordingId) -> None:
    before = os.umask(0)
    try:
        file = SealedFile(tmp_path, recording, KEY)
        file.write(b"x")
        file.checkpoint()
        modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {".part": 0o600, ".tail": 0o600}
    file.finish()
    assert stat.S_IMODE((tmp_path / f"{recording}.age").stat().st_mode) == 0o600


def test_discarding_leaves_nothing(tmp_path: Path, recording: RecordingId) -> None:
    file = SealedFile(tmp_path, recording, KEY)
    file.write(plaintext(2 * CHUNK))
    file.checkpoint()
    assert names(tmp_path) == {"part", "tail"}
    file.discard()
    assert names(tmp_path) == set()
    for late in (file.checkpoint, file.finish, lambda: file.write(b"x")):
        with pytest.raises(ValueError, match="finished or closed"):
            late()
    file.discard()


def test_an_idle_checkpoint_touches_nothing(tmp_path: Path, recording: RecordingId) -> None:
    file = SealedFile(tmp_path, recording, KEY)
    file.checkpoint()
    assert names(tmp_path) == {"part"}
    file.write(b"x")
    file.checkpoint()
    tail = (tmp_path / f"{recording}.tail").stat().st_ino
    file.checkpoint()
    assert (tmp_path / f"{recording}.tail").stat().st_ino == tail


def test_two_tails_of_the_same_bytes_share_nothing(tmp_path: Path, recording: RecordingId) -> None:
    """Each is sealed under a key of its own: chunk numbers start again in every tail."""
    file = SealedFile(tmp_path, recording, KEY)
    tails = []
    for _ in range(2):
        file.seek(0)
        file.write(plaintext(1000))
        file.checkpoint()
        tails.append((tmp_path / f"{recording}.tail").read_bytes()[40:])
    slices = [{tail[at : at + 16] for at in range(len(tail) - 15)} for tail in tails]
    assert not slices[0] & slices[1]


def test_one_recording_is_written_once(tmp_path: Path, recording: RecordingId) -> None:
    file = SealedFile(tmp_path, recording, KEY)
    with pytest.raises(OperatorError, match="never continued"):
        SealedFile(tmp_path, recording, KEY)
    file.finish()
    for rebuild in (False, True):
        with pytest.raises(OperatorError, match="finished already"):
            SealedFile(tmp_path, recording, KEY, rebuild=rebuild)


def test_the_keeper_does_not_take_a_running_recording_for_a_crashed_one(
    tmp_path: Path, recording: RecordingId
) -> None:
    file = SealedFile(tmp_path, recording, KEY)
    file.write(b"x")
    file.checkpoint()
    with pytest.raises(OperatorError, match="still being written"):
        recover(tmp_path, recording, TRAINER)
    file.close()
    with recover(tmp_path, recording, TRAINER) as prefix:
        assert prefix.read() == b"x"


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "A" * 26, "a" * 25, "a" * 26 + "\n"])
def test_a_name_that_is_no_recording_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="26 characters"):
        SealedFile(tmp_path, name, KEY)
    with pytest.raises(ValueError, match="26 characters"):
        recover(tmp_path, name, TRAINER)
    assert names(tmp_path) == set()


def test_a_link_put_in_the_way_is_not_followed(tmp_path: Path, recording: RecordingId) -> None:
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / f"{recording}.tail.new").symlink_to(tmp_path / "elsewhere")
    file = SealedFile(tmp_path, recording, KEY)
    file.write(b"x")
    with pytest.raises(StorageFailed, match="replacing the tail failed"):
        file.checkpoint()
    assert (tmp_path / "elsewhere").read_text() == "untouched"
    file.checkpoint()
    assert file.finish().plain_size == 1


def test_a_folder_that_is_missing_is_named(tmp_path: Path, recording: RecordingId) -> None:
    with pytest.raises(
        StorageFailed, match=r"nowhere: creating a file failed .No such file.*Check that folder"
    ) as fault:
        SealedFile(tmp_path / "nowhere", recording, KEY)
    assert not fault.value.full


def test_a_muxer_may_ask_what_the_file_can_do(tmp_path: Path, recording: RecordingId) -> None:
    file = SealedFile(tmp_path, recording, KEY)
    assert (file.writable(), file.seekable(), file.readable()) == (True, True, False)
    file.flush()
    file.write(b"abc")
    assert file.seek(0, io.SEEK_END) == 3
    assert file.seek(-1, io.SEEK_CUR) == 2
    file.close()
    assert not file.writable()
    assert RecordingFiles(tmp_path, recording).part.exists()


WRITE_MUCH = """
import resource, sys
from pathlib import Path
from pbx_bridge.age import X25519Identity
from pbx_bridge.archive.sealed import SealedFile
from pbx_bridge.ids import new_recording_id
file = SealedFile(Path(sys.argv[1]), new_recording_id(), X25519Identity.generate().recipient())
block = bytes(1 << 20)
for number in range(int(sys.argv[2])):
    file.write(block)
    if number % 20 == 0:
        file.checkpoint()
file.finish()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_call(tmp_path: Path) -> None:
    def peak_kib(mebibytes: int) -> int:
        command = [sys.executable, "-c", WRITE_MUCH, str(tmp_path), str(mebibytes)]
        return int(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)

    assert peak_kib(160) - peak_kib(4) < 2_000
