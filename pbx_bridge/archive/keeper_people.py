"""The keeper's side for people: invitations, joining, proving who one is, revocation.

Who a person is rests on a key they proved to hold; names come from the invitation, never from a request.
"""

from __future__ import annotations

from collections.abc import Callable

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access
from pbx_bridge.access.people import Invitation
from pbx_bridge.access.proof import seal
from pbx_bridge.access.roles import OPENS, Person
from pbx_bridge.access.visits import Visits
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import office_wire, opening_wire
from pbx_bridge.archive.keeper_room import ADMINISTRATOR, NOBODY, Room
from pbx_bridge.archive.release import Asker
from pbx_bridge.wire_portal import Role


class PeopleSide:
    def __init__(self, room: Room, do: Callable[[Person, words.Act], None]) -> None:
        """`do`: performs a proven deed of a person, or refuses it."""
        self._room, self._people, self._do = room, room.parts.people, do
        self._visits = Visits()

    def begin(self, request: opening_wire.Begin) -> words.Begun:
        """A challenge for whoever has joined with this key, or brings a live code."""
        now = self._room.parts.clock()
        invitation = None
        if request.code is not None and request.act is not None:
            raise words.Refused("malformed", "join first, then act")
        if request.code is not None:
            invitation = self._people.invited(request.code, now)
            if invitation is None:
                self._room.record(Access(NOBODY, "join", outcome="refused", reason="code"))
                raise words.Refused(
                    "code", "this code is wrong, was used, or is older than 15 minutes: ask for a new one"
                )
        elif self._people.holding(request.recipient) is None:
            self._room.record(Access(NOBODY, "prove", outcome="refused", reason="unknown-key"))
            raise words.Refused(
                "not-joined", "this key is not known here, or no longer: ask for an invitation and join"
            )
        name, challenge = self._visits.begin(
            request.recipient, request.client_nonce, request.certificate, invitation, now, request.act
        )
        return words.Begun(name, seal(challenge).hex())

    def prove(self, request: words.Prove) -> words.Proven:
        """The right answer opens a visit; one that came with a code joins first and uses the code up; one that names a
        deed does it first."""
        now = self._room.parts.clock()
        pending = self._visits.answered(request.challenge, request.answer, now)
        if pending is None:
            self._room.record(Access(NOBODY, "prove", outcome="refused", reason="wrong-answer"))
            raise words.Refused("proof", "the proof is wrong or too late: try again")
        transcript = pending.challenge.transcript
        if pending.invitation is not None:
            person = self._join(pending.invitation, transcript.recipient, now)
        else:
            person = self._person(transcript.recipient)
        if pending.act is not None:
            self._do(person, pending.act)
        token, visit = self._visits.open(transcript.recipient, now)
        recorders = tuple(sorted(self._room.parts.recorders.keys))
        return words.Proven(
            token,
            visit.expires_at,
            person.name,
            person.roles,
            person.confirmed,
            transcript.purpose,
            recorders,
        )

    def _join(self, invitation: Invitation, recipient: str, now: int) -> Person:
        """P22: the key waits for an approver; the first approver's works by itself, and the log says so."""
        subject = words.fingerprint(recipient)
        self._room.record(
            Access(invitation.name, "join", reason=words.said(invitation.roles), subject=subject)
        )
        parts = self._room.parts
        fresh = not (any(parts.approved) or len(parts.store) or parts.book.recorded)
        person = self._people.join(invitation, recipient, now, fresh=fresh)
        if person.confirmed:
            self._room.record(
                Access(person.name, "confirm", reason="first-approver", person=person.name, subject=subject)
            )
        return person

    def invite(self, request: office_wire.Invite) -> office_wire.Invited:
        """A one-time code; earlier ones for the same name end."""
        now = self._room.parts.clock()
        self._room.record(
            Access(ADMINISTRATOR, "invite", reason=words.said(request.roles), person=request.name)
        )
        code = self._people.invite(request.name, request.roles, now)
        found = self._people.invited(code, now)
        assert found is not None
        return office_wire.Invited(code, found.expires_at)

    def revoke(self, request: office_wire.Revoke) -> wire.Done:
        """From here the person's key opens nothing, in a visit already open too."""
        self._room.record(Access(ADMINISTRATOR, "revoke", person=request.name))
        self._people.revoke(request.name)
        return wire.Done()

    def visitor(self, token: bytes) -> tuple[Asker, str]:
        """Who visits with this token, and the key they proved to hold. Raises: words.Refused."""
        visit = self._visits.visit(token, self._room.parts.clock())
        if visit is None:
            raise _ended()
        return _asker(self._person(visit.recipient)), visit.recipient

    def viewer(self, token: bytes) -> Asker:
        """P19: who visited when bytes went to them, though the visit has ended since; also by a key that was revoked
        meanwhile, which is not confirmed then. Raises: words.Refused."""
        visit = self._visits.former(token)
        if visit is None:
            raise _ended()
        if (person := self._people.holding(visit.recipient)) is not None:
            return _asker(person)
        for one in self._people.everyone():
            if one.recipient == visit.recipient:
                return Asker(one.name, one.roles[0], confirmed=False)
        raise _unknown()

    def person(self, token: bytes) -> Person:
        """The same, with all their roles."""
        return self._person(self.visitor(token)[1])

    def book(self, request: office_wire.Book) -> office_wire.Booker:
        """P11, P22: the trainer who visits, for the bridge to book a slot of their own plan. Raises: words.Refused."""
        trainer = self._trainer(request.token, "cancel-slot" if request.cancel else "book-slot", request.plan)
        self._room.record(trainer)
        return office_wire.Booker(trainer.who)

    def training(self, request: office_wire.Training) -> office_wire.Week:
        """P15, P22: the trainer who visits, for the bridge to show their own week. Raises: words.Refused."""
        trainer = self._trainer(request.token, "training")
        self._room.looked(trainer)
        return office_wire.Week(trainer.who, self._room.parts.store.backlog.of_trainer(trainer.who))

    def _trainer(self, token: bytes, act: str, plan: str = "") -> Access:
        """What is to be recorded of the trainer who visits. Raises: words.Refused."""
        person = self.person(token)
        if Role.TRAINER not in person.roles or not person.confirmed:
            self._room.record(Access(person.name, act, outcome="refused", reason="role", subject=plan))
            raise words.Refused("role", "only a trainer whose key is confirmed does this (P22)")
        return Access(person.name, act, subject=plan)

    def everyone(self, request: office_wire.Everyone) -> office_wire.People:
        """Who joined, and whose key waits."""
        return office_wire.People(
            tuple(
                office_wire.KnownPerson(known.name, known.roles, known.joined_at, _state(known))
                for known in self._people.everyone()
            )
        )

    def _person(self, recipient: str) -> Person:
        person = self._people.holding(recipient)
        if person is None:
            raise _unknown()
        return person


def _asker(person: Person) -> Asker:
    media = [role for role in person.roles if role in OPENS]
    return Asker(person.name, (media or list(person.roles))[0], person.confirmed)


def _ended() -> words.Refused:
    return words.Refused("visit-ended", "this visit has ended: prove who you are again")


def _unknown() -> words.Refused:
    return words.Refused("not-joined", "this key is no longer known here: ask for an invitation")


def _state(person: Person) -> str:
    if person.revoked:
        return "revoked"
    return "confirmed" if person.confirmed else "waiting"
