"""The server's commands about accounts of the pages: list, end sessions, remove. `person invite --browser` makes one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError

if TYPE_CHECKING:
    from pbx_bridge.portal.web.accounts import Accounts


def _accounts(config: Config) -> Accounts:
    """Loaded late: what judges passphrases takes a while to load, and no other command needs it."""
    from pbx_bridge.portal.web.accounts import Accounts

    return Accounts(config.bridge.state_dir / "accounts")


def commands(config: Callable[[], Config]) -> typer.Typer:
    """The group `pbx-bridge account`."""
    group = typer.Typer(
        help="Accounts of the portal's pages: list, end sessions, remove.", no_args_is_help=True
    )

    @group.command("list")
    def everyone(as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False) -> None:
        """Who has an account for the pages. Example: pbx-bridge account list"""
        found = sorted(_accounts(config()), key=lambda account: account.name)
        if as_json:
            print(json.dumps([{"name": one.name, "made_at": one.made_at} for one in found]))
            return
        table = Table("name", "since")
        for one in found:
            table.add_row(
                one.name, datetime.fromtimestamp(one.made_at).astimezone().isoformat(timespec="seconds")
            )
        Console().print(table)

    @group.command("end-sessions")
    def end_sessions(name: Annotated[str, typer.Argument(help="Their short name.")]) -> None:
        """End every open session of somebody, at once; they sign in again. Example: pbx-bridge account end-sessions bruno"""
        if not _accounts(config()).end_sessions(name):
            raise _nobody(name)
        print(f"{name}: sessions ended")

    @group.command("remove")
    def remove(name: Annotated[str, typer.Argument(help="Their short name.")]) -> None:
        """End an account and its sessions, at once; the key stays as it is. Example: pbx-bridge account remove bruno"""
        if not _accounts(config()).remove(name):
            raise _nobody(name)
        print(f"{name}: removed")

    return group


def _nobody(name: str) -> OperatorError:
    return OperatorError("no account has this name", where=name[:64], do="Look: pbx-bridge account list")
