"""Calls as they come: who hangs up, nobody answers, two at once. What was talked is recorded, nothing else."""

from __future__ import annotations

import time
from dataclasses import replace

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live.house import ALICE, BEA, House
from tests.live.lanes import scene
from tests.live.watched import judge, talk_of
from tests.rig import scenarios
from tests.rig.scenarios import CUSTOMER_HERTZ, OTHER_HERTZ

BEFORE_NS = 12_000_000
"""The PBX sees a BYE some milliseconds after it was sent, and that is the end."""
HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)
NO_ANSWER = (ALICE, Outcome.NOT_RECORDED, Reason.NO_ANSWER)


@scene()
async def test_the_agent_hangs_up(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.agent_hangs_up(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))
    assert (await house.bridge.ledger())[-1]["recording"] == line.recording, (
        "the command shows what lies there"
    )


@scene()
async def test_nothing_the_window_shows_after_the_hang_up_is_recorded(house: House) -> None:
    """P8: the window changes all the time, and says the next second some milliseconds after the BYE."""
    await house.alice.order("busy on")
    try:
        async with house.stage() as stage:
            talking, calling = await stage.connect(await stage.agent(), await stage.customer())
            await stage.talk()
            await stage.talk((10**9 - BEFORE_NS - time.monotonic_ns()) % 10**9 / 1e9)
            talking.hang_up()
            stage.over(talking.ended_ns)
            await calling.until_ended()
    finally:
        await house.alice.order("busy off")
    (line,) = await house.ledger(HUNG_UP)
    film = await house.film(line)
    judge(film, talk_of(stage.truth))
    over_ns = stage.truth.over_ns
    if over_ns % 10**9 > 10**9 - 2 * BEFORE_NS:  # this process was not held up
        assert (over_ns // 10**9 + 1) & 0xFFFF not in {picture.code for picture in film.pictures}


@scene()
async def test_the_customer_hangs_up(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.customer_hangs_up(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=14)
async def test_nobody_answers(house: House) -> None:
    async with house.stage() as stage:
        await scenarios.no_answer(stage)
    await house.ledger(NO_ANSWER)


@scene()
async def test_the_agent_is_busy(house: House) -> None:
    async with house.stage() as stage:
        await scenarios.busy(stage)
    await house.ledger(NO_ANSWER)


@scene()
async def test_the_customer_gives_up_while_it_rings(house: House) -> None:
    async with house.stage() as stage:
        await scenarios.abandoned(stage)
    await house.ledger(NO_ANSWER)


@scene()
async def test_one_agent_with_two_phones_has_one_call(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.two_phones(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(two_stations=True)
async def test_two_agents_talk_at_once(house: House) -> None:
    """Two desks film at the same time, and neither recording has anything of the other."""
    async with house.stage() as stage:
        truth = await scenarios.two_calls(stage)
    hers, beas = await house.ledger(HUNG_UP, (BEA, Outcome.RECORDED, Reason.HUNG_UP))
    judge(await house.film(hers), talk_of(truth))
    colleague, second = truth.agent[1], truth.customer[1]
    other = replace(truth, answered_ns=colleague.answered_ns, over_ns=second.ended_ns)
    judge(await house.film(beas), replace(talk_of(other), tones=(OTHER_HERTZ, CUSTOMER_HERTZ)))


@scene()
async def test_an_outbound_call(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.outbound(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=9)
async def test_nothing_is_filmed_while_the_agents_channel_lives_on(house: House) -> None:
    """P8: the customer left, the dialplan keeps the agent's channel."""
    async with house.stage() as stage:
        truth = await scenarios.customer_leaves_agent_lives_on(stage, alone_s=3.0)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))
