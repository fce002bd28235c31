"""P11, P13, P15: what no plan may pass, who sits where, and which plan holds today.

Pure questions about plans and persons; whether one call is recorded is asked of training/decision.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from pbx_bridge.calls.reasons import Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Enrolment, Plan, Program, Slot, Trainee, Trainer

RATE_CEILING = 0.25
"""P11: no configuration draws more than one call in four."""
RECORDINGS_CEILING = 5
"""P15: recordings a week and trainee."""
MINUTES_CEILING = 60
"""P15: minutes a week and trainee."""
PLAN_CEILING_DAYS = 184
"""P13: six months per person and application, the longest six there are, both ends counted."""
PLAN_WINDOW_YEARS = 2
"""P13: in any 24 months."""
REMEMBERED = timedelta(days=731)
"""P13: those 24 months at their longest: so long a plan's days are kept, from its last."""
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
    if (plan.last_day - plan.first_day).days + 1 > PLAN_CEILING_DAYS:
        raise OperatorError("it lasts more than six months (P13)", where=where, do="Shorten it")
    if plan.trainer == plan.approver:
        raise OperatorError("the approver is the trainer (P13)", where=where, do="Name another approver")
    if not plan.applications:
        raise OperatorError(
            "it names no application (P3)", where=where, do="Name at least one [[application]]"
        )
    _check_slots(plan.slots, where)


def _check_slots(slots: Iterable[Slot], where: str) -> None:
    """P15: at most two hours of booked slots on any day of the server's zone, a slot over midnight counted on both.

    Whatever zones the slots themselves are written in, and across a change to summer time.
    """
    per_day: dict[date, timedelta] = {}
    for slot in slots:
        if slot.end <= slot.start:
            raise OperatorError("a slot ends before it starts", where=where, do="Correct the slot")
        if slot.end - slot.start > SLOT_CEILING:
            raise OperatorError(
                f"the slot of {slot.start.date()} exceeds 2 hours (P15)", where=where, do="Shorten it"
            )
        starts, ends = slot.start.astimezone(), slot.end.astimezone()
        midnight = datetime.combine(starts.date() + timedelta(days=1), time()).astimezone()
        parts = (starts, min(ends, midnight)), (midnight, max(ends, midnight))
        for start, end in parts:
            day = start.date()
            per_day[day] = per_day.get(day, timedelta()) + (end - start)
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


def enrolled_days(enrolments: Iterable[Enrolment], program: Program, until: date) -> int:
    """P13: days, in the 24 months that end with `until`, on which one trainee could be recorded in `program`.

    A day counts once, however many enrolments have it. An application listed again under another name, or the same name on
    another program, is the same application.
    """
    counted_to = _years_before(until, PLAN_WINDOW_YEARS)
    days = 0
    for one in sorted(enrolments, key=lambda one: one.first_day):
        if any(_same(program, other) for other in one.programs):
            before = max(counted_to, one.first_day - timedelta(days=1))
            counted_to = max(before, min(one.last_day, until))
            days += (counted_to - before).days
    return days


def enrolment(plan: Plan) -> Enrolment:
    """The days a plan has, or had."""
    programs = tuple(application.program for application in plan.applications)
    return Enrolment(plan.trainee, programs, plan.first_day, last_day(plan))


def used_up(plan: Plan, plans: Iterable[Plan], day: date) -> bool:
    """P13: whether `plan` has on `day` passed six months per person and application in any 24.

    `plans` are all of the trainee's, those over included. A plan can only come nearer to it from day to day, so a plan that
    has not passed on its last day never does.
    """
    own = [enrolment(other) for other in plans if other.trainee == plan.trainee]
    return any(
        enrolled_days(own, application.program, day) > PLAN_CEILING_DAYS for application in plan.applications
    )


def most_days(new: Enrolment, others: Iterable[Enrolment], program: Program) -> int:
    """P13: the days of `program` in the fullest 24 months that end with `new` or a later one of `others`, all counted."""
    own = [new, *(other for other in others if other.trainee == new.trainee)]
    return max(enrolled_days(own, program, one.last_day) for one in own if one.last_day >= new.last_day)


def check_history(plan: Plan, plans: Iterable[Plan]) -> None:
    """P13: six months per person and application in any 24, over all of a trainee's plans. Raises: OperatorError."""
    if last_day(plan) >= plan.first_day and used_up(plan, plans, last_day(plan)):
        raise OperatorError(
            "with this trainee's other plans it makes more than six months for one application in 24 (P13)",
            where=f"plan {plan.id}",
            do="Let it begin later or end earlier",
        )


def last_day(plan: Plan) -> date:
    """The last day on which it holds or held; before `first_day` when it was ended before it began."""
    if plan.ended_on is None:
        return plan.last_day
    return min(plan.last_day, plan.ended_on - timedelta(days=1))


def _same(one: Program, other: Program) -> bool:
    program = (one.executable, one.main_program)
    return one.name == other.name or program == (other.executable, other.main_program)


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


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
