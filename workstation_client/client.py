"""The running client: joins agent, link, recorder, desktop and control socket on one event loop. Decides nothing."""

from __future__ import annotations

import asyncio
import getpass
import logging
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol, assert_never

from pbx_bridge import memory, wire
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.wire_json import write_fields
from pbx_bridge.wire_proof import hand_over_statement, sign
from workstation_client import agent as core
from workstation_client import control, desk_notice, notice
from workstation_client.events import (
    PaymentBegan,
    PaymentEnded,
    Picture,
    RecorderEvent,
    RecordOrder,
    Refused,
    Started,
    Stopped,
)
from workstation_client.identity import Identity
from workstation_client.link import BridgeLink
from workstation_client.spool import Entry

log = logging.getLogger(__name__)

_DESKTOP_EVERY_S: Final = 1.5
"""P10: a locked session is seen within 2 s; loginctl costs a few milliseconds."""
_SLEPT_NS: Final = 100_000_000
"""CLOCK_BOOTTIME runs on while the machine sleeps, CLOCK_MONOTONIC does not."""
WAYLAND_ADVICE: Final = "Log in with Xorg: under Wayland no program can film one window alone"
_ANSWER_S: Final = 8.0
_STOP_S: Final = 2.0


class AnyRecorder(Protocol):
    """What the client needs of workstation_client.recorder.Recorder."""

    def warm(self) -> None: ...
    def expect(self) -> None: ...
    def cool(self) -> None: ...
    def start(self, order: RecordOrder) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def stop(self, reason: wire.CaptureEnd) -> None: ...
    def lock(self, locked: bool) -> None: ...
    def close(self) -> None: ...


class AnySession(Protocol):
    """What the client needs of workstation_client.desktop_session.DesktopSession."""

    @property
    def is_over(self) -> bool: ...
    def read(self) -> wire.Desktop: ...


MakeRecorder = Callable[[Callable[[RecorderEvent], None]], AnyRecorder]


