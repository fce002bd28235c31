"""Which stations are live, and what a further connection with the same key means. Pure.

The same client run coming back replaces its own half-open connection; another run while the first is connected is a
copied key, and both must go (KeyCloned). A run whose connection ended or whose lease is over is not live: the client was
started anew.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from pbx_bridge.stations.link import StationLink

CLONE_HOLD_NS: Final = 30_000_000_000
"""A key seen twice is turned away this long, so that two automatic clients do not take turns."""


class Arrival(Enum):
    """What a proven connection is."""

    NEW = "new"
    RETURN = "return"
    CLONE = "clone"
    HELD = "held"
    """The key was seen twice a moment ago."""


class Roster:
    """The live links, by key."""

    def __init__(self) -> None:
        self._links: dict[bytes, StationLink] = {}
        self._held_until_ns: dict[bytes, int] = {}

    def links(self) -> list[StationLink]:
        return list(self._links.values())

    def named(self, station: str) -> StationLink | None:
        return next((link for link in self._links.values() if link.station == station), None)

    def judge(self, key: bytes, run: bytes, now_ns: int) -> tuple[Arrival, StationLink | None]:
        """What the arrival is, and the link it concerns."""
        if now_ns < self._held_until_ns.get(key, now_ns):
            return Arrival.HELD, None
        self._held_until_ns.pop(key, None)
        link = self._links.get(key)
        if link is None or link.ended or now_ns >= link.lease_ends_ns():
            return Arrival.NEW, link
        if link.run == run:
            return Arrival.RETURN, link
        if not link.is_connected:
            return Arrival.NEW, link
        self._held_until_ns[key] = now_ns + CLONE_HOLD_NS
        return Arrival.CLONE, link

    def add(self, link: StationLink) -> None:
        self._links[link.key] = link

    def drop(self, link: StationLink) -> None:
        if self._links.get(link.key) is link:
            del self._links[link.key]
