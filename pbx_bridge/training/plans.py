"""Who is trained on what, by whom, until when: the words of a training plan (P13).

Values only, checked once where they enter (the catalogue), and the texts an approver approves. It never knows a call or
a window.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import Enum
from typing import Annotated

from pbx_bridge.ids import TraineeId
from pbx_bridge.wire_json import Text


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
class Program:
    """By what an application is the same one in two plans (P13)."""

    name: Annotated[str, Text(64)]
    executable: Annotated[str, Text(1024)]
    main_program: Annotated[str, Text(1024)] | None


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

    @property
    def program(self) -> Program:
        return Program(self.name, self.executable, self.main_program)


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

    @property
    def seat(self) -> Seat:
        return Seat(self.endpoints, self.member, self.login)


@dataclass(frozen=True, slots=True)
class Seat:
    """By what the PBX and a workstation tell a plan's trainee from anybody else, as `Trainee` has it."""

    endpoints: tuple[str, ...] = ()
    member: str = ""
    login: str = ""


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
    ended_on: date | None = None
    """The day from which it no longer holds although `last_day` is not over: it can only shorten."""
    seat: Seat = Seat()
    entry: str = ""
    """Drawn when it was entered: removed and entered again word for word, it is another plan."""

    def holds_on(self, day: date) -> bool:
        """P13: whether the plan is in its dates on `day`."""
        return self.first_day <= day <= self.last_day and (self.ended_on is None or day < self.ended_on)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The days on which a trainee could be recorded in some applications, first and last included (P13)."""

    trainee: TraineeId
    programs: tuple[Program, ...]
    first_day: date
    last_day: date
    """Before `first_day` when no day came."""


def plan_text(plan: Plan) -> str:
    """P13, P22: all of a plan that widens what may be recorded, one fact a line: what an approver reads and approves.

    Values are JSON in ASCII, so that no value can look like another line. Who the trainee is stands there by devices,
    member's name and login too: when those are changed, the plan records nobody until that is approved. Slots (they count
    against the same caps) and an earlier end are left out: they need no second person.
    """
    applications = sorted(plan.applications, key=lambda application: application.name)
    facts: list[tuple[str, object]] = [
        ("plan", plan.id),
        ("entry", plan.entry),
        ("trainee", plan.trainee),
        ("devices", sorted(plan.seat.endpoints)),
        ("member", plan.seat.member),
        ("login", plan.seat.login),
        *(("application", asdict(application)) for application in applications),
        ("need", plan.need.value),
        ("trainer", plan.trainer),
        ("approver", plan.approver),
        ("first day", plan.first_day.isoformat()),
        ("last day", plan.last_day.isoformat()),
        ("rate", plan.rate),
        ("recordings a week", plan.recordings_per_week),
        ("minutes a week", plan.minutes_per_week),
    ]
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in facts)


def text_digest(text: str) -> str:
    """SHA-256 of a text that people approve, hexadecimal: the name it goes by."""
    return hashlib.sha256(text.encode()).hexdigest()


def plan_digest(plan: Plan) -> str:
    """Digest of `plan_text`: what an approval and a recording's manifest name (P18)."""
    return text_digest(plan_text(plan))


def capacity_text(trainer: Trainer) -> str:
    """P15, P22: a trainer's declared review capacity, as an approver reads and approves it."""
    minutes = json.dumps(trainer.review_minutes_per_week)
    return f"trainer: {json.dumps(trainer.id)}\nreview minutes a week: {minutes}\n"


def capacity_digest(trainer: Trainer) -> str:
    """Digest of `capacity_text`."""
    return text_digest(capacity_text(trainer))


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
