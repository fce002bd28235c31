"""The report of a site as it is now, for `pbx-bridge report` and for the portal's page (P23).

Joins configuration, plans and ledger to the pure report of rights/; it decides nothing and passes no person on.
"""

from __future__ import annotations

from datetime import datetime

from pbx_bridge.app_places import catalogue_of, registry_of, tls_of
from pbx_bridge.catalogue.enrolled import sound
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ledger import KEPT_DAYS, Ledger
from pbx_bridge.rights.facts import Facts, Settings, facts
from pbx_bridge.rights.figures_file import FiguresFile
from pbx_bridge.rights.record import Report
from pbx_bridge.rights.record import report as made_of
from pbx_bridge.rights.words import Language


def make_report(config: Config, language: str = "") -> Report:
    """The report of a site as it is now. Raises: OperatorError."""
    chosen = language or config.bridge.language
    if chosen not in ("fr", "en"):
        raise OperatorError("the report is written in fr or en", where=f"--language {chosen[:20]!r}")
    folder = config.bridge.state_dir / "ledger"
    months = FiguresFile(folder).months(Ledger(folder).lines())
    spoken: Language = "fr" if chosen == "fr" else "en"
    return made_of(facts_of(config), months, spoken, ledger_days=KEPT_DAYS)


def facts_of(config: Config) -> Facts:
    """What a report may know of this site."""
    compliance, controller = config.compliance, config.controller
    stations = registry_of(config, tls_of(config)).stations()
    settings = Settings(
        controller=controller.name if controller else "",
        contact=controller.contact if controller else "",
        data_protection_officer=controller.data_protection_officer if controller else "",
        impact_assessment=compliance.impact_assessment if compliance else "",
        works_council=compliance.works_council if compliance else "",
        compliance_dated=compliance.dated if compliance else None,
        demonstration=config.bridge.demonstration,
        fps=config.recording.fps,
        retention_days=config.recording.retention_days,
        trainee_first_hours=config.recording.trainee_first_hours,
        notice_languages=tuple(notice.language for notice in config.notice),
        foreign_recorders_allowed=config.pbx.foreign_recorders == "allow",
        opt_out_months=config.recording.opt_out_months,
        payment_pause_s=config.recording.payment_pause_s,
        workstations=sum(station.revoked_at is None for station in stations),
    )
    catalogue = catalogue_of(config)
    enrolled = sound(catalogue.enrolled())
    catalogue.close()
    return facts(settings, enrolled.plans, enrolled.trainers, datetime.now().astimezone().date())
