"""Calls that come to the agent by a queue or by another phone's ringing."""

from __future__ import annotations

from dataclasses import replace

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live import plays
from tests.live.house import ALICE, BEA, House
from tests.live.lanes import scene
from tests.live.watched import first_heard_ns, judge, talk_of
from tests.rig import scenarios
from tests.rig.scenarios import CUSTOMER_HERTZ

HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)


@scene()
async def test_a_queue_with_a_sip_member(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.queue(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=8)
async def test_a_queue_with_a_local_member_and_a_slow_gosub(house: House) -> None:
    """P8: 1.4 s pass between the agent's answer and the first word; the recording begins with the word."""
    async with house.stage() as stage:
        truth = await scenarios.queue_local(stage, talk_s=3.0)
    (line,) = await house.ledger(HUNG_UP)
    heard_ns = first_heard_ns(truth.agent[0], CUSTOMER_HERTZ)
    assert heard_ns - truth.answered_ns > 600_000_000
    judge(await house.film(line), replace(talk_of(truth), began_ns=heard_ns))


@scene()
async def test_a_call_picked_up_from_a_colleagues_phone(house: House) -> None:
    """It is the call of whoever talks; the colleague it rang at never answered."""
    async with house.stage() as stage:
        truth = await scenarios.pickup(stage)
    line, _ = await house.ledger(HUNG_UP, (BEA, Outcome.NOT_RECORDED, Reason.NO_ANSWER))
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_a_call_that_rings_at_two_agents(house: House) -> None:
    async with house.stage() as stage:
        truth = await plays.ring_group(stage)
    line, _ = await house.ledger(HUNG_UP, (BEA, Outcome.NOT_RECORDED, Reason.NO_ANSWER))
    judge(await house.film(line), talk_of(truth))
