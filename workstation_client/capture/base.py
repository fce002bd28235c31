"""What every window system's capture gives the recorder, in words none of them owns.

It knows pictures, times and reasons; it must never know X, a codec or a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pbx_bridge.wire import ApplicationRule
from workstation_client.guard import Why

BYTES_PER_PIXEL = 4
"""Blue, green, red, unused: what X servers give for 24-bit windows, and what swscale calls bgr0."""
ROW_BLOCK = 64
"""Rows that are fetched and converted together; one caret costs one block, not the whole picture."""
NEUTRAL = (0x3A, 0x3F, 0x45)
"""Red, green, blue of everything that is not shown, and of the neutral card."""


class CaptureUnavailable(Exception):
    """This desktop cannot be recorded from (an extension missing, no connection). The sentence says what to do."""


class DisplayLost(Exception):
    """The connection to the window system is gone."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the application lies in the canvas's memory; it may be encoded only after `still_allowed`."""

    damage_ns: int
    """CLOCK_MONOTONIC of the oldest change it shows."""
    taken_ns: int
    blocks: tuple[int, ...]
    """Which blocks of ROW_BLOCK rows changed since the picture taken before."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No window may be shown now: the neutral card stands in."""

    why: Why


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
