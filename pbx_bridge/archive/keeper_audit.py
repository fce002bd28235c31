"""The keeper's side for reading the audit log: the auditor reads all of it, a trainee what concerns them (P19).

The reading is recorded too, before it is answered.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access, AuditUnwritable
from pbx_bridge.access.audit_read import AuditIndex
from pbx_bridge.access.checkpoint import verifier_key
from pbx_bridge.access.roles import Person, audit_refusal
from pbx_bridge.archive import audit_wire
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive.keeper_people import PeopleSide
from pbx_bridge.archive.keeper_room import ADMINISTRATOR, KEEPER, Room
from pbx_bridge.wire_access import MAX_ACCESSES, AccessLine
from pbx_bridge.wire_audit import MAX_SHOWN, AuditLook, Record
from pbx_bridge.wire_program import AuditCheckpoint


class AuditSide:
    def __init__(self, room: Room, people: PeopleSide) -> None:
        self._room, self._people = room, people
        self._log = room.parts.audit
        self._index = AuditIndex(self._log.folder)

    def writable(self, request: audit_wire.Writable) -> audit_wire.WritableNow:
        """P19: whether the next access can be recorded. After a failure only a record that was written says so."""
        fault = self._log.fault()
        if not fault and self._log.failed:
            try:
                self._room.record(Access(KEEPER, "unwritable", reason="until-now"))
            except AuditUnwritable as error:
                fault = str(error)
        return audit_wire.WritableNow(fault[:500])

    def page(self, request: audit_wire.Audit) -> words.AuditPage:
        """P19: the log as it lies there, for the auditor to verify and keep. Raises: words.Refused."""
        person = self._people.person(request.token)
        self._room.record(self._reading(person, request.purpose.value))
        lines = self._index.page(request.after, words.AUDIT_PAGE_BYTES)
        key = verifier_key(self._log.public)
        return words.AuditPage(b64encode(lines).decode(), self._log.checkpoint(), key)

    def checkpoint(self, request: audit_wire.Checkpoint) -> AuditCheckpoint:
        """The newest checkpoint: a number, a hash and a signature (P19)."""
        return AuditCheckpoint(self._log.checkpoint(), verifier_key(self._log.public))

    def token_changed(self, request: audit_wire.TokenChanged) -> wire.Done:
        """P19: a program's token is made or removed; before it is made this is on the disk."""
        act = "token-add" if request.made else "token-remove"
        self._room.record(Access(ADMINISTRATOR, act, reason=request.purpose, subject=request.name))
        return wire.Done()

    def look(self, request: audit_wire.AuditLooked) -> AuditLook:
        """P19: some of it, by time and kind; nobody can be searched for. Raises: words.Refused."""
        person = self._people.person(request.token)
        self._room.looked(self._reading(person, "look"))
        asked = request.wanted
        found = self._index.look(asked.since, asked.until, asked.act, asked.before, MAX_SHOWN)
        return AuditLook(
            tuple(map(_record, found.records)),
            found.next > 0,
            found.next,
            tuple(self._index.months()[-240:]),
            tuple(self._index.acts()),
            self._index.first(),
            self._log.checkpoint(),
        )

    def _reading(self, person: Person, purpose: str) -> Access:
        """P19: the auditor's alone, to be on the disk before it is answered. Raises: words.Refused."""
        why = audit_refusal(person)
        if why:
            self._room.record(Access(person.name, "audit", outcome="refused", reason="role"))
            raise words.Refused("role", why)
        return Access(person.name, "audit", reason=purpose)

    def accesses(self, request: audit_wire.Accesses) -> audit_wire.AccessesFound:
        """P19: a trainee, whom the bridge has proven, sees who opened or tried to open what is theirs."""
        self._room.looked(Access(request.trainee, "accesses"))
        return self._found(request.trainee, request.before)

    def accesses_of(self, request: audit_wire.AccessesOf) -> audit_wire.AccessesFound:
        """P23: the same, for the answer to a trainee's request."""
        self._room.record(Access(ADMINISTRATOR, "accesses", person=request.trainee))
        return self._found(request.trainee, request.before)

    def _found(self, trainee: str, before: int) -> audit_wire.AccessesFound:
        known = self._room.parts.store.of_person(trainee)
        own = [manifest for _, manifest in known if manifest.trainee == trainee]
        recordings = {str(manifest.recording) for manifest in own}
        persons = {trainee, *(assignment.trainer for manifest in own for assignment in manifest.trainers)}
        found, more = self._index.concerning(recordings, persons, before, MAX_ACCESSES)
        return audit_wire.AccessesFound(tuple(map(_line, found)), more)


def _record(record: dict[str, Any]) -> Record:
    return Record(
        number=record["n"],
        at=record["at"],
        who=record["who"][:64],
        act=record["act"][:32],
        outcome=record["outcome"][:32],
        reason=record["reason"][:80],
        recording=record["recording"],
        session=record["session"][:200],
        person=record["person"][:64],
        subject=record["subject"][:500],
    )


def _line(record: dict[str, Any]) -> AccessLine:
    return AccessLine(
        number=record["n"],
        at=record["at"],
        who=record["who"],
        act=record["act"][:32],
        outcome=record["outcome"],
        reason=record["reason"][:64],
        recording=record["recording"],
        session=record["session"][:200],
        person=record["person"][:64],
    )
