"""The tap: both voices of one agent's leg, recorded by FreeSWITCH into named pipes (DESIGN decision 3).

One recording for each span in which the leg is not on hold, because FreeSWITCH loses the time of a hold and afterwards
plays what it kept of it (measured): a span ends with the hold and the next one begins after it, its samples counted from
0 again. In a pause without a hold (a payment) the recording is masked: its time goes on, and no voice leaves FreeSWITCH.
One task brings FreeSWITCH to what is wanted, one command after the other; nothing here waits for it. It knows a channel
and two legs; when to tap, and what to keep, it does not know.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from enum import Enum

import structlog

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact, VoiceChunk
from pbx_bridge.errors import PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused
from pbx_bridge.telephony.freeswitch.esl_link import EslLink, one_word
from pbx_bridge.telephony.freeswitch.media_stats import media_stats
from pbx_bridge.telephony.freeswitch.pipes import Left, Pipe, Pipes
from pbx_bridge.telephony.freeswitch.stereo import RATE, Stereo

log = structlog.get_logger()

FIRST_AUDIO_DEADLINE_S = 1.5
"""It takes some 60 ms. Within P10's two seconds the recording must know that it has no voice."""
GAP_DEADLINE_S = 1.0
"""A recording brings silence too, every 20 ms: one second without is a dead one."""
HANG_UP_GRACE_S = 0.5
"""A recording also ends when the agent hangs up, some milliseconds before the event says so: that is no loss."""
LIMIT_S = 3900
"""P10: FreeSWITCH ends it by itself, should nobody else; above the ceiling of a recording."""
WANTED = {
    "RECORD_STEREO": "true",
    "RECORD_STEREO_SWAP": "false",
    "RECORD_READ_ONLY": "false",
    "RECORD_WRITE_ONLY": "false",
    "RECORD_APPEND": "false",
    "RECORD_ANSWER_REQ": "false",
    "RECORD_BRIDGE_REQ": "false",
    "RECORD_CHECK_BRIDGE": "false",
    "RECORD_TOGGLE_ON_REPEAT": "false",
    "RECORD_HANGUP_ON_ERROR": "false",  # the call goes on, whatever becomes of its recording
    "RECORD_USE_THREAD": "true",  # a reader that stalls stalls a thread of its own, never the call
    "RECORD_PRE_BUFFER_FRAMES": "1",  # else the first half second comes late
    "enable_file_write_buffering": "false",  # else 64 KiB at once: two seconds
    "record_sample_rate": str(RATE),
}
"""Given with the command: what the site set on the leg for recordings of its own holds for those only.
Source: FreeSWITCH 1.11 src/switch_ivr_async.c, switch_ivr_record_session_event."""
BYPASSES = ("bypass_media", "bypass_media_after_bridge")
"""Variables by which a dialplan sends the voices past FreeSWITCH."""
BOND = "signal_bond"
"""The leg this one talks with."""
NOT_DONE = (CommandRefused, OSError, TimeoutError, ValueError)


class TapLoss(Enum):
    """Why a tap delivers no more, as `on_lost` says it."""

    NO_PIPE = "tap-no-pipe"
    REFUSED = "tap-refused"
    BYPASSED = "tap-bypassed"
    """The voices do not pass through FreeSWITCH (bypass_media): there is nothing to record."""
    NEVER_CAME = "audio-never-came"
    STOPPED = "audio-stopped"


class Taps:
    """All taps of one FreeSWITCH."""

    def __init__(self, link: EslLink, pipes: Pipes) -> None:
        self.link, self.pipes = link, pipes
        self._running: dict[ChannelId, Tap] = {}
        self._on_hold = set[ChannelId]()
        """A hold may be told between the order to tap and its first step."""
        self._left = list[Left]()

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

    async def end_left(self) -> None:
        """Each time the link comes up: recordings into pipes nobody reads are ended, so that the log stays quiet."""
        left, self._left = self._left, []
        for one in left:
            await self.end(one)

    async def end(self, recording: Left) -> None:
        """Ends it, now or when the link is back; of a leg that is gone there is nothing to end."""
        with contextlib.suppress(CommandRefused, ValueError):
            try:
                await self.link.bgapi("uuid_record", f"{one_word(recording.leg)} stop {recording.path}")
            except (OSError, TimeoutError):
                self._left.append(recording)

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


class Tap:
    """One agent's leg. `start` once, `stop` once; `on_lost` at most once, and never after `stop`."""

    def __init__(self, taps: Taps) -> None:
        self._taps, self._leg = taps, ChannelId("")
        self._on_voice: Callable[[VoiceChunk], None] = lambda _: None
        self._on_lost: Callable[[str], None] = lambda _: None
        self._over = self._held = self._paused = False
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
        if self._held:
            await self._end_span()
        elif self._span is None:
            await self._begin_span()
        if self._span is not None and self._masked != self._paused:
            await self._mask(self._paused)

    async def _begin_span(self) -> None:
        self._expect(TapLoss.NEVER_CAME, FIRST_AUDIO_DEADLINE_S)
        # asked to record it all the same, FreeSWITCH would write a first silence (measured)
        if await self._bypassed():
            self._lose(TapLoss.BYPASSED)
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
        how = ",".join(f"{name}={value}" for name, value in WANTED.items())
        try:
            leg = one_word(self._leg)
            await self._taps.link.bgapi("uuid_record", f"{leg} start {pipe.path} {LIMIT_S} {{{how}}}")
        except NOT_DONE as error:
            if not self._over:
                log.warning("a leg cannot be tapped", why=str(error) or type(error).__name__)
            self._lose(TapLoss.REFUSED)

    async def _bypassed(self) -> bool:
        """There are no media here, or the dialplan wants them away on either leg: that comes true some time after the
        two were joined, where a notice was played before (measured)."""
        link = self._taps.link
        with contextlib.suppress(*NOT_DONE, PeerError):
            if await media_stats(link, self._leg) is None:
                return True
            partner = ChannelId(await link.getvar(self._leg, BOND))
            legs = filter(None, (self._leg, partner))
            said = await asyncio.gather(*(link.getvar(leg, name) for leg in legs for name in BYPASSES))
            return any(word.lower() == "true" for word in said)
        return False

    async def _mask(self, masked: bool) -> None:
        assert self._span is not None
        self._masked = masked
        word = "mask" if masked else "unmask"
        try:
            await self._taps.link.api("uuid_record", f"{one_word(self._leg)} {word} {self._span.path}")
        except NOT_DONE as error:
            # masked or not, whoever keeps samples keeps none of a pause; unmasked it must be
            log.warning(f"a recording could not be {word}ed", why=str(error) or type(error).__name__)
            if not masked:
                self._lose(TapLoss.REFUSED)

    async def _end_span(self) -> None:
        """FreeSWITCH closes its end first: a writer without a reader complains fifty times a second."""
        pipe = self._span
        if pipe is not None:
            await self._taps.end(Left(self._leg, pipe.path))
            self._span = None
            pipe.close()

    # ------------------------------------------------------------ what comes

    def _came(self, span: Pipe, data: bytes) -> None:
        arrived_ns = time.monotonic_ns()
        if self._over or span is not self._span:
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
