"""What a trainer may know of their own trainees' week, as the bridge gathers it: plans, room for review, faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pbx_bridge.training.plans import Plan


@dataclass(frozen=True, slots=True)
class Fault:
    """P24: a call that was not recorded for a technical reason."""

    trainee: str
    at: datetime
    reason: str
    """A word of the ledger's closed list."""


@dataclass(frozen=True, slots=True)
class Week:
    """This week of one trainer."""

    plans: tuple[Plan, ...] = ()
    """Theirs, that hold today or later."""
    capacity_minutes: int = 0
    """What they declared to be able to review a week (P15)."""
    recorded_minutes: int = 0
    faults: tuple[Fault, ...] = ()


Trained: TypeAlias = Callable[[str], Week]
"""The week of the trainer of that name, whom the keeper has proven. Called in a thread."""


def nobody(trainer: str) -> Week:
    """For a portal without a catalogue."""
    return Week()
