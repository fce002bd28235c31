"""The tap: both voices of one agent's leg, recorded by FreeSWITCH into named pipes (DESIGN decision 3).

One recording for each span in which the leg is not on hold and speaks one codec. FreeSWITCH loses the time of a hold and
afterwards plays what it kept of it, and when the phone changes to a codec of another rate it goes on writing as before:
twice the time, half the pitch (both measured). So a span ends with the hold, or the change, and the next one begins after
it, its samples counted from 0 again. In a pause without a hold (a payment) the recording is masked: its time goes on, and
no voice leaves FreeSWITCH.
One task brings FreeSWITCH to what is wanted, one command after the other; nothing here waits for it. It knows a channel
and two legs; when to tap, and what to keep, it does not know.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import Enum
from typing import Protocol

import structlog

from pbx_bridge.calls.facts import VoiceChunk
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch import recording
from pbx_bridge.telephony.freeswitch.esl_link import EslLink
from pbx_bridge.telephony.freeswitch.pipes import Left, Pipe, Pipes
from pbx_bridge.telephony.freeswitch.stereo import RATE, Stereo

log = structlog.get_logger()

FIRST_AUDIO_DEADLINE_S = 1.5
"""It takes some 60 ms. Within P10's two seconds the recording must know that it has no voice."""
GAP_DEADLINE_S = 1.0
"""A recording brings silence too, every 20 ms: one second without is a dead one."""
READ_LAG_NS = 10_000_000
"""FreeSWITCH takes a phone's packets at ticks of its own, every 20 ms, and hands them on a tick later: its voices come so
much later than the taps that `media/leg.py` was measured with (measured: 13 ms, after some holds -7)."""
HANG_UP_GRACE_S = 0.5
"""A recording also ends when the agent hangs up, some milliseconds before the event says so: that is no loss."""


class TapLoss(Enum):
    """Why a tap delivers no more, as `on_lost` says it."""

    NO_PIPE = "tap-no-pipe"
    REFUSED = "tap-refused"
    BYPASSED = "tap-bypassed"
    """The voices do not pass through FreeSWITCH (bypass_media): there is nothing to record."""
    HOLDS_HIDDEN = "tap-holds-hidden"
    """The dialplan keeps a phone's holds to itself (rtp_disable_hold): they would be recorded (P9)."""
    NEVER_CAME = "audio-never-came"
    STOPPED = "audio-stopped"


class Shared(Protocol):
    """What the taps of one FreeSWITCH share (taps.py)."""

    @property
    def link(self) -> EslLink: ...

    @property
    def pipes(self) -> Pipes: ...

    def began(self, leg: ChannelId, tap: Tap) -> bool:
        """Whether the leg is on hold now."""

    def over(self, leg: ChannelId, tap: Tap) -> None: ...

    async def end(self, left: Left) -> None:
        """Ends a recording, now or when the link is back. Never raises."""


