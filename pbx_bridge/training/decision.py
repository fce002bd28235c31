"""P11, P13, P15, P22: which call of which trainee may be recorded, decided before it is answered: `record` or one reason.

Pure and complete: it is given the plans, how things stand, the wall clock and one random number; it never asks for
them. The order of the reasons is fixed: first whether there is leave at all (plan, dates, approval), then whether there
is room (week, capacity, backlog), and only then slot or chance, so that the chance is never what hides a missing leave.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import (
    Draw,
    DrawKind,
    Plan,
    Trainer,
    Used,
    capacity_digest,
    plan_digest,
)
from pbx_bridge.training.rules import (
    CAPACITY_CEILING_MIN,
    MINUTES_CEILING,
    RATE_CEILING,
    RECORDINGS_CEILING,
    current_plan,
    used_up,
)
from pbx_bridge.training.standing import Held, Standing


def approved(plan: Plan, standing: Standing) -> bool:
    """P13, P22: this plan, word for word, and its trainer's declared capacity were confirmed by an approver.

    The keeper holds the approvals; a row that was changed since has another digest and opens nothing.
    """
    trainer = standing.trainers.get(plan.trainer)
    known = standing.approved or frozenset()
    return trainer is not None and plan_digest(plan) in known and capacity_digest(trainer) in known


def leave(plans: Iterable[Plan], trainee: TraineeId, today: date, standing: Standing) -> Plan | Reason:
    """P13: the plan under which this trainee may be recorded today, or why there is none."""
    mine = [plan for plan in plans if plan.trainee == trainee]
    if not mine:
        return Reason.NO_PLAN
    plan = current_plan(mine, trainee, today)
    if plan is None or used_up(plan, mine, today):
        return Reason.PLAN_ENDED
    if standing.approved is None:
        return Reason.BRIDGE_FAULT
    return plan if approved(plan, standing) else Reason.NOT_APPROVED


def same_leave(draw: Draw, plans: Iterable[Plan], today: date, standing: Standing) -> Plan | Reason:
    """P13: the plan a call was drawn under, as it stands now: ended, changed or withdrawn since, it covers nothing more."""
    plan = leave(plans, draw.plan.trainee, today, standing)
    if isinstance(plan, Plan) and plan_digest(plan) != plan_digest(draw.plan):
        return Reason.PLAN_ENDED
    return plan


def allowance(plan: Plan, standing: Standing, held: Iterable[Held]) -> float | Reason:
    """P15: the minutes that one more recording under `plan` may have, or why there is no room for any.

    `held` are the recordings that are not sealed yet: each counts with all it may still come to, so that no cap is passed
    however many calls run at once. What is not known leaves no room.
    """
    under_way = list(held)
    used = standing.used.get(plan.trainee, Used(0, 0.0))
    mine = [other.minutes for other in under_way if other.trainee == plan.trainee]
    week = min(plan.minutes_per_week, MINUTES_CEILING) - used.minutes - sum(mine)
    number = min(plan.recordings_per_week, RECORDINGS_CEILING) - used.recordings - len(mine)
    if number <= 0 or week <= 0:
        return Reason.WEEKLY_CAP
    theirs = sum(other.minutes for other in under_way if other.trainer == plan.trainer)
    declared = min(_declared(standing.trainers.get(plan.trainer)), CAPACITY_CEILING_MIN)
    capacity = declared - standing.recorded_minutes.get(plan.trainer, 0.0) - theirs
    if capacity <= 0:
        return Reason.CAPACITY
    if standing.backlog_minutes is None:
        return Reason.BACKLOG
    reviewable = declared - standing.backlog_minutes.get(plan.trainer, 0.0) - theirs
    if reviewable <= 0:
        return Reason.BACKLOG
    return min(week, capacity, reviewable)


def _declared(trainer: Trainer | None) -> float:
    return 0.0 if trainer is None else trainer.review_minutes_per_week


def drawn(plan: Plan, now: datetime, roll: float) -> DrawKind | None:
    """P11: whether this call is chosen: in a slot the trainer booked, or by `roll` at the plan's rate. None: not."""
    if any(slot.start <= now < slot.end for slot in plan.slots):
        return DrawKind.SLOT
    return DrawKind.DRAWN if roll < min(plan.rate, RATE_CEILING) else None


def decide(
    plans: Iterable[Plan],
    trainee: TraineeId,
    now: datetime,
    standing: Standing,
    held: Iterable[Held],
    roll: float,
) -> Draw | Reason:
    """P11: the one decision of a call. `roll` is uniform in [0, 1), from the system's random source; `now` has a zone."""
    plan = leave(plans, trainee, now.date(), standing)
    if isinstance(plan, Reason):
        return plan
    minutes = allowance(plan, standing, held)
    if isinstance(minutes, Reason):
        return minutes
    kind = drawn(plan, now, roll)
    return Reason.NOT_DRAWN if kind is None else Draw(plan, kind, now.timestamp(), minutes)


def still(
    draw: Draw, plans: Iterable[Plan], now: datetime, standing: Standing, held: Iterable[Held]
) -> float | Reason:
    """P13, P15: asked when the conversation begins: the minutes the drawn call may have now. It never draws again.

    Between the ring and the answer another recording may have taken the room, or the plan may have been ended.
    """
    plan = same_leave(draw, plans, now.date(), standing)
    return plan if isinstance(plan, Reason) else allowance(plan, standing, held)
