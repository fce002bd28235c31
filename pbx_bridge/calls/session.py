"""One call of one enrolled agent, from the first ring to the ledger's line: the only state machine of the product.

Theory. A session is told facts (`events.py`) and answers with orders (`commands.py`). It films exactly while
`rules.may_film` says so: every fact changes its `Circumstances`, and `_reconsider` starts, pauses, resumes. Facts that
end a recording (hang-up, transfer, a lost lease, an objection) go through `_stop`, which fixes the end of the file:
the moment of the fact, or, when the recording was paused, the moment of the pause, so that nothing of a pause that
nobody resumed is in the file (P8). Nothing is armed later: a session that was refused stays refused (P11).

`MOVES` is the whole machine: which event may come in which state, and which states it may lead to. An event of the
call that stands there under no state stops the recording (P10). `docs/architecture.md` draws it from this table.
Timers are orders; the clock is never read here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import events as ev
from pbx_bridge.calls import rules
from pbx_bridge.calls.events import StationSeen
from pbx_bridge.calls.permit import NoticeEvent, Permit, issue
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId, RecordingId, StationId, TraineeId
from pbx_bridge.training.plans import Draw


class State(Enum):
    """Where a call stands."""

    WAITING = "waiting"
    """Drawn; not yet in a conversation that may be filmed."""
    REFUSED = "refused"
    """Will not be recorded, the reason is known; the ledger waits for the hang-up."""
    RECORDING = "recording"
    PAUSED = "paused"
    CLOSING = "closing"
    """Told to stop; the last pictures are on their way, then the file is sealed."""
    DONE = "done"
    """The ledger has its line; the leg may live on, unrecorded."""


class Surroundings(Protocol):
    """What a session may ask at the moment a conversation begins. Answers are values already known; no I/O."""

    def stations_of(self, trainee: TraineeId) -> tuple[StationSeen, ...]: ...

    def current_notice(self, trainee: TraineeId) -> str: ...

    def minutes_for(self, draw: Draw) -> float | Reason: ...

    def new_recording(self) -> RecordingId: ...

    @property
    def payment_limit_ns(self) -> int: ...


APART, CEILING, START, STOP, PAYMENT = "apart", "ceiling", "start", "stop", "payment"


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table: the handler, and the states it may lead to."""

    handler: str
    to: frozenset[State]


