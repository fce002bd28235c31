"""The caller's notice on a real Asterisk: heard, objected, skipped; and no state of the bridge makes a caller wait
(P16).

The promise: a bridge that is down, stopped, hung or lying never delays a ringing or answered call, holds a caller who
is already in the notice for two seconds at most, and never leads to a NoticeHeard.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pbx_bridge.calls import facts
from pbx_bridge.telephony.asterisk.ami import AmiLink
from pbx_bridge.telephony.asterisk.notice_server import KEY_WAIT_S
from pbx_bridge.telephony.asterisk.settings import AmiSettings
from tests.asterisk.line import Line, text_hash
from tests.rig import asterisk_sounds
from tests.rig.asterisk import Asterisk
from tests.rig.phone import OnRing
from tests.rig.scenarios import Stage

SECOND = 1_000_000_000
HELD_NS = 2 * SECOND
AT_ONCE_NS = SECOND // 2
"""From the INVITE to the agent's ringing when nobody is asked: 10 ms on a calm machine."""


async def ringing_after(stage: Stage, extension: str = "101") -> int:
    """Nanoseconds from the caller's INVITE to the agent's."""
    agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
    calling = customer.call(extension)
    ringing = await agent.next_call(20)
    return ringing.invited_ns - calling.invited_ns


# ---------------------------------------------------------------- the dialogue


