"""Pictures wait here until it is certain that they may be seen.

It knows times and verdicts; it must never know what is in a picture, nor open one.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from workstation_client.guard import Allowed, Verdict

TITLE_HOLD_NS = 150_000_000
"""How long a picture waits when a title takes part in the verdict: programs change what they show before they say so."""
MAX_HELD = 8
"""Pictures held at once; 3 MB each at 1920x1080. At 30 a second this still covers TITLE_HOLD_NS."""

Picture = TypeVar("Picture")


class Quarantine(Generic[Picture]):
    """P4: a picture goes on to the encoder only if the window was still allowed after the picture was taken.

    One refusal drops everything held: none of it was followed by a moment at which the window was known to be allowed.
    """

    def __init__(self, hold_ns: int) -> None:
        self._hold_ns = hold_ns
        self._held: deque[tuple[int, Picture]] = deque()

    def put(self, taken_ns: int, picture: Picture) -> None:
        """Hold a picture. The oldest goes when there are too many: less is shown, never more."""
        self._held.append((taken_ns, picture))
        while len(self._held) > MAX_HELD:
            self._held.popleft()

    @property
    def due_ns(self) -> int | None:
        """When the oldest picture may be judged; None when none waits."""
        return self._held[0][0] + self._hold_ns if self._held else None

    def judge(self, now_ns: int, verdict: Verdict) -> list[Picture]:
        """The pictures that may be encoded, oldest first, given a verdict asked for at or after `now_ns`."""
        if not isinstance(verdict, Allowed):
            self.drop()
            return []
        free = []
        while self._held and self._held[0][0] + self._hold_ns <= now_ns:
            free.append(self._held.popleft()[1])
        return free

    def drop(self) -> None:
        """Forget everything held: pause, stop, or a window that is no longer allowed."""
        self._held.clear()
