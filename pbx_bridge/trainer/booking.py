"""A trainer's command: book, for a span in which a trainee's calls are recorded without the draw (P11, P15).

It knows a plan's name and a time; the bridge decides, and the same weekly caps hold.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from pbx_bridge.errors import OperatorError
from pbx_bridge.trainer.arguments import Add
from pbx_bridge.trainer.bridge import Bridge
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import SlotAsked, write_body

Visit: TypeAlias = Callable[[argparse.Namespace], Bridge]


def add_commands(add: Add, visit: Visit) -> None:
    """Adds the command."""
    booking = add(
        "book",
        lambda arguments: _book(arguments, visit),
        "The trainer: book a slot of your trainee's plan, at most two hours a day; calls in it count against the same caps.",
        "pbx-bridge book alice-orders --start 2026-11-24T09:00 --minutes 60",
    )
    booking.add_argument("plan", metavar="PLAN", help="the plan's name")
    booking.add_argument(
        "--start", required=True, metavar="TIME", help="as 2026-11-24T09:00, in this machine's zone"
    )
    booking.add_argument("--minutes", type=int, default=60, metavar="N", help="1 to 120 (default 60)")
    booking.add_argument("--cancel", action="store_true", help="take back the slot that starts then")


def _book(arguments: argparse.Namespace, visit: Visit) -> int:
    try:
        start = datetime.fromisoformat(arguments.start).astimezone()
    except ValueError:
        raise OperatorError(
            "this is no time", where=f"--start {arguments.start[:40]}", do="Write it as 2026-11-24T09:00"
        ) from None
    asked = SlotAsked(arguments.plan, int(start.timestamp()), arguments.minutes, arguments.cancel)
    try:
        write_body(asked)
    except Malformed as error:
        raise OperatorError(str(error), do="See pbx-bridge book --help") from None
    with visit(arguments) as bridge:
        bridge.book(asked)
    print(f"{'cancelled' if asked.cancel else 'booked'}: {asked.plan}, {start:%Y-%m-%d %H:%M}")
    return 0
