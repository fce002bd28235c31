"""The keeper's side for the rights of persons concerned (P23): requests with their deadlines, copies, erasure, restriction.

A copy is decided here, recorded, and then made by exporting.py; it is one voice, sealed to the requester's own key. A
customer's needs two persons: the administrator opens the request, an approver compares the key and grants it by a proof of
their own. What an open request keeps is written beside the recording's key, so that release and purge see it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access
from pbx_bridge.access.roles import Person
from pbx_bridge.age import X25519Identity, X25519Recipient
from pbx_bridge.archive import rights_wire as wire
from pbx_bridge.archive.keeper_people import PeopleSide
from pbx_bridge.archive.keeper_room import ADMINISTRATOR, Room
from pbx_bridge.archive.keeper_wire import Done
from pbx_bridge.archive.release import Refusal, Refused
from pbx_bridge.archive.sentences import sentence
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.media.chapters import Chapter
from pbx_bridge.media.voice import Side
from pbx_bridge.rights.decide import may_erase, may_export_own, may_export_requested
from pbx_bridge.rights.rules import (
    check_restriction,
    due_at,
    erased_from,
    erases,
    restricted_until,
    suspended_until,
)
from pbx_bridge.wire_notes import NoteShown
from pbx_bridge.wire_portal import Act, Role
from pbx_bridge.wire_rights import (
    MAX_RECORDINGS,
    Closing,
    Party,
    Right,
    RightsRequest,
    RightsRequests,
    Visitor,
    grant_text,
    take_back_text,
)

OWN_RIGHTS: Final = (Right.ACCESS, Right.OBJECTION)
"""What a trainee asks for by themselves, beside erasing one recording: `EraseOwn`."""
Destroy = Callable[[RecordingId, Reason], None]
"""Destroys a recording's key, now."""
Noted = Callable[[RecordingId, X25519Identity], Sequence[NoteShown]]
"""All notes of a recording, opened with its identity."""


@dataclass(frozen=True, slots=True)
class Order:
    """A copy that was decided and recorded: whose voice of which recording goes to which key."""

    recording: RecordingId
    identity: X25519Identity
    """The recording's own; it stays in this process."""
    recipient: X25519Recipient
    keep: Side
    pictures: bool
    notes: tuple[Chapter, ...]
    """What trainers noted, for its trainee's copy alone."""


