"""One connection to a PBX, kept: made again whenever it is lost, its loss told once, a refusal tried ever more rarely.

It knows when to connect and how long to wait; what is said on the connection, each PBX's own link knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

import structlog

log = structlog.get_logger()

RETRY_FIRST_S, RETRY_LAST_S = 0.25, 5.0
"""A PBX restarts in a second or two."""
REFUSED_FIRST_S, REFUSED_LAST_S = 5.0, 120.0
"""A wrong password, or a driver that is not installed, does not mend itself, and each try is a line in the PBX's log."""

Faults: TypeAlias = tuple[type[Exception], ...]


class KeptLink:
    """Runs `session` again and again from `start` to `close`; the session calls `came_up` once all is ready."""

    def __init__(
        self,
        name: str,
        session: Callable[[], Awaitable[None]],
        drop: Callable[[], None],
        tell_lost: Callable[[str], None],
        *,
        refusals: Faults,
        faults: Faults,
    ) -> None:
        """`session`: one connection from connect to loss, which it raises; `drop` clears it away, also one half made.

        `refusals` do not mend themselves, `faults` do. `tell_lost` is told of each loss, and of a first connection that
        does not come up, with a sentence for a person.
        """
        self._name, self._session, self._drop, self._tell_lost = name, session, drop, tell_lost
        self._refusals, self._faults = refusals, faults
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost_why = self._told = ""

    async def start(self) -> None:
        """Begins to connect and returns at once: a PBX that is down is no reason not to start."""
        self._task = asyncio.create_task(self._keep(), name=self._name)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    async def until_up(self) -> None:
        """Returns when the link works and its consumer knows all that lives there."""
        await self._up.wait()

    def came_up(self) -> None:
        self._told = ""
        self._up.set()

    def lost(self, why: str) -> None:
        """The connection ended, says whoever reads it."""
        self._lost_why = why
        self._lost.set()

    async def until_lost(self, *beside: Coroutine[Any, Any, None]) -> None:
        """Lets this work go on beside the connection. Raises: what ends either first."""
        tasks = [asyncio.create_task(work) for work in (*beside, self._raise_loss())]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended.pop().result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _raise_loss(self) -> None:
        await self._lost.wait()
        raise ConnectionError(self._lost_why)

    async def _keep(self) -> None:
        retry_s = refused_s = 0.0
        while True:
            self._lost = asyncio.Event()
            try:
                await self._session()
                pause_s, why = 0.0, ""  # a session ends by raising
            except self._refusals as refused:
                refused_s = min(max(refused_s * 2, REFUSED_FIRST_S), REFUSED_LAST_S)
                pause_s, why = refused_s, str(refused)
            except self._faults as fault:
                was_up = self._up.is_set()
                retry_s = RETRY_FIRST_S if was_up else min(max(retry_s * 2, RETRY_FIRST_S), RETRY_LAST_S)
                refused_s = 0.0
                pause_s, why = retry_s, str(fault) or "no answer in time"
            except Exception:
                # this task's top: what nobody foresaw may not end the link for ever without a word
                log.exception(f"{self._name} failed")
                pause_s, why = RETRY_LAST_S, "a fault of the bridge itself, which its log names"
            finally:
                self._drop()
            self._say_lost(why)
            await asyncio.sleep(pause_s)

    def _say_lost(self, why: str) -> None:
        """Once for each loss and each new reason."""
        if self._up.is_set() or not self._told:
            self._tell_lost(why)
        self._up.clear()
        if why != self._told:
            log.error(f"{self._name} down", why=why)
            self._told = why
