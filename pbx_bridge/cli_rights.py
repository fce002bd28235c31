"""`pbx-bridge report`: what the law asks the controller to have written down, from what is really configured (P23).

Writes what app_report.py joins; it decides nothing and prints no person.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pbx_bridge.app_report import make_report
from pbx_bridge.config import Config
from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.rights.page import page
from pbx_bridge.rights.record import as_json

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


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise OperatorError(
            f"the report cannot be written: {error.strerror}", where=str(path), do="Choose another --to"
        ) from error
    print(path)
