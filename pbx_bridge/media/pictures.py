"""Words of the film: a picture as it came, why one stays outside, what is to be shown when. And P2's rule.

It knows when a picture was taken (with an error bound) and whether it is the neutral card; never what it
shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from pbx_bridge.calls import rules

MS = 1_000_000
"""Nanoseconds."""
PICTURE_EVERY_NS = rules.PICTURE_EVERY_NS
PICTURE_MISSING_NS = 4_000 * MS
"""P2's tolerance: one second between pictures, two of lease that a link may be cut for, one for the way."""


class Picture(Protocol):
    """One encoded picture as the station sent it (`stations.events.PictureArrived`)."""

    @property
    def seq(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def error_ns(self) -> int: ...
    @property
    def taken_ns(self) -> int:
        """When it was read from the window: nothing painted later is in it."""

    @property
    def keyframe(self) -> bool: ...
    @property
    def card(self) -> bool: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def data(self) -> bytes: ...


class Drop(Enum):
    """Why a picture stays outside."""

    BEFORE = "before the talk"
    AFTER = "after the talk, or in doubt"
    PAUSE = "in a pause"
    CLOCK = "at an unknown time"
    CHAIN = "waits for a keyframe"
    REPEATED = "sent twice"


@dataclass(frozen=True, slots=True)
class Show:
    """Write this picture at `ms` of the file."""

    ms: int
    picture: Picture
    until_ms: int | None = None
    """For a pause's card: show it again each second until here."""


@dataclass(slots=True)
class Tally:
    """What became of the pictures."""

    shown: int = 0
    dropped: dict[Drop, int] = field(default_factory=lambda: dict.fromkeys(Drop, 0))
    max_error_ns: int = 0


class PicturesMissing(Exception):
    """P2 cannot be kept."""

    def __str__(self) -> str:
        return f"no picture for more than {PICTURE_MISSING_NS // 10**9} s of talk (P2)"


GAP_NS = 2_000 * MS
"""P2's one second between the pictures themselves, and one more for a workstation that stood still for a moment."""


def gap_breaks_p2(before_ns: int, at_ns: int) -> bool:
    """P2: whether two pictures that follow each other in talk were taken too far apart, however they travelled."""
    return at_ns - before_ns > GAP_NS


def breaks_p2(last_picture_ns: int, until_ns: int) -> bool:
    """P2: continuous or nothing. True when talk went on from `last_picture_ns` to `until_ns` without a
    picture for longer than any link that still holds its lease explains; then the recording is discarded."""
    return until_ns - last_picture_ns > PICTURE_MISSING_NS
