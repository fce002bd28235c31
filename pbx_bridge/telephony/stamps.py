"""From the PBX's wall clock to the bridge's monotonic one, with an error bound (DESIGN decision 5).

A PBX stamps its events with its wall clock. The answer to a ping carries such a stamp too, made between our sending and
our receiving it: that bounds the offset between the clocks as NTP does (RFC 5905 section 8). The best of the last
exchanges counts, aged by what a clock may drift. An exchange that contradicts it means a clock was stepped: the older
ones are forgotten. Pure: it is told every time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

KEPT = 32
"""Exchanges remembered: at two a second the last 16 s, enough to hold one undisturbed one on a loaded machine."""
DRIFT_PER_S_NS = 100_000
"""100 ppm: twice what a cheap crystal does, and more than NTP slews (RFC 5905: 500 ppm at most, in practice below 50).
"""
UNKNOWN_ERROR_NS = 1_000_000_000
"""Said when no exchange was made yet: the arrival is all there is."""
LONGEST_WAY_NS = 2_000_000_000
"""An event that seems older on arrival than this is not late, its clock is wrong (the link itself is declared dead
before)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    at_ns: int
    """The bridge's CLOCK_MONOTONIC."""
    error_ns: int


@dataclass(frozen=True, slots=True)
class _Exchange:
    offset_ns: int
    """Bridge monotonic minus PBX wall."""
    error_ns: int
    at_ns: int

    def error_at(self, now_ns: int) -> int:
        return self.error_ns + max(now_ns - self.at_ns, 0) * DRIFT_PER_S_NS // 1_000_000_000


class PbxClock:
    """Fed by ping exchanges, asked for each event."""

    def __init__(self) -> None:
        self._kept: deque[_Exchange] = deque(maxlen=KEPT)

    def exchanged(self, sent_ns: int, received_ns: int, pbx_ns: int, tick_ns: int = 0) -> None:
        """A ping left at `sent_ns`, its answer, stamped `pbx_ns` by the PBX, came at `received_ns`.

        `tick_ns`: its clock moves in steps, so that this stamp and any event's may be so much too old.
        """
        if received_ns < sent_ns:
            raise ValueError("an answer cannot come before its question")
        half = (received_ns - sent_ns + 1) // 2
        new = _Exchange(sent_ns + half - pbx_ns, half + tick_ns, received_ns)
        best = self._best(received_ns)
        if best is not None and abs(new.offset_ns - best.offset_ns) > new.error_ns + best.error_at(
            received_ns
        ):
            self._kept.clear()
        self._kept.append(new)

    def at(self, pbx_ns: int, arrived_ns: int) -> Stamp:
        """When the PBX made this stamp, never later than its arrival."""
        best = self._best(arrived_ns)
        if best is None:
            return Stamp(arrived_ns, UNKNOWN_ERROR_NS)
        mapped = pbx_ns + best.offset_ns
        if arrived_ns - mapped > LONGEST_WAY_NS or mapped - arrived_ns > LONGEST_WAY_NS:
            return Stamp(arrived_ns, UNKNOWN_ERROR_NS)
        return Stamp(min(mapped, arrived_ns), best.error_at(arrived_ns))

    def pbx_now_ns(self, now_ns: int) -> int | None:
        """The PBX's wall clock at `now_ns`; None before the first exchange."""
        best = self._best(now_ns)
        return None if best is None else now_ns - best.offset_ns

    def error_ns(self, now_ns: int) -> int:
        """How wrong `at` may be now."""
        best = self._best(now_ns)
        return UNKNOWN_ERROR_NS if best is None else best.error_at(now_ns)

    def forget(self) -> None:
        """The link was lost: another PBX, or another machine's clock, may come back."""
        self._kept.clear()

    def _best(self, now_ns: int) -> _Exchange | None:
        return min(self._kept, key=lambda one: one.error_at(now_ns), default=None)
