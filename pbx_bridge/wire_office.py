"""What an approver is told beside a proposal, and what they answer when they refuse one (P13, P22).

Values with their limits, shared by keeper, portal and a person's own machine. It knows forms; it decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Final

from pbx_bridge.wire_json import Many, Text, Whole
from pbx_bridge.wire_portal import API, DIGEST, MAX_ACT_CHARS, NAME, UNIX, Days

WEIGH_PATH: Final = API + "/proposals/weigh"

MAX_TURNED_DOWN: Final = 1_000
MAX_SPANS: Final = 200
"""P13 lets one person have a few in 24 months; the newest."""


class Ground(Enum):
    """Why an approver refuses a proposal: the closed list, so that nothing about a person is written in free words."""

    NEED = "need"
    """The training need is not shown, or is not this one (P13)."""
    PERSON = "person"
    """The person, their devices or login are not right."""
    TRAINER = "trainer"
    """Another trainer, or less capacity (P15)."""
    APPLICATION = "application"
    """The window, its masks or pause titles are not right, or not covered by the assessment (P3, P7, P14)."""
    DAYS = "days"
    """Too long, or at the wrong time."""
    VOLUME = "volume"
    """A higher rate, or more a week, than the need asks for (P11, P15)."""
    PAPERS = "papers"
    """The impact assessment or the works council's consultation does not cover it (P14)."""


@dataclass(frozen=True, slots=True)
class TurnedDown:
    """One proposal its approver refused, by its text's digest. It names nobody who would be recorded."""

    digest: Annotated[str, DIGEST]
    about: Annotated[str, Text(80)]
    """The plan's or the trainer's name."""
    by: Annotated[str, NAME]
    ground: Ground
    at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class PlanRefused:
    """That a plan was refused, as its trainee or trainer reads it (access/refused.py)."""

    digest: Annotated[str, DIGEST]
    """SHA-256 of the plan's text."""
    ground: Ground | None
    """None: it is about another person than the reader."""
    at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class AllTurnedDown:
    refused: Annotated[tuple[TurnedDown, ...], Many(MAX_TURNED_DOWN)]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class KeptMonth:
    """P20: how far a month's recordings came to the end of their time (rights/figures.py)."""

    month: Annotated[str, Text(7, 7)]
    destroyed_percent: Annotated[int, Whole(0, 100)]
    """In quarters. 0: none, or of too few persons to tell; 100: all, or all but those of too few. What a person had
    destroyed is in no number."""


@dataclass(frozen=True, slots=True)
class Retained:
    months: Annotated[tuple[KeptMonth, ...], Many(24)]
    """Oldest first; whole months."""


@dataclass(frozen=True, slots=True)
class Span:
    """P13: days on which this trainee can be, or could have been, recorded by what was approved."""

    first_day: Annotated[str, Text(10, 10)]
    last_day: Annotated[str, Text(10, 10)]
    applications: Annotated[tuple[Annotated[str, Text(64)], ...], Many(64)]


@dataclass(frozen=True, slots=True)
class WeighAsked:
    """An approver asks what the keeper knows beside a proposal."""

    digest: Annotated[str, DIGEST]
    """Of the text, as `proposals` gives it."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the keeper knows beside a proposal's text."""

    days: Annotated[tuple[Days, ...], Many(64)]
    """P13: of each application, before and with it."""
    spans: Annotated[tuple[Span, ...], Many(MAX_SPANS)]
    """The trainee's history, newest first."""
    in_force: Annotated[str, Text(MAX_ACT_CHARS, 0, lines=True)]
    """The text approved now for the same plan or trainer; "" where there is none, or it was not kept."""
    bar: Annotated[str, Text(32, 0)]
    """Why the asker cannot approve it, a word of access/approvals.py; "" when they can."""
    limit: Annotated[int, Whole(0, 1_000)]
    """Days of 24 months that nobody's plans go beyond."""
