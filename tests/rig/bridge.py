"""A real bridge for the demo and the live tests: a generated configuration and `pbx-bridge serve` as its own process.

It stands beside a PBX on the loopback with one trainee (alice, phone 201), one trainer (bruno), the order desk
as the business application, and a slot booked around now. It knows commands and files of the product as an
administrator would; only the catalogue is filled in this process (enrolment.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Application, Mask, Trainee
from tests.rig.accounts import account
from tests.rig.approver import Approver
from tests.rig.asterisk_sounds import NOTICES
from tests.rig.business_app import WM_CLASS
from tests.rig.commands import BridgeError, Invitation, environment, invitation, run_command
from tests.rig.deadlines import within
from tests.rig.enrolment import enrol
from tests.rig.install import SYSTEM_PYTHON, Installed
from tests.rig.pbx import RigPbx
from tests.rig.trainer import PersonsMachine

READY_DEADLINE_S = 30.0
STOP_DEADLINE_S = 10.0
LEDGER_DEADLINE_S = 15.0
PORTS = range(28_000, 32_768)
"""Above those of the rig's PBXs and below the kernel's for outgoing connections: no client socket sits on one of them."""
SERVICE_USERS = ("pbx-bridge", "pbx-bridge-keeper")
TRAINEE, TRAINER, APPROVER, APPLICATION = "alice", "bruno", "carla", "orders"


@dataclass(frozen=True, slots=True)
class Colleague:
    """One more trainee, with a plan like alice's."""

    id: str
    phones: tuple[str, ...]
    login: str


@dataclass(frozen=True, slots=True)
class Site:
    """What this site's configuration says besides the addresses."""

    login: str
    """The trainee's account on the workstation."""
    phones: tuple[str, ...] = ("201",)
    host: str = "127.0.0.1"
    """Where the bridge listens for stations and trainers."""
    names: tuple[str, ...] = ()
    """How stations and trainers reach it, the first in every invitation; localhost else."""
    language: str = "en"
    fps: int = 10
    recordings_per_week: int = 2
    retention_days: int = 30
    payment_pause_s: int = 300
    pause_titles: tuple[str, ...] = ()
    masks: tuple[Mask, ...] = ()
    """Both of the order desk."""
    colleagues: tuple[Colleague, ...] = ()
    extra: str = ""
    """More TOML, at the end."""


