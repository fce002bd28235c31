"""Which recordings hold the call of which customer: so that an objection, or a person asking for their own, finds them.

It keeps keyed hashes, ids and times. It must never decide who may open a recording (P18): that is the keeper's, from the
signed manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Engine, delete, select
from sqlalchemy.orm import Session

from pbx_bridge.catalogue.database import told
from pbx_bridge.catalogue.tables import RecordingRow
from pbx_bridge.ids import RecordingId, TraineeId


@dataclass(frozen=True, slots=True)
class Noted:
    """One recording and one customer whose call it holds."""

    recording: RecordingId
    trainee: TraineeId
    call: str
    """The ledger's name for the call."""
    party: str
    """Keyed hash of the customer's channel."""
    customer: str
    """Keyed hash of the customer's number, "" when it is not known."""
    started_unix: int


class Recordings:
    """Of one catalogue. Every method is one transaction, and may be called from any thread."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine, self._where = engine, where

    def note(self, noted: Noted) -> None:
        """Kept before this returns; noting the same recording and party again replaces it."""
        row = RecordingRow(
            recording=noted.recording,
            party=noted.party,
            trainee=noted.trainee,
            call=noted.call,
            customer=noted.customer,
            started_unix=noted.started_unix,
        )
        with told(self._where), Session(self._writing()) as session, session.begin():
            session.merge(row)

    def of_party(self, party: str) -> tuple[Noted, ...]:
        """Every recording that holds the call of the customer's channel with this hash, oldest first."""
        return self._found(RecordingRow.party == party)

    def of_customer(self, customer: str, day: date) -> tuple[Noted, ...]:
        """Every recording of a call that began on this day (local time) with the number of this hash."""
        start = datetime.combine(day, time()).astimezone()
        end = datetime.combine(day + timedelta(days=1), time()).astimezone()
        return self._found(
            RecordingRow.customer == customer,
            RecordingRow.customer != "",
            RecordingRow.started_unix >= int(start.timestamp()),
            RecordingRow.started_unix < int(end.timestamp()),
        )

    def of_call(self, call: str) -> tuple[Noted, ...]:
        """Every recording of this call, by the ledger's name for it."""
        return self._found(RecordingRow.call == call)

    def of_trainee(self, trainee: TraineeId) -> tuple[Noted, ...]:
        """Every recording of this trainee."""
        return self._found(RecordingRow.trainee == trainee)

    def all(self) -> tuple[Noted, ...]:
        return self._found()

    def forget(self, recordings: Iterable[RecordingId]) -> None:
        """What was destroyed leaves no line here."""
        with told(self._where), Session(self._writing()) as session, session.begin():
            for recording in recordings:
                session.execute(delete(RecordingRow).where(RecordingRow.recording == recording))

    def _writing(self) -> Engine:
        return self._engine.execution_options(writes=True)

    def _found(self, *conditions: ColumnElement[bool]) -> tuple[Noted, ...]:
        query = (
            select(RecordingRow)
            .where(*conditions)
            .order_by(RecordingRow.started_unix, RecordingRow.recording, RecordingRow.party)
        )
        with told(self._where), Session(self._engine) as session:
            return tuple(
                Noted(
                    RecordingId(row.recording),
                    TraineeId(row.trainee),
                    row.call,
                    row.party,
                    row.customer,
                    row.started_unix,
                )
                for row in session.scalars(query)
            )
