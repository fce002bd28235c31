"""P19: which parts of a recording went to whom, merged: told to the keeper once a minute, and when the viewer leaves.

It counts what the server gave, not what a page says it showed. Pure; it knows numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

PART_BYTES: Final = 64 * 1024 + 16
"""One chunk of the sealed payload, after its nonce of 16 bytes (age v1)."""
NONCE_BYTES: Final = 16
EVERY_S: Final = 60.0
MOST_SPANS: Final = 40
"""More are told as the span that holds them: too much rather than too little."""


class Parts:
    """The parts given since they were last told."""

    def __init__(self, payload_bytes: int) -> None:
        self._count = max(1, -(-(payload_bytes - NONCE_BYTES) // PART_BYTES))
        self._given = 0
        """One bit for each part: half a kB for 3,500, where a set of numbers takes 220; and a thousand may be open."""
        self._taken = 0

    def add(self, first: int, last: int) -> None:
        """Bytes `first` to `last` of the payload went out."""
        low, high = (min(max(0, at - NONCE_BYTES) // PART_BYTES, self._count - 1) for at in (first, last))
        self._given |= (1 << high + 1) - (1 << low)

    def take(self) -> str:
        """As `0-17,120-131/352`, and begins anew; "" when nothing was given."""
        self._taken, self._given = self._given, 0
        if not self._taken:
            return ""
        spans = list(_spans(part for part in range(self._count) if self._taken >> part & 1))
        if len(spans) > MOST_SPANS:
            spans = [*spans[: MOST_SPANS - 1], (spans[MOST_SPANS - 1][0], spans[-1][1])]
        told = ",".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)
        return f"{told}/{self._count}"

    def put_back(self) -> None:
        """What was taken last could not be told: it is untold again."""
        self._given |= self._taken


def _spans(sorted_parts: Iterable[int]) -> Iterable[tuple[int, int]]:
    low = high = -2
    for part in sorted_parts:
        if part != high + 1:
            if low >= 0:
                yield low, high
            low = part
        high = part
    yield low, high
