"""A station, a tap and a PBX in figures: packets of real VP9, chunks of real sound, and a clock turned by
hand."""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from io import BytesIO

import av

from pbx_bridge.age import CHUNK_SIZE
from pbx_bridge.calls.facts import LegName, VoiceChunk
from pbx_bridge.media.leg import TAP_LAG_NS
from pbx_bridge.media.merge import Film
from pbx_bridge.media.montage import Mark, Montage, Packet, Piece, Stamp
from pbx_bridge.media.outcome import RecordingEvent, Safe
from pbx_bridge.media.recording import Recording, SealSink

MS = 1_000_000
S = 1_000_000_000
T0 = 7_000 * S
WIDTH, HEIGHT = 320, 180
CARD_LUMA = 16
WINDOW_LUMA = 60
"""Window pictures are this bright or brighter; a card is darker."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as the station's link hands it over."""

    seq: int
    at_ns: int
    error_ns: int
    keyframe: bool
    card: bool
    data: bytes
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def taken_ns(self) -> int:
        return self.at_ns


class MemorySink:
    """Refuses what a sealed file cannot do: a write behind its end beyond the first 64 KiB."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.at = 0
        self.checkpoints: list[bytes] = []
        self.keep_checkpoints = False
        self.finished = self.discarded = self.closed = False
        self.writes: list[tuple[int, int]] = []

    def write(self, data: bytes) -> int:
        if self.at < len(self.data) and self.at + len(data) > CHUNK_SIZE:
            raise AssertionError(f"backward write at {self.at}")
        assert not self.finished
        assert not self.discarded
        self.writes.append((self.at, len(data)))
        self.data[self.at : self.at + len(data)] = data
        self.at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = (0, self.at, len(self.data))[whence] + offset
        assert 0 <= self.at <= len(self.data)
        return self.at

    def tell(self) -> int:
        return self.at

    def checkpoint(self) -> None:
        if self.keep_checkpoints:
            self.checkpoints.append(bytes(self.data))

    def finish(self) -> object:
        self.finished = True
        return len(self.data)

    def close(self) -> None:
        self.closed = True

    def discard(self) -> None:
        self.data.clear()
        self.discarded = True


@lru_cache(maxsize=8)
def vp9(lumas: tuple[int, ...], keys: frozenset[int] = frozenset({0})) -> tuple[bytes, ...]:
    """One packet for each brightness, keyframes where told: the station's encoder with its real options."""
    context = av.CodecContext.create("libvpx-vp9", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 1000), Fraction(10)
    context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": "99999"}
    packets: list[bytes] = []
    for number, luma in enumerate(lumas):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, value in zip(frame.planes, (luma, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = number * 100, Fraction(1, 1000)
        frame.pict_type = av.video.frame.PictureType.I if number in keys else av.video.frame.PictureType.NONE
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    assert len(packets) == len(lumas)
    return tuple(packets)


def tone(rate: int, start: int, count: int, hz: float = 440.0, level: int = 8000) -> bytes:
    """`count` samples of a sine that would have begun at sample 0."""
    wave = (round(level * math.sin(2 * math.pi * hz * n / rate)) for n in range(start, start + count))
    return array("h", wave).tobytes()


class Call:
    """A recording under a clock turned by hand; everything is handed over at `now_ns`."""

    def __init__(self, *, rate: int = 8000, sink: SealSink | None = None) -> None:
        self.now_ns = T0
        self.rate = rate
        self.memory = MemorySink()
        self.safe = -1
        """The number up to which pictures were told to be safe."""
        self.recording = Recording(
            sink or self.memory, T0, self._on_event, rate=rate, clock=lambda: self.now_ns
        )
        self.on_safe: Callable[[int], None] = lambda seq: None
        """Called from the recording's thread."""
        self._end: RecordingEvent | None = None
        self._told = threading.Condition()
        self._seq = 0
        self._index = {"agent": 0, "customer": 0}

    def picture(self, data: bytes, *, keyframe: bool, card: bool = False, width: int = WIDTH) -> None:
        """The station's next picture."""
        self._seq += 1
        self.recording.picture(Sent(self._seq, self.now_ns, 0, keyframe, card, data, width))

    def chunk(self, leg: LegName, pcm: bytes) -> None:
        """The tap's next samples, spoken now."""
        index, self._index[leg] = self._index[leg], self._index[leg] + len(pcm) // 2
        self.recording.voice(VoiceChunk(leg, self.now_ns + TAP_LAG_NS, index, pcm, self.rate))

    def until_safe(self, seq: int, timeout_s: float = 20) -> None:
        """Wait until pictures up to `seq` are safe."""
        with self._told:
            assert self._told.wait_for(lambda: self.safe >= seq, timeout_s), f"safe only up to {self.safe}"

    def end(self, timeout_s: float = 20) -> RecordingEvent:
        """The recording's last event."""
        with self._told:
            assert self._told.wait_for(lambda: self._end is not None, timeout_s), "the recording does not end"
        assert self.recording.join(timeout_s)
        assert self._end is not None
        return self._end

    def _on_event(self, event: RecordingEvent) -> None:
        with self._told:
            assert self._end is None, "something was told after the end"
            if isinstance(event, Safe):
                assert event.seq > self.safe
                self.safe = event.seq
                self.on_safe(event.seq)
            else:
                self._end = event
            self._told.notify_all()


class Cutter:
    """Montage and film without a thread: what `Recording` does, one step at a time."""

    def __init__(self, *, rate: int = 8000) -> None:
        self.now_ns, self.rate = T0, rate
        self.sink = MemorySink()
        self.montage = Montage(T0, rate)
        self.film: Film | None = None
        self.pieces: list[Piece] = []
        self._seq = 0
        self._index = {"agent": 0, "customer": 0}

    def mark(self, mark: Mark, at_ns: int | None = None) -> None:
        self.montage.take(Stamp(mark, self.now_ns if at_ns is None else at_ns), self.now_ns)

    def picture(self, data: bytes, *, keyframe: bool, card: bool = False, error_ns: int = 0) -> int:
        self._seq += 1
        self.montage.take(Sent(self._seq, self.now_ns, error_ns, keyframe, card, data), self.now_ns)
        return self._seq

    def chunk(self, leg: LegName, pcm: bytes) -> None:
        index, self._index[leg] = self._index[leg], self._index[leg] + len(pcm) // 2
        self.montage.take(VoiceChunk(leg, self.now_ns + TAP_LAG_NS, index, pcm, self.rate), self.now_ns)

    def step(self, by_ns: int = 20 * MS) -> None:
        """Write what is due and turn the clock."""
        self._write(self.montage.due(self.now_ns))
        self.now_ns += by_ns

    def finish(self) -> bytes:
        """The whole file."""
        self._write(self.montage.finish())
        assert self.film is not None
        self.film.finish(self.montage.chapters())
        return bytes(self.sink.data)

    def _write(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if self.film is None:
                assert self.montage.canvas is not None
                self.film = Film(self.sink, *self.montage.canvas, self.rate)
            self.pieces.append(piece)
            if isinstance(piece, Packet):
                self.film.picture(
                    piece.ms, piece.data, keyframe=piece.keyframe, duration_ms=piece.duration_ms
                )
            else:
                self.film.voice(piece)


@dataclass(frozen=True, slots=True)
class Played:
    """What a player makes of a file."""

    pictures: list[tuple[int, int]]
    """(ms, brightness)."""
    left: array[int]
    right: array[int]
    """48 kHz."""
    sound_ms: float


def play(data: bytes) -> Played:
    """Decode everything."""
    pictures, left, right = [], array("h"), array("h")
    with av.open(BytesIO(data), "r") as file:
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=48000)
        for packet in file.demux(file.streams.video[0], file.streams.audio[0]):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    assert frame.time is not None
                    pictures.append((round(frame.time * 1000), bytes(frame.planes[0])[0]))
                elif isinstance(frame, av.AudioFrame):
                    for sound in resampler.resample(frame):
                        samples = array("h", bytes(sound.planes[0])[: sound.samples * 4])
                        left.extend(samples[0::2])
                        right.extend(samples[1::2])
    return Played(pictures, left, right, len(left) / 48)
