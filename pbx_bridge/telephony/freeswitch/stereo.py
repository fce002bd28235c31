"""A recording's bytes as two voices: interleaved s16le stereo in, 20 ms of each party out. Pure.

On the agent's leg FreeSWITCH writes what the agent says on the left and what the agent hears on the right
(RECORD_STEREO; facts measured on 1.11.1). It never knows when anything was said.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from pbx_bridge.calls.facts import LegName

RATE = 8000
"""Samples per second, whatever the phones speak: FreeSWITCH resamples (record_sample_rate)."""
CHUNK = RATE // 50
"""Samples of 20 ms. A read that brings several is told in several: each then tells when it came."""
CHUNK_BYTES = CHUNK * 4


@dataclass(frozen=True, slots=True)
class Piece:
    """20 ms of one party; `index` counts samples since the recording began."""

    leg: LegName
    index: int
    pcm: bytes


class Stereo:
    """One recording from its first byte on."""

    def __init__(self) -> None:
        self._left = b""
        self._index = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        """What `data` completes; cut anywhere, also inside a sample."""
        whole = self._left + data
        count = len(whole) // CHUNK_BYTES
        self._left = whole[count * CHUNK_BYTES :]
        samples = array("h", whole[: count * CHUNK_BYTES])
        for first in range(0, 2 * CHUNK * count, 2 * CHUNK):
            both = samples[first : first + 2 * CHUNK]
            yield Piece("agent", self._index, both[0::2].tobytes())
            yield Piece("customer", self._index, both[1::2].tobytes())
            self._index += CHUNK
