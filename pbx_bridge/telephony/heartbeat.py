"""The heartbeat: how the dialplan knows, without asking, that a bridge is there to be asked.

Globals of the PBX, refreshed over the link: `<expiry>:<token>`, and what else the dialplan needs of this run. It expires
within two seconds by itself; while the watchdog that would end a hung bridge is missing, it is not refreshed. It decides
nothing about calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Mapping
from typing import Protocol

import structlog

from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.watchdog import Watchdog

log = structlog.get_logger()

EVERY_S = 0.5
VALID_S = 2
"""Whole seconds of the PBX's clock: valid for one to two seconds, so that one lost beat of a loaded machine costs
nothing."""


class Clock(Protocol):
    def pbx_now_ns(self, now_ns: int) -> int | None:
        """The PBX's wall clock; None while it is not known."""


class Link(Protocol):
    """What a heartbeat needs of a link to the PBX."""

    @property
    def clock(self) -> Clock: ...

    async def until_up(self) -> None: ...

    async def setvar(self, leg: ChannelId | None, name: str, value: str) -> None:
        """None: a global one. Raises: `refused`, OSError, TimeoutError."""


class Heartbeat:
    """`alive` is the global with expiry and token; what `more` holds then is set with each beat: a PBX that
    restarted or reloaded gets it back. `refused` is what the link raises when the PBX says no."""

    def __init__(
        self,
        link: Link,
        watchdog: Watchdog,
        alive: str,
        more: Mapping[str, str],
        refused: type[Exception],
        *,
        token: str = "",
    ) -> None:
        self._link, self._watchdog, self._alive, self._more = link, watchdog, alive, more
        self._not_done = (refused, OSError, TimeoutError)
        self.token = token or secrets.token_hex(16)
        """32 hex digits, this bridge's run: what the notice and the dialplan compare."""
        self._task: asyncio.Task[None] | None = None
        self._beaten = asyncio.Event()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._beats(), name="heartbeat")

    async def until_beating(self) -> None:
        """Returns when the PBX has the heartbeat: from now on callers hear the notice."""
        await self._beaten.wait()

    async def close(self) -> None:
        """Takes the heartbeat back, so that no caller enters a notice that is about to end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(*self._not_done):  # it expires by itself
            await self._link.setvar(None, self._alive, "")

    async def _beats(self) -> None:
        while True:
            await self._link.until_up()
            try:
                if self._watchdog.is_alive:
                    await self._beat()
            except self._not_done as fault:
                log.warning("heartbeat missed", why=str(fault) or type(fault).__name__)
            await asyncio.sleep(EVERY_S)

    async def _beat(self) -> None:
        pbx_ns = self._link.clock.pbx_now_ns(time.monotonic_ns())
        if pbx_ns is None:
            return
        for name, value in tuple(self._more.items()):
            await self._link.setvar(None, name, value)
        await self._link.setvar(None, self._alive, f"{pbx_ns // 1_000_000_000 + VALID_S}:{self.token}")
        self._beaten.set()
