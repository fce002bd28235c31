"""Whether a phone still sends RTP: no PBX says anything when one vanishes, so its packet counter is polled. Pure.

A phone on hold sends nothing either: whoever listens to these facts knows whether it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId

POLL_S = 1.0
QUIET_NS = 2_000_000_000
"""Shorter gaps are silence suppression or a roaming handset."""


@dataclass(slots=True)
class _Leg:
    count: str
    changed_ns: int
    silent: bool = False


class RtpWatch:
    def __init__(self) -> None:
        self._legs: dict[ChannelId, _Leg] = {}

    def watch(self, channel: ChannelId, now_ns: int) -> None:
        self._legs.setdefault(channel, _Leg("", now_ns))

    def unwatch(self, channel: ChannelId) -> None:
        self._legs.pop(channel, None)

    def forget(self) -> None:
        self._legs.clear()

    def watched(self) -> tuple[ChannelId, ...]:
        return tuple(self._legs)

    def counted(self, channel: ChannelId, count: str, now_ns: int) -> list[Fact]:
        """The counter was `count` at `now_ns`."""
        leg = self._legs.get(channel)
        if leg is None:
            return []
        if count != leg.count:
            was_silent, leg.silent = leg.silent, False
            leg.count, leg.changed_ns = count, now_ns
            return [facts.LegHeard(now_ns, channel)] if was_silent else []
        for_ns = now_ns - leg.changed_ns
        if for_ns < QUIET_NS:
            return []
        leg.silent = True
        return [facts.LegSilent(now_ns, channel, for_ns)]
