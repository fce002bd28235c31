"""The bridge's configuration file: TOML in, checked values out.

Everything a person can get wrong is refused here with file, key and what to do; ceilings of the privacy rules are asked
of their homes (training/rules.py, archive/rules.py). It never opens a network connection and never prints a secret.
"""

from __future__ import annotations

import ipaddress
import itertools
import stat
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pbx_bridge.archive.rules import KEEP_CEILING_DAYS, TRAINEE_FIRST_RANGE_H
from pbx_bridge.calls.rules import PAYMENT_CEILING_S, PAYMENT_DEFAULT_S
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId, parse_name
from pbx_bridge.programs import rule_fault
from pbx_bridge.training.notices import CALLER_NOTICES
from pbx_bridge.training.plans import Application, Need, Plan, Slot, Trainee
from pbx_bridge.training.rules import FPS_FLOOR, check_plan
from pbx_bridge.wire import ApplicationRule

DEFAULT_PATH = Path("/etc/pbx-bridge/config.toml")
CONFIG_LIMIT = 1 << 20
"""Bytes of configuration read at most: a few hundred persons and plans are 100 kB."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Address(_Section):
    """host:port."""

    host: str
    port: int = Field(ge=0, le=65535)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            host, colon, port = value.rpartition(":")
            if not colon or not port.isdigit():
                raise ValueError('write it as "host:port"')
            return {"host": host.strip("[]"), "port": int(port)}
        return value

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Bridge(_Section):
    state_dir: Path = Path("/var/lib/pbx-bridge")
    run_dir: Path = Path("/run/pbx-bridge")
    language: Literal["fr", "en"] = "fr"
    demonstration: bool = False
    user: str = "pbx-bridge"
    """Whom `serve` becomes when root starts it."""
    keeper_user: str = "pbx-bridge-keeper"
    """Whom the keeper becomes: another user, so that the recording side cannot read its secret (P17)."""


class Compliance(_Section):
    """P14: outside demonstration mode these must be named."""

    impact_assessment: str = Field(min_length=1)
    works_council: str = Field(min_length=1)
    """Its consultation, or why none is due."""
    dated: date


class Controller(_Section):
    """Who answers for the processing (GDPR art. 13 and 30): in the notices and in `pbx-bridge report`."""

    name: str = Field(min_length=1, max_length=200)
    contact: str = Field(min_length=1, max_length=200)
    """Where a person asks for their rights: an address, a mailbox."""
    data_protection_officer: str = Field(default="", max_length=200)


class Stations(_Section):
    listen: Address = Address(host="0.0.0.0", port=7443)
    names: tuple[str, ...] = ("localhost", "127.0.0.1")


class Portal(_Section):
    listen: Address = Address(host="0.0.0.0", port=7444)


class Asterisk(_Section):
    """All of it is clear text: the loopback, or a tunnel that ends there."""

    ami: Address = Address(host="127.0.0.1", port=5038)
    ami_user: str = "pbxb"
    ami_secret_file: Path
    ari: str = "http://127.0.0.1:8088"
    ari_user: str = "pbxb"
    ari_secret_file: Path
    fastagi_listen: Address = Address(host="127.0.0.1", port=4573)
    audiosocket_listen: Address = Address(host="127.0.0.1", port=9092)
    foreign_recorders: Literal["refuse", "allow"] = "refuse"

    @field_validator("ami", "fastagi_listen", "audiosocket_listen")
    @classmethod
    def _loopback(cls, address: Address) -> Address:
        """Voices, the notice and the manager travel in clear: never over a network (P17)."""
        if not _is_loopback(address.host):
            raise ValueError(f"{address.host} is not the loopback: use 127.0.0.1")
        return address

    @field_validator("ari")
    @classmethod
    def _loopback_url(cls, url: str) -> str:
        if not _is_loopback(urlsplit(url).hostname or ""):
            raise ValueError("it is not on the loopback: use http://127.0.0.1:8088")
        return url


class RecordingRules(_Section):
    fps: int = Field(default=10, ge=1, le=30)
    retention_days: int = Field(default=30, ge=1)
    trainee_first_hours: int = Field(default=24)
    payment_pause_s: int = Field(default=PAYMENT_DEFAULT_S, ge=10)
    """How long a payment may keep a recording paused before it ends (P7)."""

    @field_validator("fps")
    @classmethod
    def _floor(cls, fps: int) -> int:
        """P2: fps below 5 is refused."""
        if fps < FPS_FLOOR:
            raise ValueError(f"fps below {FPS_FLOOR} is refused (P2)")
        return fps

    @field_validator("retention_days")
    @classmethod
    def _retention(cls, days: int) -> int:
        """P20: the ceiling."""
        if days > KEEP_CEILING_DAYS:
            raise ValueError(f"the ceiling is {KEEP_CEILING_DAYS} days (P20)")
        return days

    @field_validator("payment_pause_s")
    @classmethod
    def _payment(cls, seconds: int) -> int:
        """P7: a pause that nobody ends is ended."""
        if seconds > PAYMENT_CEILING_S:
            raise ValueError(f"the ceiling is {PAYMENT_CEILING_S} seconds (P7)")
        return seconds

    @field_validator("trainee_first_hours")
    @classmethod
    def _first(cls, hours: int) -> int:
        """P18: never 0."""
        if hours not in TRAINEE_FIRST_RANGE_H:
            first, last = TRAINEE_FIRST_RANGE_H[0], TRAINEE_FIRST_RANGE_H[-1]
            raise ValueError(f"it must be {first} to {last} hours, never 0 (P18)")
        return hours


class NoticeEntry(_Section):
    """The caller's notice in one language (P16)."""

    language: Literal["fr", "en"]
    sound: str
    """As Playback() names it."""
    text: str = Field(min_length=20, max_length=1000)
    """What is spoken: its hash goes into every permit."""


