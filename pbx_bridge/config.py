"""The bridge's configuration file: TOML in, checked values out.

Everything a person can get wrong is refused here with file, key and what to do; ceilings of the privacy rules are asked
of their homes (training/rules.py, archive/rules.py). It never opens a network connection and never prints a secret.
"""

from __future__ import annotations

import stat
import tomllib
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from pbx_bridge.archive.rules import KEEP_CEILING_DAYS, TRAINEE_FIRST_RANGE_H
from pbx_bridge.calls.lists import OPT_OUT_CEILING_MONTHS, OPT_OUT_MONTHS
from pbx_bridge.calls.rules import PAYMENT_CEILING_S, PAYMENT_DEFAULT_S
from pbx_bridge.config_pbx import Asterisk, Freeswitch
from pbx_bridge.config_section import Address, Section
from pbx_bridge.errors import OperatorError, plain
from pbx_bridge.training.rules import FPS_FLOOR

DEFAULT_PATH = Path("/etc/pbx-bridge/config.toml")
CONFIG_LIMIT = 1 << 20
"""Bytes of configuration read at most: a real one has 2 kB."""
SPOKEN_LEAST = 20
"""Characters: shorter, a caller is told nothing."""
GONE = ("trainee", "trainer", "application", "plan")
"""Sections of older files, now commands."""


class Bridge(Section):
    state_dir: Path = Path("/var/lib/pbx-bridge")
    run_dir: Path = Path("/run/pbx-bridge")
    language: Literal["fr", "en"] = "fr"
    demonstration: bool = False
    user: str = "pbx-bridge"
    """Whom `serve` becomes when root starts it."""
    keeper_user: str = "pbx-bridge-keeper"
    """Whom the keeper becomes: another user, so that the recording side cannot read its secret (P17)."""
    keeper_apart: bool = False
    """`pbx-bridge keeper` is started by itself, as in a container of its own; else `serve` starts it."""
    admin_group: str = "pbx-bridge-admin"
    """Where the keeper is apart and nobody is root: who runs a command with this primary group is the administrator."""


class Compliance(Section):
    """P14: outside demonstration mode these must be named."""

    impact_assessment: str = Field(min_length=1)
    works_council: str = Field(min_length=1)
    """Its consultation, or why none is due."""
    dated: date


class Controller(Section):
    """Who answers for the processing (GDPR art. 13 and 30): in the notices and in `pbx-bridge report`."""

    name: str = Field(min_length=1, max_length=200)
    contact: str = Field(min_length=1, max_length=200)
    """Where a person asks for their rights: an address, a mailbox."""
    data_protection_officer: str = Field(default="", max_length=200)


class Stations(Section):
    listen: Address = Address(host="0.0.0.0", port=7443)
    names: tuple[str, ...] = ("localhost", "127.0.0.1")


class Portal(Section):
    listen: Address = Address(host="0.0.0.0", port=7444)
    certificate: Path | None = None
    """For browsers, in place of the bridge's own: PEM, the server's first, then its issuers'."""
    key: Path | None = None
    """Its private key, PEM without a passphrase."""

    @model_validator(mode="after")
    def _both(self) -> Portal:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give certificate and key, or neither")
        return self


class RecordingRules(Section):
    fps: int = Field(default=10, ge=1, le=30)
    retention_days: int = Field(default=30, ge=1)
    trainee_first_hours: int = Field(default=24)
    opt_out_months: int = Field(default=OPT_OUT_MONTHS, ge=1)
    """P16: how long a caller's objection holds for their later calls."""
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

    @field_validator("opt_out_months")
    @classmethod
    def _opt_out(cls, months: int) -> int:
        """P16: the ceiling."""
        if months > OPT_OUT_CEILING_MONTHS:
            raise ValueError(f"the ceiling is {OPT_OUT_CEILING_MONTHS} months (P16)")
        return months

    @field_validator("trainee_first_hours")
    @classmethod
    def _first(cls, hours: int) -> int:
        """P18: never 0."""
        if hours not in TRAINEE_FIRST_RANGE_H:
            first, last = TRAINEE_FIRST_RANGE_H[0], TRAINEE_FIRST_RANGE_H[-1]
            raise ValueError(f"it must be {first} to {last} hours, never 0 (P18)")
        return hours


class NoticeEntry(Section):
    """The caller's notice in one language (P16)."""

    language: Literal["fr", "en"]
    sound: str = Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")
    """As Playback() names it: one line, which the PBX is told with each beat of the heartbeat."""
    text: str = Field(default="", max_length=1000)
    """What is spoken: its hash goes into every permit. Empty: as `pbx-bridge notice caller` words it."""

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if text and len(text) < SPOKEN_LEAST:
            raise ValueError("write what is spoken, word for word, or leave it out")
        return text


class Config(Section):
    """The whole file. Persons, plans and applications are not in it: they lie in the catalogue."""

    bridge: Bridge = Bridge()
    compliance: Compliance | None = None
    controller: Controller | None = None
    stations: Stations = Stations()
    portal: Portal = Portal()
    asterisk: Asterisk | None = None
    freeswitch: Freeswitch | None = None
    recording: RecordingRules = RecordingRules()
    notice: tuple[NoticeEntry, ...] = (
        NoticeEntry(language="fr", sound="pbxb/notice-fr"),
        NoticeEntry(language="en", sound="pbxb/notice-en"),
    )

    @model_validator(mode="after")
    def _one_pbx(self) -> Config:
        if (self.asterisk is None) == (self.freeswitch is None):
            raise ValueError("a bridge serves one PBX: write either [asterisk] or [freeswitch]")
        return self

    @property
    def pbx(self) -> Asterisk | Freeswitch:
        """The PBX this bridge serves."""
        chosen = self.asterisk or self.freeswitch
        assert chosen is not None, "_one_pbx"
        return chosen

    @property
    def catalogue(self) -> Path:
        """The folder of the catalogue."""
        return self.bridge.state_dir / "catalogue"


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
    for kind in GONE:
        if kind in raw:
            raise OperatorError(
                f"[[{kind}]] is not read any more: persons, applications and plans lie in the catalogue",
                where=str(path),
                do=f"Take it out, and enter it with: pbx-bridge {kind} add --help",
            )
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        where, do = (f"{path}: {key}", "Correct that key") if key else (str(path), "Correct it there")
        raise OperatorError(plain(first["msg"]), where=where, do=do) from error
    check(config, str(path))
    return config


def check(config: Config, where: str) -> None:
    """P14: outside a demonstration the configuration names the impact assessment and the works council's consultation."""
    if not config.bridge.demonstration and config.compliance is None:
        raise OperatorError(
            "[compliance] is missing: the impact assessment and the works council's consultation (P14)",
            where=where,
            do="Name both with their date, or set bridge.demonstration = true for a demonstration",
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
