"""The steps of one change of the catalogue, on the rows of an open transaction.

Each refuses what is not there, or is already; what a plan's past forbids is asked of history.py. Whether all that is left
then obeys the rules, and so is kept, is asked where the transaction ends (catalogue.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import date
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from pbx_bridge.catalogue.history import check_changed, check_ended, check_forgotten
from pbx_bridge.catalogue.tables import (
    ApplicationRow,
    Base,
    EndpointRow,
    MaskRow,
    PauseTitleRow,
    PlanApplicationRow,
    PlanRow,
    SlotRow,
    TraineeRow,
    TrainerRow,
)
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Application, Plan, Slot, Trainee, Trainer

Row = TypeVar("Row", bound=Base)


class Change:
    """The steps of one change. Every method raises OperatorError when what it names is not there, or is already."""

    def __init__(self, session: Session, today: date) -> None:
        self._session, self._today = session, today

    # -- persons ------------------------------------------------------------------------------------------------

    def add_trainee(self, trainee: Trainee) -> None:
        self._new(TraineeRow, "trainee", trainee.id)
        self._put(_fill_trainee(TraineeRow(id=trainee.id), trainee))

    def add_trainees(self, trainees: Iterable[Trainee]) -> None:
        """Many at once: one by one, the largest site's would hold the catalogue for half a minute."""
        there = set(self._session.scalars(select(TraineeRow.id)))
        for trainee in trainees:
            if trainee.id in there:
                raise self._twice("trainee", trainee.id)
            there.add(trainee.id)
            self._session.add(_fill_trainee(TraineeRow(id=trainee.id), trainee))
        self._session.flush()

    def change_trainee(self, trainee: Trainee) -> None:
        self._put(_fill_trainee(self._old(TraineeRow, "trainee", trainee.id), trainee))

    def retire_trainee(self, trainee: TraineeId) -> None:
        """Their plans end now; devices, member name and login are free for somebody else."""
        row = self._old(TraineeRow, "trainee", trainee)
        for plan in self._session.scalars(select(PlanRow).where(PlanRow.trainee == trainee)):
            last = min(plan.last_day, plan.ended_on or plan.last_day)
            if last >= self._today:
                plan.ended_on = min(self._today, plan.ended_on or self._today)
                plan.slots = []
        self._put(_fill_trainee(row, Trainee(trainee, (), "", "")))

    def remove_trainee(self, trainee: TraineeId) -> None:
        self._free("trainee", trainee, PlanRow.trainee == trainee)
        self._take(self._old(TraineeRow, "trainee", trainee))

    def add_trainer(self, trainer: Trainer) -> None:
        self._new(TrainerRow, "trainer", trainer.id)
        minutes = trainer.review_minutes_per_week
        self._put(TrainerRow(id=trainer.id, review_minutes_per_week=minutes))

    def change_trainer(self, trainer: Trainer) -> None:
        """Declares another review capacity (P15)."""
        row = self._old(TrainerRow, "trainer", trainer.id)
        row.review_minutes_per_week = trainer.review_minutes_per_week
        self._put(row)

    def remove_trainer(self, trainer: str) -> None:
        self._free("trainer", trainer, PlanRow.trainer == trainer)
        self._take(self._old(TrainerRow, "trainer", trainer))

    # -- applications -------------------------------------------------------------------------------------------

    def add_application(self, application: Application) -> None:
        self._new(ApplicationRow, "application", application.name)
        self._put(_fill_application(ApplicationRow(name=application.name), application))

    def change_application(self, application: Application) -> None:
        row = self._old(ApplicationRow, "application", application.name)
        self._put(_fill_application(row, application))

    def remove_application(self, application: str) -> None:
        used = PlanRow.applications.any(PlanApplicationRow.application == application)
        self._free("application", application, used)
        self._take(self._old(ApplicationRow, "application", application))

    # -- plans --------------------------------------------------------------------------------------------------

    def add_plan(self, plan: Plan) -> Plan:
        """P13, P22: as it stands now. Its seat is its trainee's; `entry` is drawn anew, so that no approval of a plan that
        was removed is one of this."""
        self._new(PlanRow, "plan", plan.id)
        self._refers(plan)
        row = _fill_plan(PlanRow(id=plan.id, entry=secrets.token_hex(8)), plan)
        self._put(row)
        return self._value(row)

    def change_plan(self, plan: Plan) -> Plan:
        """As it stands now."""
        row = self._old(PlanRow, "plan", plan.id)
        check_changed(self._value(row), plan, self._today)
        self._refers(plan)
        self._put(_fill_plan(row, plan))
        return self._value(row)

    def end_plan(self, plan: str, on: date | None = None) -> None:
        """It holds no more from this day on; today when none is given."""
        row, day = self._old(PlanRow, "plan", plan), on or self._today
        check_ended(self._value(row), day, self._today)
        row.ended_on = day
        self._put(row)

    def remove_plan(self, plan: str) -> None:
        row = self._old(PlanRow, "plan", plan)
        check_forgotten(self._value(row), self._today)
        self._take(row)

    def book_slot(self, plan: str, slot: Slot) -> None:
        row = self._old(PlanRow, "plan", plan)
        if any(slot.start < old.end and old.start < slot.end for old in (s.value() for s in row.slots)):
            raise OperatorError(
                "it overlaps another slot", where=f"plan {plan[:64]!r}", do="Choose another time"
            )
        plan_now = self._value(row)
        if not plan_now.holds_on(slot.start.date()) or slot.end.date() < self._today:
            raise OperatorError(
                "the plan does not hold then (P13)", where=f"plan {plan[:64]!r}", do="Choose another time"
            )
        row.slots.append(_slot(slot))
        self._put(row)

    def cancel_slot(self, plan: str, slot: Slot) -> None:
        row = self._old(PlanRow, "plan", plan)
        kept = [old for old in row.slots if old.start_unix != int(slot.start.timestamp())]
        if len(kept) == len(row.slots):
            raise OperatorError("it has no slot that starts then", where=f"plan {plan[:64]!r}")
        row.slots = kept
        self._put(row)

    # -- rows ---------------------------------------------------------------------------------------------------

    def _value(self, row: PlanRow) -> Plan:
        applications = {a.name: a.value() for a in self._session.scalars(select(ApplicationRow))}
        trainee = self._session.get(TraineeRow, row.trainee)
        try:
            return row.value(applications, {row.trainee: trainee.value().seat} if trainee else {})
        except (ValueError, KeyError) as error:
            raise OperatorError(
                "the row means nothing: a hand wrote it", where=f"plan {row.id!r}", do="Restore a backup"
            ) from error

    def _refers(self, plan: Plan) -> None:
        """A sentence before the database's own refusal."""
        wanted: list[tuple[type[Base], str, str]] = [
            (TraineeRow, "trainee", plan.trainee),
            (TrainerRow, "trainer", plan.trainer),
            *((ApplicationRow, "application", application.name) for application in plan.applications),
        ]
        for kind, word, name in wanted:
            self._old(kind, word, name)

    def _free(self, word: str, name: str, condition: object) -> None:
        plan = self._session.scalars(select(PlanRow).where(condition).limit(1)).first()  # type: ignore[arg-type]
        if plan is not None:
            raise OperatorError(
                f"plan {plan.id!r} names it",
                where=f"{word} {name[:64]!r}",
                do="A plan can be removed before it begins, and 24 months after its end (P13)",
            )

    def _new(self, kind: type[Row], word: str, name: str) -> None:
        if self._session.get(kind, name) is not None:
            raise self._twice(word, name)

    def _twice(self, word: str, name: str) -> OperatorError:
        return OperatorError(
            "there is one of this name already",
            where=f"{word} {name[:64]!r}",
            do=f"Choose another name, or: pbx-bridge {word} change --help",
        )

    def _old(self, kind: type[Row], word: str, name: str) -> Row:
        row = self._session.get(kind, name)
        if row is None:
            raise OperatorError(
                "there is none of this name",
                where=f"{word} {name[:64]!r}",
                do=f"See: pbx-bridge {word} list",
            )
        return row

    def _put(self, row: Base) -> None:
        self._session.add(row)
        self._session.flush()

    def _take(self, row: Base) -> None:
        self._session.delete(row)
        self._session.flush()


