"""Each defect of the AMI library, and each fault of the wire, behind its fence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.ami import AmiLink
from pbx_bridge.telephony.asterisk.ami_protocol import ActionRefused
from pbx_bridge.telephony.asterisk.settings import AmiSettings
from tests.asterisk.fake_ami import FakeAmi, message, newchannel
from tests.rig import scenarios
from tests.rig.asterisk import Asterisk
from tests.rig.asterisk_proxy import Proxy


class Told:
    """Facts in order, and a way to wait for one."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._wanted: list[tuple[Callable[[], bool], asyncio.Event]] = []

    def __call__(self, fact: Fact) -> None:
        self.facts.append(fact)
        for holds, reached in self._wanted:
            if holds():
                reached.set()

    def kinds(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts]

    def count(self, kind: type[Fact]) -> int:
        return sum(isinstance(fact, kind) for fact in self.facts)

    async def until(self, kind: type[Fact], count: int = 1, deadline_s: float = 10.0) -> None:
        reached = asyncio.Event()
        self._wanted.append((lambda: self.count(kind) >= count, reached))
        if self.count(kind) < count:
            await asyncio.wait_for(reached.wait(), deadline_s)


@asynccontextmanager
async def linked(
    port: int, told: Callable[[Fact], None], secret: str = "x", *, up: bool = True
) -> AsyncIterator[AmiLink]:
    link = AmiLink(AmiSettings(port=port, secret=secret), told)
    await link.start()
    try:
        if up:
            await asyncio.wait_for(link.until_up(), 10)
        yield link
    finally:
        await link.close()


async def test_a_half_open_link_is_noticed_within_two_seconds(pbx: Asterisk) -> None:
    told = Told()
    async with Proxy(pbx.ports.ami) as proxy, linked(proxy.port, told, pbx.ami_secret):
        proxy.stall()
        stalled_ns = time.monotonic_ns()
        await told.until(facts.LinkDown)
        assert told.facts[-1].at_ns - stalled_ns < 2_000_000_000
        proxy.flow()
        await told.until(facts.LinkUp, 2)


async def test_a_wrong_secret_is_told_once_and_clearly_and_not_tried_for_ever(pbx: Asterisk) -> None:
    told = Told()
    async with linked(pbx.ports.ami, told, "not the secret", up=False) as link:
        await told.until(facts.LinkDown)
        with pytest.raises(TimeoutError):
            await told.until(facts.LinkDown, 2, deadline_s=3.0)
        assert not link.is_up
    down = told.facts[0]
    assert isinstance(down, facts.LinkDown)
    assert "manager.conf" in down.why
    assert "'pbxb'" in down.why
    assert "not the secret" not in down.why
    assert pbx.log.count("failed to authenticate as 'pbxb'") == 1


async def test_closing_during_the_wait_for_a_reconnect_ends_the_tries(pbx: Asterisk) -> None:
    told = Told()
    async with Proxy(pbx.ports.ami) as proxy:
        async with linked(proxy.port, told, pbx.ami_secret) as link:
            proxy.refusing = True
            proxy.cut()
            await told.until(facts.LinkDown)
            await link.close()
            tries = proxy.connections
            with pytest.raises(TimeoutError):
                await told.until(facts.LinkUp, 2, deadline_s=1.0)
        assert proxy.connections == tries


async def test_a_consumer_that_raises_costs_neither_the_link_nor_the_rest(pbx: Asterisk) -> None:
    told = Told()

    def raising(fact: Fact) -> None:
        told(fact)
        raise RuntimeError("a consumer's bug")

    async with linked(pbx.ports.ami, raising, pbx.ami_secret) as link:
        async with scenarios.Stage(pbx) as stage:
            await scenarios.agent_hangs_up(stage, talk_s=0.1)
        await told.until(facts.ChannelGone, 2)
        assert link.is_up
        assert told.count(facts.LinkDown) == 0
        assert told.count(facts.BridgeEntered) == 2


@pytest.mark.parametrize("value", ["a\r\nAction: Redirect", "a\nb", "a\rb", "a\0b", "x" * 2000])
async def test_a_value_that_would_be_a_second_header_is_never_sent(value: str) -> None:
    async with FakeAmi() as ami, linked(ami.port, Told()) as link:
        with pytest.raises(ValueError, match=r"PBXB_X|Value|Channel|Variable"):
            await link.setvar(None, "PBXB_X", value)
        with pytest.raises(ValueError, match=r"Value|Channel|Variable"):
            await link.getvar(ChannelId(value), "X")
        of_its_own = [action for action in ami.actions if action.get("Variable") != "PBXB_SAID"]
        assert {action["Action"] for action in of_its_own} <= {"Login", "Ping", "Status", "BridgeList"}


async def test_a_value_with_strange_letters_arrives_as_it_is(pbx: Asterisk) -> None:
    async with linked(pbx.ports.ami, Told(), pbx.ami_secret) as link:
        await link.setvar(None, "PBXB_X", 'Zoë, "Müller"; ${X} \\ 電話')
        assert await link.getvar(None, "PBXB_X") == 'Zoë, "Müller"; ${X} \\ 電話'


async def test_what_asterisk_refuses_is_an_error_with_its_sentence(pbx: Asterisk) -> None:
    async with linked(pbx.ports.ami, Told(), pbx.ami_secret) as link:
        with pytest.raises(ActionRefused, match="No such channel"):
            await link.getvar(ChannelId("1795465148.999"), "X")
        assert link.is_up


