"""A whole house for tests: a real keeper in its own process, a real portal on TLS, real sealed files, real commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pbx_bridge.access.proof import answer
from pbx_bridge.age import X25519Identity, X25519Recipient, read_header
from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.manifest import Assignment, Manifest, RecorderKey
from pbx_bridge.archive.rules import Keeping, not_after
from pbx_bridge.archive.sealed import SealedFile
from pbx_bridge.ids import RecordingId, TraineeId, new_recording_id
from pbx_bridge.portal.api import PortalSettings
from pbx_bridge.portal.desks import Book, no_slots
from pbx_bridge.portal.rights import NOTHING_BEHIND, Behind
from pbx_bridge.portal.server import Portal, make_portal
from pbx_bridge.portal.tokens import Tokens
from pbx_bridge.portal.web.site import Site
from pbx_bridge.stations.ca import TlsPaths, ensure_ca
from pbx_bridge.training.plans import Application, Need, Plan, plan_digest, plan_text
from pbx_bridge.wire_portal import PROGRAMS_NAME, Act, Deed, Proven, Purpose, Role
from pbx_bridge.wire_proof import InviteCode

START_WITHIN_S = 20.0
APPROVER = "dora"
_KEEPER = """
import os, sys
from pathlib import Path
from pbx_bridge.archive.keeper_process import KeeperSettings, run_keeper
from pbx_bridge.archive.rules import Keeping
folder, socket = map(Path, sys.argv[1:3])
me = frozenset({os.getuid()})
run_keeper(KeeperSettings(folder, socket, Keeping(), me, me))
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


def manifest(
    recording: RecordingId | None = None,
    trainee: str = "alice",
    trainer: str = "bruno",
    start: int | None = None,
) -> Manifest:
    """A manifest of a recording that begins now, for one trainer."""
    begun = int(time.time()) if start is None else start
    return Manifest(
        recording=recording or new_recording_id(),
        trainee=TraineeId(trainee),
        plan=plan_digest(plan_behind(trainee, trainer, begun)),
        trainers=(Assignment(trainer, begun - 86_400, begun + 86_400 * 30),),
        applications=("orders",),
        start=begun,
        not_after=not_after(begun, Keeping()),
    )


def plan_behind(trainee: str, trainer: str, start: int) -> Plan:
    """The plan by which such a recording is made, for dora to approve."""
    first = datetime.fromtimestamp(start, UTC).date() - timedelta(days=1)
    return Plan(
        id=f"{trainee}-orders",
        trainee=TraineeId(trainee),
        applications=(Application("orders", "/opt/orders/orders", None, "Orders"),),
        need=Need.NEW_IN_POST,
        trainer=trainer,
        approver=APPROVER,
        first_day=first,
        last_day=first + timedelta(days=40),
        rate=0.05,
        recordings_per_week=2,
        minutes_per_week=20,
    )


