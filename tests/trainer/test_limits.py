"""How often one address may ask."""

from __future__ import annotations

import pytest

from pbx_bridge.portal.limits import MAX_ADDRESSES, RateLimit


def test_a_burst_then_a_steady_rate() -> None:
    limit = RateLimit(burst=3, per_s=0.5)
    assert [limit.wait_s("a", 0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 2.0, 2.0]
    assert limit.wait_s("b", 0.0) == 0.0
    assert limit.wait_s("a", 1.5) == pytest.approx(0.5)
    assert limit.wait_s("a", 2.0) == 0.0
    assert [limit.wait_s("a", 1_000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]


def test_the_memory_has_a_bound() -> None:
    limit = RateLimit(burst=1, per_s=0.001)
    assert limit.wait_s("first", 0.0) == 0.0
    assert limit.wait_s("first", 0.0) > 0
    for number in range(MAX_ADDRESSES):
        limit.wait_s(str(number), 0.0)
    assert limit.wait_s("first", 0.0) == 0.0
