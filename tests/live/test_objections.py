"""P16: whoever objects, whenever in the call, leaves nothing of it behind, and the call goes on.

Each scene is recorded for a while first, so that there is something to destroy; `nothing_left` looks for its file and
its key, and for every recording of that customer's call, those of earlier agents included.
"""

from __future__ import annotations

import asyncio
import time

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live.house import ALICE, SETTLE_S, House, Line, until
from tests.live.lanes import scene
from tests.rig.phone import Leg
from tests.rig.scenarios import NUMBER, Stage

OBJECTION, PRIVATE = "*9", "*6"
OBJECTED = (ALICE, Outcome.DISCARDED, Reason.OBJECTION)
CONSULTATION = (ALICE, Outcome.NOT_RECORDED, Reason.NO_NOTICE)


async def filmed(house: House, how_many: int = 1) -> None:
    """Returns when the workstation films: from here on there is something to destroy."""

    async def films() -> bool:
        return house.said().count("filming ") >= how_many

    await until(films, "the workstation films", SETTLE_S)


async def sealed(house: House, before: list[str]) -> str:
    """The one recording that is sealed by now."""

    async def more() -> bool:
        return len(house.kept()) == len(before) + 1 and len(house.keys()) >= len(house.kept())

    await until(more, "a recording is sealed", SETTLE_S)
    (recording,) = set(house.kept()) - set(before)
    assert recording in house.noted()
    return recording


async def nothing_left(house: House, before: list[str]) -> None:
    """While the call still goes on: neither file nor key of anything that was recorded in this scene."""

    async def gone() -> bool:
        files = {file.stem for file in (house.bridge.state / "sealed").iterdir()}
        return files | set(house.keys()) | set(house.noted()) <= set(before)

    await until(gone, f"all is destroyed: {house.kept()} {house.keys()}, before {before}", SETTLE_S)


async def goes_on(stage: Stage, *legs: Leg) -> None:
    """The people go on talking, and hear each other."""
    since_ns = time.monotonic_ns()
    await stage.talk(1.0)
    for leg in legs:
        assert not leg.ended.is_set()
        assert any(packet.at_ns > since_ns for packet in leg.rtp.heard)


async def _objects_after(house: House, seconds: float) -> None:
    before = house.kept()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await filmed(house)
        await stage.talk(seconds)
        assert house.keys() != before, "nothing was recorded that could be destroyed"
        await calling.press(OBJECTION)
        await nothing_left(house, before)
        await calling.press(OBJECTION)
        await goes_on(stage, talking, calling)
        talking.hang_up()
    await house.ledger(OBJECTED)
    assert house.kept() == before


@scene(lasts_s=9)
async def test_the_customer_objects_in_the_first_second(house: House) -> None:
    await _objects_after(house, 0.5)


@scene(lasts_s=38)
async def test_the_customer_objects_after_half_a_minute(house: House) -> None:
    await _objects_after(house, 30.0)


@scene(lasts_s=9)
async def test_the_customer_objects_while_on_hold(house: House) -> None:
    before = house.kept()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await filmed(house)
        await stage.talk(1.0)
        await talking.hold()
        await stage.talk(1.0)
        await calling.press(OBJECTION)
        await nothing_left(house, before)
        await talking.resume()
        await goes_on(stage, talking, calling)
        calling.hang_up()
    await house.ledger(OBJECTED)
    assert house.kept() == before


@scene(lasts_s=12)
async def test_an_objection_after_a_transfer_destroys_the_first_agents_recording_too(house: House) -> None:
    before = house.kept()
    async with house.stage() as stage:
        agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
        talking, calling = await stage.connect(agent, customer)
        await filmed(house)
        await stage.talk(1.0)
        talking.transfer("202")
        second = await (await colleague.next_call()).until_answered()
        first = await sealed(house, before)
        await calling.press(OBJECTION)
        await nothing_left(house, before)
        assert house.is_gone(first)
        await goes_on(stage, second, calling)
        calling.hang_up()
    lines = await house.final_lines(2)
    assert str(next(line for line in lines if line.trainee == ALICE)) == str(Line(*OBJECTED))
    assert house.kept() == before


