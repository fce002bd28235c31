"""The desk: routes every fact to the session it concerns, and gives each call its one draw and its one ledger line.

It joins switchboard, sessions, stations and plans without any I/O: the composition root feeds it and obeys the orders
it returns. Randomness and the wall clock come in as functions, so a test turns both by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import events as ev
from pbx_bridge.calls.events import StationSeen
from pbx_bridge.calls.facts import (
    AgentObjected,
    CallerObjected,
    ChannelGone,
    Fact,
    LinkDown,
    LinkUp,
    PaymentBegan,
    PaymentEnded,
)
from pbx_bridge.calls.lists import Lists
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.calls.rules import PAYMENT_DEFAULT_S
from pbx_bridge.calls.session import Session, State
from pbx_bridge.calls.switchboard import Directory, Switchboard
from pbx_bridge.ids import ChannelId, RecordingId, StationId, TraineeId
from pbx_bridge.training.decision import decide, same_leave, still
from pbx_bridge.training.plans import Draw, Plan
from pbx_bridge.training.standing import Held, Standing, held

Call = tuple[TraineeId, ChannelId]
"""A trainee and the channel that started the call: what P11 draws once and P24 answers once."""


REDIAL_NS = 10 * 60 * 10**9
"""P11: a call of the same two this soon after is the same occasion: hanging up and calling again draws nothing new."""


class Desk:
    """Every method returns the orders that follow, in order."""

    def __init__(
        self,
        *,
        directory: Directory,
        plans: Callable[[], tuple[Plan, ...]],
        notice_of: Callable[[TraineeId], str],
        standing: Callable[[], Standing],
        roll: Callable[[], float],
        now: Callable[[], datetime],
        new_recording: Callable[[], RecordingId],
        lists: Callable[[], Lists] = Lists,
        foreign_recorders_allowed: bool = False,
        payment_limit_ns: int = PAYMENT_DEFAULT_S * 10**9,
        decided: Callable[[ChannelId, TraineeId, Draw | Reason], None] = lambda *_: None,
    ) -> None:
        """`decided` is told each call's one decision when it is taken (P11)."""
        self._switchboard = Switchboard(
            directory, lists=lists, foreign_recorders_allowed=foreign_recorders_allowed
        )
        self._plans, self._notice_of, self._standing = plans, notice_of, standing
        self._tell_decision = decided
        self._roll, self._wall, self.new_recording = roll, now, new_recording
        self.payment_limit_ns = payment_limit_ns
        self._sessions: dict[ChannelId, Session] = {}
        self._by_recording: dict[RecordingId, ChannelId] = {}
        self._stations: dict[StationId, StationSeen] = {}
        self._last_picture_ns: dict[RecordingId, int] = {}
        self._decisions: dict[Call, Draw | Reason] = {}
        self._rolls: dict[tuple[TraineeId, str], tuple[float, int]] = {}
        """Trainee and whom they talk with (`Switchboard.known_as`) -> the number drawn for their last call, and when."""
        self._answered: set[Call] = set()
        self._unanswered: dict[Call, co.WriteLedger] = {}
        self._heard_by: dict[ChannelId, list[tuple[RecordingId, ChannelId, TraineeId]]] = {}
        """Customer's channel -> the recordings that hold its call: (recording, agent's leg, trainee)."""
        self._frozen: dict[Reason, None] = {}
        """Why no recording begins now, in the order in which it was said."""

    # -- Surroundings -------------------------------------------------------------------------------------------

    def stations_of(self, trainee: TraineeId) -> tuple[StationSeen, ...]:
        return tuple(station for station in self._stations.values() if station.trainee == trainee)

    def current_notice(self, trainee: TraineeId) -> str:
        return self._notice_of(trainee)

    def minutes_for(self, draw: Draw) -> float | Reason:
        """P10, P15: what a drawn call may have now that its conversation begins; a frozen desk begins none."""
        if self.frozen is not None:
            return self.frozen
        held_now = self._held(to_come=True)
        return still(draw, self._plans(), self._wall(), self._standing(), held_now)

    def numbers_of(self, customer: ChannelId) -> tuple[str, ...]:
        """Readings of this customer's number, hashed; empty where none is known."""
        return self._switchboard.numbers_of(customer)

    # -- the PBX ------------------------------------------------------------------------------------------------

    def fact(self, fact: Fact) -> list[co.Command]:
        """One fact of the PBX."""
        orders: list[co.Command] = []
        for event in self._switchboard.learn(fact):
            match event:
                case ev.CallOffered():
                    orders += self._offer(event)
                case ev.OriginGone():
                    orders += self._origin_gone(event.origin)
                case _:
                    orders += self._tell(event.leg, event)
        match fact:
            case CallerObjected():
                orders += self._erase_all_of(fact.channel, fact.at_ns)
                orders.append(co.EraseNoted(fact.channel))
                if numbers := self._switchboard.numbers_of(fact.channel):
                    orders.append(co.OptOut(numbers[0]))
            case AgentObjected():
                session = self._sessions.get(fact.channel)
                orders.append(co.EraseCall(fact.channel, session.trainee if session else None))
            case ChannelGone():
                self._heard_by.pop(fact.channel, None)
                for call in [call for call in self._decisions if call[1] == fact.channel]:
                    del self._decisions[call]
            case LinkUp():
                living = {born.channel for born in fact.channels}
                self._heard_by = {
                    channel: held for channel, held in self._heard_by.items() if channel in living
                }
        if isinstance(fact, LinkDown | LinkUp):
            for origin in {origin for _, origin in self._decisions}:
                orders += self._origin_gone(origin)
        return orders

    def _erase_all_of(self, customer: ChannelId, at_ns: int) -> list[co.Command]:
        """P16: an objection destroys every recording of this customer's call, those that ended before it too."""
        orders: list[co.Command] = []
        for recording, leg, trainee in self._heard_by.pop(customer, []):
            session = self._sessions.get(leg)
            if session is not None and session.recording == recording:
                orders += self._tell(leg, ev.CallForbidden(at_ns, leg, Reason.OBJECTION, erase=True))
            else:
                line = co.WriteLedger(leg, trainee, recording, Outcome.DISCARDED, Reason.OBJECTION, 0)
                orders += [co.DiscardRecording(recording, Reason.OBJECTION), line]
        return orders

    def _offer(self, offered: ev.CallOffered) -> list[co.Command]:
        """P11: one draw per trainee and call, whatever rings again, forks or is transferred."""
        if offered.leg in self._sessions:
            return []  # an id the PBX used twice: its first call is still being closed, the second is not recorded
        call = (offered.trainee, offered.origin)
        if call not in self._decisions:
            self._decisions[call] = offered.forbidden or self._decide(offered)
            self._tell_decision(offered.leg, offered.trainee, self._decisions[call])
        decision = offered.forbidden or self._decisions[call]
        self._sessions[offered.leg] = Session(offered, decision, self)
        if isinstance(decision, Reason):
            return []
        orders: list[co.Command] = [co.PrepareCapture(offered.trainee), co.OfferPrivate(offered.leg)]
        if offered.dialled is not None:
            orders.append(co.PlayOutboundNotice(offered.leg, offered.dialled))
        return orders

    def _decide(self, offered: ev.CallOffered) -> Draw | Reason:
        if self.frozen is not None:
            return self.frozen
        standing, now = self._standing(), self._wall()
        roll = self._roll_for(offered)
        return decide(self._plans(), offered.trainee, now, standing, self._held(to_come=False), roll)

    def _roll_for(self, offered: ev.CallOffered) -> float:
        """P11: the call's random number. Who redials the same party soon after finds the number that was drawn before."""
        other = offered.dialled or offered.origin
        known = self._switchboard.known_as(other) if other != offered.leg else ""
        fresh = {pair: drawn for pair, drawn in self._rolls.items() if offered.at_ns - drawn[1] < REDIAL_NS}
        pair = (offered.trainee, known) if known else None
        roll = fresh[pair][0] if pair in fresh else self._roll()
        if pair is not None:
            fresh[pair] = (roll, offered.at_ns)
        self._rolls = fresh
        return roll

    def recheck(self, at_ns: int) -> list[co.Command]:
        """P13, P14: ends recordings whose plan was ended, changed or withdrawn, or whose notice changed, since they began.

        A keeper that does not answer for a moment ends nothing: what it last said was leave.
        """
        standing, plans, today = self._standing(), self._plans(), self._wall().date()
        if standing.approved is None:
            return []
        orders: list[co.Command] = []
        for session in list(self._sessions.values()):
            if session.permit is None or session.ended:
                continue
            why = same_leave(session.permit.draw, plans, today, standing)
            if not isinstance(why, Reason) and session.permit.acknowledgement != self._notice_of(
                session.trainee
            ):
                why = Reason.NOT_ACKNOWLEDGED
            if isinstance(why, Reason):
                orders += self._tell(session.leg, ev.CallForbidden(at_ns, session.leg, why, erase=False))
        return orders

    def _held(self, *, to_come: bool) -> list[Held]:
        """P15: the recordings that are not sealed yet; one that still runs with all it may `to_come` to, or with nothing.

        While a phone rings nobody knows whether a running recording will leave room: that is asked when the talk begins.
        """
        return [
            held(session.permit.plan, session.minutes if to_come or session.ended else 0.0)
            for session in self._sessions.values()
            if session.permit is not None and session.state is not State.DONE
        ]

    @property
    def frozen(self) -> Reason | None:
        """Why no new recording begins: the first of several reasons; None when they do."""
        return next(iter(self._frozen), None)

    @property
    def frozen_for(self) -> frozenset[Reason]:
        """Every reason for which no new recording begins."""
        return frozenset(self._frozen)

    def freeze(self, reason: Reason) -> None:
        """No new recording from now on (a wrong clock, a full disk, no audit log, a shutdown), until this reason thaws."""
        self._frozen[reason] = None

    def thaw(self, reason: Reason) -> None:
        """This reason holds no longer; others still may."""
        self._frozen.pop(reason, None)

    def end_all(self, reason: Reason, at_ns: int) -> list[co.Command]:
        """P10: ends every recording now, what precedes is kept; calls that ring are not recorded either."""
        orders: list[co.Command] = []
        for leg in list(self._sessions):
            orders += self._tell(leg, ev.CallForbidden(at_ns, leg, reason, erase=False))
        return orders

    def _origin_gone(self, origin: ChannelId) -> list[co.Command]:
        orders: list[co.Command] = []
        for call in [call for call in self._decisions if call[1] == origin]:
            line = self._unanswered.pop(call, None)
            if line is not None and call not in self._answered:
                orders.append(line)
            del self._decisions[call]
            self._answered.discard(call)
        return orders

    def _tell(self, leg: ChannelId, event: ev.SessionEvent) -> list[co.Command]:
        session = self._sessions.get(leg)
        if session is None:
            return []
        call = (session.trainee, session.origin)
        if isinstance(event, ev.PartyJoined | ev.ThirdPartyJoined):
            self._answered.add(call)
        before = session.recording
        orders = self._stands(session, event) if isinstance(event, ev.PartyJoined) else []
        orders += session.handle(event)
        if session.recording is not None and before is None:
            self._by_recording[session.recording] = leg
            if session.permit is not None:
                held = self._heard_by.setdefault(session.permit.notice.party, [])
                held.append((session.recording, leg, session.trainee))
        self._note_recording(session)
        if isinstance(event, ev.CallEnded) and not event.talked and session.origin != leg:
            orders = [order for order in orders if not self._postpone(call, order)]
        if session.over:
            del self._sessions[leg]
            if session.recording is not None:
                self._by_recording.pop(session.recording, None)
                self._last_picture_ns.pop(session.recording, None)
        return orders

    def _stands(self, session: Session, joined: ev.PartyJoined) -> list[co.Command]:
        """P11: what was decided of this trainee and this party stands, whoever put them through since and by whatever leg:
        a consultation draws for itself, and its draw is not another one for the customer who is handed over in it."""
        first = self._decisions.setdefault((session.trainee, joined.party), session.decision)
        if session.state is not State.WAITING or not isinstance(first, Reason):
            return []
        return session.handle(ev.CallForbidden(joined.at_ns, session.leg, first, erase=False))

    def _postpone(self, call: Call, order: co.Command) -> bool:
        """P24: a leg nobody talked on gets its line when nobody can be rung for that call any more."""
        if not isinstance(order, co.WriteLedger) or order.outcome is not Outcome.NOT_RECORDED:
            return False
        if call not in self._decisions:
            return False
        self._unanswered[call] = order
        return True

    def _note_recording(self, session: Session) -> None:
        """Keep for each station whether it films now."""
        if session.station is None:
            return
        seen = self._stations.get(session.station.station)
        if seen is None:
            return
        filming = any(
            other.filming and other.station is not None and other.station.station == seen.station
            for other in self._sessions.values()
        )
        self._stations[seen.station] = replace(seen, recording=filming)

    # -- stations -----------------------------------------------------------------------------------------------

    def station_seen(
        self, station: StationId, trainee: TraineeId, *, active: bool, locked: bool, acknowledged: str
    ) -> None:
        """A station is live, or something about its desktop or acknowledgement changed."""
        recording = self._stations[station].recording if station in self._stations else False
        self._stations[station] = StationSeen(station, trainee, active, locked, acknowledged, recording)

    def desktop_changed(self, station: StationId, *, active: bool, locked: bool) -> None:
        """The person locked, unlocked, left or came back."""
        if (seen := self._stations.get(station)) is not None:
            self._stations[station] = replace(seen, active=active, locked=locked)

    def acknowledged(self, station: StationId, notice: str) -> None:
        """P14: the person at this station acknowledged the notice with this hash."""
        if (seen := self._stations.get(station)) is not None:
            self._stations[station] = replace(seen, acknowledged=notice)

    def private(self, station: StationId, at_ns: int) -> list[co.Command] | None:
        """P16: the trainee says that the present call is private: what exists of it is destroyed. None: no call."""
        trainee = self._stations[station].trainee if station in self._stations else None
        legs = [session.leg for session in self._sessions.values() if session.trainee == trainee]
        orders: list[co.Command] = []
        for leg in legs:
            orders += self._tell(leg, ev.CallForbidden(at_ns, leg, Reason.PRIVATE, erase=True))
            orders.append(co.EraseCall(leg, self._stations[station].trainee))
        return orders if legs else None

    def station_gone(self, station: StationId) -> None:
        """Its link is down; a recording there goes on until the lease is lost (P10)."""
        self._stations.pop(station, None)

    def lease_lost(
        self, station: StationId, at_ns: int, reason: Reason = Reason.LEASE_LOST
    ) -> list[co.Command]:
        """P10: the station must have stopped by itself; what precedes its last picture is kept."""
        orders: list[co.Command] = []
        for session in list(self._sessions.values()):
            if session.station is not None and session.station.station == station:
                orders += self._capture_over(session, at_ns, reason)
        return orders

    def desktop_locked(self, station: StationId, at_ns: int) -> list[co.Command]:
        """P4, P10: a locked or disconnected desktop ends the recording there; the station is still up and must be told."""
        orders: list[co.Command] = []
        for session in list(self._sessions.values()):
            if session.station is not None and session.station.station == station:
                locked = ev.CallForbidden(at_ns, session.leg, Reason.STATION_LOCKED, erase=False)
                orders += self._tell(session.leg, locked)
        return orders

    def capture_started(self, recording: RecordingId, at_ns: int) -> list[co.Command]:
        leg = self._by_recording.get(recording)
        return [] if leg is None else self._tell(leg, ev.CaptureStarted(at_ns, leg))

    def payment_asked(self, trainee: TraineeId, at_ns: int, *, began: bool) -> list[co.Command] | None:
        """P7: the site's payment software, or an administrator, announces a payment in this trainee's call, or takes it
        back. It follows the call wherever it goes. None: no call."""
        legs = [session.leg for session in self._sessions.values() if session.trainee == trainee]
        word = PaymentBegan if began else PaymentEnded
        orders: list[co.Command] = []
        for leg in legs:
            orders += self.fact(word(at_ns, leg, ev.PauseBy.REQUEST))
        return orders if legs else None

    def payment_shown(self, recording: RecordingId, at_ns: int, *, began: bool) -> list[co.Command]:
        """P7: the workstation saw a payment in a window's title and paused itself, or saw it gone."""
        leg = self._by_recording.get(recording)
        word = ev.PaymentBegan if began else ev.PaymentEnded
        return [] if leg is None else self._tell(leg, word(at_ns, leg, ev.PauseBy.WINDOW))

    def picture_seen(self, recording: RecordingId, at_ns: int) -> None:
        self._last_picture_ns[recording] = at_ns

    def capture_ended(self, recording: RecordingId, at_ns: int, reason: Reason | None) -> list[co.Command]:
        leg = self._by_recording.get(recording)
        return [] if leg is None else self._capture_over(self._sessions[leg], at_ns, reason)

    def _capture_over(self, session: Session, at_ns: int, reason: Reason | None) -> list[co.Command]:
        if session.recording is None:
            return []
        last_ns = self._last_picture_ns.get(session.recording)
        return self._tell(session.leg, ev.CaptureEnded(at_ns, session.leg, reason, last_ns))

    # -- tap, file, timers --------------------------------------------------------------------------------------

    def audio_started(self, leg: ChannelId, at_ns: int) -> list[co.Command]:
        return self._tell(leg, ev.AudioStarted(at_ns, leg))

    def audio_lost(self, leg: ChannelId, at_ns: int) -> list[co.Command]:
        return self._tell(leg, ev.AudioLost(at_ns, leg))

    def sealed(self, recording: RecordingId, at_ns: int, duration_ns: int) -> list[co.Command]:
        leg = self._by_recording.get(recording)
        return [] if leg is None else self._tell(leg, ev.RecordingSealed(at_ns, leg, duration_ns))

    def failed(self, recording: RecordingId, at_ns: int, reason: Reason, *, kept: bool) -> list[co.Command]:
        leg = self._by_recording.get(recording)
        return [] if leg is None else self._tell(leg, ev.RecordingFailed(at_ns, leg, reason, kept))

    def timer(self, leg: ChannelId, name: str, at_ns: int) -> list[co.Command]:
        return self._tell(leg, ev.TimerFired(at_ns, leg, name))

    def shutdown(self, at_ns: int) -> list[co.Command]:
        """End every recording properly and start none."""
        self.freeze(Reason.SHUTDOWN)
        orders: list[co.Command] = []
        for leg in list(self._sessions):
            orders += self._tell(leg, ev.ShutdownAsked(at_ns, leg))
        return orders

    @property
    def open_recordings(self) -> tuple[RecordingId, ...]:
        """Recordings whose file is not sealed yet."""
        return tuple(
            session.recording
            for session in self._sessions.values()
            if session.recording is not None and session.state is not State.DONE
        )
