"""The second driver, FreeSWITCH's own C client: the same vectors, the same faults, the same promises as the first."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import resource
import socket
import threading
import time
from types import ModuleType

import pytest

from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_codec import EslEvent, PlainEvent
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused
from pbx_bridge.telephony.freeswitch.esl_python import client_module, connect_python_esl
from tests.freeswitch.hearing import SUBCLASSES, Hearing, linked
from tests.rig.esl_double import VECTORS, EslDouble, event, framed, recorded

LEG = ChannelId("65c768cf-ac8d-4b80-b838-9668ff09c775")
NAMES = sorted(path.name for path in VECTORS.iterdir() if path.is_dir())
FOLLOWED = tuple(
    sorted(
        {one.split(b"Event-Name: ")[1].split(b"\n")[0].decode() for name in NAMES for one in recorded(name)}
        - {"CUSTOM", "DTMF"}
    )
)


def folded(heard: EslEvent) -> dict[str, str]:
    """The headers with the case of their names folded, as the C client does; the first of two counts."""
    found: dict[str, str] = {}
    for name in heard:
        found.setdefault(name.lower(), heard[name])
    return found


def threads() -> int:
    return sum(one.name == "python-esl" for one in threading.enumerate())


@pytest.mark.parametrize("name", NAMES)
async def test_a_recorded_dialogue_is_what_our_own_codec_reads(name: str) -> None:
    hearing = Hearing()
    played = recorded(name)
    async with (
        EslDouble() as pbx,
        linked(pbx.port, hearing, connect=connect_python_esl, events=FOLLOWED),
    ):
        await pbx.play(played, keep_stamps=True)
        await pbx.say(event("CHANNEL_CREATE", Unique_ID="the last"))
        while not hearing.heard() or hearing.heard()[-1].event.get("Unique-ID") != "the last":
            await hearing.until("CHANNEL_CREATE", hearing.kinds().count("CHANNEL_CREATE") + 1)
        wanted = [PlainEvent(one) for one in played]
        wanted = [one for one in wanted if one.name in FOLLOWED or one.get("Event-Subclass") in SUBCLASSES]
        got = [one.event for one in hearing.heard()[:-1]]
        assert [folded(one) for one in got] == [folded(one) for one in wanted]
        assert [one.body for one in got] == [one.body for one in wanted]


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
async def test_events_in_pieces_arrive_whole_also_when_they_are_no_utf8(piece: int) -> None:
    hearing = Hearing()
    strange = framed(
        b"Event-Name: CHANNEL_ANSWER\nN: M%FCller %E9%0AUnique-ID: evil\nUnique-ID: 1\nE: _undef_\n\n"
    )
    async with EslDouble() as pbx, linked(pbx.port, hearing, connect=connect_python_esl):
        await pbx.say(event("CHANNEL_ANSWER", N="Zoë Müller 電話") + strange, piece=piece)
        await hearing.until("CHANNEL_ANSWER", 2)
        first, second = (one.event for one in hearing.heard())
        assert first["N"] == "Zoë Müller 電話"
        assert second.raw("N") == b"M\xfcller \xe9\nUnique-ID: evil"
        assert second["N"] == "M\ufffdller \ufffd\nUnique-ID: evil"
        assert (second["Unique-ID"], second["E"], second.get("X"), second.get("\udce9")) == (
            "1",
            "",
            None,
            None,
        )


async def test_a_header_whose_name_is_no_utf8_is_left_out() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing, connect=connect_python_esl):
        await pbx.say(framed(b"Event-Name: CHANNEL_ANSWER\nvariable_\xe9: x\nUnique-ID: 1\n\n"))
        await hearing.until("CHANNEL_ANSWER")
        assert "Unique-ID" in dict(hearing.heard()[0].event)


async def test_order_is_kept_through_thousands_of_events_and_commands_between() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing, connect=connect_python_esl) as link:
        pbx.answers["uuid_getvar"] = "x"
        asked = [asyncio.create_task(link.getvar(LEG, "x")) for _ in range(50)]
        await pbx.say(b"".join(event("CHANNEL_CREATE", Unique_ID=str(number)) for number in range(3000)))
        await hearing.until("CHANNEL_CREATE", 3000)
        assert await asyncio.gather(*asked) == ["x"] * 50
        assert [one.event["Unique-ID"] for one in hearing.heard()] == [str(number) for number in range(3000)]


async def test_a_bridge_with_a_thousand_sockets_hears_events_too() -> None:
    """select(2) ends at 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    hearing = Hearing()
    with contextlib.ExitStack() as others:
        try:
            while others.enter_context(socket.socket()).fileno() < 1100:
                pass
            async with EslDouble() as pbx, linked(pbx.port, hearing, connect=connect_python_esl):
                await pbx.say(event("CHANNEL_ANSWER"))
                await hearing.until("CHANNEL_ANSWER")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_wrong_password_is_told_once_and_clearly() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing, "no", up=False, connect=connect_python_esl):
        await hearing.until("LinkLost")
        assert pbx.connections == 1
    assert "event_socket.conf.xml" in hearing.lost()[0].why
    assert threads() == 0


