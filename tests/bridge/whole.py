"""A whole bridge in this process: a real keeper, a real catalogue and ledger, a real station on TLS, real sealed files.

Scripted are only the PBX, behind its seam (it tells the facts a test hands it, and both voices), the recorder, whose
pictures are real VP9, and the person who approves, who has no machine of their own here.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge import wire
from pbx_bridge.app import Bridge
from pbx_bridge.app_folders import OF_THE_BRIDGE
from pbx_bridge.app_parts import Parts
from pbx_bridge.app_places import keeping_of, registry_of, tls_of
from pbx_bridge.app_recordings import Archive
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.witness import Witness
from pbx_bridge.calls import facts as fa
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.change import Change
from pbx_bridge.catalogue.database import FILE
from pbx_bridge.catalogue.enrolled import sound
from pbx_bridge.config import Bridge as Section
from pbx_bridge.config import Config, Portal, RecordingRules, Stations
from pbx_bridge.config_pbx import Asterisk, Freeswitch
from pbx_bridge.config_section import Address
from pbx_bridge.ids import ChannelId, TraineeId
from pbx_bridge.telephony.number_lists import Entry, NumberLists
from pbx_bridge.telephony.pbx import Pbx
from pbx_bridge.training.plans import Application, Need, Plan, Slot, Trainee, Trainer, capacity_text
from pbx_bridge.wire_portal import Act, Deed
from tests.archive.house import APPROVER, House
from tests.media.rig import tone, vp9
from tests.stations.rig import DEADLINE_S, Desk, desk, until
from workstation_client.enrol import enrol
from workstation_client.events import Picture

NOTICE = "caller-notice"
CAPACITY = Trainer("bruno", 600)
ALICE = TraineeId("alice")
LOGIN = "root"
"""Whoever runs the tests sits at the desk."""
VOICE_RATE = 8000
CHUNK = 160


class ScriptedTap:
    """Both voices from the moment it is started, each 20 ms."""

    def __init__(self, pbx: ScriptedPbx) -> None:
        self._pbx, self._task = pbx, asyncio.get_running_loop().create_future()

    async def start(
        self, channel: ChannelId, on_voice: Callable[[fa.VoiceChunk], None], on_lost: Callable[[str], None]
    ) -> None:
        self._pbx.tapped.append(channel)
        for number in itertools.count():
            for leg in ("agent", "customer"):
                pcm = tone(VOICE_RATE, number * CHUNK, CHUNK)
                on_voice(fa.VoiceChunk(leg, time.monotonic_ns(), number * CHUNK, pcm, VOICE_RATE))
            if await self._stopped():
                return

    async def _stopped(self) -> bool:
        done, _ = await asyncio.wait([self._task], timeout=CHUNK / VOICE_RATE)
        return bool(done)

    async def pause(self) -> None:
        self._pbx.paused += 1

    async def resume(self) -> None:
        self._pbx.resumed += 1

    async def stop(self) -> None:
        if not self._task.done():
            self._task.set_result(None)


@dataclass
class ScriptedPbx:
    """What it is asked is in its lists."""

    living: tuple[ChannelId, ...] = ()
    tell: Callable[[fa.Fact], None] = lambda _: None
    digest_key: bytes = b""
    tapped: list[ChannelId] = field(default_factory=list)
    watched: list[ChannelId] = field(default_factory=list)
    noticed: list[ChannelId] = field(default_factory=list)
    private: list[ChannelId] = field(default_factory=list)
    forgot: int = 0
    paused: int = 0
    resumed: int = 0

    @asynccontextmanager
    async def running(self, on_fact: Callable[[fa.Fact], None], digest_key: bytes) -> AsyncIterator[None]:
        self.tell, self.digest_key = on_fact, digest_key
        now_ns = time.monotonic_ns()
        born = (fa.ChannelBorn(now_ns, one, "PJSIP/trunk", False, "from-trunk") for one in self.living)
        on_fact(fa.LinkUp(now_ns, tuple(born)))
        yield

    async def until_beating(self) -> None:
        return

    def tap(self) -> ScriptedTap:
        return ScriptedTap(self)

    def watch(self, leg: ChannelId) -> None:
        self.watched.append(leg)

    def unwatch(self, leg: ChannelId) -> None:
        self.watched.remove(leg)

    async def ask_outbound_notice(self, customer: ChannelId) -> None:
        self.noticed.append(customer)

    async def offer_private(self, leg: ChannelId) -> None:
        self.private.append(leg)

    async def forget_what_was_said(self) -> None:
        self.forgot += 1


def plan(**changes: Any) -> Plan:
    """Alice's, with a slot booked around now: every call is drawn."""
    now = datetime.now(UTC).replace(microsecond=0)
    fields: dict[str, Any] = {
        "id": "alice-orders",
        "trainee": ALICE,
        "applications": (Application("orders", "/usr/bin/true", None, "Orders"),),
        "need": Need.NEW_IN_POST,
        "trainer": CAPACITY.id,
        "approver": APPROVER,
        "first_day": _today() - timedelta(days=1),
        "last_day": _today() + timedelta(days=40),
        "rate": 0.05,
        "recordings_per_week": 5,
        "minutes_per_week": 60,
        "slots": (Slot(now - timedelta(minutes=2), now + timedelta(minutes=50)),),
    }
    return Plan(**fields | changes)


