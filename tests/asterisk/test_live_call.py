"""The thinnest whole path on a real Asterisk: notice, ring, answer, both voices, hang-up, nothing left behind."""

from __future__ import annotations

import audioop

from pbx_bridge.calls import facts
from tests.asterisk.line import Line, text_hash
from tests.rig import sdp
from tests.rig.phone import Phone
from tests.rig.rtp_voices import tone

AGENT_HERTZ, CUSTOMER_HERTZ = 440, 880
STAMP_ERROR_NS = 10_000_000
"""How far the PBX's stamps may be off on a machine that does much else; calm, a tenth of it."""


def loudness(pcm: bytes) -> int:
    return audioop.rms(pcm, 2)


def crossings_hertz(pcm: bytes, rate: int = 8000) -> float:
    """A pure tone's frequency by its zero crossings."""
    return audioop.cross(pcm, 2) / 2 / (len(pcm) / 2 / rate)


async def test_a_call_is_told_and_both_voices_come(line: Line) -> None:
    pbx = line.pbx
    async with (
        Phone("201", pbx.ports.sip, voice=tone(sdp.PCMU, AGENT_HERTZ)) as agent,
        Phone("trunk", pbx.ports.sip, ip="127.0.0.2", voice=tone(sdp.PCMU, CUSTOMER_HERTZ)) as customer,
    ):
        calling = customer.call("101", number="0301234")
        talking = await agent.next_call()
        agents = await line.channel("PJSIP/201")
        customers = await line.channel("PJSIP/trunk")
        assert line.all(facts.NoticeHeard)[0].channel == customers
        assert line.all(facts.NoticeHeard)[0].notice == text_hash("en")
        await line.until(facts.BridgeEntered, lambda fact: fact.channel == customers)
        voices = await line.tap(agents)
        await voices.seconds(2.0)
        talking.hang_up()
        await calling.until_ended()
        gone = await line.gone(agents)
        await voices.tap.stop()
        await pbx.no_channels()
    assert voices.lost == []
    for leg, hertz in (("agent", AGENT_HERTZ), ("customer", CUSTOMER_HERTZ)):
        heard = voices.pcm(leg)[16000:]
        assert loudness(heard) > 4000
        assert abs(crossings_hertz(heard) - hertz) < 30
    assert -STAMP_ERROR_NS < gone.at_ns - talking.ended_ns < 500_000_000
    up = next(fact for fact in line.all(facts.ChannelUp) if fact.channel == agents)
    assert -STAMP_ERROR_NS < up.at_ns - talking.answered_ns < 500_000_000
