"""What every command that changes the catalogue shares: dry run, JSON, one sentence about what was done."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pbx_bridge.access.roles import roles_refusal
from pbx_bridge.app_places import catalogue_of, keeper_socket
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.office_wire import KnownPerson
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.change import Change
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_office import TurnedDown
from pbx_bridge.wire_portal import KeeperUnreachable, Refused, Role

Load = Callable[[], Config]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a script.")]


def group(what: str) -> typer.Typer:
    return typer.Typer(help=what, no_args_is_help=True)


def plain(value: Any) -> Any:
    """A value of training/plans.py as JSON has it."""
    return json.loads(json.dumps(asdict(value), default=_plain))


def _plain(value: Any) -> str:
    return str(value.isoformat() if isinstance(value, date) else value.value)


def today() -> date:
    """By the server's clock and zone, as the bridge decides by it."""
    return datetime.now().astimezone().date()


def change(
    config: Config, step: Callable[[Change], object], *, done: str, dry_run: bool, as_json: bool
) -> None:
    """Carries `step` out whole or not at all and says so; what `step` returns is the JSON's `result`."""
    catalogue = catalogue_of(config, dry_run=dry_run)
    try:
        with catalogue.change(dry_run=dry_run) as one:
            result = step(one)
    finally:
        catalogue.close()
    if as_json:
        print(json.dumps({"changed": not dry_run, "done": done, "result": result}))
    else:
        print(f"{done}, if this were no dry run: nothing was changed" if dry_run else done)


def read(config: Config) -> Catalogue:
    """To look at only: where there is no catalogue yet, none is made."""
    return catalogue_of(config, dry_run=True)


def show(
    values: Iterable[Any], as_json: bool, heads: Sequence[str], row: Callable[[Any], Iterable[str]]
) -> None:
    """A table, or all there is of each value as JSON."""
    found = list(values)
    if as_json:
        print(json.dumps([plain(value) for value in found]))
        return
    table = Table(*heads)
    for value in found:
        table.add_row(*row(value))
    Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False).print(table)


def one_of(values: Iterable[Any], word: str, name: str, key: str = "id") -> Any:
    """The value of this name. Raises: OperatorError when there is none."""
    for value in values:
        if getattr(value, key) == name:
            return value
    raise OperatorError(
        "there is none of this name", where=f"{word} {name[:64]!r}", do=f"See: pbx-bridge {word} list"
    )


def a_day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise OperatorError(
            f"{text[:32]!r} is not a day", where=option, do="Write it as in 2026-11-24"
        ) from error


def a_time(text: str, option: str) -> datetime:
    """With its zone; without one, the server's own."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise OperatorError(
            f"{text[:32]!r} is not a time", where=option, do="Write it as in 2026-11-24T09:00"
        ) from error


def a_rate(value: float) -> float:
    if not math.isfinite(value):
        raise OperatorError("a rate is a number, as in 0.05 (P11)", where="--rate")
    return value


def approved_now(config: Config) -> frozenset[str] | None:
    """Digests of what is approved; None when the keeper does not answer."""

    async def ask() -> frozenset[str]:
        link = KeeperLink(keeper_socket(config))
        try:
            return await link.approvals()
        finally:
            await link.close()

    try:
        return asyncio.run(ask())
    except (KeeperUnreachable, Refused):
        return None


def refused_now(config: Config) -> dict[str, TurnedDown]:
    """Which proposals were refused, by their digests; none when the keeper does not answer."""

    async def ask() -> tuple[TurnedDown, ...]:
        async with KeeperLink(keeper_socket(config)) as link:
            return await link.turned_down()

    try:
        return {one.digest: one for one in asyncio.run(ask())}
    except (KeeperUnreachable, Refused):
        return {}


def check_roles(config: Config, names: Iterable[str], role: Role) -> None:
    """P22: whoever has a key for another role is not assigned this one. Raises: OperatorError.

    A keeper that does not run cannot be asked here; it refuses the same when a plan of that person is to be approved.
    """

    async def everyone() -> tuple[KnownPerson, ...]:
        async with KeeperLink(keeper_socket(config)) as link:
            return await link.everyone()

    try:
        people = asyncio.run(everyone())
    except (KeeperUnreachable, Refused):
        return
    wanted = set(names)
    for person in people:
        why = roles_refusal({*person.roles, role})
        if why and person.name in wanted and person.state != "revoked":
            raise OperatorError(why, where=f"{role.value} {person.name!r}", do="Choose another person")