class Tap:
    """One agent's leg. `start` once, `stop` once; `on_lost` at most once, and never after `stop`."""

    def __init__(self, taps: Shared) -> None:
        self._taps, self._leg = taps, ChannelId("")
        self._on_voice: Callable[[VoiceChunk], None] = lambda _: None
        self._on_lost: Callable[[str], None] = lambda _: None
        self._over = self._held = self._paused = self._stale = False
        self._span: Pipe | None = None
        self._masked = False
        self._stereo = Stereo()
        self._deadline: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def start(
        self, channel: ChannelId, on_voice: Callable[[VoiceChunk], None], on_lost: Callable[[str], None]
    ) -> None:
        """Begins to listen; returns when FreeSWITCH records, or it was told by `on_lost` (a TapLoss value) why not."""
        if self._over:
            return
        self._leg, self._on_voice, self._on_lost = channel, on_voice, on_lost
        self._held = self._taps.began(channel, self)
        self._keeping = asyncio.create_task(self._keep(), name="tap")
        await self._settled.wait()

    async def stop(self) -> None:
        """Ends it; no sample is handed on after the call of this, not even before it returns."""
        self._end()
        if self._keeping is not None:
            await asyncio.wait([self._keeping])

    async def pause(self) -> None:
        """P7: no voice leaves FreeSWITCH until `resume`."""
        self._paused = True
        self._changed.set()

    async def resume(self) -> None:
        self._paused = False
        self._changed.set()

    def held(self, now: bool) -> None:
        """The agent's phone put the call on hold, or took it back."""
        self._held = now
        if now:
            self._expect(None)
        self._changed.set()

    def codec_changed(self) -> None:
        """The phone speaks otherwise from now on: what the present span still brings is at a wrong rate."""
        self._stale = self._span is not None
        self._changed.set()

    # ------------------------------------------------------------ bringing FreeSWITCH to what is wanted

    async def _keep(self) -> None:
        try:
            while not self._over:
                self._changed.clear()
                await self._step()
                self._settled.set()
                await self._changed.wait()
        finally:
            self._settled.set()
            await self._end_span()
            self._taps.over(self._leg, self)

    async def _step(self) -> None:
        """All that is wanted and not so; wishes that change meanwhile set `_changed` again."""
        if self._held or self._stale:
            await self._end_span()
        if self._span is None and not self._held:
            await self._begin_span()
        if self._span is not None and self._masked != self._paused:
            await self._mask(self._paused)

    async def _begin_span(self) -> None:
        self._expect(TapLoss.NEVER_CAME, FIRST_AUDIO_DEADLINE_S)
        # asked to record it all the same, FreeSWITCH would write a first silence (measured)
        if (why := await recording.hindrance(self._taps.link, self._leg)) is not None:
            self._lose(TapLoss(f"tap-{why.value}"))
        if self._over:
            return
        try:
            self._span = pipe = self._taps.pipes.make(self._leg)
        except (OSError, ValueError) as error:
            log.error("no pipe for a leg's voices", why=str(error))
            self._lose(TapLoss.NO_PIPE)
            return
        self._masked, self._stereo = False, Stereo()
        pipe.read(lambda data: self._came(pipe, data), lambda: self._ended(pipe))
        try:
            await recording.start(self._taps.link, self._leg, pipe.path)
        except recording.NOT_DONE as error:
            if not self._over:
                log.warning("a leg cannot be tapped", why=str(error) or type(error).__name__)
            self._lose(TapLoss.REFUSED)

    async def _mask(self, masked: bool) -> None:
        assert self._span is not None
        self._masked = masked
        try:
            await recording.mask(self._taps.link, self._leg, self._span.path, masked=masked)
        except recording.NOT_DONE as error:
            log.warning("a recording's mask stays as it is", why=str(error) or type(error).__name__)
            # whoever keeps samples keeps none of a pause anyhow; silence for a voice would be a lie
            if not masked:
                self._lose(TapLoss.REFUSED)

    async def _end_span(self) -> None:
        """FreeSWITCH closes its end first: a writer without a reader complains fifty times a second."""
        pipe = self._span
        if pipe is not None:
            await self._taps.end(Left(self._leg, pipe.path))
            self._span, self._stale = None, False
            pipe.close()

    # ------------------------------------------------------------ what comes

    def _came(self, span: Pipe, data: bytes) -> None:
        arrived_ns = time.monotonic_ns() - READ_LAG_NS
        if self._over or self._stale or span is not self._span:
            return
        if not self._held:
            self._expect(TapLoss.STOPPED, GAP_DEADLINE_S)
        for piece in self._stereo.feed(data):
            self._on_voice(VoiceChunk(piece.leg, arrived_ns, piece.index, piece.pcm, RATE))

    def _ended(self, span: Pipe) -> None:
        if span is self._span and not self._held:
            self._expect(TapLoss.STOPPED, HANG_UP_GRACE_S)

    def _expect(self, loss: TapLoss | None, within_s: float = 0.0) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if loss is not None and not self._over:
            self._deadline = asyncio.get_running_loop().call_later(within_s, self._lose, loss)

    def _lose(self, loss: TapLoss) -> None:
        if not self._over:
            self._end()
            self._on_lost(loss.value)

    def _end(self) -> None:
        self._over = True
        self._expect(None)
        self._changed.set()
