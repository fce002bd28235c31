"""`pbx-bridge number`: the lists of numbers, queues and contexts with which no call is recorded (P12, P16).

A number is asked for when it does not stand on the command line, so that it need not lie in the shell's history. It leaves
here only as a keyed hash; nobody can list numbers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Annotated

import typer

from pbx_bridge.app_places import number_lists_of
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.telephony.number_lists import Kind, NumberLists, listed
from pbx_bridge.telephony.numbers import hashes, number_hash

Number = Annotated[
    str | None, typer.Argument(help="Asked for when not given; as in 0612345678.", metavar="NUMBER")
]
Queue = Annotated[str | None, typer.Option(help="A queue, by its name in queues.conf.")]
Context = Annotated[str | None, typer.Option(help="A dialplan context calls come in by.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and say, change nothing.")]


def add_to(app: typer.Typer, config: Callable[[], Config]) -> None:
    """Adds the commands; `config` loads the configuration that was chosen."""
    number = typer.Typer(help="With whom no call is recorded.", no_args_is_help=True)
    app.add_typer(number, name="number")

    @number.command()
    def never(
        number: Number = None, queue: Queue = None, context: Context = None, dry_run: DryRun = False
    ) -> None:
        """Never record calls with a number, queue or context. Example: pbx-bridge number never --queue works-council"""
        chosen = config()
        lists = number_lists_of(chosen)
        kind, value = _entry(lists, number, queue, context)
        if not dry_run:
            lists.add(kind, value)
        print("it would never be recorded" if dry_run else "never recorded, from the next call on")

    @number.command()
    def optout(
        number: Number = None,
        months: Annotated[int | None, typer.Option(help="As configured when not given; 36 at most.")] = None,
        dry_run: DryRun = False,
    ) -> None:
        """A person objects outside a call. Example: pbx-bridge number optout"""
        chosen = config()
        lists = number_lists_of(chosen)
        hashed = _hashed(lists, number)
        lists.opt_out(hashed, months if months is not None else chosen.recording.opt_out_months)
        if not dry_run:
            lists.keep()
        print("it would not be recorded" if dry_run else "not recorded, from the next call on")

    @number.command()
    def forget(
        number: Number = None, queue: Queue = None, context: Context = None, dry_run: DryRun = False
    ) -> None:
        """Take an entry back. Example: pbx-bridge number forget --context from-doctor"""
        lists = number_lists_of(config())
        _, value = _entry(lists, number, queue, context)
        stands = any(entry.value == value for entry in lists.entries())
        if not stands:
            raise OperatorError("it stands on no list", do="pbx-bridge number list")
        if not dry_run:
            lists.forget(value)
        print("it would be taken back" if dry_run else "taken back")

    @number.command()
    def check(number: Number = None) -> None:
        """On which lists a number stands. Example: pbx-bridge number check"""
        lists = number_lists_of(config())
        readings = hashes(lists.key, number or _asked())
        print(", ".join(listed(lists.lists(), readings)) or "on no list")

    @number.command("list")
    def list_(as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False) -> None:
        """How many numbers, and which queues and contexts. Example: pbx-bridge number list --json"""
        entries = number_lists_of(config()).entries()
        counts = Counter(entry.kind for entry in entries)
        named = {k: sorted(e.value for e in entries if e.kind is k) for k in (Kind.QUEUE, Kind.CONTEXT)}
        if as_json:
            names = {kind.value: values for kind, values in named.items()}
            print(json.dumps({kind.value: counts[kind] for kind in (Kind.NEVER, Kind.OPTED_OUT)} | names))
            return
        print(f"never recorded: {counts[Kind.NEVER]} numbers, and the emergency numbers")
        print(f"opted out: {counts[Kind.OPTED_OUT]} numbers")
        for kind, values in named.items():
            print(f"{kind.value}: {', '.join(values) or 'none'}")


def _entry(
    lists: NumberLists, number: str | None, queue: str | None, context: str | None
) -> tuple[Kind, str]:
    if sum(one is not None for one in (number, queue, context)) > 1:
        raise OperatorError("give a number, a queue or a context, one at a time")
    if queue is not None:
        return Kind.QUEUE, queue
    if context is not None:
        return Kind.CONTEXT, context
    return Kind.NEVER, _hashed(lists, number)


def _hashed(lists: NumberLists, number: str | None) -> str:
    try:
        return number_hash(lists.key, number or _asked())
    except ValueError as error:
        raise OperatorError(f"this is no telephone number: {error}", do="Write digits") from None


def _asked() -> str:
    return str(typer.prompt("Number"))
