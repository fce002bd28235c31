"""Who comes and goes on FreeSWITCH otherwise than on Asterisk: parking, conferences, feature codes (P8, P9, P16, P17)."""

from __future__ import annotations

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.calls.rules import APART_LIMIT_NS
from tests.live.freeswitch.test_voices import freeswitch
from tests.live.house import ALICE, House
from tests.live.lanes import scene
from tests.live.test_objections import OBJECTED, OBJECTION, filmed, goes_on, nothing_left
from tests.live.watched import (
    EDGE_S,
    LENGTH_SLACK_S,
    LOUD_DB,
    TRACE_DB,
    first_heard_ns,
    heard_at,
    judge,
    talk_of,
)
from tests.rig import scenarios
from tests.rig.phone import OnRing
from tests.rig.scenarios import AGENT_HERTZ, CUSTOMER_HERTZ, OTHER_HERTZ

STAYS_S = APART_LIMIT_NS / 1e9 + 0.5
"""A third party who leaves before that interrupts the recording only."""


@scene(lasts_s=7)
async def test_parking_is_a_transfer_to_the_slot(house: House) -> None:
    """The agent's leg is gone before the caller is parked; whoever takes them off has a call of their own."""
    async with house.stage() as stage:
        truth = await scenarios.parking(stage)
    hers = (ALICE, Outcome.RECORDED, Reason.TRANSFERRED)
    line, _ = await house.ledger(hers, house.bea(Outcome.RECORDED, Reason.HUNG_UP))
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=9)
async def test_a_third_party_in_a_conference_ends_the_recording(house: House) -> None:
    """P9: the two move into a conference and talk on; a colleague, who heard no notice, joins them and stays."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        colleague = await stage.colleague("203")
        await stage.talk()
        moved_ns = await freeswitch(house).to_conference("201")
        await stage.talk()
        joining = await colleague.call("3000").until_answered()
        stage.over(joining.answered_ns)
        await stage.talk(STAYS_S)
        calling.hang_up()
        talking.hang_up()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.THIRD_PARTY))
    film, talk = await house.film(line), talk_of(stage.truth)
    assert abs(film.length_s - talk.length_s) < LENGTH_SLACK_S
    assert heard_at(film, OTHER_HERTZ, TRACE_DB) == []
    cards = [picture.at_s for picture in film.pictures if picture.code is None]
    assert all(abs(at_s - talk.at_s(moved_ns)) < EDGE_S for at_s in cards), (
        "apart for a moment while they moved"
    )
    assert heard_at(film, AGENT_HERTZ, LOUD_DB)[-1] > f"left {talk.at_s(moved_ns):.1f} s"


@scene(lasts_s=9)
async def test_a_conference_that_records_itself_ends_the_recording(house: House) -> None:
    """P17: without a word of RECORD_START."""
    pbx = freeswitch(house)
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk()
        moved_ns = await pbx.to_conference("201")
        await stage.talk()
        stage.over(await pbx.record_conference())
        await stage.talk(1.0)
        calling.hang_up()
        talking.hang_up()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.FOREIGN_RECORDER))
    film, talk = await house.film(line), talk_of(stage.truth)
    assert abs(film.length_s - talk.length_s) < LENGTH_SLACK_S
    assert heard_at(film, CUSTOMER_HERTZ, LOUD_DB)[-1] > f"right {talk.at_s(moved_ns):.1f} s"


@scene(lasts_s=9)
async def test_a_consultation_by_a_code_that_nobody_answers(house: House) -> None:
    """P9: from the code on the two do not hear each other, though FreeSWITCH says nothing of a hold; then they talk on."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        colleague = await stage.colleague("203", on_ring=OnRing.RING)
        await stage.talk()
        began_ns = await freeswitch(house).consult("201", "203")
        consulted = await colleague.next_call()
        await stage.talk(1.0)
        consulted.refuse()
        await stage.talk()
        back_ns = first_heard_ns(talking, CUSTOMER_HERTZ, after_ns=consulted.ended_ns)
        stage.truth.pauses.append((began_ns, back_ns))
        calling.hang_up()
        stage.over(calling.ended_ns)
        await talking.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.HUNG_UP))
    judge(await house.film(line), talk_of(stage.truth))


@scene(lasts_s=10)
async def test_a_consultation_by_a_code_that_is_answered_ends_the_recording(house: House) -> None:
    """It is another talk of the same leg; nothing of it, nor of its ringing, is in the file."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        colleague = await stage.colleague("203", on_ring=OnRing.RING)
        await stage.talk()
        stage.over(await freeswitch(house).consult("201", "203"))
        consulted = await colleague.next_call()
        await stage.talk(1.0)
        consulted.answer()
        await stage.talk(STAYS_S)
        consulted.hang_up()
        await goes_on(stage, talking, calling)
        calling.hang_up()
        await talking.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.PARTY_LEFT))
    judge(await house.film(line), talk_of(stage.truth))


@scene(lasts_s=10)
async def test_the_customer_objects_in_a_consultation_by_a_code(house: House) -> None:
    before = house.kept()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        colleague = await stage.colleague("203")
        await filmed(house)
        await stage.talk(1.0)
        await freeswitch(house).consult("201", "203")
        consulted = await (await colleague.next_call()).until_answered()
        await stage.talk(0.5)
        await calling.press(OBJECTION)
        await nothing_left(house, before)
        consulted.hang_up()
        await goes_on(stage, talking, calling)
        calling.hang_up()
    await house.ledger(OBJECTED)
    assert house.kept() == before