class Session:
    """`handle` one event after another; it returns the orders, in order."""

    def __init__(self, offered: ev.CallOffered, decision: Draw | Reason, surroundings: Surroundings) -> None:
        self.leg: ChannelId = offered.leg
        self.trainee: TraineeId = offered.trainee
        self.origin: ChannelId = offered.origin
        self.decision = decision
        self.recording: RecordingId | None = None
        self.permit: Permit | None = None
        self.station: StationSeen | None = None
        self.minutes = 0.0
        """What the recording may come to at most, once it has ended: what it came to (P15)."""
        self._begin_ns = self._latest_ns = 0
        self._surroundings = surroundings
        self._draw = decision if isinstance(decision, Draw) else None
        self.state = State.WAITING if self._draw else State.REFUSED
        self.reason: Reason = decision if isinstance(decision, Reason) else Reason.NO_ANSWER
        self._now = rules.Circumstances()
        self._paused_ns = 0
        self._resumed_ns = offered.at_ns
        self._end_ns = 0
        self._erase = False
        self._captured = False
        self._heard = False
        self._closed = False
        self._over = False
        self._orders: list[co.Command] = []

    def handle(self, event: ev.SessionEvent) -> list[co.Command]:
        """The orders that follow from `event`. Raises: AssertionError when the table and the code disagree."""
        self._orders = []
        move = MOVES.get((self.state, type(event)))
        if move is None:
            if isinstance(event, STRAY):
                return []
            move = Move("_unexpected", frozenset({State.CLOSING}))
        before = self.state
        getattr(self, move.handler)(event)
        assert self.state is before or self.state in move.to, (before, type(event), self.state)
        return self._orders

    # -- circumstances ------------------------------------------------------------------------------------------

    def _party_joined(self, event: ev.PartyJoined) -> None:
        self._change(event.at_ns, party=event.party, notice=event.notice)

    def _party_left(self, event: ev.PartyLeft) -> None:
        if event.gone and self.permit is not None and self.state in (State.RECORDING, State.PAUSED):
            self._stop(event.at_ns, Reason.HUNG_UP)
        else:
            self._change(event.at_ns, party=None, notice="")

    def _third_party(self, event: ev.ThirdPartyJoined) -> None:
        self._change(event.at_ns, party=None, notice="")
        self.reason = Reason.THIRD_PARTY

    def _held(self, event: ev.CallHeld) -> None:
        self._change(event.at_ns, held=True)

    def _resumed(self, event: ev.CallResumed) -> None:
        self._resumed_ns = event.at_ns
        self._change(event.at_ns, held=False)

    def _agent_silent(self, event: ev.AgentSilent) -> None:
        """A phone on hold sends nothing either: only silence since the last hold counts."""
        if self._now.held or self.state is State.WAITING:
            return
        for_ns = min(event.for_ns, event.at_ns - self._resumed_ns)
        if for_ns >= rules.SILENT_END_NS:
            self._stop(event.at_ns, Reason.AGENT_UNREACHABLE)
        elif for_ns >= rules.SILENT_PAUSE_NS:
            self._change(event.at_ns, silent=True)

    def _agent_heard(self, event: ev.AgentHeard) -> None:
        self._change(event.at_ns, silent=False)

    def _payment_began(self, event: ev.PaymentBegan) -> None:
        """P7: the time-out counts from the first announcement; saying it again does not lengthen it."""
        if not self._now.paying:
            limit_ns = self._surroundings.payment_limit_ns
            self._orders.append(co.SetTimer(self.leg, PAYMENT, event.at_ns + limit_ns))
        self._change(event.at_ns, paying=self._now.paying | {event.by}, trailing=False)

    def _payment_ended(self, event: ev.PaymentEnded) -> None:
        left = self._now.paying - {event.by}
        over = bool(self._now.paying) and not left
        if over:
            self._orders.append(co.SetTimer(self.leg, PAYMENT, event.at_ns + rules.PAYMENT_TAIL_NS))
        self._change(event.at_ns, paying=left, trailing=self._now.trailing or over)

    def _waiting_timer(self, event: ev.TimerFired) -> None:
        """P7: a payment before the recording began is held to the same time."""
        if event.timer != PAYMENT:
            return
        if self._now.trailing:
            self._change(event.at_ns, trailing=False)
        elif self._now.paying:
            self._refuse(Reason.PAUSE_TIMEOUT)

    def _change(self, at_ns: int, **what: object) -> None:
        self._now = replace(self._now, **what)  # type: ignore[arg-type]
        self._reconsider(at_ns)

    def _reconsider(self, at_ns: int) -> None:
        """P8, P9: start, pause or resume, as the rule says of the present circumstances."""
        party = self.permit.notice.party if self.permit else None
        film = rules.may_film(self._now, party)
        if self.state is State.WAITING:
            if film:
                self._begin(at_ns)
            elif self._now.party is not None:
                self.reason = self._why_not_yet()
        elif self.state is State.RECORDING and not film:
            self._pause(at_ns)
        elif self.state is State.PAUSED:
            if film:
                self._resume(at_ns)
            else:
                self._await_party(at_ns)

    def _why_not_yet(self) -> Reason:
        if not self._now.notice:
            return Reason.NO_NOTICE
        return Reason.PAUSE_TIMEOUT if rules.is_secret(self._now) else Reason.NO_TALK

    def _begin(self, at_ns: int) -> None:
        """P8, P11, P14, P16: the only place where a recording begins."""
        assert self._draw is not None
        assert self._now.party is not None
        station = rules.choose_station(self._surroundings.stations_of(self.trainee))
        if isinstance(station, Reason):
            return self._refuse(station)
        current = self._surroundings.current_notice(self.trainee)
        heard = NoticeEvent(self._now.party, self._now.notice)
        permit = issue(self._draw, station.acknowledged, current, heard)
        if isinstance(permit, Reason):
            return self._refuse(permit)
        minutes = self._surroundings.minutes_for(self._draw)
        if isinstance(minutes, Reason):
            return self._refuse(minutes)
        self.minutes = min(minutes, rules.CEILING_NS / 60e9)
        self._begin_ns, self._latest_ns = at_ns, at_ns + rules.longest_ns(self.minutes)
        self.permit, self.station, self.recording = permit, station, self._surroundings.new_recording()
        self.state = State.RECORDING
        self._orders += [
            co.StartCapture(station.station, self.recording, permit),
            co.OpenRecording(self.recording, self.leg, permit, at_ns),
            co.StartAudio(self.leg, self.recording),
            co.WatchLeg(self.leg),
            co.SetTimer(self.leg, START, at_ns + rules.START_LIMIT_NS),
            co.SetTimer(self.leg, CEILING, self._latest_ns),
        ]
        return None

    def _refuse(self, reason: Reason) -> None:
        self.reason = reason
        self.state = State.REFUSED

    def _pause(self, at_ns: int) -> None:
        station, recording = self._live()
        self.state = State.PAUSED
        self._paused_ns = at_ns
        self._orders += [co.PauseCapture(station, recording), co.MarkPause(recording, at_ns, self._now.held)]
        self._await_party(at_ns)

    def _await_party(self, at_ns: int) -> None:
        assert self.permit is not None
        if self._now.party == self.permit.notice.party:
            self._orders.append(co.CancelTimer(self.leg, APART))
        else:
            self._orders.append(co.SetTimer(self.leg, APART, at_ns + rules.APART_LIMIT_NS))

    def _resume(self, at_ns: int) -> None:
        station, recording = self._live()
        self.state = State.RECORDING
        self._orders += [
            co.CancelTimer(self.leg, APART),
            co.MarkTalk(recording, at_ns),
            co.ResumeCapture(station, recording),
        ]

    def _live(self) -> tuple[StationId, RecordingId]:
        assert self.station is not None
        assert self.recording is not None
        return self.station.station, self.recording

    # -- tracks -------------------------------------------------------------------------------------------------

    def _capture_started(self, event: ev.CaptureStarted) -> None:
        self._captured = True
        self._both_tracks()

    def _audio_started(self, event: ev.AudioStarted) -> None:
        self._heard = True
        self._both_tracks()

    def _both_tracks(self) -> None:
        if self._captured and self._heard:
            self._orders.append(co.CancelTimer(self.leg, START))

    def _audio_lost(self, event: ev.AudioLost) -> None:
        self._stop(event.at_ns, Reason.AUDIO_MISSING, erase=not self._heard)

    def _capture_ended(self, event: ev.CaptureEnded) -> None:
        """The station stopped by itself, or the lease was lost: what precedes the last picture is kept (P10)."""
        reason = event.reason or Reason.CAPTURE_FAILED
        if event.last_picture_ns is None or reason is Reason.TOO_FEW_PICTURES:  # P2: continuous or nothing
            self._stop(event.at_ns, reason, erase=True, captured=False)
        else:
            end_ns = event.last_picture_ns + rules.PICTURE_EVERY_NS
            self._stop(min(event.at_ns, end_ns), reason, captured=False)

    def _recording_failed(self, event: ev.RecordingFailed) -> None:
        self._stop(event.at_ns, event.reason, erase=not event.kept)

    def _timer(self, event: ev.TimerFired) -> None:
        if event.timer == APART and self.state is State.PAUSED:
            third = self.reason is Reason.THIRD_PARTY
            self._stop(event.at_ns, Reason.THIRD_PARTY if third else Reason.PARTY_LEFT)
        elif event.timer == PAYMENT and self._now.trailing:
            self._change(event.at_ns, trailing=False)
        elif event.timer == PAYMENT and self._now.paying:
            self._stop(event.at_ns, Reason.PAUSE_TIMEOUT)
        elif event.timer == CEILING:
            self._stop(event.at_ns, Reason.CEILING)
        elif event.timer == START and not (self._captured and self._heard):
            late = Reason.AUDIO_MISSING if self._captured else Reason.CAPTURE_LATE
            self._stop(event.at_ns, late, erase=True)

    # -- endings ------------------------------------------------------------------------------------------------

    def _ended(self, event: ev.CallEnded | ev.LinkLost) -> None:
        self._over = True
        self._stop(event.at_ns, Reason.LINK_LOST if isinstance(event, ev.LinkLost) else Reason.HUNG_UP)

    def _transferred(self, event: ev.CallTransferred) -> None:
        self._stop(event.at_ns, Reason.TRANSFERRED)

    def _parked(self, event: ev.CallParked) -> None:
        self._stop(event.at_ns, Reason.PARKED)

    def _parked_too(self, event: ev.CallParked) -> None:
        """P24: to park by a transfer is told as both, in either order (Asterisk: two topics, one instant)."""
        if self.reason is Reason.TRANSFERRED:
            self.reason = Reason.PARKED

    def _forbidden(self, event: ev.CallForbidden) -> None:
        self._stop(event.at_ns, event.reason, erase=event.erase)

    def _shutdown(self, event: ev.ShutdownAsked) -> None:
        self._stop(event.at_ns, Reason.SHUTDOWN)

    def _unexpected(self, event: ev.SessionEvent) -> None:
        """P10: an order of events the table does not know ends the recording."""
        if self.state in (State.RECORDING, State.PAUSED):
            self._stop(event.at_ns, Reason.UNREADABLE)

    def _stop(self, at_ns: int, reason: Reason, *, erase: bool = False, captured: bool = True) -> None:
        """P8: fix the end of the file and stop all three tracks."""
        self.reason = reason
        self._erase = erase
        paused = self.state is State.PAUSED
        self._end_ns = min(at_ns, self._latest_ns, self._paused_ns if paused else at_ns)
        self.minutes = (self._end_ns - self._begin_ns) / 60e9
        station, recording = self._live()
        self.state = State.CLOSING
        if captured:
            self._orders.append(co.StopCapture(station, recording, reason))
        self._orders += [
            co.StopAudio(self.leg),
            co.UnwatchLeg(self.leg),
            *(co.CancelTimer(self.leg, timer) for timer in (START, CEILING, APART, PAYMENT)),
        ]
        if erase:
            self._orders.append(co.DiscardRecording(recording, reason))
            self._conclude(Outcome.DISCARDED if self._captured else Outcome.NOT_RECORDED, 0)
        elif captured:
            self._orders.append(co.SetTimer(self.leg, STOP, at_ns + rules.STOP_LIMIT_NS))
        else:
            self._close()

    # -- closing ------------------------------------------------------------------------------------------------

    def _last_pictures(self, event: ev.CaptureEnded) -> None:
        self._close()

    def _closing_timer(self, event: ev.TimerFired) -> None:
        if event.timer == STOP:
            self._close()

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        _, recording = self._live()
        self._orders += [
            co.CancelTimer(self.leg, STOP),
            co.CloseRecording(recording, self._end_ns, self.reason),
        ]

    def _closing_forbidden(self, event: ev.CallForbidden) -> None:
        """P16: an objection while the file is being closed destroys it."""
        if event.erase:
            self._destroy(event.reason)

    def _late_forbidden(self, event: ev.CallForbidden) -> None:
        """P16: the caller is still on the line, the recording had ended before (transfer, ceiling): it is destroyed."""
        if event.erase and self.recording is not None and not self._erase:
            self._destroy(event.reason)

    def _destroy(self, reason: Reason) -> None:
        _, recording = self._live()
        self._erase, self.reason = True, reason
        self._orders += [co.CancelTimer(self.leg, STOP), co.DiscardRecording(recording, reason)]
        self._conclude(Outcome.DISCARDED, 0)

    def _sealed(self, event: ev.RecordingSealed) -> None:
        self._conclude(Outcome.RECORDED, event.duration_ns)

    def _seal_failed(self, event: ev.RecordingFailed) -> None:
        self.reason = event.reason
        _, recording = self._live()
        self._orders.append(co.DiscardRecording(recording, event.reason))
        self._conclude(Outcome.DISCARDED, 0)

    # -- never recorded -----------------------------------------------------------------------------------------

    def _waiting_forbidden(self, event: ev.CallForbidden) -> None:
        self._refuse(event.reason)

    def _never_recorded(self, event: ev.CallEnded | ev.LinkLost) -> None:
        self._over = True
        if self.state is State.WAITING and isinstance(event, ev.LinkLost):
            self.reason = Reason.LINK_LOST
        elif isinstance(event, ev.CallEnded) and event.answered and self.reason is Reason.NO_ANSWER:
            self.reason = Reason.NO_TALK
        self._conclude(Outcome.NOT_RECORDED, 0)

    def _leg_gone(self, event: ev.CallEnded | ev.LinkLost) -> None:
        self._over = True

    def _nothing(self, event: ev.SessionEvent) -> None:
        """A fact that changes nothing here."""

    def _conclude(self, outcome: Outcome, duration_ns: int) -> None:
        """P24: the one answer for this call."""
        self.state = State.DONE
        kept = self.recording if outcome is not Outcome.NOT_RECORDED else None
        self._orders.append(co.WriteLedger(self.leg, self.trainee, kept, outcome, self.reason, duration_ns))

    @property
    def filming(self) -> bool:
        """The station films for this call, or its last pictures are awaited."""
        return self.state in (State.RECORDING, State.PAUSED) or (
            self.state is State.CLOSING and not self._closed
        )

    @property
    def ended(self) -> bool:
        """The end of its recording is fixed."""
        return self.state in (State.CLOSING, State.DONE)

    @property
    def over(self) -> bool:
        """The leg is gone and the ledger has its line: the session can be forgotten."""
        return self._over and self.state is State.DONE


