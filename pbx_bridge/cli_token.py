"""`pbx-bridge token`: what the site's programs ask the portal by: add, list, remove.

A token stands for a program and for no person. Making one is noted in the audit log first, by its name and purpose (P19).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pbx_bridge import wire_portal as words
from pbx_bridge import wire_program as program
from pbx_bridge.app_places import tokens_of
from pbx_bridge.cli_person import Ask
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.tokens import DAY_S, USUAL_DAYS, Held, Purpose, Scope, Tokens

USES = {
    Purpose.PAYMENTS: f'POST {words.PAYMENT_PATH} with {{"trainee": NAME, "moment": "begin" or "end"}}',
    Purpose.MONITORING: f"GET {program.HEALTH_PATH}",
    Purpose.AUDIT_COPY: f"GET {program.CHECKPOINT_PATH}",
}


def commands(config: Callable[[], Config], ask: Ask) -> typer.Typer:
    """The group `pbx-bridge token`."""
    group = typer.Typer(help="Tokens of the site's programs: add, list, remove.", no_args_is_help=True)

    @group.command("add")
    def add(
        name: Annotated[str, typer.Argument(help="A short name for the program that gets it.")],
        purpose: Annotated[
            Purpose, typer.Option("--for", help="What it is for; it is good for nothing else.")
        ],
        scope: Annotated[
            list[Scope] | None, typer.Option(help="Only this of what the purpose allows; may be repeated.")
        ] = None,
        days: Annotated[
            int | None, typer.Option(help="When it ends; at most what its purpose allows.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
    ) -> None:
        """Make a program's token; it is shown once. Example: pbx-bridge token add shop --for payments"""
        site, lasts_s = config(), (USUAL_DAYS[purpose] if days is None else days) * DAY_S
        tokens = tokens_of(site)
        tokens.check(name, purpose, scope or (), lasts_s)
        ask(site, lambda link: link.token_changed(name, purpose.value, made=True))
        made = tokens.make(name, purpose, scope or (), lasts_s=lasts_s)
        held = next(held for held in tokens.all() if held.name == name)
        if as_json:
            print(json.dumps({**_shown(tokens, held), "token": made}))
            return
        url = f"https://{site.stations.names[0]}:{site.portal.listen.port}"
        print(f"{made}\nFor {name} until {_day(held.token.ends_at)}, shown only now:")
        print(f"  {USES[purpose]}\n  at {url}, header: Authorization: Bearer TOKEN")

    @group.command("list")
    def everyone(as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False) -> None:
        """The programs that have one, and until when. Example: pbx-bridge token list"""
        tokens = tokens_of(config())
        rows = [_shown(tokens, held) for held in tokens.all()]
        if as_json:
            print(json.dumps(rows))
            return
        if not rows:
            print("No program has a token. Make one: pbx-bridge token add NAME --for PURPOSE")
            return
        table = Table("name", "for", "scopes", "until")
        for held in tokens.all():
            ended = " (ended)" if tokens.ends(held) else ""
            scopes = ", ".join(scope.value for scope in held.token.scopes)
            table.add_row(held.name, held.token.purpose.value, scopes, _day(held.token.ends_at) + ended)
        Console().print(table)

    @group.command("remove")
    def remove(name: Annotated[str, typer.Argument(help="As `token list` shows it.")]) -> None:
        """End a program's token, at once. Example: pbx-bridge token remove shop"""
        site = config()
        tokens = tokens_of(site)
        found = [held for held in tokens.all() if held.name == name]
        tokens.remove(name)  # first: that must work while the keeper does not
        purpose = found[0].token.purpose.value if found else "unreadable"
        try:
            ask(site, lambda link: link.token_changed(name, purpose, made=False))
        except OperatorError as error:
            raise OperatorError(f"{name} is removed, but the audit log was not told: {error}") from None
        print(f"{name}: removed")

    return group


def _shown(tokens: Tokens, held: Held) -> dict[str, object]:
    token = held.token
    return {
        "name": held.name,
        "for": token.purpose.value,
        "scopes": [scope.value for scope in token.scopes],
        "made_at": token.made_at,
        "ends_at": token.ends_at,
        "ended": tokens.ends(held),
    }


def _day(unix: int) -> str:
    return datetime.fromtimestamp(unix).astimezone().strftime("%Y-%m-%d")
