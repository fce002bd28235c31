"""FreeSWITCH as facts: what the dialplan needs comes first, what was found is not told twice, phones that fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused
from pbx_bridge.telephony.freeswitch.link import FreeswitchLink
from pbx_bridge.telephony.freeswitch.settings import EslSettings
from tests.rig.esl_double import PASSWORD, EslDouble, event
from tests.stations.rig import until

LEG, OTHER = (
    ChannelId("65c768cf-ac8d-4b80-b838-9668ff09c775"),
    ChannelId("a7512aa9-7520-47ec-a972-30cc12fb7964"),
)
BORN = {
    "Unique_ID": LEG,
    "Channel_Name": "sofia/internal/1001@127.0.0.1",
    "Call_Direction": "inbound",
    "Caller_Context": "default",
}
"""As an event of the double; a dump's names have dashes."""
DUMP = {name.replace("_", "-"): value for name, value in BORN.items()}


class Told:
    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.back = 0
        self.refuses = 0

    def __call__(self, fact: Fact) -> None:
        self.facts.append(fact)

    def kinds(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts]

    async def on_back(self) -> None:
        self.back += 1
        if self.refuses:
            self.refuses -= 1
            raise CommandRefused("global_setvar", "-ERR")


@asynccontextmanager
async def facts_of(pbx: EslDouble, told: Told) -> AsyncIterator[FreeswitchLink]:
    link = FreeswitchLink(EslSettings(port=pbx.port, password=PASSWORD), told, on_back=told.on_back)
    await link.start()
    try:
        yield link
    finally:
        await link.close()


async def test_it_is_up_once_freeswitch_was_told_and_that_is_tried_again() -> None:
    told = Told()
    told.refuses = 2
    async with EslDouble() as pbx, facts_of(pbx, told) as link:
        with capture_logs() as logs:
            async with asyncio.timeout(10):
                await link.until_up()
        assert told.back == 3
        assert len([one for one in logs if "not told" in one["event"]]) == 2
        assert told.kinds() == ["LinkUp"]


async def test_a_link_that_is_lost_is_not_told_anything_more() -> None:
    told = Told()
    told.refuses = 1000
    async with EslDouble() as pbx, facts_of(pbx, told) as link:
        await until(lambda: told.back >= 1)
        pbx.mute.add("auth")
        pbx.cut()
        await until(lambda: told.kinds()[-1] == "LinkDown")
        before = told.back
        async with asyncio.timeout(5):
            await pbx.until_told("auth", 2)
        assert told.back == before
        assert not link.esl.is_up


async def test_what_was_found_is_not_born_again() -> None:
    """The event may come after the snapshot that has it already."""
    told = Told()
    async with EslDouble() as pbx:
        pbx.living(DUMP)
        pbx.before_calls = event("CHANNEL_CREATE", b"", **BORN)
        pbx.before_calls += event("CHANNEL_CREATE", b"", **BORN | {"Unique_ID": OTHER})
        async with facts_of(pbx, told) as link:
            await link.until_up()
            await until(lambda: "ChannelBorn" in told.kinds())
    (up,) = (fact for fact in told.facts if isinstance(fact, facts.LinkUp))
    assert [channel.channel for channel in up.channels] == [LEG]
    assert [fact.channel for fact in told.facts if isinstance(fact, facts.ChannelBorn)] == [OTHER]


async def test_an_id_that_was_found_may_belong_to_a_later_call() -> None:
    """`origination_uuid`: a site may give the same one again."""
    told = Told()
    async with EslDouble() as pbx:
        pbx.living(DUMP)
        async with facts_of(pbx, told) as link:
            await link.until_up()
            await pbx.say(event("CHANNEL_HANGUP", Unique_ID=LEG) + event("CHANNEL_CREATE", b"", **BORN))
            await until(lambda: told.kinds()[-2:] == ["ChannelGone", "ChannelBorn"])


async def test_a_phone_that_falls_silent_is_told_and_so_is_its_return() -> None:
    told, count = Told(), 1
    async with EslDouble() as pbx, facts_of(pbx, told) as link:
        await link.until_up()
        pbx.answers["json"] = lambda: (
            f'{{"status":"success","response":{{"audio":{{"in_packet_count":{count}}}}}}}\n'
        )
        link.watch(LEG)
        await until(lambda: "LegSilent" in told.kinds())
        count = 2
        await until(lambda: "LegHeard" in told.kinds())
        pbx.answers["json"] = '{"status":"error","response":null}\n'
        asked = len(pbx.told("api json"))
        await pbx.until_told("api json", asked + 1)
        await until(lambda: link._rtp.watched() == ())


async def test_only_notes_that_were_told_are_taken_back() -> None:
    told = Told()
    async with EslDouble() as pbx:
        pbx.answers["global_getvar"] = f"pbxb_said_{LEG}=objection\n"
        async with facts_of(pbx, told) as link:
            await link.until_up()
            assert told.kinds() == ["LinkUp", "CallerObjected"]
            await pbx.say(event("CUSTOM", b"", Event_Subclass="pbx_bridge::private", Unique_ID=OTHER))
            await until(lambda: told.kinds()[-1] == "AgentObjected")
            await link.forget_what_was_said()
            taken = pbx.told("api global_setvar")
            assert sorted(taken) == sorted(f"api global_setvar pbxb_said_{leg}=" for leg in (LEG, OTHER))
            await link.forget_what_was_said()
            assert len(pbx.told("api global_setvar")) == 2
