"""What an approval and a manifest name: everything that widens, and nothing that only narrows."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pbx_bridge.training.plans import (
    Application,
    Mask,
    Need,
    Plan,
    Seat,
    Slot,
    Trainer,
    capacity_digest,
    capacity_text,
    plan_digest,
    plan_text,
)
from tests.calls.story import plan

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
APPLICATION = plan().applications[0]
WIDENED: dict[str, Any] = {
    "id": "another",
    "trainee": "bea",
    "applications": (replace(APPLICATION, name="mail"),),
    "need": Need.BACK_AFTER_ABSENCE,
    "trainer": "berta",
    "approver": "carlos",
    "first_day": plan().first_day - timedelta(days=1),
    "last_day": plan().last_day + timedelta(days=1),
    "rate": 0.06,
    "recordings_per_week": 3,
    "minutes_per_week": 21,
    "seat": Seat(login="colleague"),
    "entry": "00" * 8,
}
SEAT_CHANGED: dict[str, Any] = {"endpoints": ("PJSIP/299",), "member": "Colleague", "login": "colleague"}
APPLICATION_WIDENED: dict[str, Any] = {
    "name": "mail",
    "executable": "/opt/mail/mail",
    "main_program": "/opt/mail/main.py",
    "wm_class": "Mail",
    "title": "^Other",
    "sha256": "00" * 32,
    "masks": (Mask(0, 0, 1, 1),),
    "pause_titles": ("^Pay",),
}


def test_every_field_that_widens_changes_the_digest() -> None:
    for name, value in WIDENED.items():
        assert plan_digest(replace(plan(), **{name: value})) != plan_digest(plan()), name
    for name, value in APPLICATION_WIDENED.items():
        changed = replace(plan(), applications=(replace(APPLICATION, **{name: value}),))
        assert plan_digest(changed) != plan_digest(plan()), name
    for name, value in SEAT_CHANGED.items():
        moved = replace(plan(), seat=replace(plan().seat, **{name: value}))
        assert plan_digest(moved) != plan_digest(plan()), name


def test_no_field_is_forgotten() -> None:
    """A control of the table above: a new field must be put on one side or the other."""
    assert {field.name for field in fields(Plan)} == WIDENED.keys() | {"slots", "ended_on"}
    assert {field.name for field in fields(Application)} == APPLICATION_WIDENED.keys()
    assert {field.name for field in fields(Seat)} == SEAT_CHANGED.keys()


def test_what_only_narrows_or_counts_against_the_caps_leaves_it() -> None:
    booked = replace(plan(), slots=(Slot(NOW, NOW + timedelta(hours=1)),))
    assert plan_digest(booked) == plan_digest(plan())
    assert plan_digest(replace(plan(), ended_on=date(2026, 11, 20))) == plan_digest(plan())
    other = replace(APPLICATION, name="another")
    both, turned = (APPLICATION, other), (other, APPLICATION)
    assert plan_digest(replace(plan(), applications=both)) == plan_digest(
        replace(plan(), applications=turned)
    )


def test_no_value_can_look_like_another_line() -> None:
    forged = replace(APPLICATION, title='x"\nrate: 0.0\u202e')
    text = plan_text(replace(plan(), applications=(forged,)))
    assert text.isascii()
    assert text.count("\n") == plan_text(plan()).count("\n")
    assert [line for line in text.splitlines() if line.startswith("rate: ")] == [f"rate: {plan().rate}"]


def test_a_capacity_is_named_with_its_trainer() -> None:
    assert capacity_text(Trainer("bruno", 120)) == 'trainer: "bruno"\nreview minutes a week: 120\n'
    assert capacity_digest(Trainer("bruno", 120)) == capacity_digest(Trainer("bruno", 120))
    assert capacity_digest(Trainer("bruno", 120)) != capacity_digest(Trainer("bruno", 121))
    assert capacity_digest(Trainer("bruno", 120)) != capacity_digest(Trainer("berta", 120))


@pytest.mark.parametrize(
    ("day", "ended_on", "holds"),
    [
        (plan().first_day - timedelta(days=1), None, False),
        (plan().first_day, None, True),
        (plan().last_day, None, True),
        (plan().last_day + timedelta(days=1), None, False),
        (plan().first_day, plan().first_day, False),
        (plan().first_day, plan().first_day + timedelta(days=1), True),
        (plan().last_day, plan().last_day, False),
        (plan().last_day + timedelta(days=1), plan().last_day + timedelta(days=9), False),
    ],
)
def test_an_earlier_end_only_shortens(day: date, ended_on: date | None, holds: bool) -> None:
    assert replace(plan(), ended_on=ended_on).holds_on(day) is holds
