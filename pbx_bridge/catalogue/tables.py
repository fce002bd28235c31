"""The catalogue's tables (SQLAlchemy 2), and how a row becomes a value of training/plans.py and back.

It knows columns; it must never decide who may be recorded or who may watch. Nothing here is SQLite's own: PostgreSQL can
follow. A change of this file needs a new migration (tests/catalogue/test_migrations.py compares the two).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Date, Double, ForeignKey, Index, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Application, Mask, Need, Plan, Seat, Slot, Trainee, Trainer

NAME, LONG, DIGEST, PATTERN = String(64), String(1024), String(64), String(256)


class Base(DeclarativeBase):
    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    def check_types(self) -> None:
        """SQLite keeps whatever a hand writes into a column. Raises: ValueError when one here or below is another kind."""
        for column in self.__table__.columns:
            value, kind = getattr(self, column.key), column.type.python_type
            if value is None and column.nullable:
                continue
            if not isinstance(value, kind):
                raise ValueError(f"{column.name} is no {kind.__name__}")
        for below in self.__mapper__.relationships:
            for row in getattr(self, below.key):
                row.check_types()


class EndpointRow(Base):
    __tablename__ = "endpoints"
    trainee: Mapped[str] = mapped_column(NAME, ForeignKey("trainees.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(String(128))


class TraineeRow(Base):
    __tablename__ = "trainees"
    id: Mapped[str] = mapped_column(NAME, primary_key=True)
    member: Mapped[str] = mapped_column(String(128))
    login: Mapped[str] = mapped_column(String(128))
    endpoints: Mapped[list[EndpointRow]] = relationship(
        order_by=EndpointRow.position, cascade="all, delete-orphan", lazy="selectin"
    )

    def value(self) -> Trainee:
        endpoints = tuple(row.endpoint for row in self.endpoints)
        return Trainee(TraineeId(self.id), endpoints, self.member, self.login)


class TrainerRow(Base):
    __tablename__ = "trainers"
    id: Mapped[str] = mapped_column(NAME, primary_key=True)
    review_minutes_per_week: Mapped[int]

    def value(self) -> Trainer:
        return Trainer(self.id, self.review_minutes_per_week)


class MaskRow(Base):
    __tablename__ = "masks"
    application: Mapped[str] = mapped_column(NAME, ForeignKey("applications.name"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[int]
    y: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]


class PauseTitleRow(Base):
    __tablename__ = "pause_titles"
    application: Mapped[str] = mapped_column(NAME, ForeignKey("applications.name"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    pattern: Mapped[str] = mapped_column(PATTERN)


class ApplicationRow(Base):
    __tablename__ = "applications"
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    executable: Mapped[str] = mapped_column(LONG)
    main_program: Mapped[str | None] = mapped_column(LONG)
    wm_class: Mapped[str] = mapped_column(String(128))
    title: Mapped[str | None] = mapped_column(PATTERN)
    sha256: Mapped[str | None] = mapped_column(DIGEST)
    masks: Mapped[list[MaskRow]] = relationship(
        order_by=MaskRow.position, cascade="all, delete-orphan", lazy="selectin"
    )
    pause_titles: Mapped[list[PauseTitleRow]] = relationship(
        order_by=PauseTitleRow.position, cascade="all, delete-orphan", lazy="selectin"
    )

    def value(self) -> Application:
        return Application(
            self.name,
            self.executable,
            self.main_program,
            self.wm_class,
            self.title,
            self.sha256,
            tuple(Mask(row.x, row.y, row.width, row.height) for row in self.masks),
            tuple(row.pattern for row in self.pause_titles),
        )


class PlanApplicationRow(Base):
    __tablename__ = "plan_applications"
    plan: Mapped[str] = mapped_column(NAME, ForeignKey("plans.id"), primary_key=True)
    application: Mapped[str] = mapped_column(NAME, ForeignKey("applications.name"), primary_key=True)


class SlotRow(Base):
    __tablename__ = "slots"
    plan: Mapped[str] = mapped_column(NAME, ForeignKey("plans.id"), primary_key=True)
    start_unix: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    end_unix: Mapped[int] = mapped_column(BigInteger)

    def value(self) -> Slot:
        return Slot(
            datetime.fromtimestamp(self.start_unix).astimezone(),
            datetime.fromtimestamp(self.end_unix).astimezone(),
        )


class PlanRow(Base):
    __tablename__ = "plans"
    id: Mapped[str] = mapped_column(NAME, primary_key=True)
    trainee: Mapped[str] = mapped_column(NAME, ForeignKey("trainees.id"))
    need: Mapped[str] = mapped_column(String(32))
    trainer: Mapped[str] = mapped_column(NAME, ForeignKey("trainers.id"))
    approver: Mapped[str] = mapped_column(NAME)
    """By the keeper's name for that person; not a row here, because the catalogue proves nobody."""
    first_day: Mapped[date] = mapped_column(Date)
    last_day: Mapped[date] = mapped_column(Date)
    ended_on: Mapped[date | None] = mapped_column(Date)
    rate: Mapped[float] = mapped_column(Double)
    recordings_per_week: Mapped[int]
    minutes_per_week: Mapped[int]
    entry: Mapped[str] = mapped_column(String(32))
    """Drawn when the row was entered; stands in what is approved."""
    applications: Mapped[list[PlanApplicationRow]] = relationship(
        order_by=PlanApplicationRow.application, cascade="all, delete-orphan", lazy="selectin"
    )
    slots: Mapped[list[SlotRow]] = relationship(
        order_by=SlotRow.start_unix, cascade="all, delete-orphan", lazy="selectin"
    )

    def value(self, applications: dict[str, Application], seats: dict[str, Seat]) -> Plan:
        """`seats`: of each trainee. Raises: ValueError, KeyError when a hand wrote into the row what no command would."""
        return Plan(
            id=self.id,
            trainee=TraineeId(self.trainee),
            applications=tuple(applications[row.application] for row in self.applications),
            need=Need(self.need),
            trainer=self.trainer,
            approver=self.approver,
            first_day=self.first_day,
            last_day=self.last_day,
            rate=self.rate,
            recordings_per_week=self.recordings_per_week,
            minutes_per_week=self.minutes_per_week,
            slots=tuple(row.value() for row in self.slots),
            ended_on=self.ended_on,
            seat=seats.get(self.trainee, Seat()),
            entry=self.entry,
        )


class RecordingRow(Base):
    """Which recordings hold whose call: to find them again, never to decide who may open one (P18)."""

    __tablename__ = "recordings"
    recording: Mapped[str] = mapped_column(String(26), primary_key=True)
    party: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    """Keyed hash of the customer's channel."""
    trainee: Mapped[str] = mapped_column(NAME, index=True)
    call: Mapped[str] = mapped_column(String(64))
    """The ledger's name for the call."""
    customer: Mapped[str] = mapped_column(DIGEST)
    """Keyed hash of the customer's number, "" when the PBX did not tell it."""
    started_unix: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (
        Index("ix_recordings_party", "party"),
        Index("ix_recordings_customer", "customer", "started_unix"),
    )
