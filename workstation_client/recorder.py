"""Records the allowed window of one order at a time, in a thread of its own.

Joins capture, quarantine, pacing, encoder and indicator. It knows what is being recorded and for how long nothing was
shown; it must never know calls, leases or the network: the agent gives orders, this gives events, packets among them.
`on_event` is called from the recorder's thread.
"""

from __future__ import annotations

import importlib
import logging
import queue
import select
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pbx_bridge.programs import rule_fault
from pbx_bridge.wire import MAX_FPS, MIN_FPS, CaptureEnd
from workstation_client.capture.base import CaptureUnavailable, DisplayLost, canvas_size
from workstation_client.events import (
    EncoderFailed,
    Picture,
    RecorderEvent,
    RecordOrder,
    Refused,
    Started,
    Stopped,
)
from workstation_client.indicator import Indicator
from workstation_client.reel import Ended, Reel

if TYPE_CHECKING:
    from workstation_client.capture.x11 import X11Capture
    from workstation_client.encoder import Encoder

__all__ = ["Picture", "RecordOrder", "Recorder", "RecorderEvent", "Refused", "Started", "Stopped"]

log = logging.getLogger(__name__)


class Recorder:
    """The workstation's recorder. Every method returns at once; what happens comes as events, in order."""

    def __init__(self, on_event: Callable[[RecorderEvent], None], *, display: str | None = None) -> None:
        self._on_event, self._display_name = on_event, display
        self._orders: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._closed = False
        self._capture: X11Capture | None = None
        self._indicator: Indicator | None = None
        self._spare: Encoder | None = None
        self._last_size: tuple[int, int] | None = None
        """Of the last canvas: the next window is most likely the same."""
        self._locked = False
        self._reel: Reel | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def warm(self) -> None:
        """Connect to the display and load the libraries; costs little memory, so a waiting client stays warm."""
        self._order(self._warm)

    def expect(self) -> None:
        """A call may begin: make an encoder ready (up to 130 MB and 70 ms for a full screen), until `cool` or a start."""
        self._order(self._expect)

    def cool(self) -> None:
        """Give the ready encoder's memory back: the call did not come."""
        self._order(self._cool)

    def start(self, order: RecordOrder) -> None:
        self._order(partial(self._start, order))

    def pause(self) -> None:
        """Show the neutral card from now on: nothing taken after this call goes out."""
        self._order(partial(self._with_reel, Reel.pause, self._cut()))

    def resume(self) -> None:
        self._order(partial(self._with_reel, Reel.resume, time.monotonic_ns()))

    def stop(self, reason: CaptureEnd | str = CaptureEnd.ORDERED) -> None:
        """End the recording now: nothing taken after this call goes out, however long the last picture takes to encode."""
        self._order(partial(self._end, CaptureEnd(reason), self._cut()))

    def _cut(self) -> int:
        now, reel = time.monotonic_ns(), self._reel
        if reel is not None:
            reel.cut(now)
        return now

    def lock(self, locked: bool) -> None:
        """The session is locked or its owner disconnected: the card is shown until it is not (P4)."""
        self._order(partial(self._lock, locked))

    def close(self) -> None:
        """End whatever runs and the thread with it."""
        self._order(self._close)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _order(self, what: Callable[[], object]) -> None:
        self._orders.put(what)
        try:
            self._waker.send(b"!")
        except OSError:
            return  # the thread has bytes enough to wake on, or has ended

    # ---- the recorder's thread

    def _work(self) -> None:
        while not self._closed:
            self._wait()
            while not self._closed and not self._orders.empty():
                self._guarded(self._orders.get())
            if self._reel is not None:
                self._guarded(self._reel.step)
            elif self._capture is not None:
                self._guarded(self._capture.pump)
        self._let_display_go()

    def _wait(self) -> None:
        watched: list[socket.socket | X11Capture] = [self._woken]
        timeout = self._reel.wait_s() if self._reel is not None else None
        if self._capture is not None:
            watched.append(self._capture)
            timeout = 0 if self._capture.has_events() else timeout
        select.select(watched, [], [], timeout)
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            return

    def _guarded(self, what: Callable[[], object]) -> None:
        """Whatever fails ends this one recording, with its reason; the recorder stays ready for the next."""
        try:
            what()
        except Ended as end:
            self._end(end.reason)
        except EncoderFailed as fault:
            log.error("the encoder failed: %s", fault)
            self._end(CaptureEnd.ENCODER_FAILED)
        except DisplayLost:
            self._end(CaptureEnd.NO_DESKTOP)
            self._let_display_go()
        except CaptureUnavailable as fault:
            log.error("cannot record here: %s", fault)
            self._end(CaptureEnd.GUARD)
            self._let_display_go()
        except Exception:
            log.exception("the recorder failed")
            self._end(CaptureEnd.CAPTURE_FAILED)
            self._let_display_go()

    def _let_display_go(self) -> None:
        if self._capture is not None:
            self._capture.close()
        self._capture = self._indicator = None

    def _warm(self) -> bool:
        importlib.import_module("workstation_client.encoder")
        try:
            self._open_display()
        except CaptureUnavailable as fault:
            log.warning("not ready to record: %s", fault)
            return False
        return True

    def _expect(self) -> None:
        if self._reel is None and self._warm():
            self._spare = self._take_encoder(*(self._last_size or self._open_display().screen_size))

    def _cool(self) -> None:
        self._spare = None

    def _open_display(self) -> X11Capture:
        if self._capture is None:
            from workstation_client.capture.x11 import X11Capture

            self._capture = X11Capture(self._display_name)
            self._capture.locked = self._locked
            self._indicator = Indicator(self._capture.display)
        return self._capture

    def _take_encoder(self, width: int, height: int) -> Encoder:
        from workstation_client.encoder import Encoder

        size = canvas_size(width, height)
        spare, self._spare = self._spare, None
        self._last_size = size
        if spare is not None and (spare.width, spare.height) == size:
            return spare
        return Encoder(*size)

    def _start(self, order: RecordOrder) -> None:
        refusal = self._refusal(order)
        if refusal is not None:
            self._on_event(Refused(order.recording, refusal))
            return
        try:
            capture = self._open_display()
        except CaptureUnavailable as fault:
            log.error("cannot record here: %s", fault)
            self._on_event(Refused(order.recording, CaptureEnd.NO_DESKTOP))
            return
        assert self._indicator is not None
        self._reel = Reel(order, capture, self._indicator, self._take_encoder, self._on_event)
        self._reel.begin()

    def _refusal(self, order: RecordOrder) -> CaptureEnd | None:
        """P2, P3: what makes an order impossible before anything is opened."""
        if self._reel is not None:
            return CaptureEnd.BUSY
        if not order.rules or not MIN_FPS <= order.fps <= MAX_FPS:
            return CaptureEnd.NOT_ALLOWED
        for rule in order.rules:
            fault = rule_fault(rule)
            if fault is not None:
                log.error("application %s: %s", rule.name, fault)
                return CaptureEnd.NOT_ALLOWED
        return None

    def _with_reel(self, what: Callable[[Reel, int], None], asked_ns: int) -> None:
        if self._reel is not None:
            what(self._reel, asked_ns)

    def _lock(self, locked: bool) -> None:
        self._locked = locked
        if self._capture is not None:
            self._capture.locked = locked
            self._capture.look_again()

    def _end(self, reason: CaptureEnd, asked_ns: int | None = None) -> None:
        reel, self._reel = self._reel, None
        if reel is None:
            return
        try:
            reel.end(reason, time.monotonic_ns() if asked_ns is None else asked_ns)
        except Exception as fault:
            log.warning("the recording's last picture was lost: %s", type(fault).__name__)
            self._let_display_go()

    def _close(self) -> None:
        self._end(CaptureEnd.CLIENT_STOPPED)
        self._closed = True
