"""What is said to the keeper about time, and about what ends with it (P20); its other words: keeper_wire.py.

It knows forms, and which user of the machine may say which word; what they do stands in keeper_retention.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final

from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Many, Text, Whole
from pbx_bridge.wire_portal import (
    NAME,
    RECORDING,
    UNIX,
    WORD,
)

MAX_PURGED: Final = 20
"""Of one answer: each destruction takes some syncs of the disk, and others wait meanwhile."""


@dataclass(frozen=True, slots=True)
class Purge:
    """P20: destroy what has ended."""

    dry_run: bool
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """A recording that ended, why, since when it was due, and who was given its key."""

    recording: Annotated[RecordingId, RECORDING]
    reason: Annotated[str, WORD]
    since: Annotated[int, UNIX]
    copies: Annotated[tuple[Annotated[str, NAME], ...], Many(64)]


@dataclass(frozen=True, slots=True)
class Purged:
    gone: Annotated[tuple[Gone, ...], Many(MAX_PURGED)]
    more: bool
    """Ask again: not all that has ended is destroyed yet."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The bridge asks whether the clock is in doubt, and says when it last ran itself (0: unknown)."""

    seen_at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class Beat:
    """`doubt`: a word of clock.Doubt, "" when the clock is believed; `high`: the latest time that was."""

    doubt: Annotated[str, Text(32, 0)]
    high: Annotated[int, UNIX]


MAX_ENDED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Ended:
    """What was destroyed since then, other than by time: what a restored keeper would not know again by itself."""

    since: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class End:
    at: Annotated[int, UNIX]
    recording: Annotated[RecordingId, RECORDING]
    reason: Annotated[str, WORD]


@dataclass(frozen=True, slots=True)
class AllEnded:
    ended: Annotated[tuple[End, ...], Many(MAX_ENDED)]


@dataclass(frozen=True, slots=True)
class ConfirmClock:
    """P20: a person compared the clock with another one."""


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Count: recorded - destroyed = present."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    recorded: Annotated[int, Whole(0)]
    destroyed: Annotated[int, Whole(0)]
    present: Annotated[int, Whole(0)]
    missing: Annotated[int, Whole(0)]
    risen: Annotated[int, Whole(0)]
    unknown: Annotated[int, Whole(0)]


MAX_ASKED: Final = 1_000


class Stands(Enum):
    """Whether a recording's file may lie on a disk."""

    KEPT = "kept"
    DESTROYED = "destroyed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ask:
    """How these recordings stand, in this order."""

    recordings: Annotated[tuple[Annotated[RecordingId, RECORDING], ...], Many(MAX_ASKED)]


@dataclass(frozen=True, slots=True)
class Standing:
    stands: Annotated[tuple[Stands, ...], Many(MAX_ASKED)]


MAX_HELD: Final = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """The finished recordings whose id comes after this one; "" begins."""

    after: Annotated[str, Text(26, 0, "([a-z2-7]{26})?")]


@dataclass(frozen=True, slots=True)
class AllHeld:
    recordings: Annotated[tuple[Annotated[RecordingId, RECORDING], ...], Many(MAX_HELD)]


RECORDER: Final[dict[str, type[Any]]] = {
    "purge": Purge,
    "pulse": Pulse,
    "ended": Ended,
    "reconcile": Reconcile,
    "ask": Ask,
    "held": Held,
}
"""What the bridge's own process may say."""
ADMINISTRATOR: Final[dict[str, type[Any]]] = {
    "purge": Purge,
    "pulse": Pulse,
    "confirm-clock": ConfirmClock,
    "reconcile": Reconcile,
    "ask": Ask,
    "held": Held,
}
"""What the administrator's commands may say."""