class Bridge:
    """`async with Bridge(pbx, installed, Site("alice")) as bridge:` serves until the block ends."""

    def __init__(
        self, pbx: RigPbx, programs: Installed, site: Site, *, where: Path | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._pbx, self._programs, self._site, self._told = pbx, programs, site, told
        self._where = where or _memory()
        self._process: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None
        self.folder = Path()
        """Configuration, secrets, state and log; readable by root and where it must by the keeper's user."""
        self.approver: Approver
        """Carla: reads and approves the plans at her own machine, and confirms the trainer's key."""
        self.stations_port, self.portal_port, self._agi_port, self.audio_port = _free_ports(4)

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def stations_url(self) -> str:
        return f"wss://{self._site.host}:{self.stations_port}"

    @property
    def portal_url(self) -> str:
        return f"https://{self._site.host}:{self.portal_port}"

    @property
    def log(self) -> str:
        file = self.folder / "bridge.log"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def pid(self) -> int:
        assert self._process is not None, "the bridge was not started"
        return self._process.pid

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(_make_service_users)
        await asyncio.to_thread(self._pbx.speak_notice, "en", NOTICES["en"])
        self.folder = Path(tempfile.mkdtemp(prefix="pbxb-bridge-", dir=self._where))
        self.folder.chmod(0o711)
        self.approver = Approver(self._programs, self.folder / "approver")
        try:
            self._write()
            await asyncio.to_thread(self.enrol)
            await self.start()
            await self.approver.take_office(await self.invite(APPROVER, "approver", "auditor"))
            await self.until_approved()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self, **more: str) -> None:
        """Starts `serve`, with `more` in its environment, and waits for its word that it is ready.

        Raises: BridgeError with its log.
        """
        self._log = (self.folder / "bridge.log").open("ab")
        said_before = len(self.log)
        self._process = await asyncio.create_subprocess_exec(
            self._programs.bridge, "--config", self.config, "serve",
            stdin=asyncio.subprocess.DEVNULL, stdout=self._log, stderr=asyncio.subprocess.STDOUT,
            cwd="/", env={**environment(), **more}, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(READY_DEADLINE_S):
                while "pbx-bridge: ready" not in self.log[said_before:]:
                    if self._process.returncode is not None:
                        raise BridgeError(f"pbx-bridge serve ended at once:\n{self.log[-4000:]}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BridgeError(
                f"pbx-bridge serve is not ready after {READY_DEADLINE_S:.0f} s:\n{self.log[-4000:]}"
            ) from None

    async def stop(self) -> None:
        """As an administrator ends a service: SIGTERM, and kill -9 of the whole group if it does not obey."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await within(self._process.wait(), STOP_DEADLINE_S)
            except TimeoutError:
                self._told("the bridge did not end by itself: killed")
        await self._kill_group()

    async def kill(self) -> None:
        """kill -9 of the serving process alone, as a crash would end it."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _kill_group(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def close(self) -> None:
        await self.stop()
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def command(self, *words: str) -> str:
        """What `pbx-bridge --config … WORDS` prints. Raises: BridgeError when it does not exit with 0."""
        return await run_command(*self.words(*words))

    def words(self, *words: str) -> list[str]:
        """`pbx-bridge WORDS` as its administrator types it."""
        return [str(self._programs.bridge), "--config", str(self.config), *words]

    async def ledger(self) -> list[dict[str, Any]]:
        """One entry per call, oldest first."""
        found = json.loads(await self.command("ledger", "--json"))
        assert isinstance(found, list)
        return found

    async def ledger_line(self, number: int = 0, within_s: float = LEDGER_DEADLINE_S) -> dict[str, Any]:
        """The call's answer in the ledger, the first call being 0, as soon as it is final. Raises: BridgeError."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    lines = await self.ledger()
                    if len(lines) > number and lines[number]["outcome"] != "began":
                        return lines[number]
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise BridgeError(f"the ledger says nothing about call {number}:\n{self.log[-4000:]}") from None

    async def until_approved(self) -> None:
        """Returns once the bridge decides by all plans and the trainer's capacity. Raises: BridgeError."""
        wanted = 2 + len(self._site.colleagues)
        try:
            async with asyncio.timeout(READY_DEADLINE_S):
                while True:
                    if any(int(known) >= wanted for known in re.findall(r"in_force=(\d+)", self.log)):
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BridgeError(f"not everything is approved:\n{self.log[-4000:]}") from None

    async def invite_station(self, name: str) -> Invitation:
        """For a workstation to enrol with, once."""
        return invitation(await self.command("station", "invite", name))

    async def invite(self, name: str, *roles: str) -> Invitation:
        """For a person's own machine to join with, once."""
        named = [word for role in roles for word in ("--role", role)]
        return invitation(await self.command("person", "invite", name, *named))

    async def admit_trainer(self, machine: PersonsMachine, name: str = TRAINER) -> None:
        """The trainer joins at their machine and reads the key's fingerprint to the approver, who confirms it."""
        fingerprint = await machine.join(await self.invite(name, "trainer"))
        await self.approver.confirm(name, fingerprint)

    def configure(self, site: Site) -> None:
        """Writes another configuration, which holds from the next `start`, and another catalogue, which holds at once."""
        self._site = site
        self.config.write_text(self.toml())
        self.enrol()

    def _write(self) -> None:
        self.config.write_text(self.toml())

    def toml(self) -> str:
        """The configuration: a demonstration with one of everything."""
        return f"""# Generated by the demonstration and the live tests.
[bridge]
state_dir = "{self.state}"
run_dir = "{self.folder}/run"
language = "{self._site.language}"
demonstration = true

[stations]
listen = "{self._site.host}:{self.stations_port}"
names = {json.dumps([*dict.fromkeys((*self._site.names, "localhost", "127.0.0.1"))])}

[portal]
listen = "{self._site.host}:{self.portal_port}"

{self._pbx.section(self.folder, (self._agi_port, self.audio_port))}
[recording]
fps = {self._site.fps}
retention_days = {self._site.retention_days}
payment_pause_s = {self._site.payment_pause_s}
{self._site.extra}"""

    def enrol(self) -> None:
        """Alice and her colleagues, each with a plan, in the catalogue."""
        colleagues = (Colleague(TRAINEE, self._site.phones, self._site.login), *self._site.colleagues)
        main_program = str(self._programs.program("business_app.py"))
        enrol(
            self.state,
            Application(
                APPLICATION,
                str(SYSTEM_PYTHON),
                main_program,
                WM_CLASS,
                masks=self._site.masks,
                pause_titles=self._site.pause_titles,
            ),
            [
                Trainee(TraineeId(one.id), tuple(map(self._pbx.endpoint, one.phones)), one.id, one.login)
                for one in colleagues
            ],
            trainer=TRAINER,
            approver=APPROVER,
            recordings_per_week=self._site.recordings_per_week,
        )


def _make_service_users() -> None:
    """The accounts an administrator makes when installing: recorder and keeper, so that one cannot read the other's."""
    for name in SERVICE_USERS:
        account(name, "--system", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")


def _memory() -> Path | None:
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else None


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on now; held together while they are chosen, so that they differ."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for port in random.SystemRandom().sample(PORTS, len(PORTS)):
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise RuntimeError(f"not {count} of the ports {PORTS[0]} to {PORTS[-1]} are free")
