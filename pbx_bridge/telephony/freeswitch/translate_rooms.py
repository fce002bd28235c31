"""Who hears whom on FreeSWITCH: pairs and conferences, told as bridges entered and left. Pure; keeps ids, nothing else.

Theory. FreeSWITCH has no bridges with names: it says that two channels were joined (CHANNEL_BRIDGE), once, on the first
of them. So a pair is a *room* here, named after its two channels in that order, and a conference is another. A channel
is in one room at most. A pair that loses one is no room any more: whoever remains is alone.

Invariants: a channel is told to have entered only when all of a pair are answered (early media is no talk, P8); for
each entry told there is exactly one leave, unless the channel itself is gone; an UNBRIDGE counts only for the pair it
names, because in a transfer it comes after its channels met others.
Source: FreeSWITCH 1.11 src/switch_ivr_bridge.c; facts measured on the recorded streams in tests/vectors/freeswitch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pbx_bridge.calls.facts import BridgeEntered, BridgeLeft, Fact, ForeignRecorder, Transferred
from pbx_bridge.ids import ChannelId


@dataclass(slots=True)
class _Room:
    name: str
    pair: bool
    members: list[ChannelId] = field(default_factory=list)
    told: set[ChannelId] = field(default_factory=set)
    """Those the others know to be inside."""


class Rooms:
    """Every method returns the facts that follow, in order."""

    def __init__(self) -> None:
        self._answered: dict[ChannelId, bool] = {}
        self._rooms: dict[ChannelId, _Room] = {}
        self._gave_away: set[ChannelId] = set()
        self._recorded: set[str] = set()
        """Conferences that are recorded, entered by anybody or not."""

    def knows(self, channel: ChannelId) -> bool:
        """It was born and is not gone."""
        return channel in self._answered

    def talks(self, channel: ChannelId) -> bool:
        """It was told to be in a pair, and is."""
        return self._partner(channel) is not None

    def born(self, channel: ChannelId) -> None:
        """A channel exists."""
        self._answered.setdefault(channel, False)

    def answered(self, channel: ChannelId, at_ns: int) -> list[Fact]:
        """It is up. A pair that waited for it begins to talk."""
        if not self.knows(channel):
            return []
        self._answered[channel] = True
        room = self._rooms.get(channel)
        return [] if room is None else self._tell(room, at_ns)

    def bridged(self, first: ChannelId, second: ChannelId, at_ns: int) -> list[Fact]:
        """P8: the two hear each other, and whoever they talked with before is left.

        When both come from other pairs, those who remain of these gave the call away (an attended transfer).
        """
        name = f"{first}+{second}"
        room = self._rooms.get(first)
        if room is not None and room.name == name:
            return []
        left = [other for one in (first, second) if (other := self._partner(one)) is not None]
        away = [other for other in left if other not in (first, second)]
        out: list[Fact] = self.gave_away(tuple(away), at_ns) if len(away) == 2 else []
        for one in (first, second):
            out += self._leave(one, at_ns)
        new = _Room(name, pair=True)
        for one in (first, second):
            if self.knows(one):  # events of two channels have no order: one may be gone already
                new.members.append(one)
                self._rooms[one] = new
        return out + self._tell(new, at_ns)

    def unbridged(self, first: ChannelId, second: ChannelId, at_ns: int) -> list[Fact]:
        """P8: this pair is one no more."""
        room = self._rooms.get(first)
        return self._close(room, at_ns) if room is not None and room.name == f"{first}+{second}" else []

    def entered(self, channel: ChannelId, conference: str, at_ns: int) -> list[Fact]:
        """It joined a conference."""
        if not self.knows(channel):
            return []
        there = next((room for room in self._rooms.values() if room.name == conference), None)
        if there is not None and channel in there.members:
            return []
        out = self._leave(channel, at_ns)
        room = there or _Room(conference, pair=False)
        room.members.append(channel)
        self._rooms[channel] = room
        if conference in self._recorded:
            out.append(ForeignRecorder(at_ns, channel))  # before the entry: with it, nothing may begin
        return out + self._tell(room, at_ns)

    def left(self, channel: ChannelId, conference: str, at_ns: int) -> list[Fact]:
        """It left that conference."""
        room = self._rooms.get(channel)
        return self._leave(channel, at_ns) if room is not None and room.name == conference else []

    def recorded(self, conference: str, at_ns: int) -> list[Fact]:
        """P17: the conference itself is recorded: whoever is in it, and whoever enters it from now on."""
        self._recorded.add(conference)
        return [
            ForeignRecorder(at_ns, channel)
            for channel, room in self._rooms.items()
            if room.name == conference
        ]

    def recorded_no_more(self, conference: str) -> None:
        """Its last recording ended, or the conference did."""
        self._recorded.discard(conference)

    def gave_away(self, channels: tuple[ChannelId, ...], at_ns: int) -> list[Fact]:
        """P9: these channels' holders transferred their call; said once of each."""
        new = tuple(channel for channel in channels if channel not in self._gave_away)
        self._gave_away.update(new)
        return [Transferred(at_ns, new)] if new else []

    def gone(self, channel: ChannelId, at_ns: int) -> list[Fact]:
        """It hung up; of itself nothing is told here, of whom it leaves alone it is."""
        self._answered.pop(channel, None)
        self._gave_away.discard(channel)
        return [
            fact
            for fact in self._leave(channel, at_ns)
            if not (isinstance(fact, BridgeLeft) and fact.channel == channel)
        ]

    def _partner(self, channel: ChannelId) -> ChannelId | None:
        """The other one of its pair, if the two were told to talk."""
        room = self._rooms.get(channel)
        if room is None or not room.pair or not room.told:
            return None
        return next((other for other in room.members if other != channel), None)

    def _tell(self, room: _Room, at_ns: int) -> list[Fact]:
        if room.pair and not (len(room.members) == 2 and all(map(self._answered.get, room.members))):
            return []
        new = [channel for channel in room.members if channel not in room.told]
        room.told.update(new)
        return [BridgeEntered(at_ns, channel, room.name) for channel in new]

    def _leave(self, channel: ChannelId, at_ns: int) -> list[Fact]:
        room = self._rooms.get(channel)
        if room is None:
            return []
        if room.pair:
            return self._close(room, at_ns)
        del self._rooms[channel]
        room.members.remove(channel)
        return [BridgeLeft(at_ns, channel, room.name)] if channel in room.told else []

    def _close(self, room: _Room, at_ns: int) -> list[Fact]:
        for channel in room.members:
            del self._rooms[channel]
        return [BridgeLeft(at_ns, channel, room.name) for channel in room.members if channel in room.told]
