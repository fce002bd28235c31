"""The tap on a real Asterisk: exact time, either codec, and every way to lose a voice told in time."""

from __future__ import annotations

import asyncio
import audioop
import os
import signal
import time
import uuid

import pytest

from pbx_bridge.calls import facts
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.audio_server import AudioServer, Expected
from pbx_bridge.telephony.asterisk.settings import AriSettings
from pbx_bridge.telephony.asterisk.tap import TapServer
from tests.asterisk.line import Line, Voices
from tests.rig import scenarios, sdp
from tests.rig.phone import Leg
from tests.rig.scenarios import AGENT_HERTZ, CUSTOMER_HERTZ, Stage

SECOND = 1_000_000_000
LEGS = (("agent", AGENT_HERTZ), ("customer", CUSTOMER_HERTZ))


def loudness(pcm: bytes) -> int:
    return audioop.rms(pcm, 2)


def hertz(pcm: bytes, rate: int = 8000) -> float:
    """A pure tone's frequency, by its zero crossings."""
    return audioop.cross(pcm, 2) / 2 / (len(pcm) / 2 / rate)


async def tapped(
    line: Line, stage: Stage, *, agent: str = "201", extension: str = "171"
) -> tuple[Voices, Leg, Leg]:
    """A call in which both talk, and its tap."""
    customer = await stage.customer()
    talking, calling = await stage.connect(await stage.agent(agent), customer, extension)
    channel = await line.channel(f"PJSIP/{agent}")
    await line.until(facts.BridgeEntered, lambda fact: fact.channel == channel)
    return await line.tap(channel), talking, calling


def heard_both(voices: Voices, from_s: float = 1.0, to_s: float = 2.0) -> None:
    """Each leg has its tone there; what comes while the call is being ended has pauses."""
    for leg, tone in LEGS:
        rate = voices.of(leg)[0].rate
        pcm = voices.pcm(leg)[int(from_s * rate) * 2 : int(to_s * rate) * 2]
        assert loudness(pcm) > 4000, leg
        assert abs(hertz(pcm, rate) - tone) < 30, leg


