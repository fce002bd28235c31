"""Which time retention goes by, and when it is in doubt: decided from readings, without a clock (P20).

A machine has two clocks: the wall's, which a person or a network can set, and the one that counts since the machine started
and cannot be set. As long as both advance alike, the wall's is believed. Its highest value ever believed is kept, so that
retention time never runs backwards. A clock in doubt stays in doubt until a person has confirmed it: then nothing is
recorded, opened or purged, because a wrong clock destroys too early or too late.

The clock nobody can set begins anew with the machine. So after a restart of the machine the wall's is believed alone only
while it says the time that was last believed, give or take five minutes; a later one needs a second witness, a source of
time the kernel is synchronised with, or a person.

What cannot be told apart: a machine that was off for long, one whose clock was set far ahead while it was off, and one
that was restored whole from an old backup. All three are a gap, and ask for a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Final

from pbx_bridge.archive.rules import BACKUP_DAYS, CLOCK_STEP_S, DAY_S
from pbx_bridge.wire_json import Text, Whole
from pbx_bridge.wire_portal import UNIX

GAP_S: Final = BACKUP_DAYS * DAY_S
"""A keeper that was away for longer than a key store's backup may live could itself be such a backup."""


class Doubt(Enum):
    STEP = "step"
    """The wall clock was set by more than five minutes while the machine ran."""
    BACK = "back"
    """The machine started with a time before the last one that was believed."""
    GAP = "gap"
    """The keeper was away for more than seven days, by the wall clock."""
    RESTARTED = "restart"
    """The machine started again more than five minutes later, says the wall clock, and nothing else says so yet."""
    RESTORED = "restored"
    """The bridge remembers a time more than seven days after this keeper's last: the keeper is an old backup."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks at one instant."""

    wall: int
    """Unix seconds."""
    up: int
    """Seconds since the machine started, those asleep included (CLOCK_BOOTTIME)."""
    boot: str
    """Which start of the machine that was (the kernel's boot_id)."""
    synchronised: bool = False
    """Whether the kernel says that a source of time keeps the wall clock right (adjtimex(2))."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of the clocks between readings and between starts."""

    high: Annotated[int, UNIX]
    """The latest wall time that was believed."""
    anchor_wall: Annotated[int, UNIX]
    anchor_up: Annotated[int, Whole(0)]
    boot: Annotated[str, Text(64, 0)]
    """A reading that was believed: both clocks are compared with it, so that many small steps add up."""
    doubt: Doubt | None = None
    stamp: Annotated[int, Whole(0)] = 0
    """Number of the key store's last stamp (retention.older_backup)."""
    ahead: Annotated[int, Whole(0)] = 0
    """Seconds by which believed time was ahead of the wall's when a person found the wall's right."""


def first(reading: Reading) -> Known:
    """A keeper's very first start believes its clock."""
    return Known(reading.wall, reading.wall, reading.up, reading.boot)


def started(known: Known, reading: Reading, latest: int = 0) -> Known:
    """P20: what is known after a start of the keeper: a time before the last one, or more than seven days after it, is in
    doubt; after a start of the machine also one more than five minutes after it that no source of time vouches for: set
    ahead it would end the trainee's first hours, and recordings, early. `latest`: believed time as it was noted more often
    than the rest, and less surely."""
    gap = reading.wall > known.high + GAP_S
    known = replace(known, high=max(known.high, latest))
    if known.doubt is not None:
        return looked(known, reading)
    if reading.wall < known.high - known.ahead - CLOCK_STEP_S:
        return replace(known, doubt=Doubt.BACK)
    if gap:
        return replace(known, doubt=Doubt.GAP)
    if reading.boot != known.boot:
        if reading.wall > known.high + CLOCK_STEP_S and not reading.synchronised:
            return replace(known, doubt=Doubt.RESTARTED)
        known = replace(known, anchor_wall=reading.wall, anchor_up=reading.up, boot=reading.boot)
    return looked(known, reading)


def looked(known: Known, reading: Reading) -> Known:
    """P20: what is known after one more reading: a step of more than five minutes between the two clocks is in doubt, and
    stays so though the clock were set right again; a restart's doubt goes when a source of time vouches for the clock;
    believed time only grows."""
    if known.doubt is Doubt.RESTARTED and reading.synchronised:
        return started(replace(known, doubt=None), reading)
    if known.doubt is not None:
        return known
    stepped_s = (reading.wall - known.anchor_wall) - (reading.up - known.anchor_up)
    if abs(stepped_s) > CLOCK_STEP_S:
        return replace(known, doubt=Doubt.STEP)
    ahead = known.ahead if reading.wall < known.high else 0
    return replace(known, high=max(known.high, reading.wall), ahead=ahead)


def witnessed(known: Known, seen_at: int) -> Known:
    """P20: the bridge remembers having run at `seen_at`: a keeper that last ran more than seven days before is a backup."""
    if seen_at > known.high + GAP_S:
        return replace(known, doubt=Doubt.RESTORED)
    return known


def confirmed(known: Known, reading: Reading) -> Known | None:
    """P20: a person looked at the clock and found it right. None for a restored keeper: that no person may confirm.

    Believed time does not go back: where it had run ahead, it stands still until the wall clock has caught up.
    """
    if known.doubt is Doubt.RESTORED:
        return None
    high = max(known.high, reading.wall)
    ahead = high - reading.wall
    return Known(high, reading.wall, reading.up, reading.boot, stamp=known.stamp, ahead=ahead)


def now(known: Known) -> int | None:
    """P20: retention's time, Unix seconds; None while it is in doubt: then nothing begins, opens or ends."""
    return None if known.doubt is not None else known.high
