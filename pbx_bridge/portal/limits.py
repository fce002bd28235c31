"""How often one address may ask: token buckets, bounded in number. Pure; the time comes from outside."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MAX_ADDRESSES: Final = 4_096
"""Buckets kept; beyond, the address unseen for longest starts anew, which costs an attacker an address each."""


class RateLimit:
    """`burst` requests at once and `per_s` more each second, per address."""

    def __init__(self, *, burst: int, per_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> float:
        """0.0 when this request may pass (and is counted); else the seconds until one may."""
        left, seen_s = self._buckets.pop(address, (float(self._burst), now_s))
        left = min(float(self._burst), left + (now_s - seen_s) * self._per_s)
        passes = left >= 1
        self._buckets[address] = (left - 1 if passes else left, now_s)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if passes else (1 - left) / self._per_s