class RightsSide:
    def __init__(self, room: Room, people: PeopleSide, destroy: Destroy, noted: Noted) -> None:
        self._room, self._people, self._destroy, self._noted = room, people, destroy, noted
        self._book = room.parts.requests
        self._refresh({recording for request in self._book for recording in request.recordings})

    # -- requests -----------------------------------------------------------------------------------------------

    def open(self, asked: wire.OpenRequest) -> RightsRequest:
        """A request that came today, as an administrator notes it. Raises: words.Refused."""
        return self._opened(asked, ADMINISTRATOR)

    def open_own(self, asked: wire.OpenOwn) -> RightsRequest:
        """P23: the trainee who visits asks for a copy, or objects; one of each at a time. Raises: words.Refused."""
        name = self.trainee(asked.token)
        if asked.right not in OWN_RIGHTS:
            raise words.Refused(
                "malformed", "here one asks for a copy, or objects; a recording is erased by itself"
            )
        if any(one.right is asked.right and one.closed_at is None for one in self._of_trainee(name)):
            raise words.Refused(
                "asked-already", "a request of this kind is open: its deadline stands beside it"
            )
        return self._opened(wire.OpenRequest(asked.right, Party.TRAINEE, name), name)

    def _opened(self, asked: wire.OpenRequest, by: str) -> RightsRequest:
        """A request that came today. Erasure, and a customer's objection, are done at once; where a request of before keeps
        the recording (P20), it opens for nobody from now on and goes when that one ends. Raises: words.Refused."""
        now = self._room.parts.clock()
        request = RightsRequest(
            id=base64.b32encode(secrets.token_bytes(5)).decode().lower(),
            right=asked.right,
            party=asked.party,
            trainee=asked.trainee,
            recordings=self._about(asked),
            recipient=asked.recipient or self._key_of(asked.trainee),
            opened_at=now,
            due_at=due_at(now, extended=False),
            until=asked.until,
        )
        self._check(request, now)
        act = Access(by, "request", reason=request.right.value, person=request.trainee)
        self._room.record(replace(act, subject=request.id))
        self._book.keep(request, now)
        self._refresh(set(request.recordings))
        if erases(request):
            for recording in request.recordings:
                kept = "kept-for-request" if self._is_kept(recording) else ""
                self._room.record(Access(ADMINISTRATOR, "erase", recording, reason=kept, subject=request.id))
        self._erase_freed(request.recordings)
        return request

    def all(self, asked: wire.AllRequests) -> RightsRequests:
        """Every request of the last year, for the administrator."""
        return RightsRequests(tuple(self._book))

    def extend(self, asked: wire.ExtendRequest) -> RightsRequest:
        """P23 (art. 12(3)): two further months, once, while it is open and not overdue."""
        request, now = self._open_one(asked.id), self._room.parts.clock()
        if request.extended or now >= request.due_at:
            raise words.Refused("too-late", "a request is extended once, before it is due (art. 12(3))")
        self._room.record(Access(ADMINISTRATOR, "extend", person=request.trainee, subject=request.id))
        due = due_at(request.opened_at, extended=True)
        changed = self._book.change(request, now, extended=True, due_at=due)
        self._refresh(set(request.recordings))
        return changed

    def close(self, asked: wire.CloseRequest) -> RightsRequest:
        """The request ended; what it kept is kept no longer."""
        return self._closed(self._open_one(asked.id), asked.closing, ADMINISTRATOR)

    def take_back(self, person: Person, act: Act) -> None:
        """P23: a trainee takes their own request back, by their own key: an objection that ends lets calls be recorded
        again. `act.text` is the request as they read it. Raises: words.Refused."""
        request = self._book.find(act.about)
        theirs = Role.TRAINEE in person.roles and person.confirmed and request is not None
        if not theirs or request not in self._of_trainee(person.name) or take_back_text(request) != act.text:
            self._refuse(person, act.about, "no open request of yours reads like this", "close")
        if request.closed_at is not None:
            self._refuse(person, act.about, "this request is closed already", "close")
        self._closed(request, Closing.WITHDRAWN, person.name)

    def _closed(self, request: RightsRequest, closing: Closing, by: str) -> RightsRequest:
        now = self._room.parts.clock()
        act = Access(by, "close", reason=closing.value, person=request.trainee)
        self._room.record(replace(act, subject=request.id))
        changed = self._book.change(request, now, closed_at=now, closing=closing)
        self._refresh(set(request.recordings))
        self._erase_freed(request.recordings)
        return changed

    def seen(self, asked: wire.SeeRequests) -> RightsRequests:
        """P19, P22: an approver sees every open request, a trainee their own of the last year, nobody else any; the looking
        is recorded. A key that waits for its confirmation sees nothing."""
        person = self._people.person(asked.token)
        if not person.confirmed:
            no = Refused(Refusal.KEY_UNCONFIRMED)
            self._room.record(Access(person.name, "requests", outcome="refused", reason=no.refusal.value))
            raise words.Refused(no.refusal.value, sentence(no))
        self._room.looked(Access(person.name, "requests"))
        if person.approves:
            return RightsRequests(tuple(one for one in self._book if one.closed_at is None))
        return RightsRequests(self._of_trainee(person.name))

    def who(self, asked: wire.Who) -> Visitor:
        """Which trainee visits. The bridge tells them what it knows of them (art. 15)."""
        name = self.trainee(asked.token)
        self._room.looked(Access(name, "own"))
        _, recipient = self._people.visitor(asked.token)
        return Visitor(name, self._of_trainee(name), recipient)

    def trainee(self, token: bytes) -> str:
        """The trainee who visits. Raises: words.Refused when somebody else does."""
        person = self._people.person(token)
        if Role.TRAINEE not in person.roles or not person.confirmed:
            self._room.record(Access(person.name, "own", outcome="refused", reason="role"))
            raise words.Refused("role", "only a trainee whose key is confirmed has data to export here")
        return person.name

    def grant(self, person: Person, act: Act) -> None:
        """P22, P23: the second person compared the requester's key. `act.text` is the request as they read it."""
        request = self._book.find(act.about)
        if not person.approves:
            self._refuse(person, act.about, "only an approver whose key is confirmed grants a request (P22)")
        if request is None or request.closed_at is not None or grant_text(request) != act.text:
            self._refuse(person, act.about, "no open request reads like this: look again")
        self._room.record(
            Access(
                person.name, "grant", outcome="granted", subject=f"{request.id} {_shown(request.recipient)}"
            )
        )
        self._book.change(request, self._room.parts.clock(), granted_by=person.name)

    # -- copies and erasure -------------------------------------------------------------------------------------

    def begin_export(self, asked: wire.ExportOwn | wire.ExportRequested) -> Order:
        """P19, P23: decides and records; the copy is made after. Raises: words.Refused."""
        if isinstance(asked, wire.ExportOwn):
            return self._export_own(asked)
        request, now = self._book.find(asked.id), self._room.parts.time.now()
        if request is not None and self._is_strange(request):
            request = replace(request, recipient="")
        answer = may_export_requested(request, asked.recording, self._room.holding(asked.recording), now)
        self._room.answered(ADMINISTRATOR, "export", asked.recording, answer, subject=asked.id)
        assert request is not None
        customers = request.party is Party.CUSTOMER
        keep = Side.CUSTOMER if customers else Side.AGENT
        return self._order(
            asked.recording,
            request.recipient,
            keep,
            pictures=not customers,
            who=request.trainee or f"request-{request.id}",
        )

    def erase(self, asked: wire.EraseOwn) -> Done:
        """P18, P23: the trainee has their own recording destroyed. One that a request keeps (P20) opens for nobody from now
        on and goes when that request ends; the refusal says so."""
        asker, _ = self._people.visitor(asked.token)
        now = self._room.parts.time.known.high
        answer = may_erase(asker, self._room.holding(asked.recording), now)
        try:
            self._room.answered(asker.name, "erase", asked.recording, answer)
        except words.Refused as refused:
            if refused.word == Refusal.KEPT_FOR_REQUEST.value:
                self._wanted_gone(asked.recording, now)
            raise
        self._destroy(asked.recording, Reason.ERASED)
        return Done()

    def _export_own(self, asked: wire.ExportOwn) -> Order:
        asker, recipient = self._people.visitor(asked.token)
        now, keeping = self._room.parts.time.now(), self._room.parts.keeping
        mine = [one for one in self._book if one.party is Party.TRAINEE and one.trainee == asker.name]
        kept = suspended_until((one for one in mine if one.right is Right.ACCESS), asked.recording) or 0
        answer = may_export_own(asker, self._room.holding(asked.recording), now, keeping, kept)
        self._room.answered(asker.name, "export", asked.recording, answer)
        return self._order(asked.recording, recipient, Side.AGENT, pictures=True, who=asker.name)

    def _order(
        self, recording: RecordingId, recipient: str, keep: Side, *, pictures: bool, who: str
    ) -> Order:
        """Notes first who holds a copy from now on (P20)."""
        self._room.parts.book.note_released(recording, who, self._room.parts.clock())
        identity = self._room.opened_key(self._room.parts.store.key(recording))
        notes = tuple(map(_mark, self._noted(recording, identity))) if keep is Side.AGENT else ()
        return Order(recording, identity, X25519Recipient.parse(recipient), keep, pictures, notes)

    # -- inside -------------------------------------------------------------------------------------------------

    def _about(self, asked: wire.OpenRequest) -> tuple[RecordingId, ...]:
        """Which recordings a request is about, those destroyed left out. Raises: words.Refused."""
        store = self._room.parts.store
        if asked.party is Party.TRAINEE:
            mine = [m.recording for e, m in store if m.trainee == asked.trainee and e.destroyed is None]
            return tuple(sorted(mine)[:MAX_RECORDINGS])
        found = [self._room.entry(recording) for recording in dict.fromkeys(asked.recordings)]
        return tuple(manifest.recording for entry, manifest in found if entry.destroyed is None)

    def _key_of(self, trainee: str) -> str:
        """The key a trainee joined with, if it works; "" for nobody."""
        for person in self._room.parts.people.everyone():
            theirs = person.name == trainee and Role.TRAINEE in person.roles
            if theirs and person.confirmed and not person.revoked:
                return person.recipient
        return ""

    def _is_strange(self, request: RightsRequest) -> bool:
        """P18, P22: a trainee's copy goes to the key they joined with and that works now, to none an administrator names."""
        return request.party is Party.TRAINEE and request.recipient != self._key_of(request.trainee)

    def _check(self, request: RightsRequest, now: int) -> None:
        """Raises: words.Refused."""
        if (request.party is Party.TRAINEE) != bool(request.trainee):
            raise words.Refused("malformed", "a trainee's request names the trainee, a customer's nobody")
        if self._is_strange(request):
            raise words.Refused("malformed", "a trainee's copy goes to the key they joined with (P18, P22)")
        if not self._book.has_room():
            raise words.Refused("too-many", "close requests that are answered first: pbx-bridge request list")
        if request.recipient:
            X25519Recipient.parse(request.recipient)
        if request.right is Right.RESTRICTION:
            try:
                check_restriction(request.until or 0, now)
            except OperatorError as error:
                raise words.Refused("malformed", str(error)) from None
        elif request.until is not None:
            raise words.Refused("malformed", "only a restriction has an end")

    def _open_one(self, name: str) -> RightsRequest:
        request = self._book.find(name)
        if request is None or request.closed_at is not None:
            raise words.Refused("unknown", "there is no open request with this name")
        return request

    def _of_trainee(self, name: str) -> tuple[RightsRequest, ...]:
        return tuple(one for one in self._book if one.party is Party.TRAINEE and one.trainee == name)

    def _refresh(self, recordings: set[RecordingId]) -> None:
        """Writes beside each key what the open requests keep."""
        store = self._room.parts.store
        for recording in recordings:
            if (found := store.find(recording)) is not None and found[0].destroyed is None:
                wanted = (found[0].erased_from, erased_from(self._book, recording))
                gone_from = min((at for at in wanted if at is not None), default=None)
                entry = replace(
                    found[0],
                    suspended_until=suspended_until(self._book, recording, gone_from),
                    restricted_until=restricted_until(self._book, recording),
                    erased_from=gone_from,
                )
                if entry != found[0]:
                    store.replace(recording, entry)

    def _is_kept(self, recording: RecordingId) -> bool:
        """P20: whether a request suspends its destruction now."""
        found = self._room.parts.store.find(recording)
        return found is not None and (found[0].suspended_until or 0) > self._room.parts.time.known.high

    def _wanted_gone(self, recording: RecordingId, at: int) -> None:
        entry, _ = self._room.entry(recording)
        if entry.erased_from is None:
            self._room.parts.store.replace(recording, replace(entry, erased_from=at))

    def _erase_freed(self, recordings: tuple[RecordingId, ...]) -> None:
        """P16, P23: what somebody wants gone goes once nothing suspends it: here, or by the purge when a request is due."""
        for recording in recordings:
            found = self._room.parts.store.find(recording)
            if found is None or found[0].destroyed is not None or found[0].erased_from is None:
                continue
            if not self._is_kept(recording):
                self._destroy(recording, Reason.ERASED)

    def _refuse(self, person: Person, name: str, why: str, act: str = "grant") -> NoReturn:
        self._room.record(Access(person.name, act, outcome="refused", reason="role", subject=name[:8]))
        raise words.Refused("role", why)


def _mark(note: NoteShown) -> Chapter:
    return Chapter(note.at_ms, note.at_ms, f"{note.author}: {note.text}")


def _shown(recipient: str) -> str:
    return words.fingerprint(recipient) if recipient else ""
