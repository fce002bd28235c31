"""Pictures and voices into one WebM while the call runs; the server's only `import av`. It never decodes a
picture.

It knows VP9 packets, samples and file times; never a call, a person or a clock: nothing of them is in the
file (P17). The file grows in clusters of half a second, so a file cut at any point plays up to half a second
before the cut. Only the head, within the first few hundred bytes, is written again at the end (size,
duration, place of the index), which is what lets the file be sealed as it grows.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream

from pbx_bridge.media.voice import FRAME_MS, Frame

HEAD_BYTES = 64 * 1024
"""Where the head must end: the sealed file's first chunk, the only one that is not sealed before the end."""
CLUSTER_MS = 500
"""What a crash may cost of the file: kept whole in memory until written. With the timeline's hold it stays
below one second."""
BIT_RATE = 64_000
"""Both voices together: the least at which one leg stays 60 dB below the other when both speak (measured; 48
kbit/s: 42 dB)."""
_MS = Fraction(1, 1000)
_BT709, _LIMITED = 1, 1
_KEPT_BACK = 4
"""Packets the muxer may hold outside a written cluster: one to interleave, one of sound, the one that opened
the next cluster, one spare."""


class Sink(Protocol):
    """Where the file goes: positions of plain bytes; only the first 64 KiB may be written twice."""

    def write(self, data: bytes) -> int: ...
    def seek(self, offset: int, whence: int = 0) -> int: ...
    def tell(self) -> int: ...


class BackwardWrite(Exception):
    """The muxer wants to change what is already sealed: a defect of ours."""

    def __str__(self) -> str:
        return f"the muxer wrote behind the end of the file, beyond its first {HEAD_BYTES} bytes"


class _Output:
    """What PyAV sees of the sink. `closed` keeps it from writing a trailer into a file given up."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._at = self.size = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        if self._at < self.size and self._at + len(data) > HEAD_BYTES:
            raise BackwardWrite
        self._sink.write(data)
        self._at += len(data)
        self.size = max(self.size, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = self._sink.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        return self._at


class Film:
    """One WebM being written. Not thread-safe: one thread owns it."""

    def __init__(self, sink: Sink, width: int, height: int, rate: int) -> None:
        self._output = _Output(sink)
        self._file = av.open(
            self._output,
            "w",
            format="webm",
            options={
                "fflags": "+bitexact",
                "cluster_time_limit": str(CLUSTER_MS),
                "flush_packets": "1",
                "max_interleave_delta": "1",
            },
            buffer_size=256 * 1024,
        )
        self._picture = self._file.add_stream_from_template(_vp9())
        self._picture.codec_context.width, self._picture.codec_context.height = width, height
        self._picture.time_base = _MS
        self._voice: AudioStream = self._file.add_stream(
            "libopus",
            rate=rate,
            layout="stereo",
            options={"application": "audio", "vbr": "constrained", "frame_duration": str(FRAME_MS)},
        )
        self._voice.bit_rate = BIT_RATE
        self._rate = rate
        self.packets = 0
        """How many were handed to the muxer."""
        self.written = 0
        """So many of them, counted from the first, lie in the sink for certain."""
        self._file.start_encoding()

    @property
    def size(self) -> int:
        """Bytes handed to the sink."""
        return self._output.size

    def picture(self, ms: int, data: bytes, *, keyframe: bool, duration_ms: int = 0) -> None:
        packet = av.Packet(data)
        packet.stream = self._picture
        packet.time_base = _MS
        packet.pts = packet.dts = ms
        packet.duration = duration_ms
        packet.is_keyframe = keyframe
        self._mux(packet)

    def voice(self, frame: Frame) -> None:
        sound = av.AudioFrame(format="s16", layout="stereo", samples=frame.count)
        sound.sample_rate, sound.time_base, sound.pts = self._rate, Fraction(1, self._rate), frame.place
        plane = sound.planes[0]
        plane.update(frame.pcm.ljust(plane.buffer_size, b"\0"))
        for packet in self._voice.encode(sound):
            self._mux(packet)

    def finish(self) -> None:
        """Write what is left, the index and the head."""
        for packet in self._voice.encode(None):
            self._mux(packet)
        self._file.close()
        self._output.closed = True

    def give_up(self) -> None:
        """Write nothing more."""
        self._output.closed = True

    def _mux(self, packet: av.Packet[Stream] | av.Packet[AudioStream]) -> None:
        before = self._output.size
        self._file.mux_one(packet)
        self.packets += 1
        if self._output.size > before:
            self.written = self.packets - _KEPT_BACK


def _vp9() -> VideoStream:
    """A VP9 stream that says BT.709, limited range, and no frame rate; no encoder of it ever runs on a
    picture."""
    stream = av.open(io.BytesIO(), "w", format="webm")
    video = stream.add_stream("libvpx-vp9", width=16, height=16)
    context = video.codec_context
    context.framerate = Fraction(0, 1)
    context.color_range, context.colorspace = _LIMITED, _BT709
    context.color_primaries = context.color_trc = _BT709
    stream.start_encoding()
    return video
