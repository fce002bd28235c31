"""The site's notices in force: what a workstation is sent, what `pbx-bridge notice` prints, what callers hear.

Joins the configuration and the catalogue to training/notices.py; it words nothing and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pbx_bridge import wire
from pbx_bridge.calls.rules import CEILING_NS
from pbx_bridge.catalogue.enrolled import Enrolled
from pbx_bridge.config import Config
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.notice_texts import Language
from pbx_bridge.training.notices import (
    Consulted,
    Terms,
    caller_notice,
    council_note,
    text_hash,
    trainee_notice,
)
from pbx_bridge.training.rules import current_plan
from pbx_bridge.window_rules import application_rule

CEILING_S = CEILING_NS // 10**9
"""P10."""


@dataclass(frozen=True, slots=True)
class CallerNotice:
    """What callers hear in one language, and in which sound it is spoken."""

    language: Language
    sound: str
    text: str

    @property
    def text_hash(self) -> str:
        return text_hash(self.text)


def terms_of(config: Config) -> Terms:
    """What holds for everybody at this site."""
    rules, controller = config.recording, config.controller
    return Terms(
        rules.retention_days,
        rules.trainee_first_hours,
        rules.fps,
        controller=controller.name if controller else "",
        contact=controller.contact if controller else "",
        officer=controller.data_protection_officer if controller else "",
        notice_key=config.pbx.notice_key,
        objection_code=config.pbx.objection_code,
        private_code=config.pbx.private_code,
    )


def trainees_notice(
    config: Config, enrolled: Enrolled, trainee: TraineeId, today: date, language: Language | None = None
) -> wire.Notice | None:
    """P14: of the plan by which calls are decided today; None when there is none."""
    plan = current_plan(enrolled.plans, trainee, today)
    if plan is None:
        return None
    spoken = language or config.bridge.language
    return wire.Notice(
        language=spoken,
        text=trainee_notice(plan, terms_of(config), spoken),
        applications=tuple(map(application_rule, plan.applications)),
        fps=config.recording.fps,
        ceiling_s=CEILING_S,
    )


def councils_note(config: Config, enrolled: Enrolled, today: date, language: Language | None = None) -> str:
    """P14: for the consultation, from what is configured."""
    named = config.compliance
    consulted = Consulted(named.impact_assessment, named.works_council, named.dated) if named else None
    spoken = language or config.bridge.language
    return council_note(enrolled.plans, enrolled.trainers, terms_of(config), consulted, today, spoken)


def callers_notices(config: Config) -> tuple[CallerNotice, ...]:
    """P16: one per language; what the site did not word itself is worded from the configuration."""
    terms = terms_of(config)
    return tuple(
        CallerNotice(entry.language, entry.sound, entry.text or caller_notice(terms, entry.language))
        for entry in config.notice
    )


def customers_notice(config: Config) -> CallerNotice:
    """P16: the one a customer hears who is called: in the bridge's language, or the first there is."""
    notices = callers_notices(config)
    return {one.language: one for one in notices}.get(config.bridge.language, notices[0])
