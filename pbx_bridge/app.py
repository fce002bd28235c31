"""The composition root: config in, a running bridge out. The only code that knows every part.

Facts of the PBX, words of stations, voices, files and timers come in here, are told to the desk (calls/desk.py), and
the desk's orders are obeyed here. Nothing is decided: a question that needs a rule belongs below.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, assert_never

import structlog

from pbx_bridge import wire
from pbx_bridge.app_approvals import end_approvals
from pbx_bridge.app_notes import Notes
from pbx_bridge.app_notices import CEILING_S, trainees_notice
from pbx_bridge.app_parts import Parts, keeper_socket
from pbx_bridge.app_recordings import RETRY_S, LiveRecording, destroy, first_manifest, may_pass
from pbx_bridge.app_retention import Retention
from pbx_bridge.app_standing import REFRESH_S, Standings, refresh
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.manifest import ManifestError
from pbx_bridge.archive.restart import rebuild
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.facts import Fact, VoiceChunk
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.catalogue.enrolled import Enrolled, Fault, sound
from pbx_bridge.catalogue.recordings import Noted
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId, RecordingId, StationId, TraineeId, new_recording_id
from pbx_bridge.ledger import Ledger, Line, oldest_day
from pbx_bridge.rights.figures_file import FiguresFile
from pbx_bridge.stations import events as se
from pbx_bridge.telephony.pbx import Tap
from pbx_bridge.training.plans import Draw
from pbx_bridge.training.rules import who
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()

SHUTDOWN_S = 10.0
"""How long a stopping bridge waits for its files to be sealed; what is not ready then is rebuilt at the next start."""
LOOK_S = 1.0
"""How often the catalogue is asked whether somebody changed it: one word from a file's head."""
HOUR_S = 3600
AUDIT_LOOK_S = 1.0
"""P10: in doubt everything stops within 2 s."""

CAPTURE_REASONS = {
    wire.CaptureEnd.LEASE_LOST: Reason.LEASE_LOST,
    wire.CaptureEnd.CEILING: Reason.CEILING,
    wire.CaptureEnd.CLOCK: Reason.CLOCK,
    wire.CaptureEnd.NO_DESKTOP: Reason.STATION_LOCKED,
    wire.CaptureEnd.WAYLAND: Reason.CAPTURE_REFUSED,
    wire.CaptureEnd.NOT_ACKNOWLEDGED: Reason.NOT_ACKNOWLEDGED,
    wire.CaptureEnd.NOT_ALLOWED: Reason.CAPTURE_REFUSED,
    wire.CaptureEnd.BUSY: Reason.BUSY_STATION,
    wire.CaptureEnd.INDICATOR_GONE: Reason.INDICATOR_GONE,
    wire.CaptureEnd.TOO_SLOW: Reason.TOO_FEW_PICTURES,
}


def random_roll() -> float:
    """P11: uniform in [0, 1) from the system's random source."""
    return random.SystemRandom().random()


