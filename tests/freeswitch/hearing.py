"""What a link said, in order, and a way to wait for it; a link to a double or to a real FreeSWITCH."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pbx_bridge.telephony.freeswitch.esl_connection import Connect, connect_asyncio
from pbx_bridge.telephony.freeswitch.esl_link import EslLink, Heard, LinkBack, LinkLost, Said
from pbx_bridge.telephony.freeswitch.settings import EslSettings
from tests.rig.esl_double import PASSWORD

EVENTS = (
    "CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_HOLD", "CHANNEL_UNHOLD", "CHANNEL_HANGUP",
    "CHANNEL_HANGUP_COMPLETE", "RECORD_START", "RECORD_STOP",
)  # fmt: skip
SUBCLASSES = ("callcenter::info", "pbx_bridge::objection")


def kind_of(said: Said) -> str:
    """An event's name, or what else was said."""
    return said.event.name if isinstance(said, Heard) else type(said).__name__


class Hearing:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self._counts = Counter[str]()
        self._wanted: list[tuple[Callable[[], bool], asyncio.Event]] = []

    def __call__(self, said: Said) -> None:
        self.said.append(said)
        self._counts[kind_of(said)] += 1
        for holds, reached in self._wanted:
            if holds():
                reached.set()

    def kinds(self) -> list[str]:
        return [kind_of(one) for one in self.said]

    def heard(self) -> list[Heard]:
        return [one for one in self.said if isinstance(one, Heard)]

    def lost(self) -> list[LinkLost]:
        return [one for one in self.said if isinstance(one, LinkLost)]

    def back(self) -> list[LinkBack]:
        return [one for one in self.said if isinstance(one, LinkBack)]

    async def until(self, kind: str, count: int = 1, deadline_s: float = 10.0) -> None:
        """`kind` is an event's name, or LinkBack, LinkLost, Unreadable."""
        reached = asyncio.Event()

        def holds() -> bool:
            return self._counts[kind] >= count

        self._wanted.append((holds, reached))
        if not holds():
            await asyncio.wait_for(reached.wait(), deadline_s)


@asynccontextmanager
async def linked(
    port: int,
    hearing: Callable[[Said], None],
    password: str = PASSWORD,
    *,
    up: bool = True,
    connect: Connect = connect_asyncio,
    events: tuple[str, ...] = EVENTS,
) -> AsyncIterator[EslLink]:
    link = EslLink(
        EslSettings(port=port, password=password),
        hearing,
        events=events,
        subclasses=SUBCLASSES,
        connect=connect,
    )
    await link.start()
    try:
        if up:
            await asyncio.wait_for(link.until_up(), 10)
        yield link
    finally:
        await link.close()
