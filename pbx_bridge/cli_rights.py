"""`pbx-bridge report`: what the law asks the controller to have written down, from what is really configured (P23).

Joins configuration, plans and ledger to the pure report of rights/; it decides nothing and prints no person.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from pbx_bridge.app_places import catalogue_of, registry_of, tls_of
from pbx_bridge.catalogue.enrolled import sound
from pbx_bridge.config import Config
from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.ledger import KEPT_DAYS, Ledger
from pbx_bridge.rights.facts import Facts, Settings, facts
from pbx_bridge.rights.figures_file import FiguresFile
from pbx_bridge.rights.page import page
from pbx_bridge.rights.record import Report, as_json
from pbx_bridge.rights.record import report as made_of
from pbx_bridge.rights.words import Language

NAME = "pbx-bridge-report"


def add_to(app: typer.Typer, config: Callable[[], Config]) -> None:
    """Adds the commands; `config` loads the configuration that was chosen."""

    @app.command()
    def report(
        to: Annotated[Path, typer.Option(help="The folder for report.html and report.json.")] = Path(),
        language: Annotated[str, typer.Option(help="fr or en; as configured when not given.")] = "",
        as_json_: Annotated[bool, typer.Option("--json", help="Print the JSON, write no file.")] = False,
    ) -> None:
        """Record of processing, impact assessment's inputs, monthly figures. Example: pbx-bridge report --to /root"""
        whole = make_report(config(), language)
        text = json.dumps(as_json(whole), ensure_ascii=False, indent=2) + "\n"
        if as_json_:
            print(text, end="")
        else:
            _write(to / f"{NAME}.html", page(whole))
            _write(to / f"{NAME}.json", text)
        for missing in whole.missing:
            print(f"pbx-bridge: {missing}", file=sys.stderr)
        if whole.missing:
            raise typer.Exit(1)


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


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise OperatorError(
            f"the report cannot be written: {error.strerror}", where=str(path), do="Choose another --to"
        ) from error
    print(path)