class Bridge:
    """Everything at work for one PBX. `run` returns when `stop` was called or a part cannot go on."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._config, self._parts = config, parts
        self._enrolled = sound(parts.catalogue.enrolled())
        self._ledger = Ledger(config.bridge.state_dir / "ledger")
        self._figures = FiguresFile(config.bridge.state_dir / "ledger")
        self._standings = Standings(
            self._ledger, lambda: self._enrolled.plans, lambda: self._enrolled.trainers
        )
        self._desk = Desk(
            directory=lambda *asked: who(self._enrolled.trainees, *asked),
            plans=lambda: self._enrolled.plans,
            notice_of=self._notice_hash,
            standing=self._standings.now,
            decided=self._log_decision,
            roll=random_roll,
            now=lambda: datetime.now().astimezone(),
            new_recording=new_recording_id,
            lists=parts.numbers.lists,
            foreign_recorders_allowed=config.pbx.foreign_recorders == "allow",
            payment_limit_ns=config.recording.payment_pause_s * 10**9,
        )
        self._live: dict[RecordingId, LiveRecording] = {}
        self._taps: dict[ChannelId, Tap] = {}
        self._heard: dict[ChannelId, set[str]] = {}
        self._call_key = parts.call_key
        self._notes = Notes(
            parts.catalogue.recordings, parts.archive.folder, parts.call_key, self._lost_its_note
        )
        self._erasing = 0
        self._plans: dict[RecordingId, str] = {}
        self._filming: dict[RecordingId, StationId] = {}
        self._timers: dict[tuple[ChannelId, str], asyncio.TimerHandle] = {}
        self._stations: dict[StationId, TraineeId] = {}
        self._ups: dict[StationId, se.StationUp] = {}
        """What each connected station told of itself, an unknown person's too."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._owed: deque[Callable[[], Line]] = deque()
        """Ledger lines that could not be written yet."""
        state = config.bridge.state_dir
        self._retention = Retention(
            KeeperLink(keeper_socket(config)),
            state / "sealed",
            state / "retention",
            parts.catalogue.recordings,
        )
        self._stop, self._settled = asyncio.Event(), asyncio.Event()

    # -- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until told to stop; every recording is ended properly then."""
        await self._recover()
        await refresh(self._standings, self._parts.archive.keeper)
        async with self._parts.running(self.on_fact, self.on_station, self.on_payment):
            log.info("listening", stations=str(self._config.stations.listen))
            self._spawn(self._tell_ready())
            self._spawn(self._every_hour())
            self._spawn(self._follow_catalogue())
            self._spawn(self._retention.run())
            self._spawn(self._keep_standing())
            self._spawn(self._retention.watch(KeeperLink(keeper_socket(self._config)), self._clock_doubted))
            self._spawn(self._watch_audit())
            await self._stop.wait()
            await self._end_all()
        await asyncio.to_thread(self._notes.close)

    async def _tell_ready(self) -> None:
        await self._parts.pbx.until_beating()
        print("pbx-bridge: ready", flush=True)

    def stop(self) -> None:
        self._stop.set()

    async def _end_all(self) -> None:
        self._obey(self._desk.shutdown(time.monotonic_ns()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_S):
                while self._desk.open_recordings:
                    self._settled.clear()
                    await self._settled.wait()

    async def _recover(self) -> None:
        """What the last run did not survive is rebuilt by the keeper and gets its line (P24)."""
        await self._retention.begin()
        status = await self._parts.archive.keeper.status()
        unfinished = set(status.unfinished)
        for line in self._ledger.unfinished():
            unfinished.discard(RecordingId(line.recording))
            if not await self._recovered(line):
                self._spawn(self._recover_later(line))
        for recording in unfinished:
            await destroy(self._parts.archive, recording, Reason.BRIDGE_FAULT)

    async def _recover_later(self, line: Line) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            if await self._recovered(line):
                return

    async def _recovered(self, line: Line) -> bool:
        """False: a full disk or a mute keeper is in the way, and all still lies where it was."""
        recording, trainee, archive = (
            RecordingId(line.recording),
            TraineeId(line.trainee),
            self._parts.archive,
        )
        write = partial(self._ledger.write, line.call, trainee, plan=line.plan)
        try:
            milliseconds = await rebuild(archive.keeper, archive.recorder, archive.folder, recording)
        except (Refused, KeeperUnreachable, ManifestError, OSError) as error:
            log.warning("an interrupted recording is not rebuilt", recording=recording, why=str(error))
            if may_pass(error):
                return False
            await destroy(archive, recording, Reason.BRIDGE_FAULT)
            self._owe(partial(write, Outcome.DISCARDED, Reason.BRIDGE_FAULT))
        else:
            seconds = milliseconds / 1000
            self._owe(
                partial(write, Outcome.RECORDED, Reason.BRIDGE_FAULT, recording=recording, seconds=seconds)
            )
        return True

    # -- what a decision is taken from --------------------------------------------------------------------------

    async def _keep_standing(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            await refresh(self._standings, self._parts.archive.keeper)
            self._obey(self._desk.recheck(time.monotonic_ns()))

    def _log_decision(self, leg: ChannelId, trainee: TraineeId, decision: Draw | Reason) -> None:
        """P11: each call's one decision, before anything is captured; by the ledger's name of the call."""
        word = decision.value if isinstance(decision, Reason) else decision.kind.value
        log.info("decided", call=self._call(leg, trainee), decision=word)

    # -- what a trainee is told -----------------------------------------------------------------------------------

    def _notice(self, trainee: TraineeId) -> wire.Notice | None:
        """P14: of the plan by which calls are decided today."""
        return trainees_notice(self._config, self._enrolled, trainee, datetime.now().astimezone().date())

    def _notice_hash(self, trainee: TraineeId) -> str:
        notice = self._notice(trainee)
        return wire.notice_hash(notice) if notice is not None else ""

    async def _every_hour(self) -> None:
        """A plan may begin or end while a station stays connected; the ledger forgets in time (P24)."""
        while True:
            try:
                self._figures.fold(self._ledger.lines(), oldest_day())
            except OperatorError as error:
                log.error("the monthly figures lost days", why=str(error))
            self._ledger.forget_old()
            self._notes.tidy(self._live)
            self._tell_notices()
            await self._end_approvals()
            await asyncio.sleep(HOUR_S)

    def _tell_notices(self) -> None:
        for station, trainee in self._stations.items():
            if (notice := self._notice(trainee)) is not None:
                self._parts.stations.send(station, notice)

    async def _follow_catalogue(self) -> None:
        """P14: what a command changed holds within two seconds, and is told to whoever it concerns."""
        watch, unread = self._parts.catalogue.watch(), True
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if await asyncio.to_thread(watch.changed) or unread:
                    self._take_enrolled(await asyncio.to_thread(self._parts.catalogue.read))
                    unread = False
            except OperatorError as error:
                log.error("the catalogue cannot be read: nothing new is recorded", why=str(error))
                self._enrolled, unread = replace(self._enrolled, plans=()), True

    def _take_enrolled(self, read: tuple[Enrolled, tuple[Fault, ...]]) -> None:
        """P3, P13: only what no fault is in is used; each station learns its notice when anything is different."""
        before, (found, wrong) = self._enrolled, read
        self._enrolled = sound(found)
        if self._enrolled == before:
            return
        log.info("the catalogue is read", plans=len(self._enrolled.plans), faults=len(wrong))
        for event in list(self._ups.values()):
            self._station_belongs(event)
        self._tell_notices()
        self._spawn(self._end_approvals())

    async def _end_approvals(self) -> None:
        """P13: asked at each change of the catalogue and each hour, so a keeper that was busy learns it later."""
        try:
            today = datetime.now().astimezone().date()
            await end_approvals(self._parts.archive.keeper, self._enrolled.plans, today)
        except (Refused, KeeperUnreachable) as error:
            log.warning("the keeper could not be told which plans have ended", why=str(error))

    # -- what comes in ------------------------------------------------------------------------------------------

    def on_fact(self, fact: Fact) -> None:
        """One fact of the PBX, in order."""
        self._obey(self._desk.fact(fact))

    def on_station(self, event: se.StationEvent) -> None:
        """One word of a station."""
        now_ns = time.monotonic_ns()
        match event:
            case se.PictureArrived():
                if (live := self._live.get(event.recording)) is not None:
                    self._desk.picture_seen(event.recording, event.at_ns)
                    live.picture(event)
            case se.StationUp():
                self._station_up(event)
            case se.StationDown():
                self._desk.station_gone(event.station)
                self._stations.pop(event.station, None)
                self._ups.pop(event.station, None)
            case se.DesktopChanged():
                self._desktop_changed(event, now_ns)
            case se.NoticeAcknowledged():
                self._acknowledged(event)
            case se.LeaseLost():
                self._obey(self._desk.lease_lost(event.station, now_ns))
            case se.CaptureStarted():
                log.info("filming", recording=event.recording, since_ns=event.at_ns, error_ns=event.error_ns)
                self._obey(self._desk.capture_started(event.recording, event.at_ns))
            case se.PaymentBegan() | se.PaymentEnded():
                began = isinstance(event, se.PaymentBegan)
                self._obey(self._desk.payment_shown(event.recording, event.at_ns, began=began))
            case se.CaptureStopped() | se.CaptureRefused():
                stopped_ns = event.at_ns if isinstance(event, se.CaptureStopped) else 0
                log.info("film ended", recording=event.recording, at_ns=stopped_ns, reason=event.reason.value)
                reason = None
                if event.reason is not wire.CaptureEnd.ORDERED:
                    reason = CAPTURE_REASONS.get(event.reason, Reason.CAPTURE_FAILED)
                self._obey(self._desk.capture_ended(event.recording, now_ns, reason))
            case se.HandOverAsked():
                self._spawn(self._hand_over(event))
            case se.RecordingsAsked():
                self._spawn(self._list_own(event))
            case se.AccessesAsked():
                self._spawn(self._list_accesses(event))
            case se.PrivateAsked():
                orders = self._desk.private(event.station, now_ns)
                self._obey(orders or [])
                done, detail = orders is not None, "" if orders is not None else "you have no call now"
                self._parts.stations.send(event.station, wire.PrivateResult(event.request, done, detail))
            case se.KeyCloned():
                log.error(
                    "two machines used one station's key: both were closed, revoke it", station=event.station
                )
                self._obey(self._desk.lease_lost(event.station, now_ns, Reason.KEY_CLONED))
            case _:
                assert_never(event)

    def on_payment(self, trainee: str, begins: bool) -> bool:
        """P7: somebody announces a payment in this trainee's call, or takes it back. False: no call."""
        orders = self._desk.payment_asked(TraineeId(trainee), time.monotonic_ns(), began=begins)
        self._obey(orders or [])
        return orders is not None

    def _station_up(self, event: se.StationUp) -> None:
        self._ups[event.station] = event
        self._station_belongs(event)
        trainee = self._stations.get(event.station)
        if trainee is not None and (notice := self._notice(trainee)) is not None:
            self._parts.stations.send(event.station, notice)

    def _station_belongs(self, event: se.StationUp) -> None:
        """Whose the station is by its login, as the catalogue now says."""
        logins = {trainee.login: trainee.id for trainee in self._enrolled.trainees if trainee.login}
        trainee = logins.get(event.trainee_login)
        if trainee is None:
            log.warning("nobody with this station's login is enrolled", station=event.station)
            self._stations.pop(event.station, None)
            self._desk.station_gone(event.station)
            return
        self._stations[event.station] = trainee
        usable = event.active and event.kind not in (wire.DesktopKind.WAYLAND, wire.DesktopKind.NONE)
        self._desk.station_seen(
            event.station, trainee, active=usable, locked=event.locked, acknowledged=event.acknowledged or ""
        )

    def _desktop_changed(self, event: se.DesktopChanged, now_ns: int) -> None:
        if (up := self._ups.get(event.station)) is not None:
            self._ups[event.station] = replace(up, active=event.active, locked=event.locked)
        self._desk.desktop_changed(event.station, active=event.active, locked=event.locked)
        if event.locked or not event.active:
            self._obey(self._desk.desktop_locked(event.station, now_ns))

    def _acknowledged(self, event: se.NoticeAcknowledged) -> None:
        if (up := self._ups.get(event.station)) is not None:
            self._ups[event.station] = replace(up, acknowledged=event.notice_hash)
        trainee = self._stations.get(event.station)
        if trainee is not None:
            self._parts.acknowledgements.keep(trainee, event)
            self._desk.acknowledged(event.station, event.notice_hash)

    async def _hand_over(self, event: se.HandOverAsked) -> None:
        trainee = self._stations.get(event.station, TraineeId(""))
        done, detail = True, ""
        try:
            await self._parts.archive.keeper.hand_over(event.recording, trainee, event.signature)
        except (Refused, KeeperUnreachable) as error:
            done, detail = False, str(error)[:200]
        self._parts.stations.send(event.station, wire.HandOverResult(event.request, done, detail))

    async def _list_own(self, event: se.RecordingsAsked) -> None:
        lines: tuple[wire.RecordingLine, ...] = ()
        with contextlib.suppress(Refused, KeeperUnreachable):
            items = await self._parts.archive.keeper.trainees_own(self._stations.get(event.station, ""))
            lines = tuple(
                wire.RecordingLine(item.recording, item.start, item.duration_ms // 1000, item.state)
                for item in items[: wire.MAX_RECORDINGS_LISTED]
            )
        self._parts.stations.send(event.station, wire.RecordingsList(event.request, lines))

    async def _list_accesses(self, event: se.AccessesAsked) -> None:
        """P19: who opened, or tried to open, what is this trainee's."""
        try:
            trainee = self._stations.get(event.station, "")
            found = await self._parts.archive.keeper.accesses(trainee, event.before)
            answer = wire.AccessesList(event.request, found.accesses, found.more, "")
        except (Refused, KeeperUnreachable) as error:
            answer = wire.AccessesList(event.request, (), False, str(error)[:200])
        self._parts.stations.send(event.station, answer)

    # -- Reports of recordings ----------------------------------------------------------------------------------

    def sealed(self, recording: RecordingId, duration_ns: int) -> None:
        self._obey(self._desk.sealed(recording, time.monotonic_ns(), duration_ns))
        self._forget(recording)

    def failed(self, recording: RecordingId, reason: Reason, *, kept: bool) -> None:
        if reason is Reason.DISK:
            self._no_room("a recording could not be written")
        if reason is Reason.AUDIT:
            self._audit_said("a recording's beginning could not be recorded")
        self._obey(self._desk.failed(recording, time.monotonic_ns(), reason, kept=kept))

    def _lost_its_note(self, recording: RecordingId) -> None:
        """P16: a recording an objection could not find may not go on."""
        self._no_room("a recording could not be noted")
        self.failed(recording, Reason.DISK, kept=False)

    def safe(self, recording: RecordingId, seq: int) -> None:
        if (station := self._filming.get(recording)) is not None:
            self._parts.stations.acknowledge(station, recording, seq)

    def _forget(self, recording: RecordingId) -> None:
        self._live.pop(recording, None)
        self._filming.pop(recording, None)

    # -- what goes out ------------------------------------------------------------------------------------------

    def _obey(self, orders: list[co.Command]) -> bool:
        """Obeys in order; an order that fails ends its own recording, nothing else. True when there was any."""
        for order in orders:
            try:
                self._obey_one(order)
            except Exception:
                log.exception("an order failed", order=type(order).__name__)
                recording = getattr(order, "recording", None)
                if recording is not None and not isinstance(order, co.WriteLedger | co.DiscardRecording):
                    later = partial(self.failed, recording, Reason.BRIDGE_FAULT, kept=False)
                    asyncio.get_running_loop().call_soon(later)
        return bool(orders)

    def _obey_one(self, order: co.Command) -> None:
        match order:
            case co.PrepareCapture():
                for station in [s for s, trainee in self._stations.items() if trainee == order.trainee]:
                    self._parts.stations.send(station, wire.GetReady())
            case co.StartCapture():
                self._start_capture(order)
            case co.PauseCapture():
                self._parts.stations.send(order.station, wire.PauseCapture(order.recording))
            case co.ResumeCapture():
                self._parts.stations.send(order.station, wire.ResumeCapture(order.recording))
            case co.StopCapture():
                erase = order.reason in (
                    Reason.OBJECTION,
                    Reason.OPTED_OUT,
                    Reason.PRIVATE,
                    Reason.NEVER_RECORD,
                )
                self._parts.stations.send(
                    order.station, wire.StopCapture(order.recording, order.reason.value, erase)
                )
            case co.StartAudio():
                self._start_audio(order)
            case co.StopAudio():
                self._heard.pop(order.leg, None)
                if (tap := self._taps.pop(order.leg, None)) is not None:
                    self._spawn(tap.stop())
            case co.WatchLeg():
                self._parts.pbx.watch(order.leg)
            case co.UnwatchLeg():
                self._parts.pbx.unwatch(order.leg)
            case co.PlayOutboundNotice():
                self._spawn(self._parts.pbx.ask_outbound_notice(order.customer))
            case co.EraseNoted():
                self._spawn(self._erase_noted(self._notes.of_party(order.customer), Reason.OBJECTION))
            case co.EraseCall():
                who_sat_there = [order.trainee] if order.trainee else [t.id for t in self._enrolled.trainees]
                for trainee in who_sat_there:
                    found = self._notes.of_call(self._call(order.leg, trainee))
                    self._spawn(self._erase_noted(found, Reason.PRIVATE))
            case co.OptOut():
                self._parts.numbers.opt_out(order.number, self._config.recording.opt_out_months)
                self._spawn(self._keep_numbers())
            case co.OfferPrivate():
                self._spawn(self._parts.pbx.offer_private(order.leg))
            case co.OpenRecording():
                self._open(order)
            case co.MarkPause():
                self._live[order.recording].pause(order.at_ns)
            case co.MarkTalk():
                self._live[order.recording].talk(order.at_ns)
            case co.CloseRecording():
                self._live[order.recording].close(order.end_ns)
            case co.DiscardRecording():
                self._discard(order)
            case co.SetTimer():
                self._set_timer(order)
            case co.CancelTimer():
                if (timer := self._timers.pop((order.leg, order.timer), None)) is not None:
                    timer.cancel()
            case co.WriteLedger():
                self._write_ledger(order)
            case _:
                assert_never(order)

    def _start_capture(self, order: co.StartCapture) -> None:
        self._filming[order.recording] = order.station
        self._parts.stations.send(
            order.station,
            wire.StartCapture(
                recording=order.recording,
                notice_hash=order.permit.acknowledgement,
                applications=tuple(application.name for application in order.permit.plan.applications),
                fps=self._config.recording.fps,
                canvas=None,
                ceiling_s=CEILING_S,
            ),
        )

    def _open(self, order: co.OpenRecording) -> None:
        plan = order.permit.plan
        station = self._filming[order.recording]
        manifest = first_manifest(
            order.recording,
            plan.trainee,
            plan,
            int(time.time()),
            self._parts.archive.keeping,
            self._parts.device_key(station),
        )
        self._live[order.recording] = LiveRecording(self._parts.archive, manifest, order.start_ns, self)
        self._plans[order.recording] = plan.id
        call, party = self._call(order.leg, plan.trainee), order.permit.notice.party
        customer = next(iter(self._desk.numbers_of(party)), "")
        self._notes.began(order.recording, plan.trainee, call, party, manifest.start, customer)
        try:
            self._ledger.began(call, plan.trainee, order.recording, plan.id)
        except OperatorError as error:
            self._no_room(str(error))
            later = partial(self.failed, order.recording, Reason.DISK, kept=False)
            asyncio.get_running_loop().call_soon(later)

    def _discard(self, order: co.DiscardRecording) -> None:
        live = self._live.pop(order.recording, None)
        if live is not None:
            live.discard(order.reason)
            self._spawn(live.settled())
        else:
            self._spawn(destroy(self._parts.archive, order.recording, order.reason))
        self._filming.pop(order.recording, None)
        self._notes.gone(order.recording)

    def _start_audio(self, order: co.StartAudio) -> None:
        tap = self._parts.pbx.tap()
        self._taps[order.leg] = tap
        self._heard[order.leg] = set()
        live = self._live[order.recording]

        def on_voice(chunk: VoiceChunk) -> None:
            live.voice(chunk)
            heard = self._heard.get(order.leg)
            if heard is not None and len(heard) < 2 and chunk.leg not in heard:
                heard.add(chunk.leg)
                if len(heard) == 2:
                    self._obey(self._desk.audio_started(order.leg, chunk.arrived_ns))

        def on_lost(why: str) -> None:
            if self._taps.get(order.leg) is tap:
                log.warning("a leg's voices are lost", why=why)
                self._obey(self._desk.audio_lost(order.leg, time.monotonic_ns()))

        self._spawn(tap.start(order.leg, on_voice, on_lost))

    def _set_timer(self, order: co.SetTimer) -> None:
        key = (order.leg, order.timer)
        if (old := self._timers.pop(key, None)) is not None:
            old.cancel()
        loop = asyncio.get_running_loop()
        delay_s = max(0.0, (order.at_ns - time.monotonic_ns()) / 1e9)
        self._timers[key] = loop.call_later(delay_s, self._timer_fired, key)

    def _timer_fired(self, key: tuple[ChannelId, str]) -> None:
        self._timers.pop(key, None)
        self._obey(self._desk.timer(*key, time.monotonic_ns()))

    def _write_ledger(self, order: co.WriteLedger) -> None:
        call = self._call(order.leg, order.trainee)
        if order.reason is Reason.LINK_LOST and order.recording is None and self._ledger.has(call):
            return  # found again after a restart or a cut: it has its answer
        recording = order.recording if order.outcome is Outcome.RECORDED else None
        plan = self._plans.pop(order.recording, "") if order.recording else ""
        self._owe(
            partial(
                self._ledger.write,
                call,
                order.trainee,
                order.outcome,
                order.reason,
                recording=recording,
                seconds=order.duration_ns / 1e9,
                plan=plan,
            )
        )
        self._settled.set()
        log.info("call", outcome=order.outcome.value, reason=order.reason.value, recording=order.recording)

    async def _erase_noted(self, found: Awaitable[tuple[Noted, ...]], reason: Reason) -> None:
        """P16: an objection reaches what an earlier run of the bridge recorded of this call."""
        self._erasing += 1
        try:
            for noted in await found:
                await destroy(self._parts.archive, noted.recording, reason)
                self._notes.gone(noted.recording)
                self._owe(partial(self._ledger.write, noted.call, noted.trainee, Outcome.DISCARDED, reason))
                log.info("an earlier recording of this call was destroyed", recording=noted.recording)
        finally:
            self._erasing -= 1
        if not self._erasing:
            await self._parts.pbx.forget_what_was_said()

    async def _keep_numbers(self) -> None:
        """P16: an objection outlives a full disk and a restart after it."""
        while True:
            try:
                await asyncio.to_thread(self._parts.numbers.keep)
            except OperatorError as error:
                log.error("an objection is not kept yet", why=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _owe(self, write: Callable[[], Line]) -> None:
        self._owed.append(write)
        self._pay()

    def _pay(self) -> None:
        """P24: writes what the ledger is owed, in order, now or when its disk has room again."""
        try:
            while self._owed:
                self._standings.note(self._owed[0]())
                self._owed.popleft()
        except OperatorError as error:
            self._no_room(str(error))

    def _clock_doubted(self, doubt: bool) -> None:
        """P20: a clock that was set ends what is recorded, and nothing begins until it is confirmed."""
        if not doubt:
            self._desk.thaw(Reason.CLOCK)
        elif Reason.CLOCK not in self._desk.frozen_for:
            log.error("the clock is in doubt, nothing is recorded: compare it, then pbx-bridge clock confirm")
            self._desk.freeze(Reason.CLOCK)
            self._obey(self._desk.end_all(Reason.CLOCK, time.monotonic_ns()))

    async def _watch_audit(self) -> None:
        """P19: while the keeper cannot record an access, nothing is recorded."""
        keeper = KeeperLink(keeper_socket(self._config))
        while True:
            with contextlib.suppress(KeeperUnreachable):  # a slow one answers later
                self._audit_said(await keeper.audit_fault())
            await asyncio.sleep(AUDIT_LOOK_S)

    def _audit_said(self, fault: str) -> None:
        if not fault:
            self._desk.thaw(Reason.AUDIT)
        elif Reason.AUDIT not in self._desk.frozen_for:
            log.error("nothing is recorded or released until the audit log can be written", why=fault)
            self._desk.freeze(Reason.AUDIT)
            self._obey(self._desk.end_all(Reason.AUDIT, time.monotonic_ns()))

    def _no_room(self, why: str) -> None:
        log.error("nothing is recorded until the disk has room", why=why)
        self._desk.freeze(Reason.DISK)
        asyncio.get_running_loop().call_later(RETRY_S, self._look_for_room)

    def _look_for_room(self) -> None:
        self._pay()
        if not self._owed:
            self._desk.thaw(Reason.DISK)

    def _call(self, leg: ChannelId, trainee: TraineeId) -> str:
        """The ledger's name for a call: keyed, so that it joins nothing, and the same after a restart."""
        return hashlib.blake2b(f"{trainee} {leg}".encode(), key=self._call_key, digest_size=8).hexdigest()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a part of one call failed; the others go on")
