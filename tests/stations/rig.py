"""A bridge's station server and a workstation's client, both real, on loopback; only the recorder is scripted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pbx_bridge import wire
from pbx_bridge.ids import RecordingId, StationId, new_recording_id
from pbx_bridge.stations.ca import TlsPaths, ensure_ca
from pbx_bridge.stations.events import StationEvent
from pbx_bridge.stations.registry import Registry
from pbx_bridge.stations.server import StationServer
from workstation_client import notice
from workstation_client.client import Client
from workstation_client.enrol import enrol
from workstation_client.events import Picture, RecorderEvent, RecordOrder, Refused, Started, Stopped
from workstation_client.identity import Identity

T = TypeVar("T")
DEADLINE_S = 10.0

RULE = wire.ApplicationRule("crm", "/usr/bin/crm", None, "Crm", None, None)
NOTICE = wire.Notice("fr", "Votre poste est filmé pendant certains appels.", (RULE,), fps=10, ceiling_s=3600)
DESKTOP = wire.Desktop(active=True, locked=False, kind=wire.DesktopKind.X11)


class ScriptedRecorder:
    """Does what a recorder does, with packets that say their own number; `picture` is called by the test."""

    def __init__(self, on_event: Callable[[RecorderEvent], None]) -> None:
        self._on_event = on_event
        self.orders: list[object] = []
        self.refuse: wire.CaptureEnd | None = None
        self.recording: str | None = None
        self.made = 0
        self._lock = threading.Lock()

    def warm(self) -> None:
        self.orders.append("warm")

    def expect(self) -> None:
        self.orders.append("expect")

    def cool(self) -> None:
        self.orders.append("cool")

    def start(self, order: RecordOrder) -> None:
        self.orders.append(order)
        if self.refuse:
            self._on_event(Refused(order.recording, self.refuse))
            return
        self.recording, self.made = order.recording, 0
        self._on_event(Started(order.recording, time.monotonic_ns()))

    def pause(self) -> None:
        self.orders.append("pause")

    def resume(self) -> None:
        self.orders.append("resume")

    def stop(self, reason: wire.CaptureEnd) -> None:
        self.orders.append(reason)
        recording, self.recording = self.recording, None
        if recording:
            self._on_event(Stopped(recording, time.monotonic_ns(), reason))

    def lock(self, locked: bool) -> None:
        self.orders.append("lock" if locked else "unlock")

    def close(self) -> None:
        self.stop(wire.CaptureEnd.CLIENT_STOPPED)

    def picture(self, *, size: int = 1000) -> None:
        """One more picture; its data begins with its number."""
        if self.recording:
            now_ns = time.monotonic_ns()
            data = self.made.to_bytes(4, "big") + bytes(size)
            self._on_event(Picture(self.recording, now_ns, now_ns, self.made == 0, False, 640, 480, data))
            self.made += 1


@dataclass
class Told:
    """Everything the server told, and waiting for more."""

    events: list[StationEvent] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, event: StationEvent) -> None:
        self.events.append(event)
        self._more.set()

    def of(self, kind: type[T]) -> list[T]:
        return [e for e in self.events if isinstance(e, kind)]

    async def wait(self, kind: type[T], count: int = 1, *, within_s: float = DEADLINE_S) -> T:
        """The `count`-th event of the kind. Raises: TimeoutError."""
        async with asyncio.timeout(within_s):
            while len(self.of(kind)) < count:
                self._more.clear()
                await self._more.wait()
        return self.of(kind)[count - 1]


@dataclass
class Bridge:
    server: StationServer
    registry: Registry
    told: Told
    tls: TlsPaths
    state: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server.port}"

    async def enrol(self, name: str, folder: Path, login: str | None = None) -> Identity:
        code = self.registry.invite(name, login)
        found, _ = await asyncio.to_thread(enrol, self.url, code, folder, key_in_file=True)
        return found

    def start(self, station: str, recording: RecordingId | None = None) -> RecordingId:
        recording = recording or new_recording_id()
        order = wire.StartCapture(recording, wire.notice_hash(NOTICE), ("crm",), 10, None, 3600)
        assert self.server.send(StationId(station), order)
        return recording


@contextlib.asynccontextmanager
async def bridge(
    state: Path,
    *,
    host: str = "localhost",
    port: int = 0,
    names: tuple[str, ...] = ("localhost", "127.0.0.1"),
) -> AsyncIterator[Bridge]:
    tls = ensure_ca(state / "tls", names)
    registry, told = Registry(state, tls.ca_sha256()), Told()
    server = StationServer(host, port, tls, registry, told)
    await server.start()
    try:
        yield Bridge(server, registry, told, tls, state)
    finally:
        await server.close()


@dataclass
class ScriptedSession:
    """A desktop session whose state the test sets."""

    desktop: wire.Desktop = DESKTOP
    is_over: bool = False

    def read(self) -> wire.Desktop:
        return self.desktop


@dataclass
class Desk:
    client: Client
    recorder: ScriptedRecorder
    task: asyncio.Task[None]
    session: ScriptedSession

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def until(holds: Callable[[], bool], *, within_s: float = DEADLINE_S) -> None:
    """Waits until `holds`. Raises: TimeoutError."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is watched has no event of its own
            await asyncio.sleep(0.005)


def acknowledge(identity: Identity, folder: Path, text: wire.Notice = NOTICE) -> None:
    """As if the user had acknowledged the notice before."""
    notice.store(notice.acknowledge(text, identity.seed, time.time()), folder)


@contextlib.asynccontextmanager
async def desk(identity: Identity, folder: Path, *, ready: bool = True) -> AsyncIterator[Desk]:
    """The client of an enrolled workstation, running."""
    if ready:
        acknowledge(identity, folder)
    made: list[ScriptedRecorder] = []
    session = ScriptedSession()

    def make(on_event: Callable[[RecorderEvent], None]) -> ScriptedRecorder:
        made.append(ScriptedRecorder(on_event))
        return made[0]

    client = Client(identity, folder, make, session)
    found = Desk(client, made[0], asyncio.create_task(client.run()), session)
    try:
        yield found
    finally:
        await found.stop()
