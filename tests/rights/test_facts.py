"""P23: what a report is made from counts and takes extremes of the plans that hold today, and lets no person through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from pbx_bridge.ids import TraineeId
from pbx_bridge.rights.facts import Filmed, Settings, facts
from pbx_bridge.training.plans import Application, Mask, Need, Plan, Slot, Trainer

TODAY = date(2026, 11, 24)
SETTINGS = Settings("", "", "", "", "", None, True, 10, 30, 24, ("fr",), False, 12, 300, 1)
ORDERS = Application(
    "orders", "/usr/bin/python3", "/opt/orders.py", "Orders", title="^Order", sha256="ab" * 32
)
CRM = Application("crm", "/opt/crm/crm", None, "Crm", masks=(Mask(0, 0, 9, 9),), pause_titles=("pay", "card"))
ALICES = Plan(
    "zz-plan",
    TraineeId("zz-alice"),
    (ORDERS,),
    Need.NEW_IN_POST,
    "zz-bruno",
    "zz-carla",
    TODAY,
    TODAY + timedelta(days=9),
    0.05,
    2,
    20,
)
BEAS = replace(
    ALICES,
    id="zz-other",
    trainee=TraineeId("zz-bea"),
    applications=(CRM, ORDERS),
    last_day=TODAY,
    rate=0.2,
    recordings_per_week=5,
    minutes_per_week=60,
)
TRAINERS = (Trainer("zz-bruno", 50), Trainer("zz-idle", 40))


def test_applications_are_told_with_what_narrows_them() -> None:
    filmed = facts(SETTINGS, [ALICES, BEAS], TRAINERS, TODAY).filmed
    assert filmed == (
        Filmed("crm", "/opt/crm/crm", "Crm", False, False, 1, 2),
        Filmed("orders", "/opt/orders.py", "Orders", True, True, 0, 0),
    )


def test_plans_are_added_up_and_only_those_that_hold_today() -> None:
    slot = Slot(datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 10, tzinfo=UTC))
    past = replace(ALICES, first_day=TODAY - timedelta(days=9), last_day=TODAY - timedelta(days=1))
    ended = replace(ALICES, ended_on=TODAY)
    volume = facts(SETTINGS, [replace(ALICES, slots=(slot,)), BEAS, past, ended], TRAINERS, TODAY).volume
    assert (volume.plans, volume.trainees, volume.trainers, volume.booked_slots) == (2, 2, 1, 1)
    assert (volume.highest_rate, volume.recordings_per_week, volume.minutes_per_week) == (0.2, 7, 80)
    assert (volume.longest_plan_days, volume.capacity_minutes) == (10, 50)
    assert volume.needs == {"new-in-post": 2}


def test_no_person_is_in_the_facts() -> None:
    """The control: they are in the plans."""
    assert "zz-" in repr(ALICES)
    assert "zz-" not in repr(facts(SETTINGS, [ALICES, BEAS], TRAINERS, TODAY))


def test_without_a_plan_there_is_nothing() -> None:
    volume = facts(SETTINGS, [], TRAINERS, TODAY).volume
    assert (volume.plans, volume.highest_rate, volume.longest_plan_days, volume.capacity_minutes) == (
        0,
        0.0,
        0,
        0,
    )
