"""The tap against the double, which writes into the pipe for real: spans, masks, and every way to lose a voice in time."""

from __future__ import annotations

import asyncio
import audioop
import os
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pbx_bridge.calls import facts
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_codec import PlainEvent
from pbx_bridge.telephony.freeswitch.pipes import Pipes
from pbx_bridge.telephony.freeswitch.recording import WANTED
from pbx_bridge.telephony.freeswitch.taps import Taps
from tests.freeswitch.hearing import Hearing, linked
from tests.freeswitch.voices import LEG, Voices, hertz, pcm
from tests.rig.esl_double import EslDouble
from tests.rig.esl_recorder import AGENT_HERTZ, CUSTOMER_HERTZ

SECOND = 1_000_000_000
P10_NS = 2 * SECOND


def lying(folder: Path) -> list[Path]:
    """What is in the folder now."""
    return sorted(folder.iterdir())


def removed(folder: Path) -> None:
    folder.rmdir()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pipes").mkdir()
    return tmp_path / "pipes"


@asynccontextmanager
async def tapping(pbx: EslDouble, folder: Path) -> AsyncIterator[Taps]:
    async with linked(pbx.port, Hearing()) as link:
        taps = Taps(link, Pipes(folder))
        taps.open()
        yield taps
        await taps.close()


