"""P12, P16: with whom, and where, no call may be recorded. One pure question; the switchboard asks it.

It knows keyed hashes of numbers, and plain names of queues and contexts as the dialplan has them; it never knows a number.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx_bridge.calls.reasons import Reason

OPT_OUT_MONTHS, OPT_OUT_CEILING_MONTHS = 12, 36
"""P16: how long an objection holds for the number's later calls, unless the configuration says otherwise; and at most."""


@dataclass(frozen=True, slots=True)
class Lists:
    """What holds now. Numbers are hashes (telephony/numbers.py)."""

    never: frozenset[str] = frozenset()
    """Staff representatives, doctors, lawyers and whatever else the site named."""
    emergency: frozenset[str] = frozenset()
    """Counts for what is dialled only: an internal extension may be written like one."""
    opted_out: frozenset[str] = frozenset()
    """Those who objected in an earlier call, as long as that holds."""
    contexts: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    unknown: bool = False
    """They cannot be read: nothing is recorded."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a channel is known by."""

    numbers: tuple[str, ...] = ()
    """Readings of its party's number."""
    dialled: tuple[str, ...] = ()
    """Readings of what was dialled on it."""
    context: str = ""
    queue: str = ""
    enrolled: bool = False
    """It is a trainee's own phone: a customer's objection is not looked for under its number."""
    outbound: bool = False
    """A trainee dialled it, or dialled on it."""


def refused(traits: Traits, lists: Lists) -> Reason | None:
    """P12: why no call with such a channel may be recorded, None when nothing stands against it."""
    if lists.unknown:
        return Reason.BRIDGE_FAULT
    numbers = frozenset((*traits.numbers, *traits.dialled))
    if numbers & lists.never or traits.context in lists.contexts or traits.queue in lists.queues:
        return Reason.NEVER_RECORD
    if traits.outbound and numbers & lists.emergency:
        return Reason.NEVER_RECORD
    if not traits.enrolled and lists.opted_out.intersection(traits.numbers):
        return Reason.OPTED_OUT
    return None
