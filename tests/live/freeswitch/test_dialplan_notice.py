"""The caller's notice on a real FreeSWITCH: heard, objected, skipped; and no state of the bridge makes a caller wait
(P16). The bridge is the product's telephone side; the dialplan is the product's, called as the site calls it.
"""

from __future__ import annotations

import audioop
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from pbx_bridge.calls import facts
from tests.freeswitch.voices import hertz
from tests.live.freeswitch.line import Line, text_hash
from tests.rig.freeswitch import Freeswitch
from tests.rig.phone import OnRing
from tests.rig.scenarios import NUMBER, Stage

SECOND = 1_000_000_000
AT_ONCE_NS = SECOND // 2
"""From the INVITE to the agent's ringing when no notice is played: 6 ms on a calm machine."""
KEY_WAIT_S = 1.0


@pytest_asyncio.fixture
async def pbx() -> AsyncIterator[Freeswitch]:
    async with Freeswitch.from_environment() as one:
        yield one
        await one.no_channels()


@pytest_asyncio.fixture
async def line(pbx: Freeswitch) -> AsyncIterator[Line]:
    async with Line(pbx) as one:
        yield one


async def ringing_after(stage: Stage, extension: str = "101") -> int:
    """Nanoseconds from the caller's INVITE to the agent's."""
    agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
    calling = customer.call(extension, number=NUMBER)
    ringing = await agent.next_call(20)
    calling.leave()
    await ringing.until_ended()
    return ringing.invited_ns - calling.invited_ns


