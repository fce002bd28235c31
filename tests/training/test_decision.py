"""One decision a call: leave, room, chance, in this order; over a month nothing that is limited is ever passed."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.app import random_roll
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.calls.rules import CEILING_NS, longest_ns
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.decision import allowance, decide, drawn, still
from pbx_bridge.training.plans import Draw, DrawKind, Plan, Slot, Trainer, Used, capacity_digest, plan_digest
from pbx_bridge.training.rules import current_plan
from pbx_bridge.training.standing import Held, Standing
from tests.calls.story import ALICE, BOB, BRUNO, plan, standing

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
PLAN = plan()
BOOKED = replace(PLAN, slots=(Slot(NOW, NOW + timedelta(minutes=30)),))


def ask(
    it: Plan = PLAN,
    *,
    at: datetime = NOW,
    roll: float = 0.0,
    held: tuple[Held, ...] = (),
    stand: Standing | None = None,
) -> Draw | Reason:
    return decide((it,), ALICE, at, stand or standing((it,)), held, roll)


def with_used(recordings: int, minutes: float) -> Standing:
    return replace(standing(), used={ALICE: Used(recordings, minutes)})


def won(decision: Draw | Reason) -> Draw:
    assert isinstance(decision, Draw), decision
    return decision


def test_a_draw_names_its_plan_and_its_time() -> None:
    assert ask() == Draw(PLAN, DrawKind.DRAWN, NOW.timestamp(), 20.0)


def test_leave_comes_first() -> None:
    assert decide((), ALICE, NOW, standing(), (), 0.0) is Reason.NO_PLAN
    assert decide((PLAN,), TraineeId("eve"), NOW, standing(), (), 0.0) is Reason.NO_PLAN
    assert ask(at=NOW + timedelta(days=60)) is Reason.PLAN_ENDED
    assert ask(at=NOW - timedelta(days=60)) is Reason.PLAN_ENDED
    assert ask(replace(PLAN, ended_on=NOW.date())) is Reason.PLAN_ENDED


def test_six_months_used_up_end_a_plan_by_themselves() -> None:
    """P13, whatever a command let through or a hand wrote."""
    long = replace(PLAN, id="old", first_day=PLAN.first_day - timedelta(days=170), last_day=PLAN.first_day)
    plans = (replace(long, last_day=PLAN.first_day - timedelta(days=1)), PLAN)
    assert isinstance(decide(plans, ALICE, PLAN_DAY_14, standing(plans), (), 0.0), Draw)
    assert (
        decide(plans, ALICE, PLAN_DAY_14 + timedelta(days=1), standing(plans), (), 0.0) is Reason.PLAN_ENDED
    )


PLAN_DAY_14 = datetime(2026, 11, 14, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLAN, rate=0.2),
        replace(PLAN, recordings_per_week=3),
        replace(PLAN, minutes_per_week=21),
        replace(PLAN, last_day=PLAN.last_day + timedelta(days=1)),
        replace(PLAN, trainer="bruno", approver="dora"),
        replace(PLAN, applications=(replace(PLAN.applications[0], wm_class="Mail"),)),
    ],
)
def test_what_the_approver_did_not_read_opens_nothing(changed: Plan) -> None:
    assert ask(changed, stand=standing((changed,)), roll=0.0) != Reason.NOT_APPROVED
    assert ask(changed, stand=standing((PLAN,))) is Reason.NOT_APPROVED
    draw = Draw(changed, DrawKind.DRAWN, 0.0)
    assert still(draw, (changed,), NOW, standing((PLAN,)), ()) is Reason.NOT_APPROVED


def test_a_slot_and_an_earlier_end_need_no_second_approval() -> None:
    assert won(ask(BOOKED, stand=standing((PLAN,)), roll=0.99)).kind is DrawKind.SLOT
    shorter = replace(PLAN, ended_on=NOW.date() + timedelta(days=1))
    assert isinstance(ask(shorter, stand=standing((PLAN,))), Draw)


def test_a_capacity_nobody_approved_opens_nothing() -> None:
    raised = replace(standing(trainer=Trainer("bruno", 60)), trainers={"bruno": Trainer("bruno", 600)})
    assert ask(stand=raised) is Reason.NOT_APPROVED
    assert ask(stand=replace(standing(), trainers={})) is Reason.NOT_APPROVED
    only_capacity = replace(standing(), approved=frozenset({capacity_digest(BRUNO)}))
    assert ask(stand=only_capacity) is Reason.NOT_APPROVED


def test_then_the_room_of_the_week() -> None:
    assert ask(stand=with_used(2, 1.0)) is Reason.WEEKLY_CAP
    assert ask(stand=with_used(1, 20.0)) is Reason.WEEKLY_CAP
    assert won(ask(stand=with_used(1, 19.5))).minutes_left == 0.5
    assert longest_ns(0.5) == 30 * 10**9
    assert longest_ns(600) == CEILING_NS
    assert ask(stand=with_used(1, 0.0), held=(Held(ALICE, "x", 5.0),)) is Reason.WEEKLY_CAP
    assert ask(stand=with_used(0, 0.0), held=(Held(ALICE, "x", 20.0),)) is Reason.WEEKLY_CAP
    assert won(ask(held=(Held(ALICE, "x", 15.0),))).minutes_left == 5.0
    assert won(ask(held=(Held(BOB, "x", 20.0), Held(BOB, "x", 20.0)))).minutes_left == 20.0


def test_then_what_the_trainer_can_review() -> None:
    small = standing(trainer=Trainer("bruno", 30))
    recorded = replace(small, recorded_minutes={"bruno": 25.0, "else": 500.0})
    assert won(ask(stand=recorded)).minutes_left == 5.0
    assert ask(stand=replace(small, recorded_minutes={"bruno": 30.0})) is Reason.CAPACITY
    assert ask(stand=recorded, held=(Held(BOB, "bruno", 5.0),)) is Reason.CAPACITY
    assert won(ask(stand=recorded, held=(Held(BOB, "else", 5.0),))).minutes_left == 5.0
    waiting = replace(small, backlog_minutes={"bruno": 20.0, "else": 500.0})
    assert won(ask(stand=waiting)).minutes_left == 10.0
    assert ask(stand=replace(small, backlog_minutes={"bruno": 30.0})) is Reason.BACKLOG
    both = replace(small, backlog_minutes={"bruno": 20.0})
    assert won(ask(stand=both, held=(Held(BOB, "bruno", 5.0),))).minutes_left == 5.0
    assert ask(stand=replace(small, backlog_minutes=None)) is Reason.BACKLOG, "not known: no room"
    nothing = standing(trainer=Trainer("bruno", 0))
    assert ask(stand=nothing) is Reason.CAPACITY


def test_then_slot_or_chance() -> None:
    assert ask(roll=0.2499).__class__ is Draw
    assert ask(roll=0.25) is Reason.NOT_DRAWN
    booked = won(ask(BOOKED, roll=0.99))
    assert booked.kind is DrawKind.SLOT
    assert ask(BOOKED, at=NOW + timedelta(minutes=30), roll=0.99) is Reason.NOT_DRAWN
    assert ask(BOOKED, at=NOW - timedelta(seconds=1), roll=0.99) is Reason.NOT_DRAWN
    full = replace(standing((BOOKED,)), used={ALICE: Used(2, 0.0)})
    assert ask(BOOKED, stand=full) is Reason.WEEKLY_CAP, "a slot counts against the same caps"


def test_a_ceiling_holds_even_for_a_plan_an_approver_was_brought_to_sign() -> None:
    wide = replace(PLAN, rate=1.0, recordings_per_week=50, minutes_per_week=600)
    boss = Trainer("bruno", 6000)
    stand = standing((wide,), boss)
    assert ask(wide, stand=stand, roll=0.25) is Reason.NOT_DRAWN
    assert won(ask(wide, stand=stand, roll=0.2)).minutes_left == 60.0
    assert ask(wide, stand=replace(stand, used={ALICE: Used(5, 1.0)})) is Reason.WEEKLY_CAP
    assert ask(wide, stand=replace(stand, used={ALICE: Used(1, 60.0)})) is Reason.WEEKLY_CAP
    assert ask(wide, stand=replace(stand, recorded_minutes={"bruno": 600.0})) is Reason.CAPACITY
    assert ask(wide, stand=replace(stand, backlog_minutes={"bruno": 600.0})) is Reason.BACKLOG


def test_what_was_drawn_is_asked_again_when_the_conversation_begins() -> None:
    draw = won(ask())
    assert still(draw, (PLAN,), NOW, standing(), ()) == 20.0
    assert still(draw, (PLAN,), NOW, with_used(2, 1.0), ()) is Reason.WEEKLY_CAP
    assert still(draw, (PLAN,), PLAN_OVER, standing(), ()) is Reason.PLAN_ENDED
    assert still(draw, (), NOW, standing(), ()) is Reason.NO_PLAN
    ended = replace(PLAN, ended_on=NOW.date())
    assert still(draw, (ended,), NOW, standing(), ()) is Reason.PLAN_ENDED
    other = replace(PLAN, id="another")
    assert still(draw, (other,), NOW, standing((PLAN, other)), ()) is Reason.PLAN_ENDED
    assert still(draw, (BOOKED,), NOW, standing(), ()) == 20.0, "a slot booked meanwhile changes nothing"


def test_a_keeper_that_does_not_answer_is_a_fault_and_no_missing_approval() -> None:
    assert ask(stand=replace(standing(), approved=None)) is Reason.BRIDGE_FAULT
    assert still(won(ask()), (PLAN,), NOW, replace(standing(), approved=None), ()) is Reason.BRIDGE_FAULT


PLAN_OVER = datetime(2026, 12, 2, 0, 0, 1, tzinfo=UTC)


def test_what_a_trainee_is_told_is_what_is_decided_by() -> None:
    later = replace(
        plan(rate=0.1),
        id="later",
        first_day=date(2027, 1, 1),
        last_day=date(2027, 2, 1),
    )
    for plans in ((PLAN, later), (later, PLAN)):
        told = current_plan(plans, ALICE, NOW.date())
        assert told == won(decide(plans, ALICE, NOW, standing(plans), (), 0.0)).plan == PLAN


@given(
    used=st.tuples(st.integers(0, 6), st.floats(0, 70)),
    recorded=st.floats(0, 700),
    waiting=st.one_of(st.none(), st.floats(0, 700)),
    declared=st.integers(0, 600),
    others=st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.floats(0, 60)), max_size=4),
)
def test_no_allowance_passes_any_limit(
    used: tuple[int, float],
    recorded: float,
    waiting: float | None,
    declared: int,
    others: list[tuple[TraineeId, float]],
) -> None:
    stand = replace(
        standing(trainer=Trainer("bruno", declared)),
        used={ALICE: Used(*used)},
        recorded_minutes={"bruno": recorded},
        backlog_minutes=None if waiting is None else {"bruno": waiting},
    )
    held = [Held(trainee, "bruno", minutes) for trainee, minutes in others]
    minutes = allowance(PLAN, stand, held)
    if isinstance(minutes, Reason):
        return
    theirs = sum(other.minutes for other in held)
    mine = [other.minutes for other in held if other.trainee == ALICE]
    assert minutes > 0
    assert waiting is not None
    assert used[0] + len(mine) + 1 <= PLAN.recordings_per_week
    assert used[1] + sum(mine) + minutes <= PLAN.minutes_per_week + 1e-9
    assert recorded + theirs + minutes <= declared + 1e-9
    assert waiting + theirs + minutes <= declared + 1e-9


def binomial_interval(number: int, rate: float, outside: float) -> tuple[int, int]:
    """The smallest and the largest count whose tails together are at most `outside`."""
    mass = [
        math.exp(
            math.lgamma(number + 1)
            - math.lgamma(k + 1)
            - math.lgamma(number - k + 1)
            + k * math.log(rate)
            + (number - k) * math.log1p(-rate)
        )
        for k in range(number + 1)
    ]
    low, tail = 0, mass[0]
    while tail <= outside / 2:
        low += 1
        tail += mass[low]
    high, tail = number, mass[number]
    while tail <= outside / 2:
        high -= 1
        tail += mass[high]
    return low, high


CALLS = 10_000


def test_the_draw_keeps_the_rate() -> None:
    """P11: over a month of 10,000 calls the draw alone, from the system's random source, has the rate."""
    for rate in (0.05, 0.25):
        low, high = binomial_interval(CALLS, rate, 1e-9)
        assert low < CALLS * rate < high
        it = replace(PLAN, rate=rate)
        assert low <= sum(drawn(it, NOW, random_roll()) is not None for _ in range(CALLS)) <= high
        assert not low <= sum(random_roll() < rate * 1.5 for _ in range(CALLS)) <= high, (
            "the interval can fail"
        )


