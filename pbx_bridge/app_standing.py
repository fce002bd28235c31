"""What a decision is taken from, kept current in the bridge so that nothing is asked while a phone rings (P11, P15).

The week comes from the ledger's lines, read once and then told one by one; the backlog and the approvals come from the
keeper every two seconds. What the keeper does not say leaves no room and opens nothing. Plans and capacities are the
catalogue's; a hand that changes a row there changes its digest, and the keeper approved another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Protocol

import structlog

from pbx_bridge.archive.opening_wire import Waiting
from pbx_bridge.calls.reasons import Outcome
from pbx_bridge.ids import TraineeId
from pbx_bridge.ledger import BEGAN, Line
from pbx_bridge.training.plans import Plan, Trainer, Used
from pbx_bridge.training.rules import MINUTES_CEILING
from pbx_bridge.training.standing import Standing
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()

REFRESH_S = 2.0
"""How often the keeper is asked what was approved and reviewed."""
MS_A_MINUTE = 60_000


class Keeper(Protocol):
    """The keeper, as far as it is needed here."""

    async def approvals(self) -> frozenset[str]: ...

    async def backlog(self) -> tuple[Waiting, ...]: ...


class Reader(Protocol):
    """The ledger, as far as it is needed here."""

    def lines(self, *, since: date) -> Iterable[Line]: ...

    def stamp(self) -> int: ...


class Standings:
    """`now()` is how things stand; `note` and `take` keep it so. Used from the bridge's loop alone."""

    def __init__(
        self,
        ledger: Reader,
        plans: Callable[[], tuple[Plan, ...]],
        trainers: Callable[[], tuple[Trainer, ...]],
        today: Callable[[], date] = lambda: datetime.now().astimezone().date(),
    ) -> None:
        self._ledger, self._plans, self._trainers, self._today = ledger, plans, trainers, today
        self._monday, self._stamp = date.min, 0
        self._left_open: frozenset[str] | None = None
        """Calls an earlier run was recording when it died; what this run records, the desk itself holds."""
        self._week: dict[str, Line] = {}
        """The last line of each call of this week that was recorded."""
        self._used: dict[TraineeId, Used] = {}
        self._recorded: dict[str, float] = {}
        self._plans_seen: tuple[Plan, ...] | None = None
        self._trainer_of: dict[str, str] = {}
        """Plan to trainer, and trainee to the trainer of one of their plans."""
        self._approved: frozenset[str] | None = None
        self._backlog: dict[str, float] | None = None
        self._sealed_since: list[tuple[str, float]] = []
        """(trainer, minutes) that the keeper's last answer may not hold yet."""

    def now(self) -> Standing:
        """How things stand."""
        monday, stamp = _monday(self._today()), self._ledger.stamp()
        if (self._monday, self._stamp) != (monday, stamp):  # another week, or files came or went
            self._stamp = stamp
            self._load(monday)
        if self._plans_seen is not self._plans():
            self._share_out()
        return Standing(
            approved=self._approved,
            used=self._used,
            trainers={trainer.id: trainer for trainer in self._trainers()},
            recorded_minutes=self._recorded,
            backlog_minutes=self._waiting(),
        )

    def note(self, line: Line) -> None:
        """The ledger has this line now."""
        if self._monday == _monday(self._today()):
            self._keep(line)
            self._count(TraineeId(line.trainee))
        self._share_out()
        if line.outcome == Outcome.RECORDED.value:
            self._sealed_since.append((self._trainer(line), line.seconds / 60))

    @property
    def approved(self) -> frozenset[str] | None:
        """Digests the keeper holds as approved; None while it does not answer."""
        return self._approved

    def asking(self) -> int:
        """Call it before the keeper is asked; `take` wants the answer. What is sealed in between stays counted."""
        return len(self._sealed_since)

    def take(self, asked: int, approved: frozenset[str], waiting: Iterable[Waiting]) -> None:
        """What the keeper answered."""
        self._approved = approved
        backlog: defaultdict[str, float] = defaultdict(float)
        for each in waiting:
            backlog[each.trainer] += each.duration_ms / MS_A_MINUTE
        self._backlog = dict(backlog)
        del self._sealed_since[:asked]

    def lost(self) -> None:
        """The keeper does not answer: nothing is known to be approved or reviewed."""
        self._approved, self._backlog = None, None

    # -- the week -----------------------------------------------------------------------------------------------

    def _load(self, monday: date) -> None:
        self._monday, self._week = monday, {}
        lines = list(self._ledger.lines(since=monday))
        if self._left_open is None:
            self._left_open = frozenset(line.call for line in lines if line.outcome == BEGAN)
        for line in lines:
            self._keep(line)
        self._used = {}
        for trainee in {TraineeId(line.trainee) for line in self._week.values()}:
            self._count(trainee)
        self._share_out()

    def _keep(self, line: Line) -> None:
        self._week.pop(line.call, None)
        open_ = line.outcome == BEGAN and line.call in (self._left_open or ())
        if open_ or line.outcome == Outcome.RECORDED.value:
            self._week[line.call] = line

    def _count(self, trainee: TraineeId) -> None:
        mine = [line for line in self._week.values() if line.trainee == trainee]
        self._used[trainee] = Used(len(mine), sum(map(_minutes, mine)))

    def _share_out(self) -> None:
        if self._plans_seen is not (plans := self._plans()):
            self._plans_seen = plans
            self._trainer_of = {_person(plan.trainee): plan.trainer for plan in plans}
            self._trainer_of |= {plan.id: plan.trainer for plan in plans}
        recorded: defaultdict[str, float] = defaultdict(float)
        for line in self._week.values():
            recorded[self._trainer(line)] += _minutes(line)
        self._recorded = dict(recorded)

    def _trainer(self, line: Line) -> str:
        """Who reviews it: the plan's trainer; of a plan that is gone, the trainer of that person's other plans."""
        return self._trainer_of.get(line.plan) or self._trainer_of.get(_person(line.trainee), "")

    def _waiting(self) -> dict[str, float] | None:
        if self._backlog is None:
            return None
        waiting = defaultdict(float, self._backlog)
        for trainer, minutes in self._sealed_since:
            waiting[trainer] += minutes
        return dict(waiting)


async def refresh(standings: Standings, keeper: Keeper) -> None:
    """P13, P15: what was approved and what waits for its review, as the keeper holds it now."""
    asked, before = standings.asking(), standings.approved
    try:
        approved, waiting = await keeper.approvals(), await keeper.backlog()
    except (Refused, KeeperUnreachable) as error:
        log.error("the keeper does not say what was approved and reviewed: nothing is drawn", why=str(error))
        standings.lost()
    else:
        standings.take(asked, approved, waiting)
    if standings.approved is not None and standings.approved != before:
        log.info("approvals", in_force=len(standings.approved))


def _minutes(line: Line) -> float:
    """Of a recording that a bridge left open and nobody rebuilt yet: as long as it may be at most."""
    return MINUTES_CEILING if line.outcome == BEGAN else line.seconds / 60


def _person(trainee: str) -> str:
    """A trainee's place in a table of plans; no plan's name has a space."""
    return f"trainee {trainee}"


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
