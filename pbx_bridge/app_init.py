"""A new site from six answers: configuration, secrets, users, folders, catalogue, and the first invitations.

Everything takes the strict defaults, and nothing here lets anything be recorded: that takes an application, a plan, its
approval, and the trainee's acknowledgement. It never writes over a site that is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import re
import secrets
import subprocess
import tomllib
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path

from pydantic import ValidationError

from pbx_bridge.app_child import KEEPER_START_S, keeper_running
from pbx_bridge.app_folders import only_one, prepare_folders
from pbx_bridge.app_places import catalogue_of, keeper_socket, registry_of, tls_of
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.cli_person import invitation
from pbx_bridge.config import Config
from pbx_bridge.durable import write_once
from pbx_bridge.errors import OperatorError, plain
from pbx_bridge.ids import TraineeId, parse_name
from pbx_bridge.training.plans import Trainee, Trainer
from pbx_bridge.wire_portal import KeeperUnreachable, Refused, Role

CAPACITY_MIN = 60
"""P15: what a new trainer is taken to be able to review a week, until they declare it; approved like any other."""
ANSWER_LIMIT = 500
"""Characters of one answer: a name and an address."""
_HOST = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9:])?\Z")


@dataclass(frozen=True, slots=True)
class Answers:
    """What six questions give. Texts are as typed, without spaces around them."""

    host: str
    """How workstations and trainers reach this server."""
    controller: str
    """Who answers for the processing; then, after a semicolon, where people ask for their rights."""
    assessment: str
    """The impact assessment; then, after a comma, its date."""
    works_council: str
    """Its consultation, or why none is due."""
    people: str
    """The trainer's and the approver-auditor's short names."""
    trainee: str = ""
    """The first trainee: short name, PBX device, login; "" for none yet."""


@dataclass(frozen=True, slots=True)
class Site:
    """The answers, read and checked."""

    toml: str
    config: Config
    pbx: PbxKind
    trainer: str
    approver: str
    trainee: Trainee | None


@dataclass(frozen=True, slots=True)
class Invitations:
    """What to hand on, each to the one person it names."""

    trainer: str
    approver: str
    station: str
    """"" when there is no trainee yet."""


class PbxKind(Enum):
    """By its section of the configuration; `secrets` are the files it needs beside it."""

    ASTERISK = "asterisk"
    FREESWITCH = "freeswitch"

    @property
    def secrets(self) -> tuple[str, ...]:
        return ("ami", "ari") if self is PbxKind.ASTERISK else ("esl",)

    @classmethod
    def here(cls, etc: Path = Path("/etc")) -> PbxKind:
        """The one that is installed on this machine; Asterisk when both are, or neither."""
        only = (etc / "freeswitch").is_dir() and not (etc / "asterisk").is_dir()
        return cls.FREESWITCH if only else cls.ASTERISK


def read_answers(
    answers: Answers,
    folder: Path,
    state_dir: Path,
    run_dir: Path,
    language: str,
    pbx: PbxKind = PbxKind.ASTERISK,
) -> Site:
    """Raises: OperatorError naming the answer that cannot be used."""
    for option, text in (
        ("--host", answers.host),
        ("--controller", answers.controller),
        ("--assessment", answers.assessment),
        ("--works-council", answers.works_council),
        ("--people", answers.people),
    ):
        if not text:
            raise OperatorError("it must not be empty", where=option)
        if len(text) > ANSWER_LIMIT or not text.isprintable():
            raise OperatorError(f"it must be at most {ANSWER_LIMIT} printable characters", where=option)
    if not _HOST.match(answers.host):
        raise OperatorError("it is no name or address of a server", where="--host", do="As in pbx.example.fr")
    name, _, contact = (part.strip() for part in answers.controller.rpartition(";"))
    if not name or not contact:
        raise OperatorError(
            "it names two things, with a semicolon between", where="--controller",
            do="As in: Example SA, 1 rue Exemple, Paris; privacy@example.fr",
        )  # fmt: skip
    assessment, _, day = (part.strip() for part in answers.assessment.rpartition(","))
    try:
        dated = date.fromisoformat(day)
    except ValueError as error:
        raise OperatorError(
            "after a comma comes its date (P14)", where="--assessment", do="As in: DPIA-2026-04, 2026-03-03"
        ) from error
    trainer, approver = _two(answers.people)
    trainee = _trainee(answers.trainee)
    if trainee is not None and trainee.id in (trainer, approver):
        raise OperatorError(
            "a trainee can have no other role (P22)", where="--trainee", do="Choose another short name"
        )
    values: dict[str, dict[str, object]] = {
        "bridge": {"state_dir": str(state_dir), "run_dir": str(run_dir), "language": language},
        "compliance": {
            "impact_assessment": assessment,
            "works_council": answers.works_council,
            "dated": dated,
        },
        "controller": {"name": name, "contact": contact},
        "stations": {"names": list(dict.fromkeys((answers.host, "localhost", "127.0.0.1")))},
        pbx.value: {f"{name}_secret_file": str(folder / f"{name}.secret") for name in pbx.secrets},
    }
    if pbx is PbxKind.FREESWITCH:
        values[pbx.value]["pipe_dir"] = str(run_dir / "pipes")
    toml = _toml(values)
    try:
        config = Config.model_validate(tomllib.loads(toml))
    except ValidationError as error:
        first = error.errors()[0]
        raise OperatorError(plain(first["msg"]), where=".".join(map(str, first["loc"]))) from error
    site = Site(toml, config, pbx, trainer, approver, trainee)
    nowhere = Catalogue.open(folder / ".no-such-folder", dry_run=True)
    _enter(nowhere, site)
    nowhere.close()
    return site


def establish(site: Site, path: Path) -> Invitations:
    """Writes and prepares everything, in the order in which a part that fails leaves nothing half made.

    Raises: OperatorError when there is a site already, or a part cannot be had.
    """
    if path.exists():
        raise OperatorError(
            "there is a configuration already",
            where=str(path),
            do="Change that, or give another --config FILE",
        )
    if os.geteuid() == 0:
        for user in (site.config.bridge.user, site.config.bridge.keeper_user):
            _make_user(user)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for name in site.pbx.secrets:
            with contextlib.suppress(FileExistsError):
                write_once(path.parent / f"{name}.secret", secrets.token_urlsafe(24).encode() + b"\n")
        prepare_folders(site.config)
        only_one(site.config.bridge.state_dir / "serve.lock")
        catalogue = catalogue_of(site.config)
        _enter(catalogue, site)
        catalogue.close()
        write_once(path, site.toml.encode())
    except OSError as error:
        raise OperatorError(
            f"cannot write it: {error.strerror}",
            where=str(error.filename or path),
            do="Run it as root (sudo)",
        ) from error
    return _invite(site, path)


def _enter(catalogue: Catalogue, site: Site) -> None:
    known = catalogue.enrolled()
    with catalogue.change() as change:
        if site.trainer not in {trainer.id for trainer in known.trainers}:
            change.add_trainer(Trainer(site.trainer, CAPACITY_MIN))
        if site.trainee is not None and site.trainee.id not in {one.id for one in known.trainees}:
            change.add_trainee(site.trainee)


def _invite(site: Site, path: Path) -> Invitations:
    """From a keeper that runs for this alone; the codes wait in its folder and the registry until `serve` is up."""
    config, tls = site.config, tls_of(site.config)
    station = ""
    if site.trainee is not None:
        code = registry_of(config, tls).invite(f"desk-{site.trainee.id}", site.trainee.login or None)
        url = f"wss://{config.stations.names[0]}:{config.stations.listen.port}"
        station = f"workstation-client enrol {url} --code {code}"

    async def ask(keeper: int) -> tuple[str, str]:
        link = KeeperLink(keeper_socket(config))
        try:
            await ready(link, keeper)
            trainer = await link.invite(site.trainer, Role.TRAINER)
            approver = await link.invite(site.approver, Role.APPROVER, Role.AUDITOR)
        finally:
            await link.close()
        return (
            invitation(config, trainer.code, "trainer"),
            invitation(config, approver.code, "approver"),
        )

    try:
        with keeper_running(path) as keeper:
            trainer, approver = asyncio.run(ask(keeper))
    except (KeeperUnreachable, Refused) as error:
        raise OperatorError(
            f"all is written, but nobody could be invited: {error}",
            do="Start the bridge (pbx-bridge serve), then: pbx-bridge person invite --help",
        ) from error
    if os.geteuid() == 0:
        prepare_folders(config)
    return Invitations(trainer, approver, station)


async def ready(link: KeeperLink, keeper: int, within_s: float = KEEPER_START_S) -> None:
    """Returns once it answers. Raises: KeeperUnreachable, at once when the process has ended."""
    ended, watched = asyncio.Event(), os.pidfd_open(keeper)
    asyncio.get_running_loop().add_reader(watched, ended.set)
    answers, over = asyncio.create_task(link.wait_ready(within_s)), asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({answers, over}, return_when=asyncio.FIRST_COMPLETED)
        if not answers.done():
            raise KeeperUnreachable("the keeper ended as soon as it was started; what it said stands above")
        await answers
    finally:
        answers.cancel()
        over.cancel()
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)


def _two(text: str) -> tuple[str, str]:
    names = text.replace(",", " ").split()
    if len(names) != 2 or names[0] == names[1]:
        raise OperatorError(
            "two persons: the trainer, and whoever approves and audits (P22)", where="--people",
            do="As in: bruno carla",
        )  # fmt: skip
    try:
        return parse_name(names[0]), parse_name(names[1])
    except ValueError as error:
        raise OperatorError(str(error), where="--people") from error


def _trainee(text: str) -> Trainee | None:
    if not text:
        return None
    words = text.split()
    if len(words) != 3:
        raise OperatorError(
            "a short name, a device of the PBX and a login", where="--trainee",
            do="As in: alice PJSIP/201 amartin (FreeSWITCH: user/201@DOMAIN)",
        )  # fmt: skip
    return Trainee(TraineeId(words[0]), (words[1],), "", words[2])


def _toml(sections: dict[str, dict[str, object]]) -> str:
    lines = [
        "# Written by `pbx-bridge init`; docs/operations.md explains every key. Nothing secret stands here."
    ]
    for name, keys in sections.items():
        lines += ["", f"[{name}]"]
        for key, value in keys.items():
            text = value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)
            lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def _make_user(name: str) -> None:
    """The accounts under which recorder and keeper run, so that one cannot read the other's files."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--system", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OperatorError(f"cannot make the user {name!r}: {done.stderr.strip()[:200]}") from None
