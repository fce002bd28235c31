"""What a report is made from: the live configuration as plain values, without a person in it.

`facts` is the only way from plans to a report: it counts and takes extremes, so that no name, id or login of a trainee,
trainer or approver can reach the page (P23). It never knows a call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pbx_bridge.training.plans import Plan, Trainer


@dataclass(frozen=True, slots=True)
class Settings:
    """What the site chose; empty where it said nothing."""

    controller: str
    contact: str
    data_protection_officer: str
    impact_assessment: str
    works_council: str
    compliance_dated: date | None
    demonstration: bool
    fps: int
    retention_days: int
    trainee_first_hours: int
    notice_languages: tuple[str, ...]
    foreign_recorders_allowed: bool
    opt_out_months: int
    """How long a caller's objection keeps their number out."""
    payment_pause_s: int
    """How long a payment may pause a recording before it ends."""
    workstations: int
    """Enrolled, not revoked."""


@dataclass(frozen=True, slots=True)
class Filmed:
    """One application as a report names it."""

    name: str
    program: str
    window_class: str
    narrowed: bool
    """Whether a title pattern narrows it further."""
    pinned: bool
    """Whether its program file's hash is fixed."""
    masks: int
    pause_titles: int


@dataclass(frozen=True, slots=True)
class Volume:
    """All plans that hold on the day of the report, together."""

    plans: int
    trainees: int
    trainers: int
    needs: Mapping[str, int]
    highest_rate: float
    recordings_per_week: int
    """The greatest number that all plans together allow."""
    minutes_per_week: int
    capacity_minutes: int
    """What the trainers of these plans declared to be able to review a week, together."""
    longest_plan_days: int
    booked_slots: int


@dataclass(frozen=True, slots=True)
class Facts:
    made_on: date
    settings: Settings
    filmed: tuple[Filmed, ...]
    volume: Volume


def facts(settings: Settings, plans: Iterable[Plan], trainers: Iterable[Trainer], today: date) -> Facts:
    """P23: the facts of the plans that hold today, without a person."""
    current = [plan for plan in plans if plan.holds_on(today)]
    busy = {plan.trainer for plan in current}
    filmed = {
        application: Filmed(
            application.name,
            application.main_program or application.executable,
            application.wm_class,
            application.title is not None,
            application.sha256 is not None,
            len(application.masks),
            len(application.pause_titles),
        )
        for plan in current
        for application in plan.applications
    }
    volume = Volume(
        plans=len(current),
        trainees=len({plan.trainee for plan in current}),
        trainers=len(busy),
        needs=dict(sorted(Counter(plan.need.value for plan in current).items())),
        highest_rate=max((plan.rate for plan in current), default=0.0),
        recordings_per_week=sum(plan.recordings_per_week for plan in current),
        minutes_per_week=sum(plan.minutes_per_week for plan in current),
        capacity_minutes=sum(one.review_minutes_per_week for one in trainers if one.id in busy),
        longest_plan_days=max(((p.last_day - p.first_day).days + 1 for p in current), default=0),
        booked_slots=sum(len(plan.slots) for plan in current),
    )
    return Facts(today, settings, tuple(sorted(filmed.values(), key=lambda one: one.name)), volume)
