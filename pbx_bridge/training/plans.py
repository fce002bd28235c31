"""Who is trained on what, by whom, until when: the words of a training plan (P13).

Values only, checked once where they enter (config today, the catalogue later). It never knows a call or a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from pbx_bridge.ids import TraineeId


class Need(Enum):
    """The closed list of reasons for which a person may be recorded (P13)."""

    NEW_IN_POST = "new-in-post"
    NEW_APPLICATION = "new-application"
    BACK_AFTER_ABSENCE = "back-after-absence"


@dataclass(frozen=True, slots=True)
class Mask:
    """A part of the window that is always neutral (P7), in pixels of the window; negative x, y count from its far edge."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Application:
    """One business application: which process and which window class (P3)."""

    name: str
    executable: str
    """Resolved path of the program file the process runs."""
    main_program: str | None
    """For an interpreter: the script or archive it runs; required then."""
    wm_class: str
    title: str | None = None
    """Regular expression that narrows further; never the whole match."""
    sha256: str | None = None
    masks: tuple[Mask, ...] = ()
    pause_titles: tuple[str, ...] = ()
    """Regular expressions: while the window's title matches one, both tracks pause (P7)."""


@dataclass(frozen=True, slots=True)
class Trainer:
    id: str
    review_minutes_per_week: int
    """How much recorded time this trainer declared to be able to review a week (P15)."""


@dataclass(frozen=True, slots=True)
class Trainee:
    id: TraineeId
    endpoints: tuple[str, ...]
    """PBX devices, as technology and name: "PJSIP/201"."""
    member: str
    """The queue member's name or site variable that names this person at a shared device, "" if unused."""
    login: str
    """Operating system login at the workstation."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A span a trainer booked: calls answered in it are recorded without the draw, within the same caps (P11, P15)."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """A dated, individual enrolment (P13)."""

    id: str
    trainee: TraineeId
    applications: tuple[Application, ...]
    need: Need
    trainer: str
    approver: str
    first_day: date
    last_day: date
    """The last day on which it holds."""
    rate: float
    """Probability that a call is drawn, 0..0.25 (P11)."""
    recordings_per_week: int
    minutes_per_week: int
    slots: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True)
class Used:
    """What a trainee's ledger shows for the current week (P15)."""

    recordings: int
    minutes: float


class DrawKind(Enum):
    SLOT = "slot"
    DRAWN = "drawn"


@dataclass(frozen=True, slots=True)
class Draw:
    """The one decision of a call, taken before any capture (P11)."""

    plan: Plan
    kind: DrawKind
    at_unix: float
    """Wall time of the draw, seconds."""
    minutes_left: float = 0.0
    """What the plan's weekly minutes still allow: the recording is no longer than that (P15)."""
