"""The link to FreeSWITCH against a double that misbehaves: each fault of the wire, and each promise of esl_link.py."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony import kept_link
from pbx_bridge.telephony.freeswitch import esl_link
from pbx_bridge.telephony.freeswitch.esl_codec import EVENT_LIMIT
from pbx_bridge.telephony.freeswitch.esl_connection import (
    CommandRefused,
    Ears,
    EslConnection,
    connect_asyncio,
)
from pbx_bridge.telephony.freeswitch.esl_link import Heard, Said, Unreadable, subscription
from pbx_bridge.telephony.freeswitch.settings import EslSettings
from tests.freeswitch.hearing import EVENTS, SUBCLASSES, Hearing, linked
from tests.rig.esl_double import (
    FAREWELL,
    GREETING,
    PASSWORD,
    VECTORS,
    EslDouble,
    event,
    framed,
    recorded,
    reply,
)

LEG = ChannelId("65c768cf-ac8d-4b80-b838-9668ff09c775")
OTHER = ChannelId("a7512aa9-7520-47ec-a972-30cc12fb7964")

# ---------------------------------------------------------------- life


async def test_a_link_logs_in_asks_for_events_and_then_what_lives() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing) as link:
        assert link.is_up
    assert hearing.kinds() == ["LinkBack"]
    asked = list(dict.fromkeys(pbx.commands))
    lives = ["api show calls as json", "api global_getvar"]
    assert asked == ["auth", "api strmicroepoch", subscription(EVENTS, SUBCLASSES), *lives]


async def test_a_pbx_that_is_down_is_found_when_it_comes() -> None:
    hearing = Hearing()
    async with EslDouble() as gone:
        port = gone.port
    async with linked(port, hearing, up=False):
        await hearing.until("LinkLost")
        pbx = EslDouble()
        pbx.listen_at(port)
        async with pbx:
            await hearing.until("LinkBack")
    assert hearing.kinds() == ["LinkLost", "LinkBack"]
    assert "mod_event_socket" in hearing.lost()[0].why


async def test_a_wrong_password_is_told_once_and_clearly_and_not_tried_for_ever() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing, "not the password", up=False) as link:
        await hearing.until("LinkLost")
        with pytest.raises(TimeoutError):
            await hearing.until("LinkLost", 2, deadline_s=3.0)
        assert not link.is_up
        assert pbx.connections == 1
    (lost,) = hearing.lost()
    assert "event_socket.conf.xml" in lost.why
    assert "not the password" not in lost.why


async def test_an_address_that_is_turned_away_is_told_with_what_to_do() -> None:
    hearing = Hearing()
    rude = b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"
    async with EslDouble(greeting=rude) as pbx, linked(pbx.port, hearing, up=False):
        await hearing.until("LinkLost")
    assert "apply-inbound-acl" in hearing.lost()[0].why


async def test_a_driver_that_is_not_installed_is_told_with_what_to_do_and_not_tried_for_ever() -> None:
    hearing, tries = Hearing(), 0

    async def missing(settings: EslSettings, ears: Ears) -> EslConnection:
        nonlocal tries
        tries += 1
        raise OperatorError("it is not installed", do="Install it")

    async with linked(1, hearing, up=False, connect=missing):
        await hearing.until("LinkLost")
        with pytest.raises(TimeoutError):
            await hearing.until("LinkLost", 2, deadline_s=2.0)
    assert (hearing.lost()[0].why, tries) == ("it is not installed. Install it", 1)


async def test_a_fault_nobody_foresaw_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_link, "RETRY_LAST_S", 0.1)
    hearing, tries = Hearing(), 0

    async def faulty(settings: EslSettings, ears: Ears) -> EslConnection:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError
        return await connect_asyncio(settings, ears)

    async with EslDouble() as pbx, linked(pbx.port, hearing, connect=faulty):
        assert hearing.kinds() == ["LinkLost", "LinkBack"]
    assert "fault of the bridge" in hearing.lost()[0].why


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
async def test_something_else_on_the_port_is_said(greeting: bytes) -> None:
    hearing = Hearing()
    async with EslDouble(greeting=greeting) as pbx, linked(pbx.port, hearing, up=False):
        await hearing.until("LinkLost")
    assert "no FreeSWITCH" in hearing.lost()[0].why


async def test_a_port_that_never_greets_is_given_up() -> None:
    hearing = Hearing()
    async with EslDouble(greeting=b"") as pbx, linked(pbx.port, hearing, up=False):
        await hearing.until("LinkLost")


async def test_a_connection_that_is_cut_is_lost_at_once_and_back_soon() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing):
        cut_ns = time.monotonic_ns()
        pbx.cut()
        await hearing.until("LinkLost")
        assert hearing.lost()[0].at_ns - cut_ns < 500_000_000
        await hearing.until("LinkBack", 2)


async def test_a_farewell_is_said_as_what_it_is() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing):
        await pbx.say(FAREWELL)
        pbx.hang_up()
        await hearing.until("LinkLost")
    assert hearing.lost()[0].why == "FreeSWITCH ended the connection"


async def test_a_half_open_link_is_noticed_within_two_seconds() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing):
        pbx.stall()
        stalled_ns = time.monotonic_ns()
        await hearing.until("LinkLost")
        assert hearing.lost()[0].at_ns - stalled_ns < 2_000_000_000
        pbx.flow()
        await hearing.until("LinkBack", 2)


async def test_a_pbx_that_hangs_in_the_resync_is_given_up_and_tried_again() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        pbx.mute.add("event plain")
        async with linked(pbx.port, hearing, up=False):
            await hearing.until("LinkLost")
            pbx.mute.clear()
            await hearing.until("LinkBack")


async def test_closing_during_the_wait_for_a_reconnect_ends_the_tries() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        async with linked(pbx.port, hearing) as link:
            pbx.cut()
            await hearing.until("LinkLost")
            await link.close()
            tries = pbx.connections
            with pytest.raises(TimeoutError):
                await hearing.until("LinkBack", 2, deadline_s=1.0)
        assert pbx.connections == tries


# ---------------------------------------------------------------- what comes in


@pytest.mark.parametrize("name", sorted(path.name for path in VECTORS.iterdir() if path.is_dir()))
async def test_a_recorded_dialogue_is_heard_in_order_as_far_as_it_was_asked_for(name: str) -> None:
    hearing = Hearing()
    played = recorded(name)
    async with EslDouble() as pbx, linked(pbx.port, hearing):
        await pbx.play(played)
        await pbx.say(event("CHANNEL_CREATE", Unique_ID="the last"))
        while not hearing.heard() or hearing.heard()[-1].event.get("Unique-ID") != "the last":
            await hearing.until("CHANNEL_CREATE", hearing.kinds().count("CHANNEL_CREATE") + 1)
    kinds = [one.split(b"Event-Name: ")[1].split(b"\n")[0].decode() for one in played]
    assert [one.event.name for one in hearing.heard() if one.event.name != "CUSTOM"][:-1] == [
        kind for kind in kinds if kind in EVENTS
    ]


async def test_an_events_time_is_the_pbxs_and_never_after_its_arrival() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        pbx.ahead_ns = 3_600_000_000_000
        async with linked(pbx.port, hearing) as link:
            made_ns = time.monotonic_ns()
            stamp = str((time.time_ns() + pbx.ahead_ns) // 1000)
            await asyncio.sleep(0.1)  # FreeSWITCH's threads are late, its stamp is not
            await pbx.say(event("CHANNEL_ANSWER", stamp=stamp))
            await pbx.say(event("CHANNEL_HANGUP", stamp="none"))
            await hearing.until("CHANNEL_HANGUP")
            now_ns = time.monotonic_ns()
            bound_ns = link.clock.error_ns(now_ns)
    answered, gone = hearing.heard()
    assert abs(answered.at_ns - made_ns) <= bound_ns + 1_000_000 < 50_000_000
    assert made_ns + 100_000_000 <= gone.at_ns <= now_ns


async def test_events_during_the_resync_follow_what_was_found() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        pbx.before_calls = event("CHANNEL_CREATE", Unique_ID=LEG) + framed(b"Content-Length: 9\n\n")
        async with linked(pbx.port, hearing):
            await hearing.until("Unreadable")
    assert hearing.kinds() == ["LinkBack", "CHANNEL_CREATE", "Unreadable"]


@pytest.mark.parametrize(("count", "fits"), [(9, True), (10, True), (11, False)])
async def test_only_so_many_events_wait_for_the_end_of_a_resync(
    monkeypatch: pytest.MonkeyPatch, count: int, fits: bool
) -> None:
    monkeypatch.setattr(esl_link, "EARLY_LIMIT", 10)
    hearing = Hearing()
    async with EslDouble() as pbx:
        pbx.before_calls = event("CHANNEL_CREATE", Unique_ID=LEG) * count
        async with linked(pbx.port, hearing, up=fits):
            if not fits:
                await hearing.until("LinkLost")
                assert "more than 10 events" in hearing.lost()[0].why
                pbx.before_calls = b""
                await hearing.until("LinkBack")
    assert len(hearing.heard()) == (count if fits else 0)


async def test_what_cannot_be_read_is_said_and_the_link_lives() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing) as link:
        await pbx.say(framed(b"Event-Name: CHANNEL_ANSWER\nContent-Length: 9\n\n"))
        await pbx.say(event("CHANNEL_HANGUP"))
        await hearing.until("CHANNEL_HANGUP")
        assert link.is_up
    assert [type(said) for said in hearing.said[1:]] == [Unreadable, Heard]


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
async def test_events_in_pieces_arrive_whole(piece: int) -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing):
        await pbx.say(event("CHANNEL_ANSWER", Caller_Caller_ID_Name="Zoë Müller 電話") * 3, piece=piece)
        await hearing.until("CHANNEL_ANSWER", 3)
    assert {one.event["Caller-Caller-ID-Name"] for one in hearing.heard()} == {"Zoë Müller 電話"}


async def test_order_is_kept_through_thousands_of_events() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing):
        await pbx.say(b"".join(event("CHANNEL_CREATE", Unique_ID=str(number)) for number in range(5000)))
        await hearing.until("CHANNEL_CREATE", 5000)
    assert [one.event["Unique-ID"] for one in hearing.heard()] == [str(number) for number in range(5000)]


async def test_a_consumer_that_raises_costs_neither_the_link_nor_the_rest() -> None:
    hearing = Hearing()

    def raising(said: Said) -> None:
        hearing(said)
        raise RuntimeError("a consumer's bug")

    async with EslDouble() as pbx, linked(pbx.port, raising) as link:
        await pbx.say(event("CHANNEL_ANSWER") + event("CHANNEL_HANGUP"))
        await hearing.until("CHANNEL_HANGUP")
        assert link.is_up
    assert hearing.kinds() == ["LinkBack", "CHANNEL_ANSWER", "CHANNEL_HANGUP"]


@pytest.mark.parametrize(
    "flood",
    [
        b"X: " + b"y" * 40_000 + b"\n\n",
        b"Content-Type: text/event-plain\nContent-Length: %d\n\n" % (EVENT_LIMIT + 1),
        b"Content-Length: x\nContent-Type: text/event-plain\n\n",
        reply("+OK nobody asked"),
    ],
)
async def test_what_is_no_event_socket_any_more_ends_the_link(flood: bytes) -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing):
        await pbx.say(flood)
        await hearing.until("LinkLost")
        await hearing.until("LinkBack", 2)


# ---------------------------------------------------------------- what lives when the link comes


async def test_a_link_that_comes_back_says_what_lives_there() -> None:
    hearing = Hearing()
    rows = json.loads((VECTORS / "30_fifo_and_resync" / "show_calls.json").read_text())
    dump = json.loads((VECTORS / "30_fifo_and_resync" / "uuid_dump_x.json").read_text())
    async with EslDouble() as pbx:
        pbx.answers["show calls as json"] = json.dumps(rows)
        pbx.answers[f"uuid_dump {LEG} json"] = json.dumps(dump)
        other = {
            "Unique-ID": OTHER,
            "variable_signal_bond": LEG,
            "Caller-Channel-Created-Time": "1795466846956030",
        }
        pbx.answers[f"uuid_dump {OTHER} json"] = json.dumps(dump | other)
        async with linked(pbx.port, hearing):
            pbx.cut()
            await hearing.until("LinkBack", 2)
    found = hearing.back()[1].found
    assert found.pairs == ((LEG, OTHER),)
    assert [leg["Unique-ID"] for leg in found.legs] == [LEG, OTHER]
    assert found.legs[0]["Caller-Caller-ID-Name"] == "Kunde Müller"
    assert found.legs[0]["Answer-State"] == "answered"


async def test_a_leg_that_hangs_up_during_the_resync_is_left_out() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        pbx.living({"Unique-ID": LEG}, {"Unique-ID": "queued"}, pairs=((LEG, OTHER),))
        async with linked(pbx.port, hearing):
            pass
    found = hearing.back()[0].found
    assert {leg["Unique-ID"] for leg in found.legs} == {LEG, "queued"}
    assert found.pairs == ()


async def test_a_leg_that_the_list_of_calls_does_not_show_yet_is_found_through_its_partner() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        pbx.living({"Unique-ID": LEG}, {"Unique-ID": OTHER}, pairs=((LEG, OTHER),))
        pbx.answers["show calls as json"] = json.dumps({"rows": [{"uuid": LEG}]})
        async with linked(pbx.port, hearing):
            pass
    found = hearing.back()[0].found
    assert [leg["Unique-ID"] for leg in found.legs] == [LEG, OTHER]
    assert found.pairs == ((LEG, OTHER),)


@pytest.mark.parametrize(
    "other",
    [
        {"Answer-State": "early"},
        {"variable_signal_bond": "another"},
        {"variable_signal_bond": ""},
        {"Answer-State": ""},
    ],
)
async def test_two_that_do_not_both_say_that_they_talk_are_no_pair(other: dict[str, str]) -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        pbx.living({"Unique-ID": LEG}, {"Unique-ID": OTHER} | other, pairs=((LEG, OTHER),))
        async with linked(pbx.port, hearing):
            pass
    assert len(hearing.back()[0].found.legs) == 2
    assert hearing.back()[0].found.pairs == ()


async def test_legs_and_pairs_come_oldest_first() -> None:
    hearing = Hearing()
    legs = [
        {"Unique-ID": uuid, "Caller-Channel-Created-Time": at}
        for uuid, at in (("b", "3"), ("x", ""), ("a", "2"))
    ]
    async with EslDouble() as pbx:
        pbx.living(*legs, pairs=(("b", "a"),))
        async with linked(pbx.port, hearing):
            pass
    assert [leg["Unique-ID"] for leg in hearing.back()[0].found.legs] == ["x", "a", "b"]
    assert hearing.back()[0].found.pairs == (("a", "b"),)


async def test_a_thousand_legs_are_found() -> None:
    hearing = Hearing()
    legs = [{"Unique-ID": f"leg-{number}"} for number in range(1000)]
    async with EslDouble() as pbx:
        pbx.living(*legs)
        async with linked(pbx.port, hearing):
            pass
    assert len(hearing.back()[0].found.legs) == 1000


@pytest.mark.parametrize(
    "calls",
    [
        "", "-1", "[]", "{", '{"rows":{}}', '{"rows":[1]}', '{"rows":[{"uuid":""}]}', '{"rows":[{"b_uuid":"x"}]}',
        '{"rows":[{"uuid":"a b"}]}', '{"rows":[{"uuid":"a\\n\\napi status"}]}', '{"rows":[{"uuid":"a","b_uuid":7}]}',
        "[" * 100_000,
    ],
)  # fmt: skip
async def test_a_list_of_calls_that_is_none_brings_no_link_up(calls: str) -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        pbx.answers["show calls as json"] = calls
        async with linked(pbx.port, hearing, up=False) as link:
            await hearing.until("LinkLost")
            assert not link.is_up
            assert hearing.back() == []
            pbx.living()
            await hearing.until("LinkBack")


# ---------------------------------------------------------------- commands


async def test_what_an_api_command_prints() -> None:
    async with EslDouble() as pbx, linked(pbx.port, Hearing()) as link:
        pbx.answers["uuid_exists"] = "true"
        assert await link.api("uuid_exists", LEG) == "true"
        assert pbx.commands[-1] == f"api uuid_exists {LEG}"


async def test_a_refused_command_is_an_error_with_its_sentence_and_without_its_arguments() -> None:
    async with EslDouble() as pbx, linked(pbx.port, Hearing()) as link:
        pbx.answers["uuid_setvar"] = "-ERR No such channel!\n"
        with pytest.raises(CommandRefused) as refused:
            await link.setvar(LEG, "secret", "content")
        assert str(refused.value) == "FreeSWITCH refused uuid_setvar: -ERR No such channel!"
        assert link.is_up


@pytest.mark.parametrize("name", ["x", ""])
async def test_variables(name: str) -> None:
    async with EslDouble() as pbx, linked(pbx.port, Hearing()) as link:
        pbx.answers |= {f"uuid_getvar {LEG} x": "Zoë", "global_getvar x": "7"}
        if not name:
            with pytest.raises(ValueError, match="one word"):
                await link.getvar(LEG, name)
            return
        assert await link.getvar(LEG, "x") == "Zoë"
        assert await link.getvar(LEG, "y") == ""
        assert await link.getvar(None, "x") == "7"
        assert await link.getvar(None, "unset") == ""
        await link.setvar(LEG, "x", "a b")
        await link.setvar(LEG, "x", "")
        await link.setvar(None, "x", "1")
        assert pbx.commands[-3:] == [
            f"api uuid_setvar {LEG} x a b", f"api uuid_setvar {LEG} x", "api global_setvar x=1",
        ]  # fmt: skip


async def test_a_job_runs_beside_the_link_and_its_result_comes_back() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing) as link:
        pbx.mute.add("job")
        job = asyncio.create_task(link.bgapi("uuid_record", f"{LEG} start /run/x.raw"))
        await pbx.until_told("bgapi uuid_record")
        await pbx.say(event("CHANNEL_ANSWER"))
        await hearing.until("CHANNEL_ANSWER")
        assert not job.done()
        name = pbx.commands[-1].split("Job-UUID: ")[1].split("\n")[0]
        await pbx.finish("another", "+OK not this one")
        await pbx.finish(name, "+OK Success\n")
        assert await job == "+OK Success\n"
    assert "BACKGROUND_JOB" not in hearing.kinds()


async def test_a_job_that_fails_never_ends_or_loses_its_link_is_an_error() -> None:
    async with EslDouble() as pbx, linked(pbx.port, Hearing()) as link:
        pbx.answers["uuid_record"] = "-ERR Cannot record session!\n"
        with pytest.raises(CommandRefused, match=r"uuid_record: -ERR Cannot record"):
            await link.bgapi("uuid_record", f"{LEG} start /run/x.raw")
        pbx.mute.add("job")
        with pytest.raises(TimeoutError):
            await link.bgapi("uuid_record", f"{LEG} stop", deadline_s=0.2)
        job = asyncio.create_task(link.bgapi("uuid_record", f"{LEG} mask"))
        await pbx.until_told("bgapi uuid_record", 3)
        pbx.cut()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(job, 1)


async def test_an_application_is_executed_on_a_leg() -> None:
    async with EslDouble() as pbx, linked(pbx.port, Hearing()) as link:
        await link.execute(LEG, "playback", "notice.wav")
        assert pbx.commands[-1].split("\n") == [
            f"sendmsg {LEG}", "call-command: execute", "execute-app-name: playback", "execute-app-arg: notice.wav",
        ]  # fmt: skip


@pytest.mark.parametrize("value", ["a\n\napi status", "a\nb", "a\rb", "a\0b", "x" * 9000])
async def test_a_value_that_would_be_a_second_command_is_never_sent(value: str) -> None:
    async with EslDouble() as pbx, linked(pbx.port, Hearing()) as link:
        for asked in (
            lambda: link.setvar(LEG, "x", value),
            lambda: link.setvar(ChannelId(value), "x", "1"),
            lambda: link.execute(LEG, "playback", value),
            lambda: link.bgapi("uuid_record", value),
            lambda: link.api(value),
        ):
            with pytest.raises(ValueError, match=r"line|word"):
                await asked()
        await link.getvar(LEG, "x")
        assert not [one for one in pbx.commands if one.split(" ")[0] not in ("auth", "event", "api")]
        assert "status" not in " ".join(pbx.commands)


async def test_an_answer_that_comes_too_late_is_nobody_elses() -> None:
    async with EslDouble() as pbx, linked(pbx.port, Hearing()) as link:
        pbx.answers |= {"uuid_getvar a x": "late", "uuid_getvar b x": "right"}
        pbx.mute.add("api uuid_getvar a")
        with pytest.raises(TimeoutError):
            await link.api("uuid_getvar", "a x", deadline_s=0.1)
        await pbx.say(b"Content-Type: api/response\nContent-Length: 4\n\nlate")
        assert await link.getvar(ChannelId("b"), "x") == "right"


async def test_an_unanswered_command_is_never_sent_again() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing) as link:
        pbx.mute.add("api uuid_setvar")
        waiting = asyncio.create_task(link.setvar(LEG, "x", "1"))
        await pbx.until_told("api uuid_setvar")
        pbx.cut()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(waiting, 0.5)
        with pytest.raises(ConnectionError):
            await link.setvar(LEG, "x", "2")
        await hearing.until("LinkBack", 2)
        assert sum(one.startswith("api uuid_setvar") for one in pbx.commands) == 1


# ---------------------------------------------------------------- what an operator, or we, may get wrong


@pytest.mark.parametrize(
    "names", [("DTMF",), ("CHANNEL_ANSWER", "ALL"), ("CUSTOM",), ("A B",), ("",), ("A\nB",)]
)
def test_digits_are_never_asked_for(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"DTMF|one word"):
        subscription(names, ())


def test_a_subscription_names_subclasses_last() -> None:
    assert subscription(("A", "B", "A"), ("x::y",)) == "event plain A B BACKGROUND_JOB CUSTOM x::y"
    assert subscription(("A",), ()) == "event plain A BACKGROUND_JOB"


@pytest.mark.parametrize("host", ["10.0.0.5", "0.0.0.0", "pbx.example", ""])
def test_an_event_socket_beyond_the_loopback_is_refused(host: str) -> None:
    with pytest.raises(OperatorError, match=r"127\.0\.0\.1"):
        EslSettings(host=host)


@pytest.mark.parametrize("password", ["a\n\napi shutdown", "a\rb", "\0"])
def test_a_password_with_a_line_break_is_refused(password: str) -> None:
    with pytest.raises(OperatorError):
        EslSettings(password=password)


def test_the_password_is_not_shown() -> None:
    assert PASSWORD not in repr(EslSettings(password=PASSWORD))
    assert GREETING  # the double's greeting is FreeSWITCH's own