async def test_the_notice_is_heard_to_its_end_before_it_rings(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        waited_ns = await ringing_after(stage)
        heard = await line.until(facts.NoticeHeard)
    assert (heard.channel, heard.notice) == (await line.leg(), text_hash("en"))
    floor_s = line.notice_s["en"] + KEY_WAIT_S
    assert floor_s * SECOND < waited_ns < (floor_s + 0.5) * SECOND


@pytest.mark.parametrize(("site", "tone"), [("", 440), ("%(400,200,880)", 880)])
async def test_who_heard_the_notice_hears_ringing_too(line: Line, site: str, tone: int) -> None:
    """The notice answers the call: the network rings no more. What the site has chosen is left as it is."""
    await line.pbx.api(f"global_setvar ringback={site}")
    try:
        async with Stage(line.pbx) as stage:
            agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
            calling = customer.call("101", number=NUMBER)
            ringing = await agent.next_call(20)
            await stage.talk(1.0)
            calling.leave()
            await ringing.until_ended()
    finally:
        await line.pbx.api("global_setvar ringback=")
    packets = [
        audioop.ulaw2lin(one.payload, 2) for one in calling.rtp.heard if one.at_ns > ringing.invited_ns
    ]
    loud = [pcm for pcm in packets if audioop.rms(pcm, 2) > 300]
    assert len(loud) > 10
    assert abs(hertz(b"".join(loud)) - tone) < 60


async def test_the_site_may_choose_the_language(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        await ringing_after(stage, "111")
    assert (await line.until(facts.NoticeHeard)).notice == text_hash("fr")


@pytest.mark.parametrize("later_s", [0.3, "after the last word"])
async def test_nine_objects_at_once_and_the_call_goes_on(line: Line, later_s: float | str) -> None:
    after_s = later_s if isinstance(later_s, float) else line.notice_s["en"] + 0.3
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer()
        calling = await customer.call("101", number=NUMBER).until_answered()
        await stage.talk(after_s)
        await calling.press("9")
        pressed_ns = time.monotonic_ns()
        talking = await agent.next_call(20)
        assert talking.invited_ns - pressed_ns < SECOND
        await talking.until_answered()
        objected = await line.until(facts.CallerObjected)
        assert objected.channel == await line.leg()
        assert await line.pbx.notes_left(), "a bridge that is down finds it"
        calling.hang_up()
        await line.gone(objected.channel)
    assert line.all(facts.NoticeHeard) == []


async def test_another_key_changes_nothing(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer()
        calling = await customer.call("101", number=NUMBER).until_answered()
        await calling.press("1#*0")
        talking = await agent.next_call(20)
        assert talking.invited_ns - calling.invited_ns > line.notice_s["en"] * SECOND
        await line.until(facts.NoticeHeard)
    assert line.all(facts.CallerObjected) == []


async def test_hanging_up_in_the_notice_is_no_notice(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        calling = await (await stage.customer()).call("101", number=NUMBER).until_answered()
        await stage.talk(0.3)
        calling.hang_up()
        await line.gone(await line.leg())
    assert line.all(facts.NoticeHeard) == []


async def test_a_sound_that_is_missing_is_no_notice_and_no_delay(line: Line) -> None:
    line.pbx.notice_file("en").unlink()
    async with Stage(line.pbx) as stage:
        assert await ringing_after(stage) < AT_ONCE_NS
        await line.gone(await line.leg())
    assert line.all(facts.NoticeHeard) == []
    assert "pbx-bridge: no notice" in line.pbx.log


async def test_a_never_recorded_line_is_told(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        await ringing_after(stage, "161")
    assert (await line.until(facts.NeverRecord)).channel == await line.leg()


async def test_who_sits_at_the_phone_is_told_before_it_rings(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        await ringing_after(stage, "181")
    named = await line.until(facts.PersonNamed)
    assert (named.channel, named.person) == (await line.leg(1), "bea")
    rang = next(fact for fact in line.all(facts.ChannelRinging) if fact.channel == named.channel)
    assert line.facts.index(named) < line.facts.index(rang)


async def test_no_key_of_a_notice_is_in_the_log(line: Line) -> None:
    """P7; FreeSWITCH says at `info` each key it is not told to keep quiet about: the control is one in the talk."""
    async with line.pbx.log_at("info") as written, Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer()
        calling = await customer.call("101", number=NUMBER).until_answered()
        await calling.press("3#")
        talking = await (await agent.next_call(20)).until_answered()
        assert not re.search(r"DTMF", "".join(written))
        await calling.press("7")
        await stage.talk(0.5)
        talking.hang_up()
    assert re.search(r"RECV DTMF 7", "".join(written))


# ---------------------------------------------------------------- outbound


async def outbound(
    line: Line,
    *,
    drawn: bool,
    meanwhile: Callable[[Stage], Awaitable[None]] | None = None,
    early: bool = False,
) -> int:
    """Nanoseconds from the customer's answer to the agent's; the bridge draws while it rings."""
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer(on_ring=OnRing.RING)
        calling = agent.call(f"0{NUMBER}")
        ringing = await customer.next_call()
        customers = await line.leg(1)
        stage.truth.customer.append(ringing)
        if early:
            ringing.announce()
        if drawn:
            await line.bridge.ask_outbound_notice(customers)
        if early:
            await stage.talk(0.5)
        ringing.answer()
        if meanwhile is not None:
            await meanwhile(stage)
        await calling.until_answered(20)
        await line.until(facts.BridgeEntered, lambda fact: fact.channel == customers)
        calling.hang_up()
        await line.gone(customers)
        return calling.answered_ns - ringing.answered_ns


@pytest.mark.parametrize("early", [False, True])
async def test_a_drawn_outbound_call_plays_the_notice_before_the_two_talk(line: Line, early: bool) -> None:
    """Also where the network announces something before the answer: FreeSWITCH would bridge that."""
    waited_ns = await outbound(line, drawn=True, early=early)
    customers = await line.leg(1)
    (heard,) = line.all(facts.NoticeHeard)
    assert (heard.channel, heard.notice) == (customers, text_hash("en"))
    talks = next(fact for fact in line.all(facts.BridgeEntered) if fact.channel == customers)
    assert line.facts.index(heard) < line.facts.index(talks)
    assert waited_ns > (line.notice_s["en"] + KEY_WAIT_S) * SECOND


async def test_an_outbound_call_that_was_not_drawn_is_not_delayed(line: Line) -> None:
    assert await outbound(line, drawn=False) < AT_ONCE_NS
    assert line.all(facts.NoticeHeard) == []


async def test_the_customer_may_object_outbound(line: Line) -> None:
    async def nine(stage: Stage) -> None:
        await stage.talk(0.3)
        await stage.truth.customer[0].press("9")

    assert await outbound(line, drawn=True, meanwhile=nine) < 1.5 * SECOND
    assert [fact.channel for fact in line.all(facts.CallerObjected)] == [await line.leg(1)]
    assert line.all(facts.NoticeHeard) == []


async def test_an_agent_who_hangs_up_in_the_customers_notice_frees_the_customer(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer(on_ring=OnRing.RING)
        calling = agent.call(f"0{NUMBER}")
        ringing = await customer.next_call()
        await line.bridge.ask_outbound_notice(await line.leg(1))
        ringing.answer()
        await stage.talk(0.5)
        calling.leave()
        left_ns = time.monotonic_ns()
        await ringing.until_ended(5)
        assert ringing.ended_ns - left_ns < SECOND
    assert line.all(facts.NoticeHeard) == []


# ---------------------------------------------------------------- a bridge that is not there


async def test_without_a_bridge_nobody_waits(pbx: Freeswitch) -> None:
    """None, one that expired, and what is no heartbeat at all."""
    await pbx.api("global_setvar pbxb_sound_en=/nowhere.wav")
    for value in (
        "",
        f"{int(time.time()) - 1}:{'a' * 32}",
        f"{int(time.time()) + 60}",
        "x" * 43,
        f"{'9' * 10}:{'a' * 31}",
    ):
        await pbx.api(f"global_setvar pbxb_alive={value}")
        async with Stage(pbx) as stage:
            assert await ringing_after(stage) < AT_ONCE_NS, value
        assert "no notice" not in "".join(pbx.last_words[-20:])


async def test_a_bridge_that_goes_while_the_notice_is_spoken_holds_nobody(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
        calling = await customer.call("101", number=NUMBER).until_answered()
        await stage.talk(0.3)
        await line.stop()
        ringing = await agent.next_call(20)
        assert ringing.invited_ns - calling.invited_ns < (line.notice_s["en"] + KEY_WAIT_S + 0.5) * SECOND
        assert not calling.ended.is_set()
        calling.leave()
