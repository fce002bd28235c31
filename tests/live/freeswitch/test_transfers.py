"""Who comes and goes on FreeSWITCH otherwise than on Asterisk: parking, conferences (P8, P9)."""

from __future__ import annotations

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.calls.rules import APART_LIMIT_NS
from tests.live.freeswitch.test_voices import freeswitch
from tests.live.house import ALICE, House
from tests.live.lanes import scene
from tests.live.watched import EDGE_S, LENGTH_SLACK_S, LOUD_DB, TRACE_DB, heard_at, judge, talk_of
from tests.rig import scenarios
from tests.rig.scenarios import AGENT_HERTZ, OTHER_HERTZ

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
