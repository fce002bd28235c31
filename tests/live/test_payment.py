"""P7: what is said, typed and keyed in while a payment is paused is in no file and no log; unpaused it would be."""

from __future__ import annotations

import time

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live.house import ALICE, PAYMENT_PAUSE_S, House
from tests.live.lanes import scene
from tests.live.watched import judge, talk_of
from tests.rig.phone import Leg
from tests.rig.scenarios import TALK_S, Stage, Truth

HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)


async def key(stage: Stage, leg: Leg, code: str, *, by_info: bool) -> int:
    """Presses a feature code as fingers do; CLOCK_MONOTONIC (ns) when its last key came up."""
    for digit in code:
        await stage.talk(0.25)  # by INFO the PBX plays the keys out one after the other, 100 ms each
        await (leg.press_by_info if by_info else leg.press)(digit)
    return time.monotonic_ns()


async def pay(stage: Stage, talking: Leg, calling: Leg, *, by_info: bool = False) -> Truth:
    """The agent announces a payment by feature code, takes it back, talks on, and the customer hangs up."""
    await stage.talk(TALK_S)
    begin_ns = await key(stage, talking, "*71", by_info=by_info)
    await stage.talk(2.0)
    stage.truth.pauses.append((begin_ns, await key(stage, talking, "*72", by_info=by_info)))
    await stage.talk(TALK_S)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


@scene(lasts_s=11)
async def test_the_agent_pauses_and_resumes_by_feature_code(house: House) -> None:
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer(), "142")
        truth = await pay(stage, talking, calling)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=11)
async def test_the_agent_pauses_and_resumes_by_sip_info(house: House) -> None:
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent("204"), await stage.customer(), "145")
        truth = await pay(stage, talking, calling, by_info=True)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_a_payment_line_is_not_recorded(house: House) -> None:
    """The dialplan announced it before the agent was called, and nothing ends it."""
    async with house.stage() as stage:
        kept = set(house.kept())
        talking, calling = await stage.connect(await stage.agent(), await stage.customer(), "143")
        await stage.talk()
        calling.hang_up()
        await talking.until_ended()
    await house.ledger((ALICE, Outcome.NOT_RECORDED, Reason.PAUSE_TIMEOUT))
    assert set(house.kept()) == kept


@scene(lasts_s=18)
async def test_a_payment_nobody_ends_ends_the_recording_where_it_began(house: House) -> None:
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer(), "142")
        await stage.talk(TALK_S)
        stage.over(await key(stage, talking, "*71", by_info=False))
        await stage.talk(PAYMENT_PAUSE_S + 0.5)
        await key(stage, talking, "*72", by_info=False)
        await stage.talk(TALK_S)
        calling.hang_up()
        await talking.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.PAUSE_TIMEOUT))
    judge(await house.film(line), talk_of(stage.truth))
