"""P23: one party's copy holds their own voice in its place and time, nothing of the other's, and the pictures or none."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge.media.chapters import Chapter, chapters
from pbx_bridge.media.excerpt import SHADOW_DB, OneVoice, excerpt
from pbx_bridge.media.mend import NotWebm
from pbx_bridge.media.merge import Film
from pbx_bridge.media.voice import FRAME_MS, Frame, Side
from tests.media.rig import HEIGHT, WIDTH, vp9

RATE, SECONDS = 8_000, 6
AGENT_HZ, CUSTOMER_HZ = 440.0, 1_000.0
Leg = npt.NDArray[np.float64]


def burst(hz: float, from_s: float, to_s: float) -> Leg:
    """A tone in [from_s, to_s) of the call, silence else."""
    time_s = np.arange(SECONDS * RATE) / RATE
    return np.where((time_s >= from_s) & (time_s < to_s), 9_000 * np.sin(2 * np.pi * hz * time_s), 0.0)


@cache
def original() -> bytes:
    """The agent talks from 1 to 3 s, the customer from 2 to 5 s; ten pictures a second."""
    agent, customer = burst(AGENT_HZ, 1, 3), burst(CUSTOMER_HZ, 2, 5)
    pcm = np.stack([agent, customer], axis=1).astype("<i2").tobytes()
    sink = io.BytesIO()
    film = Film(sink, WIDTH, HEIGHT, RATE)
    shown = vp9(tuple(60 + 2 * n for n in range(10 * SECONDS)), frozenset({0, 30}))
    count = RATE * FRAME_MS // 1000
    for number in range(SECONDS * 1000 // FRAME_MS):
        ms = number * FRAME_MS
        if ms % 100 == 0:
            film.picture(
                ms, shown[ms // 100], keyframe=ms in (0, 3_000), duration_ms=50 if ms == 5_900 else 0
            )
        film.voice(Frame(number * count, count, pcm[4 * number * count : 4 * (number + 1) * count]))
    film.finish()
    return sink.getvalue()


def reading(file: bytes) -> Callable[[int, int], bytes]:
    return lambda at, size: file[at : at + size]


def copied(keep: Side, *, pictures: bool, file: bytes | None = None) -> bytes:
    whole = original() if file is None else file
    sink = io.BytesIO()
    excerpt(reading(whole), len(whole), sink, keep, pictures=pictures)
    return sink.getvalue()


def test_marks_stay_and_notes_become_marks() -> None:
    sink = io.BytesIO()
    mark, note = Chapter(0, 6_000, "hold"), Chapter(1_000, 1_000, "bruno: greeted by name")
    film = Film(sink, WIDTH, HEIGHT, RATE)
    film.picture(0, vp9((60,))[0], keyframe=True)
    film.voice(Frame(0, RATE * FRAME_MS // 1000, bytes(4 * RATE * FRAME_MS // 1000)))
    film.finish([mark])
    marked, out = sink.getvalue(), io.BytesIO()
    excerpt(reading(marked), len(marked), out, Side.AGENT, pictures=True, notes=(note,))
    assert chapters(reading(out.getvalue()), len(out.getvalue())) == (mark, note)


def legs(file: bytes) -> Leg:
    """Both channels as an independent decoder (ffmpeg's own, not libopus) hears them, 48 kHz."""
    decode = ["ffmpeg", "-v", "error", "-c:a", "opus", "-i", "-", "-map", "0:a", "-f", "f32le", "-"]
    done = subprocess.run(decode, input=file, capture_output=True, check=True)
    assert done.stderr == b""
    return np.frombuffer(done.stdout, "<f4").reshape(-1, 2).T.astype(np.float64)


def tone_db(leg: Leg, hz: float, from_s: float, to_s: float) -> float:
    """How strong `hz` is in that span, in dB of full scale; -200 for none. Windowed: a tone beside it does not leak in."""
    part = leg[int(from_s * 48_000) : int(to_s * 48_000)]
    part = part * 2 * np.hanning(len(part))
    wave = np.exp(-2j * np.pi * hz * np.arange(len(part)) / 48_000)
    return float(20 * np.log10(max(1e-10, 2 * abs(np.vdot(wave, part)) / len(part))))


@pytest.mark.parametrize(
    ("keep", "kept_hz", "kept_s", "other_hz", "other_s"),
    [
        (Side.AGENT, AGENT_HZ, (1.1, 2.9), CUSTOMER_HZ, (2.1, 4.9)),
        (Side.CUSTOMER, CUSTOMER_HZ, (2.1, 4.9), AGENT_HZ, (1.1, 2.9)),
    ],
)
def test_only_the_kept_voice_is_in_the_copy(
    keep: Side, kept_hz: float, kept_s: tuple[float, float], other_hz: float, other_s: tuple[float, float]
) -> None:
    """The control: in the original both are there, each on its side."""
    before, after = legs(original()), legs(copied(keep, pictures=True))
    own, other = keep.value, 1 - keep.value
    assert tone_db(before[other], other_hz, *other_s) > -20
    assert tone_db(before[own], kept_hz, *kept_s) > -20
    assert abs(tone_db(after[own], kept_hz, *kept_s) - tone_db(before[own], kept_hz, *kept_s)) < 1
    assert not after[other].any() or np.abs(after[other]).max() < 1e-4
    for leg in after:
        assert tone_db(leg, other_hz, *other_s) < -75


def heard(own_db: float, other_level: int = 10_000) -> tuple[int, int]:
    """The loudest samples, kept and other, of what is given out when the kept leg repeats the other `own_db` below it."""
    wave = other_level * np.sin(2 * np.pi * 300 * np.arange(9_600) / 48_000)
    pcm = np.stack([wave * 10 ** (own_db / 20), wave], axis=1).astype("<i2").tobytes()
    one = OneVoice(Side.AGENT, 9_600)
    out = b"".join(frame.pcm for frame in (*one.feed(pcm), *one.rest()))
    kept, other = np.abs(np.frombuffer(out, "<i2").reshape(-1, 2).astype(int)).max(axis=0)
    return int(kept), int(other)


def test_the_codecs_shadow_of_the_other_voice_is_silence_too() -> None:
    """The control: a kept leg that is no shadow is given out as it is."""
    assert heard(-60) == (0, 0)
    assert heard(-SHADOW_DB - 1) == (0, 0)
    assert heard(-SHADOW_DB + 1)[0] > 100
    assert heard(0)[1] == 0 < 9_990 < heard(0)[0]


def test_voices_stay_in_their_time() -> None:
    before, after = legs(original()), legs(copied(Side.CUSTOMER, pictures=False))
    assert after.shape == before.shape
    starts = [int(np.argmax(np.abs(heard[1]) > 0.05)) / 48 for heard in (before, after)]
    assert abs(starts[0] - 2_000) < 10
    assert abs(starts[1] - starts[0]) < 5


def packets(file: bytes, kind: str) -> list[tuple[int | None, bool, bytes]]:
    with av.open(io.BytesIO(file), "r") as opened:
        return [
            (packet.pts, packet.is_keyframe, bytes(packet))
            for packet in opened.demux()
            if packet.stream.type == kind and packet.size
        ]


def test_pictures_are_copied_as_they_are() -> None:
    assert packets(copied(Side.AGENT, pictures=True), "video") == packets(original(), "video")


def test_without_pictures_not_one_byte_of_one_is_in_the_copy(tmp_path: Path) -> None:
    """The control: the same search finds every picture in a copy with pictures."""
    bare, whole = copied(Side.CUSTOMER, pictures=False), copied(Side.CUSTOMER, pictures=True)
    for _, _, data in packets(original(), "video"):
        assert data in whole
        assert data not in bare
    assert b"V_VP9" not in bare
    path = tmp_path / "bare.webm"
    path.write_bytes(bare)
    asked = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type:format=duration", "-of", "csv=p=0"]
    done = subprocess.run([*asked, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == ["audio", "6.000000"]


def test_no_packet_of_the_original_voices_is_copied() -> None:
    kept = {data for _, _, data in packets(copied(Side.AGENT, pictures=True), "audio")}
    loud = [data for at, _, data in packets(original(), "audio") if at is not None and 1_000 < at < 5_000]
    assert len(loud) > 100
    assert not kept & set(loud)


def test_a_copy_can_be_sought_without_pictures() -> None:
    with av.open(io.BytesIO(copied(Side.CUSTOMER, pictures=False)), "r") as opened:
        opened.seek(4_000_000)
        packet = next(opened.demux())
        assert packet.pts is not None
        assert 3_000 < packet.pts <= 4_000 + FRAME_MS


@settings(max_examples=30, deadline=None)
@given(end=st.integers(0, 40_000))
def test_what_is_no_whole_file_of_ours_is_refused(end: int) -> None:
    cut = original()[: min(end, len(original()) // 2)]
    with pytest.raises(NotWebm):
        copied(Side.AGENT, pictures=True, file=cut if len(cut) < 300 else cut[:300])


@given(cuts=st.lists(st.integers(1, 3_000), max_size=6), samples=st.integers(0, 6_000))
def test_the_copy_is_as_long_as_it_says_however_the_sound_comes(cuts: list[int], samples: int) -> None:
    one, at, got = OneVoice(Side.AGENT, samples), 0, []
    loud = np.full((4_000, 2), 5_000, "<i2").tobytes()
    for cut in cuts:
        got += list(one.feed(loud[4 * at : 4 * (at + cut)]))
        at = min(4_000, at + cut)
    got += list(one.rest())
    assert sum(frame.count for frame in got) == samples
    assert [frame.place for frame in got] == [sum(f.count for f in got[:n]) for n in range(len(got))]
    for frame in got:
        assert not np.frombuffer(frame.pcm, "<i2")[1::2].any()
