"""Samples that wait for their turn, each with its running number; what never came is silence.

It knows numbers and samples, and no time: where they belong is the leg's to say (leg.py).
"""

from __future__ import annotations

from array import array
from collections import deque


class WaitingSamples:
    """Pieces in the order of their numbers. A number is asked for once: what lies before it is left out then."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, array[int]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def first(self) -> int:
        """Number of the first one that waits. Raises: IndexError when none does."""
        return self._pieces[0][0]

    def put(self, number: int, samples: array[int]) -> None:
        """Samples `number`.., which come after all that wait."""
        self._pieces.append((number, samples))

    def leave_out(self) -> int:
        """The first piece goes; returns how many samples it had."""
        return len(self._pieces.popleft()[1])

    def forget(self, before: int) -> None:
        """Pieces that end before that number go."""
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= before:
            self._pieces.popleft()

    def look(self, number: int, count: int) -> array[int]:
        """The `count` samples from `number` on; they stay."""
        out = array("h", bytes(2 * count))
        for first, samples in self._pieces:
            if first >= number + count:
                break
            skip, at = max(0, number - first), max(0, first - number)
            part = samples[skip : skip + count - at]
            out[at : at + len(part)] = part
        return out

    def take(self, number: int, count: int) -> tuple[array[int], int]:
        """The same samples, which go, and how many that waited before them were left out."""
        out, left_out = self.look(number, count), 0
        while self._pieces and self._pieces[0][0] < number + count:
            first, samples = self._pieces.popleft()
            left_out += min(max(0, number - first), len(samples))
            rest = samples[max(0, number + count - first) :]
            if rest:
                self._pieces.appendleft((number + count, rest))
                break
        return out, left_out
