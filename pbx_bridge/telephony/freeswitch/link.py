"""FreeSWITCH as facts: what the event socket says through the table, and which phones still send.

It joins the link, the table and the packet count; it never decides what a call is or whether it may be recorded. Its
promises are the link's (esl_link.py): `LinkDown` at once when it is lost, `LinkUp` first when it is back, with all that
lives there and all that keys asked for meanwhile (P16).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, assert_never

import structlog

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.errors import PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch import esl_link, resync
from pbx_bridge.telephony.freeswitch.esl_codec import EslEvent
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused, Connect, connect_asyncio
from pbx_bridge.telephony.freeswitch.esl_link import EslLink, Said
from pbx_bridge.telephony.freeswitch.media_stats import media_stats
from pbx_bridge.telephony.freeswitch.settings import EslSettings
from pbx_bridge.telephony.freeswitch.ticks import TickingClock
from pbx_bridge.telephony.freeswitch.translate import EVENTS, SUBCLASSES, Translator
from pbx_bridge.telephony.rtp_watch import POLL_S, RtpWatch

log = structlog.get_logger()

RETRY_S = 0.5


class FreeswitchLink:
    """`start()`, then facts come to `on_fact` until `close()`, in the event loop. `own_pipes` is the folder of our own
    recordings: one that goes elsewhere is foreign (P17). `on_back` runs after all that a link that came up told, and again
    until it succeeds; before it did, `until_up` does not return."""

    def __init__(
        self,
        settings: EslSettings,
        on_fact: Callable[[Fact], None],
        *,
        digest_key: bytes = b"",
        own_pipes: str = "",
        connect: Connect = connect_asyncio,
        on_back: Callable[[], Coroutine[Any, Any, None]],
        on_event: Callable[[EslEvent], None] = lambda _: None,
        more_events: tuple[str, ...] = (),
    ) -> None:
        """`on_event` gets each event before its facts, those that say none (`more_events`) too."""
        self._on_fact, self._on_back, self._on_event = on_fact, on_back, on_event
        self._table = Translator(digest_key, own_pipes)
        self._found: frozenset[ChannelId] = frozenset()
        self._noted = set[resync.Said]()
        self._rtp = RtpWatch()
        self._polling: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self.esl = EslLink(
            settings, self._said, events=(*EVENTS, *more_events), subclasses=SUBCLASSES, connect=connect
        )

    async def start(self) -> None:
        """Begins to connect and returns at once."""
        await self.esl.start()
        self._polling = asyncio.create_task(self._polls(), name="rtp-watch")

    async def close(self) -> None:
        for task in filter(None, (self._polling, self._returning)):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.esl.close()

    @property
    def clock(self) -> TickingClock:
        return self.esl.clock

    async def until_up(self) -> None:
        """Returns when the link works and `on_back` is done."""
        await self._up.wait()

    async def setvar(self, leg: ChannelId | None, name: str, value: str) -> None:
        """As `EslLink.setvar`."""
        await self.esl.setvar(leg, name, value)

    def watch(self, leg: ChannelId) -> None:
        """From now on `LegSilent` each second while no RTP comes from this phone, `LegHeard` when it comes back."""
        self._rtp.watch(leg, time.monotonic_ns())

    def unwatch(self, leg: ChannelId) -> None:
        self._rtp.unwatch(leg)

    async def forget_what_was_said(self) -> None:
        """P16: takes back the dialplan's notes of what was told here as facts, of these only. Raises: as `api`."""
        for said in tuple(self._noted):
            await self.esl.setvar(None, said.variable, "")
            self._noted.discard(said)

    # ------------------------------------------------------------ what comes in

    def _said(self, said: Said) -> None:
        match said:
            case esl_link.Heard():
                self._on_event(said.event)
                for fact in self._table.learn(said.event, said.at_ns):
                    self._learned(fact)
            case esl_link.Unreadable():
                self._give(facts.Unreadable(said.at_ns, None, "event"))
            case esl_link.LinkBack():
                self._back(said)
            case esl_link.LinkLost():
                self._rtp.forget()
                self._up.clear()
                if self._returning is not None:
                    self._returning.cancel()
                self._give(facts.LinkDown(said.at_ns, said.why))
            case _:
                assert_never(said)

    def _back(self, back: esl_link.LinkBack) -> None:
        self._noted = set(back.found.said)
        for fact in self._table.found(back.found.legs, back.found.pairs, back.at_ns):
            if isinstance(fact, facts.LinkUp):
                self._found = frozenset(channel.channel for channel in fact.channels)
            self._give(fact)
        for said in back.found.said:
            kind = facts.AgentObjected if said.private else facts.CallerObjected
            self._give(kind(back.at_ns, said.leg))
        if self._returning is not None:
            self._returning.cancel()
        self._returning = asyncio.create_task(self._return(), name="link-back")

    async def _return(self) -> None:
        while True:
            try:
                await self._on_back()
                break
            except (CommandRefused, OSError, TimeoutError) as fault:
                log.warning(
                    "FreeSWITCH was not told what it needs yet", why=str(fault) or type(fault).__name__
                )
                await asyncio.sleep(RETRY_S)
        self._up.set()

    def _learned(self, fact: Fact) -> None:
        match fact:
            case facts.ChannelBorn() if fact.channel in self._found:
                return  # LinkUp told it already
            case facts.ChannelGone():
                self._rtp.unwatch(fact.channel)
                self._found -= {fact.channel}  # a site may give an id of its own to one call after another
            case facts.CallerObjected():
                self._noted.add(resync.Said(fact.channel, private=False))
            case facts.AgentObjected():
                self._noted.add(resync.Said(fact.channel, private=True))
        self._give(fact)

    def _give(self, fact: Fact) -> None:
        try:
            self._on_fact(fact)
        except Exception:
            log.exception("a fact's consumer failed", fact=type(fact).__name__)

    # ------------------------------------------------------------ which phones still send

    async def _polls(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            for leg in self._rtp.watched():
                try:
                    count = await media_stats(self.esl, leg)
                except CommandRefused:
                    self._rtp.unwatch(leg)  # it hung up meanwhile
                    continue
                except (OSError, TimeoutError, PeerError) as fault:
                    log.debug("a phone's packets could not be counted", why=str(fault))
                    break  # the link tells by itself when it is lost
                for fact in self._rtp.counted(leg, str(count), time.monotonic_ns()):
                    self._give(fact)
