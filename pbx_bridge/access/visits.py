"""Challenges that wait for their answer, and the short visits of people who proved who they are.

In memory only, bounded, each with an end: a restarted keeper knows nobody. Decides nothing; times come from outside.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from pbx_bridge.access.people import Invitation
from pbx_bridge.access.proof import Challenge, Transcript, right
from pbx_bridge.wire_portal import Act, Purpose

CHALLENGE_LIVES_S: Final = 60
"""An answer needs no person (the passphrase is asked before): seconds are enough."""
VISIT_LIVES_S: Final = 15 * 60
"""Long enough to watch; renewed by a new proof, without a person."""
MAX_CHALLENGES: Final = 256
MAX_VISITS: Final = 1_024
"""Beyond these the oldest goes: its owner simply proves again."""


@dataclass(frozen=True, slots=True)
class Pending:
    challenge: Challenge
    invitation: Invitation | None
    expires_at: int
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """`recipient` is the key that was proven; its person is looked up at every use, so a revocation works at once."""

    recipient: str
    expires_at: int


class Visits:
    def __init__(self) -> None:
        self._pending: dict[bytes, Pending] = {}
        self._visits: dict[bytes, Visit] = {}

    def begin(
        self,
        recipient: str,
        client_nonce: bytes,
        certificate: bytes,
        invitation: Invitation | None,
        now: int,
        act: Act | None = None,
    ) -> tuple[bytes, Challenge]:
        """A challenge and the name to answer it by."""
        purpose = Purpose.SESSION if invitation is None else Purpose.JOIN
        if act is not None:
            purpose = Purpose.ACT
        named = act.digest() if act is not None else ""
        transcript = Transcript(purpose, client_nonce, secrets.token_bytes(32), certificate, recipient, named)
        challenge = Challenge(transcript, secrets.token_bytes(32))
        name = secrets.token_bytes(16)
        while len(self._pending) >= MAX_CHALLENGES:
            del self._pending[next(iter(self._pending))]
        self._pending[name] = Pending(challenge, invitation, now + CHALLENGE_LIVES_S, act)
        return name, challenge

    def answered(self, name: bytes, answer: bytes, now: int) -> Pending | None:
        """The challenge if the answer is right and in time. Either way it is used up."""
        pending = self._pending.pop(name, None)
        if pending is None or now >= pending.expires_at or not right(pending.challenge, answer):
            return None
        return pending

    def open(self, recipient: str, now: int) -> tuple[bytes, Visit]:
        """A visit and its token, of which only the hash is kept."""
        token = secrets.token_bytes(32)
        while len(self._visits) >= MAX_VISITS:
            del self._visits[next(iter(self._visits))]
        visit = self._visits[_hash(token)] = Visit(recipient, now + VISIT_LIVES_S)
        return token, visit

    def visit(self, token: bytes, now: int) -> Visit | None:
        found = self._visits.get(_hash(token))
        return found if found is not None and now < found.expires_at else None

    def former(self, token: bytes) -> Visit | None:
        """P19: the same, though its time is over: for what is still to be recorded of it, and for nothing else."""
        return self._visits.get(_hash(token))


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
