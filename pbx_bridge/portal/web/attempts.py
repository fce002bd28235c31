"""How often somebody may try to sign in under one name: CNIL 2022-100's restriction of access, by name.

After five failures a minute must pass, then two, four, up to an hour; after 25 in a day, none until the oldest is a day
old. An unknown name is counted like a known one. Pure; times come from outside, in seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

FREE_FAILURES: Final = 5
FIRST_WAIT_S: Final = 60.0
LONGEST_WAIT_S: Final = 3_600.0
A_DAY: Final = 25
DAY_S: Final = 86_400.0
MAX_NAMES: Final = 4_096
"""Beyond, the name not tried for longest is forgotten; each new name costs an attacker one of their address's attempts."""


class Attempts:
    """Failures of the last day, by name."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, name: str, now_s: float) -> float:
        """0.0 when an attempt may be made now; else the seconds until one may."""
        failed = self._recent(name, now_s)
        waits = [0.0]
        if len(failed) >= FREE_FAILURES:
            doubled = FIRST_WAIT_S * float(1 << (len(failed) - FREE_FAILURES))
            waits.append(failed[-1] + min(doubled, LONGEST_WAIT_S) - now_s)
        if len(failed) >= A_DAY:
            waits.append(failed[-A_DAY] + DAY_S - now_s)
        return max(waits)

    def failed(self, name: str, now_s: float) -> None:
        self._failures[name] = [*self._recent(name, now_s), now_s]
        self._failures.move_to_end(name)
        if len(self._failures) > MAX_NAMES:
            self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        self._failures.pop(name, None)

    def _recent(self, name: str, now_s: float) -> list[float]:
        return [at for at in self._failures.get(name, []) if now_s - at < DAY_S]
