"""What happens on telephones, each as one function: real phones, a real PBX, and the truth of when it happened.

A scenario drives phones and returns its `Truth`, by the phones' own clocks (the machine's CLOCK_MONOTONIC). It knows
nothing of the bridge: the same functions serve tests of facts and tests of what was recorded. The trainee is the phone
201, the customer the trunk.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.rig import sdp
from tests.rig.deadlines import within
from tests.rig.pbx import RigPbx
from tests.rig.phone import Leg, OnRing, Phone
from tests.rig.rtp_voices import Voice, tone

TALK_S = 1.5
"""Long enough for a recording to be worth the name, short enough for forty scenarios."""
AGENT_HERTZ, CUSTOMER_HERTZ, OTHER_HERTZ = 440, 880, 1320
NUMBER = "0612345678"
"""The customer's, which must turn up in no log and no file."""


@dataclass(slots=True)
class Truth:
    """What really happened to the trainee's leg."""

    answered_ns: int = 0
    """The trainee's 200 OK left (or, outbound, the customer's came to them); 0: they never talked."""
    over_ns: int = 0
    """From here on the trainee does not talk with this customer: the first BYE, the transfer, the vanishing."""
    pauses: list[tuple[int, int]] = field(default_factory=list)
    """Begin and end of each hold or consultation."""
    agent: list[Leg] = field(default_factory=list)
    """The trainee's legs in the order of their beginning."""
    customer: list[Leg] = field(default_factory=list)


class Stage:
    """The phones of one scenario. `async with Stage(pbx) as stage:` hangs up and unplugs them at the end."""

    def __init__(
        self, pbx: RigPbx, *, agent_voice: Voice | None = None, customer_voice: Voice | None = None,
        codec: sdp.Codec = sdp.PCMU,
    ) -> None:  # fmt: skip
        self.pbx, self.codec = pbx, codec
        self._agent_voice = agent_voice or tone(codec, AGENT_HERTZ)
        self._customer_voice = customer_voice or tone(codec, CUSTOMER_HERTZ)
        self._phones = AsyncExitStack()
        self.truth = Truth()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._phones.aclose()

    async def agent(self, user: str = "201", **how: Any) -> Phone:
        how = {"codec": self.codec, "voice": self._agent_voice, **how}
        return await self._plugged(user, how)

    async def colleague(self, user: str = "202", **how: Any) -> Phone:
        how = {"voice": tone(how.get("codec", sdp.PCMU), OTHER_HERTZ), **how}
        return await self._plugged(user, how)

    async def customer(self, user: str = "trunk", **how: Any) -> Phone:
        how = {"codec": self.codec, "voice": self._customer_voice, "ip": "127.0.0.2", **how}
        return await self._plugged(user, how)

    async def _plugged(self, user: str, how: dict[str, Any]) -> Phone:
        phone = Phone(user, self.pbx.sip_port, password=self.pbx.phone_password, **how)
        return await self._phones.enter_async_context(phone)

    async def talk(self, seconds: float = TALK_S) -> None:
        """Time passes on the phones."""
        await asyncio.sleep(seconds)

    async def connect(self, agent: Phone, customer: Phone, extension: str = "101") -> tuple[Leg, Leg]:
        """The customer calls, the agent answers; returns the agent's and the customer's leg."""
        calling = customer.call(extension, number=NUMBER)
        answering = await agent.next_call()
        await answering.until_answered()
        await calling.until_answered()
        self.truth.answered_ns = self.truth.answered_ns or answering.answered_ns
        self.truth.agent.append(answering)
        self.truth.customer.append(calling)
        return answering, calling

    def over(self, at_ns: int = 0) -> None:
        self.truth.over_ns = self.truth.over_ns or at_ns or time.monotonic_ns()


# ---------------------------------------------------------------- plain calls


async def agent_hangs_up(stage: Stage, talk_s: float = TALK_S, extension: str = "101") -> Truth:
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer, extension)
    await stage.talk(talk_s)
    talking.hang_up()
    stage.over(talking.ended_ns)
    await calling.until_ended()
    return stage.truth


async def customer_hangs_up(stage: Stage, talk_s: float = TALK_S, extension: str = "101") -> Truth:
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer, extension)
    await stage.talk(talk_s)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


async def no_answer(stage: Stage) -> Truth:
    """Rings until the dialplan gives up (10 s)."""
    agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
    calling = customer.call("101", number=NUMBER)
    ringing = await agent.next_call()
    stage.truth.agent.append(ringing)
    await ringing.until_ended(20)
    await calling.until_ended()
    return stage.truth


async def busy(stage: Stage) -> Truth:
    await stage.agent(on_ring=OnRing.BUSY)
    customer = await stage.customer()
    calling = customer.call("101", number=NUMBER)
    await calling.until_ended(20)
    return stage.truth


