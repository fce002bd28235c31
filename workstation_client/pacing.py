"""When to look for a new picture and when to repeat the last one.

A pure core: times in, orders out. It knows the rate of one recording; it must never know a clock, a window or a codec.
"""

from __future__ import annotations

from enum import Enum

REPEAT_NS = 1_000_000_000
"""P2: at least one picture in each second of call time, also when nothing changes."""
_REPEAT_MARGIN_NS = 250_000_000
"""The repeat is ordered this much early: a busy machine wakes late, and no second may be without a picture. A repeat is a
few bytes and costs no encoding."""
SLOWEST_NS = 200_000_000
"""P2: five pictures a second while the window changes."""
SLOW_FOR_NS = 10_000_000_000
"""A machine that cannot keep the rate for this long will not keep it for the call."""
SHARE = 0.25
"""Part of one core that taking and encoding may use: the trainee's own programs and softphone run beside it."""
STRETCHED_NS = 170_000_000
"""A dear picture is followed by a pause of at most this: nearly six pictures a second, whatever they cost."""


class Due(Enum):
    """What is to be done now."""

    TAKE = "take"
    REPEAT = "repeat"


class Pacing:
    """P2: never more than `fps` pictures a second, never fewer than one; a change is shown at once when the rate allows."""

    def __init__(self, fps: int) -> None:
        self.interval_ns = 1_000_000_000 // fps
        self._stretched_ns = self.interval_ns
        self._taken_ns: int | None = None
        self._shown_ns: int | None = None
        self._slow_ns = 0

    def due(self, now_ns: int, *, news: bool) -> Due | None:
        """What to do now, given whether the window changed."""
        if now_ns >= self._repeat_ns():
            return Due.REPEAT
        return Due.TAKE if news and now_ns >= self._next_ns() else None

    def wait_ns(self, now_ns: int, *, news: bool) -> int:
        """How long nothing will be due unless something changes."""
        repeat = self._repeat_ns()
        return max(0, (min(repeat, self._next_ns()) if news else repeat) - now_ns)

    def taken(self, at_ns: int, changed_ns: int | None = None) -> None:
        """The window was looked at; `changed_ns` is when the oldest change then found was made."""
        before, self._taken_ns = self._taken_ns, at_ns
        if before is None or changed_ns is None or at_ns - max(before, changed_ns) <= SLOWEST_NS:
            self._slow_ns = 0
        else:
            self._slow_ns += min(at_ns - before, REPEAT_NS)

    @property
    def too_slow(self) -> bool:
        """P2: changes waited longer than the slowest working rate allows, for so long that it is no hiccup.

        One long gap alone is none: a machine that was put back, or slept, is the lease's subject.
        """
        return self._slow_ns > SLOW_FOR_NS

    def cost(self, processor_ns: int) -> None:
        """What the last picture cost: a full screen that changes as a whole is looked at less often than `fps`."""
        most = max(self.interval_ns, STRETCHED_NS)
        self._stretched_ns = min(max(self.interval_ns, int(processor_ns / SHARE)), most)

    def shown(self, at_ns: int) -> None:
        """A picture, the card or a repeat went out, to be shown from this time on."""
        self._shown_ns = at_ns

    def _repeat_ns(self) -> int:
        if self._shown_ns is None:
            return self._next_ns()
        return max(self._shown_ns + REPEAT_NS - _REPEAT_MARGIN_NS, self._next_ns())

    def _next_ns(self) -> int:
        return 0 if self._taken_ns is None else self._taken_ns + self._stretched_ns
