"""What happens at the trainee's desk, or beside the call at the PBX, while it is being recorded."""

from __future__ import annotations

from dataclasses import replace

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live.house import ALICE, House
from tests.live.lanes import scene
from tests.live.watched import judge, talk_of

HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)
SEEN_S = 2.0
"""P10: an unknown or lost desktop stops within two seconds."""


@scene(lasts_s=9)
async def test_the_screen_is_locked_in_mid_call(house: House) -> None:
    """What was before is recorded; the call goes on."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk()
        stage.over()
        try:
            await house.alice.lock()
        finally:
            await house.alice.unlock()
        talking.hang_up()
        await calling.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.STATION_LOCKED))
    film, talk = await house.film(line), talk_of(stage.truth)
    assert talk.length_s - 0.3 < film.length_s < talk.length_s + SEEN_S
    judge(film, replace(talk, over_ns=talk.began_ns + int(film.length_s * 1e9)))


@scene()
async def test_the_trainee_says_that_the_call_is_private(house: House) -> None:
    """P16: what existed of it is gone, key first; the call goes on."""
    kept = house.kept()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk()
        await house.alice.private()
        assert not talking.ended.is_set()
        talking.hang_up()
        await calling.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.DISCARDED, Reason.PRIVATE))
    assert line.recording == ""
    assert house.kept() == kept
    assert sorted(house.keys()) == sorted(kept), "no key of a recording that is gone"


@scene(lasts_s=7)
async def test_the_site_starts_a_recorder_of_its_own_in_mid_call(house: House) -> None:
    """P17: from then on somebody writes voices to a disk; ours ends there."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk()
        await house.pbx.record("201")
        stage.over()
        await stage.talk(1.0)
        talking.hang_up()
        await calling.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.FOREIGN_RECORDER))
    judge(await house.film(line), talk_of(stage.truth))


@scene(lasts_s=8)
async def test_a_supervisor_listens_in(house: House) -> None:
    """P9, P17: somebody else hears, or speaks, who stands in no bridge and heard no notice."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        supervisor = await stage.colleague("203")
        await stage.talk()
        await house.pbx.listen_to("201", by="203")
        listening = await (await supervisor.next_call()).until_answered()
        stage.over(listening.answered_ns)
        await stage.talk(1.0)
        calling.hang_up()
        await talking.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.FOREIGN_RECORDER))
    judge(await house.film(line), talk_of(stage.truth))


@scene(lasts_s=9)
async def test_the_window_is_hidden_when_the_hold_begins(house: House) -> None:
    """The card stands already; what is said after the hold is recorded all the same."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk()
        await house.alice.order("iconify")
        await stage.talk(0.5)
        await talking.hold()
        await stage.talk(2.2)
        await talking.resume()
        await stage.talk(0.5)
        await house.alice.order("show")
        await stage.talk()
        talking.hang_up()
        stage.over(talking.ended_ns)
        await calling.until_ended()
    (line,) = await house.ledger(HUNG_UP)
    film, talk = await house.film(line), talk_of(stage.truth)
    assert abs(film.length_s - talk.length_s) < 0.3
    shown = [picture.at_s for picture in film.pictures if picture.code is not None]
    assert max(shown) > talk.length_s - 0.5
