"""Scenes that only tests of what was recorded need; the others are in tests/rig/scenarios.py. Same phones, same truth."""

from __future__ import annotations

import time

from tests.rig.phone import OnRing
from tests.rig.scenarios import NUMBER, TALK_S, Stage, Truth


async def hang_up_on_hold(stage: Stage) -> Truth:
    """The agent holds; the customer waits a while and hangs up: the talk was over with the hold."""
    talking, calling = await stage.connect(await stage.agent(), await stage.customer())
    await stage.talk(TALK_S)
    stage.over()
    await talking.hold()
    await stage.talk(1.0)
    calling.hang_up()
    await talking.until_ended()
    return stage.truth


async def second_call(stage: Stage) -> Truth:
    """The agent holds the first customer, takes a second one's call, and comes back to the first."""
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(TALK_S)
    begin_ns = time.monotonic_ns()
    await talking.hold()
    waiting = customer.call("101", number="0700000002")
    second = await agent.next_call()
    await waiting.until_answered()
    await stage.talk(1.0)
    second.hang_up()
    await waiting.until_ended()
    await talking.resume()
    stage.truth.pauses.append((begin_ns, time.monotonic_ns()))
    await stage.talk(TALK_S)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


async def consultation(stage: Stage) -> Truth:
    """The agent holds the customer, asks a colleague, and comes back to the customer."""
    agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(TALK_S)
    begin_ns = time.monotonic_ns()
    await talking.hold()
    asking = await agent.call("202").until_answered()
    asked = await colleague.next_call()
    await stage.talk(2.2)
    asking.hang_up()
    await asked.until_ended()
    await talking.resume()
    stage.truth.pauses.append((begin_ns, time.monotonic_ns()))
    await stage.talk(TALK_S)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


async def redirected_agent(stage: Stage) -> Truth:
    """Another application takes the agent out of the call and keeps them for itself."""
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(TALK_S)
    stage.over(await stage.pbx.take_away("201"))
    await calling.until_ended()
    await stage.talk(1.0)
    assert not talking.ended.is_set()
    talking.hang_up()
    return stage.truth


async def ring_group(stage: Stage) -> Truth:
    """It rings at two agents; the trainee takes it."""
    agent, customer = await stage.agent(), await stage.customer()
    colleague = await stage.colleague(on_ring=OnRing.RING)
    talking, calling = await stage.connect(agent, customer, "191")
    await (await colleague.next_call()).until_ended()
    await stage.talk(TALK_S)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


async def caller_objects(stage: Stage) -> Truth:
    """The caller presses the notice's key; the call goes on as any other, also at a colleague."""
    agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
    calling = await customer.call("101", number=NUMBER).until_answered()
    await calling.press("9")
    talking = await agent.next_call()
    await talking.until_answered()
    await stage.talk(1.0)
    talking.transfer("202")
    second = await (await colleague.next_call()).until_answered()
    await stage.talk(0.5)
    calling.hang_up()
    await second.until_ended()
    return stage.truth


async def customer_objects(stage: Stage) -> Truth:
    """The agent calls out; the customer presses the notice's key."""
    agent, customer = await stage.agent(), await stage.customer()
    calling = agent.call(f"0{NUMBER}")
    answering = await (await customer.next_call()).until_answered()
    await answering.press("9")
    await calling.until_answered()
    await stage.talk(1.0)
    calling.hang_up()
    await answering.until_ended()
    return stage.truth


async def gone_before_the_first_word(stage: Stage) -> Truth:
    """The agent answers for a queue whose gosubs take their time; the customer hangs up meanwhile."""
    agent, customer = await stage.agent(), await stage.customer()
    calling = customer.call("210", number=NUMBER)
    talking = await (await agent.next_call()).until_answered()
    await stage.talk(0.3)
    calling.hang_up()
    await talking.until_ended()
    return stage.truth


async def double_silence(stage: Stage) -> tuple[Truth, tuple[int, int]]:
    """Neither phone sends a packet for two seconds of the talk; returns when that was."""
    talking, calling = await stage.connect(await stage.agent(), await stage.customer())
    await stage.talk(1.0)
    talking.rtp.muted = calling.rtp.muted = True
    begin_ns = time.monotonic_ns()
    await stage.talk(2.0)
    talking.rtp.muted = calling.rtp.muted = False
    quiet = begin_ns, time.monotonic_ns()
    await stage.talk(1.0)
    talking.hang_up()
    stage.over(talking.ended_ns)
    await calling.until_ended()
    return stage.truth, quiet