@scene(lasts_s=13)
async def test_an_objection_after_an_attended_transfer_destroys_the_first_agents_recording_too(
    house: House,
) -> None:
    before = house.kept()
    async with house.stage() as stage:
        agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
        talking, calling = await stage.connect(agent, customer)
        await filmed(house)
        await stage.talk(1.0)
        await talking.hold()
        consulting = await agent.call("202").until_answered()
        consulted = await colleague.next_call()
        await stage.talk(1.0)
        talking.transfer_to(consulting)
        await asyncio.wait_for(talking.transferred.wait(), 10)
        await sealed(house, before)
        await calling.press(OBJECTION)
        await nothing_left(house, before)
        await goes_on(stage, consulted, calling)
        calling.hang_up()
    lines = [line for line in await house.final_lines(3) if line.trainee == ALICE]
    assert sorted(map(str, lines)) == sorted((str(Line(*OBJECTED)), str(Line(*CONSULTATION))))
    assert house.kept() == before


@scene(lasts_s=13)
async def test_an_objection_after_the_recording_ended_but_not_the_call(house: House) -> None:
    """The trainee's screen was locked: the recording ended and was sealed, the talk goes on."""
    before = house.kept()
    try:
        async with house.stage() as stage:
            talking, calling = await stage.connect(await stage.agent(), await stage.customer())
            await filmed(house)
            await stage.talk(1.0)
            await house.alice.lock()
            recording = await sealed(house, before)
            await calling.press(OBJECTION)
            await nothing_left(house, before)
            assert house.is_gone(recording)
            await goes_on(stage, talking, calling)
            calling.hang_up()
    finally:
        await house.alice.unlock()
    await house.ledger(OBJECTED)
    assert house.kept() == before


@scene(lasts_s=10)
async def test_the_customer_of_an_outbound_call_objects(house: House) -> None:
    before = house.kept()
    async with house.stage() as stage:
        agent, customer = await stage.agent(), await stage.customer()
        calling = agent.call(f"0{NUMBER}")
        answering = await (await customer.next_call()).until_answered()
        await calling.until_answered(20)
        await filmed(house)
        await stage.talk(1.0)
        await answering.press(OBJECTION)
        await nothing_left(house, before)
        await goes_on(stage, calling, answering)
        calling.hang_up()
    await house.ledger(OBJECTED)
    assert house.kept() == before


async def _private(house: House, extension: str, pressed: str, outcome: tuple[str, Outcome, Reason]) -> None:
    before = house.kept()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer(), extension)
        await filmed(house)
        await stage.talk(1.0)
        await talking.press(pressed)
        if outcome[1] is Outcome.DISCARDED:
            await nothing_left(house, before)
        await goes_on(stage, talking, calling)
        calling.hang_up()
    await house.ledger(outcome)


@scene(lasts_s=9)
async def test_the_trainee_calls_it_private_by_the_phones_key(house: House) -> None:
    await _private(house, "101", PRIVATE, (ALICE, Outcome.DISCARDED, Reason.PRIVATE))


@scene(lasts_s=9)
async def test_the_trainee_calls_a_queues_call_private(house: House) -> None:
    """The member is a Local channel; the key is the phone's behind it."""
    await _private(house, "210", PRIVATE, (ALICE, Outcome.DISCARDED, Reason.PRIVATE))


@scene(lasts_s=9)
async def test_the_trainee_cannot_object_for_the_customer(house: House) -> None:
    """The control of all scenes above: this one is kept."""
    await _private(house, "101", OBJECTION, (ALICE, Outcome.RECORDED, Reason.HUNG_UP))


# ---------------------------------------------------------------- the calls after it


def no_number_anywhere(house: House) -> None:
    """Only its keyed hash is kept."""
    files = [file for file in house.bridge.state.rglob("*") if file.is_file()]
    assert not [file.name for file in files if NUMBER.encode() in file.read_bytes()]
    assert not [file.name for file in files if NUMBER in file.name]


async def _call(stage: Stage, extension: str = "101", number: str = NUMBER) -> None:
    agent, customer = await stage.agent(), await stage.customer()
    calling = customer.call(extension, number=number)
    talking = await (await agent.next_call()).until_answered()
    await calling.until_answered()
    await stage.talk(1.5)
    calling.hang_up()
    await talking.until_ended()


@scene(lasts_s=30)
async def test_who_objected_once_is_not_recorded_in_later_calls(house: House) -> None:
    """Whoever calls whom, and however the number is written; somebody else's call is the control."""
    before = house.kept()
    async with house.stage() as stage:
        agent, customer = await stage.agent(), await stage.customer()
        calling = await customer.call("101", number=NUMBER).until_answered()
        await calling.press("9")
        talking = await (await agent.next_call()).until_answered()
        calling.hang_up()
        await talking.until_ended()
    async with house.stage() as stage:
        await _call(stage, number=f"+33{NUMBER[1:]}")
    async with house.stage() as stage:
        agent, customer = await stage.agent(), await stage.customer()
        calling = await agent.call(f"0{NUMBER}").until_answered(20)
        await stage.talk(1.0)
        calling.hang_up()
    assert house.kept() == before
    async with house.stage() as stage:
        await _call(stage, number="0700000002")
    said = [line.reason for line in await house.final_lines(4)]
    assert said == [Reason.OBJECTION, Reason.OPTED_OUT, Reason.OPTED_OUT, Reason.HUNG_UP]
    no_number_anywhere(house)