class Client:
    """One user's client on one desktop."""

    def __init__(
        self,
        identity: Identity,
        folder: Path,
        make_recorder: MakeRecorder,
        session: AnySession,
    ) -> None:
        self._identity, self._folder, self._session = identity, folder, session
        self._loop = asyncio.get_running_loop()
        desktop = session.read()
        self.agent = core.Agent(getpass.getuser(), desktop, notice.load(folder, identity.seed))
        self.link = BridgeLink(identity, secrets.token_bytes(16), self)
        self._recorder = make_recorder(self._from_recorder)
        self._recorder.lock(not core.is_usable(desktop))
        if desktop.kind is wire.DesktopKind.WAYLAND:
            desk_notice.show(WAYLAND_ADVICE)
        self._timer: asyncio.TimerHandle | None = None
        self._slept_ns = _asleep_ns()
        self._requests: dict[int, asyncio.Future[object]] = {}
        self._request = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Until cancelled or logged out; then the capture is stopped and told before the link is closed."""
        # Once, so that display and codec library are loaded; the encoder's memory goes until a call rings.
        self._recorder.warm()
        self._recorder.cool()
        self._wind()
        server = await control.serve(control.runtime_dir() / "client.sock", self.answer)
        tasks = [asyncio.create_task(self.link.run()), asyncio.create_task(self._watch_desktop())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            server.close()
            await self._stop()  # the link lives until the farewell is said
            for task in tasks:
                task.cancel()

    async def _stop(self) -> None:
        self._do(self.agent.stopping())
        try:
            async with asyncio.timeout(_STOP_S):
                await self._idle.wait()
                await self.link.farewell()
        except TimeoutError:
            log.warning("the recorder did not stop in %s s", _STOP_S)
        if self._timer:
            self._timer.cancel()
        await asyncio.to_thread(self._recorder.close)

    # ---- LinkUser

    def presence(self) -> wire.Presence:
        return self.agent.presence()

    def linked(self, welcome: wire.Welcome) -> None:
        self._do(self.agent.linked(time.monotonic_ns(), welcome))

    def unlinked(self, why: str) -> None:
        self._do(self.agent.unlinked(time.monotonic_ns()))

    def told(self, message: wire.ToStation) -> None:
        self._do(self.agent.told(time.monotonic_ns(), message))

    def next_entry(self) -> Entry | None:
        return self.agent.spool.to_send()

    # ---- the recorder's thread and the clock

    def _from_recorder(self, event: RecorderEvent) -> None:
        """P10: called on the recorder's thread, which thereby stops in time even if the event loop hangs."""
        if isinstance(event, Picture) and not self.agent.has_lease(event.taken_ns):
            self._recorder.stop(wire.CaptureEnd.LEASE_LOST)
            return
        self._loop.call_soon_threadsafe(self._recorded, event)

    def _recorded(self, event: RecorderEvent) -> None:
        now_ns = time.monotonic_ns()
        match event:
            case Started(recording, at_ns):
                orders = self.agent.started(now_ns, RecordingId(recording), at_ns)
            case Picture():
                orders = self.agent.picture(
                    now_ns,
                    RecordingId(event.recording),
                    event.pts_ns,
                    event.taken_ns,
                    event.data,
                    keyframe=event.keyframe,
                    card=event.card,
                    width=event.width,
                    height=event.height,
                )
            case PaymentBegan(recording, at_ns) | PaymentEnded(recording, at_ns):
                began = isinstance(event, PaymentBegan)
                orders = self.agent.payment(now_ns, RecordingId(recording), at_ns, began=began)
            case Stopped(recording, at_ns, reason):
                orders = self.agent.stopped(now_ns, RecordingId(recording), at_ns, reason)
            case Refused(recording, reason):
                orders = self.agent.refused(RecordingId(recording), reason)
            case _:
                assert_never(event)
        self._do(orders)

    def _wind(self) -> None:
        """Sets the timer to the agent's next moment."""
        if self._timer:
            self._timer.cancel()
        now_ns = time.monotonic_ns()
        delay_s = max(0.0, (self.agent.wake_ns(now_ns) - now_ns) * 1e-9)
        self._timer = self._loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        slept_ns = _asleep_ns()
        if abs(slept_ns - self._slept_ns) > _SLEPT_NS:
            self._slept_ns = slept_ns
            self._do(self.agent.clock_stepped())
        self._do(self.agent.tick(time.monotonic_ns()))

    async def _watch_desktop(self) -> None:
        """Until the session is over."""
        while not self._session.is_over:
            await asyncio.sleep(_DESKTOP_EVERY_S)
            self._do(self.agent.desktop_changed(await asyncio.to_thread(self._session.read)))
        log.info("the session is over")

    # ---- orders

    def _do(self, orders: Sequence[core.Order]) -> None:
        for order in orders:
            self._do_one(order)
        if self.agent.recording:
            self._idle.clear()
        else:
            self._idle.set()
        self._wind()

    def _do_one(self, order: core.Order) -> None:
        match order:
            case core.Say(message):
                self.link.say(message)
            case core.SendEntries():
                self.link.send_entries()
            case core.Reconnect():
                self.link.reconnect()
            case core.Record(recording, rules, fps, canvas):
                self._record(recording, rules, fps, canvas)
            case core.Warm(warm):
                if warm:
                    self._recorder.expect()
                else:
                    self._recorder.cool()
            case core.Pause():
                self._recorder.pause()
            case core.Unpause():
                self._recorder.resume()
            case core.Cease(_, reason):
                self._recorder.stop(reason)
            case core.Lock(locked):
                self._recorder.lock(locked)
            case core.Show():
                desk_notice.show(
                    "An information notice about training recordings waits for you: workstation-client notice show"
                )
            case core.Answer(message):
                waiting = self._requests.pop(message.request, None)
                if waiting and not waiting.done():
                    waiting.set_result(message)
            case _:
                assert_never(order)

    def _record(
        self,
        recording: RecordingId,
        rules: tuple[wire.ApplicationRule, ...],
        fps: int,
        canvas: wire.Canvas | None,
    ) -> None:
        try:
            memory.keep_off_swap()
        except OperatorError as error:
            log.error("not recorded: %s", error)
            self._loop.call_soon(self._recorded, Refused(recording, wire.CaptureEnd.SWAP))
            return
        size = (canvas.width, canvas.height) if canvas else None
        self._recorder.start(RecordOrder(recording, rules, fps, size))

    # ---- the control socket

    async def answer(self, question: dict[str, object]) -> dict[str, object]:
        """One question of the user's own commands. Raises: OperatorError."""
        match question:
            case {"do": "status"}:
                return self._status()
            case {"do": "notice"}:
                return self._show_notice()
            case {"do": "accept", "notice_hash": str(digest)}:
                return self._accept(digest)
            case {"do": "recordings"}:
                said = await self._ask(wire.AskRecordings)
                assert isinstance(said, wire.RecordingsList)
                lines = [
                    {
                        "id": r.recording,
                        "started_at": r.started_at,
                        "duration_s": r.duration_s,
                        "state": r.state,
                    }
                    for r in said.recordings
                ]
                return {"ok": True, "recordings": lines}
            case {"do": "accesses", "before": int(before)} if before >= 0:
                return await self._accesses(before)
            case {"do": "hand-over", "recording": str(text)}:
                return await self._hand_over(text)
            case {"do": "private"}:
                return _outcome(await self._ask(wire.AskPrivate))
        raise OperatorError(
            "the client does not know that question", do="Is another version running? Log in anew"
        )

    def _status(self) -> dict[str, object]:
        agent, now_ns = self.agent, time.monotonic_ns()
        return {
            "ok": True,
            "running": True,
            "station": self._identity.station,
            "bridge": self._identity.url,
            "link": self.link.state,
            "lease": agent.has_lease(now_ns),
            "desktop": {
                "active": agent.desktop.active,
                "locked": agent.desktop.locked,
                "kind": agent.desktop.kind.value,
            },
            "notice": "waiting" if agent.offered else "acknowledged" if agent.acknowledged else "none",
            "recording": agent.recording,
            "paused": agent.paused,
            "spool_bytes": agent.spool.size_bytes,
        }

    def _show_notice(self) -> dict[str, object]:
        known = self.agent.acknowledged
        shown = self.agent.offered or (known.notice if known else None)
        if shown is None:
            raise OperatorError(
                "there is no notice yet", do="The bridge sends it once you are enrolled for training"
            )
        return {
            "ok": True,
            "notice_hash": wire.notice_hash(shown),
            "acknowledged": self.agent.offered is None,
            "notice": write_fields(shown),
        }

    def _accept(self, digest: str) -> dict[str, object]:
        """P14: exactly the notice that was shown."""
        offered = self.agent.offered
        if offered is None:
            raise OperatorError("no notice waits to be acknowledged")
        if wire.notice_hash(offered) != digest:
            raise OperatorError(
                "the notice changed meanwhile", do="Read it again: workstation-client notice show"
            )
        accepted = notice.acknowledge(offered, self._identity.seed, time.time())
        notice.store(accepted, self._folder)
        self._do(self.agent.accepted(accepted))
        return {"ok": True, "notice_hash": digest}

    async def _accesses(self, before: int) -> dict[str, object]:
        """P19: who opened, or tried to open, what is this person's."""
        said = await self._ask(lambda request: wire.AskAccesses(request, before))
        assert isinstance(said, wire.AccessesList)
        if said.detail:
            raise OperatorError(said.detail)
        return {"ok": True, "accesses": [write_fields(line) for line in said.accesses], "more": said.more}

    async def _hand_over(self, text: str) -> dict[str, object]:
        try:
            recording = parse_recording_id(text)
        except ValueError as error:
            raise OperatorError(str(error), where=text[:40]) from None
        signature = sign(self._identity.seed, hand_over_statement(recording))
        return _outcome(await self._ask(lambda n: wire.AskHandOver(n, recording, signature)))

    async def _ask(self, make: Callable[[int], wire.ToBridge]) -> object:
        """Asks the bridge and waits. Raises: OperatorError."""
        if not self.link.is_connected:
            raise OperatorError(
                "the bridge is not connected", do="Try again when workstation-client status says so"
            )
        self._request += 1
        number = self._request
        waiting: asyncio.Future[object] = self._loop.create_future()
        self._requests[number] = waiting
        self.link.say(make(number))
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await waiting
        except TimeoutError:
            raise OperatorError("the bridge did not answer", do="Try again in a moment") from None
        finally:
            self._requests.pop(number, None)


def _outcome(said: object) -> dict[str, object]:
    assert isinstance(said, wire.HandOverResult | wire.PrivateResult)
    if not said.done:
        raise OperatorError(said.detail or "the bridge refused")
    return {"ok": True}


def _asleep_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()


async def run(
    identity: Identity,
    folder: Path,
    make_recorder: MakeRecorder,
    session: AnySession,
) -> None:
    """Runs the client until SIGTERM, SIGINT, SIGHUP or the end of the desktop session."""
    client = Client(identity, folder, make_recorder, session)
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(client.run())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        log.info("stopped")
