"""Who talks with whom: the PBX's facts in, events of each enrolled agent's leg out.

Theory. A *leg* is an agent's own channel. Channels meet in bridges; a Local channel's two halves join two bridges into
one conversation and are never parties. So the parties of a leg are all other real channels of its *conversation*: the
bridges reached from its own through pairs of Local halves. One party: the agent talks (P8). None: alone. More: a third
party, also one on the phone's other line, which a phone may join to this one. A person is found from the channel that
enters the bridge, never from what was dialled (call pickup), and a device is not a person: a member's name that
contradicts the device forbids the recording.

State is only what the PBX said; it knows neither plans nor stations, and keeps no number and no name, only hashes.
Invariant: for each leg the events are PartyJoined / PartyLeft / ThirdPartyJoined exactly when its view changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from pbx_bridge.calls import events as ev
from pbx_bridge.calls import facts
from pbx_bridge.calls.lists import Lists, Traits, refused
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import ChannelId, TraineeId

Directory = Callable[[str, str, bool], TraineeId | Reason | None]
"""(endpoint, person's name, the site named it on purpose) -> training.rules.who: the enrolled trainee, None for
anybody else, a Reason when the two contradict."""


@dataclass(slots=True)
class _Channel:
    id: ChannelId
    endpoint: str
    local: bool
    named: str = ""
    by_site: bool = False
    traits: Traits = field(default_factory=Traits)
    bridge: str = ""
    pair: ChannelId | None = None
    dialled: bool = False
    dialled_by: ChannelId | None = None
    held: bool = False
    up: bool = False
    notice: str = ""
    paying: frozenset[ev.PauseBy] = frozenset()
    """Who announced a payment in its conversation and has not yet taken it back (P7)."""
    marks: dict[Reason, bool] = field(default_factory=dict)
    """Why calls of this channel may not be recorded -> whether what exists must be erased."""


@dataclass(slots=True)
class _Leg:
    trainee: TraineeId
    offered: bool = False
    talked: bool = False
    parties: frozenset[ChannelId] = frozenset()
    last_party: ChannelId | None = None
    held: bool = False
    paying: frozenset[ev.PauseBy] = frozenset()
    told: set[Reason] = field(default_factory=set)


class Switchboard:
    """Feed it every fact in order with `learn`; it answers with the events of enrolled agents' legs."""

    def __init__(
        self,
        directory: Directory,
        *,
        lists: Callable[[], Lists] = Lists,
        foreign_recorders_allowed: bool = False,
    ) -> None:
        self._directory, self._lists = directory, lists
        self._foreign_recorders_allowed = foreign_recorders_allowed
        self._channels: dict[ChannelId, _Channel] = {}
        self._legs: dict[ChannelId, _Leg] = {}
        self._bridges: dict[str, set[ChannelId]] = {}
        self._origins: set[ChannelId] = set()
        self._lost: set[ChannelId] = set()

    def learn(self, fact: facts.Fact) -> list[ev.CallEvent]:
        """The events this fact causes, in order."""
        out: list[ev.CallEvent] = []
        match fact:
            case facts.ChannelBorn():
                if fact.channel in self._channels:
                    return out
                self._born(fact)
                self._recognise(fact.channel, fact.at_ns, out)
                self._known(fact.channel, fact.at_ns, out)
            case facts.NumberSeen():
                self._known(fact.channel, fact.at_ns, out, numbers=fact.numbers)
            case facts.QueueJoined():
                self._known(fact.channel, fact.at_ns, out, queue=fact.queue)
            case facts.PersonNamed():
                self._named(fact, out)
            case facts.Dialled():
                if callee := self._channels.get(fact.callee):
                    callee.dialled, callee.dialled_by = True, fact.caller or None
                    self._recognise(fact.callee, fact.at_ns, out)
                    if self._origin(fact.callee) in self._legs:
                        for dialling in (fact.caller, fact.callee):
                            self._known(dialling, fact.at_ns, out, outbound=True)
                self._offer_rung_by(fact.callee, fact.at_ns, out)
                self._offer(fact.caller, fact.at_ns, out, dialled=fact.callee)
            case facts.ChannelRinging():
                if self._origin_known(fact.channel):
                    self._offer(fact.channel, fact.at_ns, out)
            case facts.ChannelUp():
                if channel := self._channels.get(fact.channel):
                    channel.up = True
            case facts.LocalPaired():
                self._pair(fact, out)
            case facts.BridgeEntered():
                self._enter(fact, out)
            case facts.BridgeLeft():
                self._leave(fact.channel, fact.at_ns, out)
            case facts.Held() | facts.Unheld():
                if channel := self._channels.get(fact.channel):
                    channel.held = isinstance(fact, facts.Held)
                    self._look(self._conversation(channel), fact.at_ns, out)
            case facts.Transferred():
                out += [ev.CallTransferred(fact.at_ns, leg) for leg in fact.by if leg in self._legs]
            case facts.Parked():
                out += [
                    ev.CallParked(fact.at_ns, leg)
                    for leg, state in self._legs.items()
                    if fact.channel in (leg, state.last_party)
                ]
            case facts.ChannelGone():
                self._gone(fact, out)
            case facts.PickedUp():
                pass  # the channel that enters the bridge says who picked up
            case facts.NoticeHeard():
                self._noticed(fact, out)
            case facts.CallerObjected():
                self._mark(fact.channel, Reason.OBJECTION, True, fact.at_ns, out)
            case facts.AgentObjected():
                if (leg := self._legs.get(fact.channel)) is not None and leg.offered:
                    self._forbid(fact.channel, leg, Reason.PRIVATE, True, fact.at_ns, out)
            case facts.NeverRecord():
                self._mark(fact.channel, Reason.NEVER_RECORD, True, fact.at_ns, out)
            case facts.PaymentBegan() | facts.PaymentEnded():
                self._payment(fact, out)
            case facts.ForeignRecorder():
                if not self._foreign_recorders_allowed:
                    self._mark(fact.channel, Reason.FOREIGN_RECORDER, False, fact.at_ns, out)
            case facts.Unreadable():
                self._unreadable(fact, out)
            case facts.LegSilent():
                if fact.channel in self._legs:
                    out.append(ev.AgentSilent(fact.at_ns, fact.channel, fact.for_ns))
            case facts.LegHeard():
                if fact.channel in self._legs:
                    out.append(ev.AgentHeard(fact.at_ns, fact.channel))
            case facts.LinkDown():
                self._lose(fact.at_ns, out)
            case facts.LinkUp():
                self._resync(fact, out)
            case _:
                assert_never(fact)
        return out

    # -- channels -----------------------------------------------------------------------------------------------

    def _born(self, fact: facts.ChannelBorn) -> None:
        traits = Traits(fact.numbers, fact.dialled, fact.context)
        self._channels[fact.channel] = _Channel(
            fact.channel, fact.endpoint, fact.local_half, fact.named, traits=traits
        )

    def _recognise(self, channel_id: ChannelId, at_ns: int, out: list[ev.CallEvent]) -> None:
        """A channel of an enrolled person is a leg; when another person turns out to sit there, it is theirs."""
        channel = self._channels[channel_id]
        named, by_site = self._name_at(channel)
        person = None if channel.local else self._directory(channel.endpoint, named, by_site)
        if isinstance(person, Reason):
            self._mark(channel_id, person, False, at_ns, out)
            return
        leg = self._legs.get(channel_id)
        if leg is not None and leg.trainee != person:
            if leg.offered:
                out.append(ev.CallEnded(at_ns, channel_id, channel.up, leg.talked))
            del self._legs[channel_id]
            leg = None
        if person is not None and leg is None:
            self._legs[channel_id] = _Leg(person)

    def _named(self, fact: facts.PersonNamed, out: list[ev.CallEvent]) -> None:
        """A name on a Local half is that of the phone it leads to."""
        channel = self._channels.get(fact.channel)
        if channel is None:
            return
        channel.named, channel.by_site = fact.person, fact.by_site
        for other in list(self._channels.values()):
            if other is channel or (
                channel.local and not other.local and channel.id in self._chain(other.id)
            ):
                self._recognise(other.id, fact.at_ns, out)

    def _name_at(self, channel: _Channel) -> tuple[str, bool]:
        """Who the site says sits there: on the channel itself, else on a Local half that leads to it."""
        halves = [self._channels[half] for half in self._chain(channel.id) if self._channels[half].local]
        for source in (channel, *halves):
            if source.named:
                return source.named, source.by_site
        return "", False

    def _chain(self, channel_id: ChannelId) -> list[ChannelId]:
        """The channels that led to this one, itself first: who dialled it, through both halves of a Local channel."""
        chain: list[ChannelId] = []
        step: ChannelId | None = channel_id
        while step is not None and step not in chain and (channel := self._channels.get(step)):
            chain.append(step)
            step = channel.dialled_by
            if step is None and channel.local:
                step = channel.pair
        return chain

    def _gone(self, fact: facts.ChannelGone, out: list[ev.CallEvent]) -> None:
        channel = self._channels.get(fact.channel)
        if channel is None:
            return
        ended = self._legs.pop(fact.channel, None)
        if ended is not None and ended.offered:
            out.append(ev.CallEnded(fact.at_ns, fact.channel, channel.up, ended.talked))
        self._leave(fact.channel, fact.at_ns, out)
        del self._channels[fact.channel]
        if ended is not None:
            beside = (other for other, leg in self._legs.items() if leg.trainee == ended.trainee)
            self._look(frozenset(beside), fact.at_ns, out)
        if channel.pair is not None and (other := self._channels.get(channel.pair)):
            other.pair = None
        for leg_id, leg in self._legs.items():
            if leg.last_party == fact.channel and not leg.parties:
                out.append(ev.PartyLeft(fact.at_ns, leg_id, gone=True))
        if fact.channel in self._origins:
            self._origins.discard(fact.channel)
            out.append(ev.OriginGone(fact.at_ns, fact.channel))
        self._lost.discard(fact.channel)

    def _offer(
        self, channel_id: ChannelId, at_ns: int, out: list[ev.CallEvent], dialled: ChannelId | None = None
    ) -> None:
        leg = self._legs.get(channel_id)
        if leg is None or leg.offered or channel_id in self._lost:
            return
        leg.offered = True
        origin = self._origin(channel_id)
        self._origins.add(origin)
        ringing = self._channels.get(dialled) if dialled is not None else None
        marks = list(self._marks_at(channel_id) | (ringing.marks if ringing is not None else {}))
        leg.told.update(marks)
        why_not = marks[0] if marks else None
        outbound = dialled is not None
        out.append(ev.CallOffered(at_ns, channel_id, leg.trainee, outbound, origin, dialled, why_not))
        self._say_payment(channel_id, leg, at_ns, out)

    def _offer_rung_by(self, dialled: ChannelId, at_ns: int, out: list[ev.CallEvent]) -> None:
        """This channel's dialler is known now, and so who began the call of every phone it leads to."""
        for leg_id in list(self._legs):
            if dialled in self._chain(leg_id) and self._origin_known(leg_id):
                self._offer(leg_id, at_ns, out)

    def _origin_known(self, channel_id: ChannelId) -> bool:
        """P11: who began this call. A phone that rings before the PBX says who dials it has to wait for that (Asterisk
        on a busy machine, measured), or each of two phones that ring together would be a call of its own."""
        channel = self._channels.get(channel_id)
        if channel is None or not channel.dialled:
            return False
        first = self._channels[self._origin(channel_id)]
        return not first.local or first.dialled or bool(first.bridge)

    def _origin(self, channel_id: ChannelId) -> ChannelId:
        """The channel at the start of the chain of diallers, through Local halves."""
        chain = self._chain(channel_id)
        return chain[-1] if chain else channel_id

    # -- conversations ------------------------------------------------------------------------------------------

    def _pair(self, fact: facts.LocalPaired, out: list[ev.CallEvent]) -> None:
        one, two = self._channels.get(fact.one), self._channels.get(fact.two)
        if one is not None and two is not None:
            one.pair, two.pair = fact.two, fact.one
            self._look(self._conversation(one) | self._conversation(two), fact.at_ns, out)

    def _enter(self, fact: facts.BridgeEntered, out: list[ev.CallEvent]) -> None:
        channel = self._channels.get(fact.channel)
        if channel is None:
            return
        if fact.endpoint and fact.endpoint != channel.endpoint:
            channel.endpoint = fact.endpoint
            self._recognise(fact.channel, fact.at_ns, out)
        if channel.bridge and channel.bridge != fact.bridge:
            self._leave(fact.channel, fact.at_ns, out)
        channel.bridge = fact.bridge
        channel.up = True
        self._bridges.setdefault(fact.bridge, set()).add(fact.channel)
        self._offer(fact.channel, fact.at_ns, out)
        self._look(self._conversation(channel), fact.at_ns, out)

    def _leave(self, channel_id: ChannelId, at_ns: int, out: list[ev.CallEvent]) -> None:
        channel = self._channels.get(channel_id)
        if channel is None or not channel.bridge:
            return
        before = self._conversation(channel)
        members = self._bridges.get(channel.bridge, set())
        members.discard(channel_id)
        if not members:
            self._bridges.pop(channel.bridge, None)
        channel.bridge = ""
        self._look(before, at_ns, out)

    def _conversation(self, channel: _Channel) -> frozenset[ChannelId]:
        """All real channels that hear `channel`, itself included: its bridge, and bridges beyond Local pairs."""
        return frozenset(member for member in self._reached(channel) if not self._channels[member].local)

    def _reached(self, channel: _Channel) -> set[ChannelId]:
        """The conversation with the Local halves that carry it."""
        reached, todo, seen = {channel.id}, [channel.bridge], {""}
        if channel.local and channel.pair is not None and (half := self._channels.get(channel.pair)):
            reached.add(half.id)
            todo.append(half.bridge)
        while todo:
            bridge = todo.pop()
            if bridge in seen:
                continue
            seen.add(bridge)
            for member in self._bridges.get(bridge, ()):
                reached.add(member)
                other = self._channels[member]
                if other.local and other.pair is not None and (half := self._channels.get(other.pair)):
                    reached.add(half.id)
                    todo.append(half.bridge)
        return reached

    def _look(self, touched: frozenset[ChannelId], at_ns: int, out: list[ev.CallEvent]) -> None:
        """Compare what each touched leg, and each other leg of its trainee, sees now with what it saw before, and say the
        difference: a pause before all else, the end of one after it."""
        trainees = {self._legs[leg_id].trainee for leg_id in touched if leg_id in self._legs}
        for leg_id in sorted(leg_id for leg_id, leg in self._legs.items() if leg.trainee in trainees):
            leg, channel = self._legs[leg_id], self._channels.get(leg_id)
            if channel is None or leg_id in self._lost:
                continue
            parties = self._parties(channel)
            held = channel.held or any(self._channels[party].held for party in parties)
            self._say_payment(leg_id, leg, at_ns, out)  # before the parties: with it, nothing may begin
            if held and not leg.held:
                out.append(ev.CallHeld(at_ns, leg_id))
            self._say_parties(leg_id, leg, parties | self._beside(channel, leg, parties), at_ns, out)
            if leg.held and not held:
                out.append(ev.CallResumed(at_ns, leg_id))
            leg.held = held

    def _parties(self, channel: _Channel) -> frozenset[ChannelId]:
        """Whom a leg talks with."""
        return self._conversation(channel) - {channel.id} if channel.bridge else frozenset()

    def _beside(self, channel: _Channel, leg: _Leg, parties: frozenset[ChannelId]) -> frozenset[ChannelId]:
        """P9: whom the same trainee talks with on another line, neither of the two on hold: a phone can join its lines by
        itself, and then the ones hear the others, and no bridge of the PBX says so.

        Of a talk with somebody who heard no notice, which is not recorded anyway, that is not said.
        """
        if channel.held or not any(self._channels[party].notice for party in parties):
            return frozenset()
        others = (
            self._channels[other]
            for other, its in self._legs.items()
            if its.trainee == leg.trainee and other != channel.id and other in self._channels
        )
        return frozenset().union(*(self._parties(other) for other in others if not other.held)) - {channel.id}

    def _say_parties(
        self, leg_id: ChannelId, leg: _Leg, parties: frozenset[ChannelId], at_ns: int, out: list[ev.CallEvent]
    ) -> None:
        if parties == leg.parties:
            return
        leg.parties = parties
        if not parties:
            out.append(ev.PartyLeft(at_ns, leg_id, gone=leg.last_party not in self._channels))
            return
        leg.talked = True
        for reason, erase in self._marks_at(leg_id).items():
            self._forbid(leg_id, leg, reason, erase, at_ns, out)
        if len(parties) > 1:
            out.append(ev.ThirdPartyJoined(at_ns, leg_id))
            return
        (leg.last_party,) = parties
        out.append(ev.PartyJoined(at_ns, leg_id, leg.last_party, self._channels[leg.last_party].notice))

    def _payment(self, fact: facts.PaymentBegan | facts.PaymentEnded, out: list[ev.CallEvent]) -> None:
        """P7: said of one channel, it holds for everybody in the conversation, wherever they are transferred to."""
        channel = self._channels.get(fact.channel)
        if channel is None:
            return
        for member in self._reached(channel) | set(self._chain(fact.channel)):
            others = self._channels[member].paying - {fact.by}
            self._channels[member].paying = others | (
                {fact.by} if isinstance(fact, facts.PaymentBegan) else frozenset()
            )
        for leg_id, leg in self._legs.items():
            self._say_payment(leg_id, leg, fact.at_ns, out)

    def _say_payment(self, leg_id: ChannelId, leg: _Leg, at_ns: int, out: list[ev.CallEvent]) -> None:
        if not leg.offered:
            return
        concerned = (self._channels[member].paying for member in self._concerned(leg_id))
        before, leg.paying = leg.paying, frozenset[ev.PauseBy]().union(*concerned)
        out += [ev.PaymentBegan(at_ns, leg_id, by) for by in ev.PauseBy if by in leg.paying - before]
        out += [ev.PaymentEnded(at_ns, leg_id, by) for by in ev.PauseBy if by in before - leg.paying]

    # -- what forbids -------------------------------------------------------------------------------------------

    def numbers_of(self, channel_id: ChannelId) -> tuple[str, ...]:
        """Readings of this party's number, hashed; empty for a trainee's own phone, and where none is known."""
        channel = self._channels.get(channel_id)
        return channel.traits.numbers if channel is not None and channel_id not in self._legs else ()

    def known_as(self, channel_id: ChannelId) -> str:
        """P11: by what this channel's person is the same one in another call: their number, hashed, or whose phone it is;
        "" where nobody can tell."""
        if (leg := self._legs.get(channel_id)) is not None:
            return f"trainee {leg.trainee}"
        return next(iter(self.numbers_of(channel_id)), "")

    def _known(self, channel_id: ChannelId, at_ns: int, out: list[ev.CallEvent], **what: object) -> None:
        """Something is known of a channel now: it may stand on a list (P12)."""
        channel = self._channels.get(channel_id)
        if channel is None:
            return
        enrolled = channel_id in self._legs
        channel.traits = replace(channel.traits, enrolled=enrolled, **what)  # type: ignore[arg-type]
        if (reason := refused(channel.traits, self._lists())) is not None:
            self._mark(channel_id, reason, True, at_ns, out)

    def _noticed(self, fact: facts.NoticeHeard, out: list[ev.CallEvent]) -> None:
        channel = self._channels.get(fact.channel)
        if channel is None:
            return
        channel.notice = fact.notice
        for leg_id, leg in self._legs.items():
            if leg.parties != {fact.channel}:
                continue
            if beside := self._beside(self._channels[leg_id], leg, leg.parties):
                self._say_parties(leg_id, leg, leg.parties | beside, fact.at_ns, out)
            else:
                out.append(ev.PartyJoined(fact.at_ns, leg_id, fact.channel, fact.notice))

    def _mark(
        self, channel_id: ChannelId, reason: Reason, erase: bool, at_ns: int, out: list[ev.CallEvent]
    ) -> None:
        channel = self._channels.get(channel_id)
        if channel is None:
            return
        channel.marks[reason] = erase
        for leg_id, leg in self._legs.items():
            if leg.offered and (channel_id == leg.last_party or channel_id in self._concerned(leg_id)):
                self._forbid(leg_id, leg, reason, erase, at_ns, out)

    def _concerned(self, leg_id: ChannelId) -> set[ChannelId]:
        """Every channel that has a say in this leg's call: those that led to it and those it talks through."""
        return self._reached(self._channels[leg_id]) | set(self._chain(leg_id))

    def _marks_at(self, leg_id: ChannelId) -> dict[Reason, bool]:
        """Why this leg's call may not be recorded -> whether what exists must be erased."""
        marks: dict[Reason, bool] = {}
        for member in sorted(self._concerned(leg_id)):
            marks |= self._channels[member].marks
        return marks

    def _forbid(
        self,
        leg_id: ChannelId,
        leg: _Leg,
        reason: Reason,
        erase: bool,
        at_ns: int,
        out: list[ev.CallEvent],
    ) -> None:
        if reason not in leg.told:
            leg.told.add(reason)
            out.append(ev.CallForbidden(at_ns, leg_id, reason, erase))

    def _unreadable(self, fact: facts.Unreadable, out: list[ev.CallEvent]) -> None:
        """P10: an event of a kind we follow that says nothing we understand stops what it may concern."""
        known = fact.channel is not None and fact.channel in self._channels
        for channel_id in [fact.channel] if known and fact.channel else list(self._legs):
            self._mark(channel_id, Reason.UNREADABLE, False, fact.at_ns, out)

    # -- the link -----------------------------------------------------------------------------------------------

    def _lose(self, at_ns: int, out: list[ev.CallEvent]) -> None:
        """Nothing is known any more: whatever was known ends (P10)."""
        out += [ev.LinkLost(at_ns, leg_id) for leg_id, leg in self._legs.items() if leg.offered]
        self._lost |= {leg_id for leg_id, leg in self._legs.items() if leg.offered}
        self._channels.clear()
        self._legs.clear()
        self._bridges.clear()
        self._origins.clear()

    def _resync(self, fact: facts.LinkUp, out: list[ev.CallEvent]) -> None:
        """P10: calls found at resync are never armed, by whichever leg they go on: what was said of them meanwhile (a line
        that is never recorded, another recorder, a payment) is not known. Those the ledger has not answered yet get
        `link-lost`."""
        self._lose(fact.at_ns, out)
        answered_already = self._lost
        self._lost = set()
        for born in fact.channels:
            self._born(born)
            self._channels[born.channel].marks[Reason.LINK_LOST] = False
            self._recognise(born.channel, fact.at_ns, out)
            self._known(born.channel, fact.at_ns, out)
            if (leg := self._legs.get(born.channel)) is None:
                continue
            if born.channel in answered_already:
                del self._legs[born.channel]
                continue
            leg.offered = leg.talked = True
            self._origins.add(born.channel)
            found = ev.CallOffered(
                fact.at_ns, born.channel, leg.trainee, False, born.channel, forbidden=Reason.LINK_LOST
            )
            out.append(found)
