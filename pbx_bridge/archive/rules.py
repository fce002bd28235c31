"""The figures of keeping and releasing: how long, how soon, and what no configuration can widen.

Pure. It knows P18's first hours and P20's days; it never knows a person, a file or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
HOUR_S: Final = 3_600

KEEP_DEFAULT_DAYS: Final = 30
KEEP_CEILING_DAYS: Final = 173
"""P20: six months less the seven days a key-store backup may live and some days to act."""
TRAINEE_FIRST_DEFAULT_H: Final = 24
TRAINEE_FIRST_RANGE_H: Final = range(1, 73)
"""P18: 1 to 72, never 0."""


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


def latest_not_after(start_unix: int) -> int:
    """P20: the ceiling, whatever a manifest says."""
    return start_unix + KEEP_CEILING_DAYS * DAY_S
