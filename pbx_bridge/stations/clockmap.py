"""One workstation's clock in the bridge's time, with a bound on the error that holds whatever the network does.

An exchange has four stamps: the workstation asked (its clock), the bridge received and answered (the bridge's), the
workstation heard (its). Nothing arrives before it is sent, so the offset bridge minus workstation lies between
`answered - heard` and `received - asked`: an interval that is true for any delay in either direction. The map keeps the
intersection of all these intervals, each widened by MAX_DRIFT for the time that has passed since. Jitter only makes
intervals wider, never false; one quick packet each way is enough to narrow them again. Two intervals that cannot both be
true mean that a clock was stepped or stopped: nothing is known any more, and recording ends (P10).

The middle is moved by the drift seen over the last minutes; the bound does not rest on that estimate.
Pure: no clock, no link. `*_ns` names say whose clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

MAX_DRIFT: Final = 1000e-6
"""Both clocks may be slewed by 500 ppm, the most the kernel's NTP discipline does (adjtimex: MAXFREQ)."""
_GRAIN_NS: Final = 1_000
"""Stamps are read a little before or after they are meant."""
_ANCHOR_EVERY_NS: Final = 10_000_000_000
_ANCHORS: Final = 12
"""Drift is measured over up to two minutes: longer, and temperature changes it."""
_TRUSTED_DRIFT: Final = 200e-6
"""An estimate less certain than this moves nothing."""


class ClockStepped(Exception):
    """Exchanges contradict each other: a clock was stepped, stopped or lied about."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer."""

    asked_ns: int
    """Workstation."""
    received_ns: int
    """Bridge."""
    answered_ns: int
    """Bridge."""
    heard_ns: int
    """Workstation."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A moment in the bridge's time; the truth is within `error_ns` either way."""

    at_ns: int
    error_ns: int


@dataclass(frozen=True, slots=True)
class _Offset:
    at_ns: int
    """Workstation's clock."""
    low_ns: float
    high_ns: float

    @property
    def middle_ns(self) -> float:
        return (self.low_ns + self.high_ns) / 2

    def at(self, workstation_ns: int) -> _Offset:
        """The same knowledge at another moment: wider."""
        slack = abs(workstation_ns - self.at_ns) * MAX_DRIFT
        return _Offset(workstation_ns, self.low_ns - slack, self.high_ns + slack)


class ClockMap:
    """Learns from exchanges, maps moments."""

    def __init__(self) -> None:
        self._now: _Offset | None = None
        self._anchors: deque[_Offset] = deque(maxlen=_ANCHORS)
        self._drift = 0.0

    def add(self, exchange: Exchange) -> None:
        """Learns from one exchange. Raises: ClockStepped; the map is useless from then on."""
        low = exchange.answered_ns - exchange.heard_ns - _GRAIN_NS
        high = exchange.received_ns - exchange.asked_ns + _GRAIN_NS
        # The two ends were measured at two moments; the later one is where both are stated.
        slack = (exchange.heard_ns - exchange.asked_ns) * MAX_DRIFT
        if exchange.heard_ns < exchange.asked_ns or low > high + slack:
            raise ClockStepped("an answer was heard before it can have been given")
        new = _Offset(exchange.heard_ns, low, high + slack)
        if self._now is None:
            self._now = new
            self._anchors.append(new)
            return
        at_ns = max(new.at_ns, self._now.at_ns)
        old, new = self._now.at(at_ns), new.at(at_ns)
        both = _Offset(at_ns, max(old.low_ns, new.low_ns), min(old.high_ns, new.high_ns))
        if both.low_ns > both.high_ns:
            raise ClockStepped("a clock was stepped or stood still between two exchanges")
        self._now = both
        self._learn_drift(both)

    def check(self, sent_ns: int, received_ns: int) -> None:
        """A message sent by the workstation's clock arrived by the bridge's. Raises: ClockStepped when it cannot have."""
        if self._now and received_ns - sent_ns + _GRAIN_NS < self._now.at(sent_ns).low_ns:
            raise ClockStepped("the workstation's clock went ahead")

    def _learn_drift(self, now: _Offset) -> None:
        first = self._anchors[0]
        span = now.at_ns - first.at_ns
        if span >= _ANCHOR_EVERY_NS:
            unsure = (now.high_ns - now.low_ns + first.high_ns - first.low_ns) / 2 / span
            if unsure <= _TRUSTED_DRIFT:
                seen = (now.middle_ns - first.middle_ns) / span
                self._drift = max(-MAX_DRIFT, min(MAX_DRIFT, seen))
        if now.at_ns - self._anchors[-1].at_ns >= _ANCHOR_EVERY_NS:
            self._anchors.append(now)

    @property
    def drift_ppm(self) -> float:
        """How much faster the bridge's clock runs, as far as it is known."""
        return self._drift * 1e6

    def to_bridge(self, workstation_ns: int) -> Mapped | None:
        """The bridge's time of a workstation's moment; None before the first exchange."""
        if self._now is None:
            return None
        known = self._now.at(workstation_ns)
        middle = self._now.middle_ns + (workstation_ns - self._now.at_ns) * self._drift
        middle = max(known.low_ns, min(known.high_ns, middle))
        error = max(known.high_ns - middle, middle - known.low_ns)
        return Mapped(workstation_ns + round(middle), round(error) + 1)
