"""A conversation with the desk: `story >> fact` feeds, `story << orders` compares all orders since the last look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import partial

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.lists import Lists
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import ChannelId, RecordingId, StationId, TraineeId
from pbx_bridge.training.plans import (
    Application,
    Draw,
    Need,
    Plan,
    Trainee,
    Trainer,
    capacity_digest,
    plan_digest,
)
from pbx_bridge.training.rules import who
from pbx_bridge.training.standing import Standing

AGENT, SECOND, CUSTOMER, OTHER = ChannelId("a1"), ChannelId("a2"), ChannelId("c1"), ChannelId("c2")
ALICE, BOB = TraineeId("alice"), TraineeId("bob")
NOTICE = "notice-hash"
CALLER_NOTICE = "caller-notice"
STATION = StationId("desk-1")
SECOND_NS = 10**9


def plan(trainee: TraineeId = ALICE, rate: float = 0.25) -> Plan:
    return Plan(
        id=f"{trainee}-orders",
        trainee=trainee,
        applications=(Application("orders", "/opt/orders/orders", None, "Orders"),),
        need=Need.NEW_IN_POST,
        trainer="bruno",
        approver="carla",
        first_day=date(2026, 11, 1),
        last_day=date(2026, 12, 1),
        rate=rate,
        recordings_per_week=2,
        minutes_per_week=20,
    )


TRAINEES = (
    Trainee(ALICE, ("PJSIP/201", "PJSIP/211"), "Alice", "alice"),
    Trainee(BOB, ("PJSIP/202",), "Bob", "bob"),
)


BRUNO = Trainer("bruno", 600)
PLANS = (plan(), plan(BOB))


def standing(plans: Iterable[Plan] = PLANS, trainer: Trainer = BRUNO) -> Standing:
    """All approved, nothing used, nothing waiting."""
    approved = frozenset({capacity_digest(trainer), *map(plan_digest, plans)})
    return Standing(approved, {}, {trainer.id: trainer}, {}, {})


class Story:
    """One desk, two trainees with a plan, Alice's station live, every draw won unless told otherwise."""

    def __init__(
        self,
        roll: float = 0.0,
        station: bool = True,
        foreign_recorders_allowed: bool = False,
        decided: Callable[[ChannelId, TraineeId, Draw | Reason], None] = lambda *_: None,
        lists: Lists | None = None,
        notice_of: Callable[[TraineeId], str] = lambda _: NOTICE,
        trainees: Iterable[Trainee] = TRAINEES,
    ) -> None:
        self.rolls = 0
        self.roll = roll
        self.standing = standing()
        self.plans: tuple[Plan, ...] = PLANS
        self.orders: list[co.Command] = []
        self._ids = iter(RecordingId(f"rec{number}") for number in range(1, 1000))
        self.desk = Desk(
            directory=partial(who, tuple(trainees)),
            plans=lambda: self.plans,
            notice_of=notice_of,
            standing=lambda: self.standing,
            roll=self._roll,
            now=lambda: datetime(2026, 11, 23, 10, tzinfo=UTC),
            new_recording=lambda: next(self._ids),
            lists=lambda: lists or Lists(),
            foreign_recorders_allowed=foreign_recorders_allowed,
            decided=decided,
        )
        self >> fa.LinkUp(0, ())
        if station:
            self.station()

    def _roll(self) -> float:
        self.rolls += 1
        return self.roll

    def station(self, **changes: object) -> Story:
        self.desk.station_seen(
            STATION,
            ALICE,
            **{"active": True, "locked": False, "acknowledged": NOTICE, **changes},  # type: ignore[arg-type]
        )
        return self

    def __rshift__(self, facts: fa.Fact | Iterable[fa.Fact]) -> Story:
        for fact in facts if isinstance(facts, Iterable) else [facts]:
            self.orders += self.desk.fact(fact)
        return self

    def also(self, orders: list[co.Command]) -> Story:
        self.orders += orders
        return self

    def __lshift__(self, expected: list[co.Command]) -> Story:
        seen, self.orders = self.orders, []
        assert seen == expected, "\n".join(["", *map(repr, seen), "-- expected --", *map(repr, expected)])
        return self

    def kinds(self) -> list[str]:
        """Names of the orders since the last look."""
        seen, self.orders = self.orders, []
        return [type(order).__name__ for order in seen]

    def ledger(self) -> list[co.WriteLedger]:
        seen, self.orders = self.orders, []
        return [order for order in seen if isinstance(order, co.WriteLedger)]


def rings(
    at: int = 0, agent: ChannelId = AGENT, customer: ChannelId = CUSTOMER, to: str = "PJSIP/201"
) -> list[fa.Fact]:
    """The customer, who has heard the notice, is put through and the agent's phone rings."""
    ns = at * SECOND_NS
    return [
        fa.ChannelBorn(ns, customer, "PJSIP/trunk", False, "from-trunk"),
        fa.NoticeHeard(ns, customer, CALLER_NOTICE),
        fa.ChannelBorn(ns, agent, to, False, "internal"),
        fa.Dialled(ns, customer, agent),
        fa.ChannelRinging(ns, agent),
    ]


def answers(
    at: int, agent: ChannelId = AGENT, customer: ChannelId = CUSTOMER, bridge: str = "b1"
) -> list[fa.Fact]:
    ns = at * SECOND_NS
    return [
        fa.ChannelUp(ns, agent),
        fa.BridgeEntered(ns, agent, bridge),
        fa.BridgeEntered(ns, customer, bridge),
    ]


def customer_hangs_up(at: int, agent: ChannelId = AGENT, customer: ChannelId = CUSTOMER) -> list[fa.Fact]:
    ns = at * SECOND_NS
    return [
        fa.BridgeLeft(ns, customer, "b1"),
        fa.ChannelGone(ns + 1, customer, 16),
        fa.BridgeLeft(ns + 2, agent, "b1"),
        fa.ChannelGone(ns + 3, agent, 16),
    ]


def agent_hangs_up(at: int, agent: ChannelId = AGENT, customer: ChannelId = CUSTOMER) -> list[fa.Fact]:
    ns = at * SECOND_NS
    return [
        fa.BridgeLeft(ns, agent, "b1"),
        fa.ChannelGone(ns + 1, agent, 16),
        fa.BridgeLeft(ns + 2, customer, "b1"),
        fa.ChannelGone(ns + 3, customer, 16),
    ]
