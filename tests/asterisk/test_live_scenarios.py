"""What the PBX tells in each thing that happens on telephones: the facts about each channel, in order, and their times.

One channel's facts come in a fixed order; those of two channels interleave as threads of the PBX please, so the stories
are compared channel by channel. The truth is the phones' own stamps.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pbx_bridge.calls import facts
from pbx_bridge.ids import ChannelId
from tests.asterisk.line import Line
from tests.rig import scenarios, sdp
from tests.rig.asterisk import Asterisk
from tests.rig.scenarios import Stage, Truth

SECOND = 1_000_000_000
SLACK_NS = SECOND // 5
"""Between a phone's packet and the PBX's stamp: 2 ms on a calm machine, up to 100 times that on a loaded one."""

INBOUND = ["born", "rings", "up", "enters", "leaves", "gone 16"]
CALLER = ["born", "up", "enters", "leaves", "gone 16"]


async def play(
    line: Line, scenario: Callable[..., Awaitable[Truth]], *arguments: object, codec: sdp.Codec = sdp.PCMU
) -> Truth:
    async with Stage(line.pbx, codec=codec) as stage:
        truth = await scenario(stage, *arguments)
        await line.pbx.no_channels()
    await line.until_quiet()
    assert line.all(facts.Unreadable) == []
    return truth


async def told(line: Line, endpoint: str, number: int = 0) -> list[str]:
    return line.about(await line.channel(endpoint, number))


def times_fit(line: Line, channel: ChannelId, truth: Truth, *, entered_after_ns: int = 0) -> None:
    """The stamps lie between the truth and a little after it."""
    entered = next(fact for fact in line.all(facts.BridgeEntered) if fact.channel == channel)
    left = next(fact for fact in line.all(facts.BridgeLeft) if fact.channel == channel)
    error_ns = 10_000_000
    assert -error_ns < entered.at_ns - truth.answered_ns - entered_after_ns < SLACK_NS
    assert -error_ns < left.at_ns - truth.over_ns < SLACK_NS


@pytest.fixture
async def line(pbx: Asterisk) -> AsyncIterator[Line]:
    """Without the spoken notice, which other tests are about: these are quicker."""
    async with Line(pbx, with_notice=False) as connected:
        yield connected


@pytest.mark.parametrize("scenario", [scenarios.agent_hangs_up, scenarios.customer_hangs_up])
async def test_answered_and_hung_up(line: Line, scenario: Callable[..., Awaitable[Truth]]) -> None:
    truth = await play(line, scenario)
    assert await told(line, "PJSIP/201") == INBOUND
    assert await told(line, "PJSIP/trunk") == CALLER
    times_fit(line, await line.channel("PJSIP/201"), truth)


async def test_no_answer(line: Line) -> None:
    await play(line, scenarios.no_answer)
    assert await told(line, "PJSIP/201") == ["born", "rings", "gone 0"]


async def test_busy(line: Line) -> None:
    await play(line, scenarios.busy)
    assert await told(line, "PJSIP/201") == ["born", "gone 17"]


async def test_abandoned(line: Line) -> None:
    await play(line, scenarios.abandoned)
    story = await told(line, "PJSIP/201")
    assert story[:-1] == ["born", "rings"]
    assert story[-1] in ("gone 127", "gone 0")


@pytest.mark.parametrize(
    ("scenario", "who"), [(scenarios.agent_holds, "PJSIP/201"), (scenarios.customer_holds, "PJSIP/trunk")]
)
async def test_hold_and_resume(line: Line, scenario: Callable[..., Awaitable[Truth]], who: str) -> None:
    truth = await play(line, scenario)
    story = await told(line, who)
    assert story[story.index("enters") :] == ["enters", "holds", "resumes", "leaves", "gone 16"]
    held, resumed = line.all(facts.Held)[0], line.all(facts.Unheld)[0]
    begin_ns, end_ns = truth.pauses[0]
    assert abs(held.at_ns - begin_ns) < SLACK_NS
    assert abs(resumed.at_ns - end_ns) < SLACK_NS
    times_fit(line, await line.channel("PJSIP/201"), truth)


async def test_blind_transfer(line: Line) -> None:
    truth = await play(line, scenarios.blind_transfer)
    story = await told(line, "PJSIP/201")
    assert (story[:5], story[-1]) == ([*INBOUND[:4], "resumes"], "gone 16")
    # a loaded PBX tells them in either order
    assert sorted(story[5:-1]) == ["leaves", "transfers"]
    assert await told(line, "PJSIP/202") == INBOUND
    assert await told(line, "PJSIP/trunk") == [
        "born",
        "up",
        "enters",
        "leaves",
        "enters",
        "leaves",
        "gone 16",
    ]
    times_fit(line, await line.channel("PJSIP/201"), truth)


async def test_attended_transfer_by_the_trainee(line: Line) -> None:
    await play(line, scenarios.attended_transfer)
    story = await told(line, "PJSIP/201")
    assert story[:5] == [*INBOUND[:4], "holds"]
    assert sorted(story[5:]) == ["gone 16", "leaves", "resumes", "transfers"]
    consultation = await told(line, "PJSIP/201", 1)
    assert consultation[:3] == ["born", "up", "enters"]
    assert "transfers" in consultation
    trunk, colleague = await line.channel("PJSIP/trunk"), await line.channel("PJSIP/202")
    assert line.together(trunk, colleague)
    assert not line.together(trunk, await line.channel("PJSIP/201", 1))


async def test_attended_transfer_to_the_trainee(line: Line) -> None:
    await play(line, scenarios.attended_transfer_to_trainee)
    assert await told(line, "PJSIP/201") == INBOUND
    trunk, trainee = await line.channel("PJSIP/trunk"), await line.channel("PJSIP/201")
    assert line.together(trunk, trainee)
    assert line.together(trainee, await line.channel("PJSIP/202", 1))


async def test_queue_with_a_sip_member(line: Line) -> None:
    truth = await play(line, scenarios.queue)
    agents = await line.channel("PJSIP/201")
    story = line.about(agents)
    # the queue names the member and the phone rings in the same instant: the PBX tells them in either order
    assert sorted(story[1:3]) == ["PersonNamed", "rings"]
    assert [story[0], *story[3:]] == ["born", "up", "enters", "leaves", "gone 16"]
    assert line.all(facts.PersonNamed)[0].person == "alice"
    times_fit(line, agents, truth)


async def test_the_site_names_the_person_before_it_rings(line: Line) -> None:
    await play(line, scenarios.agent_hangs_up, 0.3, "181")
    agents = await line.channel("PJSIP/201")
    story = line.about(agents)
    assert story.index("PersonNamed") < story.index("rings")
    assert line.all(facts.PersonNamed)[0].person == "bea"


async def test_queue_with_a_local_member_and_slow_answers(line: Line) -> None:
    """The agent's bridge holds the agent and a Local half; the customer sits with the other: only the pair joins them."""
    await play(line, scenarios.queue_local, 3.0)
    agents, customers = await line.channel("PJSIP/201"), await line.channel("PJSIP/trunk")
    pair = line.all(facts.LocalPaired)[0]
    assert line.all(facts.PersonNamed) == [
        facts.PersonNamed(line.all(facts.PersonNamed)[0].at_ns, pair.one, "alice")
    ]
    assert not line.together(agents, customers)
    assert line.together(agents, pair.two)
    assert line.together(customers, pair.one)
    halves = [fact for fact in line.all(facts.ChannelBorn) if fact.local_half]
    assert {half.channel for half in halves} == {pair.one, pair.two}
    assert {half.endpoint for half in halves} == {""}
    dialled = [(fact.caller, fact.callee) for fact in line.all(facts.Dialled)]
    assert (customers, pair.one) in dialled
    assert (pair.two, agents) in dialled


