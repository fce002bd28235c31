"""Tokens of programs: each made for one purpose, with the scopes of that purpose or fewer, until a day.

    state_dir/tokens/NAME     canonical JSON: the SHA-256 of the token, purpose, scopes, when made, when it ends; 0600

A token is no person: none of the scopes lists, opens, changes or names a recording, whoever holds it (P18, P22). Persons
prove their key. The token itself is kept nowhere. `pbx-bridge token` writes here while `serve` runs in another process;
each request looks anew, so a removed token is refused at once.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import parse_name
from pbx_bridge.wire_json import Hex, Malformed, Many, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_portal import UNIX

MAX_TOKENS: Final = 32
"""Programs of one site; each request reads them all."""
MAX_FILE_BYTES: Final = 2_048
DAY_S: Final = 86_400


class Purpose(Enum):
    """What a program may be given a token for."""

    PAYMENTS = "payments"
    """Payment software announces that a payment begins or ends in somebody's call (P7)."""
    MONITORING = "monitoring"
    """Monitoring asks whether the bridge can record, and whether its keeper answers."""
    AUDIT_COPY = "audit-copy"
    """A second place fetches the audit log's checkpoints, so that a bridge which was set back is found (P19)."""


class Scope(Enum):
    """What one request of a program asks."""

    PAYMENT_BEGIN = "payment-begin"
    PAYMENT_END = "payment-end"
    HEALTH = "health"
    CHECKPOINT = "checkpoint"


SCOPES: Final = {
    Purpose.PAYMENTS: (Scope.PAYMENT_BEGIN, Scope.PAYMENT_END),
    Purpose.MONITORING: (Scope.HEALTH,),
    Purpose.AUDIT_COPY: (Scope.CHECKPOINT,),
}
"""What each purpose allows; a token may have fewer of them, never others."""
MOST_DAYS: Final = {Purpose.PAYMENTS: 1_096, Purpose.MONITORING: 400, Purpose.AUDIT_COPY: 400}
"""Ceilings. Payments have three years: where they end unseen, what was paused is recorded (P7)."""
USUAL_DAYS: Final = {Purpose.PAYMENTS: 1_096, Purpose.MONITORING: 366, Purpose.AUDIT_COPY: 366}


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of one."""

    sha256: Annotated[bytes, Hex(32)]
    purpose: Purpose
    scopes: Annotated[tuple[Scope, ...], Many(len(Scope))]
    made_at: Annotated[int, UNIX]
    ends_at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class Held:
    """A token that holds, with the name of the program it was made for."""

    name: str
    token: Token


class Tokens:
    """The tokens there are. Raises: OperatorError."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        self._folder, self._now = folder, now

    def make(
        self, name: str, purpose: Purpose, scopes: Iterable[Scope] = (), *, lasts_s: int | None = None
    ) -> str:
        """A new token for the program called `name`, 64 hexadecimal digits; with all of the purpose's scopes unless some are
        named."""
        if lasts_s is None:
            lasts_s = USUAL_DAYS[purpose] * DAY_S
        path, wanted = self.check(name, purpose, scopes, lasts_s)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # `serve` gives it to the bridge's user
        secret, made_at = secrets.token_bytes(32), int(self._now())
        kept = Token(hashlib.sha256(secret).digest(), purpose, wanted, made_at, made_at + lasts_s)
        write_whole(path, canonical(write_fields(kept)))
        _give_to(path, self._folder)
        return secret.hex()

    def check(
        self, name: str, purpose: Purpose, scopes: Iterable[Scope], lasts_s: int
    ) -> tuple[Path, tuple[Scope, ...]]:
        """Where such a token would lie, and its scopes. Raises: OperatorError when `make` would."""
        try:
            path = self._folder / parse_name(name)
        except ValueError as error:
            raise OperatorError(str(error), where=f"token {name[:64]!r}", do="Choose a short name") from None
        if path.exists():
            raise OperatorError(
                "there is one of this name", where=f"token {name}", do=f"pbx-bridge token remove {name}"
            )
        if len(self._files()) >= MAX_TOKENS:
            raise OperatorError(f"there are {MAX_TOKENS} tokens", do="Remove those that nobody uses")
        wanted = tuple(scopes) or SCOPES[purpose]
        check(purpose, wanted, lasts_s)
        return path, tuple(scope for scope in SCOPES[purpose] if scope in wanted)

    def all(self) -> list[Held]:
        """Those that ended too, by name."""
        found = (self._read(path) for path in self._files())
        return [held for held in found if held is not None]

    def ends(self, held: Held) -> bool:
        """Whether its time is over."""
        return self._now() >= held.token.ends_at

    def remove(self, name: str) -> None:
        """At once."""
        if name not in {path.name for path in self._files()}:
            raise OperatorError(
                "there is no such token", where=f"token {name[:64]!r}", do="See: pbx-bridge token list"
            )
        (self._folder / name).unlink(missing_ok=True)

    def holder(self, secret: bytes) -> Held | None:
        """P18, P22: whose token this is, while it holds; None for any other 32 bytes."""
        digest = hashlib.sha256(secret).digest()
        found = [
            held
            for held in self.all()
            if secrets.compare_digest(held.token.sha256, digest) and not self.ends(held)
        ]
        return found[0] if found else None

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if not path.name.startswith("."))
        except OSError:
            return []

    def _read(self, path: Path) -> Held | None:
        """A damaged file is nobody's token, nor one with what its purpose does not allow."""
        try:
            with path.open("rb") as file:
                token = read_fields(Token, read_object(file.read(MAX_FILE_BYTES)))
            check(token.purpose, token.scopes, token.ends_at - token.made_at)
        except (OSError, Malformed, OperatorError):
            return None
        return Held(path.name, token)


NO_TOKENS: Final = Tokens(Path("/nonexistent"))
"""A portal at which no program asks."""


def check(purpose: Purpose, scopes: Iterable[Scope], lasts_s: int) -> None:
    """P18, P22: no token has a scope outside its purpose, none lives longer than the ceiling. Raises: OperatorError."""
    others = [scope.value for scope in scopes if scope not in SCOPES[purpose]]
    if others:
        allowed = ", ".join(scope.value for scope in SCOPES[purpose])
        raise OperatorError(
            f"a token for {purpose.value} has no scope {others[0]}",
            where="--scope",
            do=f"Choose of: {allowed}",
        )
    if not 0 < lasts_s <= MOST_DAYS[purpose] * DAY_S:
        raise OperatorError(
            f"a token for {purpose.value} lives 1 to {MOST_DAYS[purpose]} days", where="--days"
        )


def _give_to(path: Path, like: Path) -> None:
    """What root writes for the bridge belongs to whoever owns `like`."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
