"""A film cut anywhere becomes a whole one: length and index right, every complete half second there, nothing
invented."""

from __future__ import annotations

import io
import os
import random
from fractions import Fraction
from functools import cache

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.media.mend import LAST_BLOCK_MS, NotWebm, mend
from pbx_bridge.media.merge import Film
from pbx_bridge.media.voice import FRAME_MS, Frame
from pbx_bridge.media.webm import CLUSTER_MS

CODEC_DELAY_MS = 8
"""What a reader takes off the first frame of Opus (RFC 7845, 4.2)."""
SECONDS, RATE, PICTURE_MS, KEY_EVERY = 8, 8_000, 100, 20


@cache
def growing() -> tuple[bytes, bytes]:
    """What lay in the file just before it was finished, and the finished file."""
    encoder = av.CodecContext.create("libvpx-vp9", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 160, 120, "yuv420p"
    encoder.time_base = Fraction(1, 1000)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": str(KEY_EVERY)}
    sink = io.BytesIO()
    film = Film(sink, 160, 120, RATE)
    source = av.open(f"testsrc2=size=160x120:rate=10:duration={SECONDS}", format="lavfi")
    samples = 0
    for number, frame in enumerate(source.decode(video=0)):
        picture = frame.reformat(format="yuv420p")
        picture.pts, picture.time_base = number * PICTURE_MS, Fraction(1, 1000)
        for packet in encoder.encode(picture):
            film.picture(number * PICTURE_MS, bytes(packet), keyframe=packet.is_keyframe)
        for _ in range(PICTURE_MS // FRAME_MS):
            count = RATE * FRAME_MS // 1000
            film.voice(Frame(samples, count, os.urandom(4 * count)))
            samples += count
    before = sink.getvalue()
    film.finish()
    return before, sink.getvalue()


def mended(prefix: bytes) -> tuple[bytes, int]:
    found = mend(lambda at, size: prefix[at : at + size], len(prefix))
    return found.head + prefix[len(found.head) : found.end] + found.index, found.duration_ms


def packets(file: bytes) -> list[tuple[int, int, bytes]]:
    """(stream, time in ms, bytes) of every packet ffmpeg reads."""
    with av.open(io.BytesIO(file), "r") as opened:
        return [
            (packet.stream_index, round(packet.pts * float(packet.time_base) * 1000), bytes(packet))
            for packet in opened.demux()
            if packet.pts is not None and packet.size
        ]


def test_a_cut_film_is_whole_up_to_its_last_half_second() -> None:
    before, whole = growing()
    everything = packets(whole)
    dice = random.Random(3)
    for cut in [len(before), *sorted(dice.sample(range(20_000, len(before)), 12))]:
        file, duration_ms = mended(before[:cut])
        found = packets(file)
        assert found == [packet for packet in everything if packet in found]
        assert duration_ms == pytest.approx(max(ms for _, ms, _ in found) + LAST_BLOCK_MS, abs=CODEC_DELAY_MS)
        with av.open(io.BytesIO(file), "r") as opened:
            assert opened.duration == duration_ms * 1_000
        lost = sum(len(data) for _, _, data in everything if data in before[:cut]) - sum(
            len(d) for _, _, d in found
        )
        assert lost * 1_000 <= 2 * CLUSTER_MS * len(before) / SECONDS


def test_a_mended_film_can_be_sought_in() -> None:
    file, duration_ms = mended(growing()[0])
    with av.open(io.BytesIO(file), "r") as opened:
        for wanted_ms in range(0, duration_ms, 700):
            opened.seek(wanted_ms * 1_000)
            picture = next(opened.decode(video=0))
            assert picture.time is not None
            assert wanted_ms - KEY_EVERY * PICTURE_MS <= picture.time * 1000 <= wanted_ms


def test_a_finished_film_stays_as_it_is() -> None:
    whole = growing()[1]
    file, duration_ms = mended(whole)
    assert file == whole
    assert duration_ms == pytest.approx(SECONDS * 1_000, abs=2 * FRAME_MS)


@given(cut=st.integers(0, 900))
def test_without_a_complete_cluster_there_is_no_film(cut: int) -> None:
    with pytest.raises(NotWebm):
        mended(growing()[0][:cut])


@given(at=st.integers(0, 3_000), value=st.integers(0, 255), cut=st.integers(0, 60_000))
def test_noise_is_refused_or_mended_but_never_worse(at: int, value: int, cut: int) -> None:
    spoiled = bytearray(growing()[0][:cut])
    if at < len(spoiled):
        spoiled[at] = value
    try:
        file, _ = mended(bytes(spoiled))
    except NotWebm:
        return
    assert len(file) <= cut + 10_000


@given(noise=st.binary(max_size=300))
def test_noise_alone_is_refused(noise: bytes) -> None:
    with pytest.raises(NotWebm):
        mended(noise)
