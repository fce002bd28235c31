"""P10: the PBX, its link or the agent's phone is lost in mid-call. What was before is recorded, and the next call works."""

from __future__ import annotations

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live.house import ALICE, House, until
from tests.live.lanes import scene
from tests.live.watched import judge, talk_of
from tests.rig import scenarios

LINK_LOST = (ALICE, Outcome.RECORDED, Reason.LINK_LOST)
HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)
LINK_BACK_S = 10.0
UNHEARD_S = 10.0, 13.0
"""A phone that sends nothing is believed for ten seconds, counted once a second."""


async def _next_call_works(house: House) -> None:
    house.forget_week()
    await house.until_listening()
    async with house.stage() as stage:
        truth = await scenarios.agent_hangs_up(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=16)
async def test_the_link_to_the_pbx_is_lost_and_comes_back_in_mid_call(house: House) -> None:
    """The call goes on, unrecorded from there: what was missed meanwhile nobody knows."""

    async def back() -> bool:
        return "link up" in house.said()

    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk()
        await house.pbx.cut_link()
        stage.over()
        await until(back, "the link comes back", LINK_BACK_S)
        await stage.talk()
        assert not talking.ended.is_set()
        talking.hang_up()
        await calling.until_ended()
    (line,) = await house.ledger(LINK_LOST)
    judge(await house.film(line), talk_of(stage.truth))
    await _next_call_works(house)


@scene(lasts_s=16)
async def test_the_pbx_is_killed_in_mid_call(house: House) -> None:
    async with house.stage() as stage:
        await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk()
        stage.over()
        await house.pbx.killed()
        await house.pbx.start()
    (line,) = await house.ledger(LINK_LOST)
    judge(await house.film(line), talk_of(stage.truth))
    await _next_call_works(house)


@scene(lasts_s=40)
async def test_the_agents_phone_vanishes(house: House) -> None:
    """No BYE, no packet: paused when it was unheard for ten seconds, ended after thirty."""
    async with house.stage() as stage:
        truth = await scenarios.vanish(stage, gone_s=33.0)
        truth.agent[0].phone.deaf = False  # found again: its registration must not outlive the scene
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.AGENT_UNREACHABLE))
    film = await house.film(line)
    unheard_s = film.length_s - talk_of(truth).length_s
    assert UNHEARD_S[0] <= unheard_s <= UNHEARD_S[1], unheard_s
