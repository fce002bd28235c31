"""By which visit the keeper knows each key that a program proved (P19): what went out under a former visit, which a keeper
that was started anew knows no more, is told by the newest of the same key.

It knows challenges, keys' public halves and visits' tokens, so many of each and no more. It decides nothing; pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST: Final = 1_024
"""Of each; the keeper knows as many visits."""


class Proofs:
    def __init__(self) -> None:
        self._begun: OrderedDict[bytes, str] = OrderedDict()
        self._proven: OrderedDict[bytes, str] = OrderedDict()

    def begun(self, challenge: bytes, recipient: str) -> None:
        """This challenge was made for this key."""
        _keep(self._begun, challenge, recipient)

    def proven(self, challenge: bytes, visit: bytes) -> None:
        """It was answered rightly, which opened this visit."""
        if (recipient := self._begun.pop(challenge, None)) is not None:
            _keep(self._proven, visit, recipient)

    def anew(self, visit: bytes) -> Callable[[], bytes | None]:
        """What gives the newest visit of the key that this one was opened by; None when that is not known."""
        recipient = self._proven.get(visit)
        return lambda: next(
            (one for one, whose in reversed(self._proven.items()) if whose == recipient), None
        )


def _keep(kept: OrderedDict[bytes, str], name: bytes, recipient: str) -> None:
    kept[name] = recipient
    if len(kept) > MOST:
        kept.popitem(last=False)
