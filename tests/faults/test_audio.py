"""Part 9: the PBX's audio does not come, or stops coming. The call is a call as any other; its film is not kept alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.faults.house import FaultHouse, assert_talking, judge_kept
from tests.live.house import ALICE

pytestmark = pytest.mark.asyncio(loop_scope="package")

TALK_S = 2.0
NO_AUDIO_S = 2.0
"""P10: what has not begun by then is ended."""


@asynccontextmanager
async def wrong_password(house: FaultHouse) -> AsyncIterator[None]:
    """The PBX's administrator changes the bridge's ARI password."""
    file = house.pbx.work / "etc/pbxb/ari_pbxb.conf"
    before = file.read_text()
    file.write_text(before.replace(house.pbx.ari_password, "another"))
    await house.pbx.cli("module reload res_ari.so")
    try:
        yield
    finally:
        file.write_text(before)
        await house.pbx.cli("module reload res_ari.so")


@asynccontextmanager
async def no_module(house: FaultHouse) -> AsyncIterator[None]:
    """The PBX lacks app_audiosocket."""
    await house.pbx.cli("module unload app_audiosocket.so")
    try:
        yield
    finally:
        await house.pbx.cli("module load app_audiosocket.so")


@asynccontextmanager
async def firewall(house: FaultHouse) -> AsyncIterator[None]:
    """Nothing passes to or from the bridge's audio port."""
    port = house.bridge.audio_port
    table = f"pbxb_fault_{port}"
    ways = "; ".join(f"tcp {end} {port} drop" for end in ("dport", "sport"))
    await nft(f"table inet {table} {{ chain way {{ type filter hook input priority 0; {ways}; }}; }}")
    try:
        yield
    finally:
        await nft(f"delete table inet {table}")


async def nft(rules: str) -> None:
    process = await asyncio.create_subprocess_exec("nft", rules)
    assert await asyncio.wait_for(process.wait(), 10) == 0, rules


Fault = Callable[[FaultHouse], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize("fault", [wrong_password, no_module, firewall])
async def test_the_audio_never_comes(house: FaultHouse, fault: Fault) -> None:
    before = house.kept()
    async with fault(house), house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(NO_AUDIO_S + 0.3)
        assert_talking(stage)
        assert (await house.desk.status())["recording"] is None
        talking.hang_up()
        await calling.until_ended()
    line = await house.only_line()
    assert (line.reason, line.recording) == (Reason.AUDIO_MISSING, ""), line
    assert house.kept() == before


async def test_the_audio_stops(house: FaultHouse) -> None:
    """What was heard and seen until then is kept."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(TALK_S)
        fault_ns = time.monotonic_ns()
        async with firewall(house):
            await stage.talk(2.0)
        assert_talking(stage)
        talking.hang_up()
        await calling.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.AUDIO_MISSING))
    house.lost(judge_kept(await house.film(line), stage.truth.answered_ns, fault_ns))
