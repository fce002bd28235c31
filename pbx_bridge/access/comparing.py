"""P22: a proposal beside what is in force: each fact of it, what it was, and whether it lets more be recorded.

Pure; it knows texts read back (proposals.py), never who asks. What only the whole text tells stays in the text: it is
read beside this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from pbx_bridge.training.plans import Application, Plan, Trainer

Value: TypeAlias = object
"""A fact as the plan has it: a text, a number, a day, some of them, or an application; None where it is not there."""


class What(Enum):
    """The facts, in the order a person asks for them."""

    TRAINEE = "trainee"
    DEVICES = "devices"
    MEMBER = "member"
    LOGIN = "login"
    NEED = "need"
    APPLICATION = "application"
    TRAINER = "trainer"
    APPROVER = "approver"
    FIRST_DAY = "first-day"
    LAST_DAY = "last-day"
    RATE = "rate"
    RECORDINGS = "recordings"
    MINUTES = "minutes"
    CAPACITY = "capacity"


MORE: frozenset[What] = frozenset({What.RATE, What.RECORDINGS, What.MINUTES, What.CAPACITY, What.LAST_DAY})
"""The greater, or later, the more may be recorded."""
NEITHER: frozenset[What] = frozenset({What.NEED, What.APPROVER})
"""Says why, or who decides; records nobody."""


@dataclass(frozen=True, slots=True)
class Fact:
    what: What
    before: Value
    """None where nothing is in force, or this was not in it."""
    after: Value
    """None where the proposal has it no more."""
    widens: bool

    @property
    def changed(self) -> bool:
        return self.before != self.after


def compared(before: Plan | Trainer | None, after: Plan | Trainer) -> tuple[Fact, ...]:
    """P22: every fact of both. Without anything in force all of it is new, and every fact that records somebody widens."""
    was, now = {} if before is None else _facts(before), _facts(after)
    keys = [*now, *(key for key in was if key not in now)]
    order = {what: place for place, what in enumerate(What)}
    keys.sort(key=lambda key: (order[key[0]], key[1]))
    return tuple(
        Fact(what, was.get((what, name)), now.get((what, name)), _widens(what, name, was, now))
        for what, name in keys
    )


_Key: TypeAlias = tuple[What, str]
"""And an application's name: a plan has several."""


def _facts(one: Plan | Trainer) -> dict[_Key, Value]:
    if isinstance(one, Trainer):
        return {(What.TRAINER, ""): one.id, (What.CAPACITY, ""): one.review_minutes_per_week}
    facts: dict[_Key, Value] = {(What.APPLICATION, each.name): each for each in one.applications}
    return facts | {
        (What.TRAINEE, ""): str(one.trainee),
        (What.DEVICES, ""): one.seat.endpoints,
        (What.MEMBER, ""): one.seat.member,
        (What.LOGIN, ""): one.seat.login,
        (What.NEED, ""): one.need,
        (What.TRAINER, ""): one.trainer,
        (What.APPROVER, ""): one.approver,
        (What.FIRST_DAY, ""): one.first_day,
        (What.LAST_DAY, ""): one.last_day,
        (What.RATE, ""): one.rate,
        (What.RECORDINGS, ""): one.recordings_per_week,
        (What.MINUTES, ""): one.minutes_per_week,
    }


def _widens(what: What, name: str, was: Mapping[_Key, Value], now: Mapping[_Key, Value]) -> bool:
    """P22: whether this fact lets more, or somebody else, be recorded or watched. In doubt it does."""
    before, after = was.get((what, name)), now.get((what, name))
    if after is None or before == after or what in NEITHER:
        return False
    if before is None:
        return True
    if what in MORE:
        return bool(after > before)  # type: ignore[operator]  # two numbers, or two days
    if what is What.FIRST_DAY:
        return bool(after < before)  # type: ignore[operator]
    if isinstance(before, Application) and isinstance(after, Application):
        return not _narrower(before, after)
    return True


def _narrower(before: Application, after: Application) -> bool:
    """P7: the same window with more of it masked, or more moments paused, and nothing else changed."""
    same = replace(before, masks=(), pause_titles=()) == replace(after, masks=(), pause_titles=())
    return (
        same and set(before.masks) <= set(after.masks) and set(before.pause_titles) <= set(after.pause_titles)
    )
