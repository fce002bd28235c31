"""The keeper: holds every recording's key, and lets a person have one only by the rule, and only after the record.

Order of every release (P18, P19): who asks is proven by their own key; `release.may_open` decides from the recorder's
signed manifest; the audit record is on the disk; then, and only if granted, the 16-byte file key is wrapped for the key
that person joined with. No plaintext and no bare key ever leaves this process.

This is the keeper without its socket (keeper_server.py) and without its process (keeper_process.py). Each request is
one synchronous call, so two never interleave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pbx_bridge import wire_notes
from pbx_bridge import wire_portal as words
from pbx_bridge.access.roles import Person
from pbx_bridge.age import X25519Identity
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import rights_wire
from pbx_bridge.archive.keeper_approvals import ApprovalSide
from pbx_bridge.archive.keeper_audit import AuditSide
from pbx_bridge.archive.keeper_notes import NotesSide
from pbx_bridge.archive.keeper_people import PeopleSide
from pbx_bridge.archive.keeper_recorder import RecorderSide, Recovery
from pbx_bridge.archive.keeper_release import ReleaseSide
from pbx_bridge.archive.keeper_renewal import RenewalSide
from pbx_bridge.archive.keeper_report import ReportSide
from pbx_bridge.archive.keeper_retention import RetentionSide
from pbx_bridge.archive.keeper_rights import Order, RightsSide
from pbx_bridge.archive.keeper_room import Parts, Room, refusals
from pbx_bridge.archive.rebuilding import Remade
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import RecordingId

Handler = Callable[[Any], Any]


class Keeper:
    """One answer per request of keeper_wire. Raises: words.Refused from every one of them."""

    def __init__(self, parts: Parts) -> None:
        room = Room(parts)
        self._recorder = recorder = RecorderSide(room)
        self._retention = retention = RetentionSide(room)
        self._renewal = RenewalSide(room)
        approvals = ApprovalSide(room)
        people = PeopleSide(room, self._do)
        self._approvals = approvals
        self._release = release = ReleaseSide(room, people)
        notes = NotesSide(room, people)
        self._rights = rights = RightsSide(room, people, self._destroy, notes.shown)
        audit = AuditSide(room, people)
        self._handlers: dict[type[Any], Handler] = {
            wire.Introduce: recorder.introduce,
            wire.Put: recorder.put,
            wire.Finish: recorder.finish,
            wire.Destroy: retention.destroy,
            wire.Purge: retention.purge,
            wire.Pulse: self._pulse,
            wire.Ended: retention.ended,
            wire.ConfirmClock: retention.confirm_clock,
            wire.Reconcile: retention.reconcile,
            wire.Ask: retention.standing,
            wire.Held: retention.held,
            wire.Status: recorder.status,
            wire.Backlog: recorder.backlog,
            wire.Begin: people.begin,
            words.Prove: people.prove,
            wire.Invite: people.invite,
            wire.Everyone: people.everyone,
            wire.Book: people.book,
            wire.Training: people.training,
            wire.Desk: lambda request: approvals.desk(people.person(request.token)),
            wire.Approvals: approvals.approvals,
            wire.PlansApproved: approvals.plans,
            wire.EndPlan: approvals.end_plan,
            wire.Months: lambda request: approvals.months(people.person(request.token), request.text),
            wire.Weigh: lambda request: approvals.weigh(people.person(request.token), request.text),
            wire.SeeTurnedDown: approvals.turned_down,
            wire.SeeRetained: ReportSide(room, people).retained,
            wire.Revoke: people.revoke,
            wire.Writable: audit.writable,
            wire.Audit: audit.page,
            wire.Checkpoint: audit.checkpoint,
            wire.TokenChanged: audit.token_changed,
            wire.AuditLooked: audit.look,
            wire.Accesses: audit.accesses,
            wire.AccessesOf: audit.accesses_of,
            wire.List: release.listing,
            wire.Open: release.open,
            wire.Review: release.review,
            wire.Viewed: release.viewed,
            wire_notes.ReadNotes: notes.read,
            wire_notes.WriteNote: notes.write,
            wire_notes.EraseNote: notes.erase,
            wire.HandOver: release.hand_over,
            wire.TraineesOwn: release.trainees_own,
            rights_wire.OpenRequest: rights.open,
            rights_wire.AllRequests: rights.all,
            rights_wire.ExtendRequest: rights.extend,
            rights_wire.CloseRequest: rights.close,
            rights_wire.SeeRequests: rights.seen,
            rights_wire.Who: rights.who,
            rights_wire.OpenOwn: rights.open_own,
            rights_wire.EraseOwn: rights.erase,
            rights_wire.OwnAccesses: lambda request: audit.accesses(
                wire.Accesses(rights.trainee(request.token), request.before)
            ),
        }

    def handle(self, request: Any) -> Any:
        """The answer to one request whose sender may say it. Raises: words.Refused."""
        with refusals():
            return self._handlers[type(request)](request)

    def begin_export(self, request: rights_wire.ExportOwn | rights_wire.ExportRequested) -> Order:
        """What a copy is made of, decided and recorded. Raises: words.Refused."""
        with refusals():
            return self._rights.begin_export(request)

    def _pulse(self, request: wire.Pulse) -> wire.Beat:
        """Each second: how the clock stands, and a small step of what is due."""
        beat = self._retention.pulse(request)
        self._renewal.step()
        return beat

    def _do(self, person: Person, act: words.Act) -> None:
        """One proven deed, to the side it belongs to."""
        if act.do is words.Deed.GRANT:
            self._rights.grant(person, act)
        elif act.do is words.Deed.TAKE_BACK:
            self._rights.take_back(person, act)
        elif act.do is words.Deed.HAND_OVER:
            self._release.hand_over_proven(person, act)
        else:
            self._approvals.do(person, act)

    def _destroy(self, recording: RecordingId, reason: Reason) -> None:
        self._handlers[wire.Destroy](wire.Destroy(recording, reason.value))

    def begin_recovery(self, request: wire.Recover) -> Recovery:
        """What rebuilding this recording needs. Raises: words.Refused when there is none to rebuild."""
        with refusals():
            return self._recorder.begin_recovery(request)

    def end_recovery(self, request: wire.Recover, made: Remade, key: X25519Identity | None) -> bool:
        """Keeps the key of the file that was made. Raises: words.Refused."""
        with refusals():
            return self._recorder.end_recovery(request, made, key)
