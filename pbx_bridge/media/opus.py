"""Two voices to Opus packets and back; the server's only `import av`. It never decodes a picture.

It knows samples and packets; it knows no call, no person and no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext

from pbx_bridge.media.voice import FRAME_MS

BIT_RATE = 64_000
"""Both voices together: the least at which one leg stays 60 dB below the other when both speak (measured; 48
kbit/s: 42 dB)."""


class BadSound(Exception):
    """A packet is no Opus."""


class Encoder:
    """Interleaved s16le stereo of `rate` samples a second in, packets of 20 ms out."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        opus = av.CodecContext.create("libopus", "w")
        assert isinstance(opus, AudioCodecContext)
        opus.sample_rate, opus.layout, opus.format = rate, "stereo", "s16"
        opus.bit_rate = BIT_RATE
        opus.options = {"application": "audio", "vbr": "constrained", "frame_duration": str(FRAME_MS)}
        opus.open()
        self._opus = opus
        self.head = opus.extradata or b""
        """The OpusHead (RFC 7845, 5.1)."""

    def encode(self, place: int, pcm: bytes) -> Iterator[bytes]:
        """Packets as they become whole; a short last frame is filled up with silence."""
        sound = av.AudioFrame(format="s16", layout="stereo", samples=self._rate * FRAME_MS // 1000)
        sound.sample_rate, sound.time_base, sound.pts = self._rate, Fraction(1, self._rate), place
        plane = sound.planes[0]
        plane.update(pcm.ljust(plane.buffer_size, b"\0"))
        for packet in self._opus.encode(sound):
            yield bytes(packet)

    def rest(self) -> Iterator[bytes]:
        """What the codec still holds back."""
        for packet in self._opus.encode(None):
            yield bytes(packet)


class Decoder:
    """Packets in, interleaved s16le stereo at OPUS_RATE out; libopus takes the codec's delay off the first (OpusHead)."""

    def __init__(self, head: bytes) -> None:
        opus = av.CodecContext.create("libopus", "r")
        assert isinstance(opus, AudioCodecContext)
        opus.extradata = head
        opus.open()
        self._opus = opus

    def decode(self, packet: bytes) -> bytes:
        """Raises: BadSound."""
        try:
            frames = self._opus.decode(av.Packet(packet))
        except av.FFmpegError as error:
            raise BadSound(str(error)) from error
        return b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in frames)
