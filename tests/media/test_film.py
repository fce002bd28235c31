"""The file itself: plays, seeks, tells nothing, survives being cut anywhere, and is never written behind its
end."""

from __future__ import annotations

import json
import math
import subprocess
from array import array
from bisect import bisect_right
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import pytest

from pbx_bridge.age import CHUNK_SIZE
from pbx_bridge.media.chapters import Chapter, chapters
from pbx_bridge.media.montage import Mark, Packet, Piece
from tests.media.rig import CARD_LUMA, HEIGHT, MS, T0, WIDTH, Cutter, Played, S, play, tone, vp9

DATE_UTC, CUES, SEGMENT_UID = b"\x44\x61", b"\x1c\x53\xbb\x6b", b"\x73\xa4"
KEYS = frozenset(range(0, 1000, 25))


def filmed(seconds: int, rate: int = 8000, cutter: Cutter | None = None) -> Cutter:
    """Talk from now on: 10 pictures a second, each brighter by 1 (60 to 179), a keyframe each 2.5 s; two
    tones."""
    cutter = cutter or Cutter(rate=rate)
    packets = vp9(
        tuple(60 + n % 120 for n in range(seconds * 10)), frozenset(k for k in KEYS if k < seconds * 10)
    )
    for tick in range(seconds * 50):
        cutter.chunk("agent", tone(rate, tick * rate // 50, rate // 50, 440))
        cutter.chunk("customer", tone(rate, tick * rate // 50, rate // 50, 1000))
        if tick % 5 == 0:
            cutter.picture(packets[tick // 5], keyframe=tick // 5 in KEYS)
        cutter.step()
    return cutter


@pytest.fixture(scope="module")
def whole() -> bytes:
    cutter = filmed(10)
    cutter.mark(Mark.CLOSE)
    return cutter.finish()


@pytest.mark.parametrize("rate", [8000, 16000])
def test_both_tracks_are_as_long_as_the_call(rate: int) -> None:
    cutter = filmed(4, rate)
    cutter.mark(Mark.CLOSE, T0 + 3_987_654_321)
    played = play(cutter.finish())
    assert [ms for ms, _ in played.pictures] == [*range(0, 4_000, 100), 3_986]
    assert [luma for _, luma in played.pictures] == pytest.approx([*range(60, 100), 99], abs=2)
    assert played.sound_ms == pytest.approx(3987.65, abs=7)


def test_the_voices_before_the_first_picture_are_in_the_file() -> None:
    cutter = Cutter()
    for tick in range(100):
        cutter.chunk("agent", tone(8000, tick * 160, 160))
        cutter.chunk("customer", bytes(320))
        if tick >= 10 and tick % 10 == 0:
            cutter.picture(vp9((60,))[0], keyframe=True)
        cutter.step()
    cutter.mark(Mark.CLOSE)
    played = play(cutter.finish())
    assert played.pictures[0][0] == 200
    assert max(map(abs, played.left[20 * 48 : 40 * 48])) > 6_000


def test_other_programs_agree(whole: bytes, tmp_path: Path) -> None:
    """ffprobe's reading: lengths, BT.709 limited range, no tag but the muxer's name, and nothing to complain
    of."""
    path = tmp_path / "whole.webm"
    path.write_bytes(whole)
    asked = ["ffprobe", "-v", "warning", "-count_frames", "-show_streams", "-show_format", "-of", "json"]
    done = subprocess.run([*asked, str(path)], check=True, capture_output=True, timeout=60)
    assert done.stderr == b""
    told = json.loads(done.stdout)
    video, audio = told["streams"]
    assert float(told["format"]["duration"]) == pytest.approx(10, abs=0.02)
    assert told["format"]["tags"] == {"encoder": "pbx-bridge"}
    assert "tags" not in video
    assert "tags" not in audio
    assert (video["codec_name"], audio["codec_name"], audio["channels"]) == ("vp9", "opus", 2)
    assert (video["nb_read_frames"], video["width"], video["height"]) == ("101", WIDTH, HEIGHT)
    assert (video["color_range"], video["color_transfer"], video["color_primaries"]) == (
        "tv",
        "bt709",
        "bt709",
    )


def test_the_container_says_bt709_before_any_picture_is_decoded(whole: bytes) -> None:
    with av.open(BytesIO(whole), "r") as file:
        context = file.streams.video[0].codec_context
        assert (context.color_range, context.colorspace, context.color_primaries, context.color_trc) == (
            1,
            1,
            1,
            1,
        )


def test_the_head_says_nothing_of_when_where_and_who(whole: bytes) -> None:
    """P17. Two files of the same pictures and sounds are the same bytes."""
    head = whole[: whole.index(b"\x1f\x43\xb6\x75")]
    assert DATE_UTC not in head
    assert SEGMENT_UID not in head
    again = filmed(10)
    again.now_ns += 500 * MS
    again.mark(Mark.CLOSE, T0 + 10 * S)
    assert again.finish() == whole


def test_seeking_lands_on_the_keyframe_before(whole: bytes) -> None:
    assert CUES in whole[-400:]
    with av.open(BytesIO(whole), "r") as file:
        video = file.streams.video[0]
        for second in (9, 1, 6, 3):
            file.seek(second * 1000, stream=video)
            picture = next(file.decode(video))
            assert picture.time == pytest.approx(second * 1000 // 2500 * 2.5)


def test_only_the_head_is_written_twice(whole: bytes) -> None:
    cutter = filmed(30)
    cutter.mark(Mark.CLOSE)
    data = cutter.finish()
    assert len(data) > CHUNK_SIZE
    behind = [write for before, write in pairwise(cutter.sink.writes) if write[0] < sum(before)]
    assert behind
    assert all(at + size <= 1024 for at, size in behind)


@pytest.mark.parametrize("every", [5, 50])
def test_at_every_moment_the_file_cut_there_plays_to_a_second_before(every: int) -> None:
    """A crash loses at most the second before it (DESIGN 7), of pictures and voices, on a still screen
    too."""
    cutter, worst = Cutter(), (0.0, 0.0)
    packets, taken = vp9(tuple(60 + n for n in range(60))), list[int]()
    for tick in range(200):
        cutter.chunk("agent", tone(8000, tick * 160, 160))
        cutter.chunk("customer", bytes(320))
        if tick % every == 0:
            cutter.picture(packets[tick // every], keyframe=tick == 0)
            taken.append(tick * 20)
        cutter.step()
        if tick >= 60 and tick % 3 == 0:
            played = play(bytes(cutter.sink.data))
            now_ms = (cutter.now_ns - T0) / MS
            lost_ms = [now_ms - ms for ms in taken[len(played.pictures) :]]
            worst = max(worst[0], *lost_ms, 0), max(worst[1], now_ms - played.sound_ms)
            assert [ms for ms, _ in played.pictures] == taken[: len(played.pictures)]
    assert worst[0] <= 1000
    assert worst[1] <= 1000


def test_a_file_cut_at_any_byte_plays_up_to_there(whole: bytes) -> None:
    played = [0]
    for cut in range(2_000, len(whole) - 1_000, 1_777):
        played.append(len(play(whole[:cut]).pictures))
    assert played == sorted(played)
    assert played[-1] >= 90


def test_a_pause_is_a_card_and_silence_of_true_length() -> None:
    """P9. In it the station goes on sending cards, the tap the customer's music, and one window picture slips
    out."""
    cutter = filmed(2)
    card = vp9((CARD_LUMA,))[0]
    cutter.mark(Mark.HOLD)
    for tick in range(177):
        cutter.chunk("agent", tone(8000, tick * 160, 160, 700))
        cutter.chunk("customer", tone(8000, tick * 160, 160, 700))
        if tick == 3:
            cutter.picture(vp9((60, 250))[1], keyframe=False)
        if tick % 50 == 4:
            cutter.picture(card, keyframe=True, card=True)
        cutter.step()
    cutter.mark(Mark.TALK)
    filmed(2, cutter=cutter)
    cutter.mark(Mark.CLOSE)
    file = cutter.finish()
    assert chapters(lambda at, size: file[at : at + size], len(file)) == (
        Chapter(0, 2_000, "talk"),
        Chapter(2_000, 5_540, "hold"),
        Chapter(5_540, 7_540, "talk"),
    )
    assert in_order(cutter.pieces)
    played = play(file)
    seconds = [(ms, luma) for ms, luma in played.pictures if 1_950 < ms < 5_700]
    cards = [(ms, CARD_LUMA) for ms in (2_000, 3_000, 4_000, 5_000)]
    assert seconds == [*cards, (5_540, 60), (5_640, 61)]
    assert 250 not in [luma for _, luma in played.pictures]
    assert played.sound_ms == pytest.approx(2_000 + 177 * 20 + 2_000, abs=10)
    assert loudest(played, 2_020, 5_520) <= 40, "more than a codec's own fading"
    assert loudest(played, 2_250, 5_520) <= 1
    assert min(loudest(played, 1_900, 1_980), loudest(played, 5_600, 5_700)) > 6_000


def in_order(pieces: list[Piece]) -> bool:
    """Pictures and sound are in step, so that a player need not look far ahead."""
    times = [piece.ms if isinstance(piece, Packet) else piece.place // 8 for piece in pieces]
    return all(a <= b + 20 for a, b in pairwise(times))


def loudest(played: Played, from_ms: int, to_ms: int) -> int:
    part = slice(from_ms * 48, to_ms * 48)
    return max(max(map(abs, played.left[part])), max(map(abs, played.right[part])))


def test_each_voice_stays_on_its_side(whole: bytes) -> None:
    """Agent left (440 Hz), customer right (1000 Hz): on the other side at least 40 dB below."""
    played = play(whole)
    for side, own, other in ((played.left, 440, 1000), (played.right, 1000, 440)):
        assert 20 * math.log10(strength(side, own) / strength(side, other)) > 40


def strength(samples: array[int], hz: int) -> float:
    """Of one tone in the middle second."""
    part = samples[4 * 48_000 : 5 * 48_000]
    turn = [2 * math.pi * hz * n / 48_000 for n in range(len(part))]
    return math.hypot(
        sum(v * math.cos(a) for v, a in zip(part, turn, strict=True)),
        sum(v * math.sin(a) for v, a in zip(part, turn, strict=True)),
    )


def test_a_tone_and_a_flash_of_the_same_instant_stay_together() -> None:
    """Within 20 ms in the file, sound codec's delay included."""
    cutter = Cutter()
    packets = vp9(tuple(200 if n % 20 == 10 else 60 for n in range(80)))
    flashes = [n * 100 for n in range(80) if n % 20 == 10]
    for tick in range(400):
        loud = any(ms <= tick * 20 < ms + 100 for ms in flashes)
        cutter.chunk("agent", tone(8000, tick * 160, 160) if loud else bytes(320))
        cutter.chunk("customer", bytes(320))
        if tick % 5 == 0:
            cutter.picture(packets[tick // 5], keyframe=tick == 0)
        cutter.step()
    cutter.mark(Mark.CLOSE)
    played = play(cutter.finish())
    seen = [ms for (_, before), (ms, luma) in pairwise(played.pictures) if luma > 150 > before]
    assert seen == flashes
    loud_ms = [n / 48 for n, value in enumerate(played.left) if abs(value) > 2_000]
    heard = [loud_ms[0], *(b for a, b in pairwise(loud_ms) if b - a > 500)]
    assert [abs(at - ms) < 20 for at, ms in zip(heard, flashes, strict=True)] == [True] * len(flashes)


def test_what_counts_as_written_is_in_the_sink() -> None:
    """`written` is what the station is told it may forget."""
    cutter = Cutter()
    packets = vp9(tuple(60 + n for n in range(100)))
    told, last = list[tuple[int, int]](), 0
    for tick in range(500):
        cutter.chunk("agent", tone(8000, tick * 160, 160))
        if tick % 5 == 0:
            cutter.picture(packets[tick // 5], keyframe=tick == 0)
        cutter.step()
        film = cutter.film
        if film is None or film.written == last:
            continue
        last = film.written
        pictures = sum(isinstance(piece, Packet) for piece in cutter.pieces[: film.written])
        with av.open(BytesIO(bytes(cutter.sink.data)), "r") as file:
            inside = sum(packet.size > 0 for packet in file.demux(file.streams.video[0]))
        told.append((pictures, inside))
    assert len(told) >= 15
    assert all(inside - 3 <= pictures <= inside for pictures, inside in told)


def test_times_are_milliseconds_of_the_file(whole: bytes) -> None:
    with av.open(BytesIO(whole), "r") as file:
        assert file.streams.video[0].time_base == Fraction(1, 1000)
        times = [packet.pts for packet in file.demux(file.streams.video[0]) if packet.pts is not None]
    assert times == [*range(0, 10_000, 100), 9_999]
    assert bisect_right(times, 10_000) == len(times)
