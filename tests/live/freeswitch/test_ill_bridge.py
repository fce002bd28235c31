"""A call on FreeSWITCH is never delayed nor lost by the bridge: one that is down, killed, hung or slow (P16).

The dialplan asks nobody: it plays the notice while the heartbeat is fresh and goes on. So whoever calls waits for the
notice at most, and for nothing once the heartbeat has expired; who talks goes on talking.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live.house import ALICE, House, until
from tests.live.lanes import scene
from tests.live.test_objections import goes_on
from tests.live.watched import judge, talk_of
from tests.rig import scenarios
from tests.rig.phone import OnRing
from tests.rig.scenarios import NUMBER, Stage

SECOND = 10**9
AT_ONCE_NS = SECOND // 2
"""From the caller's INVITE to the agent's when nothing is played: 10 ms on a calm machine."""
NOTICE_NS = 4 * SECOND
"""The house's notice, the second for its key, and half a second for a busy machine."""
EXPIRES_S = 10.0
"""A heartbeat nobody renews is stale long before."""
ENDS_S = 10.0
"""The watchdog ends a bridge that hangs."""
HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)


async def ringing_after(stage: Stage) -> int:
    """Nanoseconds from the caller's INVITE to the agent's."""
    agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
    calling = customer.call("101", number=NUMBER)
    ringing = await agent.next_call(20)
    calling.leave()
    await ringing.until_ended()
    return ringing.invited_ns - calling.invited_ns


async def stale(house: House) -> None:
    """Returns once the dialplan knows that no bridge lives."""

    async def expired() -> bool:
        return not await house.pbx.knows_bridge()

    await until(expired, "the heartbeat expires", EXPIRES_S)


@contextlib.asynccontextmanager
async def mended(house: House) -> AsyncIterator[None]:
    """Whatever happened inside, afterwards the bridge serves again and records."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(house.bridge.pid, signal.SIGCONT)
        await house.bridge.stop()
        await house.bridge.start()
        await house.until_connected()
        await house.until_listening()
    house.forget_week()
    async with house.stage() as stage:
        truth = await scenarios.agent_hangs_up(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


async def _calls(house: House) -> None:
    """While the heartbeat is fresh nobody waits longer than for the notice; once it is stale, for nothing."""
    async with house.stage() as stage:
        assert await ringing_after(stage) < NOTICE_NS
    await stale(house)
    async with house.stage() as stage:
        assert await ringing_after(stage) < AT_ONCE_NS


@scene(lasts_s=30)
async def test_a_bridge_that_was_stopped(house: House) -> None:
    async with mended(house):
        await house.bridge.stop()
        await _calls(house)


@scene(lasts_s=30)
async def test_a_bridge_that_was_killed(house: House) -> None:
    async with mended(house):
        await house.bridge.kill()
        await _calls(house)


@scene(lasts_s=30)
async def test_a_bridge_that_hangs(house: House) -> None:
    async with mended(house):
        os.kill(house.bridge.pid, signal.SIGSTOP)
        await _calls(house)


@scene(lasts_s=40)
async def test_a_bridge_that_hangs_while_they_talk(house: House) -> None:
    """FreeSWITCH writes into a pipe that nobody reads any more: it goes on, and so does the call. Then it ends."""
    async with mended(house), house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk()
        os.kill(house.bridge.pid, signal.SIGSTOP)
        for _ in range(5):
            await goes_on(stage, talking, calling)
        heard = [leg.rtp.heard[-1].at_ns for leg in (talking, calling)]
        assert time.monotonic_ns() - min(heard) < AT_ONCE_NS
        calling.hang_up()
        await talking.until_ended(2)


@scene(lasts_s=30)
async def test_a_bridge_that_is_slow(house: House) -> None:
    """It runs for 0.1 s, stands still for 0.8 s, again and again: too quick for its watchdog."""

    async def slow() -> None:
        while True:
            os.kill(house.bridge.pid, signal.SIGSTOP)
            await asyncio.sleep(0.8)
            os.kill(house.bridge.pid, signal.SIGCONT)
            await asyncio.sleep(0.1)

    async with mended(house):
        slowing = asyncio.create_task(slow())
        try:
            async with house.stage() as stage:
                assert await ringing_after(stage) < NOTICE_NS
            async with house.stage() as stage:
                talking, calling = await stage.connect(await stage.agent(), await stage.customer())
                await goes_on(stage, talking, calling)
                calling.hang_up()
                await talking.until_ended(2)
        finally:
            slowing.cancel()