async def test_outbound(line: Line) -> None:
    truth = await play(line, scenarios.outbound)
    agents, customers = await line.channel("PJSIP/201"), await line.channel("PJSIP/trunk")
    assert line.about(agents) == ["born", "up", "enters", "leaves", "gone 16"]
    assert [(fact.caller, fact.callee) for fact in line.all(facts.Dialled)] == [(agents, customers)]
    times_fit(line, agents, truth)


async def test_two_calls_at_once(line: Line) -> None:
    await play(line, scenarios.two_calls)
    assert await told(line, "PJSIP/201") == INBOUND
    assert await told(line, "PJSIP/202") == INBOUND
    bridges = {
        line.bridges(await line.channel(name))[0] for name in ("PJSIP/201", "PJSIP/202") for which in (0,)
    }
    assert len(bridges) == 2


async def test_one_agent_with_two_phones(line: Line) -> None:
    await play(line, scenarios.two_phones)
    stories = sorted([await told(line, "PJSIP/201", 0), await told(line, "PJSIP/201", 1)], key=len)
    assert stories == [["born", "rings", "gone 26"], INBOUND]


async def test_call_pickup(line: Line) -> None:
    await play(line, scenarios.pickup)
    picker, target = await line.channel("PJSIP/201"), await line.channel("PJSIP/202")
    assert [(fact.picker, fact.target) for fact in line.all(facts.PickedUp)] == [(picker, target)]
    entered = {fact.channel: fact.endpoint for fact in line.all(facts.BridgeEntered)}
    assert entered == {picker: "PJSIP/201", await line.channel("PJSIP/trunk"): "PJSIP/trunk"}


