"""All taps of one FreeSWITCH: which legs are listened to, which are on hold, and which recordings nobody reads any more.

A bridge that crashed, or whose link was lost, leaves recordings that write into pipes without a reader: they are ended when
the link is up again. Where the site says so (`recording_follow_transfer`), FreeSWITCH itself hands a recording on to another
leg: it is ended there, because it was made for one person's.
"""

from __future__ import annotations

import asyncio
import contextlib

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch import recording
from pbx_bridge.telephony.freeswitch.esl_codec import EslEvent
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused
from pbx_bridge.telephony.freeswitch.esl_link import EslLink
from pbx_bridge.telephony.freeswitch.pipes import Left, Pipes
from pbx_bridge.telephony.freeswitch.tap import Tap

CODEC = "CODEC"
"""A leg speaks another codec from now on: no fact for anybody but a tap."""


class Taps:
    """`open` before anything is tapped; `told` each fact; `end_left` each time the link comes up."""

    def __init__(self, link: EslLink, pipes: Pipes) -> None:
        self.link, self.pipes = link, pipes
        self._running: dict[ChannelId, Tap] = {}
        self._on_hold = set[ChannelId]()
        """A hold may be told between the order to tap and its first step."""
        self._left = list[Left]()
        self._ending = set[asyncio.Task[None]]()

    def open(self) -> None:
        """Before anything is tapped. Raises: OSError."""
        self._left = self.pipes.clear()

    def tap(self) -> Tap:
        return Tap(self)

    def told(self, fact: Fact) -> None:
        """Each fact, before whoever decides hears it: a hold ends a span, whatever follows from it."""
        match fact:
            case facts.Held() | facts.Unheld():
                held = isinstance(fact, facts.Held)
                (self._on_hold.add if held else self._on_hold.discard)(fact.channel)
                if tap := self._running.get(fact.channel):
                    tap.held(held)
            case facts.ChannelGone():
                self._on_hold.discard(fact.channel)
            case facts.LinkDown():
                self._on_hold.clear()  # what is found again is never tapped

    def heard(self, event: EslEvent) -> None:
        """P17: each event, before its facts. One of our recordings that goes on at another leg than its own ends."""
        if event.name == CODEC and (tap := self._running.get(ChannelId(event.get("Unique-ID", "")))):
            tap.codec_changed()
        if event.name != "MEDIA_BUG_START" or event.get("Media-Bug-Function") != "session_record":
            return
        leg, path = ChannelId(event.get("Unique-ID", "")), event.get("Media-Bug-Target", "")
        if (
            self.pipes.is_own(path)
            and not path.rpartition("/")[2].startswith(f"{leg}.")
            and leg not in self._running
        ):
            ending = asyncio.create_task(self._end_moved(leg), name="moved-recording")
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _end_moved(self, leg: ChannelId) -> None:
        with contextlib.suppress(*recording.NOT_DONE):
            await recording.stop_all(self.link, leg, self.pipes.is_own)

    async def end_left(self) -> None:
        """Each time the link comes up: recordings into pipes nobody reads are ended, so that the log stays quiet."""
        left, self._left = self._left, []
        for one in left:
            await self.end(one)

    async def end(self, one: Left) -> None:
        """Ends a recording, now or when the link is back; of a leg that is gone there is nothing to end."""
        with contextlib.suppress(CommandRefused, ValueError):
            try:
                await recording.stop(self.link, one.leg, one.path)
            except (OSError, TimeoutError):
                self._left.append(one)

    async def close(self) -> None:
        await asyncio.gather(*(tap.stop() for tap in list(self._running.values())))

    # ------------------------------------------------------------ for the taps

    def began(self, leg: ChannelId, tap: Tap) -> bool:
        """Whether the leg is on hold now."""
        self._running[leg] = tap
        return leg in self._on_hold

    def over(self, leg: ChannelId, tap: Tap) -> None:
        if self._running.get(leg) is tap:
            del self._running[leg]
