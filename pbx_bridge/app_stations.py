"""What stations say: told to the desk, to the running recordings and to the seats; what they ask is answered here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import assert_never

import structlog

from pbx_bridge import wire
from pbx_bridge.app_live import Live
from pbx_bridge.app_parts import Parts
from pbx_bridge.app_seats import Seats
from pbx_bridge.app_tasks import Tasks
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.stations import events as se
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()

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
"""Every other end is a failed capture."""


class Stations:
    """`on_event` for each word of a station; `obey` does what the desk then orders."""

    def __init__(
        self,
        parts: Parts,
        seats: Seats,
        live: Live,
        desk: Desk,
        obey: Callable[[list[co.Command]], None],
        tasks: Tasks,
    ) -> None:
        self._parts, self._seats, self._live, self._desk = parts, seats, live, desk
        self._obey, self._tasks = obey, tasks

    def on_event(self, event: se.StationEvent) -> None:
        now_ns = time.monotonic_ns()
        match event:
            case se.PictureArrived():
                if (live := self._live.get(event.recording)) is not None:
                    self._desk.picture_seen(event.recording, event.at_ns)
                    live.picture(event)
            case se.StationUp():
                self._seats.up(event)
            case se.StationDown():
                self._seats.down(event.station)
            case se.DesktopChanged():
                self._seats.desktop_changed(event)
                if event.locked or not event.active:
                    self._obey(self._desk.desktop_locked(event.station, now_ns))
            case se.NoticeAcknowledged():
                self._seats.acknowledged(event)
            case se.LeaseLost():
                self._obey(self._desk.lease_lost(event.station, now_ns))
            case se.CaptureStarted():
                log.info("filming", recording=event.recording, since_ns=event.at_ns, error_ns=event.error_ns)
                self._obey(self._desk.capture_started(event.recording, event.at_ns))
            case se.PaymentBegan() | se.PaymentEnded():
                began = isinstance(event, se.PaymentBegan)
                self._obey(self._desk.payment_shown(event.recording, event.at_ns, began=began))
            case se.CaptureStopped() | se.CaptureRefused():
                self._capture_ended(event, now_ns)
            case se.HandOverAsked():
                self._tasks.spawn(self._hand_over(event))
            case se.RecordingsAsked():
                self._tasks.spawn(self._list_own(event))
            case se.AccessesAsked():
                self._tasks.spawn(self._list_accesses(event))
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

    def _capture_ended(self, event: se.CaptureStopped | se.CaptureRefused, now_ns: int) -> None:
        stopped_ns = event.at_ns if isinstance(event, se.CaptureStopped) else 0
        log.info("film ended", recording=event.recording, at_ns=stopped_ns, reason=event.reason.value)
        reason = None
        if event.reason is not wire.CaptureEnd.ORDERED:
            reason = CAPTURE_REASONS.get(event.reason, Reason.CAPTURE_FAILED)
        self._obey(self._desk.capture_ended(event.recording, now_ns, reason))

    async def _hand_over(self, event: se.HandOverAsked) -> None:
        trainee = self._seats.trainee(event.station)
        done, detail = True, ""
        try:
            await self._parts.archive.keeper.hand_over(event.recording, trainee, event.signature)
        except (Refused, KeeperUnreachable) as error:
            done, detail = False, str(error)[:200]
        self._parts.stations.send(event.station, wire.HandOverResult(event.request, done, detail))

    async def _list_own(self, event: se.RecordingsAsked) -> None:
        lines: tuple[wire.RecordingLine, ...] = ()
        with contextlib.suppress(Refused, KeeperUnreachable):
            items = await self._parts.archive.keeper.trainees_own(self._seats.trainee(event.station))
            lines = tuple(
                wire.RecordingLine(item.recording, item.start, item.duration_ms // 1000, item.state)
                for item in items[: wire.MAX_RECORDINGS_LISTED]
            )
        self._parts.stations.send(event.station, wire.RecordingsList(event.request, lines))

    async def _list_accesses(self, event: se.AccessesAsked) -> None:
        """P19: who opened, or tried to open, what is this trainee's."""
        try:
            found = await self._parts.archive.keeper.accesses(
                self._seats.trainee(event.station), event.before
            )
            answer = wire.AccessesList(event.request, found.accesses, found.more, "")
        except (Refused, KeeperUnreachable) as error:
            answer = wire.AccessesList(event.request, (), False, str(error)[:200])
        self._parts.stations.send(event.station, answer)
