"""Who is heard by nobody though their pair goes on: told as holds, whoever makes them. Pure; keeps ids, nothing else.

Theory. CHANNEL_HOLD says it of a phone's own hold. A feature code (`bind_meta_app`, `bind_digit_action`: att_xfer and what
asks for its digits) tells nothing of the kind: FreeSWITCH takes the channel that pressed it out of its bridge without an
UNBRIDGE, and plays music to the other one. So two more reasons count: a channel that something is played to hears nobody
else meanwhile, and one that talks and has another leg dialled does not talk (P9: a consultation that is not answered yet).
Each reason begins and ends for itself; the hold that is told lasts as long as any of them.
Source: FreeSWITCH 1.11 src/switch_ivr.c `hold-bleg`, mod_dptools att_xfer.
"""

from __future__ import annotations

from pbx_bridge.calls.facts import Fact, Held, Unheld
from pbx_bridge.ids import ChannelId

PHONE, PLAYED = "phone", "played"


class Holds:
    """Every method returns the facts that follow, in order."""

    def __init__(self) -> None:
        self._why: dict[ChannelId, set[str]] = {}
        self._consults: dict[ChannelId, ChannelId] = {}
        """The leg that is dialled -> the channel that talked when it was."""

    def begins(self, channel: ChannelId, why: str, at_ns: int) -> list[Fact]:
        """P9: from now on it is on hold for this reason too."""
        reasons = self._why.setdefault(channel, set())
        before = bool(reasons)
        reasons.add(why)
        return [] if before else [Held(at_ns, channel)]

    def ends(self, channel: ChannelId, why: str, at_ns: int) -> list[Fact]:
        """P9: this reason is over; a phone's word that it is back counts though its hold was not heard."""
        reasons = self._why.get(channel, set())
        if why not in reasons and why != PHONE:
            return []
        reasons.discard(why)
        if reasons:
            return []
        self._why.pop(channel, None)
        return [Unheld(at_ns, channel)]

    def consults(self, channel: ChannelId, leg: ChannelId, at_ns: int) -> list[Fact]:
        """P9: this channel talks, and has a leg dialled."""
        self._consults[leg] = channel
        return self.begins(channel, leg, at_ns)

    def consulted(self, leg: ChannelId, at_ns: int) -> list[Fact]:
        """That leg talks with somebody now, or is gone."""
        channel = self._consults.pop(leg, None)
        return [] if channel is None else self.ends(channel, leg, at_ns)

    def gone(self, channel: ChannelId) -> None:
        """It hung up."""
        self._why.pop(channel, None)
        for leg in [leg for leg, one in self._consults.items() if one == channel]:
            del self._consults[leg]
