"""The monthly report as a program may read it: counts that hold no person (P6, P23). Values with their limits.

What a count rests on is decided in rights/figures.py and at the keeper; what is told of too few persons is None here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.wire_json import Many, Text, Whole
from pbx_bridge.wire_office import KeptMonth
from pbx_bridge.wire_portal import API

REPORT_PATH: Final = API + "/report"

MONTH: Final = Text(7, 7, "[0-9]{4}-[0-9]{2}")
COUNT: Final = Whole(0, 1 << 40)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many calls ended so."""

    what: Annotated[str, Text(80)]
    """An outcome, or `OUTCOME/REASON`; `other` for those of too few persons each."""
    calls: Annotated[int, COUNT]


@dataclass(frozen=True, slots=True)
class MonthTold:
    """One month."""

    month: Annotated[str, MONTH]
    hidden: Annotated[str, Text(16, 0, "([a-z]+)?")]
    """Why nothing is told: `few` persons, or the month is still `running`; "" when it is told."""
    calls: Annotated[int, COUNT] | None
    minutes: Annotated[int, COUNT] | None
    """Recorded, rounded; None where too few persons were."""
    outcomes: Annotated[tuple[Counted, ...], Many(64)]
    reasons: Annotated[tuple[Counted, ...], Many(512)]


@dataclass(frozen=True, slots=True)
class ReportTold:
    """The figures of `pbx-bridge report`; its texts are a page's, or the command's."""

    made_on: Annotated[str, Text(10, 0, "([0-9]{4}-[0-9]{2}-[0-9]{2})?")]
    capacity_minutes: Annotated[int, COUNT]
    """What the trainers declared to be able to review a week, together (P15)."""
    months: Annotated[tuple[MonthTold, ...], Many(1_200)]
    """Oldest first."""
    retained: Annotated[tuple[KeptMonth, ...], Many(24)]
    """How far each month's recordings came to the end of their time (P20)."""
