"""What every window system's capture gives the recorder, in words none of them owns.

It knows pictures, times and reasons; it must never know X, a codec or a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pbx_bridge.wire import ApplicationRule
from workstation_client.guard import Why

BYTES_PER_PIXEL = 4
"""Blue, green, red, unused: what X servers give for 24-bit windows, and what swscale calls bgr0."""
ROW_BLOCK = 64
"""Rows that are fetched and converted together; one caret costs one block, not the whole picture."""
ALIGNMENT = 16
"""Canvas widths are multiples of this, so that rows lie in memory as the codec library wants them."""
MIN_SIDE, MAX_SIDE = 64, 4096
"""Pixels: below, no window of a business application; above, no desktop encodes in time without a graphics card."""
NEUTRAL = (0x3A, 0x3F, 0x45)
"""Red, green, blue of everything that is not shown, and of the neutral card."""


class CaptureUnavailable(Exception):
    """This desktop cannot be recorded from (an extension missing, no connection). The sentence says what to do."""


class DisplayLost(Exception):
    """The connection to the window system is gone."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something was painted."""

    at_ns: int
    pixels: int
    news: int = 0
    """Of them, those where the window had rested (`painted.py`)."""


def time_of(changes: Sequence[Change], otherwise_ns: int) -> int:
    """The time of a picture that shows all these changes: when half of what changed had been painted, and of that only the
    news, where there are any.

    For a change that stands alone that is its own time, however long the picture had to wait. What appears beside lines that
    scroll keeps its time too; where all are alike it is the middle, which halves the error.
    """
    fresh = any(change.news for change in changes)
    weights = sorted((change.at_ns, change.news if fresh else change.pixels) for change in changes)
    left = sum(weight for _, weight in weights) / 2
    for at_ns, weight in weights:
        left -= weight
        if weight and left <= 0:
            return at_ns
    return otherwise_ns


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the application lies in the canvas's memory; it may be encoded only after `still_allowed`."""

    changed_ns: int
    """CLOCK_MONOTONIC by which half of the news in it was painted (`time_of`)."""
    taken_ns: int
    """Nothing painted later is in it."""
    blocks: tuple[int, ...]
    """Which blocks of ROW_BLOCK rows changed since the picture taken before."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No window may be shown now: the neutral card stands in."""

    why: Why


def canvas_size(width: int, height: int) -> tuple[int, int]:
    """The canvas for a window of this size: as large, in steps the codec likes; a larger window is scaled down later."""
    wide = min(max(width, MIN_SIDE), MAX_SIDE)
    high = min(max(height, MIN_SIDE), MAX_SIDE)
    return (wide + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT, (high + 1) // 2 * 2


class Capture(Protocol):
    """One desktop's capture. All calls from one thread."""

    def aim(self, rules: tuple[ApplicationRule, ...]) -> tuple[int, int] | None:
        """Follow the windows these rules allow; the size of the one that would be shown now."""

    def open_canvas(self, width: int, height: int) -> memoryview:
        """The memory pictures appear in from now on, rows of width * BYTES_PER_PIXEL."""

    def take(self) -> Shown | Nothing | None:
        """Read what changed since the last one; None when there is nothing new."""

    def release(self) -> None:
        """Let go of every window and of the canvas."""
