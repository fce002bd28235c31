"""The catalogue: persons, applications and plans, read as values and changed one whole change at a time.

A change is kept only when everything it leaves obeys the rules (enrolled.py, history.py). It decides nothing about a call
and nothing about a release: what is recorded must also be approved by a second person, whose word the keeper holds, so
a row edited by hand records nothing and opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, String, delete, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from pbx_bridge.catalogue.change import Change
from pbx_bridge.catalogue.database import FILE, in_memory, open_file, told
from pbx_bridge.catalogue.enrolled import Enrolled, Fault, faults
from pbx_bridge.catalogue.recordings import Recordings
from pbx_bridge.catalogue.tables import (
    ApplicationRow,
    Base,
    PlanRow,
    SlotRow,
    TraineeRow,
    TrainerRow,
)
from pbx_bridge.catalogue.watch import Watch
from pbx_bridge.training.plans import Application, Plan, Trainee, Trainer

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
        with told(self._where), Session(self._writing()) as session, session.begin():
            session.execute(delete(SlotRow).where(over))

    @contextmanager
    def change(self, *, dry_run: bool = False) -> Iterator[Change]:
        """One change, of as many steps as are called: kept when the block ends well and breaks no rule.

        What was wrong before and is not made worse does not stand in the way, so it can be mended step by step.
        With `dry_run` everything is checked and nothing kept. Raises: OperatorError.
        """
        with told(self._where), Session(self._writing()) as session, session.begin() as transaction:
            before = set(_read(session)[1])
            yield Change(session, self._today())
            session.flush()
            session.expire_all()
            for fault in _read(session)[1]:
                if fault not in before:
                    raise fault.error()
            if dry_run:
                transaction.rollback()

    def _writing(self) -> Engine:
        return self._engine.execution_options(writes=True)

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
