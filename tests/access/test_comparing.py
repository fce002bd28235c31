"""P22: what a proposal changes against what is in force, and what of it widens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pbx_bridge.access.comparing import NEITHER, What, compared
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Application, Mask, Need, Seat, Trainer
from tests.calls.story import plan

ORDERS = Application(
    "orders", "/opt/orders/orders", None, "Orders", masks=(Mask(0, 0, 9, 9),), pause_titles=("^Pay",)
)
PLAN = replace(
    plan(), applications=(ORDERS,), seat=Seat(("PJSIP/201",), "Alice", "alice"), rate=0.1, need=Need.NEW_IN_POST,
    recordings_per_week=3, minutes_per_week=30,
)  # fmt: skip
DAY = timedelta(days=1)


def changed(after: Any, before: Any = PLAN) -> dict[What, bool]:
    """Of each fact that differs: whether it widens."""
    return {fact.what: fact.widens for fact in compared(before, after) if fact.changed}


def test_the_same_changes_nothing() -> None:
    assert changed(PLAN) == {}
    facts = compared(PLAN, PLAN)
    assert [fact.what for fact in facts] == [what for what in What if what is not What.CAPACITY]
    assert not any(fact.widens for fact in facts)


@pytest.mark.parametrize(
    ("change", "what", "widens"),
    [
        ({"rate": 0.2}, What.RATE, True),
        ({"rate": 0.05}, What.RATE, False),
        ({"recordings_per_week": 4}, What.RECORDINGS, True),
        ({"recordings_per_week": 2}, What.RECORDINGS, False),
        ({"minutes_per_week": 31}, What.MINUTES, True),
        ({"minutes_per_week": 29}, What.MINUTES, False),
        ({"last_day": PLAN.last_day + DAY}, What.LAST_DAY, True),
        ({"last_day": PLAN.last_day - DAY}, What.LAST_DAY, False),
        ({"first_day": PLAN.first_day - DAY}, What.FIRST_DAY, True),
        ({"first_day": PLAN.first_day + DAY}, What.FIRST_DAY, False),
        ({"trainee": TraineeId("bea")}, What.TRAINEE, True),
        ({"trainer": "mallory"}, What.TRAINER, True),
        ({"approver": "another"}, What.APPROVER, False),
        ({"need": Need.BACK_AFTER_ABSENCE}, What.NEED, False),
        ({"seat": Seat(("PJSIP/202",), "Alice", "alice")}, What.DEVICES, True),
        ({"seat": Seat(("PJSIP/201",), "Bea", "alice")}, What.MEMBER, True),
        ({"seat": Seat(("PJSIP/201",), "Alice", "bea")}, What.LOGIN, True),
        ({"applications": (replace(ORDERS, masks=()),)}, What.APPLICATION, True),
        ({"applications": (replace(ORDERS, pause_titles=()),)}, What.APPLICATION, True),
        ({"applications": (replace(ORDERS, wm_class="Mail"),)}, What.APPLICATION, True),
        ({"applications": (replace(ORDERS, executable="/usr/bin/mail"),)}, What.APPLICATION, True),
        (
            {"applications": (replace(ORDERS, masks=(*ORDERS.masks, Mask(1, 1, 1, 1)), pause_titles=("^Pay", "x")),)},
            What.APPLICATION,
            False,
        ),
        ({"applications": (ORDERS, replace(ORDERS, name="mail"))}, What.APPLICATION, True),
        ({"applications": (replace(ORDERS, name="mail"),)}, What.APPLICATION, True),
    ],
)  # fmt: skip
def test_each_change_is_named_and_judged(change: dict[str, Any], what: What, widens: bool) -> None:
    found = [(fact.what, fact.widens) for fact in compared(PLAN, replace(PLAN, **change)) if fact.changed]
    assert (what, widens) in found
    assert {one for one, _ in found} == {what}


def test_an_application_that_goes_narrows() -> None:
    two = replace(PLAN, applications=(ORDERS, replace(ORDERS, name="mail")))
    (fact,) = [fact for fact in compared(two, PLAN) if fact.changed]
    assert (fact.what, fact.after, fact.widens) == (What.APPLICATION, None, False)


def test_where_nothing_is_in_force_all_of_it_is_new() -> None:
    facts = compared(None, PLAN)
    assert all(fact.before is None for fact in facts)
    assert {fact.what for fact in facts if not fact.widens} == NEITHER


def test_a_capacity_widens_when_it_grows() -> None:
    before = Trainer("bruno", 60)
    assert changed(Trainer("bruno", 61), before) == {What.CAPACITY: True}
    assert changed(Trainer("bruno", 59), before) == {What.CAPACITY: False}
