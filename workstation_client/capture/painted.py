"""Where a window was painted lately, and what of a new change lies where it rested. Pure; rectangles and times.

A line that scrolls, a caret, a clock paint the same place again and again. What appears elsewhere, a dialog, a result, a
flash, is what somebody who watches notices and compares with the voice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

Rectangle: TypeAlias = tuple[int, int, int, int]
"""x, y, width, height in a window's pixels."""

RESTED_NS: Final = 1_500_000_000
"""A place rested when nothing was painted there for so long: a clock's second is no news."""
MOST_PIECES: Final = 8
"""A change of more pieces counts as its bounding box."""
MOST_CHANGES: Final = 128
"""Remembered at most: what comes faster than a screen is drawn tells nothing more."""


class Painted:
    """The last changes of one window."""

    def __init__(self) -> None:
        self._lately: deque[tuple[int, list[Rectangle]]] = deque(maxlen=MOST_CHANGES)

    def news(self, at_ns: int, pieces: Sequence[Rectangle]) -> int:
        """How many pixels of this change lie in pieces that touch nothing painted in RESTED_NS before; it is remembered."""
        while self._lately and self._lately[0][0] <= at_ns - RESTED_NS:
            self._lately.popleft()
        whole = list(pieces) if len(pieces) <= MOST_PIECES else [bounds(pieces)]
        found = sum(
            piece[2] * piece[3]
            for piece in whole
            if not any(_touch(piece, old) for _, olds in self._lately for old in olds)
        )
        self._lately.append((at_ns, whole))
        return found


def bounds(pieces: Sequence[Rectangle]) -> Rectangle:
    """The least rectangle around all."""
    left, top = min(x for x, _, _, _ in pieces), min(y for _, y, _, _ in pieces)
    right, bottom = max(x + w for x, _, w, _ in pieces), max(y + h for _, y, _, h in pieces)
    return left, top, right - left, bottom - top


def _touch(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
