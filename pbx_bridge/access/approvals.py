"""P13, P22: what a second person approved, who may approve it, and which recordings it covers.

An approval is of a text: `plan_text` or `capacity_text` of training/plans.py, read by the approver on their own machine.
From that text, and from nothing a catalogue says, the keeper takes who may be recorded and who may watch. Pure: it
knows texts, names, roles and days; it never knows a file, a clock or a key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Annotated, Final

from pbx_bridge.access.roles import Person
from pbx_bridge.archive.manifest import Manifest
from pbx_bridge.archive.rules import KEEP_CEILING_DAYS
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import (
    Enrolment,
    Plan,
    Program,
    Trainer,
    capacity_digest,
    plan_digest,
)
from pbx_bridge.training.rules import (
    PLAN_CEILING_DAYS,
    REMEMBERED,
    enrolment,
    most_days,
)
from pbx_bridge.wire_json import Many, Text
from pbx_bridge.wire_portal import DIGEST, NAME, UNIX, Role, said

_ZONES: Final = timedelta(hours=26)
"""The widest a local day can lie from the same day in UTC, and two hours: a plan's days are the site's."""
FOR_EVER: Final = 1 << 36
"""Unix seconds after every plan."""
_NAME_OR_NONE: Final = Text(64, 0, "([A-Za-z0-9][A-Za-z0-9._-]*)?")


class Bar(Enum):
    """Why somebody cannot approve, or refuse, a proposal."""

    NO_APPROVER = "no-approver"
    OWN = "own"
    """They are its trainer or its trainee."""
    OTHER_APPROVER = "other-approver"
    OTHER_ROLE = "other-role"
    """Somebody it names is known here in another role."""
    MONTHS = "months"
    """Six months in any 24 are used, or can be counted no more."""


@dataclass(frozen=True, slots=True)
class Barred:
    bar: Bar
    why: str
    """The sentence."""


class Kind(Enum):
    """What was approved."""

    PLAN = "plan"
    CAPACITY = "capacity"


@dataclass(frozen=True, slots=True)
class Approval:
    """One text that its approver approved. Of a capacity `trainee` and the days are empty."""

    kind: Kind
    digest: Annotated[str, DIGEST]
    about: Annotated[str, Text(80)]
    """The plan's or the trainer's name."""
    trainee: Annotated[str, _NAME_OR_NONE]
    trainer: Annotated[str, NAME]
    approver: Annotated[str, NAME]
    first_day: Annotated[str, Text(10, 0)]
    last_day: Annotated[str, Text(10, 0)]
    at: Annotated[int, UNIX]
    entry: Annotated[str, Text(32, 0)] = ""
    """Which entering of the plan it is."""
    programs: Annotated[tuple[Program, ...], Many(64)] = ()
    """What the plan films."""
    ended: Annotated[int, UNIX] = 0
    """When the bridge told that the plan had been ended before its last day; 0 while it may record."""


@dataclass(frozen=True, slots=True)
class Past:
    """P13: the days an approval had that is not kept itself any more: what six months in any 24 are counted from."""

    trainee: Annotated[str, NAME]
    programs: Annotated[tuple[Program, ...], Many(64)]
    first_day: Annotated[str, Text(10)]
    last_day: Annotated[str, Text(10)]

    def enrolment(self) -> Enrolment:
        first, last = date.fromisoformat(self.first_day), date.fromisoformat(self.last_day)
        return Enrolment(TraineeId(self.trainee), self.programs, first, last)


def past(found: Approval, until: int) -> Past:
    """P13: the days a plan's approval had, the one on which it ended included; `until`: when it ends if it has not."""
    ended = _at(found.ended or until).date().isoformat()
    return Past(found.trainee, found.programs, found.first_day, min(found.last_day, ended))


def approval(proposal: Plan | Trainer, approver: str, at: int) -> Approval:
    """The approval to keep of what `approver` read."""
    if isinstance(proposal, Trainer):
        digest = capacity_digest(proposal)
        return Approval(Kind.CAPACITY, digest, proposal.id, "", proposal.id, approver, "", "", at)
    digest = plan_digest(proposal)
    first, last = proposal.first_day.isoformat(), proposal.last_day.isoformat()
    trainee, trainer = proposal.trainee, proposal.trainer
    programs = tuple(application.program for application in proposal.applications)
    return Approval(
        *(Kind.PLAN, digest, proposal.id, trainee, trainer, approver, first, last, at),
        entry=proposal.entry,
        programs=programs,
    )


