"""What is due for destruction, and whether what is kept is what should be: decided, not done (P20).

Pure. It eats entries, the book's facts and the time; it never knows a key, a file or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Final

from pbx_bridge.archive.manifest import Manifest
from pbx_bridge.archive.rules import BACKUP_DAYS, DAY_S, Keeping, destroyed_from, ends_at
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Text, Whole
from pbx_bridge.wire_portal import UNIX

FORGET_AFTER_DAYS: Final = 30
"""P24: what is said per person about a destroyed recording lives as long as the ledger's lines."""


RECIPIENT_OR_EMPTY: Final = Text(62, 0, "(age1[02-9ac-hj-np-z]{58})?")
STAMP_EVERY_S: Final = 3_600
"""The key store's stamp is renewed at each purge: a backup may be so much younger than the stamp in it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording whose key exists, as far as its time matters."""

    manifest: Manifest
    put_at: int | None
    """When the keeper took its key, by the book; None when the book does not know it."""
    reviewed_at: int | None
    suspended_until: int | None
    erased_from: int | None = None
    """P23: since when a person concerned wants it gone, which an open request of before keeps meanwhile."""


@dataclass(frozen=True, slots=True)
class Due:
    recording: RecordingId
    since: int
    why: Reason


def falls_due(kept: Kept, keeping: Keeping) -> Due:
    """P20: when this recording is to be destroyed, as things stand.

    It began when its manifest says, but never later than the keeper took its key: an edited manifest opens for
    nobody and lives no longer.
    """
    start = kept.manifest.start if kept.put_at is None else min(kept.manifest.start, kept.put_at)
    end = ends_at(start, kept.manifest.not_after, kept.reviewed_at, keeping, kept.erased_from)
    return Due(kept.manifest.recording, destroyed_from(end, start, kept.suspended_until), end.why)


def due(all_of_them: Iterable[Due], now: int) -> list[Due]:
    """P20: what is to be destroyed now, the longest due first."""
    return sorted((one for one in all_of_them if now >= one.since), key=lambda one: one.since)


def may_forget(destroyed_at: int, now: int) -> bool:
    """P24: whether a destroyed recording's entry, which names persons, has lived long enough."""
    return now >= destroyed_at + FORGET_AFTER_DAYS * DAY_S


@dataclass(frozen=True, slots=True)
class Stamp:
    """What lies in the key store's folder and in its backups: a number that grows, and when it was written."""

    number: Annotated[int, Whole(0)]
    at: Annotated[int, UNIX]
    identity: Annotated[str, RECIPIENT_OR_EMPTY] = ""
    """The oldest identity of the keeper a key in this store may be sealed to; "" where an earlier build wrote it."""


class Origin(Enum):
    """Where a key store comes from."""

    OURS = "ours"
    BACKUP = "backup"
    OLD_BACKUP = "old-backup"
    CLOSED = "closed"
    """Sealed to an identity that was destroyed since, or to another keeper's."""


def origin(inside: Stamp | None, last_number: int, now: int, *, empty: bool, opens: bool = True) -> Origin:
    """P20: whether the key store is the one that was here, or a restored one; from day 8 a backup is refused.

    `inside`: the stamp in its folder, `last_number`: the one the keeper remembers giving. A store without a stamp is
    an old one, unless nothing is in it, or the keeper never gave any. `opens`: whether the keeper has the identity the
    stamp names.
    """
    if inside is not None and not opens and not empty:
        return Origin.CLOSED
    if inside is None:
        return Origin.OURS if empty or last_number == 0 else Origin.OLD_BACKUP
    if inside.number >= last_number:
        return Origin.OURS
    lived_s = now - inside.at - STAMP_EVERY_S
    return Origin.BACKUP if lived_s <= BACKUP_DAYS * DAY_S else Origin.OLD_BACKUP


@dataclass(frozen=True, slots=True)
class Balance:
    """One count of the archive. All agrees when the three sets are empty."""

    missing: frozenset[RecordingId]
    """Recorded, not destroyed, and its key is not there."""
    risen: frozenset[RecordingId]
    """Destroyed, and a key is there again."""
    unknown: frozenset[RecordingId]
    """A key that was never recorded here."""

    @property
    def agrees(self) -> bool:
        return not (self.missing or self.risen or self.unknown)


def balance(recorded: Set[RecordingId], destroyed: Set[RecordingId], present: Set[RecordingId]) -> Balance:
    """P20: recorded - destroyed = present, or which recordings differ."""
    expected = recorded - destroyed
    return Balance(
        missing=frozenset(expected - present),
        risen=frozenset(present & destroyed),
        unknown=frozenset(present - recorded - destroyed),
    )
