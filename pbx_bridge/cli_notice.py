"""`pbx-bridge notice`: what trainees, the works council and callers are told, from the live configuration (P14, P16).

It prints; it stores nothing, sends nothing and acknowledges nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, cast

import typer

from pbx_bridge.app_notices import callers_notices, councils_note, trainees_notice
from pbx_bridge.app_places import catalogue_of
from pbx_bridge.catalogue.enrolled import Enrolled, sound
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.notice_texts import Language
from pbx_bridge.wire import notice_hash

Spoken = Annotated[str, typer.Option("--language", help="fr or en; as configured when not given.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a script.")]


def add_to(app: typer.Typer, config: Callable[[], Config]) -> None:
    """Adds the commands; `config` loads the configuration that was chosen."""
    notice = typer.Typer(help="What is told to whom: trainee, council, caller.", no_args_is_help=True)
    app.add_typer(notice, name="notice")

    @notice.command()
    def trainee(
        name: Annotated[str, typer.Argument(help="The trainee's id.")],
        language: Spoken = "",
        as_json: AsJson = False,
    ) -> None:
        """What this trainee acknowledges today. Example: pbx-bridge notice trainee alice --language en"""
        site, chosen = config(), _language(language)
        told = trainees_notice(site, _enrolled(site), TraineeId(name), _today(), chosen)
        if told is None:
            raise OperatorError(
                "no plan of this trainee holds today, so nothing is recorded and nothing is told",
                where=f"trainee {name[:64]!r}",
                do="Look at the plans: pbx-bridge plan list",
            )
        _show(told.text, as_json, language=told.language, hash=notice_hash(told))

    @notice.command()
    def council(language: Spoken = "", as_json: AsJson = False) -> None:
        """The note for the works council's consultation. Example: pbx-bridge notice council > note.txt"""
        site, chosen = config(), _language(language)
        text = councils_note(site, _enrolled(site), _today(), chosen)
        _show(text, as_json, language=chosen or site.bridge.language)

    @notice.command()
    def caller(language: Spoken = "", as_json: AsJson = False) -> None:
        """What callers hear, to be recorded as the named sound. Example: pbx-bridge notice caller --language fr"""
        chosen = _language(language)
        found = [one for one in callers_notices(config()) if chosen in (None, one.language)]
        if not found:
            raise OperatorError("no [[notice]] has this language", where=f"--language {language[:20]!r}")
        if as_json:
            keys = ("language", "sound", "text", "text_hash")
            print(json.dumps([{key: getattr(one, key) for key in keys} for one in found]))
            return
        for one in found:
            print(f"{one.sound} ({one.language}):\n{one.text}\n")


def _show(text: str, as_json: bool, **beside: str) -> None:
    print(json.dumps({**beside, "text": text}) if as_json else text, end="\n" if as_json else "")


def _enrolled(config: Config) -> Enrolled:
    catalogue = catalogue_of(config, dry_run=True)
    try:
        return sound(catalogue.enrolled())
    finally:
        catalogue.close()


def _language(asked: str) -> Language | None:
    if asked not in ("", "fr", "en"):
        raise OperatorError("notices are written in fr or en", where=f"--language {asked[:20]!r}")
    return cast(Language, asked) if asked else None


def _today() -> date:
    return datetime.now().astimezone().date()