async def abandoned(stage: Stage, ring_s: float = 0.5) -> Truth:
    """The customer hangs up while it rings."""
    agent, customer = await stage.agent(on_ring=OnRing.RING), await stage.customer()
    calling = customer.call("101", number=NUMBER)
    ringing = await agent.next_call()
    await stage.talk(ring_s)
    calling.leave()
    await ringing.until_ended()
    return stage.truth


async def two_calls(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """Two agents with a call each, begun in the same instant; the colleague's lasts longer."""
    agent, colleague = await stage.agent(), await stage.colleague()
    customer = await stage.customer()
    first, second = customer.call("101", number=NUMBER), customer.call("102", number="0700000002")
    talking, other = await agent.next_call(), await colleague.next_call()
    await asyncio.gather(*(leg.until_answered() for leg in (first, second, talking, other)))
    stage.truth.answered_ns = talking.answered_ns
    stage.truth.agent += [talking, other]
    stage.truth.customer += [first, second]
    await stage.talk(talk_s)
    talking.hang_up()
    stage.over(talking.ended_ns)
    await first.until_ended()
    await stage.talk(0.5)
    second.hang_up()
    await other.until_ended()
    return stage.truth


async def two_phones(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """One agent, two phones that ring together; one answers."""
    agent = await stage.agent()
    other = await stage.agent(on_ring=OnRing.RING)
    customer = await stage.customer()
    talking, calling = await stage.connect(agent, customer, "121")
    loser = await other.next_call()
    await loser.until_ended()
    await stage.talk(talk_s)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


async def outbound(stage: Stage, talk_s: float = TALK_S) -> Truth:
    agent, customer = await stage.agent(), await stage.customer()
    calling = agent.call(f"0{NUMBER}")
    answering = await customer.next_call()
    await calling.until_answered(20)
    stage.truth.answered_ns = calling.answered_ns
    stage.truth.agent.append(calling)
    stage.truth.customer.append(answering)
    await stage.talk(talk_s)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await answering.until_ended()
    return stage.truth


async def customer_leaves_agent_lives_on(stage: Stage, talk_s: float = TALK_S, alone_s: float = 5.0) -> Truth:
    """The customer hangs up; the dialplan keeps the agent's channel (30 s), until the agent is tired of it."""
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer, "131")
    await stage.talk(talk_s)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await stage.talk(alone_s)
    if not talking.ended.is_set():
        talking.hang_up()
    return stage.truth


# ---------------------------------------------------------------- hold


async def agent_holds(stage: Stage, talk_s: float = TALK_S, hold_s: float = 1.0) -> Truth:
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(talk_s)
    begin = time.monotonic_ns()
    await talking.hold()
    await stage.talk(hold_s)
    await talking.resume()
    stage.truth.pauses.append((begin, time.monotonic_ns()))
    await stage.talk(talk_s)
    talking.hang_up()
    stage.over(talking.ended_ns)
    await calling.until_ended()
    return stage.truth


async def customer_holds(stage: Stage, talk_s: float = TALK_S, hold_s: float = 1.0) -> Truth:
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(talk_s)
    begin = time.monotonic_ns()
    await calling.hold()
    await stage.talk(hold_s)
    await calling.resume()
    stage.truth.pauses.append((begin, time.monotonic_ns()))
    await stage.talk(talk_s)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


# ---------------------------------------------------------------- transfers


async def blind_transfer(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """The agent sends the customer to a colleague, unannounced."""
    agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(talk_s)
    stage.over()
    talking.transfer("202")
    second = await colleague.next_call()
    await second.until_answered()
    await talking.until_ended()
    await stage.talk(0.5)
    calling.hang_up()
    await second.until_ended()
    return stage.truth


async def attended_transfer(stage: Stage, talk_s: float = TALK_S, consult_s: float = 1.0) -> Truth:
    """The trainee (201) holds the customer, talks with a colleague and joins the two."""
    agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(talk_s)
    await talking.hold()
    stage.over()
    consulting = await agent.call("202").until_answered()
    stage.truth.agent.append(consulting)
    consulted = await colleague.next_call()
    await stage.talk(consult_s)
    talking.transfer_to(consulting)
    await within(talking.transferred.wait(), 10)
    await talking.until_ended()
    await stage.talk(0.5)
    calling.hang_up()
    await consulted.until_ended()
    return stage.truth


async def attended_transfer_to_trainee(stage: Stage, talk_s: float = TALK_S, consult_s: float = 1.0) -> Truth:
    """A colleague (202) holds a customer, asks the trainee (201) and hands the customer over to them."""
    agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
    calling = customer.call("102", number=NUMBER)
    first = await colleague.next_call()
    await calling.until_answered()
    await stage.talk(0.5)
    await first.hold()
    consulting = await colleague.call("201").until_answered()
    consulted = await agent.next_call()
    stage.truth.agent.append(consulted)
    stage.truth.customer.append(calling)
    await stage.talk(consult_s)
    first.transfer_to(consulting)
    await within(first.transferred.wait(), 10)
    stage.truth.answered_ns = time.monotonic_ns()
    await stage.talk(talk_s)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await consulted.until_ended()
    return stage.truth


async def feature_transfer_blind(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """The agent presses #1 and the colleague's extension."""
    agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
    talking, calling = await stage.connect(agent, customer, "141")
    await stage.talk(talk_s)
    await talking.press("#1")
    stage.over()
    await stage.talk(0.7)
    await talking.press("202")
    second = await colleague.next_call(20)
    await second.until_answered()
    await stage.talk(0.5)
    calling.hang_up()
    await second.until_ended()
    return stage.truth


async def feature_transfer_attended(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """The agent presses *2 and the colleague's extension, talks, and hangs up."""
    agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
    talking, calling = await stage.connect(agent, customer, "141")
    await stage.talk(talk_s)
    await talking.press("*2")
    stage.over()
    await stage.talk(0.7)
    await talking.press("202")
    second = await colleague.next_call(20)
    await second.until_answered()
    await stage.talk(1.0)
    talking.hang_up()
    await stage.talk(0.5)
    calling.hang_up()
    await second.until_ended()
    return stage.truth


async def parking(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """The agent parks the customer; a colleague takes them off."""
    agent, customer, colleague = await stage.agent(), await stage.customer(), await stage.colleague()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(talk_s)
    stage.over()
    talking.transfer("700")
    await talking.until_ended()
    await stage.talk(0.5)
    taking = await colleague.call("701").until_answered()
    await stage.talk(0.5)
    calling.hang_up()
    await taking.until_ended()
    return stage.truth


async def redirect(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """Another application takes the customer away."""
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(talk_s)
    stage.over(await stage.pbx.take_away("trunk"))
    await talking.until_ended()
    calling.hang_up()
    return stage.truth


async def pickup(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """It rings at a colleague (202); the trainee (201) takes the call with *8."""
    agent, customer = await stage.agent(), await stage.customer()
    colleague = await stage.colleague(on_ring=OnRing.RING)
    calling = customer.call("102", number=NUMBER)
    ringing = await colleague.next_call()
    taking = await agent.call("*8").until_answered()
    stage.truth.answered_ns = taking.answered_ns
    stage.truth.agent.append(taking)
    stage.truth.customer.append(calling)
    await calling.until_answered()
    await ringing.until_ended()
    await stage.talk(talk_s)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await taking.until_ended()
    return stage.truth


# ---------------------------------------------------------------- queues


async def queue(stage: Stage, talk_s: float = TALK_S) -> Truth:
    return await customer_hangs_up(stage, talk_s, "200")


async def queue_local(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """As FreePBX does: a Local/…/n member whose gosub takes 0.7 s after the agent's answer, and one more at the queue."""
    return await customer_hangs_up(stage, talk_s, "210")


# ---------------------------------------------------------------- faults and kinds of media


async def vanish(stage: Stage, talk_s: float = TALK_S, gone_s: float = 5.0) -> Truth:
    """The agent's phone loses its network: no BYE, no RTP."""
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(talk_s)
    talking.vanish()
    stage.over()
    await stage.talk(gone_s)
    calling.hang_up()
    return stage.truth


async def info_digits(stage: Stage, talk_s: float = TALK_S, digits: str = "159") -> Truth:
    """The agent presses keys that travel as SIP INFO; extension 104's phone is set up so."""
    agent, customer = await stage.agent("204"), await stage.customer()
    talking, calling = await stage.connect(agent, customer, "104")
    await stage.talk(talk_s / 2)
    await talking.press_by_info(digits)
    await stage.talk(talk_s / 2)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


async def direct_media(stage: Stage, talk_s: float = TALK_S) -> Truth:
    """Both phones are told to send to each other; a tap must bring the media back."""
    agent, customer = await stage.agent("205"), await stage.customer("directtrunk", ip="127.0.0.3")
    talking, calling = await stage.connect(agent, customer, "105")
    await stage.talk(talk_s)
    talking.hang_up()
    stage.over(talking.ended_ns)
    await calling.until_ended()
    return stage.truth


async def double_silence(stage: Stage, talk_s: float = TALK_S, silent_s: float = 2.0) -> Truth:
    """Neither side sends a packet for a while."""
    agent, customer = await stage.agent(), await stage.customer()
    talking, calling = await stage.connect(agent, customer)
    await stage.talk(talk_s)
    talking.rtp.muted = calling.rtp.muted = True
    await stage.talk(silent_s)
    talking.rtp.muted = calling.rtp.muted = False
    await stage.talk(talk_s)
    talking.hang_up()
    stage.over(talking.ended_ns)
    await calling.until_ended()
    return stage.truth
