"""The voices of running recordings: one tap for each leg that is listened to, told to its recording and to the desk."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from pbx_bridge.app_recordings import LiveRecording
from pbx_bridge.app_tasks import Tasks
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.facts import VoiceChunk
from pbx_bridge.ids import ChannelId, RecordingId
from pbx_bridge.telephony.pbx import Pbx, Tap

log = structlog.get_logger()


class Voices:
    """`obey` does what the desk then orders."""

    def __init__(self, pbx: Pbx, desk: Desk, obey: Callable[[list[co.Command]], None], tasks: Tasks) -> None:
        self._pbx, self._desk, self._obey, self._tasks = pbx, desk, obey, tasks
        self._taps: dict[ChannelId, Tap] = {}
        self._heard: dict[ChannelId, set[str]] = {}
        self._legs: dict[RecordingId, ChannelId] = {}

    def start(self, leg: ChannelId, live: LiveRecording) -> None:
        tap = self._pbx.tap()
        self._taps[leg], self._legs[live.recording] = tap, leg
        self._heard[leg] = set()

        def on_voice(chunk: VoiceChunk) -> None:
            live.voice(chunk)
            heard = self._heard.get(leg)
            if heard is not None and len(heard) < 2 and chunk.leg not in heard:
                heard.add(chunk.leg)
                if len(heard) == 2:
                    self._obey(self._desk.audio_started(leg, chunk.arrived_ns))

        def on_lost(why: str) -> None:
            if self._taps.get(leg) is tap:
                log.warning("a leg's voices are lost", why=why)
                self._obey(self._desk.audio_lost(leg, time.monotonic_ns()))

        self._tasks.spawn(tap.start(leg, on_voice, on_lost))

    def pause(self, recording: RecordingId) -> None:
        """P7: the PBX itself says nothing meanwhile, where it can."""
        if (tap := self._tap_of(recording)) is not None:
            self._tasks.spawn(tap.pause())

    def resume(self, recording: RecordingId) -> None:
        if (tap := self._tap_of(recording)) is not None:
            self._tasks.spawn(tap.resume())

    def _tap_of(self, recording: RecordingId) -> Tap | None:
        leg = self._legs.get(recording)
        return None if leg is None else self._taps.get(leg)

    def stop(self, leg: ChannelId) -> None:
        self._heard.pop(leg, None)
        self._legs = {recording: one for recording, one in self._legs.items() if one != leg}
        if (tap := self._taps.pop(leg, None)) is not None:
            self._tasks.spawn(tap.stop())
