"""The audit log cannot be written: nothing is recorded, what runs ends, and the call never notices (P19)."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.faults.house import FaultHouse, assert_talking, judge_kept
from tests.live.house import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

TALK_S = 2.0
ENDED_S = 2.0
"""P10: in doubt it stops within two seconds."""
SEEN_S = 5.0


def _segment(house: FaultHouse) -> Path:
    return sorted((house.bridge.state / "keeper" / "audit").glob("*.jsonl"))[-1]


@asynccontextmanager
async def unwritable(house: FaultHouse) -> AsyncIterator[None]:
    """The log's file is somewhere else while the block runs; the bridge has said that it saw it, before and after."""
    segment = _segment(house)
    away = segment.with_suffix(".away")
    segment.rename(away)
    try:
        yield
    finally:
        away.rename(segment)


async def test_the_log_becomes_unwritable_in_mid_call(house: FaultHouse) -> None:
    """The recording ends and what precedes is kept; the next call is not recorded; then all is as before."""
    async with house.stage() as stage:
        agent, customer = await stage.agent(), await stage.customer()
        talking, calling = await stage.connect(agent, customer)
        began_ns = stage.truth.answered_ns
        await stage.talk(TALK_S)
        async with unwritable(house):
            fault_ns = time.monotonic_ns()
            await stage.talk(ENDED_S)
            over_ns = time.monotonic_ns()
            await stage.talk(0.5)
            assert_talking(stage)
            talking.hang_up()
            await calling.until_ended()
            talking, calling = await stage.connect(agent, customer)
            await stage.talk(0.5)
            assert not talking.ended.is_set()
            talking.hang_up()
            await calling.until_ended()
    line, meanwhile = await house.final_lines(2)
    assert (line.outcome, line.reason) == (Outcome.RECORDED, Reason.AUDIT), line
    assert (meanwhile.outcome, meanwhile.reason) == (Outcome.NOT_RECORDED, Reason.AUDIT), meanwhile
    house.lost(judge_kept(await house.film(line), began_ns, fault_ns, over_ns))

    async def writes_again() -> bool:
        return any(json.loads(text)["act"] == "finish" for text in _segment(house).read_text().splitlines())

    await until(writes_again, "the log is written again", SEEN_S)
    await house.next_call_works()
