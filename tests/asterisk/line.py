"""The product's telephony adapters against one rig PBX, as app.py joins them, with every fact kept in order."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact, VoiceChunk
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.ami import AmiLink
from pbx_bridge.telephony.asterisk.heartbeat import Heartbeat
from pbx_bridge.telephony.asterisk.notice_server import NoticeServer, SpokenNotice
from pbx_bridge.telephony.asterisk.settings import AmiSettings, AriSettings
from pbx_bridge.telephony.asterisk.tap import Tap, TapServer
from pbx_bridge.telephony.asterisk.watchdog import Watchdog
from tests.rig.asterisk import Asterisk
from tests.rig.asterisk_sounds import NOTICES

F = TypeVar("F", bound=Fact)
DEADLINE_S = 15.0


def text_hash(language: str) -> str:
    return hashlib.sha256(NOTICES[language].encode()).hexdigest()


class Voices:
    """What one tap delivered."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.chunks: list[VoiceChunk] = []
        self.lost: list[str] = []
        self._awaited: tuple[float, asyncio.Event] | None = None

    def chunk(self, chunk: VoiceChunk) -> None:
        self.chunks.append(chunk)
        if self._awaited is not None and self._shortest() >= self._awaited[0]:
            self._awaited[1].set()

    async def seconds(self, length_s: float, deadline_s: float = DEADLINE_S) -> None:
        """Returns when both legs are this long."""
        self._awaited = (length_s, asyncio.Event())
        if self._shortest() < length_s:
            await asyncio.wait_for(self._awaited[1].wait(), deadline_s)

    def _shortest(self) -> float:
        """Seconds, of the leg that is behind."""
        ends = {chunk.leg: (chunk.index + len(chunk.pcm) // 2) / chunk.rate for chunk in self.chunks}
        return min(ends.get("agent", 0.0), ends.get("customer", 0.0))

    def of(self, leg: str) -> list[VoiceChunk]:
        return [chunk for chunk in self.chunks if chunk.leg == leg]

    def pcm(self, leg: str) -> bytes:
        return b"".join(chunk.pcm for chunk in self.of(leg))


class Line:
    """`async with Line(pbx) as line:` is a bridge's telephone side without any decision in it."""

    def __init__(self, pbx: Asterisk, *, with_notice: bool = True) -> None:
        self.pbx, self.with_notice = pbx, with_notice
        self.facts: list[Fact] = []
        self._news = asyncio.Condition()
        self.link = AmiLink(
            AmiSettings(port=pbx.ports.ami, user=pbx.ami_user, secret=pbx.ami_secret),
            self._fact,
            digest_key=b"test",
        )
        self.taps = TapServer(
            AriSettings(f"http://127.0.0.1:{pbx.ports.http}", pbx.ari_user, pbx.ari_password)
        )
        self.watchdog = Watchdog(deadline_s=5.0)
        self.token = "0123456789abcdef" * 2
        self.notice = NoticeServer(
            [SpokenNotice(language, f"pbxb/notice-{language}", text_hash(language)) for language in NOTICES],
            self.token,
        )
        self.heartbeat: Heartbeat | None = None

    async def __aenter__(self) -> Self:
        self.notice_s = {
            language: self.pbx.speak(f"pbxb/notice-{language}", language, text)
            for language, text in NOTICES.items()
        }
        await self.notice.start()
        await self.taps.start()
        await self.link.start()
        await self.watchdog.start()
        addresses = {
            "PBXB_TAP": self.taps.address,
            "PBXB_AGI": self.notice.address if self.with_notice else "",
        }
        self.heartbeat = Heartbeat(self.link, self.watchdog, addresses, token=self.token)
        await self.heartbeat.start()
        async with asyncio.timeout(DEADLINE_S):
            await self.link.until_up()
            await self.taps.ari.until_up()
            await self.heartbeat.until_beating()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self.heartbeat is not None
        await self.heartbeat.close()
        await self.watchdog.close()
        await self.taps.close()
        await self.link.close()
        await self.notice.close()

    def _fact(self, fact: Fact) -> None:
        self.facts.append(fact)
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(
        self, kind: type[F], which: Callable[[F], bool] = lambda _: True, *, deadline_s: float = DEADLINE_S
    ) -> F:
        """The first fact of this kind for which `which` holds, already told or still to come."""

        def found() -> F | None:
            return next((fact for fact in self.facts if isinstance(fact, kind) and which(fact)), None)

        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(lambda: found() is not None), deadline_s)
            except TimeoutError:
                raise AssertionError(f"no {kind.__name__} in {deadline_s} s among {self.facts}") from None
        fact = found()
        assert fact is not None
        return fact

    def all(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def channel(self, endpoint: str, number: int = 0) -> ChannelId:
        """The `number`th channel that `endpoint` ("PJSIP/201") got."""

        def wanted(fact: facts.ChannelBorn) -> bool:
            born = [one for one in self.all(facts.ChannelBorn) if one.endpoint == endpoint]
            return len(born) > number and fact == born[number]

        return (await self.until(facts.ChannelBorn, wanted)).channel

    async def tap(self, channel: ChannelId) -> Voices:
        voices = Voices(self.taps.tap())
        await voices.tap.start(channel, voices.chunk, voices.lost.append)
        return voices

    async def gone(self, channel: ChannelId) -> facts.ChannelGone:
        return await self.until(facts.ChannelGone, lambda fact: fact.channel == channel)

    def story(self, *names: tuple[ChannelId, str]) -> list[str]:
        """The facts as short words, channels by the names given: what a scenario's test compares whole."""
        called = dict(names)
        return [words for fact in self.facts if (words := _words(fact, called))]


def _words(fact: Fact, called: dict[ChannelId, str]) -> str:
    def name(channel: ChannelId) -> str:
        return called.get(channel, "?")

    match fact:
        case facts.BridgeEntered():
            return f"{name(fact.channel)} enters"
        case facts.BridgeLeft():
            return f"{name(fact.channel)} leaves"
        case facts.ChannelBorn():
            return f"{name(fact.channel)} born"
        case facts.ChannelRinging():
            return f"{name(fact.channel)} rings"
        case facts.ChannelUp():
            return f"{name(fact.channel)} up"
        case facts.ChannelGone():
            return f"{name(fact.channel)} gone {fact.cause}"
        case facts.Dialled():
            return f"{name(fact.caller)} dials {name(fact.callee)}"
        case facts.Held():
            return f"{name(fact.channel)} holds"
        case facts.Unheld():
            return f"{name(fact.channel)} resumes"
        case facts.Transferred():
            return f"{'+'.join(map(name, fact.by))} transfers"
        case facts.LinkUp() | facts.LegSilent():
            return ""
        case _:
            return f"{type(fact).__name__}"


def now_ns() -> int:
    return time.monotonic_ns()