async def test_the_notice_is_heard_to_its_end_before_it_rings(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        waited_ns = await ringing_after(stage)
        heard = await line.until(facts.NoticeHeard)
    assert heard.channel == await line.channel("PJSIP/trunk")
    assert heard.notice == text_hash("en")
    assert waited_ns > line.notice_s["en"] * SECOND


async def test_the_site_may_choose_the_language(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        await ringing_after(stage, "111")
        assert (await line.until(facts.NoticeHeard)).notice == text_hash("fr")


async def test_nine_objects_at_once_and_the_call_goes_on(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer()
        calling = await customer.call("101").until_answered()
        await stage.talk(0.3)
        await calling.press("9")
        pressed_ns = time.monotonic_ns()
        talking = await agent.next_call(20)
        assert talking.invited_ns - pressed_ns < SECOND
        await talking.until_answered()
        objected = await line.until(facts.CallerObjected)
        assert objected.channel == await line.channel("PJSIP/trunk")
    assert line.all(facts.NoticeHeard) == []


async def test_nine_after_the_last_word_objects_too(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        await stage.agent()
        customer = await stage.customer()
        calling = await customer.call("101").until_answered()
        await stage.talk(line.notice_s["en"] + 0.3)
        await calling.press("9")
        await line.until(facts.CallerObjected)
    assert line.all(facts.NoticeHeard) == []


async def test_another_key_changes_nothing(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        await stage.agent()
        customer = await stage.customer()
        calling = await customer.call("101").until_answered()
        await calling.press("1#")
        await line.until(facts.NoticeHeard)
    assert line.all(facts.CallerObjected) == []


async def test_hanging_up_in_the_notice_is_no_notice(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        customer = await stage.customer()
        calling = await customer.call("101").until_answered()
        await stage.talk(0.3)
        calling.hang_up()
        await line.gone(await line.channel("PJSIP/trunk"))
        await line.pbx.no_channels()
    assert line.all(facts.NoticeHeard) == []


async def test_a_sound_that_is_missing_is_no_notice_and_no_delay(line: Line) -> None:
    (line.pbx.sounds / "pbxb/notice-en.wav").unlink()
    async with Stage(line.pbx) as stage:
        assert await ringing_after(stage) < HELD_NS
        await line.until_quiet()
    assert line.all(facts.NoticeHeard) == []


async def test_a_never_recorded_line_is_told(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        await ringing_after(stage, "161")
        assert (await line.until(facts.NeverRecord)).channel == await line.channel("PJSIP/trunk")


# ---------------------------------------------------------------- outbound


async def outbound_call(
    line: Line, *, drawn: bool, meanwhile: Callable[[Stage], Awaitable[None]] | None = None
) -> int:
    """Nanoseconds from the customer's answer to the agent's; the bridge draws while it rings."""
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent(), await stage.customer(on_ring=OnRing.RING)
        calling = agent.call("00612345678")
        ringing = await customer.next_call()
        customers = await line.channel("PJSIP/trunk")
        stage.truth.customer.append(ringing)
        if drawn:
            await line.link.setvar(customers, "PBXB_SOUND", "pbxb/notice-en")
            await line.link.setvar(customers, "PBXB_NOTICE", text_hash("en"))
            await line.link.setvar(customers, "PBXB_DRAWN", line.token)
        ringing.answer()
        if meanwhile is not None:
            await meanwhile(stage)
        await calling.until_answered(20)
        calling.hang_up()
        await line.gone(customers)
        return calling.answered_ns - ringing.answered_ns


async def test_a_drawn_outbound_call_plays_the_notice_to_the_customer_before_the_bridge(line: Line) -> None:
    waited_ns = await outbound_call(line, drawn=True)
    customers = await line.channel("PJSIP/trunk")
    heard = line.all(facts.NoticeHeard)
    assert [(fact.channel, fact.notice) for fact in heard] == [(customers, text_hash("en"))]
    entered = next(fact for fact in line.all(facts.BridgeEntered) if fact.channel == customers)
    assert line.facts.index(heard[0]) < line.facts.index(entered)
    assert waited_ns > line.notice_s["en"] * SECOND


async def test_an_outbound_call_that_was_not_drawn_is_not_delayed(line: Line) -> None:
    assert await outbound_call(line, drawn=False) < AT_ONCE_NS
    assert line.all(facts.NoticeHeard) == []


async def test_the_customer_may_object_outbound(line: Line) -> None:
    async def nine(stage: Stage) -> None:
        await stage.talk(0.3)
        await stage.truth.customer[0].press("9")

    await outbound_call(line, drawn=True, meanwhile=nine)
    assert [fact.channel for fact in line.all(facts.CallerObjected)] == [await line.channel("PJSIP/trunk")]
    assert line.all(facts.NoticeHeard) == []


async def test_another_key_changes_nothing_outbound(line: Line) -> None:
    async def keys(stage: Stage) -> None:
        await stage.talk(0.3)
        await stage.truth.customer[0].press("#*1")

    waited_ns = await outbound_call(line, drawn=True, meanwhile=keys)
    assert waited_ns > line.notice_s["en"] * SECOND
    assert len(line.all(facts.NoticeHeard)) == 1
    assert line.all(facts.CallerObjected) == []


async def test_nine_after_the_last_word_objects_outbound(line: Line) -> None:
    async def nine(stage: Stage) -> None:
        await stage.talk(line.notice_s["en"] + 0.3)
        await stage.truth.customer[0].press("9")

    await outbound_call(line, drawn=True, meanwhile=nine)
    assert len(line.all(facts.CallerObjected)) == 1
    assert line.all(facts.NoticeHeard) == []


async def test_no_key_of_a_notice_is_in_the_log(line: Line) -> None:
    """P7; the log is at the verbosity of Asterisk's own sample configuration."""

    async def keys(stage: Stage) -> None:
        await stage.talk(0.3)
        await stage.truth.customer[0].press("79")

    await outbound_call(line, drawn=True, meanwhile=keys)
    async with Stage(line.pbx) as stage:
        await stage.agent()
        calling = await (await stage.customer()).call("101").until_answered()
        await stage.talk(0.3)
        await calling.press("79")
        await line.until(facts.CallerObjected, lambda fact: fact != line.all(facts.CallerObjected)[0])
    assert "ControlPlayback" in line.pbx.log
    assert not re.search(r"(?i)dtmf|entered|digit '?[0-9]|'[79]'", line.log_of_calls)


async def test_a_site_may_choose_another_key(pbx: Asterisk) -> None:
    """In both directions; the usual one says nothing then."""

    async def keys(stage: Stage) -> None:
        await stage.talk(0.3)
        await stage.truth.customer[0].press("95")

    async with Line(pbx, key="5") as line:
        await outbound_call(line, drawn=True, meanwhile=keys)
        assert len(line.all(facts.CallerObjected)) == 1
        async with Stage(line.pbx) as stage:
            await stage.agent()
            calling = await (await stage.customer()).call("101").until_answered()
            await stage.talk(0.3)
            await calling.press("9")
            await line.until(facts.NoticeHeard)
            assert len(line.all(facts.CallerObjected)) == 1
        async with Stage(line.pbx) as stage:
            await stage.agent()
            calling = await (await stage.customer()).call("101").until_answered()
            await stage.talk(0.3)
            await calling.press("5")
            await line.until(facts.CallerObjected, lambda fact: fact != line.all(facts.CallerObjected)[0])


async def test_an_outbound_notice_without_sound_is_none(line: Line) -> None:
    (line.pbx.sounds / "pbxb/notice-en.wav").unlink()
    assert await outbound_call(line, drawn=True) < HELD_NS
    assert line.all(facts.NoticeHeard) == []


# ---------------------------------------------------------------- a bridge that is not there, or not well


@asynccontextmanager
async def bridge(pbx: Asterisk) -> AsyncIterator[asyncio.subprocess.Process]:
    pbx.speak("pbxb/notice-en", "en", asterisk_sounds.NOTICES["en"], words_per_minute=400)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.asterisk.bridge_process", str(pbx.ports.ami), pbx.ami_secret,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 20)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def listening(pbx: Asterisk) -> AsyncIterator[list[facts.Fact]]:
    """A second AMI link that only looks."""
    told: list[facts.Fact] = []
    link = AmiLink(AmiSettings(port=pbx.ports.ami, secret=pbx.ami_secret), told.append)
    await link.start()
    await asyncio.wait_for(link.until_up(), 10)
    yield told
    await link.getvar(None, "PBXB_ALIVE")
    await link.close()


def notices(told: list[facts.Fact]) -> list[facts.Fact]:
    return [fact for fact in told if isinstance(fact, facts.NoticeHeard)]


async def test_the_bridge_process_speaks_the_notice(pbx: Asterisk) -> None:
    """The control: what the others must not do, this one does."""
    async with bridge(pbx), listening(pbx) as told, Stage(pbx) as stage:
        await ringing_after(stage)
    assert len(notices(told)) == 1


async def test_without_a_bridge_it_rings_at_once(pbx: Asterisk) -> None:
    async with listening(pbx) as told, Stage(pbx) as stage:
        assert await ringing_after(stage) < AT_ONCE_NS
    assert notices(told) == []


async def test_a_bridge_killed_a_moment_ago_delays_nobody(pbx: Asterisk) -> None:
    async with listening(pbx) as told, Stage(pbx) as stage, bridge(pbx) as process:
        process.kill()
        await process.wait()
        assert await ringing_after(stage) < AT_ONCE_NS
    assert notices(told) == []


async def stop(process: asyncio.subprocess.Process) -> None:
    os.kill(process.pid, signal.SIGSTOP)


async def hang(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"hang\n")
    await process.stdin.drain()


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()


@pytest.mark.parametrize("ill", [stop, hang, kill])
async def test_a_caller_who_comes_to_an_ill_bridge_is_held_two_seconds_at_most(
    pbx: Asterisk, ill: Callable[[asyncio.subprocess.Process], Awaitable[None]]
) -> None:
    async with bridge(pbx) as process, listening(pbx) as told, Stage(pbx) as stage:
        await ill(process)
        assert await ringing_after(stage) < HELD_NS
    assert notices(told) == []


@pytest.mark.parametrize("ill", [stop, hang, kill])
async def test_a_caller_in_the_notice_is_freed_two_seconds_after_it_ends(
    pbx: Asterisk, ill: Callable[[asyncio.subprocess.Process], Awaitable[None]]
) -> None:
    async with bridge(pbx) as process, listening(pbx) as told, Stage(pbx) as stage:
        agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
        calling = await customer.call("101").until_answered()
        await stage.talk(0.3)
        await ill(process)
        ill_ns = time.monotonic_ns()
        ringing = await agent.next_call(20)
        playing_ns = 6 * SECOND  # the sound and the wait for a key run on in the PBX
        assert ringing.invited_ns - ill_ns < playing_ns + HELD_NS
        assert not calling.ended.is_set()
    assert notices(told) == []


async def test_a_pbx_that_restarts_gets_the_heartbeat_back(line: Line) -> None:
    await line.pbx.killed()
    line.facts.clear()
    await line.pbx.start()
    await line.until(facts.LinkUp)
    async with asyncio.timeout(5):
        while not await line.link.getvar(None, "PBXB_ALIVE"):  # noqa: ASYNC110 - a global tells nobody
            await asyncio.sleep(0.05)
    async with Stage(line.pbx) as stage:
        await ringing_after(stage)
        await line.until(facts.NoticeHeard)


async def test_without_a_watchdog_the_heartbeat_stops(line: Line) -> None:
    """Nobody would free a caller from a bridge that hangs."""
    await line.watchdog.close()
    async with asyncio.timeout(5):
        while int((await line.link.getvar(None, "PBXB_ALIVE"))[:10]) > time.time():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)
    async with Stage(line.pbx) as stage:
        assert await ringing_after(stage) < AT_ONCE_NS


async def test_a_stopped_bridge_delays_no_call_that_rings_or_talks(pbx: Asterisk) -> None:
    async with bridge(pbx) as process, Stage(pbx) as stage:
        agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
        first = customer.call("101")
        ringing = await agent.next_call(20)
        await stop(process)
        ringing.answer()
        answered_ns = time.monotonic_ns()
        await stage.talk(0.5)
        heard = [packet for packet in first.rtp.heard if packet.at_ns > answered_ns + AT_ONCE_NS // 2]
        assert heard
        ringing.hang_up()
        await first.until_ended(2)


async def test_a_slow_bridge_holds_nobody_for_more_than_two_seconds(pbx: Asterisk) -> None:
    """It runs for 0.1 s, stands still for 0.8 s, again and again: too quick for its watchdog."""
    async with bridge(pbx) as process, listening(pbx), Stage(pbx) as stage:
        sound_s = pbx.speak("pbxb/notice-en", "en", asterisk_sounds.NOTICES["en"], words_per_minute=400)

        async def slow() -> None:
            while True:
                os.kill(process.pid, signal.SIGSTOP)
                await asyncio.sleep(0.8)
                os.kill(process.pid, signal.SIGCONT)
                await asyncio.sleep(0.1)

        slowing = asyncio.create_task(slow())
        waited_ns = await ringing_after(stage)
        slowing.cancel()
        os.kill(process.pid, signal.SIGCONT)
    assert waited_ns < (sound_s + KEY_WAIT_S) * SECOND + HELD_NS


async def test_an_expired_heartbeat_is_not_asked(pbx: Asterisk) -> None:
    """The server would accept and never answer; nobody connects to it."""
    asked = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await pbx.act(Action="Setvar", Variable="PBXB_AGI", Value=f"127.0.0.1:{port}")
    for value in (
        f"{int(time.time()) - 1}:{'a' * 32}",
        f"{int(time.time()) + 60}",
        "",
        "x" * 43,
        f"{'9' * 10}:{'a' * 31}",
    ):
        await pbx.act(Action="Setvar", Variable="PBXB_ALIVE", Value=value)
        async with Stage(pbx) as stage:
            assert await ringing_after(stage) < AT_ONCE_NS, value
    assert not asked.is_set()
    server.close()


@pytest.mark.parametrize(
    "lies",
    [
        [],
        ["SET VARIABLE PBXB_RESULT heard-"],
        ["SET VARIABLE PBXB_RESULT heard-" + "b" * 32 + "-0123abcd"],
        ["NONSENSE", "SET VARIABLE PBXB_RESULT " + "x" * 900],
    ],
)
async def test_a_liar_on_the_port_is_not_believed(pbx: Asterisk, lies: list[str]) -> None:
    """Without the heartbeat's token nobody can say that a notice was heard."""

    async def lying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            pass
        for lie in lies:
            writer.write(lie.encode() + b"\n")
            await reader.readline()
        writer.close()

    server = await asyncio.start_server(lying, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await pbx.act(Action="Setvar", Variable="PBXB_AGI", Value=f"127.0.0.1:{port}")
    await pbx.act(Action="Setvar", Variable="PBXB_ALIVE", Value=f"{int(time.time()) + 60}:{'a' * 32}")
    async with listening(pbx) as told, Stage(pbx) as stage:
        assert await ringing_after(stage) < HELD_NS
    assert notices(told) == []
    server.close()
