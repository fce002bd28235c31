"""P14, P16: what is told to whom before anything is recorded: the trainee, the works council, the caller; one source.

Any change of application, rate, dates or retention changes the trainee's text and so its hash; an acknowledgement names a
hash, so it stops counting by itself. Texts only; it knows no network and no clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from pbx_bridge.archive.rules import KEEP_AFTER_REVIEW_DAYS, KEEP_CEILING_DAYS, REVIEW_WITHIN_DAYS
from pbx_bridge.training.notice_texts import (
    APPLICATION,
    CALLER,
    COUNCIL,
    MASKED,
    NEEDS,
    PAUSED,
    PERSON,
    SPOKEN_STAR,
    TITLED,
    TRAINEE,
    UNNAMED,
    Language,
)
from pbx_bridge.training.plans import Application, Plan, Trainer
from pbx_bridge.training.rules import last_day

NAME_LIMIT: Final = 64
"""Characters of a name or window class in a notice: sixteen applications and devices and the text fit into one message."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for everybody: shown in every notice. Empty where the site said nothing."""

    retention_days: int
    trainee_first_hours: int
    fps: int
    controller: str = ""
    contact: str = ""
    officer: str = ""
    """The data protection officer."""
    notice_key: str = "9"
    """What a caller presses while the announcement is spoken (P16)."""
    objection_code: str = "*9"
    private_code: str = "*6"


@dataclass(frozen=True, slots=True)
class Consulted:
    """What the works council was asked with, and when."""

    assessment: str
    council: str
    dated: date


def trainee_notice(plan: Plan, terms: Terms, language: Language) -> str:
    """P14: the notice of one plan, in plain text."""
    return TRAINEE[language].format(
        **_common(terms, language),
        plan=plan.id,
        person=_person(plan, language),
        need=NEEDS[language][plan.need.value],
        first=plan.first_day.isoformat(),
        last=last_day(plan).isoformat(),
        applications=_applications(plan.applications, language),
        rate=_percent(plan.rate),
        count=plan.recordings_per_week,
        minutes=plan.minutes_per_week,
        fps=terms.fps,
        trainer=plan.trainer,
        approver=plan.approver,
        private_code=terms.private_code,
    )


def council_note(
    plans: Iterable[Plan],
    trainers: Iterable[Trainer],
    terms: Terms,
    consulted: Consulted | None,
    today: date,
    language: Language,
) -> str:
    """P14: the works council's note on the plans that hold `today` or begin later; it names no person."""
    known = [plan for plan in plans if last_day(plan) >= max(today, plan.first_day)]
    needs = sorted({NEEDS[language][plan.need.value] for plan in known})
    named = {plan.trainer for plan in known}
    applications = {application for plan in known for application in plan.applications}
    unnamed = UNNAMED[language]
    return COUNCIL[language].format(
        **_common(terms, language),
        assessment=consulted.assessment if consulted else unnamed,
        council=consulted.council if consulted else unnamed,
        dated=consulted.dated.isoformat() if consulted else unnamed,
        trainees=len({plan.trainee for plan in known}),
        plans=len(known),
        trainers=len(named),
        needs=", ".join(needs) or "-",
        applications=_applications(sorted(applications, key=lambda one: one.name), language) or "  -",
        rate=_percent(max((plan.rate for plan in known), default=0.0)),
        count=max((plan.recordings_per_week for plan in known), default=0),
        minutes=max((plan.minutes_per_week for plan in known), default=0),
        capacity=sum(trainer.review_minutes_per_week for trainer in trainers if trainer.id in named),
        ceiling=KEEP_CEILING_DAYS,
    )


def caller_notice(terms: Terms, language: Language) -> str:
    """P16: what the caller hears when the site words nothing else; the keys are the dialplan's."""
    said = CALLER[language].format(
        notice_key=terms.notice_key, objection_code=terms.objection_code.replace("*", SPOKEN_STAR[language])
    )
    return f"{terms.controller}. {said}" if terms.controller else said


def text_hash(text: str) -> str:
    """SHA-256 of the text, hexadecimal: what a permit names of the caller's notice."""
    return hashlib.sha256(text.encode()).hexdigest()


def _common(terms: Terms, language: Language) -> dict[str, object]:
    unnamed = UNNAMED[language]
    return {
        "controller": terms.controller or unnamed,
        "contact": terms.contact or unnamed,
        "officer": terms.officer or unnamed,
        "first_hours": terms.trainee_first_hours,
        "retention": terms.retention_days,
        "reviewed": KEEP_AFTER_REVIEW_DAYS,
        "unreviewed": REVIEW_WITHIN_DAYS,
    }


def _person(plan: Plan, language: Language) -> str:
    """P13, P14: whom this plan records, so that whoever reads it sees whether they are meant and by which devices."""
    seat = plan.seat
    return PERSON[language].format(
        trainee=plan.trainee,
        login=seat.login or "-",
        devices=", ".join(sorted(seat.endpoints)) or "-",
        member=seat.member or "-",
    )


def _applications(applications: Iterable[Application], language: Language) -> str:
    return "\n".join(
        APPLICATION[language].format(
            name=application.name[:NAME_LIMIT],
            wm_class=application.wm_class[:NAME_LIMIT],
            title=TITLED[language] if application.title else "",
            masks=_counted(MASKED[language], len(application.masks)),
            pauses=_counted(PAUSED[language], len(application.pause_titles)),
        )
        for application in applications
    )


def _counted(text: str, count: int) -> str:
    return text.format(count=count) if count else ""


def _percent(rate: float) -> str:
    """As many digits as the rate has: two rates never read the same."""
    return f"{rate * 100:.10g} %"
