"""P13: what of a plan may still be changed, and when it may be forgotten: six months in any 24 can only be counted while
the plans of those months stand as they were. Pure; today is given.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from pbx_bridge.errors import OperatorError
from pbx_bridge.training.plans import Plan
from pbx_bridge.training.rules import REMEMBERED, last_day


def check_changed(before: Plan, after: Plan, today: date) -> None:
    """P13: a plan that has begun keeps its person, applications, need and first day, and ends in no past.

    Raises: OperatorError. What may still be changed then: trainer, approver, rate, caps, a later day as its last.
    """
    where = f"plan {before.id!r}"
    if today < before.first_day:
        return
    if last_day(before) < today:
        raise OperatorError(
            "it is over and stays as it was (P13)", where=where, do="Add another: pbx-bridge plan add --help"
        )
    kept = replace(
        after,
        trainer=before.trainer,
        approver=before.approver,
        rate=before.rate,
        recordings_per_week=before.recordings_per_week,
        minutes_per_week=before.minutes_per_week,
        last_day=before.last_day,
        slots=before.slots,
        seat=before.seat,
        entry=before.entry,
    )
    if kept != before:
        raise OperatorError(
            "it has begun: its trainee, applications, need and first day stay (P13)",
            where=where,
            do=f"End it (pbx-bridge plan end {before.id}) and add another",
        )
    if after.last_day < today:
        raise OperatorError(
            "its last day would lie in the past (P13)", where=where, do=f"pbx-bridge plan end {before.id}"
        )


def check_ended(plan: Plan, on: date, today: date) -> None:
    """P13: a plan ends today or later, and never later than it would have. Raises: OperatorError."""
    where = f"plan {plan.id!r}"
    if on < today:
        raise OperatorError(
            "it cannot have ended in the past", where=where, do="Leave out --on to end it now"
        )
    if on > last_day(plan):
        raise OperatorError(
            f"it holds no longer than {last_day(plan)} anyway", where=where, do="An earlier end only shortens"
        )


def check_forgotten(plan: Plan, today: date) -> None:
    """P13: a plan that held on any day is kept for 24 months. Raises: OperatorError."""
    if last_day(plan) < plan.first_day or today < plan.first_day:
        return
    until = last_day(plan) + REMEMBERED
    if today <= until:
        raise OperatorError(
            f"it has begun, so it is kept until {until} to count six months in any 24 (P13)",
            where=f"plan {plan.id!r}",
            do=f"End it: pbx-bridge plan end {plan.id}",
        )