async def test_the_customer_leaves_and_the_agents_channel_lives_on(line: Line) -> None:
    truth = await play(line, scenarios.customer_leaves_agent_lives_on)
    agents = await line.channel("PJSIP/201")
    assert line.about(agents) == INBOUND
    times_fit(line, agents, truth)
    gone = await line.gone(agents)
    assert gone.at_ns - truth.over_ns > 4 * SECOND


async def test_a_redirect_by_another_application(line: Line) -> None:
    truth = await play(line, scenarios.redirect)
    assert await told(line, "PJSIP/201") == INBOUND
    times_fit(line, await line.channel("PJSIP/201"), truth)


async def test_parking(line: Line) -> None:
    """A parked caller is in a holding bridge, which is no conversation; who takes them off talks with them."""
    truth = await play(line, scenarios.parking)
    agents, customers = await line.channel("PJSIP/201"), await line.channel("PJSIP/trunk")
    assert [word for word in line.about(agents) if word != "resumes"] == [
        *INBOUND[:4],
        "transfers",
        "leaves",
        "gone 16",
    ]
    assert [fact.channel for fact in line.all(facts.Parked)] == [customers]
    assert line.together(customers, await line.channel("PJSIP/202"))
    assert len(line.bridges(customers)) == 2
    # the agent's channel may stay in its bridge alone, to hear the parking place
    times_fit(line, customers, truth)


async def test_a_blind_transfer_by_feature_code(line: Line) -> None:
    await play(line, scenarios.feature_transfer_blind)
    assert await told(line, "PJSIP/201") == [
        *INBOUND[:4],
        "holds",
        "resumes",
        "transfers",
        "leaves",
        "gone 16",
    ]
    assert line.together(await line.channel("PJSIP/trunk"), await line.channel("PJSIP/202"))


async def test_an_attended_transfer_by_feature_code(line: Line) -> None:
    await play(line, scenarios.feature_transfer_attended)
    agents = await line.channel("PJSIP/201")
    story = line.about(agents)
    assert story[:7] == [*INBOUND[:4], "holds", "leaves", "enters"]
    assert {"transfers", "leaves", "gone 16"} <= set(story[7:])
    held = line.all(facts.Held)[0]
    transferred = line.all(facts.Transferred)[0]
    assert held.at_ns < transferred.at_ns
    assert set(transferred.by) == {agents}


async def test_a_phone_that_vanishes_is_told_each_second(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        running = asyncio.create_task(scenarios.vanish(stage, 2.5, 6.0))
        agents = await line.channel("PJSIP/201")
        await line.until(facts.BridgeEntered, lambda fact: fact.channel == agents)
        line.link.watch_rtp(agents)
        silent = await line.until(facts.LegSilent, lambda fact: fact.for_ns > 4 * SECOND)
        truth = await running
    assert -SECOND < silent.at_ns - silent.for_ns - truth.over_ns < 2 * SECOND
    assert "leaves" not in line.about(agents)[: line.about(agents).index("LegSilent")]


async def test_a_phone_that_comes_back_is_told(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer()
        talking, _ = await stage.connect(agent, customer)
        line.link.watch_rtp(await line.channel("PJSIP/201"))
        await stage.talk(1.5)
        assert line.all(facts.LegSilent) == []
        talking.rtp.muted = True
        await line.until(facts.LegSilent)
        talking.rtp.muted = False
        await line.until(facts.LegHeard)


@pytest.mark.parametrize("codec", [sdp.PCMU_30MS, sdp.G722, sdp.OPUS], ids=["pcmu30", "g722", "opus"])
async def test_codecs_change_nothing(line: Line, codec: sdp.Codec) -> None:
    truth = await play(line, scenarios.agent_hangs_up, codec=codec)
    assert await told(line, "PJSIP/201") == INBOUND
    times_fit(line, await line.channel("PJSIP/201"), truth)


async def test_digits_by_info_reach_neither_the_facts_nor_the_log(line: Line) -> None:
    await play(line, scenarios.info_digits, 1.5, "159753")
    assert await told(line, "PJSIP/204") == INBOUND
    assert not re.search("159753|DTMF", line.pbx.log)


async def test_direct_media_changes_nothing(line: Line) -> None:
    truth = await play(line, scenarios.direct_media)
    assert await told(line, "PJSIP/205") == INBOUND
    times_fit(line, await line.channel("PJSIP/205"), truth)


async def test_the_sites_own_recorder_is_told(line: Line) -> None:
    await play(line, scenarios.agent_hangs_up, 0.3, "151")
    assert {fact.channel for fact in line.all(facts.ForeignRecorder)} == {await line.channel("PJSIP/201")}
