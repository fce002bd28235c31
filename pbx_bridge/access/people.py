"""Who may ask for recordings, by which key: invitations, joined people, confirmation, revocation.

The keeper's own small file: no other process can name a person or change a key. Of an invitation only the hash of its
code is kept. A person's new key waits beside the one in force until it is confirmed, so that an invitation alone takes
nobody's place. It knows short names and public keys; it never decides about a recording.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

from pbx_bridge.access.books import read_book, write_book
from pbx_bridge.access.roles import Person, is_first_approver, roles_refusal
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import Many
from pbx_bridge.wire_portal import DIGEST, NAME, UNIX, Role, said
from pbx_bridge.wire_proof import CODE_LIFETIME_S, hash_secret

SECRET_BYTES: Final = 16
"""128 bits, the secret of wire_proof's InviteCode: not to be guessed in 15 minutes at any rate."""


class PeopleError(Exception):
    """The request about a person cannot be met; the sentence is for the one who asked."""


@dataclass(frozen=True, slots=True)
class Invitation:
    code_hash: Annotated[str, DIGEST]
    name: Annotated[str, NAME]
    roles: Annotated[tuple[Role, ...], Many(len(Role))]
    expires_at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class _Book:
    people: Annotated[tuple[Person, ...], Many(10_000)] = ()
    invitations: Annotated[tuple[Invitation, ...], Many(1_000)] = ()


class People:
    """The file `people.json`, 0600 in the keeper's folder."""

    def __init__(self, path: Path, key: bytes = b"") -> None:
        """`key` closes the file (books.py). Raises: OperatorError when it is not as the keeper left it."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._key = path, key
        self._book = read_book(path, _Book, key) or _Book()
        held = [(one.name, one.roles) for one in self._book.people]
        for name, roles in held + [(one.name, one.roles) for one in self._book.invitations]:
            if why := roles_refusal(roles):
                raise OperatorError(f"{name}: {why}", where=str(path), do="Restore it from the backup")

    def invite(self, name: str, roles: tuple[Role, ...], now: int) -> bytes:
        """A fresh one-time code for `name`; earlier ones for the same name end. Raises: PeopleError (P22)."""
        wanted = tuple(sorted(set(roles), key=lambda role: role.value))
        if why := roles_refusal(wanted):
            raise PeopleError(f"{name}: {why}")
        known = self.named(name)
        if known is not None and known.roles != wanted:
            raise PeopleError(
                f"{name} is {said(known.roles)} here and can have no other role (P22): revoke that first"
            )
        code = secrets.token_bytes(SECRET_BYTES)
        others = tuple(i for i in self._book.invitations if i.name != name and i.expires_at > now)
        invitation = Invitation(hash_secret(code), name, wanted, now + CODE_LIFETIME_S)
        self._keep(replace(self._book, invitations=(*others, invitation)))
        return code

    def invited(self, code: bytes, now: int) -> Invitation | None:
        """The live invitation of this code."""
        wanted = hash_secret(code)
        found = None
        for invitation in self._book.invitations:
            if hmac.compare_digest(invitation.code_hash, wanted) and now < invitation.expires_at:
                found = invitation
        return found

    def join(self, invitation: Invitation, recipient: str, now: int, *, fresh: bool = True) -> Person:
        """Uses the invitation up and keeps the person's key, which works once confirmed (P22), as the first approver's does.

        `fresh`: whether nothing was ever approved or recorded here; else there was an approver before, whatever stands here.
        Raises: PeopleError when the invitation is no longer there or another person has this key.
        """
        if invitation not in self._book.invitations:
            raise PeopleError("this invitation was already used")
        holder = self.holding(recipient)
        if holder is not None and holder.name != invitation.name:
            raise PeopleError("this key belongs to another person here: make a new one")
        first = fresh and is_first_approver(invitation.roles, self._book.people)
        person = Person(invitation.name, invitation.roles, recipient, now, confirmed=first)
        if holder is not None and holder.confirmed:
            person = holder
        others = tuple(
            p
            for p in self._book.people
            if p.recipient != recipient and (p.name != person.name or p.confirmed or p.revoked)
        )
        left = tuple(i for i in self._book.invitations if i != invitation)
        self._keep(_Book((*others, person), left))
        return person

    def holding(self, recipient: str) -> Person | None:
        """The person who joined with this key, unless revoked."""
        return next((p for p in self._book.people if p.recipient == recipient and not p.revoked), None)

    def named(self, name: str) -> Person | None:
        """The person with the key in force; one whose key waits; None for a name unknown or revoked."""
        found = [p for p in self._book.people if p.name == name and not p.revoked]
        return next((p for p in found if p.confirmed), found[-1] if found else None)

    def everyone(self) -> tuple[Person, ...]:
        """Every key, the revoked ones too."""
        return self._book.people

    def confirm(self, name: str, recipient: str) -> Person:
        """P22: this very key works from now on, in place of an earlier one. Raises: PeopleError."""
        known = self.holding(recipient)
        if known is None or known.name != name:
            raise PeopleError(f"{name} has not joined with this key")
        person = replace(known, confirmed=True)
        others = tuple(p for p in self._book.people if p.name != name or p.revoked)
        self._keep(replace(self._book, people=(*others, person)))
        return person

    def revoke(self, name: str) -> None:
        """Ends the person's keys and invitations. Raises: PeopleError, also for the last approver (P22)."""
        if self.named(name) is None:
            raise PeopleError(f"nobody called {name} has joined")
        approvers = {p.name for p in self._book.people if p.approves}
        if approvers == {name}:
            raise PeopleError(
                f"{name} is the only approver: nobody could confirm a key or a plan again (P22). "
                "First let another one join and have them confirmed"
            )
        people = tuple(replace(p, revoked=True) if p.name == name else p for p in self._book.people)
        self._keep(_Book(people, tuple(i for i in self._book.invitations if i.name != name)))

    def _keep(self, book: _Book) -> None:
        write_book(self._path, book, self._key)
        self._book = book
