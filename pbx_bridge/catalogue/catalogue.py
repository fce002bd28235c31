"""The catalogue: persons, applications and plans, read as values and changed one whole change at a time.

A change is kept only when everything it leaves obeys the rules (enrolled.py, history.py). It decides nothing about a call
and nothing about a release: what is recorded must also be approved by a second person, whose word the keeper holds, so
a row edited by hand records nothing and opens nothing.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, String, delete, select, text, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from pbx_bridge.catalogue.database import FILE, in_memory, open_file, told
from pbx_bridge.catalogue.enrolled import Enrolled, Fault, faults
from pbx_bridge.catalogue.history import check_changed, check_ended, check_forgotten
from pbx_bridge.catalogue.recordings import Recordings
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
V = TypeVar("V")
_MEND = "Restore a backup, or mend the row"


class Catalogue:
    """`Catalogue.open(folder)`; `read()` gives everything, `change()` changes it whole or not at all."""

    def __init__(self, engine: Engine, where: str, today: Callable[[], date]) -> None:
        self._engine, self._where, self._today = engine, where, today
        self.recordings = Recordings(engine, where)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        owner: tuple[int, int] | None = None,
        dry_run: bool = False,
        today: Callable[[], date] = date.today,
    ) -> Catalogue:
        """The catalogue in `folder`, made when there is none. `owner` (user, group): whose a new file becomes.

        With `dry_run` a missing one stays missing, and an older one as it is. Raises: OperatorError.
        """
        path = folder / FILE
        engine = in_memory() if dry_run and not path.exists() else open_file(folder, owner, dry_run=dry_run)
        return cls(engine, str(path), today)

    def close(self) -> None:
        self._engine.dispose()

    def read(self) -> tuple[Enrolled, tuple[Fault, ...]]:
        """Everything at one moment, and all that is wrong with it; a row that means nothing is a fault and left out."""
        with told(self._where), Session(self._engine) as session:
            return _read(session)

    def enrolled(self) -> Enrolled:
        return self.read()[0]

    def trainees(self) -> tuple[Trainee, ...]:
        return self.enrolled().trainees

    def trainers(self) -> tuple[Trainer, ...]:
        return self.enrolled().trainers

    def applications(self) -> tuple[Application, ...]:
        return self.enrolled().applications

    def plans(self) -> tuple[Plan, ...]:
        return self.enrolled().plans

    def entered(self) -> tuple[Entered, ...]:
        """Every plan there is a row of, also of one that means nothing."""
        wanted = select(PlanRow.id, PlanRow.entry, type_coerce(PlanRow.ended_on, String))
        with told(self._where), Session(self._engine) as session:
            return tuple(
                Entered(str(name), str(entry), _day(on)) for name, entry, on in session.execute(wanted)
            )

    def forget_slots(self) -> None:
        """P15: slots of days that are over go; today's stay, because they count against its two hours."""
        midnight = datetime.combine(self._today(), time()).astimezone()
        over = SlotRow.end_unix <= int(midnight.timestamp())
        with told(self._where), Session(self._engine) as session:
            if session.scalar(select(SlotRow.plan).where(over).limit(1)) is None:
                return
        engine = self._engine.execution_options(writes=True)
        with told(self._where), Session(engine) as session, session.begin():
            session.execute(delete(SlotRow).where(over))

    @contextmanager
    def change(self, *, dry_run: bool = False) -> Iterator[Change]:
        """One change, of as many steps as are called: kept when the block ends well and breaks no rule.

        What was wrong before and is not made worse does not stand in the way, so it can be mended step by step.
        With `dry_run` everything is checked and nothing kept. Raises: OperatorError.
        """
        engine = self._engine.execution_options(writes=True)
        with told(self._where), Session(engine) as session, session.begin() as transaction:
            before = set(_read(session)[1])
            yield Change(session, self._today())
            session.flush()
            session.expire_all()
            for fault in _read(session)[1]:
                if fault not in before:
                    raise fault.error()
            if dry_run:
                transaction.rollback()

    def watch(self) -> Watch:
        """Tells when somebody else changed the catalogue."""
        return Watch(self._engine, self._where)


@dataclass(frozen=True, slots=True)
class Entered:
    """A row of a plan."""

    plan: str
    entry: str
    ended_on: date | None


def _day(written: object) -> date | None:
    """What a hand wrote that is no day is a day long ago."""
    try:
        return None if written is None else date.fromisoformat(str(written))
    except ValueError:
        return date.min


class Watch:
    """A connection of its own; ask it from one thread at a time."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine, self._where = engine, where
        self._file = self._identity()
        self._connection = engine.connect()
        self._seen = self._version()

    def changed(self) -> bool:
        """Whether anybody else wrote since the last question. Where the database cannot tell, always true.

        A file put in the place of the old one (a backup) is a change, and is what everybody reads from then on.
        """
        file = self._identity()
        with told(self._where):
            if file != self._file:
                self._connection.close()
                self._engine.dispose()
                self._connection, self._seen = self._engine.connect(), None
                self._file = file
            seen = self._version()
        changed = seen is None or seen != self._seen
        self._seen = seen
        return changed

    def close(self) -> None:
        self._connection.close()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._where)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _version(self) -> int | None:
        if self._engine.dialect.name != "sqlite":
            return None
        try:
            found: int = self._connection.scalar(text("PRAGMA data_version"))
        finally:
            self._connection.rollback()
        return found


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


def _read(session: Session) -> tuple[Enrolled, tuple[Fault, ...]]:
    strange = list[Fault]()

    def all_of(kind: type[Row], key: InstrumentedAttribute[str], value: Callable[[Row], V]) -> tuple[V, ...]:
        """What can be read; a value of which a column cannot even be parsed takes all of its kind with it."""
        word, found = kind.__tablename__.removesuffix("s"), list[V]()
        try:
            rows = session.scalars(select(kind).order_by(key)).all()
        except (ValueError, TypeError, OverflowError) as error:
            strange.append(Fault(f"every {word}", f"a row means nothing ({error})", _MEND))
            return ()
        for row in rows:
            try:
                row.check_types()
                found.append(value(row))
            except (ValueError, KeyError, OverflowError, OSError):
                where = f"{word} {str(getattr(row, key.key))[:64]!r}"
                strange.append(Fault(where, "the row means nothing: a hand wrote it", _MEND))
        return tuple(found)

    applications = all_of(ApplicationRow, ApplicationRow.name, ApplicationRow.value)
    named = {application.name: application for application in applications}
    trainees = all_of(TraineeRow, TraineeRow.id, TraineeRow.value)
    seats = {str(trainee.id): trainee.seat for trainee in trainees}
    enrolled = Enrolled(
        trainees,
        all_of(TrainerRow, TrainerRow.id, TrainerRow.value),
        applications,
        all_of(PlanRow, PlanRow.id, lambda row: row.value(named, seats)),
    )
    return enrolled, (*strange, *faults(enrolled))


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
