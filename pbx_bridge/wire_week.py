"""A trainer's week and a trainee's notice, as a program may read them. Values with their limits.

Nothing here scores a person: room for review, plans that hold, and technical faults (P6, P15, P24).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.wire_json import Many, Text, Whole
from pbx_bridge.wire_office import PlanRefused
from pbx_bridge.wire_portal import API, MAX_ACT_CHARS, NAME, UNIX

WEEK_PATH: Final = API + "/week"
NOTICE_PATH: Final = API + "/notice/{language}"

MAX_MINUTES: Final = 100_000
MAX_PLANS: Final = 400
MAX_FAULTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Booked:
    """One slot of a plan (P11)."""

    start: Annotated[int, UNIX]
    minutes: Annotated[int, Whole(0, MAX_MINUTES)]


@dataclass(frozen=True, slots=True)
class OwnPlan:
    """A plan that names the asker as its trainer."""

    plan: Annotated[str, NAME]
    text: Annotated[str, Text(MAX_ACT_CHARS, lines=True)]
    """`plan_text` of training/plans.py: what was approved, or waits for it."""
    slots: Annotated[tuple[Booked, ...], Many(1_000)]
    refused: PlanRefused | None = None
    """Its approver refused this very text (P22): nothing is recorded under it."""


@dataclass(frozen=True, slots=True)
class TechnicalFault:
    """A call that was not recorded for a technical reason (P24)."""

    trainee: Annotated[str, NAME]
    at: Annotated[int, UNIX]
    reason: Annotated[str, Text(32)]


@dataclass(frozen=True, slots=True)
class TrainersWeek:
    """This week of the trainer who asks (P15): what they can review, what was recorded, what still waits for them."""

    capacity_minutes: Annotated[int, Whole(0, MAX_MINUTES)]
    recorded_minutes: Annotated[int, Whole(0, MAX_MINUTES)]
    waiting_minutes: Annotated[int, Whole(0, MAX_MINUTES)]
    plans: Annotated[tuple[OwnPlan, ...], Many(MAX_PLANS)]
    faults: Annotated[tuple[TechnicalFault, ...], Many(MAX_FAULTS)]


@dataclass(frozen=True, slots=True)
class NoticeInForce:
    """P14: the notice of the trainee who asks; `text` and `notice` are "" where none is in force."""

    text: Annotated[str, Text(20_000, 0, lines=True)]
    notice: Annotated[str, Text(64, 0, "([0-9a-f]{64})?")]
    """SHA-256 of the text that their workstation asks them to acknowledge."""
