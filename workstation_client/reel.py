"""One recording, from its order to its end: what is shown, when, and what goes out.

It joins capture, quarantine, pacing, encoder and indicator for one canvas. It must never know threads, orders' origin or the
network. All calls come from the recorder's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pbx_bridge.wire import CaptureEnd
from workstation_client.capture.base import Nothing, Shown, canvas_size
from workstation_client.events import (
    PaymentBegan,
    PaymentEnded,
    Picture,
    RecorderEvent,
    RecordOrder,
    Started,
    Stopped,
)
from workstation_client.guard import Allowed
from workstation_client.pacing import Due, Pacing
from workstation_client.quarantine import TITLE_HOLD_NS, Quarantine
from workstation_client.texts import Text

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from workstation_client.capture.x11 import X11Capture
    from workstation_client.encoder import Encoder
    from workstation_client.indicator import Indicator

SURE_AFTER_NS = 200_000_000
"""The bridge knows this clock to some milliseconds, over a bad line to some tens of them."""
_NOTHING_MORE_TO_SHOW = {
    CaptureEnd.NO_DESKTOP,
    CaptureEnd.ENCODER_FAILED,
    CaptureEnd.GUARD,
    CaptureEnd.CAPTURE_FAILED,
}


class Ended(Exception):
    """The recording cannot go on."""

    def __init__(self, reason: CaptureEnd) -> None:
        super().__init__(reason)
        self.reason = reason


class Reel:
    """The recording of one order. States: paused or not; card or window shown last."""

    def __init__(
        self,
        order: RecordOrder,
        capture: X11Capture,
        indicator: Indicator,
        encoder_of: Callable[[int, int], Encoder],
        on_event: Callable[[RecorderEvent], None],
    ) -> None:
        self._order, self._capture, self._indicator = order, capture, indicator
        self._encoder_of, self._on_event = encoder_of, on_event
        self._pacing = Pacing(order.fps)
        telling = any(rule.title is not None or rule.pause_titles for rule in order.rules)
        hold = TITLE_HOLD_NS if telling else 0
        self._quarantine: Quarantine[tuple[Shown, VideoFrame]] = Quarantine(hold)
        self._hold = hold > 0
        self._paused = False
        self._secret = False
        """P7: a title tells of a payment; only paused, whoever orders what."""
        self._card: bool | None = None
        """What was shown last: the card, the window, or nothing yet."""
        self._shown: VideoFrame | None = None
        self._since_ns = 0
        """Start or last resume: nothing is shown as older than this."""
        self._last_ns = 0
        self._sure_ns: int | None = None
        """When the keyframe after a resume is due once more."""
        self._encoder: Encoder | None = None
        self._cut_ns: int | None = None

    def cut(self, at_ns: int) -> None:
        """Nothing taken after this may go out: a pause or the end was ordered. The one call from other threads."""
        self._cut_ns = at_ns

    def begin(self) -> None:
        """Show the indicator, then the first picture. Raises: Ended, EncoderFailed, DisplayLost."""
        self._indicator.show(Text.RECORDING)
        self._since_ns = time.monotonic_ns()
        self._on_event(Started(self._order.recording, self._since_ns))
        window = self._capture.aim(self._order.rules)
        self._size = canvas_size(*(self._order.canvas or window or self._capture.screen_size))
        self._memory = self._capture.open_canvas(*self._size)
        self._titles = self._capture.title_changes
        self.step()

    def _codec(self) -> Encoder:
        """The encoder, made when the first picture is there already: making one takes longer than taking a picture."""
        if self._encoder is None:
            self._encoder = self._encoder_of(*self._size)
        return self._encoder

    def wait_s(self) -> float:
        """How long nothing is to be done unless something happens."""
        now = time.monotonic_ns()
        wait = self._pacing.wait_ns(now, news=not self._paused and self._capture.waiting)
        if self._quarantine.due_ns is not None:
            wait = min(wait, max(0, self._quarantine.due_ns - now))
        if self._capture.gather_due_ns is not None and not self._paused:
            wait = min(wait, max(0, self._capture.gather_due_ns - now))
        if self._sure_ns is not None:
            wait = min(wait, max(0, self._sure_ns - now))
        return wait / 1e9

    def step(self) -> None:
        """Do what is due. Raises: Ended, EncoderFailed, DisplayLost."""
        now = time.monotonic_ns()
        self._mind_indicator(now)
        self._mind_secret(now)
        if self._paused:
            if self._pacing.due(now, news=False) is Due.REPEAT:
                self._capture.restack()
                self._show_card(now)
            return
        if self._hold and self._titles != self._capture.title_changes:
            self._titles = self._capture.title_changes
            self._withdraw()
        self._capture.gather(now)
        due = self._pacing.due(now, news=self._capture.waiting)
        if self._sure_ns is not None and now >= self._sure_ns:
            self._sure_ns, self._card, due = None, None, Due.REPEAT
        before = time.thread_time_ns()
        if due is not None:
            self._take(now, again=due is Due.REPEAT)
        self._let_out()
        if due is not None:
            self._pacing.cost(time.thread_time_ns() - before)

    def _mind_indicator(self, now: int) -> None:
        self._indicator.note(self._capture.other_events(), now)
        self._indicator.keep_above(self._capture.stack, now)
        if self._indicator.gone:
            raise Ended(CaptureEnd.INDICATOR_GONE)

    def _mind_secret(self, now: int) -> None:
        """P7: pause at once by the window's own word, and tell; the end of it is told, the bridge orders what follows."""
        secret = self._capture.tells_secret()
        if secret is self._secret:
            return
        self._secret = secret
        if secret:
            self._on_event(PaymentBegan(self._order.recording, now))
            self.pause(now)
        else:
            self._on_event(PaymentEnded(self._order.recording, now))

    def _take(self, now: int, *, again: bool) -> None:
        """Take what is new. With `again`, something goes out in any case (P2), after a new look at all windows."""
        if again:
            self._capture.look_again()
        taken = self._capture.take()
        self._pacing.taken(now, taken.changed_ns if isinstance(taken, Shown) else None)
        if self._pacing.too_slow:
            raise Ended(CaptureEnd.TOO_SLOW)
        match taken:
            case Shown():
                codec = self._codec()
                codec.load(self._memory, taken.blocks)
                frame = codec.copy() if self._hold else codec.picture
                self._quarantine.put(taken.taken_ns, (taken, frame))
            case Nothing():
                self._withdraw()
                if again or self._card is not True:
                    self._show_card(now)
            case None if again and self._quarantine.due_ns is None and self._shown is not None:
                self._quarantine.put(now - TITLE_HOLD_NS, (Shown(now, now, ()), self._shown))

    def _let_out(self) -> None:
        """P4: what waited long enough goes out if the window is still allowed now, after it was taken."""
        now, due = time.monotonic_ns(), self._quarantine.due_ns
        if due is None or now < due:
            return
        verdict = self._capture.verdict()
        self._mind_secret(now)  # which then has dropped them
        if self._paused:
            return
        for shown, frame in self._quarantine.judge(now, verdict):
            self._show_window(shown, frame)
        if not isinstance(verdict, Allowed):
            self._withdraw()
            self._capture.look_again()
            if self._card is not True:
                self._show_card(now)

    def _withdraw(self) -> None:
        """Nothing taken so far may go out any more; the next picture is read whole."""
        self._quarantine.drop()
        self._capture.forget_picture()
        self._shown = None

    def pause(self, asked_ns: int) -> None:
        """The neutral card from the moment it was ordered, as a keyframe, also where the card stands already."""
        if not self._paused:
            self._paused = True
            self._sure_ns = self._card = None
            self._withdraw()
            self._indicator.show(Text.PAUSED)
            self._show_card(asked_ns)

    def resume(self, asked_ns: int) -> None:
        """The window again, as a keyframe showing its present state, and once more when it is surely later than the pause.

        P8: the bridge drops a picture that its clocks cannot tell from one of the pause, and no other can be read then.
        """
        if self._paused and not self._secret:
            self._paused = False
            self._since_ns = asked_ns
            self._sure_ns, self._card = asked_ns + SURE_AFTER_NS, None
            if self._cut_ns is not None and self._cut_ns < asked_ns:
                self._cut_ns = None
            self._indicator.show(Text.RECORDING)
            self._take(asked_ns, again=True)
            self._let_out()

    def end(self, reason: CaptureEnd, at_ns: int) -> None:
        """The last picture once more at the time of the end, then nothing: windows, canvas and sign are let go."""
        self.cut(at_ns)
        try:
            if reason not in _NOTHING_MORE_TO_SHOW:
                self._show_last(at_ns)
            self._indicator.hide()
            self._capture.release()
        finally:
            self._on_event(Stopped(self._order.recording, max(at_ns, self._last_ns), reason))

    def _show_last(self, now: int) -> None:
        if self._shown is not None and not self._paused and isinstance(self._capture.verdict(), Allowed):
            self._show_window(Shown(now, now, ()), self._shown)
        elif self._card is not None:
            self._show_card(now)

    def _show_window(self, shown: Shown, frame: VideoFrame) -> None:
        if self._cut_ns is not None and shown.taken_ns > self._cut_ns:
            return
        if self._card is not False:
            self._indicator.show(Text.RECORDING)
        self._send(frame, shown.changed_ns, shown.taken_ns, card=False)
        self._shown = frame

    def _show_card(self, now: int) -> None:
        if not self._paused and self._card is not True:
            self._indicator.show(Text.WAITING)
        self._send(self._codec().card, now, now, card=True)

    def _send(self, frame: VideoFrame, at_ns: int, taken_ns: int, *, card: bool) -> None:
        self._last_ns = at_ns = max(at_ns, self._since_ns, self._last_ns + 1)
        data, keyframe = self._codec().encode(frame, at_ns, keyframe=card is not self._card)
        self._card = card
        self._pacing.shown(at_ns)
        self._on_event(Picture(self._order.recording, at_ns, taken_ns, keyframe, card, *self._size, data))