class ApplicationEntry(_Section):
    name: str
    executable: str
    main_program: str | None = None
    wm_class: str
    title: str | None = None
    sha256: str | None = None


class TraineeEntry(_Section):
    id: str
    endpoints: tuple[str, ...]
    member: str = ""
    login: str


class TrainerEntry(_Section):
    id: str


class SlotEntry(_Section):
    start: datetime
    end: datetime

    @field_validator("start", "end")
    @classmethod
    def _zoned(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("write the zone, as in 2026-11-23T09:00:00+01:00")
        return value


class PlanEntry(_Section):
    id: str
    trainee: str
    applications: tuple[str, ...]
    need: Need
    trainer: str
    approver: str
    first_day: date
    last_day: date
    rate: float = 0.05
    recordings_per_week: int = 2
    minutes_per_week: int = 20
    slot: tuple[SlotEntry, ...] = ()


class Config(_Section):
    """The whole file. Persons, plans and applications are given as values the rules understand."""

    bridge: Bridge = Bridge()
    compliance: Compliance | None = None
    controller: Controller | None = None
    stations: Stations = Stations()
    portal: Portal = Portal()
    asterisk: Asterisk
    recording: RecordingRules = RecordingRules()
    notice: tuple[NoticeEntry, ...] = (
        NoticeEntry(language="fr", sound="pbxb/notice-fr", text=CALLER_NOTICES["fr"]),
        NoticeEntry(language="en", sound="pbxb/notice-en", text=CALLER_NOTICES["en"]),
    )
    application: tuple[ApplicationEntry, ...] = ()
    trainee: tuple[TraineeEntry, ...] = ()
    trainer: tuple[TrainerEntry, ...] = ()
    plan: tuple[PlanEntry, ...] = ()

    @property
    def trainees(self) -> tuple[Trainee, ...]:
        return tuple(Trainee(TraineeId(t.id), t.endpoints, t.member, t.login) for t in self.trainee)

    @property
    def plans(self) -> tuple[Plan, ...]:
        applications = {
            a.name: Application(a.name, a.executable, a.main_program, a.wm_class, a.title, a.sha256)
            for a in self.application
        }
        return tuple(
            Plan(
                id=p.id,
                trainee=TraineeId(p.trainee),
                applications=tuple(applications[name] for name in p.applications),
                need=p.need,
                trainer=p.trainer,
                approver=p.approver,
                first_day=p.first_day,
                last_day=p.last_day,
                rate=p.rate,
                recordings_per_week=p.recordings_per_week,
                minutes_per_week=p.minutes_per_week,
                slots=tuple(Slot(s.start, s.end) for s in p.slot),
            )
            for p in self.plan
        )


def load(path: Path) -> Config:
    """The checked configuration in `path`. Raises: OperatorError saying which key is wrong and what to do."""
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_LIMIT + 1)
    except OSError as error:
        raise OperatorError(
            f"cannot read the configuration: {error.strerror}",
            where=str(path),
            do="Write it (docs/operations.md has an example), or give --config FILE",
        ) from error
    if len(text) > CONFIG_LIMIT:
        raise OperatorError(
            f"it is larger than {CONFIG_LIMIT} bytes", where=str(path), do="Is this the right file?"
        )
    try:
        raw = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"it is not TOML: {error}", where=str(path), do="Correct that line") from error
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise OperatorError(first["msg"], where=f"{path}: {key}", do="Correct that key") from error
    check(config, str(path))
    return config


