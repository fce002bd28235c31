"""Plans, ceilings and the draw."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pbx_bridge.calls.reasons import Reason
from pbx_bridge.calls.rules import CEILING_NS, longest_ns
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Draw, DrawKind, Plan, Slot, Trainee, Used
from pbx_bridge.training.rules import check_plan, current_plan, decide, who
from tests.calls.story import ALICE, plan

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
NOTHING_USED = Used(0, 0.0)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        (replace(plan(), rate=0.26), "P11"),
        (replace(plan(), rate=-0.1), "P11"),
        (replace(plan(), recordings_per_week=6), "P15"),
        (replace(plan(), minutes_per_week=61), "P15"),
        (replace(plan(), last_day=date(2027, 5, 5)), "P13"),
        (replace(plan(), last_day=date(2026, 10, 1)), "P13"),
        (replace(plan(), approver="bruno"), "P13"),
        (replace(plan(), applications=()), "P3"),
        (replace(plan(), slots=(Slot(NOW, NOW + timedelta(hours=2, minutes=1)),)), "P15"),
    ],
)
def test_no_plan_passes_a_ceiling(changed: Plan, rule: str) -> None:
    check_plan(plan())
    with pytest.raises(OperatorError, match=rule):
        check_plan(changed)


def test_each_reason_not_to_draw() -> None:
    assert decide((), ALICE, NOW, NOTHING_USED, 0.0) is Reason.NO_PLAN
    assert decide((plan(),), TraineeId("bob"), NOW, NOTHING_USED, 0.0) is Reason.NO_PLAN
    assert decide((plan(),), ALICE, NOW + timedelta(days=60), NOTHING_USED, 0.0) is Reason.PLAN_ENDED
    assert decide((plan(),), ALICE, NOW - timedelta(days=60), NOTHING_USED, 0.0) is Reason.PLAN_ENDED
    assert decide((plan(),), ALICE, NOW, Used(2, 1.0), 0.0) is Reason.WEEKLY_CAP
    assert decide((plan(),), ALICE, NOW, Used(1, 20.0), 0.0) is Reason.WEEKLY_CAP
    assert decide((plan(),), ALICE, NOW, NOTHING_USED, 0.25) is Reason.NOT_DRAWN


def test_a_booked_slot_needs_no_luck_but_counts_against_the_caps() -> None:
    booked = replace(plan(), slots=(Slot(NOW, NOW + timedelta(minutes=30)),))
    won = decide((booked,), ALICE, NOW, NOTHING_USED, 0.99)
    assert isinstance(won, Draw)
    assert won.kind is DrawKind.SLOT
    assert decide((booked,), ALICE, NOW + timedelta(minutes=30), NOTHING_USED, 0.99) is Reason.NOT_DRAWN
    assert decide((booked,), ALICE, NOW, Used(2, 0.0), 0.99) is Reason.WEEKLY_CAP


def test_a_recording_is_no_longer_than_the_weeks_minutes_allow() -> None:
    won = decide((plan(),), ALICE, NOW, Used(1, 19.5), 0.0)
    assert isinstance(won, Draw)
    assert longest_ns(won.minutes_left) == 30 * 10**9
    assert longest_ns(600) == CEILING_NS


def test_the_draw_keeps_the_rate() -> None:
    """Over 10,000 calls the share drawn stays within six standard deviations of the rate."""
    rolls, calls, rate = random.Random(1), 10_000, 0.05
    drawn = sum(
        isinstance(decide((plan(rate=rate),), ALICE, NOW, NOTHING_USED, rolls.random()), Draw)
        for _ in range(calls)
    )
    assert abs(drawn - calls * rate) < 6 * math.sqrt(calls * rate * (1 - rate))


def test_who_sits_at_a_phone() -> None:
    alice = Trainee(ALICE, ("PJSIP/201",), "", "alice")
    bob = Trainee(TraineeId("bob"), ("PJSIP/202", "PJSIP/203"), "Bob Smith", "bob")
    eve = Trainee(TraineeId("eve"), ("PJSIP/203",), "Eve Jones", "eve")
    known = (alice, bob, eve)
    assert who(known, "PJSIP/201", "", False) == ALICE
    assert who(known, "PJSIP/201", "PJSIP/201", False) == ALICE, "a queue may name its members anyhow"
    assert who(known, "PJSIP/201", "Somebody", True) is Reason.PERSON_CONFLICT
    assert who(known, "PJSIP/202", "Somebody", False) is Reason.PERSON_CONFLICT
    assert who(known, "PJSIP/202", "Eve Jones", False) is Reason.PERSON_CONFLICT
    assert who(known, "PJSIP/203", "", False) is None, "a shared device is nobody's until one is named"
    assert who(known, "PJSIP/203", "Eve Jones", False) == "eve"
    assert who(known, "PJSIP/999", "Eve Jones", True) == "eve", "a hot desk"
    assert who(known, "PJSIP/999", "Somebody", True) is None


def test_what_a_trainee_is_told_is_what_is_decided_by() -> None:
    later = replace(plan(rate=0.1), id="later", first_day=date(2027, 1, 1), last_day=date(2027, 2, 1))
    for plans in ((plan(), later), (later, plan())):
        told = current_plan(plans, ALICE, NOW.date())
        drawn = decide(plans, ALICE, NOW, NOTHING_USED, 0.0)
        assert isinstance(drawn, Draw)
        assert told == drawn.plan == plan()