class House:
    """A site's server side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive = folder / "sealed"
        self.archive.mkdir()
        self.socket = folder / "run" / "keeper.sock"
        self.recorder = RecorderKey(os.urandom(32))
        self.link = KeeperLink(self.socket)
        self.url = ""
        self.tls: TlsPaths = ensure_ca(folder / "tls", ["localhost", "127.0.0.1", PROGRAMS_NAME])
        self.keeper_recipient: X25519Recipient
        self.keeper: subprocess.Popen[bytes] | None = None
        self._dora: X25519Identity | None = None
        self._approved: set[str] = set()
        self.book: Book = no_slots
        self.tokens = Tokens(folder / "tokens")
        self.portal: Portal
        self.proposed: list[str] = []
        """Texts of the plans and capacities this site has."""

    async def start_keeper(self, within_s: float = START_WITHIN_S) -> None:
        """Starts the keeper's process and introduces the recorder."""
        self.keeper = self._started()
        await self.link.wait_ready(within_s)
        self.keeper_recipient = await self.link.introduce(self.recorder.public)

    async def restart_keeper(self) -> None:
        """As after a crash of the keeper itself."""
        self.end_keeper()
        await self.link.close()
        await self.start_keeper()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _KEEPER, str(self.folder / "keeper"), str(self.socket)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_keeper(self) -> None:
        if self.keeper is not None:
            self.keeper.kill()
            self.keeper.wait()
            self.keeper = None

    async def begin(self, described: Manifest) -> SealedFile:
        """A recording that begins by an approved plan: its file is open, its identity with the keeper and nowhere else."""
        await self.approve(plan_behind(described.trainee, described.trainers[0].trainer, described.start))
        identity = X25519Identity.generate()
        await self.link.put(self.recorder.sign(described), identity)
        return SealedFile(self.archive, described.recording, identity.recipient())

    async def finish(self, file: SealedFile, described: Manifest) -> Manifest:
        """The recording ends and is sealed."""
        digest = file.finish()
        header = self.header(described.recording)
        payload = digest.payload_sha256.hex()
        finished = described.sealed(payload, digest.sealed_size - len(header), 61_000)
        await self.link.finish(self.recorder.sign(finished), header)
        return finished

    async def record(self, content: bytes, described: Manifest | None = None) -> Manifest:
        """A whole recording with this content."""
        described = described or manifest()
        file = await self.begin(described)
        file.write(content)
        return await self.finish(file, described)

    def header(self, recording: RecordingId) -> bytes:
        with open(self.archive / f"{recording}.age", "rb") as file:
            size = read_header(file).size
            file.seek(0)
            return file.read(size)

    async def approve(self, plan: Plan) -> None:
        """Dora approves it, if she has not yet."""
        if plan_digest(plan) not in self._approved:
            await self.deed(Act(Deed.APPROVE, plan.id, plan_text(plan)))
            self._approved.add(plan_digest(plan))

    async def confirm(self, name: str) -> None:
        """Dora confirms whatever key of theirs waits."""
        proven = await self._prove()
        (key,) = [key for key in (await self.link.desk(proven.token)).keys if key.name == name]
        await self.deed(Act(Deed.CONFIRM, name, key.recipient))

    async def deed(self, act: Act) -> None:
        """One deed of dora's, the first approver, who joins for the first."""
        await self._prove(act)

    async def _prove(self, act: Act | None = None) -> Proven:
        if self._dora is None:
            self._dora = X25519Identity.generate()
            code = (await self.link.invite(APPROVER, Role.APPROVER)).code
            assert (await self._prove_with(self._dora, Purpose.JOIN, code, None)).confirmed
        purpose = Purpose.SESSION if act is None else Purpose.ACT
        return await self._prove_with(self._dora, purpose, None, act)

    async def _prove_with(
        self, identity: X25519Identity, purpose: Purpose, code: bytes | None, act: Act | None
    ) -> Proven:
        nonce, certificate = os.urandom(32), bytes(32)
        begun = await self.link.begin(str(identity.recipient()), nonce, certificate, code, act)
        sealed, named = bytes.fromhex(begun.sealed), act.digest() if act is not None else ""
        return await self.link.prove(
            begun.challenge, answer(sealed, identity, purpose, nonce, certificate, named)
        )

    async def invite(self, name: str = "bruno", *roles: Role) -> str:
        """The code an administrator gets; a trainer's without a role."""
        invited = await self.link.invite(name, *roles)
        return str(InviteCode(invited.code, self.tls.ca_sha256()))


@asynccontextmanager
async def house(
    folder: Path, behind: Behind = NOTHING_BEHIND, site: Site | None = None
) -> AsyncIterator[House]:
    """The house, ready; everything ended at the end."""
    built = House(folder)
    try:
        await built.start_keeper()
        tls = built.tls
        settings = PortalSettings("127.0.0.1", 0, tls.ca_cert, tls.cert, tls.key)
        portal = make_portal(
            settings,
            built.link,
            Shelf(built.archive),
            lambda: built.proposed,
            built.tokens,
            book=lambda *asked: built.book(*asked),
            behind=behind,
            site=site,
        )
        built.portal = portal
        port = await portal.start()
        built.url = f"https://localhost:{port}"
        try:
            yield built
        finally:
            await portal.close()
    finally:
        await built.link.close()
        built.end_keeper()


def config_beside(home: House) -> Path:
    """The configuration of a bridge whose keeper this house's is."""
    folder = home.folder
    (folder / "keeper-run").mkdir()
    (folder / "keeper-run" / "keeper").symlink_to(home.socket.parent)
    for name in ("ami", "ari"):
        (folder / name).write_text("a secret of its own")
        (folder / name).chmod(0o600)
    config = folder / "config.toml"
    config.write_text(
        f'[bridge]\nstate_dir = "{folder}"\nrun_dir = "{folder}/keeper-run"\ndemonstration = true\n'
        f'[asterisk]\nami_secret_file = "{folder}/ami"\nari_secret_file = "{folder}/ari"\n'
    )
    return config


class Machine:
    """A person's own machine: the command line and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.identity = folder / "identity.txt"

    def command(self, *words: str, env: Mapping[str, str] | None = None) -> list[str]:
        return [sys.executable, "-m", "pbx_bridge.trainer", *words, "--profile", str(self.folder / "profile")]

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Done:
        """One command to its end. Blocks: call it in a thread beside a house."""
        done = subprocess.run(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **(env or {})},
        )
        return Done(done.returncode, done.stdout, done.stderr)


def opened_by_age(file: Path, identity: Path) -> bytes:
    """The file in clear, by Debian's `age`. Raises: CalledProcessError."""
    return subprocess.run(["age", "-d", "-i", identity, file], capture_output=True, check=True).stdout
