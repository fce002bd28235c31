"""What an objection or a private call reaches beyond the running call: earlier recordings of it, and later calls (P16)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import structlog

from pbx_bridge.app_lines import Lines
from pbx_bridge.app_notes import Notes
from pbx_bridge.app_parts import Parts
from pbx_bridge.app_recordings import RETRY_S, destroy
from pbx_bridge.app_tasks import Tasks
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.catalogue.recordings import Noted
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId

log = structlog.get_logger()


class Erasures:
    def __init__(self, parts: Parts, notes: Notes, lines: Lines, tasks: Tasks, opt_out_months: int) -> None:
        self._parts, self._notes, self._lines, self._tasks = parts, notes, lines, tasks
        self._months = opt_out_months
        self._under_way = 0

    def of_party(self, customer: ChannelId) -> None:
        """All that holds a call of this customer's."""
        self._tasks.spawn(self._erase(self._notes.of_party(customer), Reason.OBJECTION))

    def of_call(self, call: str) -> None:
        """All that holds this call, by the ledger's name."""
        self._tasks.spawn(self._erase(self._notes.of_call(call), Reason.PRIVATE))

    def opt_out(self, number: str) -> None:
        """This number's later calls are not recorded."""
        self._parts.numbers.opt_out(number, self._months)
        self._tasks.spawn(self._keep_numbers())

    async def _erase(self, found: Awaitable[tuple[Noted, ...]], reason: Reason) -> None:
        """P16: an objection reaches what an earlier run of the bridge recorded of this call."""
        self._under_way += 1
        try:
            for noted in await found:
                await destroy(self._parts.archive, noted.recording, reason)
                self._notes.gone(noted.recording)
                self._lines.destroyed(noted.call, noted.trainee, reason)
                log.info("an earlier recording of this call was destroyed", recording=noted.recording)
        finally:
            self._under_way -= 1
        if not self._under_way:
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