@dataclass(slots=True)
class Call:
    end: datetime
    trainee: TraineeId
    trainer: str
    minutes: float


def test_a_month_of_calls_passes_no_limit() -> None:
    """P15: 10,000 calls of 40 trainees under 3 trainers, several at once, reviewed late or never."""
    chance = random.Random(20261102)
    month = datetime(2026, 11, 2, 8, tzinfo=UTC)
    trainers = {name: Trainer(name, minutes) for name, minutes in (("t0", 40), ("t1", 90), ("t2", 600))}
    plans = []
    for number in range(40):
        name = TraineeId(f"p{number}")
        slot = Slot(
            month + timedelta(days=number % 20, hours=1), month + timedelta(days=number % 20, hours=3)
        )
        plans.append(
            replace(
                plan(name),
                trainer=f"t{number % 3}",
                rate=(0.05, 0.25)[number % 2],
                recordings_per_week=1 + number % 5,
                minutes_per_week=(5, 20, 60)[number % 3],
                slots=(slot,),
            )
        )
    by_trainee = {it.trainee: it for it in plans}
    approved = frozenset({*map(plan_digest, plans), *map(capacity_digest, trainers.values())})
    week, used, recorded = (
        month.date(),
        defaultdict[TraineeId, list[float]](list),
        defaultdict[str, float](float),
    )
    waiting: list[Call] = []
    running: list[Call] = []
    reasons: Counter[object] = Counter()
    for number in range(CALLS):
        at = month + timedelta(days=number * 28 // CALLS, seconds=(number * 28 * 36_000 // CALLS) % 36_000)
        if at.date() - week >= timedelta(days=7):
            week += timedelta(days=7)
            used.clear()
            recorded.clear()
        for call in [call for call in running if call.end <= at]:
            running.remove(call)
            used[call.trainee].append(call.minutes)
            recorded[call.trainer] += call.minutes
            waiting.append(call)
        if chance.random() < 0.005 and waiting:
            waiting.pop(0)
        it = plans[chance.randrange(len(plans))]
        backlog = defaultdict[str, float](float)
        for call in waiting:
            backlog[call.trainer] += call.minutes
        stand = Standing(
            approved,
            {name: Used(len(all_), sum(all_)) for name, all_ in used.items()},
            trainers,
            dict(recorded),
            dict(backlog),
        )
        held = [Held(call.trainee, call.trainer, call.minutes) for call in running]
        decision = decide(plans, it.trainee, at, stand, held, chance.random())
        reasons[decision if isinstance(decision, Reason) else decision.kind] += 1
        if isinstance(decision, Draw):
            minutes = min(decision.minutes_left, 60.0, chance.expovariate(1 / 8))
            running.append(Call(at + timedelta(minutes=minutes), it.trainee, it.trainer, minutes))
        for who, trainer in trainers.items():
            speaking = sum(call.minutes for call in running if call.trainer == who)
            assert recorded[who] + speaking <= trainer.review_minutes_per_week + 1e-6
            assert backlog[who] + speaking <= trainer.review_minutes_per_week + 1e-6
        for name, mine in by_trainee.items():
            now = [call.minutes for call in running if call.trainee == name]
            assert len(used[name]) + len(now) <= mine.recordings_per_week
            assert sum(used[name]) + sum(now) <= mine.minutes_per_week + 1e-6
    assert set(reasons) == {
        Reason.WEEKLY_CAP, Reason.CAPACITY, Reason.BACKLOG, Reason.NOT_DRAWN, DrawKind.DRAWN, DrawKind.SLOT
    }, "each limit was met"  # fmt: skip
