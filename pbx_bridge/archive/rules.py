"""The figures of keeping and releasing: how long, how soon, and what no configuration can widen.

Pure. It knows P18's first hours and P20's days; it never knows a person, a file or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pbx_bridge.calls.reasons import Reason

DAY_S: Final = 86_400
HOUR_S: Final = 3_600

KEEP_DEFAULT_DAYS: Final = 30
KEEP_CEILING_DAYS: Final = 173
"""P20: six months less the seven days a key-store backup may live and some days to act."""
TRAINEE_FIRST_DEFAULT_H: Final = 24
TRAINEE_FIRST_RANGE_H: Final = range(1, 73)
"""P18: 1 to 72, never 0."""
REVIEW_WITHIN_DAYS: Final = 14
"""P15: from the start of the call; what nobody discussed by then was not needed for training."""
CLOCK_STEP_S: Final = 300
"""P20: a clock that was set by more than this is not believed."""
BACKUP_DAYS: Final = 7
"""P20: how long a backup of the key store lives; an older one is refused."""
IDENTITY_DAYS: Final = 30
"""P20: how long the keeper's own identity, to which every key is sealed, is used."""
KEEP_AFTER_REVIEW_DAYS: Final = 7
"""P20: to act on what the review showed."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a site chose within the ceilings. Raises: ValueError naming the rule when it chose beyond them."""

    keep_days: int = KEEP_DEFAULT_DAYS
    trainee_first_h: int = TRAINEE_FIRST_DEFAULT_H

    def __post_init__(self) -> None:
        if not 1 <= self.keep_days <= KEEP_CEILING_DAYS:
            raise ValueError(f"P20: recordings are kept 1 to {KEEP_CEILING_DAYS} days, not {self.keep_days}")
        if self.trainee_first_h not in TRAINEE_FIRST_RANGE_H:
            raise ValueError(f"P18: the trainee comes first for 1 to 72 hours, not {self.trainee_first_h}")


def not_after(start_unix: int, keeping: Keeping) -> int:
    """P20: the Unix second from which a recording that began at `start_unix` opens for nobody."""
    return start_unix + keeping.keep_days * DAY_S


@dataclass(frozen=True, slots=True)
class End:
    """When a recording ends, and the ledger's word for why."""

    at: int
    """Unix seconds: from then on it opens for nobody and is destroyed."""
    why: Reason


def ends_at(
    start: int, signed_end: int, reviewed_at: int | None, keeping: Keeping, erased_from: int | None = None
) -> End:
    """P15, P20, P23: when a recording that began at `start` ends: the first of its signed end, the days of keeping, the
    days after its review, the days it may wait for one, the moment from which somebody concerned wants it gone
    (`erased_from`), and the ceiling. Release and purge both ask here.

    A review later than REVIEW_WITHIN_DAYS is none: there is nothing left to review by then.
    """
    kept = min(signed_end, not_after(start, keeping), latest_not_after(start))
    unreviewed = start + REVIEW_WITHIN_DAYS * DAY_S
    if reviewed_at is None or reviewed_at >= unreviewed:
        other = End(unreviewed, Reason.UNREVIEWED)
    else:
        other = End(reviewed_at + KEEP_AFTER_REVIEW_DAYS * DAY_S, Reason.REVIEWED)
    ends = [End(kept, Reason.EXPIRED), other]
    if erased_from is not None:
        ends.append(End(erased_from, Reason.ERASED))
    return min(ends, key=lambda end: end.at)


def destroyed_from(end: End, start: int, suspended_until: int | None) -> int:
    """P20: when the key and the bytes go: at the end, or when what suspends destruction ends, never past the ceiling.

    Meanwhile it opens for nobody: what is suspended is the destroying, not the end.
    """
    return min(max(end.at, suspended_until or 0), latest_not_after(start))


def latest_not_after(start_unix: int) -> int:
    """P20: the ceiling, whatever a manifest says."""
    return start_unix + KEEP_CEILING_DAYS * DAY_S


def renewal_is_due(made_at: int, now: int) -> bool:
    """P20: whether the keeper's own identity has been used for its month: it is changed, and the old one destroyed, so that
    no copy of the key store can be opened any more. One of unknown age (0) is old."""
    return now >= made_at + IDENTITY_DAYS * DAY_S
