"""The keys of a call on a real FreeSWITCH: whose they are, where they reach, and what they leave alone (P16, P7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
import pytest_asyncio

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from tests.live.freeswitch.line import BEGIN, END, PRIVATE, Line
from tests.rig.freeswitch import Freeswitch
from tests.rig.phone import Leg, OnRing
from tests.rig.scenarios import NUMBER, Stage

OBJECTION = "*9"
F = TypeVar("F", bound=Fact)


@pytest_asyncio.fixture
async def pbx() -> AsyncIterator[Freeswitch]:
    async with Freeswitch.from_environment() as one:
        yield one
        await one.no_channels()


@pytest_asyncio.fixture
async def line(pbx: Freeswitch) -> AsyncIterator[Line]:
    async with Line(pbx) as one:
        yield one


async def talking(
    line: Line, stage: Stage, extension: str = "101", *, drawn: bool = False
) -> tuple[Leg, Leg]:
    """The agent's leg and the customer's, a moment after the answer."""
    agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
    calling = customer.call(extension, number=NUMBER)
    answering = await agent.next_call(20)
    if drawn:
        await line.bridge.offer_private(await line.leg(1))
    answering.answer()
    await calling.until_answered()
    await line.until(facts.BridgeEntered)
    return answering, calling


async def told(line: Line, kind: type[F], leg: Leg, keys: str) -> F:
    """The fact that these keys tell, the last of its kind."""
    before = len(line.all(kind))
    await leg.press(keys)
    await line.until(kind, lambda _: len(line.all(kind)) > before)
    return line.all(kind)[-1]


async def test_the_customers_key_in_the_first_second_on_hold_and_after_a_transfer(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        colleague = await stage.colleague()
        answering, calling = await talking(line, stage)
        customers = await line.leg()
        assert (await told(line, facts.CallerObjected, calling, OBJECTION)).channel == customers
        await answering.hold()
        assert (await told(line, facts.CallerObjected, calling, OBJECTION)).channel == customers
        await answering.resume()
        answering.transfer("202")
        second = await (await colleague.next_call()).until_answered()
        await line.gone(await line.leg(1))
        assert (await told(line, facts.CallerObjected, calling, OBJECTION)).channel == customers
        assert not calling.ended.is_set()
        assert not second.ended.is_set()
        calling.hang_up()
        await second.until_ended()


async def test_the_customers_key_after_an_attended_transfer(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
        answering, calling = await stage.connect(agent, customer)
        await stage.talk(0.5)
        await answering.hold()
        consulting = await agent.call("202").until_answered()
        consulted = await colleague.next_call()
        answering.transfer_to(consulting)
        await answering.until_ended()
        assert (await told(line, facts.CallerObjected, calling, OBJECTION)).channel == await line.leg()
        calling.hang_up()
        await consulted.until_ended()


async def test_an_outbound_customers_key_is_theirs_too(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer(on_ring=OnRing.RING)
        calling = agent.call(f"0{NUMBER}")
        ringing = await customer.next_call()
        customers = await line.leg(1)
        await line.bridge.ask_outbound_notice(customers)
        ringing.answer()
        await calling.until_answered(20)
        assert (await told(line, facts.CallerObjected, ringing, OBJECTION)).channel == customers
        calling.hang_up()


async def test_the_trainees_keys_are_the_trainees(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        answering, calling = await talking(line, stage, drawn=True)
        agents = await line.leg(1)
        assert (await told(line, facts.PaymentBegan, answering, BEGIN)).channel == agents
        assert (await told(line, facts.PaymentEnded, answering, END)).channel == agents
        assert (await told(line, facts.AgentObjected, answering, PRIVATE)).channel == agents
        answering.hang_up()
        await calling.until_ended()


async def test_in_a_queue_each_has_their_keys_too(line: Line) -> None:
    """mod_callcenter: the customer's channel came through the queue, the trainee's was made by it."""
    async with Stage(line.pbx) as stage:
        answering, calling = await talking(line, stage, "200", drawn=True)
        assert (await told(line, facts.CallerObjected, calling, OBJECTION)).channel == await line.leg()
        assert (await told(line, facts.AgentObjected, answering, PRIVATE)).channel == await line.leg(1)
        calling.hang_up()
        await answering.until_ended()


async def test_keys_by_sip_info_are_keys(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        _, calling = await talking(line, stage)
        await calling.press_by_info(OBJECTION)
        assert (await line.until(facts.CallerObjected)).channel == await line.leg()
        calling.hang_up()


async def test_nobody_presses_the_others_key(line: Line) -> None:
    """The last key of each is the control: what was pressed before it has been read by then."""
    async with Stage(line.pbx) as stage:
        answering, calling = await talking(line, stage, drawn=True)
        await calling.press(PRIVATE + BEGIN)
        await told(line, facts.CallerObjected, calling, OBJECTION)
        await answering.press(OBJECTION)
        await told(line, facts.AgentObjected, answering, PRIVATE)
        assert len(line.all(facts.CallerObjected)) == 1
        assert len(line.all(facts.AgentObjected)) == 1
        assert line.all(facts.PaymentBegan) == []
        calling.hang_up()


async def test_an_agent_who_was_not_drawn_has_no_keys(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        answering, calling = await talking(line, stage)
        await answering.press(PRIVATE)
        await told(line, facts.CallerObjected, calling, OBJECTION)
        assert line.all(facts.AgentObjected) == []
        calling.hang_up()


async def test_other_keys_reach_the_other_phone(line: Line) -> None:
    """Codes do not: the last one of each is the control."""
    async with Stage(line.pbx) as stage:
        answering, calling = await talking(line, stage, drawn=True)
        await calling.press("12#5")
        await told(line, facts.CallerObjected, calling, OBJECTION)
        await answering.press("78*0")
        await told(line, facts.AgentObjected, answering, PRIVATE)
        await stage.talk(2.0)
        assert (answering.rtp.pressed, calling.rtp.pressed) == ("12#5", "78*0")
        calling.hang_up()


@pytest.mark.parametrize("named", [True, False])
async def test_a_site_with_a_realm_of_its_own_names_it(line: Line, named: bool) -> None:
    """FreeSWITCH acts on one realm at a time: unnamed, the site's turns ours off. That is what `doctor` warns of."""
    pbx = line.pbx
    await pbx.api(f"global_setvar pbxb_realm={'local' if named else ''}")
    try:
        async with Stage(pbx) as stage:
            _, calling = await talking(line, stage)
            customers = await line.leg()
            await pbx.socket.execute(customers, "bind_digit_action", "local,*0,exec[i]:set,pbxb_site_key=yes")
            await pbx.socket.execute(customers, "digit_action_set_realm", "local")
            await calling.press("*0")
            await stage.talk(0.5)
            assert (await pbx.api(f"uuid_getvar {customers} pbxb_site_key")).strip() == "yes"
            if named:
                assert (await told(line, facts.CallerObjected, calling, OBJECTION)).channel == customers
            else:
                await calling.press(OBJECTION)
                await stage.talk(0.5)
            calling.hang_up()
            await line.gone(customers)
            assert bool(line.all(facts.CallerObjected)) is named
    finally:
        await pbx.api("global_setvar pbxb_realm=")


async def test_a_site_may_keep_the_called_phones_keys(line: Line) -> None:
    await line.pbx.api("global_setvar pbxb_trainee_keys=no")
    try:
        async with Stage(line.pbx) as stage:
            answering, calling = await talking(line, stage, drawn=True)
            await answering.press(PRIVATE)
            await told(line, facts.CallerObjected, calling, OBJECTION)
            assert line.all(facts.AgentObjected) == []
            calling.hang_up()
    finally:
        await line.pbx.api("global_setvar pbxb_trainee_keys=")
