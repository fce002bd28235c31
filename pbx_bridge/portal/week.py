"""A trainer's week in the words of the API."""

from __future__ import annotations

from pbx_bridge.portal.desks import WeekShown
from pbx_bridge.training.plans import Plan, plan_text
from pbx_bridge.wire_office import PlanRefused
from pbx_bridge.wire_week import MAX_FAULTS, MAX_PLANS, Booked, OwnPlan, TechnicalFault, TrainersWeek


def week_words(shown: WeekShown) -> TrainersWeek:
    """Technical faults only (P24): a reason that comes from a person is not in the week."""
    week = shown.week
    return TrainersWeek(
        week.capacity_minutes,
        week.recorded_minutes,
        shown.waiting_minutes,
        tuple(_plan(plan, shown.refused.get(plan.id)) for plan in week.plans[:MAX_PLANS]),
        tuple(
            TechnicalFault(fault.trainee, int(fault.at.timestamp()), fault.reason)
            for fault in week.faults[:MAX_FAULTS]
        ),
    )


def _plan(plan: Plan, refused: PlanRefused | None) -> OwnPlan:
    slots = (
        Booked(int(slot.start.timestamp()), round((slot.end - slot.start).total_seconds() / 60))
        for slot in plan.slots
    )
    return OwnPlan(plan.id, plan_text(plan), tuple(slots), refused)
