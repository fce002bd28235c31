"""One recording's entries as they come from a station: started, pictures, stopped, each exactly once and in order.

Entry 0 is the start, the last one the stop, pictures and payments (P7) between. An entry out of turn is the station's
fault and ends its link. What arrived is acknowledged only when the bridge's core says it is safe. Pure.
"""

from __future__ import annotations

from typing import Literal

from pbx_bridge.errors import PeerError
from pbx_bridge.stations.clockmap import Mapped
from pbx_bridge.wire import Canvas, StartCapture
from pbx_bridge.wire_picture import Picture

Wanted = Literal["talking", "paused", "stopped"]


class Inflow:
    """Order and time of one recording's entries."""

    def __init__(self, start: StartCapture) -> None:
        self.start = start
        self.wanted: Wanted = "talking"
        self.stop_reason = ""
        self.discard = False
        """The station was told to erase: what is still on its way is ignored."""
        self.next_seq = 0
        self.stopped_seq: int | None = None
        self.last_picture_seq = 0
        self._canvas: Canvas | None = None
        self._last_pts_ns: int | None = None
        self._last_at_ns: int | None = None

    @property
    def started(self) -> bool:
        return self.next_seq > 0

    @property
    def over(self) -> bool:
        """The station said its last word on it."""
        return self.stopped_seq is not None

    def take_start(self, seq: int) -> None:
        """Raises: PeerError."""
        self._in_turn(seq)
        if seq != 0:
            raise PeerError("a recording starts with entry 0")
        self.next_seq = 1

    def take_stop(self, seq: int) -> None:
        """Raises: PeerError."""
        if self.discard:
            self.next_seq = max(self.next_seq, seq)
        self._in_turn(seq)
        if seq == 0:
            raise PeerError("a recording cannot stop before it started")
        self.stopped_seq, self.next_seq = seq, seq + 1

    def take_payment(self, seq: int) -> None:
        """Raises: PeerError."""
        self._in_turn(seq)
        if not self.started:
            raise PeerError("a payment came before its recording's start")
        self.next_seq = seq + 1

    def take_picture(self, picture: Picture, mapped: Mapped, now_ns: int) -> int:
        """The picture's time in the bridge's clock, never before the last one's. Raises: PeerError."""
        self._in_turn(picture.seq)
        if not self.started:
            raise PeerError("a picture came before its recording's start")
        if self._last_pts_ns is not None and picture.pts_ns < self._last_pts_ns:
            raise PeerError(f"picture {picture.seq} is older than the one before")
        canvas = Canvas(picture.width, picture.height)
        if self._canvas not in (None, canvas):
            raise PeerError("the canvas changed within a recording")
        if mapped.at_ns - mapped.error_ns > now_ns:
            raise PeerError(f"picture {picture.seq} is from the future")
        self._canvas, self._last_pts_ns, self.next_seq = canvas, picture.pts_ns, picture.seq + 1
        self.last_picture_seq = picture.seq
        return self.settle(mapped.at_ns)

    def settle(self, at_ns: int) -> int:
        """`at_ns`, or the last entry's time where better knowledge of the clocks would go back behind it."""
        self._last_at_ns = at_ns if self._last_at_ns is None else max(at_ns, self._last_at_ns)
        return self._last_at_ns

    def _in_turn(self, seq: int) -> None:
        if self.over:
            raise PeerError("an entry came after its recording's stop")
        if seq != self.next_seq:
            raise PeerError(f"entry {self.next_seq} of a recording is due, not {seq}")
