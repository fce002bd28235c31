"""Part 9: the disk is full in mid-call, the PBX's, the bridge's and the workstation's at once. The PBX never waits."""

from __future__ import annotations

import time

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.archive.disk import filled
from tests.faults.house import FaultHouse, assert_talking, judge_kept
from tests.rig.phone import Leg

pytestmark = pytest.mark.asyncio(loop_scope="package")

TALK_S = 2.5
AT_ONCE_S = 0.3
NOTICE_S = 4.0
"""Answering, the notice and its key's wait, on a busy machine."""


async def test_the_disk_is_full(house: FaultHouse) -> None:
    """What was sealed before waits for room and is then rebuilt and answered for; meanwhile nothing is recorded."""
    async with house.stage() as stage:
        agent, customer = await stage.agent(), await stage.customer()
        talking, calling = await stage.connect(agent, customer)
        began_ns = stage.truth.answered_ns
        await stage.talk(TALK_S)
        fault_ns = time.monotonic_ns()
        with filled(house.disk):
            await stage.talk(1.5)
            assert_talking(stage)
            await hang_up_at_once(talking, calling)
            over_ns = talking.ended_ns
            asked_ns = time.monotonic_ns()
            talking, calling = await stage.connect(agent, customer)
            assert talking.answered_ns - asked_ns < NOTICE_S * 1e9
            await stage.talk(0.5)
            await hang_up_at_once(talking, calling)
    line, meanwhile = await house.final_lines(2)
    assert line.outcome is Outcome.RECORDED, line
    assert {line.reason, meanwhile.reason} <= {Reason.DISK, Reason.AUDIT}, "the audit log's disk is full, too"
    assert meanwhile.outcome in (Outcome.NOT_RECORDED, Outcome.DISCARDED), "by whether a picture came before"
    house.lost(judge_kept(await house.film(line), began_ns, fault_ns, over_ns))
    await house.next_call_works()


async def hang_up_at_once(talking: Leg, calling: Leg) -> None:
    """The agent's BYE reaches the customer as quickly as ever."""
    talking.hang_up()
    await calling.until_ended()
    assert calling.ended_ns - talking.ended_ns < AT_ONCE_S * 1e9
