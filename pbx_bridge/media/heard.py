"""Up to when the caller is known to have told everything: the instant before which pictures and voices may be
judged.

It knows when the caller spoke; it never knows what was said. A caller (one event loop) that stood still for a
second may, when it wakes, hand over the voices of that second before the PBX's hang-up in the middle of it.
So an instant counts as heard only once the caller spoke again `SETTLE_NS` later: by then it has read
everything that lay waiting.
"""

from __future__ import annotations

from collections import deque

SETTLE_NS = 50_000_000
"""Several turns of an event loop that works; voices come each 20 ms and make the rhythm."""


class Heard:
    def __init__(self, start_ns: int) -> None:
        self.until_ns = start_ns
        self._newer: deque[int] = deque()

    def spoke(self, at_ns: int) -> None:
        """The caller handed something over at `at_ns`."""
        while self._newer and self._newer[0] <= at_ns - SETTLE_NS:
            self.until_ns = max(self.until_ns, self._newer.popleft())
        if not self._newer or at_ns > self._newer[-1]:
            self._newer.append(at_ns)