async def test_both_voices_come_apart_and_counted_and_nothing_lies_on_a_disk(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.more(50)
        (pipe,) = lying(folder)
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert stat.S_IMODE(pipe.stat().st_mode) == 0o620
        assert pbx.recorder.running[str(pipe)].wanted == WANTED
        await voices.tap.stop()
        assert lying(folder) == []
    for leg, tone in (("agent", AGENT_HERTZ), ("customer", CUSTOMER_HERTZ)):
        assert abs(hertz(pcm(voices.chunks, leg)) - tone) < 10
        indices = [chunk.index for chunk in voices.chunks if chunk.leg == leg]
        assert indices == list(range(0, 160 * len(indices), 160))
    assert voices.lost == []
    assert pbx.recorder.faults == []


async def test_no_sample_comes_after_stop_was_called(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.more()
        stopping = asyncio.create_task(voices.tap.stop())
        await asyncio.sleep(0)
        count = len(voices.chunks)
        await stopping
        assert len(voices.chunks) == count
        assert [asked.split()[0] for asked in pbx.recorder.asked] == ["start", "stop"]
        assert pbx.recorder.running == {}


async def test_stopping_while_it_starts_leaves_nothing(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        for turns in range(6):
            voices = Voices(taps.tap())
            starting = asyncio.create_task(voices.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            await voices.tap.stop()
            await starting
            assert voices.lost == []
            assert pbx.recorder.running == {}
            assert lying(folder) == []


async def test_a_hold_ends_a_span_and_the_next_counts_from_its_own_beginning(folder: Path) -> None:
    """FreeSWITCH loses the time of a hold: nothing of one span may be counted on in the next."""
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.more()
        taps.told(facts.Held(time.monotonic_ns(), LEG))
        await voices.tap.pause()
        await pbx.until_told("bgapi uuid_record", 2)
        assert pbx.recorder.running == {}
        taps.told(facts.Unheld(time.monotonic_ns(), LEG))
        await voices.tap.resume()
        after = await voices.more()
        assert 0 in [chunk.index for chunk in after]
        assert hertz(pcm(after[after.index(next(one for one in after if one.index == 0)) :], "agent")) > 300
        words = [asked.split()[0] for asked in pbx.recorder.asked]
        assert words == ["start", "stop", "start"]
        first, _, second = (asked.split()[1] for asked in pbx.recorder.asked)
        assert first != second
        await voices.tap.stop()
    assert voices.lost == []


async def test_a_hold_that_came_before_the_taps_first_step_is_known(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        taps.told(facts.Held(time.monotonic_ns(), LEG))
        voices = await Voices(taps.tap()).start()
        assert pbx.recorder.asked == []
        taps.told(facts.Unheld(time.monotonic_ns(), LEG))
        await voices.more()
        await voices.tap.stop()
        taps.told(facts.Held(time.monotonic_ns(), LEG))
        taps.told(facts.ChannelGone(time.monotonic_ns(), LEG, 16))
        again = await Voices(taps.tap()).start()
        await again.more()
        await again.tap.stop()


async def test_a_long_hold_is_no_loss(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.more()
        taps.told(facts.Held(time.monotonic_ns(), LEG))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.2):
                await voices.until_lost()
        assert voices.lost == []
        await voices.tap.stop()


async def test_the_holds_of_others_change_nothing(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        taps.told(facts.Held(time.monotonic_ns(), ChannelId("the customer's")))
        await voices.more()
        assert len(pbx.recorder.running) == 1
        await voices.tap.stop()


async def test_in_a_pause_freeswitch_itself_leaves_the_voices_out_and_its_time_goes_on(folder: Path) -> None:
    """P7: a payment."""
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        assert audioop.rms(pcm(await voices.more(), "customer"), 2) > 1000
        await voices.tap.pause()
        await pbx.until_told("api uuid_record")
        await voices.more(2)
        quiet = await voices.more()
        for leg in ("agent", "customer"):
            assert audioop.rms(pcm(quiet, leg), 2) == 0
        await voices.tap.resume()
        await pbx.until_told("api uuid_record", 2)
        await voices.more(2)
        assert audioop.rms(pcm(await voices.more(), "customer"), 2) > 1000
        await voices.tap.stop()
    assert [asked.split()[0] for asked in pbx.recorder.asked] == ["start", "mask", "unmask", "stop"]
    indices = [chunk.index for chunk in voices.chunks if chunk.leg == "agent"]
    assert indices == list(range(0, 160 * len(indices), 160))


async def test_a_hold_inside_a_payment_comes_back_masked(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.tap.pause()
        await pbx.until_told("api uuid_record")
        taps.told(facts.Held(time.monotonic_ns(), LEG))
        await pbx.until_told("bgapi uuid_record", 2)
        taps.told(facts.Unheld(time.monotonic_ns(), LEG))
        await pbx.until_told("api uuid_record", 2)
        assert [one.masked for one in pbx.recorder.running.values()] == [True]
        await voices.tap.stop()


async def test_a_mask_that_cannot_be_taken_off_ends_it(folder: Path) -> None:
    """Silence for a voice would be a recording that lies."""
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.tap.pause()
        await pbx.until_told("api uuid_record")
        (path,) = pbx.recorder.running
        pbx.answers[f"uuid_record {LEG} unmask {path}"] = "-ERR Cannot unmask recording session!\n"
        await voices.tap.resume()
        await voices.until_lost()
        assert voices.lost == ["tap-refused"]
        await voices.tap.stop()


# ---------------------------------------------------------------- every way to lose a voice


async def lost_within(voices: Voices, since_ns: int) -> str:
    await voices.until_lost()
    assert time.monotonic_ns() - since_ns < P10_NS
    (why,) = voices.lost
    return why


async def test_a_refusal_is_told(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.recorder.refuses = True
        pbx.answers["json"] = STATS.format(audio='{"audio":{"in_packet_count":12}}')
        voices = await Voices(taps.tap()).start()
        assert voices.lost == ["tap-refused"]
        await voices.tap.stop()
        assert lying(folder) == []


STATS = '{{"command":"mediaStats","data":{{"uuid":"x"}},"status":"success","response":{audio}}}\n'


async def test_voices_that_bypass_the_pbx_are_told_by_their_own_word(folder: Path) -> None:
    """A recording of them would begin all the same, with silence: it is not asked for."""
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.answers["json"] = STATS.format(audio="{}")
        voices = await Voices(taps.tap()).start()
        assert voices.lost == ["tap-bypassed"]
        assert pbx.recorder.asked == []
        assert voices.chunks == []
        await voices.tap.stop()


@pytest.mark.parametrize(
    ("name", "word", "why"),
    [
        ("bypass_media", "true", "tap-bypassed"),
        ("bypass_media_after_bridge", "true", "tap-bypassed"),
        ("proxy_media", "yes", "tap-bypassed"),
        ("rtp_disable_hold", "true", "tap-holds-hidden"),
    ],
)
@pytest.mark.parametrize("whose", [LEG, "its-partner"])
async def test_voices_that_are_about_to_bypass_the_pbx_are_not_waited_for_nor_holds_nobody_tells(
    folder: Path, whose: str, name: str, word: str, why: str
) -> None:
    """The media still flow when the two were joined, after a notice."""
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.answers["json"] = STATS.format(audio='{"audio":{"in_packet_count":12}}')
        pbx.answers[f"uuid_getvar {LEG} signal_bond"] = "its-partner"
        pbx.answers[f"uuid_getvar {whose} {name}"] = word
        voices = await Voices(taps.tap()).start()
        assert voices.lost == [why]
        assert pbx.recorder.asked == []
        await voices.tap.stop()


async def test_a_leg_that_is_gone_is_told(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.recorder.refuses = True
        pbx.answers["json"] = '{"status":"error","response":{"response":"Session does not exist"}}\n'
        voices = await Voices(taps.tap()).start()
        assert voices.lost == ["tap-refused"]
        await voices.tap.stop()


@pytest.mark.parametrize(
    ("frames", "closes", "why"),
    [
        (0, False, "audio-never-came"),
        (0, True, "audio-stopped"),
        (20, False, "audio-stopped"),
        (20, True, "audio-stopped"),
    ],
    ids=["never writes", "closes at once", "dries up", "closes later"],
)
async def test_voices_that_fail_are_told_within_two_seconds(
    folder: Path, frames: int, closes: bool, why: str
) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.recorder.frames, pbx.recorder.closes = frames, closes
        voices = Voices(taps.tap())
        began_ns = time.monotonic_ns()
        await voices.start()
        assert await lost_within(voices, began_ns + frames * SECOND // 50) == why
        await voices.tap.stop()
        assert lying(folder) == []
        assert [asked.split()[0] for asked in pbx.recorder.asked][-1] == "stop"


async def test_voices_that_come_late_but_in_time_are_no_loss(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.recorder.late_s = 1.0
        voices = await Voices(taps.tap()).start()
        await voices.more()
        assert voices.lost == []
        await voices.tap.stop()


async def test_a_command_that_is_never_answered_is_told_in_time_too(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.mute.add("bgapi uuid_record")
        voices = Voices(taps.tap())
        began_ns = time.monotonic_ns()
        starting = asyncio.create_task(voices.start())
        assert await lost_within(voices, began_ns) == "audio-never-came"
        pbx.cut()
        await starting
        await voices.tap.stop()


async def test_a_resumed_call_that_stays_mute_is_told(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.more()
        taps.told(facts.Held(time.monotonic_ns(), LEG))
        await pbx.until_told("bgapi uuid_record", 2)
        pbx.recorder.frames = 0
        began_ns = time.monotonic_ns()
        taps.told(facts.Unheld(began_ns, LEG))
        assert await lost_within(voices, began_ns) == "audio-never-came"
        await voices.tap.stop()


async def test_a_folder_that_is_gone_is_told(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        removed(folder)
        voices = await Voices(taps.tap()).start()
        assert voices.lost == ["tap-no-pipe"]
        await voices.tap.stop()


@pytest.mark.parametrize("leg", ["../../etc/x", "a/b", ".hidden", "x" * 65, "two words"])
async def test_a_leg_whose_id_is_no_file_name_gets_no_pipe(folder: Path, leg: str) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start(ChannelId(leg))
        assert voices.lost == ["tap-no-pipe"]
        await voices.tap.stop()
        assert pbx.recorder.asked == []


# ---------------------------------------------------------------- what others left behind


async def test_what_a_crashed_bridge_left_is_taken_away_and_its_recording_ended(folder: Path) -> None:
    left = folder / f"{LEG}.0123456789abcdef.raw"
    os.mkfifo(left)
    strange = folder / "a file of somebody's"
    strange.write_text("")
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        assert lying(folder) == [strange]
        await taps.end_left()
        assert f"bgapi uuid_record {LEG} stop {left}" in [one.split("\n")[0] for one in pbx.commands]
        await taps.end_left()
        assert len(pbx.recorder.asked) == 1


async def test_a_recording_that_could_not_be_ended_is_ended_when_the_link_is_back(folder: Path) -> None:
    async with EslDouble() as pbx:
        hearing = Hearing()
        async with linked(pbx.port, hearing) as link:
            taps = Taps(link, Pipes(folder))
            voices = await Voices(taps.tap()).start()
            await voices.more()
            pbx.cut()
            await hearing.until("LinkLost")
            await voices.tap.stop()
            assert lying(folder) == []
            assert len(pbx.recorder.running) == 1
            await hearing.until("LinkBack", 2)
            await taps.end_left()
            assert pbx.recorder.running == {}


# ---------------------------------------------------------------- another codec


def codec(leg: str) -> PlainEvent:
    return PlainEvent(f"Event-Name: CODEC\nUnique-ID: {leg}\n".encode())


async def test_a_phone_that_changes_its_codec_gets_a_span_of_its_own(folder: Path) -> None:
    """FreeSWITCH goes on writing at the first one's rate: twice the time, half the pitch."""
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.more()
        taps.heard(codec("other"))
        taps.heard(codec(LEG))
        count = len(voices.chunks)
        await pbx.until_told("bgapi uuid_record", 2)
        assert len(voices.chunks) == count, "nothing of what was written at the wrong rate"
        await voices.more()
        assert voices.chunks[count].index == 0
        await voices.more()
        words = [asked.split()[0] for asked in pbx.recorder.asked]
        assert words == ["start", "stop", "start"]
        await voices.tap.stop()
    assert voices.lost == []


@pytest.mark.parametrize("held_first", [True, False])
async def test_another_codec_and_a_hold_together_make_one_new_span(folder: Path, held_first: bool) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        await voices.more()
        if held_first:
            taps.told(facts.Held(time.monotonic_ns(), LEG))
        taps.heard(codec(LEG))
        if not held_first:
            taps.told(facts.Held(time.monotonic_ns(), LEG))
        await pbx.until_told("bgapi uuid_record", 2)
        taps.told(facts.Unheld(time.monotonic_ns(), LEG))
        await voices.more()
        assert [asked.split()[0] for asked in pbx.recorder.asked] == ["start", "stop", "start"]
        await voices.tap.stop()
    assert voices.lost == []


# ---------------------------------------------------------------- recordings that FreeSWITCH hands on

OWN, SITES = f"{LEG}.{'0' * 16}.raw", "/srv/recordings/site.wav"


def moved(leg: str, path: str, function: str = "session_record") -> PlainEvent:
    headers = {"Event-Name": "MEDIA_BUG_START", "Unique-ID": leg, "Media-Bug-Function": function}
    return PlainEvent(
        "".join(
            f"{name}: {value}\n" for name, value in (headers | {"Media-Bug-Target": path}).items()
        ).encode()
    )


def listed(*paths: str) -> str:
    bugs = "".join(f"<function>session_record</function>\n  <target>{path}</target>\n" for path in paths)
    return f"<media-bugs>\n{bugs}</media-bugs>\n"


async def test_a_recording_of_ours_that_goes_on_at_another_leg_is_ended_there(folder: Path) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.answers["uuid_buglist other"] = listed(f"{folder}/{OWN}")
        taps.heard(moved("other", f"{folder}/{OWN}"))
        await pbx.until_told("bgapi uuid_record other stop all")


async def test_a_recording_of_the_sites_beside_it_is_left_alone(folder: Path) -> None:
    """All of a leg's recordings end, or none: FreeSWITCH knows a moved one by no name."""
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        pbx.answers["uuid_buglist other"] = listed(f"{folder}/{OWN}", SITES)
        taps.heard(moved("other", f"{folder}/{OWN}"))
        await asyncio.gather(*taps._ending)
        assert len(pbx.told("api uuid_buglist")) == 1
        assert pbx.told("bgapi") == []


async def test_a_recording_at_its_own_leg_or_of_others_or_beside_a_running_one_is_not_looked_at(
    folder: Path,
) -> None:
    async with EslDouble() as pbx, tapping(pbx, folder) as taps:
        voices = await Voices(taps.tap()).start()
        taps.heard(moved(LEG, f"{folder}/{OWN}"))
        taps.heard(moved(LEG, f"{folder}/other.{'0' * 16}.raw"))
        taps.heard(moved("other", SITES))
        taps.heard(moved("other", f"{folder}/{OWN}", "eavesdrop"))
        assert taps._ending == set()
        await voices.tap.stop()
