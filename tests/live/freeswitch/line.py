"""The product's telephone side on a FreeSWITCH that somebody runs, without any decision in it: every fact, in order."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import tempfile
import tomllib
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pbx_bridge.app_freeswitch import FreeswitchPbx
from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.config import Bridge, Config, NoticeEntry
from pbx_bridge.config_pbx import Freeswitch as Section
from pbx_bridge.ids import ChannelId
from tests.rig.asterisk_sounds import NOTICES
from tests.rig.freeswitch import Freeswitch

F = TypeVar("F", bound=Fact)
DEADLINE_S = 15.0
PRIVATE, BEGIN, END = "*6", "*71", "*72"
"""The trainee's codes, as the rig configures them."""


def text_hash(language: str) -> str:
    return hashlib.sha256(NOTICES[language].encode()).hexdigest()


class Line:
    """`async with Line(pbx) as line:` serves that FreeSWITCH; nobody is drawn and nothing is recorded."""

    def __init__(self, pbx: Freeswitch, **codes: str) -> None:
        self.pbx, self._codes = pbx, codes
        self.facts: list[Fact] = []
        self.notice_s: dict[str, float] = {}
        self.bridge: FreeswitchPbx
        self._news = asyncio.Condition()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.notice_s = {
            language: self.pbx.speak_notice(language, text, words_per_minute=400)
            for language, text in NOTICES.items()
        }
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        section = Section.model_validate(
            tomllib.loads(self.pbx.section(folder, (0, 0)))["freeswitch"] | self._codes
        )
        config = Config(
            bridge=Bridge(demonstration=True, language="en", user=getpass.getuser()),
            freeswitch=section,
            notice=tuple(
                NoticeEntry(language=language, sound=f"pbxb/notice-{language}", text=text)  # type: ignore[arg-type]
                for language, text in NOTICES.items()
            ),
        )
        self.bridge = FreeswitchPbx(config, section)
        await self._stack.enter_async_context(self.bridge.running(self._fact, b"test"))
        async with asyncio.timeout(DEADLINE_S):
            await self.bridge.until_beating()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.bridge.forget_what_was_said()
        await self.stop()

    async def stop(self) -> None:
        """The bridge goes, in order; the PBX stays."""
        await self._stack.aclose()

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
        async with asyncio.timeout(deadline_s), self._news:
            while not (found := [fact for fact in self.all(kind) if which(fact)]):
                await self._news.wait()
            return found[0]

    def all(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def leg(self, number: int = 0) -> ChannelId:
        """In the order of their births: the caller's first."""
        await self.until(facts.ChannelBorn, lambda _: len(self.all(facts.ChannelBorn)) > number)
        return self.all(facts.ChannelBorn)[number].channel

    async def gone(self, leg: ChannelId) -> None:
        await self.until(facts.ChannelGone, lambda fact: fact.channel == leg)