def _today() -> date:
    return datetime.now().astimezone().date()


@dataclass
class Call:
    """One inbound call, told fact by fact as it happens."""

    site: Whole
    agent: ChannelId
    customer: ChannelId

    def tell(self, *facts: Callable[[int], fa.Fact]) -> Call:
        for fact in facts:
            self.site.pbx.tell(fact(time.monotonic_ns()))
        return self

    def rings(self, numbers: tuple[str, ...] = ()) -> Call:
        agent, customer = self.agent, self.customer
        return self.tell(
            lambda ns: fa.ChannelBorn(ns, customer, "PJSIP/trunk", False, "from-trunk", numbers=numbers),
            lambda ns: fa.NoticeHeard(ns, customer, NOTICE),
            lambda ns: fa.ChannelBorn(ns, agent, "PJSIP/201", False, "internal"),
            lambda ns: fa.Dialled(ns, customer, agent),
            lambda ns: fa.ChannelRinging(ns, agent),
        )

    def answers(self) -> Call:
        return self.tell(
            lambda ns: fa.ChannelUp(ns, self.agent),
            lambda ns: fa.BridgeEntered(ns, self.agent, f"bridge-{self.agent}"),
            lambda ns: fa.BridgeEntered(ns, self.customer, f"bridge-{self.agent}"),
        )

    def objects(self) -> Call:
        return self.tell(lambda ns: fa.CallerObjected(ns, self.customer))

    def agent_leaves(self) -> Call:
        """The trainee's part is over; the caller is put through to somebody else."""
        return self.tell(
            lambda ns: fa.BridgeLeft(ns, self.agent, f"bridge-{self.agent}"),
            lambda ns: fa.ChannelGone(ns, self.agent, 16),
        )

    def ends(self) -> Call:
        return self.tell(
            lambda ns: fa.BridgeLeft(ns, self.customer, f"bridge-{self.agent}"),
            lambda ns: fa.ChannelGone(ns, self.customer, 16),
            lambda ns: fa.BridgeLeft(ns, self.agent, f"bridge-{self.agent}"),
            lambda ns: fa.ChannelGone(ns, self.agent, 16),
        )


