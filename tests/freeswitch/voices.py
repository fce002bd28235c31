"""What one tap delivered, and a way to wait for it; for a double and a real FreeSWITCH."""

from __future__ import annotations

import asyncio
import audioop
from collections.abc import Callable

from pbx_bridge.calls.facts import VoiceChunk
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.tap import Tap
from tests.rig.esl_recorder import RATE

LEG = ChannelId("65c768cf-ac8d-4b80-b838-9668ff09c775")
DEADLINE_S = 10


class Voices:
    """What one tap delivered, and a way to wait for it."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.chunks: list[VoiceChunk] = []
        self.lost: list[str] = []
        self._news = asyncio.Event()

    async def start(self, leg: ChannelId = LEG) -> Voices:
        await self.tap.start(leg, self._chunk, self._lose)
        return self

    def _chunk(self, chunk: VoiceChunk) -> None:
        self.chunks.append(chunk)
        self._news.set()

    def _lose(self, why: str) -> None:
        self.lost.append(why)
        self._news.set()

    async def more(self, count: int = 10) -> list[VoiceChunk]:
        """The next `count` chunks of each party."""
        before = len(self.chunks)
        await self._until(lambda: len(self.chunks) >= before + 2 * count)
        return self.chunks[before:]

    async def until_lost(self) -> None:
        await self._until(lambda: bool(self.lost))

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self._news.clear()
                await self._news.wait()


def pcm(chunks: list[VoiceChunk], leg: str) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks if chunk.leg == leg)


def hertz(samples: bytes) -> float:
    """A pure tone's frequency, by its zero crossings."""
    return audioop.cross(samples, 2) / 2 / (len(samples) / 2 / RATE)