STRAY = (
    ev.CaptureStarted,
    ev.CaptureEnded,
    ev.AudioStarted,
    ev.AudioLost,
    ev.RecordingSealed,
    ev.RecordingFailed,
    ev.TimerFired,
    ev.ShutdownAsked,
)
"""Late words of our own parts after the session went on: they change nothing."""


def _table() -> dict[tuple[State, type], Move]:
    s = Session
    waiting, refused, recording = (State.WAITING,), (State.REFUSED,), (State.RECORDING,)
    paused, closing, done = (State.PAUSED,), (State.CLOSING,), (State.DONE,)
    live = recording + paused
    settled = refused + closing + done
    starts = recording + refused
    circumstances = (
        # event, handler, and where it may lead from waiting, recording and paused
        (ev.PartyJoined, s._party_joined, starts, paused, recording),
        (ev.PartyLeft, s._party_left, (), paused + closing, closing),
        (ev.ThirdPartyJoined, s._third_party, (), paused, ()),
        (ev.CallHeld, s._held, (), paused, ()),
        (ev.CallResumed, s._resumed, starts, (), recording),
        (ev.PaymentBegan, s._payment_began, (), paused, ()),
        (ev.PaymentEnded, s._payment_ended, (), (), ()),
        (ev.AgentSilent, s._agent_silent, (), paused + closing, closing),
        (ev.AgentHeard, s._agent_heard, starts, (), recording),
    )
    rows: list[tuple[tuple[State, ...], type, Callable[..., None], tuple[State, ...]]] = [
        *((waiting, event, handler, to) for event, handler, to, _, _ in circumstances),
        *((recording, event, handler, to) for event, handler, _, to, _ in circumstances),
        *((paused, event, handler, to) for event, handler, _, _, to in circumstances),
        *((settled, event, s._nothing, ()) for event, *_ in circumstances),
        (waiting, ev.TimerFired, s._waiting_timer, starts),
        (waiting, ev.CallForbidden, s._waiting_forbidden, refused),
        (waiting, ev.CallEnded, s._never_recorded, done),
        (waiting, ev.LinkLost, s._never_recorded, done),
        (waiting + settled, ev.CallTransferred, s._nothing, ()),
        (waiting + refused + done, ev.CallParked, s._nothing, ()),
        (closing, ev.CallParked, s._parked_too, ()),
        (refused, ev.CallForbidden, s._nothing, ()),
        (refused, ev.CallEnded, s._never_recorded, done),
        (refused, ev.LinkLost, s._never_recorded, done),
        (live, ev.CaptureStarted, s._capture_started, ()),
        (live, ev.AudioStarted, s._audio_started, ()),
        (live, ev.AudioLost, s._audio_lost, closing + done),
        (live, ev.CaptureEnded, s._capture_ended, closing + done),
        (live, ev.RecordingFailed, s._recording_failed, closing + done),
        (recording, ev.TimerFired, s._timer, closing + done),
        (paused, ev.TimerFired, s._timer, recording + closing + done),
        (live, ev.CallEnded, s._ended, closing),
        (live, ev.CallTransferred, s._transferred, closing),
        (live, ev.CallParked, s._parked, closing),
        (live, ev.CallForbidden, s._forbidden, closing + done),
        (live, ev.LinkLost, s._ended, closing),
        (live, ev.ShutdownAsked, s._shutdown, closing),
        (closing, ev.CaptureEnded, s._last_pictures, ()),
        (closing, ev.TimerFired, s._closing_timer, ()),
        (closing, ev.CallForbidden, s._closing_forbidden, done),
        (closing, ev.RecordingSealed, s._sealed, done),
        (closing, ev.RecordingFailed, s._seal_failed, done),
        (closing + done, ev.CallEnded, s._leg_gone, ()),
        (closing + done, ev.LinkLost, s._leg_gone, ()),
        (done, ev.CallForbidden, s._late_forbidden, ()),
    ]
    return {
        (state, event): Move(handler.__name__, frozenset(to))
        for states, event, handler, to in rows
        for state in states
    }


MOVES = _table()
"""(state, event) -> handler and the states it may lead to (staying is always allowed)."""
