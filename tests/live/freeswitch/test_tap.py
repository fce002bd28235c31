"""The tap on a real FreeSWITCH: both voices apart, exact time, spans and masks, and every way to lose a voice told."""

from __future__ import annotations

import asyncio
import audioop
import grp
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pytest

from pbx_bridge.app_pipes import prepare_pipes
from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.config_pbx import Freeswitch as Section
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch import recording
from pbx_bridge.telephony.freeswitch.link import FreeswitchLink
from pbx_bridge.telephony.freeswitch.pipes import Left, Pipes
from pbx_bridge.telephony.freeswitch.settings import EslSettings
from pbx_bridge.telephony.freeswitch.stereo import RATE
from pbx_bridge.telephony.freeswitch.taps import CODEC, Taps
from tests.freeswitch.voices import Voices, hertz, pcm
from tests.rig import sdp
from tests.rig.freeswitch import Freeswitch
from tests.rig.phone import Leg
from tests.rig.rtp_voices import tone as voice_of
from tests.rig.scenarios import AGENT_HERTZ, CUSTOMER_HERTZ, Stage

F = TypeVar("F", bound=Fact)
SECOND = 1_000_000_000
TONES = {"agent": AGENT_HERTZ, "customer": CUSTOMER_HERTZ}


class Line:
    """The product's side of one FreeSWITCH without any decision in it: facts and taps."""

    def __init__(self, pbx: Freeswitch) -> None:
        self.pbx = pbx
        self.facts: list[Fact] = []
        self._news = asyncio.Event()
        group = grp.getgrgid(Path(f"/proc/{pbx.pid}").stat().st_gid).gr_name
        section = Section(esl_secret_file=pbx.pipes, pipe_dir=pbx.pipes, group=group)
        prepare_pipes(section, "root")
        settings = EslSettings(pbx.socket.port, pbx.socket.password)
        self.link = FreeswitchLink(
            settings,
            self._hear,
            own_pipes=str(pbx.pipes),
            on_back=self._back,
            on_event=lambda event: self.taps.heard(event),
            more_events=(CODEC,),
        )
        self.taps = Taps(self.link.esl, Pipes(pbx.pipes))

    async def __aenter__(self) -> Self:
        self.taps.open()
        await self.link.start()
        await self.link.until_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.taps.close()
        await self.link.close()

    async def _back(self) -> None:
        await self.taps.end_left()

    def _hear(self, fact: Fact) -> None:
        self.taps.told(fact)
        self.facts.append(fact)
        self._news.set()

    async def until(self, kind: type[F], which: Callable[[F], bool] = lambda _: True) -> F:
        """The newest fact of this kind for which `which` holds, told or still to come."""
        async with asyncio.timeout(15):
            while not (found := [fact for fact in self.facts if isinstance(fact, kind) and which(fact)]):
                self._news.clear()
                await self._news.wait()
        return found[-1]

    async def connected(self, stage: Stage, extension: str = "101") -> tuple[ChannelId, Leg, Leg]:
        """The agent's channel in a call in which both talk, and the phones' legs."""
        customer, agent = await stage.customer(), await stage.agent()
        talking, calling = await stage.connect(agent, customer, extension)
        await self.until(facts.BridgeEntered)
        (channel,) = {
            fact.channel
            for fact in self.facts
            if isinstance(fact, facts.ChannelBorn) and fact.endpoint == self.pbx.endpoint("201")
        }
        return channel, talking, calling

    async def tapped(self, stage: Stage) -> tuple[Voices, Leg, Leg]:
        channel, talking, calling = await self.connected(stage)
        return await Voices(self.taps.tap()).start(channel), talking, calling

    async def recordings(self, leg: ChannelId) -> int:
        """How many run on it."""
        return len(re.findall("session_record", await self.pbx.api(f"uuid_buglist {leg}")))


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with Freeswitch.from_environment() as pbx, Line(pbx) as connected:
        yield connected
        await pbx.no_channels()
        assert os.listdir(pbx.pipes) == []


def heard_both(voices: Voices, since: int = 0) -> None:
    """Each party's own tone; FreeSWITCH fills in 20 ms of nothing where a packet came late."""
    for leg, tone in TONES.items():
        samples = pcm(voices.chunks[since:], leg)
        assert audioop.rms(samples, 2) > 3000, leg
        assert abs(hertz(samples) - tone) < 110, leg


