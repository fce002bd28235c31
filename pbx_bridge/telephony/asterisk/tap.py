"""The tap: both voices of one agent's channel, streamed by the PBX into memory (DESIGN decision 3).

Two snoop channels, one for each direction, each sent on into `pbxb-tap`, which runs AudioSocket to our own server.
Measured: first audio 21 ms after the bridge, exact time through double silence, nothing left behind when the agent
hangs up. It knows a channel and two legs; when to tap and what to keep it does not know.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import structlog

from pbx_bridge.calls.facts import LegName, VoiceChunk
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.ari import Ari, AriRefused
from pbx_bridge.telephony.asterisk.audio_server import AudioServer, Expected
from pbx_bridge.telephony.asterisk.settings import AriSettings
from pbx_bridge.telephony.asterisk.translate import OWN_SNOOP

log = structlog.get_logger()

CONTEXT = "pbxb-tap"
FIRST_AUDIO_DEADLINE_S = 1.5
"""It takes 21 ms. Within P10's two seconds the recording must know that it has no voice."""
GAP_DEADLINE_S = 1.0
"""A snoop channel sends silence too, every 20 ms: one second without is a dead one."""
HANG_UP_GRACE_S = 0.5
"""A voice also ends when the agent hangs up, some milliseconds before AMI says so: that is no loss."""
WAYS: dict[LegName, Literal["in", "out"]] = {"agent": "in", "customer": "out"}
"""Seen from the agent's channel: in is what the agent says, out what the agent hears."""


class TapLoss(Enum):
    """Why a tap delivers no more, as `on_lost` says it."""

    REFUSED = "tap-refused"
    NEVER_CAME = "audio-never-came"
    STOPPED = "audio-stopped"
    CHANGED_RATE = "audio-changed-rate"


@dataclass(slots=True)
class _Leg:
    name: LegName
    id: uuid.UUID
    samples: int = 0
    rate: int = 0
    deadline: asyncio.TimerHandle | None = None

    @property
    def channel(self) -> str:
        return f"{OWN_SNOOP}{self.id}"


class TapServer:
    """The ARI connection and the audio server that all taps of one PBX share."""

    def __init__(self, ari: AriSettings, *, host: str = "127.0.0.1", port: int = 0) -> None:
        # its own name for each run: two bridges, or an old websocket not yet timed out, never share an application
        self.ari = Ari(ari, f"pbx-bridge-{uuid.uuid4().hex[:12]}")
        self.audio = AudioServer(host, port)

    async def start(self) -> None:
        await self.audio.start()
        await self.ari.start()

    async def close(self) -> None:
        await self.ari.close()
        await self.audio.close()

    @property
    def address(self) -> str:
        """For the dialplan's PBXB_TAP."""
        return self.audio.address

    def tap(self) -> Tap:
        return Tap(self)


class Tap:
    """One agent's leg. `start` once, `stop` once; `on_lost` at most once, and never after `stop`."""

    def __init__(self, server: TapServer) -> None:
        self._server = server
        self._legs = tuple(_Leg(name, uuid.uuid4()) for name in WAYS)
        self._on_voice: Callable[[VoiceChunk], None] = lambda _: None
        self._on_lost: Callable[[str], None] = lambda _: None
        self._over = False

    async def start(
        self, channel: ChannelId, on_voice: Callable[[VoiceChunk], None], on_lost: Callable[[str], None]
    ) -> None:
        """Begins to listen; returns when both directions are on their way.

        A PBX that refuses is told by `on_lost`, with a TapLoss value, as a later loss is: the caller has one path for
        both.
        """
        self._on_voice, self._on_lost = on_voice, on_lost
        for leg in self._legs:
            self._expect(leg)
        try:
            async with asyncio.TaskGroup() as both:
                for leg in self._legs:
                    both.create_task(self._listen(channel, leg))
        except* AriRefused as refused:
            log.warning("a leg cannot be tapped", why=str(refused.exceptions[0]))
            self._lose(TapLoss.REFUSED)

    async def pause(self) -> None:
        """A snoop channel has no mask: what it sends in a pause the recording cuts (media/spans.py)."""

    async def resume(self) -> None:
        """It never stopped."""

    async def stop(self) -> None:
        """Ends both directions; no sample is handed on after the call of this, not even before it returns."""
        self._end()
        for leg in self._legs:
            try:
                await self._server.ari.hang_up(leg.channel)
            except AriRefused as refused:
                log.warning("a tap may have been left behind", why=str(refused))

    def is_over(self) -> bool:
        """Stopped or lost: no sample comes any more."""
        return self._over

    async def _listen(self, channel: ChannelId, leg: _Leg) -> None:
        await self._server.ari.snoop(channel, leg.channel, WAYS[leg.name])
        if self.is_over():  # stopped meanwhile, when there was nothing yet to hang up
            await self._server.ari.hang_up(leg.channel)
            return
        await self._server.ari.go_on(leg.channel, CONTEXT, str(leg.id))

    def _expect(self, leg: _Leg) -> None:
        def on_audio(pcm: bytes, rate: int, arrived_ns: int) -> None:
            self._audio(leg, pcm, rate, arrived_ns)

        def on_end() -> None:
            self._rearm(leg, HANG_UP_GRACE_S, TapLoss.STOPPED)

        self._server.audio.expect(leg.id, Expected(on_audio, on_end))
        self._rearm(leg, FIRST_AUDIO_DEADLINE_S, TapLoss.NEVER_CAME)

    def _audio(self, leg: _Leg, pcm: bytes, rate: int, arrived_ns: int) -> None:
        if self._over:
            return
        if leg.rate not in (0, rate):
            self._lose(TapLoss.CHANGED_RATE)
            return
        leg.rate = rate
        self._rearm(leg, GAP_DEADLINE_S, TapLoss.STOPPED)
        chunk = VoiceChunk(leg.name, arrived_ns, leg.samples, pcm, rate)
        leg.samples += len(pcm) // 2
        self._on_voice(chunk)

    def _rearm(self, leg: _Leg, after_s: float, loss: TapLoss) -> None:
        if leg.deadline is not None:
            leg.deadline.cancel()
        if self._over:
            return
        leg.deadline = asyncio.get_running_loop().call_later(after_s, self._lose, loss)

    def _lose(self, loss: TapLoss) -> None:
        if not self._over:
            self._end()
            self._on_lost(loss.value)

    def _end(self) -> None:
        self._over = True
        for leg in self._legs:
            if leg.deadline is not None:
                leg.deadline.cancel()
            self._server.audio.forget(leg.id)
