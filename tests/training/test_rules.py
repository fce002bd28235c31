"""What no plan may pass, who sits where."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pbx_bridge.calls.reasons import Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Application, Plan, Slot, Trainee, Trainer
from pbx_bridge.training.rules import (
    check_capacity,
    check_history,
    check_plan,
    enrolled_days,
    enrolment,
    most_days,
    used_up,
    who,
)
from tests.calls.story import ALICE, plan

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        (replace(plan(), rate=0.26), "P11"),
        (replace(plan(), rate=-0.1), "P11"),
        (replace(plan(), recordings_per_week=6), "P15"),
        (replace(plan(), minutes_per_week=61), "P15"),
        (replace(plan(), last_day=date(2027, 5, 4)), "P13"),
        (replace(plan(), last_day=date(2026, 10, 1)), "P13"),
        (replace(plan(), approver="bruno"), "P13"),
        (replace(plan(), applications=()), "P3"),
        (replace(plan(), slots=(Slot(NOW, NOW + timedelta(hours=2, minutes=1)),)), "P15"),
    ],
)
def test_no_plan_passes_a_ceiling(changed: Plan, rule: str) -> None:
    check_plan(plan())
    check_plan(
        replace(plan(), last_day=date(2027, 5, 3), rate=0.25, recordings_per_week=5, minutes_per_week=60)
    )
    with pytest.raises(OperatorError, match=rule):
        check_plan(changed)


DAY = timedelta(days=1)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the server's time zone (POSIX TZ)."""

    def set_to(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_to
    monkeypatch.undo()
    time.tzset()


def test_a_day_is_the_servers_whatever_zone_a_slot_is_written_in(zone: Callable[[str], None]) -> None:
    """P15: one day's two hours cannot be doubled by writing one of them in another zone, nor by a change to summer time."""
    zone("CET-1CEST,M3.5.0,M10.5.0/3")
    tokyo, paris = timezone(timedelta(hours=9)), timezone(timedelta(hours=1))
    morning = datetime(2026, 11, 23, 9, tzinfo=paris)
    abroad = datetime(2026, 11, 24, 0, 30, tzinfo=tokyo)  # 16:30 of the 23rd in Paris
    long = timedelta(minutes=90)
    check_plan(replace(plan(), slots=(Slot(morning, morning + long),)))
    check_plan(replace(plan(), slots=(Slot(abroad, abroad + long),)))
    with pytest.raises(OperatorError, match="P15"):
        check_plan(replace(plan(), slots=(Slot(morning, morning + long), Slot(abroad, abroad + long))))
    summer = datetime(2026, 10, 24, 21, 30, tzinfo=UTC)  # 23:30; the night to the 25th has 25 hours
    night = Slot(summer, summer + timedelta(hours=2))
    check_plan(
        replace(plan(), slots=(night, Slot(summer + timedelta(hours=12), summer + timedelta(hours=12.5))))
    )
    with pytest.raises(OperatorError, match="slots of 2026-10-25 exceed 2 hours"):
        check_plan(
            replace(plan(), slots=(night, Slot(summer + timedelta(hours=12), summer + timedelta(hours=12.6))))
        )


def test_no_day_has_more_than_two_hours_of_slots(zone: Callable[[str], None]) -> None:
    """P15: on either side of a midnight too."""
    zone("UTC0")
    late = NOW.replace(hour=22, minute=30)

    def booked(*slots: Slot) -> Plan:
        return replace(plan(), slots=slots)

    over_midnight = Slot(late, late + timedelta(hours=2))
    check_plan(booked(over_midnight))
    check_plan(booked(over_midnight, Slot(NOW, NOW + timedelta(minutes=30))))
    check_plan(booked(over_midnight, Slot(NOW + DAY, NOW + DAY + timedelta(minutes=90))))
    with pytest.raises(OperatorError, match="the slot of 2026-11-23 exceeds 2 hours"):
        check_plan(booked(Slot(late, late + timedelta(hours=2, minutes=1))))
    for wrong in (
        booked(Slot(NOW, NOW + timedelta(hours=2, seconds=1))),
        booked(over_midnight, Slot(NOW, NOW + timedelta(minutes=31))),
        booked(over_midnight, Slot(NOW + DAY, NOW + DAY + timedelta(minutes=91))),
    ):
        with pytest.raises(OperatorError, match="P15"):
            check_plan(wrong)
    with pytest.raises(OperatorError, match="ends before it starts"):
        check_plan(booked(Slot(NOW, NOW)))


def test_nobody_declares_more_than_ten_hours_a_week() -> None:
    check_capacity(Trainer("bruno", 600))
    check_capacity(Trainer("bruno", 0))
    for minutes in (601, -1):
        with pytest.raises(OperatorError, match="P15"):
            check_capacity(Trainer("bruno", minutes))


def held(name: str, first: date, days: int, *applications: Application) -> Plan:
    last = first + timedelta(days=days - 1)
    return replace(
        plan(), id=name, first_day=first, last_day=last, applications=applications or plan().applications
    )


ORDERS = plan().applications[0]
OTHER = Application("mail", "/opt/mail/mail", None, "Mail")
FIRST = date(2026, 1, 5)


def orders_days(plans: list[Plan], until: date) -> int:
    """Of Orders, in the 24 months that end with `until`."""
    return enrolled_days(map(enrolment, plans), ORDERS.program, until)


def test_six_months_in_any_twenty_four() -> None:
    """P13: counted over all of a trainee's plans, and whatever the application is called this time."""
    old = held("old", FIRST, 100)
    check_history(old, [old])
    longest = held("new", date(2026, 9, 1), 84)
    check_history(longest, [old, longest])
    renamed = replace(ORDERS, name="orders 2")
    moved = replace(ORDERS, executable="/opt/orders-2/orders")
    for application in (ORDERS, renamed, moved):
        new = held("new", date(2026, 9, 1), 85, application)
        with pytest.raises(OperatorError, match="P13"):
            check_history(new, [old, new])
        check_history(old, [old, new])
    elsewhere = held("new", date(2026, 9, 1), 184, OTHER)
    check_history(elsewhere, [old, elsewhere])
    theirs = replace(held("new", date(2026, 9, 1), 184), trainee=TraineeId("bob"))
    check_history(theirs, [old, theirs])


def test_what_was_ended_earlier_or_lies_further_back_leaves_its_days() -> None:
    old = held("old", FIRST, 184)
    new = held("new", FIRST + timedelta(days=300), 60)
    with pytest.raises(OperatorError, match="P13"):
        check_history(new, [old, new])
    ended = replace(old, ended_on=FIRST + timedelta(days=124))
    check_history(new, [ended, new])
    never = replace(old, ended_on=FIRST)
    assert orders_days([never], FIRST) == 0
    check_history(never, [never, new])
    begin = FIRST.replace(year=2028)
    assert orders_days([old], begin - DAY) == 184, "24 months to the day"
    assert orders_days([old], begin) == 183
    assert orders_days([old], FIRST) == 1
    assert orders_days([held("leap", date(2026, 3, 1), 10)], date(2028, 2, 29)) == 10


def test_one_day_too_many_is_too_many() -> None:
    full, day = held("full", FIRST, 184), held("day", FIRST + 300 * DAY, 1)
    with pytest.raises(OperatorError, match="P13"):
        check_history(day, [full, day])
    check_history(day, [replace(full, last_day=full.last_day - DAY), day])


def test_a_day_counts_once() -> None:
    """P13: an approval that was given anew, for the same plan or a changed one, is the same days."""
    old = held("old", FIRST, 100)
    assert orders_days([old, old], FIRST + 99 * DAY) == 100
    assert orders_days([held("inside", FIRST + 10 * DAY, 20), old], FIRST + 99 * DAY) == 100
    assert orders_days([held("over", FIRST + 90 * DAY, 20), old], FIRST + 200 * DAY) == 110
    assert orders_days([held("far", FIRST + 150 * DAY, 20), old], FIRST + 200 * DAY) == 120
    assert orders_days([old], FIRST + 49 * DAY) == 50
    assert orders_days([old], FIRST - DAY) == 0
    assert orders_days([held("mail", FIRST, 50, OTHER), old], FIRST + 99 * DAY) == 100


def test_an_enrolment_before_others_counts_for_theirs() -> None:
    """P13: what is approved out of its order makes the later one too many."""
    new, later = enrolment(held("new", FIRST, 100)), enrolment(held("later", FIRST + 200 * DAY, 90))
    assert most_days(new, [], ORDERS.program) == 100
    assert most_days(new, [later], ORDERS.program) == 190
    assert most_days(later, [new], ORDERS.program) == 190
    assert most_days(new, [replace(later, trainee=TraineeId("bob"))], ORDERS.program) == 100
    gone = enrolment(held("gone", FIRST - 900 * DAY, 150))
    assert most_days(new, [gone], ORDERS.program) == 100
    assert most_days(new, [gone, later], OTHER.program) == 0


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 184)), min_size=1, max_size=6),
    st.integers(0, 1200),
)
@example([(50, 184), (784, 2)], 785)  # 29 February 2028
def test_no_day_of_a_plan_that_passed_is_over_six_months(spans: list[tuple[int, int]], offset: int) -> None:
    """The last day stands for all: checked by counting every day of every plan."""
    plans: list[Plan] = []
    for number, (start, days) in enumerate(spans):
        new = held(f"p{number}", FIRST + timedelta(days=start), days)
        if any(new.first_day <= other.last_day and other.first_day <= new.last_day for other in plans):
            continue
        plans.append(new)
    wrong = set()
    for each in plans:
        try:
            check_history(each, plans)
        except OperatorError:
            wrong.add(each.id)
    for each in plans:
        length = (each.last_day - each.first_day).days + 1
        every = (each.first_day + timedelta(days=number) for number in range(length))
        assert any(used_up(each, plans, day) for day in every) == (each.id in wrong)
    day = FIRST + timedelta(days=offset)
    leap = (day.month, day.day) == (2, 29)  # two years before it there is none: the window is one day longer
    before = day.replace(year=day.year - 2, day=28 if leap else day.day)
    inside = [day - timedelta(days=back) for back in range((day - before).days)]
    counted = sum(any(each.first_day <= one <= each.last_day for each in plans) for one in inside)
    assert orders_days(plans, day) == counted


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
