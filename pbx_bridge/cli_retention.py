"""`pbx-bridge purge`: what has ended is destroyed now; the running bridge does the same each hour (P20).

It asks the running keeper, which alone decides what has ended, and removes the files of what was destroyed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pbx_bridge.app_parts import keeper_socket
from pbx_bridge.app_retention import Retention
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.keeper_wire import Gone
from pbx_bridge.archive.sentences import when
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import write_fields
from pbx_bridge.wire_portal import KeeperUnreachable, Refused


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


async def _purge(config: Config, *, dry_run: bool) -> list[Gone]:
    link = KeeperLink(keeper_socket(config))
    state = config.bridge.state_dir
    try:
        return await Retention(link, state / "sealed", state / "retention").purge(
            dry_run=dry_run, by_hand=True
        )
    except KeeperUnreachable as error:
        raise OperatorError(str(error), do="Is the bridge running? Start it: pbx-bridge serve") from error
    except Refused as error:
        raise OperatorError(str(error)) from error
    finally:
        await link.close()
