"""A station and a PBX in virtual time, for properties: orders, facts and pictures take their time, clocks
err.

Every picture carries the true instant it was taken, so a test can say whether it belonged into the file. It is
stamped with the older instant of the change it shows.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pbx_bridge.media.pictures import Show
from pbx_bridge.media.timeline import HOLD_NS, Timeline
from tests.media.rig import MS, T0, S

TICK_NS = 20 * MS


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture with the truth about it."""

    seq: int
    at_ns: int
    error_ns: int
    keyframe: bool
    card: bool
    truth_ns: int
    data: bytes = b""
    width: int = 320
    height: int = 180
    late_ns: int = 0

    @property
    def taken_ns(self) -> int:
        return self.at_ns + self.late_ns


@dataclass(frozen=True, slots=True)
class Way:
    """How the world behaves in one example."""

    orders_ns: int
    """From the bridge's order to the station's obeying."""
    pictures_ns: int
    """From taking a picture to its arrival."""
    error_ns: int
    """Error bound of the clock mapping."""
    offs: tuple[float, ...]
    """The actual errors, as parts of the bound, used in turn."""
    every: int
    """Ticks between two pictures while filming."""
    behind_ns: int = 0
    """From a change of the window to the taking of the picture that shows it."""


@dataclass(slots=True)
class Station:
    """Films, or shows the card, as ordered: a keyframe at once, then pictures at its pace (a card each
    second)."""

    way: Way
    state: str = "off"
    seq: int = 0
    last_ns: int = T0
    since_ns: int = T0
    """When it began to do what it was last ordered."""
    due_ns: int = 0
    key: bool = True
    orders: deque[tuple[int, str]] = field(default_factory=deque)
    on_the_way: deque[tuple[int, Taken]] = field(default_factory=deque)
    taken: list[Taken] = field(default_factory=list)

    def order(self, now_ns: int, state: str) -> None:
        self.orders.append((now_ns + self.way.orders_ns, state))

    def tick(self, now_ns: int) -> None:
        while self.orders and self.orders[0][0] <= now_ns:
            self.state, self.key, self.due_ns = self.orders.popleft()[1], True, now_ns
            self.since_ns = now_ns
        if self.state != "off" and now_ns >= self.due_ns:
            self._take(now_ns)
            self.due_ns = now_ns + (self.way.every * TICK_NS if self.state == "film" else S)

    def _take(self, truth_ns: int) -> None:
        off_ns = int(self.way.offs[self.seq % len(self.way.offs)] * self.way.error_ns)
        changed_ns = max(truth_ns - self.way.behind_ns, self.since_ns)
        self.last_ns = max(changed_ns + off_ns, self.last_ns)  # the link never lets times go back
        late_ns = max(0, truth_ns + off_ns - self.last_ns)
        self.seq += 1
        card = self.state == "card"
        picture = Taken(self.seq, self.last_ns, self.way.error_ns, self.key, card, truth_ns, late_ns=late_ns)
        self.key = False
        self.taken.append(picture)
        self.on_the_way.append((truth_ns + self.way.pictures_ns, picture))

    def arrived(self, now_ns: int) -> list[Taken]:
        here = []
        while self.on_the_way and self.on_the_way[0][0] <= now_ns:
            here.append(self.on_the_way.popleft()[1])
        return here


@dataclass(frozen=True, slots=True)
class Fact:
    """The PBX's stamp: `kind` is pause, talk or close; known to the bridge `late_ns` after it happened."""

    kind: str
    at_ns: int
    late_ns: int


def run(facts: list[Fact], way: Way) -> tuple[Timeline, Station, list[Show]]:
    """One call from its start to the end of its file."""
    timeline, station, shows = Timeline(T0), Station(way), list[Show]()
    station.order(T0, "film")
    told = deque(sorted(facts, key=lambda fact: (fact.at_ns + fact.late_ns, fact.at_ns)))
    now_ns, end_ns = T0, 1 << 62
    while now_ns < end_ns + HOLD_NS:
        while told and told[0].at_ns + told[0].late_ns <= now_ns:
            fact = told.popleft()
            getattr(timeline.spans, fact.kind)(fact.at_ns)
            station.order(now_ns, {"pause": "card", "talk": "film", "close": "off"}[fact.kind])
            if fact.kind == "close":
                end_ns = now_ns
        station.tick(now_ns)
        for picture in station.arrived(now_ns):
            timeline.picture(picture)
        shows += timeline.advance(now_ns, now_ns)
        now_ns += TICK_NS
    return timeline, station, [*shows, *timeline.finish()]
