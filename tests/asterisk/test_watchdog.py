"""The watchdog with real processes: it ends who hangs, and nobody else."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
import time
from pathlib import Path

from pbx_bridge.telephony.watchdog import Watchdog

PROLOGUE = """
    import asyncio, os, time
    from pbx_bridge.telephony.watchdog import Watchdog
    async def main():
        watchdog = Watchdog(deadline_s=0.6)
        await watchdog.start()
        print(watchdog.pid, flush=True)
"""


async def guarded(body: str) -> tuple[asyncio.subprocess.Process, int]:
    """A process with a watchdog that then does `body`; and the watchdog's pid."""
    source = (
        textwrap.dedent(PROLOGUE) + textwrap.indent(textwrap.dedent(body), "    ") + "\nasyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    return process, int(await asyncio.wait_for(process.stdout.readline(), 10))


async def gone(pid: int, deadline_s: float = 5.0) -> None:
    """Waits until no process has this pid. Raises: TimeoutError."""
    async with asyncio.timeout(deadline_s):
        while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110, ASYNC240 - the kernel tells nobody but the parent
            await asyncio.sleep(0.02)


async def test_a_loop_that_hangs_is_ended() -> None:
    process, child = await guarded("time.sleep(60)")
    began = time.monotonic()
    assert await asyncio.wait_for(process.wait(), 10) == -signal.SIGKILL
    assert time.monotonic() - began < 2
    await gone(child)


async def test_a_stopped_process_is_ended() -> None:
    process, child = await guarded("await asyncio.sleep(60)")
    process.send_signal(signal.SIGSTOP)
    assert await asyncio.wait_for(process.wait(), 10) == -signal.SIGKILL
    await gone(child)


async def test_a_stopped_process_group_is_ended_too() -> None:
    """The watchdog is in a session of its own."""
    process, child = await guarded("os.setpgid(0, 0); print('own', flush=True); await asyncio.sleep(60)")
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 5)
    os.killpg(process.pid, signal.SIGSTOP)
    assert await asyncio.wait_for(process.wait(), 10) == -signal.SIGKILL
    await gone(child)


async def test_who_ends_in_order_is_left_alone() -> None:
    process, child = await guarded("await asyncio.sleep(1.5); await watchdog.close()")
    assert await asyncio.wait_for(process.wait(), 10) == 0
    await gone(child)


async def test_the_watchdog_ends_with_a_killed_process() -> None:
    process, child = await guarded("await asyncio.sleep(60)")
    process.kill()
    await process.wait()
    await gone(child)


async def test_a_watchdog_that_was_killed_is_replaced() -> None:
    watchdog = Watchdog(deadline_s=30)
    await watchdog.start()
    first = watchdog.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(5):
        while not watchdog.is_alive or watchdog.pid == first:  # noqa: ASYNC110 - it looks by itself five times a second
            await asyncio.sleep(0.02)
    await watchdog.close()


async def test_a_watchdog_that_was_stopped_itself_gives_a_new_term() -> None:
    process, child = await guarded("await asyncio.sleep(60)")
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(child, signal.SIGSTOP)
    await asyncio.sleep(2.0)
    os.kill(process.pid, signal.SIGCONT)
    os.kill(child, signal.SIGCONT)
    await asyncio.sleep(1.5)
    assert process.returncode is None
    process.kill()
    await process.wait()
    await gone(child)
