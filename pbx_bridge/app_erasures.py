"""What an objection or a private call reaches beyond the running call: earlier recordings of it, and later calls (P16).

The PBX keeps what keys said until all that follows from it is done, so that a bridge killed in between does it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from pbx_bridge.app_lines import Lines
from pbx_bridge.app_live import Live
from pbx_bridge.app_parts import Parts
from pbx_bridge.app_recordings import RETRY_S, destroy
from pbx_bridge.app_tasks import Tasks
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.catalogue.recordings import Noted
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId

log = structlog.get_logger()

Search = Callable[[], Awaitable[tuple[Noted, ...]]]


class Erasures:
    def __init__(self, parts: Parts, live: Live, lines: Lines, tasks: Tasks, opt_out_months: int) -> None:
        self._parts, self._live, self._lines, self._tasks = parts, live, lines, tasks
        self._months = opt_out_months
        self._under_way = 0

    def of_party(self, customer: ChannelId) -> None:
        """All that holds a call of this customer's."""
        self._begin(self._erase(lambda: self._live.notes.of_party(customer), Reason.OBJECTION))

    def of_call(self, call: str) -> None:
        """All that holds this call, by the ledger's name."""
        self._begin(self._erase(lambda: self._live.notes.of_call(call), Reason.PRIVATE))

    def opt_out(self, number: str) -> None:
        """This number's later calls are not recorded."""
        self._parts.numbers.opt_out(number, self._months)
        self._begin(self._keep_numbers())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._under_way += 1
        self._tasks.spawn(self._end(work))

    async def _end(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._under_way -= 1
        if not self._under_way:
            await self._parts.pbx.forget_what_was_said()

    async def _erase(self, search: Search, reason: Reason) -> None:
        """P16: an objection reaches what an earlier run of the bridge recorded of this call; and the number it was noted
        with, which the PBX no longer tells when the call is over."""
        for noted in await self._found(search):
            if reason is Reason.OBJECTION and noted.customer:
                self.opt_out(noted.customer)
            if self._live.is_going(noted.recording):
                continue
            await destroy(self._parts.archive, noted.recording, reason)
            self._live.notes.gone(noted.recording)
            self._lines.destroyed(noted.call, noted.trainee, reason)
            log.info("an earlier recording of this call was destroyed", recording=noted.recording)
        await self._live.until_gone()

    async def _found(self, search: Search) -> tuple[Noted, ...]:
        while True:
            try:
                return await search()
            except OperatorError as error:
                log.error("what holds this call is not found yet", why=str(error))
                await asyncio.sleep(RETRY_S)

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