def check(config: Config, where: str) -> None:
    """What no single key can know: references, duplicates, the rules' ceilings, P14's compliance section."""
    if not config.bridge.demonstration and config.compliance is None:
        raise OperatorError(
            "[compliance] is missing: the impact assessment and the works council's consultation (P14)",
            where=where,
            do="Name both with their date, or set bridge.demonstration = true for a demonstration",
        )
    people = [*(t.id for t in config.trainee), *(t.id for t in config.trainer)]
    for name in people:
        try:
            parse_name(name)
        except ValueError as error:
            raise OperatorError(
                str(error), where=f"{where}: id {name!r}", do="Choose a short name"
            ) from error
    if len(set(people)) != len(people):
        raise OperatorError(
            "two persons share an id, or a trainee is also a trainer (P22)", where=where, do="Rename one"
        )
    devices = [endpoint for trainee in config.trainee for endpoint in trainee.endpoints if not trainee.member]
    if len(set(devices)) != len(devices):
        raise OperatorError(
            "two trainees share an endpoint without a member name",
            where=where,
            do="Give each trainee its queue member name",
        )
    _check_applications(config, where)
    trainees, trainers = {t.id for t in config.trainee}, {t.id for t in config.trainer}
    applications = {a.name for a in config.application}
    for plan in config.plan:
        here = f"{where}: plan {plan.id}"
        if plan.trainee not in trainees:
            raise OperatorError(
                f"trainee {plan.trainee!r} is not listed", where=here, do="Add a [[trainee]] or correct it"
            )
        if plan.trainer not in trainers:
            raise OperatorError(
                f"trainer {plan.trainer!r} is not listed", where=here, do="Add a [[trainer]] or correct it"
            )
        if plan.approver in trainees:
            raise OperatorError(
                f"the approver {plan.approver!r} is a trainee (P22)", where=here, do="Name another approver"
            )
        if missing := set(plan.applications) - applications:
            raise OperatorError(
                f"application {sorted(missing)[0]!r} is not listed", where=here, do="Add an [[application]]"
            )
    for checked in config.plans:
        check_plan(checked)
    _check_plans_apart(config, where)


def _check_applications(config: Config, where: str) -> None:
    """P3, P5: a rule the workstation would refuse is refused here."""
    for entry in config.application:
        rule = ApplicationRule(
            entry.name, entry.executable, entry.main_program, entry.wm_class, entry.title, entry.sha256
        )
        if fault := rule_fault(rule):
            raise OperatorError(
                f"{fault} (P3)", where=f"{where}: application {entry.name}", do="Correct that key"
            )


def _check_plans_apart(config: Config, where: str) -> None:
    """P13, P14: at most one plan of a trainee holds on any day, so that one notice tells all that may happen."""
    if len({plan.id for plan in config.plan}) != len(config.plan):
        raise OperatorError("two plans share an id", where=where, do="Rename one")
    plans = sorted(config.plan, key=lambda plan: (plan.trainee, plan.first_day))
    for before, after in itertools.pairwise(plans):
        if before.trainee == after.trainee and after.first_day <= before.last_day:
            raise OperatorError(
                f"plans {before.id} and {after.id} overlap (P14)",
                where=where,
                do="End one before the other begins",
            )


def read_secret(path: Path) -> str:
    """The secret in a file. Raises: OperatorError when it is missing, empty, long, or readable by others."""
    try:
        mode = path.stat().st_mode
        text = path.read_text().strip()
    except OSError as error:
        raise OperatorError(
            f"cannot read the secret: {error.strerror}", where=str(path), do="Create it, mode 0600"
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise OperatorError("the secret is readable by others", where=str(path), do=f"chmod 600 {path}")
    if not 8 <= len(text) <= 256:
        raise OperatorError("a secret has 8 to 256 characters", where=str(path), do="Generate a new one")
    return text
