"""`pbx-bridge init`: six questions, each answerable by an option, and a site with the strict defaults.

It asks and prints; what it does with the answers is app_init.py's.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pbx_bridge.app_init import Answers, PbxKind, Site, establish, read_answers
from pbx_bridge.cli_change import AsJson
from pbx_bridge.config import DEFAULT_PATH
from pbx_bridge.errors import OperatorError

QUESTIONS = (
    ("host", "1. Name or address by which workstations and trainers reach this server"),
    ("controller", "2. Who answers for the processing; where people ask for their rights (NAME, ADDRESS; CONTACT)"),
    ("assessment", "3. Impact assessment and its date (as in DPIA-2026-04, 2026-03-03)"),
    ("works_council", "4. Works council: its consultation, or why none is due"),
    ("people", "5. Short names of the trainer and of who approves and audits (as in bruno carla)"),
    ("trainee", "6. First trainee: short name, PBX device, login (as in alice PJSIP/201 amartin; empty for none)"),
)  # fmt: skip
INCLUDE = {
    PbxKind.ASTERISK: "Asterisk: include the four files of dialplan/asterisk (its README.md); the two secrets are in",
    PbxKind.FREESWITCH: "FreeSWITCH: copy the files of dialplan/freeswitch (its README.md); the password is in",
}
Text = Annotated[str | None, typer.Option(help="Asked for when not given.")]


class Language(Enum):
    FR = "fr"
    EN = "en"


def add_to(app: typer.Typer, chosen: Callable[[], Path]) -> None:
    """Adds the command; `chosen` is where the configuration goes."""

    @app.command()
    def init(
        host: Text = None,
        controller: Text = None,
        assessment: Text = None,
        works_council: Text = None,
        people: Text = None,
        trainee: Text = None,
        language: Annotated[Language, typer.Option(help="Of what trainees read.")] = Language.FR,
        state_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(
            "/var/lib/pbx-bridge"
        ),
        run_dir: Annotated[Path, typer.Option(help="Where the keeper's socket is.")] = Path(
            "/run/pbx-bridge"
        ),
        pbx: Annotated[
            PbxKind | None, typer.Option(help="Which PBX; left out: the one installed on this machine.")
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Print the configuration, do nothing.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """Set a new site up: at most six questions, then invite links. Example: sudo pbx-bridge init"""
        given = (host, controller, assessment, works_council, people, trainee)
        answers = Answers(*map(_answer, QUESTIONS, given))
        path = chosen().absolute()
        folders = path.parent, state_dir.absolute(), run_dir.absolute()
        site = read_answers(answers, *folders, language.value, pbx or PbxKind.here())
        if dry_run:
            print(site.toml, end="")
            return
        invited = establish(site, path)
        if as_json:
            print(json.dumps({"config": str(path), **asdict(invited)}))
            return
        print(f"{path}: written\n")
        print(f"For {site.approver}. {invited.approver}\n\nFor {site.trainer}. {invited.trainer}\n")
        if site.trainee is not None:
            print(f"At {site.trainee.id}'s workstation, within 15 minutes:\n  {invited.station}\n")
        print(_next(path, site))


def _answer(question: tuple[str, str], given: str | None) -> str:
    name, text = question
    if given is not None:
        return given.strip()
    usual = socket.getfqdn() if name == "host" else ""
    print(f"{text}{f' [{usual}]' if usual else ''}: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline(10_000)
    if not line and name != "trainee":
        raise OperatorError(
            "there is no answer", where=f"--{name.replace('_', '-')}", do="Answer it, or give that option"
        )
    return line.strip() or usual


def _next(path: Path, site: Site) -> str:
    trainer, approver, trainee = site.trainer, site.approver, site.trainee.id if site.trainee else "alice"
    pages = f"https://{site.config.stations.names[0]}:{site.config.portal.listen.port}/"
    here = "pbx-bridge" if path == DEFAULT_PATH else f"pbx-bridge --config {path}"
    return f"""Next:
  1. {INCLUDE[site.pbx]} {path.parent}/*.secret
  2. {here} doctor, then serve (docs/operations.md has the systemd unit); the links work once it serves
  3. {here} application add orders --executable /opt/orders/orders --wm-class Orders
  4. {here} plan add {trainee}-orders --trainee {trainee} --application orders --need new-in-post \\
       --trainer {trainer} --approver {approver}
  5. {approver}, on a machine of their own, after joining: pbx-bridge proposals, then approve and confirm
  6. In a browser, at {pages}, instead of these codes; {approver} first (README.md, The portal):
       {here} person invite {approver} --role approver --role auditor --browser
       {here} person invite {trainee} --role trainee --browser
Codes that have run out: {here} person invite, station invite."""
