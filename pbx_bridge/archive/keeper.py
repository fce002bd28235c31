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
from pbx_bridge.archive import (
    audit_wire,
    office_wire,
    opening_wire,
    recording_wire,
    retention_wire,
    rights_wire,
)
from pbx_bridge.archive import keeper_wire as wire
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
            recording_wire.Introduce: recorder.introduce,
            recording_wire.Put: recorder.put,
            recording_wire.Finish: recorder.finish,
            recording_wire.Destroy: retention.destroy,
            retention_wire.Purge: retention.purge,
            retention_wire.Pulse: self._pulse,
            retention_wire.Ended: retention.ended,
            retention_wire.ConfirmClock: retention.confirm_clock,
            retention_wire.Reconcile: retention.reconcile,
            retention_wire.Ask: retention.standing,
            retention_wire.Held: retention.held,
            wire.Status: recorder.status,
            opening_wire.Backlog: recorder.backlog,
            opening_wire.Begin: people.begin,
            words.Prove: people.prove,
            office_wire.Invite: people.invite,
            office_wire.Everyone: people.everyone,
            office_wire.Book: people.book,
            office_wire.Training: people.training,
            office_wire.Desk: lambda request: approvals.desk(people.person(request.token)),
            office_wire.Approvals: approvals.approvals,
            office_wire.PlansApproved: approvals.plans,
            office_wire.EndPlan: approvals.end_plan,
            office_wire.Months: lambda request: approvals.months(people.person(request.token), request.text),
            office_wire.Weigh: lambda request: approvals.weigh(people.person(request.token), request.text),
            office_wire.SeeTurnedDown: approvals.turned_down,
            office_wire.SeeRetained: ReportSide(room, people).retained,
            office_wire.Revoke: people.revoke,
            audit_wire.Writable: audit.writable,
            audit_wire.Audit: audit.page,
            audit_wire.Checkpoint: audit.checkpoint,
            audit_wire.TokenChanged: audit.token_changed,
            audit_wire.AuditLooked: audit.look,
            audit_wire.Accesses: audit.accesses,
            audit_wire.AccessesOf: audit.accesses_of,
            opening_wire.List: release.listing,
            opening_wire.Open: release.open,
            opening_wire.Review: release.review,
            opening_wire.Viewed: release.viewed,
            wire_notes.ReadNotes: notes.read,
            wire_notes.WriteNote: notes.write,
            wire_notes.EraseNote: notes.erase,
            recording_wire.HandOver: release.hand_over,
            recording_wire.TraineesOwn: release.trainees_own,
            rights_wire.OpenRequest: rights.open,
            rights_wire.AllRequests: rights.all,
            rights_wire.ExtendRequest: rights.extend,
            rights_wire.CloseRequest: rights.close,
            rights_wire.SeeRequests: rights.seen,
            rights_wire.Who: rights.who,
            rights_wire.OpenOwn: rights.open_own,
            rights_wire.EraseOwn: rights.erase,
            rights_wire.OwnAccesses: lambda request: audit.accesses(
                audit_wire.Accesses(rights.trainee(request.token), request.before)
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

    def _pulse(self, request: retention_wire.Pulse) -> retention_wire.Beat:
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
        self._handlers[recording_wire.Destroy](recording_wire.Destroy(recording, reason.value))

    def begin_recovery(self, request: recording_wire.Recover) -> Recovery:
        """What rebuilding this recording needs. Raises: words.Refused when there is none to rebuild."""
        with refusals():
            return self._recorder.begin_recovery(request)

    def end_recovery(self, request: recording_wire.Recover, made: Remade, key: X25519Identity | None) -> bool:
        """Keeps the key of the file that was made. Raises: words.Refused."""
        with refusals():
            return self._recorder.end_recovery(request, made, key)
