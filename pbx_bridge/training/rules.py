"""P11, P13, P15: which call of which trainee may be recorded, decided before it is answered.

Pure: it is given the plans, the week's use, the wall clock and one random number; it never asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from pbx_bridge.calls.reasons import Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Draw, DrawKind, Plan, Trainee, Trainer, Used

RATE_CEILING = 0.25
"""P11: no configuration draws more than one call in four."""
RECORDINGS_CEILING = 5
"""P15: recordings a week and trainee."""
MINUTES_CEILING = 60
"""P15: minutes a week and trainee."""
PLAN_CEILING = timedelta(days=184)
"""P13: six months per person and application."""
SLOT_CEILING = timedelta(hours=2)
"""P15: booked slots a day."""
CAPACITY_CEILING_MIN = 600
"""P15: minutes a week a trainer may declare to be able to review, ten hours."""
FPS_FLOOR = 5
"""P2: a working rate below this is refused."""


def check_plan(plan: Plan) -> None:
    """P11, P13, P15: ceilings no configuration can pass. Raises: OperatorError with the rule's number."""
    where = f"plan {plan.id}"
    if not 0 <= plan.rate <= RATE_CEILING:
        raise OperatorError(
            f"rate {plan.rate} is not within 0 and {RATE_CEILING} (P11)", where=where, do="Lower it"
        )
    if not 0 < plan.recordings_per_week <= RECORDINGS_CEILING:
        raise OperatorError(
            f"recordings_per_week must be 1 to {RECORDINGS_CEILING} (P15)", where=where, do="Lower it"
        )
    if not 0 < plan.minutes_per_week <= MINUTES_CEILING:
        raise OperatorError(
            f"minutes_per_week must be 1 to {MINUTES_CEILING} (P15)", where=where, do="Lower it"
        )
    if plan.last_day < plan.first_day:
        raise OperatorError("last_day is before first_day (P13)", where=where, do="Correct the dates")
    if plan.last_day - plan.first_day > PLAN_CEILING:
        raise OperatorError("it lasts more than six months (P13)", where=where, do="Shorten it")
    if plan.trainer == plan.approver:
        raise OperatorError("the approver is the trainer (P13)", where=where, do="Name another approver")
    if not plan.applications:
        raise OperatorError(
            "it names no application (P3)", where=where, do="Name at least one [[application]]"
        )
    per_day: dict[str, timedelta] = {}
    for slot in plan.slots:
        if slot.end <= slot.start:
            raise OperatorError("a slot ends before it starts", where=where, do="Correct the slot")
        day = slot.start.date().isoformat()
        per_day[day] = per_day.get(day, timedelta()) + (slot.end - slot.start)
        if per_day[day] > SLOT_CEILING:
            raise OperatorError(f"slots of {day} exceed 2 hours (P15)", where=where, do="Shorten them")


def check_capacity(trainer: Trainer) -> None:
    """P15: nobody reviews more than ten hours a week. Raises: OperatorError with the rule's number."""
    if not 0 <= trainer.review_minutes_per_week <= CAPACITY_CEILING_MIN:
        raise OperatorError(
            f"review minutes a week must be 0 to {CAPACITY_CEILING_MIN} (P15)",
            where=f"trainer {trainer.id}",
            do="Declare what this trainer really has time for",
        )


def who(trainees: Iterable[Trainee], endpoint: str, named: str, by_site: bool) -> TraineeId | Reason | None:
    """P13: which trainee talks at `endpoint` when the PBX names the person there `named` ("" when it names nobody).

    An endpoint is a device: a name that is not its trainee's makes the call nobody's and forbids it, if the site named
    the person on purpose (`by_site`) or gives its trainees names to be told by. A device several trainees share is
    nobody's until one is named.
    """
    known = list(trainees)
    at_device = [trainee for trainee in known if endpoint in trainee.endpoints]
    person = next((trainee for trainee in known if trainee.member and trainee.member == named), None)
    if person is not None:
        return person.id if not at_device or person in at_device else Reason.PERSON_CONFLICT
    if named and at_device and (by_site or any(trainee.member for trainee in at_device)):
        return Reason.PERSON_CONFLICT
    return at_device[0].id if len(at_device) == 1 else None


def current_plan(plans: Iterable[Plan], trainee: TraineeId, today: date) -> Plan | None:
    """P13, P14: the one plan that holds for `trainee` today: what they are told about and what is decided by."""
    return next((plan for plan in plans if plan.trainee == trainee and plan.holds_on(today)), None)


def decide(
    plans: Iterable[Plan], trainee: TraineeId, now: datetime, used: Used, roll: float
) -> Draw | Reason:
    """P11: the one draw of a call. `roll` is uniform in [0, 1), from the system's random source; `now` has a zone.

    A call is recorded in a booked slot or when drawn at the plan's rate, within the plan's dates and weekly caps.
    """
    mine = [plan for plan in plans if plan.trainee == trainee]
    if not mine:
        return Reason.NO_PLAN
    plan = current_plan(mine, trainee, now.date())
    if plan is None:
        return Reason.PLAN_ENDED
    if used.recordings >= plan.recordings_per_week or used.minutes >= plan.minutes_per_week:
        return Reason.WEEKLY_CAP
    left = plan.minutes_per_week - used.minutes
    if any(slot.start <= now < slot.end for slot in plan.slots):
        return Draw(plan, DrawKind.SLOT, now.timestamp(), left)
    if roll < plan.rate:
        return Draw(plan, DrawKind.DRAWN, now.timestamp(), left)
    return Reason.NOT_DRAWN