@dataclass
class Whole:
    """The site: what an administrator, a caller and a trainee can do to it, and what it wrote."""

    home: House
    config: Config
    catalogue: Catalogue
    """The bridge's own, as `parts` has it."""
    bridge: Bridge = field(init=False)
    pbx: ScriptedPbx = field(init=False)
    here: Desk = field(init=False)
    _serving: asyncio.Task[None] | None = None
    _calls: Iterator[int] = field(default_factory=itertools.count)

    def call(self) -> Call:
        number = next(self._calls)
        return Call(self, ChannelId(f"agent-{number}"), ChannelId(f"customer-{number}"))

    async def recording(self, *, numbers: tuple[str, ...] = ()) -> Call:
        """A call that is being recorded: its file has begun to grow."""
        call = self.call().rings(numbers).answers()
        recorder = self.here.recorder
        await until(lambda: recorder.recording is not None)
        self._filming = asyncio.create_task(self._film())
        part = f"{recorder.recording}*"
        await until(lambda: any(path.stat().st_size for path in self.home.archive.glob(part)))
        assert self.lines()[-1]["outcome"] == "began"
        return call

    async def _film(self) -> None:
        """Keyframes of real VP9, until the recorder is told to stop."""
        recorder, stopped = self.here.recorder, asyncio.Event()
        while recorder.recording is not None:
            now_ns = time.monotonic_ns()
            recorder._on_event(Picture(recorder.recording, now_ns, now_ns, True, False, 320, 180, KEYFRAME))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), PICTURE_EVERY_S)

    def lines(self) -> list[dict[str, Any]]:
        """The ledger."""
        files = sorted((self.config.bridge.state_dir / "ledger").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    async def answered(self, count: int = 1) -> list[tuple[str, str]]:
        """Outcome and reason of each call's answer, once there are so many."""

        await until(lambda: len(self.answers()) >= count)
        return self.answers()

    def answers(self) -> list[tuple[str, str]]:
        return [(one["outcome"], one["reason"]) for one in self.lines() if one["outcome"] != "began"]

    def numbers(self) -> tuple[Entry, ...]:
        """What a bridge that starts now would know of numbers."""
        return NumberLists(self.config.bridge.state_dir / "numbers").entries()

    async def doubt(self) -> None:
        """The keeper starts again and its clock is in doubt."""
        self.home.end_keeper()
        clock = self.home.folder / "keeper" / "clock.json"
        clock.write_text(json.dumps(json.loads(clock.read_text()) | {"doubt": "step"}))
        await self.home.restart_keeper()

    async def restart(self, *living: ChannelId) -> None:
        """The bridge ends and serves again; these channels live on in the PBX."""
        await self.stop()
        await self.serve(*living)

    async def stop(self) -> None:
        if self._serving is not None:
            self.bridge.stop()
            async with asyncio.timeout(20):
                await self._serving
            self._serving = None

    async def serve(self, *living: ChannelId) -> None:
        self.pbx = pbx = ScriptedPbx(living)
        await self.serve_with(pbx, lambda: pbx.digest_key != b"")

    async def serve_with(self, pbx: Pbx, is_up: Callable[[], bool]) -> None:
        """Serves this PBX; returns when it is up."""
        archive = Archive(
            self.home.archive,
            self.home.link,
            self.home.recorder,
            keeping_of(self.config),
            Witness(self.config.bridge.state_dir / "retention"),
        )
        self.bridge = Bridge(self.config, Parts(self.config, pbx, archive, self.catalogue))
        self._serving = serving = asyncio.create_task(self.bridge.run())
        await until(lambda: serving.done() or is_up())
        if serving.done():
            serving.result()

    def sealed(self) -> list[str]:
        return sorted(path.name for path in self.home.archive.iterdir())

    async def tried(self) -> str:
        """Why a call that is over as soon as it is answered has the line it has."""
        before = len(self.lines())
        self.call().rings().answers().ends()
        await until(lambda: len(self.lines()) > before and self.lines()[-1]["outcome"] != "began")
        return str(self.lines()[-1]["reason"])

    async def is_recorded(self) -> None:
        """The control: the next call is."""
        before = len(self.lines())
        (await self.recording()).ends()
        await until(lambda: len(self.lines()) >= before + 2)
        assert self.lines()[-1]["outcome"] == "recorded", self.lines()[-1]

    @contextlib.contextmanager
    def administrator(self) -> Iterator[Change]:
        """One change, as a command makes it: over another connection to the same file."""
        catalogue = Catalogue.open(self.config.catalogue)
        with catalogue.change() as change:
            yield change
        catalogue.close()

    @contextlib.contextmanager
    def hand(self) -> Iterator[sqlite3.Connection]:
        """Somebody with the right to write the catalogue's file."""
        with contextlib.closing(sqlite3.connect(self.config.catalogue / FILE)) as rows, rows:
            yield rows

    def plan(self) -> Plan:
        """Alice's, as the catalogue has it."""
        (found,) = self.catalogue.enrolled().plans
        return found

    @property
    def offered(self) -> wire.Notice | None:
        """The notice that waits for the trainee."""
        return self.here.client.agent.offered


async def becomes(asked: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Asks until the answer is this. Raises: TimeoutError."""
    async with asyncio.timeout(DEADLINE_S):
        while await asked() != wanted:  # noqa: ASYNC110 - what is asked has no event of its own
            await asyncio.sleep(0.05)


KEYFRAME = vp9((120,))[0]
PICTURE_EVERY_S = 0.1


def asterisk_of(folder: Path) -> Asterisk:
    return Asterisk(ami=Address(host="127.0.0.1", port=1), ami_secret_file=folder, ari_secret_file=folder)


def config_of(folder: Path, section: Asterisk | Freeswitch, **recording: Any) -> Config:
    pbx = {"asterisk": section} if isinstance(section, Asterisk) else {"freeswitch": section}
    return Config(
        bridge=Section(
            state_dir=folder, run_dir=folder / "run", user=LOGIN, language="en", demonstration=True
        ),
        **pbx,
        stations=Stations(
            listen=Address(host="127.0.0.1", port=free_port()), names=("localhost", "127.0.0.1")
        ),
        portal=Portal(listen=Address(host="127.0.0.1", port=free_port())),
        recording=RecordingRules(**recording),
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


async def keeper_of(folder: Path) -> House:
    """The keeper's process, where the configuration looks for it."""
    home = House(folder)
    home.socket = folder / "run" / "keeper" / "keeper.sock"
    home.socket.parent.mkdir(parents=True)
    home.link = KeeperLink(home.socket)
    await home.start_keeper()
    return home


async def approved(home: House, *plans: Plan) -> None:
    for one in plans:
        await home.approve(one)
    await home.deed(Act(Deed.APPROVE, CAPACITY.id, capacity_text(CAPACITY)))


@asynccontextmanager
async def whole(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    known: Callable[[House], Awaitable[None]] | None = None,
    acknowledged: bool = True,
    section: Freeswitch | None = None,
    serve: Callable[[Whole], Awaitable[None]] = Whole.serve,
    devices: tuple[str, ...] = ("PJSIP/201",),
    member: str = "Alice",
    **recording: Any,
) -> AsyncIterator[Whole]:
    """The bridge serves, alice's station is linked and her plan approved (or what `known` does instead)."""
    (folder / "desktop").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "desktop"))
    async with AsyncExitStack() as stack:
        home = await keeper_of(folder)
        stack.callback(home.end_keeper)
        stack.push_async_callback(home.link.close)
        config = config_of(folder, section or asterisk_of(folder), **recording)
        for name in OF_THE_BRIDGE:
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        ours = plan()
        catalogue = Catalogue.open(config.catalogue)
        stack.callback(catalogue.close)
        with catalogue.change() as change:
            change.add_application(ours.applications[0])
            change.add_trainer(CAPACITY)
            change.add_trainee(Trainee(ALICE, devices, member, LOGIN))
            change.add_plan(ours)
        await (known(home) if known else approved(home, *sound(catalogue.enrolled()).plans))
        site = Whole(home, config, catalogue)
        code = registry_of(config, tls_of(config)).invite("desk-1", None)
        stack.push_async_callback(site.stop)
        await serve(site)
        url = f"https://localhost:{config.stations.listen.port}"
        identity, _ = await asyncio.to_thread(enrol, url, code, folder / "station", key_in_file=True)
        site.here = await stack.enter_async_context(desk(identity, folder / "station", ready=False))
        if acknowledged:
            await until(lambda: site.offered is not None)
            await accept(site)
        yield site


async def accept(site: Whole) -> None:
    """The trainee acknowledges what waits, as `workstation-client notice accept` does, and the bridge knows it."""
    offered, kept = site.here.client.agent.offered, site.config.bridge.state_dir / "acknowledgements"
    assert offered is not None
    before = len(list(kept.iterdir()))
    await site.here.client.answer({"do": "accept", "notice_hash": wire.notice_hash(offered)})
    await until(lambda: len(list(kept.iterdir())) > before)