async def test_a_port_that_never_greets_is_given_up() -> None:
    hearing = Hearing()
    async with (
        EslDouble(greeting=b"") as pbx,
        linked(pbx.port, hearing, up=False, connect=connect_python_esl),
    ):
        await hearing.until("LinkLost")


async def test_a_half_open_link_is_noticed_within_two_seconds_and_comes_back() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing, connect=connect_python_esl):
        pbx.stall()
        stalled_ns = time.monotonic_ns()
        await hearing.until("LinkLost")
        assert hearing.lost()[0].at_ns - stalled_ns < 2_000_000_000
        pbx.flow()
        await hearing.until("LinkBack", 2)


async def test_half_a_frame_and_then_silence_is_noticed_too() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing, connect=connect_python_esl):
        await pbx.say(event("CHANNEL_ANSWER")[:100])
        await hearing.until("LinkLost")
        await hearing.until("LinkBack", 2)


async def test_a_connection_that_is_cut_is_lost_at_once_and_its_thread_ends() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx:
        async with linked(pbx.port, hearing, connect=connect_python_esl) as link:
            pbx.mute.add("api uuid_setvar")
            waiting = asyncio.create_task(link.setvar(LEG, "x", "1"))
            await pbx.until_told("api uuid_setvar")
            cut_ns = time.monotonic_ns()
            pbx.cut()
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(waiting, 1)
            await hearing.until("LinkLost")
            assert hearing.lost()[0].at_ns - cut_ns < 1_000_000_000
            await hearing.until("LinkBack", 2)
            assert sum(one.startswith("api uuid_setvar") for one in pbx.commands) == 1
        for one in threading.enumerate():
            if one.name == "python-esl":
                await asyncio.to_thread(one.join, 5)
        assert threads() == 0


async def test_commands_jobs_and_refusals() -> None:
    async with EslDouble() as pbx, linked(pbx.port, Hearing(), connect=connect_python_esl) as link:
        pbx.answers |= {
            "uuid_getvar": "Zoë",
            "uuid_setvar": "-ERR No such channel!\n",
            "status": "UP\n\n2 lines\n",
        }
        assert await link.getvar(LEG, "x") == "Zoë"
        assert await link.api("status") == "UP\n\n2 lines\n"
        assert await link.bgapi("uuid_record", f"{LEG} start /run/x.raw") == "+OK Success\n"
        await link.execute(LEG, "playback", "notice.wav")
        with pytest.raises(CommandRefused, match="No such channel"):
            await link.setvar(LEG, "x", "1")
        with pytest.raises(ValueError, match="line"):
            await link.setvar(LEG, "x", "a\n\nb")
        assert link.is_up


async def test_what_lives_is_found() -> None:
    hearing = Hearing()
    legs = [{"Unique-ID": f"leg-{number}", "variable_x": "Zoë"} for number in range(300)]
    async with EslDouble() as pbx:
        pbx.living(*legs, pairs=(("leg-1", "leg-2"),))
        async with linked(pbx.port, hearing, connect=connect_python_esl):
            pass
    found = hearing.back()[0].found
    assert len(found.legs) == 300
    assert found.pairs == (("leg-1", "leg-2"),)
    assert found.legs[0]["variable_x"] == "Zoë"


async def test_an_event_that_is_not_as_long_as_it_says_is_unreadable() -> None:
    hearing = Hearing()
    async with EslDouble() as pbx, linked(pbx.port, hearing, connect=connect_python_esl) as link:
        await pbx.say(framed(b"Event-Name: CHANNEL_ANSWER\nContent-Length: 9\n\nabc"))
        await pbx.say(event("CHANNEL_HANGUP"))
        await hearing.until("CHANNEL_HANGUP")
        assert link.is_up
    assert hearing.kinds()[1:] == ["Unreadable", "CHANNEL_HANGUP"]


def test_without_python_esl_a_person_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client_module().__name__ == "ESL"
    real = builtins.__import__

    def without(name: str, *more: object, **named: object) -> ModuleType:
        if name == "ESL":
            raise ImportError(name)
        return real(name, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OperatorError, match=r"pbx-bridge\[python-esl\]"):
        client_module()
