"""The keys people press during a call, on a real Asterisk: told by whom they were pressed, and never which (P16, P7).

The customer's key works from the notice to the hang-up, however the call is put through. Who objects is the channel it
was pressed on: the agent cannot object for the customer, nor the customer call the talk private.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import pytest

from pbx_bridge.calls import facts
from tests.asterisk.line import Line, text_hash
from tests.rig.phone import Leg, OnRing
from tests.rig.scenarios import NUMBER, Stage

SECOND = 1_000_000_000
SOON_NS = SECOND
"""From the last key to the fact: 0.1 s on a calm machine."""
HEARD_S = 5.0
OBJECTION, PRIVATE = "*9", "*6"


async def objects(line: Line, pressing: Leg, which: int = 0) -> facts.CallerObjected:
    """Presses the key; the fact of it, which came soon."""
    await pressing.press(OBJECTION)
    pressed_ns = time.monotonic_ns()
    objected = await line.until(
        facts.CallerObjected, lambda fact: line.all(facts.CallerObjected).index(fact) == which
    )
    assert time.monotonic_ns() - pressed_ns < SOON_NS
    assert objected.channel == await line.channel("PJSIP/trunk")
    return objected


async def still_talking(stage: Stage, *legs: Leg) -> None:
    """An objection ends the recording, not the call: both go on hearing each other, on a loaded machine a little later."""
    since_ns = time.monotonic_ns()
    await stage.talk(1.0)
    for leg in legs:
        async with asyncio.timeout(HEARD_S):
            while not any(packet.at_ns > since_ns for packet in leg.rtp.heard):  # noqa: ASYNC110 - a phone has no event
                await asyncio.sleep(0.02)
        assert not leg.ended.is_set()


@pytest.mark.parametrize("extension", ["101", "200", "210"], ids=["direct", "queue", "queue-local"])
async def test_the_customer_objects_while_they_talk(line: Line, extension: str) -> None:
    async with Stage(line.pbx) as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer(), extension)
        await line.until(facts.BridgeEntered)
        await stage.talk(1.0)
        await objects(line, calling)
        await still_talking(stage, talking, calling)


async def test_twice_is_told_twice_and_harms_nothing(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await objects(line, calling)
        await objects(line, calling, which=1)
        await still_talking(stage, talking, calling)


async def test_the_customer_objects_while_on_hold(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await talking.hold()
        await line.until(facts.Held)
        await objects(line, calling)


async def test_the_customer_objects_after_a_blind_transfer(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
        talking, calling = await stage.connect(agent, customer)
        await stage.talk(1.0)
        talking.transfer("202")
        second = await (await colleague.next_call()).until_answered()
        await talking.until_ended()
        await objects(line, calling)
        await still_talking(stage, second, calling)


async def test_the_customer_objects_after_an_attended_transfer(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
        talking, calling = await stage.connect(agent, customer)
        await talking.hold()
        consulting = await agent.call("202").until_answered()
        consulted = await colleague.next_call()
        await stage.talk(0.5)
        talking.transfer_to(consulting)
        await asyncio.wait_for(talking.transferred.wait(), 10)
        await talking.until_ended()
        await objects(line, calling)
        await still_talking(stage, consulted, calling)


async def test_the_customer_objects_after_a_transfer_by_feature_code(line: Line) -> None:
    """The site's own in-call codes go on working beside ours."""
    async with Stage(line.pbx) as stage:
        agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
        talking, calling = await stage.connect(agent, customer, "141")
        await stage.talk(1.0)
        await talking.press("#1")
        await stage.talk(0.7)
        await talking.press("202")
        second = await (await colleague.next_call()).until_answered()
        await talking.until_ended()
        await objects(line, calling)
        await still_talking(stage, second, calling)


async def ask_notice(line: Line) -> None:
    customers = await line.channel("PJSIP/trunk")
    await line.link.setvar(customers, "PBXB_SOUND", "pbxb/notice-en")
    await line.link.setvar(customers, "PBXB_NOTICE", text_hash("en"))
    await line.link.setvar(customers, "PBXB_DRAWN", line.token)


async def test_the_customer_of_an_outbound_call_objects(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer(on_ring=OnRing.RING)
        calling = agent.call(f"0{NUMBER}")
        ringing = await customer.next_call()
        await ask_notice(line)
        ringing.answer()
        await calling.until_answered(20)
        await objects(line, ringing)
        await still_talking(stage, calling, ringing)


Press = Callable[[Leg, Leg], Awaitable[None]]


async def agent_presses_the_customers(talking: Leg, calling: Leg) -> None:
    await talking.press(OBJECTION)


async def customer_presses_the_agents(talking: Leg, calling: Leg) -> None:
    await calling.press(PRIVATE)


async def other_keys(talking: Leg, calling: Leg) -> None:
    await calling.press("9*8")
    await talking.press("8*1")


@pytest.mark.parametrize("press", [agent_presses_the_customers, customer_presses_the_agents, other_keys])
async def test_other_keys_and_keys_of_others_say_nothing(line: Line, press: Press) -> None:
    async with Stage(line.pbx) as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await press(talking, calling)
        await still_talking(stage, talking, calling)
        await line.until_quiet()
        assert line.all(facts.CallerObjected) == []
        assert line.all(facts.AgentObjected) == []
        await objects(line, calling)


async def test_a_channel_made_for_the_customer_inherits_no_key(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        await stage.connect(await stage.agent(), await stage.customer())
        customers, agents = await line.channel("PJSIP/trunk"), await line.channel("PJSIP/201")
        assert await line.link.getvar(customers, "DYNAMIC_FEATURES") == "pbxb_objection"
        assert "pbxb" not in await line.link.getvar(agents, "DYNAMIC_FEATURES")


async def test_no_key_of_a_call_is_in_the_log(line: Line) -> None:
    """P7; the log is at the verbosity of Asterisk's own sample configuration."""
    async with Stage(line.pbx) as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await calling.press("4471")
        await objects(line, calling)
        await talking.press("5")
    assert "pbxb-key" in line.pbx.log
    assert "Unknown DYNAMIC_FEATURES" not in line.pbx.log
    assert not re.search(r"(?i)dtmf|entered|digit '?[0-9]|4471|'[4569*]'", line.log_of_calls)
