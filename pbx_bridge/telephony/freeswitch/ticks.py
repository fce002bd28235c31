"""FreeSWITCH's event stamps on the bridge's clock, with an error bound (DESIGN decision 5). Pure.

`Event-Date-Timestamp` and `strmicroepoch` read the same clock, which moves in ticks: of 20 ms, or of 1 ms with
`1ms-timer=true` in switch.conf.xml. So a stamp is up to one tick older than what it stamps. How long a tick is shows in
the stamps themselves: it is at most the smallest step between two different ones.
"""

from __future__ import annotations

import re

from pbx_bridge.telephony.stamps import PbxClock, Stamp

TICK_NS = 20_000_000
"""Until a smaller step was seen (facts measured on 1.11.1 with its default timer)."""

_STAMP = re.compile(r"[0-9]{10,17}\n?\Z")


def parse_stamp(text: str) -> int:
    """Nanoseconds since 1970 of FreeSWITCH's microseconds. Raises: ValueError."""
    if not _STAMP.match(text) or not text.isascii():
        raise ValueError("a FreeSWITCH timestamp is a count of microseconds")
    return int(text) * 1000


class TickingClock:
    """Fed by ping exchanges, asked for each event."""

    def __init__(self) -> None:
        self._clock = PbxClock()
        self._tick_ns = TICK_NS
        self._newest_ns = 0

    @property
    def tick_ns(self) -> int:
        """How long a tick is at most."""
        return self._tick_ns

    def exchanged(self, sent_ns: int, received_ns: int, pbx_ns: int) -> None:
        """A ping left at `sent_ns`; its answer, stamped `pbx_ns`, came at `received_ns`."""
        self._saw(pbx_ns)
        self._clock.exchanged(sent_ns, received_ns, pbx_ns, self._tick_ns)

    def at(self, pbx_ns: int, arrived_ns: int) -> Stamp:
        """When FreeSWITCH made this stamp, never later than its arrival; the bound knows the tick."""
        self._saw(pbx_ns)
        return self._clock.at(pbx_ns, arrived_ns)

    def error_ns(self, now_ns: int) -> int:
        """How wrong `at` may be now."""
        return self._clock.error_ns(now_ns)

    def pbx_now_ns(self, now_ns: int) -> int | None:
        """FreeSWITCH's clock at `now_ns`; None before the first exchange."""
        return self._clock.pbx_now_ns(now_ns)

    def forget(self) -> None:
        """The link was lost: another FreeSWITCH may come back."""
        self._clock.forget()
        self._tick_ns, self._newest_ns = TICK_NS, 0

    def _saw(self, pbx_ns: int) -> None:
        step_ns = pbx_ns - self._newest_ns
        if step_ns > 0:
            self._newest_ns = pbx_ns
            self._tick_ns = min(self._tick_ns, step_ns)