def barred(proposal: Plan | Trainer, by: Person, known: Iterable[Person]) -> Barred | None:
    """P13, P22: why `by`, who proved their key, decides nothing about this; None when they can. `known`: everyone's keys."""
    if not by.approves:
        return Barred(Bar.NO_APPROVER, "only an approver whose own key is confirmed can approve (P22)")
    trainer = proposal.id if isinstance(proposal, Trainer) else proposal.trainer
    if by.name == trainer:
        return Barred(Bar.OWN, "the trainer does not approve it themselves (P13): another approver has to")
    if isinstance(proposal, Plan):
        if by.name != proposal.approver:
            why = f"this plan names {proposal.approver} as its approver (P13)"
            return Barred(Bar.OTHER_APPROVER, why)
        if by.name == proposal.trainee:
            return Barred(Bar.OWN, "the trainee does not approve it themselves (P22)")
        if why := _role_refusal(proposal.trainee, Role.TRAINEE, known):
            return Barred(Bar.OTHER_ROLE, why)
    why = _role_refusal(trainer, Role.TRAINER, known)
    return Barred(Bar.OTHER_ROLE, why) if why else None


def approve_refusal(proposal: Plan | Trainer, by: Person, known: Iterable[Person]) -> str:
    """The same as a sentence; "" when they can."""
    found = barred(proposal, by, known)
    return "" if found is None else found.why


def months_refusal(plan: Plan, others: Iterable[Enrolment]) -> str:
    """P13: why this plan cannot be approved beside its trainee's `others`, those that are over included; "" when it can.

    The keeper remembers what was approved: that the catalogue forgot, or never had, a plan changes nothing.
    """
    for program, (_, days) in months(plan, others).items():
        if days > PLAN_CEILING_DAYS:
            return (
                f"with what was approved before, {plan.trainee} could be recorded in {program.name} on {days} days of 24 "
                f"months; at most {PLAN_CEILING_DAYS} (P13): let the plan begin later or end earlier"
            )
    return ""


def months(plan: Plan, others: Iterable[Enrolment]) -> dict[Program, tuple[int, int]]:
    """P13: for each application the days its trainee has of 24 months by `others`, and by this plan too."""
    new, known = enrolment(plan), list(others)
    none = replace(new, programs=())
    return {
        program: (most_days(none, known, program), most_days(new, known, program)) for program in new.programs
    }


def covers(approvals: Iterable[Approval], manifest: Manifest) -> bool:
    """P18, P22: whether an approved plan stands behind this recording: its text, its trainee, its trainer, its days.

    No catalogue is asked: one whose plans, owners, dates or assignments were edited makes a recording that is not covered.
    """
    return any(
        found.kind is Kind.PLAN
        and found.digest == manifest.plan
        and found.trainee == manifest.trainee
        and all(_assigns(found, assignment.trainer, assignment.end) for assignment in manifest.trainers)
        and _instant(found.first_day) - _ZONES <= _at(manifest.start) < _instant(found.last_day, 1) + _ZONES
        and (found.ended == 0 or manifest.start <= found.ended)
        for found in approvals
    )


def is_over(approval: Approval, now: int) -> bool:
    """P13, P20: whether a plan's last recording has gone for good and its person need not be named here any longer."""
    if approval.kind is not Kind.PLAN:
        return False
    return _at(now) > _instant(approval.last_day, 1 + KEEP_CEILING_DAYS) + _ZONES


def is_remembered(one: Past, now: int) -> bool:
    """P13, P20: whether six months in any 24 can still be counted from these days."""
    return _at(now) <= _instant(one.last_day, 1) + REMEMBERED + _ZONES


def _assigns(found: Approval, trainer: str, end: int) -> bool:
    """Whether the plan names this trainer, for no longer than its last recording may be kept."""
    return found.trainer == trainer and _at(end) <= _instant(found.last_day, 1 + KEEP_CEILING_DAYS) + _ZONES


def _role_refusal(name: str, role: Role, known: Iterable[Person]) -> str:
    """P22: a name that is known here in another role cannot be meant in this one."""
    held = {one for person in known if person.name == name and not person.revoked for one in person.roles}
    return "" if not held or role in held else f"{name} is {said(held)} here, so not {role.value} (P22)"


def _instant(day: str, more_days: int = 0) -> datetime:
    return datetime.combine(date.fromisoformat(day) + timedelta(days=more_days), time(), UTC)


def _at(unix: int) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
