"""What is said to the keeper about the rights of persons concerned; the rest of its words stand in keeper_wire.py.

It knows forms, and which user of the machine may say which word; what they do stands in keeper_rights.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Many, Whole
from pbx_bridge.wire_portal import RECORDING, TOKEN, UNIX
from pbx_bridge.wire_rights import (
    MAX_RECORDINGS,
    NAME_OR_EMPTY,
    RECIPIENT_OR_EMPTY,
    REQUEST,
    Closing,
    Party,
    Right,
)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A person asked. A trainee's request is about all that is held of them, a customer's about what was found for them."""

    right: Right
    party: Party
    trainee: Annotated[str, NAME_OR_EMPTY] = ""
    recordings: Annotated[tuple[Annotated[RecordingId, RECORDING], ...], Many(MAX_RECORDINGS)] = ()
    recipient: Annotated[str, RECIPIENT_OR_EMPTY] = ""
    until: Annotated[int, UNIX] | None = None


@dataclass(frozen=True, slots=True)
class AllRequests:
    """The administrator's list."""


@dataclass(frozen=True, slots=True)
class ExtendRequest:
    """Two further months (art. 12(3)), once."""

    id: Annotated[str, REQUEST]


@dataclass(frozen=True, slots=True)
class CloseRequest:
    id: Annotated[str, REQUEST]
    closing: Closing


@dataclass(frozen=True, slots=True)
class ExportRequested:
    """A copy for a request. With it come two open files: the sealed recording, and a new one."""

    id: Annotated[str, REQUEST]
    recording: Annotated[RecordingId, RECORDING]


@dataclass(frozen=True, slots=True)
class ExportOwn:
    """A trainee's copy of their own. With it come two open files, as above."""

    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]


@dataclass(frozen=True, slots=True)
class EraseOwn:
    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]


@dataclass(frozen=True, slots=True)
class OpenOwn:
    """The trainee who visits asks for a copy, or objects to being recorded."""

    token: Annotated[bytes, TOKEN]
    right: Right


@dataclass(frozen=True, slots=True)
class SeeRequests:
    """An approver sees what waits for their grant, a trainee what they asked."""

    token: Annotated[bytes, TOKEN]


@dataclass(frozen=True, slots=True)
class Who:
    """Which trainee visits, and what they asked: for what else is known of them."""

    token: Annotated[bytes, TOKEN]


@dataclass(frozen=True, slots=True)
class OwnAccesses:
    """The trainee who visits sees accesses to their own; older than number `before` (0: the newest)."""

    token: Annotated[bytes, TOKEN]
    before: Annotated[int, Whole(0)]


RECORDER: Final[dict[str, type[Any]]] = {
    "export-own": ExportOwn,
    "erase-own": EraseOwn,
    "requests": SeeRequests,
    "who": Who,
    "open-own": OpenOwn,
    "own-accesses": OwnAccesses,
}
ADMINISTRATOR: Final[dict[str, type[Any]]] = {
    "open-request": OpenRequest,
    "all-requests": AllRequests,
    "extend-request": ExtendRequest,
    "close-request": CloseRequest,
    "export-requested": ExportRequested,
}
EXPORTS: Final = (ExportRequested, ExportOwn)
"""Answered outside the keeper's turn: copying takes seconds."""
