"""Who is trained on what at the rig's site, written into its catalogue as `pbx-bridge trainee|plan ... add` would.

In this process and in one change: each command would cost half a second before every live test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.training.plans import Application, Need, Plan, Slot, Trainee, Trainer

CAPACITY_MIN = 600


def enrol(
    state: Path,
    application: Application,
    trainees: Sequence[Trainee],
    *,
    trainer: str,
    approver: str,
    recordings_per_week: int,
) -> None:
    """Each trainee gets a plan in its first weeks, with a slot booked around now. What is there already is changed."""
    catalogue = Catalogue.open(state / "catalogue")
    known = catalogue.enrolled()
    plans = {plan.id: plan for plan in known.plans}
    with catalogue.change() as change:
        if not known.applications:
            change.add_application(application)
            change.add_trainer(Trainer(trainer, CAPACITY_MIN))
        for trainee in trainees:
            if trainee.id in {old.id for old in known.trainees}:
                change.change_trainee(trainee)
            else:
                change.add_trainee(trainee)
            plan = _plan(trainee, application, trainer, approver, recordings_per_week)
            if (old := plans.get(plan.id)) is not None:
                change.change_plan(replace(plan, first_day=old.first_day, last_day=old.last_day))
            else:
                change.add_plan(plan)
    catalogue.close()


def _plan(
    trainee: Trainee, application: Application, trainer: str, approver: str, recordings_per_week: int
) -> Plan:
    now = datetime.now(UTC).replace(microsecond=0)
    return Plan(
        id=f"{trainee.id}-{application.name}",
        trainee=trainee.id,
        applications=(application,),
        need=Need.NEW_IN_POST,
        trainer=trainer,
        approver=approver,
        first_day=now.date() - timedelta(days=1),
        last_day=now.date() + timedelta(days=40),
        rate=0.05,
        recordings_per_week=recordings_per_week,
        minutes_per_week=20,
        slots=(Slot(now - timedelta(minutes=2), now + timedelta(minutes=50)),),
    )
