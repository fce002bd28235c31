"""What is said to the keeper about the audit log (P19); its other words: keeper_wire.py.

It knows forms, and which user of the machine may say which word; what they do stands in keeper_audit.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final

from pbx_bridge.wire_access import MAX_ACCESSES, AccessLine
from pbx_bridge.wire_audit import Looked
from pbx_bridge.wire_json import Many, Text, Whole
from pbx_bridge.wire_portal import (
    NAME,
    TOKEN,
    WORD,
)


class For(Enum):
    """P19: what the auditor reads the log for; it stands in the record of the reading."""

    COPY = "copy"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Audit:
    """P19: the auditor reads the log, from the record after this number on."""

    token: Annotated[bytes, TOKEN]
    after: Annotated[int, Whole(0)]
    purpose: For = For.COPY


@dataclass(frozen=True, slots=True)
class AuditLooked:
    """P19: the auditor looks at some of it."""

    token: Annotated[bytes, TOKEN]
    wanted: Looked


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """P19: the newest checkpoint, for a second place. It names nobody."""


@dataclass(frozen=True, slots=True)
class TokenChanged:
    """P22: the administrator makes or removes a program's token; the log has it by its name, with what it is for."""

    name: Annotated[str, NAME]
    purpose: Annotated[str, WORD]
    made: bool


@dataclass(frozen=True, slots=True)
class Accesses:
    """P19: a trainee at their own workstation sees accesses to their own; older than number `before` (0: the newest)."""

    trainee: Annotated[str, NAME]
    before: Annotated[int, Whole(0)]


@dataclass(frozen=True, slots=True)
class AccessesOf:
    """P23: the same for the administrator who answers that trainee's request."""

    trainee: Annotated[str, NAME]
    before: Annotated[int, Whole(0)]


@dataclass(frozen=True, slots=True)
class AccessesFound:
    accesses: Annotated[tuple[AccessLine, ...], Many(MAX_ACCESSES)]
    """Newest first."""
    more: bool


@dataclass(frozen=True, slots=True)
class Writable:
    """P19: can the next access be recorded? The bridge asks each second: if not, it records nothing."""


@dataclass(frozen=True, slots=True)
class WritableNow:
    fault: Annotated[str, Text(500, 0)]
    """Why not, for the operator; "" when it can."""


RECORDER: Final[dict[str, type[Any]]] = {
    "audit": Audit,
    "checkpoint": Checkpoint,
    "audit-look": AuditLooked,
    "accesses": Accesses,
    "writable": Writable,
}
"""What the bridge's own process may say."""
ADMINISTRATOR: Final[dict[str, type[Any]]] = {
    "accesses-of": AccessesOf,
    "token-changed": TokenChanged,
    "writable": Writable,
}
"""What the administrator's commands may say."""
