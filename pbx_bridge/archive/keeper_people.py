"""The keeper's side for people: invitations, joining, proving who one is, confirmation and revocation.

Who a person is rests on a key they proved to hold; names come from the invitation, never from a request.
"""

from __future__ import annotations

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access
from pbx_bridge.access.people import Person
from pbx_bridge.access.proof import seal
from pbx_bridge.access.visits import Visits
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive.keeper_room import ADMINISTRATOR, NOBODY, Room
from pbx_bridge.archive.release import Asker


class PeopleSide:
    def __init__(self, room: Room) -> None:
        self._room, self._people = room, room.parts.people
        self._visits = Visits()

    def begin(self, request: wire.Begin) -> words.Begun:
        """A challenge for whoever has joined with this key, or brings a live code."""
        now = self._room.parts.clock()
        invitation = None
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
            request.recipient, request.client_nonce, request.certificate, invitation, now
        )
        return words.Begun(name, seal(challenge).hex())

    def prove(self, request: words.Prove) -> words.Proven:
        """The right answer opens a visit; one that came with a code joins first and uses the code up."""
        now = self._room.parts.clock()
        pending = self._visits.answered(request.challenge, request.answer, now)
        if pending is None:
            self._room.record(Access(NOBODY, "prove", outcome="refused", reason="wrong-answer"))
            raise words.Refused("proof", "the proof is wrong or too late: try again")
        transcript = pending.challenge.transcript
        if pending.invitation is not None:
            confirmed = not self._room.parts.confirmation_needed
            self._room.record(Access(pending.invitation.name, "join", reason=pending.invitation.role.value))
            person = self._people.join(pending.invitation, transcript.recipient, now, confirmed=confirmed)
        else:
            person = self._person(transcript.recipient)
        token, visit = self._visits.open(transcript.recipient, now)
        recorders = tuple(sorted(self._room.parts.recorders.keys))
        return words.Proven(token, visit.expires_at, person.name, person.role, transcript.purpose, recorders)

    def invite(self, request: wire.Invite) -> wire.Invited:
        """A one-time code; earlier ones for the same name end."""
        now = self._room.parts.clock()
        self._room.record(Access(ADMINISTRATOR, "invite", reason=request.role.value, person=request.name))
        code = self._people.invite(request.name, request.role, now)
        found = self._people.invited(code, now)
        assert found is not None
        return wire.Invited(code, found.expires_at)

    def confirm(self, request: wire.Confirm) -> wire.Done:
        """P22: this very key, not whichever the person has now."""
        known = self._people.named(request.name)
        if known is None or known.recipient != request.recipient:
            raise words.Refused("person", f"{request.name} has not joined with this key")
        self._room.record(Access(ADMINISTRATOR, "confirm", person=request.name))
        self._people.change(request.name, confirmed=True)
        return wire.Done()

    def revoke(self, request: wire.Revoke) -> wire.Done:
        """From here the person's key opens nothing, in a visit already open too."""
        self._room.record(Access(ADMINISTRATOR, "revoke", person=request.name))
        self._people.change(request.name, revoked=True)
        return wire.Done()

    def visitor(self, token: bytes) -> tuple[Asker, str]:
        """Who visits with this token, and the key they proved to hold. Raises: words.Refused."""
        visit = self._visits.visit(token, self._room.parts.clock())
        if visit is None:
            raise words.Refused("visit-ended", "this visit has ended: prove who you are again")
        person = self._person(visit.recipient)
        return Asker(person.name, person.role, person.confirmed), visit.recipient

    def _person(self, recipient: str) -> Person:
        person = self._people.holding(recipient)
        if person is None:
            raise words.Refused("not-joined", "this key is no longer known here: ask for an invitation")
        return person