def _fill_trainee(row: TraineeRow, trainee: Trainee) -> TraineeRow:
    row.member, row.login = trainee.member, trainee.login
    row.endpoints = [
        EndpointRow(position=position, endpoint=endpoint)
        for position, endpoint in enumerate(dict.fromkeys(trainee.endpoints))
    ]
    return row


def _fill_application(row: ApplicationRow, application: Application) -> ApplicationRow:
    row.executable, row.main_program = application.executable, application.main_program
    row.wm_class, row.title, row.sha256 = application.wm_class, application.title, application.sha256
    row.masks = [
        MaskRow(position=position, x=mask.x, y=mask.y, width=mask.width, height=mask.height)
        for position, mask in enumerate(application.masks)
    ]
    row.pause_titles = [
        PauseTitleRow(position=position, pattern=pattern)
        for position, pattern in enumerate(application.pause_titles)
    ]
    return row


def _fill_plan(row: PlanRow, plan: Plan) -> PlanRow:
    row.trainee, row.need, row.trainer, row.approver = (
        plan.trainee,
        plan.need.value,
        plan.trainer,
        plan.approver,
    )
    row.first_day, row.last_day, row.ended_on = plan.first_day, plan.last_day, plan.ended_on
    row.rate, row.recordings_per_week = plan.rate, plan.recordings_per_week
    row.minutes_per_week = plan.minutes_per_week
    names = sorted({application.name for application in plan.applications})
    row.applications = [PlanApplicationRow(application=name) for name in names]
    row.slots = [_slot(slot) for slot in plan.slots]
    return row


def _slot(slot: Slot) -> SlotRow:
    return SlotRow(start_unix=int(slot.start.timestamp()), end_unix=int(slot.end.timestamp()))