async def test_order_is_kept_through_thousands_of_events() -> None:
    told = Told()
    async with FakeAmi() as ami, linked(ami.port, told):
        await ami.say(b"".join(newchannel(number) for number in range(5000)))
        await told.until(facts.ChannelBorn, 5000)
    born = [fact.channel for fact in told.facts if isinstance(fact, facts.ChannelBorn)]
    assert born == [f"1795465148.{number}" for number in range(5000)]


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
async def test_letters_split_over_segments_arrive_whole(piece: int) -> None:
    told = Told()
    called = message(
        Event="AgentCalled", Timestamp="1795465148.1", DestUniqueid="1.2", MemberName="Zoë Müller 電話"
    )
    async with FakeAmi() as ami, linked(ami.port, told):
        await ami.say(called * 3, piece=piece)
        await told.until(facts.PersonNamed, 3)
    assert {fact.person for fact in told.facts if isinstance(fact, facts.PersonNamed)} == {"Zoë Müller 電話"}


async def test_events_during_the_resync_follow_the_snapshot() -> None:
    told = Told()
    async with FakeAmi() as ami:
        ami.before_status = newchannel(7)
        async with linked(ami.port, told):
            await told.until(facts.ChannelBorn)
    assert told.kinds()[:2] == ["LinkUp", "ChannelBorn"]


async def test_an_action_without_answer_fails_and_is_never_sent_again() -> None:
    told = Told()
    async with FakeAmi(mute=frozenset({"Setvar"})) as ami, linked(ami.port, told) as link:
        with pytest.raises((TimeoutError, ConnectionError)):
            await link.setvar(None, "PBXB_X", "1")
        ami.cut()
        await told.until(facts.LinkUp, 2)
        await link.getvar(None, "X")
        assert [action["Action"] for action in ami.actions].count("Setvar") == 1


async def test_an_action_is_failed_at_once_when_the_link_breaks() -> None:
    async with FakeAmi(mute=frozenset({"Setvar"})) as ami, linked(ami.port, Told()) as link:
        waiting = asyncio.create_task(link.setvar(None, "PBXB_X", "1"))
        while not any(action["Action"] == "Setvar" for action in ami.actions):  # noqa: ASYNC110 - a real socket between
            await asyncio.sleep(0.01)
        ami.cut()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(waiting, 0.5)


@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"Asterisk Call Manager/" + b"1" * 300],
)
async def test_something_else_on_the_port_is_said(greeting: bytes) -> None:
    told = Told()
    async with FakeAmi(greeting=greeting) as ami, linked(ami.port, told, up=False):
        await told.until(facts.LinkDown)
    down = told.facts[0]
    assert isinstance(down, facts.LinkDown)
    assert "manager" in down.why or "greeting" in down.why


@pytest.mark.parametrize("flood", [b"X: " + b"y" * 40_000 + b"\r\n\r\n", b"X: y\r\n" * 60_000])
async def test_a_line_or_message_without_end_ends_the_link(flood: bytes) -> None:
    told = Told()
    async with FakeAmi() as ami, linked(ami.port, told):
        await ami.say(flood)
        await told.until(facts.LinkDown)
        await told.until(facts.LinkUp, 2)


async def test_what_cannot_be_read_is_a_fact_and_the_link_lives() -> None:
    told = Told()
    async with FakeAmi() as ami, linked(ami.port, told) as link:
        await ami.say(message(Event="Hangup", Uniqueid="1.2", Timestamp="1.000000") + newchannel(3))
        await told.until(facts.ChannelBorn)
        assert link.is_up
    assert facts.Unreadable(told.facts[1].at_ns, ChannelId("1.2"), "Hangup") in told.facts


async def test_the_link_comes_back_with_all_that_lives(pbx: Asterisk) -> None:
    told = Told()
    async with (
        Proxy(pbx.ports.ami) as proxy,
        linked(proxy.port, told, pbx.ami_secret),
        scenarios.Stage(pbx) as stage,
    ):
        agent, customer = await stage.agent(), await stage.customer()
        talking, _ = await stage.connect(agent, customer)
        await told.until(facts.BridgeEntered, 2)
        proxy.cut()
        await told.until(facts.LinkUp, 2)
        await told.until(facts.BridgeEntered, 4)
        ups = [fact for fact in told.facts if isinstance(fact, facts.LinkUp)]
        assert sorted(one.endpoint for one in ups[1].channels) == ["PJSIP/201", "PJSIP/trunk"]
        bridges = [fact for fact in told.facts if isinstance(fact, facts.BridgeEntered)]
        assert {(one.channel, one.bridge) for one in bridges[:2]} == {
            (one.channel, one.bridge) for one in bridges[2:]
        }
        talking.hang_up()
        await told.until(facts.ChannelGone, 2)
    assert told.kinds().count("LinkDown") == 1


async def test_asterisk_killed_and_back(pbx: Asterisk) -> None:
    told = Told()
    async with linked(pbx.ports.ami, told, pbx.ami_secret):
        killed_ns = time.monotonic_ns()
        await pbx.killed()
        await told.until(facts.LinkDown)
        assert told.facts[-1].at_ns - killed_ns < 2_000_000_000
        await pbx.start()
        await told.until(facts.LinkUp, 2, deadline_s=15)
