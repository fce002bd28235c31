"""What is said to the keeper about opening and reviewing recordings (P15, P18, P19); its other words: keeper_wire.py.

It knows forms, and which user of the machine may say which word; who does what they ask stands in keeper.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Hex, Many, Text, Whole
from pbx_bridge.wire_portal import (
    MAX_SESSION_CHARS,
    NAME,
    RECIPIENT,
    RECORDING,
    TOKEN,
    Act,
    Broke,
)


@dataclass(frozen=True, slots=True)
class Begin:
    """A person wants to prove who they are; with a code: wants to join."""

    recipient: Annotated[str, RECIPIENT]
    client_nonce: Annotated[bytes, Hex(32)]
    certificate: Annotated[bytes, Hex(32)]
    code: Annotated[bytes, Hex(16)] | None = None
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class List:
    token: Annotated[bytes, TOKEN]


@dataclass(frozen=True, slots=True)
class Open:
    """The asker wants the file key, wrapped for their own registered key."""

    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]
    session: Annotated[str, Text(MAX_SESSION_CHARS, 0)]
    fetch: bool = False
    """To have the whole sealed file, not to watch it: the record says so."""


@dataclass(frozen=True, slots=True)
class Review:
    """A trainer says that this recording was discussed in this training session with the trainee (P15)."""

    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]
    session: Annotated[str, Text(MAX_SESSION_CHARS, 0)]


MAX_PARTS_CHARS: Final = 500
"""Some sixty spans that do not touch, of one minute."""


@dataclass(frozen=True, slots=True)
class Viewed:
    """P19: which parts of a recording's ciphertext went to the asker since it was last told."""

    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]
    parts: Annotated[str, Text(MAX_PARTS_CHARS, 0, "[0-9,/. -]*")]
    """As `0-17,120-131/352`: of 352 parts of 64 KiB; "" when only what broke it off is told."""
    broke: Broke | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """P15: what waits for its review."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one trainer has still to review of one trainee; a recording with two trainers waits for both."""

    trainee: Annotated[str, NAME]
    trainer: Annotated[str, Text(64, 0)]
    recordings: Annotated[int, Whole(0)]
    duration_ms: Annotated[int, Whole(0)]


@dataclass(frozen=True, slots=True)
class AllWaiting:
    waiting: Annotated[tuple[Waiting, ...], Many(10_000)]


RECORDER: Final[dict[str, type[Any]]] = {
    "begin": Begin,
    "list": List,
    "open": Open,
    "review": Review,
    "viewed": Viewed,
    "backlog": Backlog,
}
"""What the bridge's own process may say."""
ADMINISTRATOR: Final[dict[str, type[Any]]] = {
    "backlog": Backlog,
}
"""What the administrator's commands may say."""