async def test_first_voice_comes_within_a_fraction_of_a_second(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, _ = await tapped(line, stage)
        await voices.seconds(0.5)
        talking.hang_up()
        await line.pbx.no_channels()
        await voices.tap.stop()
    assert voices.chunks[0].arrived_ns - talking.answered_ns < SECOND // 2
    assert [chunk.index for chunk in voices.of("agent")] == [
        160 * number for number in range(len(voices.of("agent")))
    ]
    assert voices.lost == []


@pytest.mark.parametrize(
    ("codec", "extension"),
    [(sdp.PCMU_30MS, "171"), (sdp.G722, "171"), (sdp.OPUS, "171")],
    ids=["pcmu30", "g722", "opus"],
)
async def test_any_codec_of_the_phones(line: Line, codec: sdp.Codec, extension: str) -> None:
    async with Stage(line.pbx, codec=codec) as stage:
        voices, talking, _ = await tapped(line, stage, extension=extension)
        await voices.seconds(2.0)
        talking.hang_up()
        await line.pbx.no_channels()
        await voices.tap.stop()
    heard_both(voices)
    assert {chunk.rate for chunk in voices.chunks} == {8000}


async def test_direct_media_is_pulled_back(line: Line) -> None:
    """Without a notice: the key of an objection keeps the voices at the PBX from the start."""
    async with Stage(line.pbx) as stage:
        agent, customer = await stage.agent("205"), await stage.customer("directtrunk", ip="127.0.0.3")
        talking, calling = await stage.connect(agent, customer, "175")
        await stage.talk(0.5)
        assert calling.rtp.remote is not None
        assert calling.rtp.remote.address == talking.rtp.address
        voices = await line.tap(await line.channel("PJSIP/205"))
        await voices.seconds(2.0)
        assert calling.rtp.remote.address != talking.rtp.address
        talking.hang_up()
        await line.pbx.no_channels()
        await voices.tap.stop()
    heard_both(voices)


async def test_time_is_exact_through_double_silence(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, calling = await tapped(line, stage)
        await voices.seconds(1.0)
        talking.rtp.muted = calling.rtp.muted = True
        await stage.talk(2.0)
        talking.rtp.muted = calling.rtp.muted = False
        await voices.seconds(4.0)
        talking.hang_up()
        await line.pbx.no_channels()
        await voices.tap.stop()
    for leg, _ in LEGS:
        first, last = voices.of(leg)[0], voices.of(leg)[-1]
        span_ns = last.arrived_ns - first.arrived_ns
        assert abs(span_ns - (last.index - first.index) * SECOND // 8000) < SECOND // 10
        middle = voices.pcm(leg)[16000 * 3 // 2 : 16000 * 5 // 2]
        assert loudness(middle) < 100


async def test_a_held_customer_is_still_in_the_customers_leg(line: Line) -> None:
    """So whoever keeps the samples must drop them while the agent holds (P9): the tap does not know."""
    async with Stage(line.pbx) as stage:
        voices, talking, _ = await tapped(line, stage)
        await voices.seconds(0.5)
        await talking.hold()
        began = sum(len(chunk.pcm) for chunk in voices.of("customer"))
        await voices.seconds(2.5)
        assert loudness(voices.pcm("customer")[began + 8000 :]) > 1000
        talking.hang_up()
        await line.pbx.no_channels()
        await voices.tap.stop()


async def test_stopping_in_mid_call_ends_it_at_once_and_leaves_nothing(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, calling = await tapped(line, stage)
        await voices.seconds(0.5)
        stopping = asyncio.create_task(voices.tap.stop())
        await asyncio.sleep(0)
        count = len(voices.chunks)
        await stopping
        await stage.talk(0.3)
        assert len(voices.chunks) == count
        assert sorted(name.split("-")[0] for name in await line.pbx.channels()) == [
            "PJSIP/201",
            "PJSIP/trunk",
        ]
        assert calling.rtp.heard[-1].at_ns > time.monotonic_ns() - SECOND // 2
        talking.hang_up()
        await line.pbx.no_channels()
    assert voices.lost == []


async def test_stopping_before_it_began_leaves_nothing(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        talking, _ = await stage.connect(await stage.agent(), await stage.customer(), "171")
        for pause_s in (0.0, 0.001, 0.002, 0.004, 0.008):
            voices = Voices(line.taps.tap())
            starting = asyncio.create_task(
                voices.tap.start(await line.channel("PJSIP/201"), voices.chunk, voices.lost.append)
            )
            await asyncio.sleep(pause_s)
            await voices.tap.stop()
            await starting
            assert voices.lost == []
        async with asyncio.timeout(3):
            while len(await line.pbx.channels()) > 2:  # noqa: ASYNC110 - the command line has no events
                await asyncio.sleep(0.05)
        talking.hang_up()
        await line.pbx.no_channels()


async def test_a_bridge_that_ends_leaves_nothing(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, calling = await tapped(line, stage)
        await voices.seconds(0.5)
        await line.taps.close()
        async with asyncio.timeout(3):
            while len(await line.pbx.channels()) > 2:  # noqa: ASYNC110 - the command line has no events
                await asyncio.sleep(0.05)
        assert not calling.ended.is_set()
        talking.hang_up()
        await line.pbx.no_channels()


async def test_a_channel_that_is_gone_is_refused_and_told(line: Line) -> None:
    voices = await line.tap(ChannelId("1795465148.999"))
    assert voices.lost == ["tap-refused"]
    await voices.tap.stop()


async def test_a_wrong_password_is_told(line: Line) -> None:
    taps = TapServer(AriSettings(f"http://127.0.0.1:{line.pbx.ports.http}", "pbxb", "wrong"))
    await taps.start()
    voices = Voices(taps.tap())
    await voices.tap.start(ChannelId("1.2"), voices.chunk, voices.lost.append)
    assert voices.lost == ["tap-refused"]
    assert not taps.ari.is_up
    await taps.close()


async def test_audio_that_never_comes_is_told_within_two_seconds(line: Line) -> None:
    """The dialplan sends it to a port where nobody listens."""
    assert line.heartbeat is not None
    await line.heartbeat.close()
    await line.link.setvar(None, "PBXB_TAP", "127.0.0.1:9")
    async with Stage(line.pbx) as stage:
        voices, talking, calling = await tapped(line, stage)
        began_ns = time.monotonic_ns()
        await voices.until_lost()
        assert time.monotonic_ns() - began_ns < 2 * SECOND
        assert voices.lost == ["audio-never-came"]
        assert calling.rtp.heard[-1].at_ns > time.monotonic_ns() - SECOND // 2
        await voices.tap.stop()
        talking.hang_up()
        await line.pbx.no_channels()


async def test_a_pbx_that_stands_still_is_told_within_two_seconds(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, _ = await tapped(line, stage)
        await voices.seconds(0.5)
        os.kill(line.pbx.pid, signal.SIGSTOP)
        began_ns = time.monotonic_ns()
        try:
            await voices.until_lost()
            assert time.monotonic_ns() - began_ns < 2 * SECOND
            assert voices.lost == ["audio-stopped"]
        finally:
            os.kill(line.pbx.pid, signal.SIGCONT)
        await voices.tap.stop()
        talking.hang_up()
        await line.pbx.no_channels()


async def test_somebody_ending_the_snoop_is_told(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, _ = await tapped(line, stage)
        await voices.seconds(0.5)
        snoop = next(name for name in await line.pbx.channels() if name.startswith("Snoop/"))
        await line.pbx.cli(f"channel request hangup {snoop}")
        await voices.until_lost()
        assert voices.lost == ["audio-stopped"]
        await voices.tap.stop()
        talking.hang_up()
        await line.pbx.no_channels()


async def test_asterisk_killed_is_told(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, _, _ = await tapped(line, stage)
        await voices.seconds(0.5)
        await line.pbx.killed()
        await voices.until_lost()
    assert voices.lost == ["audio-stopped"]


async def test_the_foreign_recorder_is_told_and_ours_is_not(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        customer = await stage.customer()
        talking, _ = await stage.connect(await stage.agent(), customer, "151")
        agents = await line.channel("PJSIP/201")
        voices = await line.tap(agents)
        await voices.seconds(0.2)
        assert {fact.channel for fact in line.all(facts.ForeignRecorder)} == {agents}
        await voices.tap.stop()
        talking.hang_up()
    async with Stage(line.pbx) as stage:
        line.facts.clear()
        await scenarios.agent_hangs_up(stage, 0.2, "171")
    assert line.all(facts.ForeignRecorder) == []


async def test_two_calls_keep_their_voices_apart(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        agent, colleague, customer = await stage.agent(), await stage.colleague(), await stage.customer()
        first, _ = await stage.connect(agent, customer, "171")
        second, _ = await stage.connect(colleague, customer, "102")
        mine = await line.tap(await line.channel("PJSIP/201"))
        theirs = await line.tap(await line.channel("PJSIP/202"))
        await mine.seconds(2.0)
        await theirs.seconds(2.0)
        first.hang_up()
        second.hang_up()
        await line.pbx.no_channels()
        await mine.tap.stop()
        await theirs.tap.stop()
    heard_both(mine)
    assert abs(hertz(theirs.pcm("agent")[16000:32000]) - scenarios.OTHER_HERTZ) < 30


# ---------------------------------------------------------------- strangers on the audio port


async def _closed(reader: asyncio.StreamReader, within_s: float) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), within_s) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\x10" + uuid.uuid4().bytes, b"\x10\x00\x02\0\0", b"\x01\xff\xff"],
    ids=["http", "unknown id", "audio first", "too long"],
)
async def test_a_stranger_is_closed_at_once(said: bytes) -> None:
    server = AudioServer()
    await server.start()
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    assert await _closed(reader, 0.5)
    writer.close()
    await server.close()


async def test_one_who_says_nothing_is_closed_after_a_second() -> None:
    server = AudioServer()
    await server.start()
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await _closed(reader, 2.0)
    writer.close()
    await server.close()


async def test_an_id_is_good_for_one_connection() -> None:
    server = AudioServer()
    await server.start()
    name, got = uuid.uuid4(), list[bytes]()
    server.expect(name, Expected(lambda pcm, _rate, _at: got.append(pcm), lambda: None))
    host, port = server.address.split(":")
    hello = b"\x01\x00\x10" + name.bytes
    _, first = await asyncio.open_connection(host, int(port))
    first.write(hello)
    await first.drain()
    await asyncio.sleep(0.05)
    reader, second = await asyncio.open_connection(host, int(port))
    second.write(hello + b"\x10\x00\x02\1\1")
    assert await _closed(reader, 0.5)
    assert got == []
    first.close()
    second.close()
    await server.close()
