"""What is said to the keeper about recordings that begin, end, are recovered or handed over.

The other words: keeper_wire.py. It knows forms, and which user of the machine may say which word; who does what they ask
stands in keeper.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final

from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Hex, Whole
from pbx_bridge.wire_portal import (
    DIGEST,
    HEX_BLOB,
    NAME,
    RECIPIENT,
    RECORDING,
    WORD,
    SignedManifest,
)


@dataclass(frozen=True, slots=True)
class Introduce:
    """The recorder shows the public half of its signing key and asks for the keeper's recipient."""

    recorder: Annotated[bytes, Hex(32)]


@dataclass(frozen=True, slots=True)
class KeeperFacts:
    recipient: Annotated[str, RECIPIENT]


@dataclass(frozen=True, slots=True)
class Put:
    """A recording begins: its own identity sealed to the keeper, and the first manifest."""

    signed: SignedManifest
    key: Annotated[str, HEX_BLOB]
    """An age file to the keeper that holds the identity's text, hex."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The file is sealed."""

    signed: SignedManifest
    header: Annotated[str, HEX_BLOB]
    """The file's age header, hex."""


@dataclass(frozen=True, slots=True)
class Destroy:
    recording: Annotated[RecordingId, RECORDING]
    reason: Annotated[str, WORD]


IDENTITY_CHANGED: Final = "identity-changed"
"""The word of a refused `Put`: the recorder asks for the keeper's recipient again."""


class Left(Enum):
    """What a crash left of a recording: which open files come with the request, in this order."""

    PART = "part"
    """The part; the new file."""
    PART_AND_TAIL = "part-and-tail"
    """The part; its tail; the new file."""
    SEALED = "sealed"
    """The finished file, which was never registered."""


@dataclass(frozen=True, slots=True)
class Recover:
    """Make a whole file of what is left, under a new key."""

    recording: Annotated[RecordingId, RECORDING]
    left: Left


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the recorder is to sign and to finish with."""

    signed: SignedManifest
    """The manifest as it was put."""
    recovered: bool
    """False for a finished file: it is complete."""
    payload: Annotated[str, DIGEST]
    payload_bytes: Annotated[int, Whole(0, 1 << 40)]
    duration_ms: Annotated[int, Whole(0, 1 << 32)]
    header: Annotated[str, HEX_BLOB]


@dataclass(frozen=True, slots=True)
class HandOver:
    """The trainee ends their own first hours (P18)."""

    recording: Annotated[RecordingId, RECORDING]
    trainee: Annotated[str, NAME]
    signature: Annotated[bytes, Hex(64)] | None = None
    """The device key's, over `wire_proof.hand_over_statement`; needed when the manifest names a device key."""


@dataclass(frozen=True, slots=True)
class TraineesOwn:
    """What is held of this trainee, for their own workstation."""

    trainee: Annotated[str, NAME]


RECORDER: Final[dict[str, type[Any]]] = {
    "introduce": Introduce,
    "put": Put,
    "finish": Finish,
    "destroy": Destroy,
    "recover": Recover,
    "hand-over": HandOver,
    "trainees-own": TraineesOwn,
}
"""What the bridge's own process may say."""
