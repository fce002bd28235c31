"""One call between two people who speak, and the truth about it: what the proof of its recording is held against.

The customer calls the agent on a real PBX; both phones speak in turns from one common instant after the answer; the
agent holds and resumes once; the customer hangs up. The truth comes from the phones: when the 200 OK and the BYE left,
and which packet of which phrase was sent when.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.rig.phone import Leg, OnRing, Phone
from tests.rig.proof import Said, Truth
from tests.rig.rtp_voices import Voice, silent, speech
from tests.rig.sdp import PCMU
from tests.rig.speech import RATE, Speech, conversation

AGENT_PHONE, DIRECT_NUMBER, CUSTOMER_PHONE, CUSTOMER_IP = "201", "101", "trunk", "127.0.0.2"
NOTICE_DEADLINE_S = 30.0
PACKET_NS = PCMU.ptime_ms * 1_000_000
PHONE_PRIORITY = -10
TORN_NS = 60_000_000
"""A packet that leaves so late tears the phrase it is of: the phone's machine stood still, and nobody said it."""
SPEECH_LEAD_PACKETS = 15
"""Both voices are laid 300 ms ahead of where the phones are, so that both begin at one instant."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long it lasts and when what happens, in seconds after the answer."""

    length_s: float
    hold_s: tuple[float, float]
    moments: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = ()
    """What else happens meanwhile: a mail window jumps in front, for one."""


@dataclass(slots=True)
class _Side:
    leg: Leg
    speech: Speech
    first_packet: int = 0

    def said(self, zero_ns: int) -> tuple[Said, ...]:
        """The phrases of which every packet left in time, and when they began.

        The median over their packets: on a loaded machine one packet leaves late, the listener's clock does not.
        """
        sent = {item.sample // PCMU.samples - self.first_packet: item.at_ns for item in self.leg.rtp.sent}
        found = []
        for word in self.speech.words:
            first, inside = divmod(round(word.start_s * RATE), PCMU.samples)
            last = (round(word.start_s * RATE) + len(word.samples)) // PCMU.samples
            if all(packet in sent for packet in range(first, last + 1)):
                begun_ns = [sent[packet] - (packet - first) * PACKET_NS for packet in range(first, last + 1)]
                at_ns = round(statistics.median(begun_ns)) + inside * 1_000_000_000 // RATE
                if max(begun_ns) - min(begun_ns) < TORN_NS:
                    found.append(Said((at_ns - zero_ns) / 1e9, word.samples))
        return tuple(found)

    def latest_ns(self) -> int:
        """How late the latest packet left, against the one that left soonest."""
        rtp = self.leg.rtp
        begun_ns = [item.at_ns - item.sample // rtp.codec.samples * PACKET_NS for item in rtp.sent]
        return max(begun_ns, default=0) - min(begun_ns, default=0)


async def hold_a_call(pbx_port: int, plan: Plan, folder: Path, told: Callable[[str], None]) -> Truth:
    """Makes the call and returns the truth. `folder` is for the speeches' WAV files: what the demo itself says."""
    speeches = await asyncio.to_thread(conversation, plan.length_s + 2)
    voices = [
        speech(PCMU, said.write_wav(folder / f"{name}.wav"))
        for said, name in zip(speeches, ("agent", "customer"), strict=True)
    ]
    with _on_time():
        return await _talk(pbx_port, plan, speeches, voices, told)


async def _talk(
    pbx_port: int,
    plan: Plan,
    speeches: tuple[Speech, Speech],
    voices: list[Voice],
    told: Callable[[str], None],
) -> Truth:
    async with (
        Phone(AGENT_PHONE, pbx_port, on_ring=OnRing.RING) as agent_phone,
        Phone(CUSTOMER_PHONE, pbx_port, ip=CUSTOMER_IP) as customer_phone,
    ):
        told("the customer calls; the PBX plays the notice")
        customer = _Side(customer_phone.call(DIRECT_NUMBER, number="0612345678"), speeches[1])
        agent = _Side(await agent_phone.next_call(NOTICE_DEADLINE_S), speeches[0])
        await asyncio.sleep(0.5)  # somebody reaches for the phone
        agent.leg.answer()
        zero_ns = agent.leg.answered_ns
        told("the trainee answers (200 OK)")
        await customer.leg.until_answered()
        _speak_from_now(agent, customer, voices)
        pauses = await _live(plan, agent.leg, zero_ns, told)
        customer.leg.hang_up()
        end_ns = customer.leg.ended_ns
        told("the customer hangs up (BYE)")
        await agent.leg.until_ended()
        late_ms = max(agent.latest_ns(), customer.latest_ns()) / 1e6
        told(f"each packet of the phones left within {late_ms:.0f} ms of its time")
        return Truth(
            zero_ns=zero_ns,
            length_s=(end_ns - zero_ns) / 1e9,
            pauses=pauses,
            agent=agent.said(zero_ns),
            customer=customer.said(zero_ns),
        )


@contextlib.contextmanager
def _on_time() -> Iterator[None]:
    """Phones have their own processors: on a loaded machine theirs is put first, or their packets come in heaps."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PHONE_PRIORITY)
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


def _speak_from_now(agent: _Side, customer: _Side, voices: list[Voice]) -> None:
    """Lays each speech behind as much silence as its phone has already sent, so that both begin at one instant."""
    for side, voice in zip((agent, customer), voices, strict=True):
        sent = side.leg.rtp.sent
        so_far = sent[-1].sample // PCMU.samples + 1 if sent else 0
        side.first_packet = so_far + SPEECH_LEAD_PACKETS
        quiet = silent(PCMU)
        side.leg.rtp.voice = Voice(
            (quiet.silence,) * side.first_packet + voice.packets, quiet.silence, again=False
        )


async def _live(
    plan: Plan, agent: Leg, zero_ns: int, told: Callable[[str], None]
) -> tuple[tuple[float, float], ...]:
    """Lets the call last; returns the pauses as they were."""
    pauses: list[tuple[float, float]] = []

    async def hold() -> None:
        start_s = (time.monotonic_ns() - zero_ns) / 1e9
        await agent.hold()
        pauses.append((start_s, plan.length_s))
        told("the trainee puts the customer on hold")

    async def resume() -> None:
        await agent.resume()
        pauses[-1] = (pauses[-1][0], (time.monotonic_ns() - zero_ns) / 1e9)
        told("the trainee resumes")

    moments = [*plan.moments, (plan.hold_s[0], hold), (plan.hold_s[1], resume)]
    for at_s, act in sorted(moments, key=lambda moment: moment[0]):
        await asyncio.sleep(max(0.0, zero_ns / 1e9 + at_s - time.monotonic()))
        await act()
    await asyncio.sleep(max(0.0, zero_ns / 1e9 + plan.length_s - time.monotonic()))
    return tuple(pauses)
