"""What a trainer does at the portal, once for pages and API alike: each asks the keeper first.

It decides nothing: who asks, and whether they may, the keeper says; a plan's rules are the catalogue's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from pbx_bridge import wire_portal as words
from pbx_bridge.access.refused import refused_for
from pbx_bridge.archive.office_wire import Week as TrainersWeek
from pbx_bridge.portal.training import Trained, Week
from pbx_bridge.training.plans import plan_digest, plan_text
from pbx_bridge.wire_office import PlanRefused, TurnedDown

MS_A_MINUTE: Final = 60_000

Proposed: TypeAlias = Callable[[], Iterable[str]]
"""The texts of the plans and capacities there are now, approved or not (training/plans.py)."""
Book: TypeAlias = Callable[[str, words.SlotAsked], None]
"""Books or cancels the slot for the trainer of that name. Raises: words.Refused. Called in a thread."""


class Keeper(Protocol):
    """The questions that are carried on. Raises: words.Refused, KeeperUnreachable."""

    async def training(self, token: bytes) -> TrainersWeek: ...

    async def book(self, token: bytes, plan: str, *, cancel: bool) -> str: ...

    async def turned_down(self) -> tuple[TurnedDown, ...]: ...


@dataclass(frozen=True, slots=True)
class WeekShown:
    """A trainer's week with what still waits for them."""

    week: Week
    waiting_minutes: int
    refused: Mapping[str, PlanRefused] = field(default_factory=dict)
    """By their names, those of the plans that an approver refused as they stand now."""


def no_slots(trainer: str, asked: words.SlotAsked) -> None:
    """For a portal without a catalogue. Raises: words.Refused."""
    raise words.Refused("slot", "no slots are booked here")


class TrainersDesk:
    def __init__(self, keeper: Keeper, trained: Trained, book: Book) -> None:
        self._keeper, self._trained, self._book = keeper, trained, book

    async def week(self, token: bytes) -> WeekShown:
        """Of the trainer who visits, and of nobody else (P15, P22). Raises: words.Refused."""
        found = await self._keeper.training(token)
        week = await asyncio.to_thread(self._trained, found.trainer)
        plans = {plan_digest(plan): plan.id for plan in week.plans}
        told = refused_for(words.Role.TRAINER, map(plan_text, week.plans), await self._keeper.turned_down())
        refused = {plans[one.digest]: one for one in told}
        return WeekShown(week, round(found.waiting_ms / MS_A_MINUTE), refused)

    async def slot(self, token: bytes, asked: words.SlotAsked) -> None:
        """P11: the keeper says which trainer asks; the catalogue's rules decide. Raises: words.Refused."""
        trainer = await self._keeper.book(token, asked.plan, cancel=asked.cancel)
        await asyncio.to_thread(self._book, trainer, asked)