@scene(lasts_s=25)
async def test_numbers_and_queues_that_are_never_recorded(house: House) -> None:
    """As the administrator names them while the bridge runs; taken back, they are recorded."""
    before = house.kept()
    await house.bridge.command("number", "never", NUMBER)
    await house.bridge.command("number", "never", "--queue", "support")
    async with house.stage() as stage:
        await _call(stage)
    async with house.stage() as stage:
        await _call(stage, "200", "0700000002")
    await house.final_lines(2)
    assert house.kept() == before
    no_number_anywhere(house)
    await house.bridge.command("number", "forget", NUMBER)
    async with house.stage() as stage:
        await _call(stage)
    said = [line.reason for line in await house.final_lines(3)]
    assert said == [Reason.NEVER_RECORD, Reason.NEVER_RECORD, Reason.HUNG_UP]


# ---------------------------------------------------------------- after the bridge was started anew


@scene(lasts_s=25)
async def test_an_objection_after_a_restart_destroys_what_was_sealed_before(house: House) -> None:
    """The bridge was stopped in mid-call and started again: the recording is sealed, the customer still talks."""
    before = house.kept()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await filmed(house)
        await stage.talk(1.0)
        await house.bridge.stop()
        recording = await sealed(house, before)
        await house.bridge.start()
        await calling.press(OBJECTION)
        await nothing_left(house, before)
        assert house.is_gone(recording)
        await goes_on(stage, talking, calling)
        calling.hang_up()
    await house.ledger(OBJECTED)
    await house.until_connected()
    assert house.kept() == before


@scene(lasts_s=25)
async def test_an_objection_after_a_crash_destroys_what_was_rebuilt(house: House) -> None:
    before = house.kept()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await filmed(house)
        await stage.talk(2.0)
        await house.bridge.kill()
        await house.bridge.start()
        recording = await sealed(house, before)
        await calling.press(OBJECTION)
        await nothing_left(house, before)
        assert house.is_gone(recording)
        await goes_on(stage, talking, calling)
        calling.hang_up()
    await house.ledger(OBJECTED)
    await house.until_connected()
    assert house.kept() == before


async def said_nothing_any_more(house: House) -> None:
    """The PBX keeps no objection that is dealt with."""

    async def forgotten() -> bool:
        return not await house.pbx.notes_left()

    await until(forgotten, "the PBX forgets it", SETTLE_S)


@scene(lasts_s=40)
async def test_what_was_said_while_the_bridge_was_down_is_done_when_it_is_back(house: House) -> None:
    """Even if the call is over by then: a customer's objection, and a trainee's private call."""
    before = house.kept()
    for whose in ("customer", "agent"):
        async with house.stage() as stage:
            talking, calling = await stage.connect(await stage.agent(), await stage.customer())
            await filmed(house, 1 if whose == "customer" else 2)
            await stage.talk(1.0)
            await house.bridge.stop()
            recording = await sealed(house, before)
            await (calling.press(OBJECTION) if whose == "customer" else talking.press(PRIVATE))
            await goes_on(stage, talking, calling)
            assert await house.pbx.notes_left(), "a bridge that is down finds it"
            calling.hang_up()
            await talking.until_ended()
        await house.bridge.start()
        await nothing_left(house, before)
        assert house.is_gone(recording)
        await said_nothing_any_more(house)
        if whose == "customer":
            lists = house.bridge.state / "numbers/lists"
            assert "opted-out" in lists.read_text(), "it holds for the number's later calls too"
            lists.unlink()
        await house.until_connected()
        await house.until_listening()
    await house.ledger(OBJECTED, (ALICE, Outcome.DISCARDED, Reason.PRIVATE))


@scene(lasts_s=25)
async def test_a_private_call_after_a_restart_destroys_what_was_sealed_before(house: House) -> None:
    before = house.kept()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await filmed(house)
        await stage.talk(1.0)
        await house.bridge.stop()
        recording = await sealed(house, before)
        await house.bridge.start()
        await talking.press(PRIVATE)
        await nothing_left(house, before)
        assert house.is_gone(recording)
        calling.hang_up()
    await house.ledger((ALICE, Outcome.DISCARDED, Reason.PRIVATE))
    await house.until_connected()
    assert house.kept() == before
