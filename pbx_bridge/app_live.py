"""The recordings under way: each one's file and the station that films it, opened and ended as the desk orders.

What a file reports (sealed, failed, safe up to a picture) comes back here and is told to the desk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from pbx_bridge import wire
from pbx_bridge.app_doubts import Doubts
from pbx_bridge.app_lines import Lines
from pbx_bridge.app_notes import Notes
from pbx_bridge.app_notices import CEILING_S
from pbx_bridge.app_parts import Parts
from pbx_bridge.app_recordings import LiveRecording, destroy, first_manifest
from pbx_bridge.app_tasks import Tasks
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, StationId


class Live:
    """`obey` does what the desk then orders. It is each file's Reports (app_recordings.py)."""

    def __init__(
        self,
        parts: Parts,
        desk: Desk,
        lines: Lines,
        doubts: Doubts,
        obey: Callable[[list[co.Command]], None],
        tasks: Tasks,
        fps: int,
    ) -> None:
        self._parts, self._desk, self._lines, self._doubts = parts, desk, lines, doubts
        self._obey, self._tasks, self._fps = obey, tasks, fps
        self.notes = Notes(parts.catalogue.recordings, parts.archive.folder, parts.call_key, self._not_noted)
        self._files: dict[RecordingId, LiveRecording] = {}
        self._filming: dict[RecordingId, StationId] = {}
        self._discards: dict[RecordingId, asyncio.Future[None]] = {}

    def get(self, recording: RecordingId) -> LiveRecording | None:
        return self._files.get(recording)

    def __getitem__(self, recording: RecordingId) -> LiveRecording:
        return self._files[recording]

    def all(self) -> Iterable[RecordingId]:
        return self._files

    # -- orders ---------------------------------------------------------------------------------------------------

    def film(self, order: co.StartCapture) -> None:
        self._filming[order.recording] = order.station
        self._parts.stations.send(
            order.station,
            wire.StartCapture(
                recording=order.recording,
                notice_hash=order.permit.acknowledgement,
                applications=tuple(application.name for application in order.permit.plan.applications),
                fps=self._fps,
                canvas=None,
                ceiling_s=CEILING_S,
            ),
        )

    def open(self, order: co.OpenRecording) -> None:
        plan = order.permit.plan
        manifest = first_manifest(
            order.recording,
            plan.trainee,
            plan,
            int(time.time()),
            self._parts.archive.keeping,
            self._parts.device_key(self._filming[order.recording]),
        )
        self._files[order.recording] = LiveRecording(self._parts.archive, manifest, order.start_ns, self)
        call, party = self._lines.call(order.leg, plan.trainee), order.permit.notice.party
        customer = next(iter(self._desk.numbers_of(party)), "")
        self.notes.began(order.recording, plan.trainee, call, party, manifest.start, customer)
        try:
            self._lines.began(call, plan.trainee, order.recording, plan.id)
        except OperatorError as error:
            self._lines.no_room(str(error))
            self.fails_soon(order.recording, Reason.DISK)

    def discard(self, order: co.DiscardRecording) -> None:
        live = self._files.pop(order.recording, None)
        if live is not None:
            live.discard(order.reason)
            done = live.settled()
        else:
            done = destroy(self._parts.archive, order.recording, order.reason)
        self._filming.pop(order.recording, None)
        self._discards[order.recording] = asyncio.get_running_loop().create_future()
        self._tasks.spawn(self._discarded(order.recording, done))

    async def _discarded(self, recording: RecordingId, done: Coroutine[Any, Any, None]) -> None:
        """P16: the note goes last: a bridge that is killed before finds what is left by it."""
        try:
            await done
            self.notes.gone(recording)
        finally:
            self._discards.pop(recording).set_result(None)

    def is_going(self, recording: RecordingId) -> bool:
        """It is being destroyed."""
        return recording in self._discards

    async def until_gone(self) -> None:
        """Returns when all that is being destroyed now is."""
        if self._discards:
            await asyncio.wait(tuple(self._discards.values()))

    def fails_soon(self, recording: RecordingId, reason: Reason) -> None:
        """As `failed`, once the orders being obeyed are done."""
        asyncio.get_running_loop().call_soon(partial(self.failed, recording, reason, kept=False))

    # -- reports --------------------------------------------------------------------------------------------------

    def sealed(self, recording: RecordingId, duration_ns: int) -> None:
        self._obey(self._desk.sealed(recording, time.monotonic_ns(), duration_ns))
        self._files.pop(recording, None)
        self._filming.pop(recording, None)

    def failed(self, recording: RecordingId, reason: Reason, *, kept: bool) -> None:
        if reason is Reason.DISK:
            self._lines.no_room("a recording could not be written")
        if reason is Reason.AUDIT:
            self._doubts.audit("a recording's beginning could not be recorded")
        self._obey(self._desk.failed(recording, time.monotonic_ns(), reason, kept=kept))

    def safe(self, recording: RecordingId, seq: int) -> None:
        if (station := self._filming.get(recording)) is not None:
            self._parts.stations.acknowledge(station, recording, seq)

    def _not_noted(self, recording: RecordingId) -> None:
        """P16: a recording an objection could not find may not go on."""
        self.failed(recording, Reason.DISK, kept=False)
