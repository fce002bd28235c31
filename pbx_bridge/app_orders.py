"""The desk's orders, obeyed: each goes to the one part that can do it. An order that fails ends its own recording only."""

from __future__ import annotations

from typing import assert_never

import structlog

from pbx_bridge import wire
from pbx_bridge.app_enrolment import Enrolment
from pbx_bridge.app_erasures import Erasures
from pbx_bridge.app_lines import Lines
from pbx_bridge.app_live import Live
from pbx_bridge.app_parts import Parts
from pbx_bridge.app_seats import Seats
from pbx_bridge.app_tasks import Tasks
from pbx_bridge.app_timers import Timers
from pbx_bridge.app_voices import Voices
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.reasons import Reason

log = structlog.get_logger()

ERASED = frozenset({Reason.OBJECTION, Reason.OPTED_OUT, Reason.PRIVATE, Reason.NEVER_RECORD})
"""P16: the station keeps nothing of it, not even to send it again."""


class Orders:
    def __init__(
        self,
        parts: Parts,
        enrolment: Enrolment,
        seats: Seats,
        live: Live,
        voices: Voices,
        timers: Timers,
        lines: Lines,
        erasures: Erasures,
        tasks: Tasks,
    ) -> None:
        self._parts, self._enrolment, self._seats, self._live = parts, enrolment, seats, live
        self._voices, self._timers, self._lines, self._erasures = voices, timers, lines, erasures
        self._tasks = tasks

    def obey(self, orders: list[co.Command]) -> None:
        """In order."""
        for order in orders:
            try:
                self._obey(order)
            except Exception:
                log.exception("an order failed", order=type(order).__name__)
                recording = getattr(order, "recording", None)
                if recording is not None and not isinstance(order, co.WriteLedger | co.DiscardRecording):
                    self._live.fails_soon(recording, Reason.BRIDGE_FAULT)

    def _obey(self, order: co.Command) -> None:
        match order:
            case co.PrepareCapture():
                for station in self._seats.of(order.trainee):
                    self._parts.stations.send(station, wire.GetReady())
            case co.StartCapture():
                self._live.film(order)
            case co.PauseCapture():
                self._parts.stations.send(order.station, wire.PauseCapture(order.recording))
            case co.ResumeCapture():
                self._parts.stations.send(order.station, wire.ResumeCapture(order.recording))
            case co.StopCapture():
                stop = wire.StopCapture(order.recording, order.reason.value, order.reason in ERASED)
                self._parts.stations.send(order.station, stop)
            case co.StartAudio():
                self._voices.start(order.leg, self._live[order.recording])
            case co.StopAudio():
                self._voices.stop(order.leg)
            case co.WatchLeg():
                self._parts.pbx.watch(order.leg)
            case co.UnwatchLeg():
                self._parts.pbx.unwatch(order.leg)
            case co.PlayOutboundNotice():
                self._tasks.spawn(self._parts.pbx.ask_outbound_notice(order.customer))
            case co.OfferPrivate():
                self._tasks.spawn(self._parts.pbx.offer_private(order.leg))
            case co.EraseNoted():
                self._erasures.of_party(order.customer)
            case co.EraseCall():
                everyone = [trainee.id for trainee in self._enrolment.now.trainees]
                for trainee in [order.trainee] if order.trainee else everyone:
                    self._erasures.of_call(self._lines.call(order.leg, trainee))
            case co.OptOut():
                self._erasures.opt_out(order.number)
            case co.OpenRecording():
                self._live.open(order)
            case co.MarkPause():
                self._live[order.recording].pause(order.at_ns, hold=order.hold)
                self._voices.pause(order.recording)
            case co.MarkTalk():
                self._live[order.recording].talk(order.at_ns)
                self._voices.resume(order.recording)
            case co.CloseRecording():
                self._live[order.recording].close(order.end_ns)
            case co.DiscardRecording():
                self._live.discard(order)
            case co.SetTimer():
                self._timers.set(order)
            case co.CancelTimer():
                self._timers.cancel(order.leg, order.timer)
            case co.WriteLedger():
                self._lines.write(order)
            case _:
                assert_never(order)
