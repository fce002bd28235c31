"""A second process that ends a bridge that hangs or is stopped, so that a caller in the notice is freed within two
seconds.

A stopped process keeps its sockets: the PBX would wait for its answer for ever, and FastAGI has no deadline. The
bridge's event loop beats; `watchdog_child.py` listens, and kills when the beats stop.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import structlog

from pbx_bridge.telephony import watchdog_child

log = structlog.get_logger()

BEAT_S = 0.2
DEADLINE_S = 1.5
"""With the beat's period and the kill below the two seconds a caller may be held."""


class Watchdog:
    """`start()` in a running loop; from then on a loop that stands still for `deadline_s` is the end of this process."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._child: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        self._spawn()
        self._task = asyncio.create_task(self._beats(), name="watchdog")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()  # end of its input: it ends without killing
            await asyncio.to_thread(self._child.wait)

    def _spawn(self) -> None:
        child = [
            sys.executable,
            "-I",
            "-S",
            str(Path(watchdog_child.__file__)),
            str(os.getpid()),
            str(self._deadline_s),
        ]
        # a session of its own: a signal to the bridge's process group must not stop its watchdog too
        self._child = subprocess.Popen(child, stdin=subprocess.PIPE, start_new_session=True)
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)

    async def _beats(self) -> None:
        while True:
            assert self._child is not None
            assert self._child.stdin is not None
            try:
                os.write(self._child.stdin.fileno(), b".")
            except BlockingIOError:
                log.warning("the watchdog does not listen")
            except BrokenPipeError:
                log.error("the watchdog was ended; starting another")
                self._child.stdin.close()
                await asyncio.to_thread(self._child.wait)
                self._spawn()
            await asyncio.sleep(BEAT_S)
