"""Sessions of the pages: in memory, few, each with an end; and in each the visit the keeper granted to the key that was
proven in it.

A session knows a name and two tokens. It proves nothing to the keeper: a visit does, and only the person's own key brings
one. A restarted bridge knows no session. Times come from outside, in seconds.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pbx_bridge.portal.web.accounts import Account
from pbx_bridge.wire_portal import Proven, Role

IDLE_S: Final = 15 * 60.0
"""Without a request for so long it is locked: all factors are asked for again."""
LONGEST_S: Final = 10 * 3_600.0
"""A working day."""
MAX_SESSIONS: Final = 1_024
OF_ONE_PERSON: Final = 5
"""A sixth ends the oldest."""


@dataclass(slots=True)
class Session:
    name: str
    entry: bytes
    """Of the account it was opened with."""
    agent: str
    """What the browser called itself, shortened to its kind: for its holder to know it again."""
    began_at: int
    """Unix seconds, to be shown."""
    began_s: float
    seen_s: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    """To end it by; opens nothing."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    grant_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """To whom its grants are given (portal/payload.py)."""
    visit: bytes | None = None
    visit_ends: int = 0
    roles: tuple[Role, ...] = ()
    confirmed: bool = False
    recorders: tuple[str, ...] = ()
    """Public keys in hex, for the player to check manifests with."""


class Sessions:
    def __init__(self, monotonic_s: Callable[[], float], stands: Callable[[str, bytes], bool]) -> None:
        """`stands`: whether an account is still the one a session was opened with."""
        self._now_s, self._stands = monotonic_s, stands
        self._sessions: dict[bytes, Session] = {}

    def open(self, account: Account, agent: str, now: int) -> tuple[str, Session]:
        """A session and the secret its cookie holds, of which only the hash is kept."""
        secret = secrets.token_urlsafe(32)
        now_s = self._now_s()
        mine = [key for key, session in self._sessions.items() if session.name == account.name]
        for key in mine[: max(0, len(mine) + 1 - OF_ONE_PERSON)]:
            del self._sessions[key]
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = Session(account.name, account.entry, agent, now, now_s, now_s)
        self._sessions[_hash(secret)] = session
        return secret, session

    def find(self, secret: str) -> Session | None:
        """The live session of this cookie; being asked for keeps it awake."""
        key, now_s = _hash(secret), self._now_s()
        session = self._sessions.get(key)
        if session is None:
            return None
        over = now_s - session.seen_s >= IDLE_S or now_s - session.began_s >= LONGEST_S
        if over or not self._stands(session.name, session.entry):
            del self._sessions[key]
            return None
        session.seen_s = now_s
        return session

    def proven(self, session: Session, proven: Proven) -> None:
        """The keeper granted a visit to the key that was proven in this session."""
        session.visit, session.visit_ends = proven.token, proven.expires_at
        session.roles, session.confirmed = proven.roles, proven.confirmed
        session.recorders = tuple(key.hex() for key in proven.recorders)

    def of(self, name: str) -> list[Session]:
        """The live sessions of one person, newest first."""
        now_s = self._now_s()
        live = [one for one in self._sessions.values() if one.name == name and now_s - one.seen_s < IDLE_S]
        return sorted(live, key=lambda session: session.began_s, reverse=True)

    def end(self, name: str, session_id: str) -> None:
        """Ends one of this person's sessions; nobody else's."""
        self._sessions = {
            key: one
            for key, one in self._sessions.items()
            if not (one.name == name and secrets.compare_digest(one.id, session_id))
        }

    def end_all(self, name: str) -> None:
        self._sessions = {key: one for key, one in self._sessions.items() if one.name != name}


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
