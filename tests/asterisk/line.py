"""The product's telephony adapters against one rig PBX, as app.py joins them, with every fact kept in order."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact, VoiceChunk
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.ami import AmiLink
from pbx_bridge.telephony.asterisk.ami_protocol import ActionRefused
from pbx_bridge.telephony.asterisk.notice_server import NoticeServer, SpokenNotice
from pbx_bridge.telephony.asterisk.settings import AmiSettings, AriSettings
from pbx_bridge.telephony.asterisk.tap import Tap, TapServer
from pbx_bridge.telephony.heartbeat import Heartbeat
from pbx_bridge.telephony.watchdog import Watchdog
from tests.rig.asterisk import Asterisk
from tests.rig.asterisk_sounds import NOTICES

F = TypeVar("F", bound=Fact)
DEADLINE_S = 15.0


def text_hash(language: str) -> str:
    return hashlib.sha256(NOTICES[language].encode()).hexdigest()


class _Losses(list[str]):
    """Reasons as `on_lost` gave them, and an event for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    def append(self, reason: str) -> None:
        super().append(reason)
        self.told.set()


class Voices:
    """What one tap delivered."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.chunks: list[VoiceChunk] = []
        self.lost = _Losses()
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

    async def until_lost(self, deadline_s: float = DEADLINE_S) -> None:
        await asyncio.wait_for(self.lost.told.wait(), deadline_s)

    def of(self, leg: str) -> list[VoiceChunk]:
        return [chunk for chunk in self.chunks if chunk.leg == leg]

    def pcm(self, leg: str) -> bytes:
        return b"".join(chunk.pcm for chunk in self.of(leg))


class Line:
    """`async with Line(pbx) as line:` is a bridge's telephone side without any decision in it."""

    def __init__(self, pbx: Asterisk, *, with_notice: bool = True, ami_port: int = 0, key: str = "9") -> None:
        self.key = key
        self.pbx, self.with_notice = pbx, with_notice
        self.facts: list[Fact] = []
        self._news = asyncio.Condition()
        self.link = AmiLink(
            AmiSettings(port=ami_port or pbx.ports.ami, user=pbx.ami_user, secret=pbx.ami_secret),
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
            key=key,
        )
        self.heartbeat: Heartbeat | None = None

    async def __aenter__(self) -> Self:
        self.notice_s = {
            language: self.pbx.speak(f"pbxb/notice-{language}", language, text, words_per_minute=400)
            for language, text in NOTICES.items()
        }
        await self.notice.start()
        await self.taps.start()
        await self.link.start()
        await self.watchdog.start()
        addresses = {
            "PBXB_TAP": self.taps.address,
            "PBXB_KEY": self.key,
            "PBXB_AGI": self.notice.address if self.with_notice else "",
        }
        self.heartbeat = Heartbeat(
            self.link, self.watchdog, "PBXB_ALIVE", addresses, ActionRefused, token=self.token
        )
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

    async def until_quiet(self) -> None:
        """Returns when the PBX has said all that it had to say so far: its answers come after its events."""
        await self.link.getvar(None, "PBXB_ALIVE")

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

    @property
    def log_of_calls(self) -> str:
        """The PBX's log without the line that says which key the site chose for its notice."""
        return "\n".join(line for line in self.pbx.log.splitlines() if "'PBXB_KEY'" not in line)

    async def gone(self, channel: ChannelId) -> facts.ChannelGone:
        return await self.until(facts.ChannelGone, lambda fact: fact.channel == channel)

    def about(self, channel: ChannelId) -> list[str]:
        """What was told of one channel, in short words: what a scenario's test compares whole."""
        return [word for fact in self.facts if (word := _word(fact, channel))]

    def bridges(self, channel: ChannelId) -> list[str]:
        """The bridges it entered, in order."""
        return [fact.bridge for fact in self.all(facts.BridgeEntered) if fact.channel == channel]

    def together(self, one: ChannelId, other: ChannelId) -> bool:
        """Whether the two were ever in one bridge at the same time."""
        inside: dict[str, set[ChannelId]] = {}
        for fact in self.facts:
            if isinstance(fact, facts.BridgeEntered):
                inside.setdefault(fact.bridge, set()).add(fact.channel)
            elif isinstance(fact, facts.BridgeLeft):
                inside.setdefault(fact.bridge, set()).discard(fact.channel)
            if any({one, other} <= members for members in inside.values()):
                return True
        return False


_WORDS: dict[type[Fact], str] = {
    facts.ChannelBorn: "born",
    facts.ChannelRinging: "rings",
    facts.ChannelUp: "up",
    facts.BridgeEntered: "enters",
    facts.BridgeLeft: "leaves",
    facts.Held: "holds",
    facts.Unheld: "resumes",
}


def _word(fact: Fact, channel: ChannelId) -> str:
    if isinstance(fact, facts.NumberSeen | facts.QueueJoined):
        return ""
    if isinstance(fact, facts.Transferred):
        return "transfers" if channel in fact.by else ""
    if getattr(fact, "channel", None) != channel:
        return ""
    if isinstance(fact, facts.ChannelGone):
        return f"gone {fact.cause}"
    return _WORDS.get(type(fact), type(fact).__name__)
