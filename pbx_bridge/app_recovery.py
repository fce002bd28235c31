"""At the start: what the last run did not survive is rebuilt by the keeper, or destroyed, and gets its line (P24)."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from pbx_bridge.app_lines import Lines
from pbx_bridge.app_recordings import RETRY_S, Archive, destroy, may_pass
from pbx_bridge.app_tasks import Tasks
from pbx_bridge.archive.manifest import ManifestError
from pbx_bridge.archive.restart import rebuild
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.ledger import Ledger, Line
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()


class Recovery:
    def __init__(self, archive: Archive, ledger: Ledger, lines: Lines, tasks: Tasks) -> None:
        self._archive, self._ledger, self._lines, self._tasks = archive, ledger, lines, tasks

    async def recover(self) -> None:
        """Before the first call; what a full disk or a mute keeper is in the way of is tried again while calls run."""
        status = await self._archive.keeper.status()
        unfinished = set(status.unfinished)
        for line in self._ledger.unfinished():
            unfinished.discard(RecordingId(line.recording))
            if not await self._recovered(line):
                self._tasks.spawn(self._later(line))
        for recording in unfinished:
            await destroy(self._archive, recording, Reason.BRIDGE_FAULT)

    async def _later(self, line: Line) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            if await self._recovered(line):
                return

    async def _recovered(self, line: Line) -> bool:
        """False: a full disk or a mute keeper is in the way, and all still lies where it was."""
        recording, archive = RecordingId(line.recording), self._archive
        write = partial(self._ledger.write, line.call, TraineeId(line.trainee), plan=line.plan)
        try:
            milliseconds = await rebuild(archive.keeper, archive.recorder, archive.folder, recording)
        except (Refused, KeeperUnreachable, ManifestError, OSError) as error:
            log.warning("an interrupted recording is not rebuilt", recording=recording, why=str(error))
            if may_pass(error):
                return False
            await destroy(archive, recording, Reason.BRIDGE_FAULT)
            self._lines.owe(partial(write, Outcome.DISCARDED, Reason.BRIDGE_FAULT))
        else:
            seconds = milliseconds / 1000
            self._lines.owe(
                partial(write, Outcome.RECORDED, Reason.BRIDGE_FAULT, recording=recording, seconds=seconds)
            )
        return True
