"""What a test phone says, already encoded for its codec: a tone, a WAV file of speech, or silence.

The encoders are Python's audioop (G.711) and the ffmpeg program (G.722, Opus): the phones pass packets, they never
transcode.
"""

from __future__ import annotations

import audioop
import functools
import math
import struct
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

from tests.rig.sdp import Codec

LOUDNESS = 8000
"""Of a tone, of 32767: loud enough to find, quiet enough to stay clear of clipping after mixing."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Packets of one codec. After the last one it starts again when `again`, else it is silent."""

    packets: tuple[bytes, ...]
    silence: bytes
    again: bool

    def packet(self, number: int) -> bytes:
        if number < len(self.packets):
            return self.packets[number]
        return self.packets[number % len(self.packets)] if self.again and self.packets else self.silence


@functools.cache
def tone(codec: Codec, hertz: int) -> Voice:
    """Three seconds of a tone (whole cycles when `hertz` is whole), again and again. The first time takes a while.

    They are the second turn of two: G.722 and Opus remember, and after a turn that began in silence the join would click
    (40 dB below the tone at half its frequency, measured).
    """
    count = codec.rate * 6
    pcm = struct.pack(
        f"<{count}h", *(int(LOUDNESS * math.sin(2 * math.pi * hertz * i / codec.rate)) for i in range(count))
    )
    packets = _packets(codec, pcm)[: 6000 // codec.ptime_ms]
    return Voice(packets[len(packets) // 2 :], _silence(codec), again=True)


def speech(codec: Codec, file: Path, *, again: bool = False) -> Voice:
    """The mono 16-bit WAV `file`, once unless `again`."""
    with wave.open(str(file)) as wav:
        if wav.getnchannels() != 1 or wav.getsampwidth() != 2:
            raise ValueError(f"{file}: a leg's speech is mono, 16 bits")
        pcm, rate = wav.readframes(wav.getnframes()), wav.getframerate()
    if rate != codec.rate:
        pcm, _ = audioop.ratecv(pcm, 2, 1, rate, codec.rate, None)
    return Voice(_packets(codec, pcm), _silence(codec), again)


def silent(codec: Codec) -> Voice:
    """Packets of silence."""
    return Voice((), _silence(codec), again=False)


def _silence(codec: Codec) -> bytes:
    return _packets(codec, bytes(codec.samples * 2 * 3))[1]


def _packets(codec: Codec, pcm: bytes) -> tuple[bytes, ...]:
    whole = codec.samples * 2
    pcm += bytes(-len(pcm) % whole)
    match codec.name:
        case "PCMU":
            raw = audioop.lin2ulaw(pcm, 2)
            return _cut(raw, codec.samples)
        case "G722":
            raw = _ffmpeg(pcm, codec.rate, "-c:a", "g722", "-f", "g722")
            return _cut(raw, codec.samples // 2)
        case "opus":
            raw = _ffmpeg(
                pcm, codec.rate, "-c:a", "libopus", "-b:a", "32k", "-application", "voip",
                "-frame_duration", str(codec.ptime_ms), "-f", "ogg",
            )  # fmt: skip
            return _ogg_packets(raw)[2:]
        case _:
            raise ValueError(f"no encoder for {codec.name}")


def _cut(raw: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(raw[at : at + size] for at in range(0, len(raw) - size + 1, size))


def _ffmpeg(pcm: bytes, rate: int, *how: str) -> bytes:
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "s16le",
        "-ar",
        str(rate),
        "-ac",
        "1",
        "-i",
        "pipe:0",
        *how,
        "pipe:1",
    ]
    return subprocess.run(command, input=pcm, stdout=subprocess.PIPE, check=True).stdout


def _ogg_packets(raw: bytes) -> tuple[bytes, ...]:
    """The packets inside an Ogg stream (RFC 3533 section 6), headers included."""
    packets: list[bytes] = []
    unfinished = b""
    at = 0
    while at < len(raw):
        assert raw[at : at + 4] == b"OggS", "not an Ogg page"
        count = raw[at + 26]
        lacing = raw[at + 27 : at + 27 + count]
        at += 27 + count
        for size in lacing:
            unfinished += raw[at : at + size]
            at += size
            if size < 255:
                packets.append(unfinished)
                unfinished = b""
    return tuple(packets)
