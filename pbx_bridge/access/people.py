"""Who may ask for recordings, by which key: invitations, joined people, confirmation, revocation.

The keeper's own small file: no other process can name a person or change a key. Of an invitation only the hash of its
code is kept. It knows short names and public keys; it never decides about a recording.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import Malformed, Many, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_portal import DIGEST, NAME, RECIPIENT, UNIX, Role
from pbx_bridge.wire_proof import CODE_LIFETIME_S, hash_secret

SECRET_BYTES: Final = 16
"""128 bits, the secret of wire_proof's InviteCode: not to be guessed in 15 minutes at any rate."""


class PeopleError(Exception):
    """The request about a person cannot be met; the sentence is for the one who asked."""


@dataclass(frozen=True, slots=True)
class Person:
    name: Annotated[str, NAME]
    role: Role
    recipient: Annotated[str, RECIPIENT]
    joined_at: Annotated[int, UNIX]
    confirmed: bool
    """P22: whether somebody other than the inviter checked the key's fingerprint."""
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    code_hash: Annotated[str, DIGEST]
    name: Annotated[str, NAME]
    role: Role
    expires_at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class _Book:
    people: Annotated[tuple[Person, ...], Many(10_000)] = ()
    invitations: Annotated[tuple[Invitation, ...], Many(1_000)] = ()


class People:
    """The file `people.json`, 0600 in the keeper's folder."""

    def __init__(self, path: Path) -> None:
        """Raises: OperatorError when the file cannot be read."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._book = _Book()
        if path.exists():
            try:
                self._book = read_fields(_Book, read_object(path.read_bytes()))
            except Malformed as error:
                raise OperatorError(
                    str(error), where=str(path), do="Restore it from the keeper's backup"
                ) from None

    def invite(self, name: str, role: Role, now: int) -> bytes:
        """A fresh one-time code for `name`; earlier ones for the same name end. Raises: PeopleError (P22)."""
        known = self.named(name)
        if known is not None and known.role is not role:
            raise PeopleError(f"{name} is a {known.role.value} here and can have no other role (P22)")
        code = secrets.token_bytes(SECRET_BYTES)
        others = tuple(i for i in self._book.invitations if i.name != name and i.expires_at > now)
        invitation = Invitation(hash_secret(code), name, role, now + CODE_LIFETIME_S)
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

    def join(self, invitation: Invitation, recipient: str, now: int, *, confirmed: bool) -> Person:
        """Uses the invitation up and keeps the person's key, in place of an earlier one of theirs.

        Raises: PeopleError when the invitation is no longer there or another person has this key.
        """
        if invitation not in self._book.invitations:
            raise PeopleError("this invitation was already used")
        holder = self.holding(recipient)
        if holder is not None and holder.name != invitation.name:
            raise PeopleError("this key belongs to another person here: make a new one")
        person = Person(invitation.name, invitation.role, recipient, now, confirmed)
        others = tuple(p for p in self._book.people if p.name != person.name)
        left = tuple(i for i in self._book.invitations if i != invitation)
        self._keep(_Book((*others, person), left))
        return person

    def holding(self, recipient: str) -> Person | None:
        """The person who joined with this key, unless revoked."""
        return next((p for p in self._book.people if p.recipient == recipient and not p.revoked), None)

    def named(self, name: str) -> Person | None:
        return next((p for p in self._book.people if p.name == name), None)

    def everyone(self) -> tuple[Person, ...]:
        return self._book.people

    def change(self, name: str, *, confirmed: bool | None = None, revoked: bool | None = None) -> Person:
        """Confirms or revokes. Raises: PeopleError when nobody has that name."""
        known = self.named(name)
        if known is None:
            raise PeopleError(f"nobody called {name} has joined")
        person = replace(
            known,
            confirmed=known.confirmed if confirmed is None else confirmed,
            revoked=known.revoked if revoked is None else revoked,
        )
        invitations = tuple(i for i in self._book.invitations if not (person.revoked and i.name == name))
        people = tuple(person if p.name == name else p for p in self._book.people)
        self._keep(_Book(people, invitations))
        return person

    def _keep(self, book: _Book) -> None:
        write_whole(self._path, canonical(write_fields(book)))
        self._book = book
