"""`pbx-bridge purge` and `pbx-bridge clock`: what has ended is destroyed now, and a clock in doubt is confirmed (P20).

It asks the running keeper, which alone decides what has ended, and removes the files of what was destroyed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from pbx_bridge.app_places import catalogue_of, keeper_socket
from pbx_bridge.app_retention import Retention
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.retention_wire import Gone
from pbx_bridge.archive.sentences import when
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import write_fields
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

T = TypeVar("T")


def add_to(app: typer.Typer, config: Callable[[], Config]) -> None:
    """Adds the commands; `config` loads the configuration that was chosen."""

    @app.command()
    def purge(
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be destroyed.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
    ) -> None:
        """Destroy what has ended: key, then file. Example: pbx-bridge purge --dry-run"""
        gone = asyncio.run(_purge(config(), dry_run=dry_run))
        if as_json:
            print(json.dumps([write_fields(one) for one in gone]))
            return
        if not gone:
            print("Nothing has ended.")
            return
        table = Table("recording", "ended because", "since", "copies outside")
        for one in gone:
            table.add_row(one.recording, one.reason, when(one.since), ", ".join(one.copies) or "none")
        Console().print(table)
        print(f"{len(gone)} {'would be' if dry_run else 'were'} destroyed.")
        if any(one.copies for one in gone) and not dry_run:
            print("Ask those named to delete what they fetched: nobody else can (docs/privacy.md).")

    clock = typer.Typer(help="The bridge's time: show it, confirm it.", no_args_is_help=True)
    app.add_typer(clock, name="clock")

    @clock.command("show")
    def show(as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False) -> None:
        """Whether retention's time is believed; exit code 1 when not. Example: pbx-bridge clock show"""
        beat = asyncio.run(_asked(config(), lambda link: link.pulse()))
        if as_json:
            print(json.dumps(write_fields(beat)))
        else:
            print(_DOUBTS[beat.doubt])
            print(f"last believed: {when(beat.high)}; this machine says: {when(int(time.time()))}")
        if beat.doubt:
            raise typer.Exit(1)

    @clock.command("confirm")
    def confirm() -> None:
        """Say that this machine's time is right, after comparing it. Example: pbx-bridge clock confirm"""
        asyncio.run(_asked(config(), lambda link: link.confirm_clock()))
        print(f"Confirmed: it is {when(int(time.time()))}. Recording, opening and purging go on.")


_DOUBTS: Final = {
    "": "The time is believed.",
    "step": "The clock was set by more than five minutes while the bridge ran.",
    "back": "The machine started with a time before the last one that was believed.",
    "gap": "The keeper was away for more than seven days: off, with a wrong clock, or restored from a backup.",
    "restart": "The machine started again more than five minutes later, and no source of time vouches for its clock yet.",
    "restored": "This keeper is a backup older than seven days: it opens nothing, and nobody can confirm it.",
}
"""Each word of archive.clock.Doubt, for a person."""


async def _purge(config: Config, *, dry_run: bool) -> list[Gone]:
    state, notes = config.bridge.state_dir, catalogue_of(config).recordings

    async def ask(link: KeeperLink) -> list[Gone]:
        retention = Retention(link, state / "sealed", state / "retention", notes)
        return await retention.purge(dry_run=dry_run, by_hand=True)

    return await _asked(config, ask)


async def _asked(config: Config, question: Callable[[KeeperLink], Coroutine[Any, Any, T]]) -> T:
    """One question to the running keeper. Raises: OperatorError when it does not run or refuses."""
    link = KeeperLink(keeper_socket(config))
    try:
        return await question(link)
    except KeeperUnreachable as error:
        raise OperatorError(str(error), do="Is the bridge running? Start it: pbx-bridge serve") from error
    except Refused as error:
        raise OperatorError(str(error)) from error
    finally:
        await link.close()