async def test_both_voices_come_apart_soon_and_leave_nothing(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        channel, talking, calling = await line.connected(stage)
        began_ns = time.monotonic_ns()
        voices = await Voices(line.taps.tap()).start(channel)
        await voices.more(100)
        assert voices.chunks[0].arrived_ns - began_ns < SECOND // 4
        heard_both(voices, 20)
        await voices.tap.stop()
        assert await line.recordings(channel) == 0
        assert not talking.ended.is_set()
        assert calling.rtp.heard[-1].at_ns > time.monotonic_ns() - SECOND // 2
        talking.hang_up()
    assert voices.lost == []
    indices = [chunk.index for chunk in voices.chunks if chunk.leg == "agent"]
    assert indices == list(range(0, 160 * len(indices), 160))


async def test_time_is_exact_through_double_silence(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, calling = await line.tapped(stage)
        await voices.more(50)
        talking.rtp.muted = calling.rtp.muted = True
        await stage.talk(3.0)
        assert voices.lost == [], "phones that send nothing are no loss of the tap"
        talking.rtp.muted = calling.rtp.muted = False
        await voices.more(50)
        talking.hang_up()
        await voices.tap.stop()
    first, last = voices.chunks[0], voices.chunks[-1]
    span_ns = last.arrived_ns - first.arrived_ns
    assert abs(span_ns - (last.index - first.index) * SECOND // 8000) < SECOND // 10


async def test_nothing_of_a_hold_is_in_what_follows_it(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, _ = await line.tapped(stage)
        await voices.more(50)
        await talking.hold()
        await line.until(facts.Held)
        await stage.talk(2.5)
        before = len(voices.chunks)
        await talking.resume()
        await line.until(facts.Unheld)
        resumed_ns = time.monotonic_ns()
        await voices.more(60)
        after = voices.chunks[before:]
        assert next(chunk.index for chunk in after if chunk.leg == "agent") == 0
        assert after[0].arrived_ns - resumed_ns < SECOND // 4
        heard_both(voices, before + 40)
        talking.hang_up()
        await voices.tap.stop()
    assert voices.lost == []


async def test_nothing_is_heard_while_music_is_played_to_the_agent(line: Line) -> None:
    """The customer's hold: the agent hears music, and talks to nobody."""
    async with Stage(line.pbx) as stage:
        agent, talking, calling = await line.connected(stage)
        voices = await Voices(line.taps.tap()).start(agent)
        await voices.more(20)
        await calling.hold()
        await line.until(facts.Held, lambda fact: fact.channel == agent)
        await stage.talk(0.5)
        held = len(voices.chunks)
        await stage.talk(1.5)
        assert len(voices.chunks) == held
        await calling.resume()
        await line.until(facts.Unheld, lambda fact: fact.channel == agent)
        await voices.more(60)
        assert voices.chunks[held].index == 0
        heard_both(voices, held + 40)
        talking.hang_up()
        await voices.tap.stop()
    assert voices.lost == []


async def test_a_phone_that_changes_its_codec_keeps_time_and_pitch(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, _ = await line.tapped(stage)
        await voices.more(50)
        for codec in (sdp.G722, sdp.PCMU):
            changed = len(voices.chunks)
            await talking.change_codec(codec, voice_of(codec, AGENT_HERTZ))
            await voices.more(25)
            began, began_ns = len(voices.chunks), time.monotonic_ns()
            await voices.more(50)
            assert time.monotonic_ns() - began_ns > 0.8 * SECOND, "not faster than they speak"
            heard_both(voices, began)
            assert 0 in {chunk.index for chunk in voices.chunks[changed:]}, "a span of its own"
        talking.hang_up()
        await voices.tap.stop()
    assert voices.lost == []


@pytest.mark.parametrize("how", ["attended", "blind"])
async def test_a_recording_that_the_site_lets_follow_a_transfer_ends(line: Line, how: str) -> None:
    """`recording_follow_transfer`: FreeSWITCH hands ours on to the customer's leg, whom a colleague talks with then."""
    async with Stage(line.pbx) as stage:
        colleague = await stage.colleague()
        channel, talking, calling = await line.connected(stage)
        await line.pbx.api(f"uuid_setvar {channel} recording_follow_transfer true")
        voices = await Voices(line.taps.tap()).start(channel)
        await voices.more(20)
        if how == "blind":
            talking.transfer("202")
        else:
            consulting = await talking.phone.call("202").until_answered()  # type: ignore[attr-defined]
            talking.transfer_to(consulting)
        second = await (await colleague.next_call()).until_answered()
        await talking.until_ended()
        await stage.talk(0.7)
        customers = next(fact.channel for fact in line.facts if isinstance(fact, facts.ChannelBorn))
        assert await line.recordings(customers) == 0
        count = len(voices.chunks)
        await stage.talk(0.5)
        assert len(voices.chunks) == count
        await voices.tap.stop()
        assert not second.ended.is_set()
        calling.hang_up()
        await second.until_ended()


async def test_a_mask_silences_both_and_its_time_goes_on(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, _ = await line.tapped(stage)
        await voices.more(50)
        await voices.tap.pause()
        await voices.more(10)
        masked = await voices.more(30)
        for leg in TONES:
            assert audioop.rms(pcm(masked, leg), 2) == 0
        await voices.tap.resume()
        await voices.more(10)
        began = len(voices.chunks)
        await voices.more(50)
        heard_both(voices, began)
        talking.hang_up()
        await voices.tap.stop()
    indices = [chunk.index for chunk in voices.chunks if chunk.leg == "agent"]
    assert indices == list(range(0, 160 * len(indices), 160))


async def test_stopping_while_it_starts_leaves_nothing(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        channel, talking, _ = await line.connected(stage)
        for after_s in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04):
            voices = Voices(line.taps.tap())
            starting = asyncio.create_task(voices.start(channel))
            await stage.talk(after_s)
            await voices.tap.stop()
            await starting
            assert voices.lost == []
            assert await line.recordings(channel) == 0
        talking.hang_up()


async def test_a_hang_up_is_no_loss_and_a_leg_that_is_gone_is_refused(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        channel, talking, _ = await line.connected(stage)
        voices = await Voices(line.taps.tap()).start(channel)
        await voices.more(20)
        talking.hang_up()
        await line.until(facts.ChannelGone)
        await voices.tap.stop()
        assert voices.lost == []
        late = await Voices(line.taps.tap()).start(channel)
        assert late.lost == ["tap-refused"]
        await late.tap.stop()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("bypass_media", "tap-bypassed"),
        ("proxy_media", "tap-bypassed"),
        ("rtp_disable_hold", "tap-holds-hidden"),
    ],
)
async def test_a_call_that_cannot_be_recorded_as_it_should_says_why(line: Line, how: str, why: str) -> None:
    await line.pbx.api(f"global_setvar {how}=true")
    try:
        async with Stage(line.pbx) as stage:
            channel, talking, _ = await line.connected(stage)
            voices = await Voices(line.taps.tap()).start(channel)
            assert voices.lost == [why]
            await voices.tap.stop()
            talking.hang_up()
    finally:
        await line.pbx.api(f"global_setvar {how}=")


async def test_a_pbx_that_stands_still_is_told_within_two_seconds(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        voices, talking, _ = await line.tapped(stage)
        await voices.more(20)
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


async def test_a_reader_that_stalls_costs_the_call_nothing(line: Line) -> None:
    """A pipe holds two seconds; FreeSWITCH's own thread waits then, the call does not."""
    async with Stage(line.pbx) as stage:
        channel, talking, calling = await line.connected(stage)
        pipe = line.taps.pipes.make(channel)
        await recording.start(line.link.esl, channel, pipe.path)
        await stage.talk(5.0)
        for leg in (talking, calling):
            lately = [one for one in leg.rtp.heard if one.at_ns > time.monotonic_ns() - SECOND]
            assert len(lately) > 40, "fifty a second"
        came = bytearray()
        pipe.read(came.extend, lambda: None)
        await line.taps.end(Left(channel, pipe.path))
        await stage.talk(0.2)
        pipe.close()
        assert len(came) > 4.5 * 4 * RATE, "all that was said meanwhile"
        talking.hang_up()


async def test_a_reader_that_dies_costs_the_call_nothing_and_is_cleared_by_the_next(line: Line) -> None:
    async with Stage(line.pbx) as stage:
        channel, talking, calling = await line.connected(stage)
        pipe = line.taps.pipes.make(channel)
        pipe.read(lambda _: None, lambda: None)
        await recording.start(line.link.esl, channel, pipe.path)
        assert await line.recordings(channel) == 1
        assert pipe._open is not None
        asyncio.get_running_loop().remove_reader(pipe._open)
        os.close(pipe._open)  # as when the bridge is killed: the name stays
        await stage.talk(1.0)
        assert calling.rtp.heard[-1].at_ns > time.monotonic_ns() - SECOND // 2
        line.taps.open()
        await line.taps.end_left()
        assert await line.recordings(channel) == 0
        talking.hang_up()
