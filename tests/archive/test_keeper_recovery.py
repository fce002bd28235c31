"""After a crash: the keeper makes a whole file of what is left, under a new key; nothing in clear leaves it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest

from pbx_bridge.archive.recording_wire import Left
from pbx_bridge.archive.restart import rebuild
from pbx_bridge.archive.sealed import RecordingFiles, SealedFile
from pbx_bridge.media.merge import Film
from pbx_bridge.media.voice import FRAME_MS, Frame
from pbx_bridge.wire_portal import Refused
from tests.archive.house import House, Machine, house, manifest, opened_by_age

RATE = 8_000
PICTURE_MS = 100


def film(sink: SealedFile, seconds: int) -> Film:
    """A film of `seconds` begun in `sink`, with a checkpoint each half second; not finished."""
    encoder = av.CodecContext.create("libvpx-vp9", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.time_base = Fraction(1, 1000)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    begun = Film(sink, 320, 240, RATE)
    source = av.open(f"testsrc2=size=320x240:rate=10:duration={seconds}", format="lavfi")
    samples = 0
    for number, frame in enumerate(source.decode(video=0)):
        picture = frame.reformat(format="yuv420p")
        picture.pts, picture.time_base = number * PICTURE_MS, Fraction(1, 1000)
        for packet in encoder.encode(picture):
            begun.picture(number * PICTURE_MS, bytes(packet), keyframe=packet.is_keyframe)
        for _ in range(PICTURE_MS // FRAME_MS):
            count = RATE * FRAME_MS // 1000
            begun.voice(Frame(samples, count, os.urandom(4 * count)))
            samples += count
        if number % 5 == 4:
            sink.checkpoint()
    return begun


async def _dies(*_: object) -> None:
    raise RuntimeError("killed")


def probed(path: Path) -> tuple[float, int]:
    """Seconds by the file's own account, and pictures that decode; ffmpeg complains of nothing."""
    show = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-of", "json"]
    show += ["-show_entries", "format=duration:stream=nb_read_frames", str(path)]
    done = subprocess.run(show, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    return float(found["format"]["duration"]), int(found["streams"][0]["nb_read_frames"])


async def fetched(home: House, folder: Path, recording: str) -> Path:
    """What a trainer who joins gets, in clear."""
    machine = Machine(folder)
    code = await home.invite("bruno")
    to = folder / "call.age"

    async def say(*words: str) -> None:
        done = await asyncio.to_thread(machine.run, *words)
        assert (done.code, done.err) == (0, "")

    await say("join", home.url, "--code", code, "--identity-file", str(machine.identity))
    await home.confirm("bruno")
    await say("fetch", recording, "--to", str(to), "--session", "review")
    clear = folder / "clear.webm"
    clear.write_bytes(opened_by_age(to, machine.identity))
    return clear


async def test_a_cut_recording_is_made_whole_and_released(tmp_path: Path) -> None:
    described = manifest()
    async with house(tmp_path) as home:
        file = await home.begin(described)
        film(file, seconds=6)
        file.close()
        duration_ms = await rebuild(home.link, home.recorder, home.archive, described.recording)
        assert [p.name for p in home.archive.iterdir()] == [f"{described.recording}.age"]
        assert (await home.link.status()).unfinished == ()
        await home.link.hand_over(described.recording, "alice")
        clear = await fetched(home, tmp_path / "bruno", described.recording)
    seconds, pictures = probed(clear)
    assert 5.0 <= seconds <= 6.0
    assert seconds == pytest.approx(duration_ms / 1000)
    assert pictures == pytest.approx(seconds * 10, abs=1)


async def test_the_old_key_is_overwritten_and_opens_nothing(tmp_path: Path) -> None:
    described = manifest()
    async with house(tmp_path) as home:
        file = await home.begin(described)
        film(file, seconds=2)
        file.close()
        key = tmp_path / "keeper" / "keystore" / f"{described.recording}.key"
        before = key.read_bytes()
        await rebuild(home.link, home.recorder, home.archive, described.recording)
        assert key.read_bytes() != before
        assert [p.name for p in key.parent.glob("*.key*")] == [key.name]


@pytest.mark.parametrize("cut", ["finished", "renamed", "rebuilt-again"])
async def test_a_crash_in_the_recovery_itself_is_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    described = manifest()
    async with house(tmp_path) as home:
        file = await home.begin(described)
        begun = film(file, seconds=2)
        files = RecordingFiles(home.archive, described.recording)
        if cut == "finished":  # the bridge died between the file's name and its registration
            begun.finish()
            file.finish()
        else:
            file.close()
            part = files.part.read_bytes()
            monkeypatch.setattr(home.link, "finish", _dies)
            with pytest.raises(RuntimeError):
                await rebuild(home.link, home.recorder, home.archive, described.recording)
            monkeypatch.undo()
            if cut == "rebuilt-again":  # killed before the new file had its name
                files.sealed.unlink()
                files.part.write_bytes(part)
            await home.restart_keeper()
        await rebuild(home.link, home.recorder, home.archive, described.recording)
        status = await home.link.status()
        assert (status.recordings, status.unfinished) == (1, ())
        await home.link.hand_over(described.recording, "alice")
        seconds, _ = probed(await fetched(home, tmp_path / "bruno", described.recording))
    assert seconds == pytest.approx(2.0, abs=0.6)


async def test_a_recording_still_written_is_not_touched(tmp_path: Path) -> None:
    described = manifest()
    async with house(tmp_path) as home:
        file = await home.begin(described)
        film(file, seconds=2)
        with pytest.raises(Refused) as refused:
            await rebuild(home.link, home.recorder, home.archive, described.recording)
        assert refused.value.word == "busy"
        assert file.finish().plain_size > 0


@pytest.mark.parametrize("left", ["nothing", "noise", "no-tail"])
async def test_what_cannot_be_rebuilt_is_said(tmp_path: Path, left: str) -> None:
    described = manifest()
    async with house(tmp_path) as home:
        file = await home.begin(described)
        file.write(os.urandom(1_000))
        if left != "nothing":
            file.checkpoint()
        file.close()
        files = RecordingFiles(home.archive, described.recording)
        if left == "no-tail":
            files.tail.unlink()
        with pytest.raises(Refused) as refused:
            await rebuild(home.link, home.recorder, home.archive, described.recording)
        assert refused.value.word == "nothing-left"
        assert not files.sealed.exists()
        assert not list(home.archive.glob("*.rebuild*"))


async def test_only_files_and_as_many_as_belong_are_taken(tmp_path: Path) -> None:
    described = manifest()
    async with house(tmp_path) as home:
        await home.begin(described)
        reading, writing = os.pipe()
        for left, handles in (
            (Left.SEALED, [reading]),
            (Left.SEALED, []),
            (Left.PART_AND_TAIL, [writing, reading]),
        ):
            with pytest.raises(Refused) as refused:
                await home.link.recover(described.recording, left, handles)
            assert refused.value.word == "malformed"
        os.close(reading)
        os.close(writing)
