"""The running bridge on FreeSWITCH: whole calls as bytes, voices through real pipes, and what FreeSWITCH is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import pytest
from structlog.testing import capture_logs

from pbx_bridge.app_freeswitch import sound_path
from tests.bridge.on_freeswitch import HASH, SOUNDS, on_freeswitch
from tests.rig.esl_double import event
from tests.stations.rig import until

Patch: TypeAlias = pytest.MonkeyPatch


@pytest.mark.parametrize("driver", ["asyncio", "python-esl"])
async def test_a_call_with_a_hold_is_recorded_and_leaves_no_pipe(
    tmp_path: Path, monkeypatch: Patch, driver: str
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch, driver=driver) as site:
        call = await site.recording("06_hold_unhold")
        assert len(site.lying()) == 1
        await call.up_to("CHANNEL_HOLD")
        await until(lambda: site.whole.here.recorder.orders.count("pause") == 1)
        await until(lambda: site.asked_to_record() == ["start", "stop"])
        await call.up_to("CHANNEL_UNHOLD")
        await until(lambda: site.asked_to_record() == ["start", "stop", "start"])
        await call.ends()
        assert await site.whole.answered() == [("recorded", "hung-up")]
        await until(lambda: [name[-4:] for name in site.whole.sealed()] == [".age"])
        await until(lambda: site.lying() == [])
        assert site.double.recorder.faults == []


async def test_the_dialplan_is_told_what_it_needs_and_when_the_bridge_ends(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        told = dict(one.split(" ", 2)[2].split("=", 1) for one in site.double.told("api global_setvar pbxb_"))
        alive = told.pop("pbxb_alive")
        assert len(alive) == 10 + 1 + 32
        assert {name for name in told if "notice" in name} == {"pbxb_notice_fr", "pbxb_notice_en"}
        assert {name: value for name, value in told.items() if "notice_" not in name} == {
            "pbxb_key": "9",
            "pbxb_language": "en",
            "pbxb_objection_code": "*9",
            "pbxb_private_code": "*6",
            "pbxb_pause_code": "*7",
            "pbxb_resume_code": "*8",
            "pbxb_sound_fr": f"{SOUNDS}/pbxb/notice-fr.wav",
            "pbxb_sound_en": f"{SOUNDS}/pbxb/notice-en.wav",
        }
        before = [one.split("=")[0] for one in site.double.commands]
        assert before.index("api global_setvar pbxb_sound_en") < before.index("api global_setvar pbxb_alive")
        await site.whole.stop()
        assert site.double.told("api global_setvar pbxb_alive")[-1] == "api global_setvar pbxb_alive="


async def test_a_trainees_keys_are_given_while_it_rings(tmp_path: Path, monkeypatch: Patch) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = site.calls("01_answered_caller_hangup")
        await call.up_to("CHANNEL_CREATE")
        await call.up_to("CHANNEL_CREATE")
        keys = "execute_extension\nexecute-app-arg: pbxb_trainee XML:${conf_dir}/pbxb/pbxb.xml pbxb"
        wanted = f"sendmsg {call.legs[1]}\ncall-command: execute\nexecute-app-name: {keys}"
        await site.double.until_told(wanted)


async def test_a_drawn_customer_hears_the_notice_and_the_call_is_recorded(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = site.calls("09_outbound_by_agent")
        agent, customer = call.legs
        await call.up_to("CHANNEL_ANSWER", customer)
        await site.double.until_told(f"api uuid_setvar {customer} pbxb_drawn")
        told = [one.split(" ", 3)[3] for one in site.double.told(f"api uuid_setvar {customer}")]
        token = site.double.told("api global_setvar pbxb_alive=")[-1].rpartition(":")[2]
        assert [one.split(" ")[0] for one in told] == ["pbxb_sound", "pbxb_notice", "pbxb_drawn"]
        assert told[0] == f"pbxb_sound {SOUNDS}/pbxb/notice-en.wav"
        assert told[-1] == f"pbxb_drawn {token}"
        await call.says("notice", customer, Notice=HASH)
        await call.up_to("CHANNEL_BRIDGE")
        await until(lambda: [one.leg for one in site.double.recorder.running.values()] == [agent])


async def test_a_payment_masks_both_voices_at_freeswitch_and_pauses_the_film(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = await site.recording()
        agent, orders = call.legs[1], site.whole.here.recorder.orders
        await call.says("payment", agent, Moment="begin")
        await until(lambda: site.asked_to_record() == ["start", "mask"])
        await until(lambda: orders.count("pause") == 1)
        await call.says("payment", agent, Moment="end")
        await until(lambda: site.asked_to_record() == ["start", "mask", "unmask"])
        assert site.whole.bridge.on_payment("alice", True)
        await until(lambda: site.asked_to_record() == ["start", "mask", "unmask", "mask"])
        await call.ends()
        assert await site.whole.answered() == [("recorded", "hung-up")]


@pytest.mark.parametrize(
    ("word", "who", "reason"), [("objection", 0, "objection"), ("private", 1, "private")]
)
async def test_a_key_destroys_what_exists_and_its_note_is_taken_back(
    tmp_path: Path, monkeypatch: Patch, word: str, who: int, reason: str
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = await site.recording()
        await call.says(word, call.legs[who])
        await until(lambda: site.whole.sealed() == [])
        await site.double.until_told(f"api global_setvar pbxb_said_{call.legs[who]}=")
        await call.ends()
        assert await site.whole.answered() == [("discarded", reason)]


async def test_an_objection_pressed_while_the_bridge_was_down_is_done_when_it_is_back(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = await site.recording()
        await call.ends()
        await site.whole.answered()
        await until(lambda: len(site.whole.sealed()) == 1)
        await site.whole.stop()
        noted = f"pbxb_said_{call.legs[0]}"
        site.double.answers["global_getvar"] = f"hostname=pbx\n{noted}=objection\npbxb_said_=private\n"
        await site.serve(site.whole)
        await until(lambda: site.whole.sealed() == [])
        await site.double.until_told(f"api global_setvar {noted}=")
        await until(lambda: site.whole.answers()[-1] == ("discarded", "objection"))


async def test_calls_nobody_answered_have_their_lines_and_nothing_is_recorded(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        for number, name in enumerate(("03_no_answer", "04_busy", "05_abandon_ringing"), 1):
            await site.calls(name).ends()
            assert await site.whole.answered(number) == number * [("not-recorded", "no-answer")]
        assert site.double.recorder.asked == []


async def test_a_blind_transfer_ends_it_and_its_pipe(tmp_path: Path, monkeypatch: Patch) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = await site.recording("07_blind_transfer")
        await call.ends()
        assert await site.whole.answered() == [("recorded", "transferred")]
        await until(lambda: site.lying() == [])


async def test_a_queues_call_is_its_agents(tmp_path: Path, monkeypatch: Patch) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = await site.recording("10_callcenter")
        await call.ends()
        assert ("recorded", "hung-up") in await site.whole.answered(2)


async def test_who_was_not_told_is_not_recorded(tmp_path: Path, monkeypatch: Patch) -> None:
    """Positive control: every other story here tells the caller."""
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = site.calls("01_answered_caller_hangup")
        call.hears = False
        await call.ends()
        assert await site.whole.answered() == [("not-recorded", "no-notice")]
        assert site.double.recorder.asked == []


async def test_a_recorder_of_the_sites_own_is_left_alone(tmp_path: Path, monkeypatch: Patch) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = await site.recording()
        await site.double.say(event("RECORD_START", Unique_ID=call.legs[1], Record_File_Path="/tmp/site.wav"))
        assert await site.whole.answered() == [("recorded", "foreign-recorder")]
        assert site.asked_to_record() == ["start", "stop"]


@pytest.mark.parametrize(
    ("folder", "sound", "path"),
    [
        (SOUNDS, "pbxb/notice-fr", f"{SOUNDS}/pbxb/notice-fr.wav"),
        (SOUNDS, "pbxb/notice-fr.flac", f"{SOUNDS}/pbxb/notice-fr.flac"),
        (SOUNDS, "/srv/notice", "/srv/notice.wav"),
        ("", "/srv/notice.wav", "/srv/notice.wav"),
        ("", "pbxb/notice-fr", ""),
    ],
)
def test_a_sound_is_told_by_its_whole_path(folder: str, sound: str, path: str) -> None:
    assert sound_path(folder, sound) == path


# ---------------------------------------------------------------- FreeSWITCH fails


async def test_an_event_that_cannot_be_read_ends_what_it_touches(tmp_path: Path, monkeypatch: Patch) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        await site.recording()
        await site.double.say(event("CHANNEL_HOLD"))
        assert await site.whole.answered() == [("recorded", "unreadable")]


async def test_voices_that_bypass_freeswitch_are_not_recorded_and_the_log_says_why(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        site.double.answers["json"] = '{"status":"success","response":{}}\n'
        call = site.calls("01_answered_caller_hangup")
        with capture_logs() as logs:
            await call.up_to("CHANNEL_BRIDGE")
            await until(lambda: any(one.get("why") == "tap-bypassed" for one in logs))
        await call.ends()
        assert await site.whole.answered() == [("not-recorded", "audio-missing")]
        assert site.whole.sealed() == []


async def test_a_voice_that_dries_up_ends_the_recording_and_what_precedes_is_kept(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        site.double.recorder.frames = 100
        call = await site.recording()
        assert await site.whole.answered() == [("recorded", "audio-missing")]
        assert site.asked_to_record()[-1] == "stop"
        await call.ends()


async def test_freeswitch_is_killed_and_what_exists_is_kept(tmp_path: Path, monkeypatch: Patch) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        await site.recording()
        site.double.cut()
        assert await site.whole.answered() == [("recorded", "link-lost")]
        await until(lambda: site.lying() == [])
        await until(lambda: site.asked_to_record() == ["start", "stop"])


async def test_a_half_open_link_ends_it_within_two_seconds(tmp_path: Path, monkeypatch: Patch) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        await site.recording()
        site.double.stall()
        assert await site.whole.answered() == [("recorded", "link-lost")]
        site.double.flow()


async def test_a_phone_that_vanishes_is_told_by_nobody_and_found_by_its_packets(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        call = await site.recording()
        site.double.answers["json"] = (
            '{"status":"success","response":{"audio":{"in_packet_count":77}}}\n'  # never another one
        )
        await until(lambda: site.whole.here.recorder.orders.count("pause") == 1, within_s=20)
        await until(lambda: site.asked_to_record() == ["start", "mask"])
        await call.ends()
        assert await site.whole.answered() == [("recorded", "hung-up")]


async def test_pipes_of_a_bridge_that_crashed_are_gone_when_it_serves_again(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    async with on_freeswitch(tmp_path, monkeypatch) as site:
        await site.whole.stop()
        left = site.pipes / "65c768cf-ac8d-4b80-b838-9668ff09c775.0123456789abcdef.raw"
        os.mkfifo(left)
        await site.serve(site.whole)
        assert site.lying() == []
        await site.double.until_told(f"bgapi uuid_record 65c768cf-ac8d-4b80-b838-9668ff09c775 stop {left}")
