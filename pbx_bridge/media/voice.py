"""Two parties' voices as 20 ms stereo frames in file time: agent left, customer right, exact silence wherever
they do not talk (P8, P9).

It knows samples, spans and the rate; it never knows what is said, and has no clock of its own: the timeline's
edge says how far it may go.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from pbx_bridge.calls.facts import VoiceChunk
from pbx_bridge.media.leg import Leg, S
from pbx_bridge.media.spans import Spans

FRAME_MS = 20
"""Opus' usual frame."""
RATES = (8000, 16000)
"""Samples per second the PBX may tap at: narrow band, or wide band by slin16."""


class Side(Enum):
    """Whose voice; the value is the channel."""

    AGENT = 0
    CUSTOMER = 1


class WrongVoice(Exception):
    """The tap does not deliver what was configured."""

    def __init__(self, wanted: int, got: int) -> None:
        super().__init__(wanted, got)
        self.wanted, self.got = wanted, got

    def __str__(self) -> str:
        return f"the tap delivers {self.got} samples/s where {self.wanted} were announced"


@dataclass(frozen=True, slots=True)
class Frame:
    """`pcm`: interleaved s16le stereo of `count` samples each, starting at sample `place` of the file."""

    place: int
    count: int
    pcm: bytes


class Voices:
    """Feed chunks of both legs in any order, take frames up to an instant."""

    def __init__(self, start_ns: int, rate: int) -> None:
        if rate not in RATES:
            raise ValueError(f"voices are taken at {' or '.join(map(str, RATES))} samples/s, not {rate}")
        self._start_ns, self.rate = start_ns, rate
        self.legs = {"agent": Leg(start_ns, rate), "customer": Leg(start_ns, rate)}
        self._place = 0
        """First sample of the file not yet given out."""

    def feed(self, chunk: VoiceChunk) -> None:
        """Raises: WrongVoice."""
        if chunk.rate != self.rate:
            raise WrongVoice(self.rate, chunk.rate)
        samples = array("h")
        samples.frombytes(chunk.pcm[: len(chunk.pcm) // 2 * 2])
        self.legs[chunk.leg].feed(chunk.index, samples, chunk.arrived_ns)

    def take(self, edge_ns: int, spans: Spans) -> Iterator[Frame]:
        """Every whole frame that ends before `edge_ns`."""
        size, end = self.rate * FRAME_MS // 1000, self._sample(edge_ns)
        while self._place + size <= end:
            yield self._frame(size, spans)

    def rest(self, end_ns: int, spans: Spans) -> Iterator[Frame]:
        """All that is left up to the end of the file, the last frame cut to the sample."""
        yield from self.take(end_ns, spans)
        if self._sample(end_ns) > self._place:
            yield self._frame(self._sample(end_ns) - self._place, spans)

    def forget(self, before_ns: int) -> None:
        """Samples before `before_ns` will never be talk: they are not kept."""
        for leg in self.legs.values():
            leg.forget(self._sample(before_ns))

    def passed(self, at_ns: int) -> bool:
        """Both legs delivered everything up to `at_ns`."""
        return all(leg.passed(self._sample(at_ns)) for leg in self.legs.values())

    def _sample(self, at_ns: int) -> int:
        return (at_ns - self._start_ns) * self.rate // S

    def _frame(self, count: int, spans: Spans) -> Frame:
        place = self._place
        self._place += count
        begin_ns = self._start_ns + place * S // self.rate
        end_ns = self._start_ns + (place + count) * S // self.rate
        talks = [
            (-(-(a - self._start_ns) * self.rate // S) - place, self._sample(b) - place)
            for a, b in spans.inside(begin_ns, end_ns)
        ]
        out = array("h", bytes(4 * count))
        for side, leg in enumerate(self.legs.values()):
            samples = leg.read(place, count, heard=bool(talks))
            for begin, end in talks:
                begin, end = max(begin, 0), min(end, count)
                if begin < end:
                    out[2 * begin + side : 2 * end : 2] = samples[begin:end]
        return Frame(place, count, out.tobytes())
