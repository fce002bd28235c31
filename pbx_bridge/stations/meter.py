"""How much one station may send: a bucket that fills at a steady rate. Pure; the caller brings the time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """At most `burst` at once and `per_s` in the long run."""

    burst: float
    per_s: float
    _level: float = 0.0
    _at_ns: int = 0

    def take(self, now_ns: int, amount: float = 1.0) -> bool:
        """Whether `amount` more is within the limit; it counts only then."""
        self._level = max(0.0, self._level - (now_ns - self._at_ns) * 1e-9 * self.per_s)
        self._at_ns = now_ns
        if self._level + amount > self.burst:
            return False
        self._level += amount
        return True
