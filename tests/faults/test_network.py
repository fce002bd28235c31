"""Part 9: the cable between workstation and bridge is cut in mid-call: for a second, for ten, for good (P10)."""

from __future__ import annotations

import time

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.faults.house import MACHINE_S, FaultHouse, assert_talking, judge_kept
from tests.live.house import ALICE, until
from tests.live.watched import judge, talk_of

pytestmark = pytest.mark.asyncio(loop_scope="package")

TALK_S = 2.0
LEASE_S = 2.0
"""P10: without a renewal for so long the client stops by itself."""
ASKED_S = 2.0


async def test_a_cut_of_one_second_loses_nothing(house: FaultHouse) -> None:
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(TALK_S)
        house.cable.cut()
        await stage.talk(1.0)
        house.cable.mend()
        await stage.talk(TALK_S)
        talking.hang_up()
        stage.over(talking.ended_ns)
        await calling.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.HUNG_UP))
    judge(await house.film(line), talk_of(stage.truth))


async def test_a_cut_of_ten_seconds_ends_the_recording_and_nothing_else(house: FaultHouse) -> None:
    """What the client filmed before it noticed comes too late to be recorded, and no second recording begins."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(TALK_S)
        fault_ns = time.monotonic_ns()
        house.cable.cut()
        await until_not_filming(house)
        await stage.talk(10.0 - (time.monotonic_ns() - fault_ns) / 1e9)
        house.cable.mend()
        await house.alice.until_connected()
        await stage.talk(1.0)
        assert (await house.desk.status())["recording"] is None
        assert_talking(stage)
        talking.hang_up()
        await calling.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.LEASE_LOST))
    house.lost(judge_kept(await house.film(line), stage.truth.answered_ns, fault_ns))


async def test_a_cut_for_good_leaves_calls_without_a_station(house: FaultHouse) -> None:
    async with house.stage() as stage:
        agent, customer = await stage.agent(), await stage.customer()
        talking, calling = await stage.connect(agent, customer)
        await stage.talk(TALK_S)
        fault_ns = time.monotonic_ns()
        house.cable.cut("workstation's")
        await stage.talk(LEASE_S + MACHINE_S)
        talking.hang_up()
        await calling.until_ended()
        second, calling = await stage.connect(agent, customer)
        await stage.talk(0.5)
        second.hang_up()
        await calling.until_ended()
    line, _ = await house.ledger(
        (ALICE, Outcome.RECORDED, Reason.LEASE_LOST), (ALICE, Outcome.NOT_RECORDED, Reason.NO_STATION)
    )
    house.lost(judge_kept(await house.film(line), stage.truth.answered_ns, fault_ns))
    house.cable.mend()
    await house.next_call_works()


async def until_not_filming(house: FaultHouse) -> None:
    """By the client's own word, without the bridge's: asking takes a while on a busy machine."""

    async def stopped() -> bool:
        return (await house.desk.status())["recording"] is None

    await until(stopped, "the client stops filming", LEASE_S + ASKED_S)
