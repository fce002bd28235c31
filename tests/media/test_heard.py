"""A caller that stood still is not believed before it has spoken for a while again."""

from __future__ import annotations

from pbx_bridge.media.heard import SETTLE_NS, Heard
from tests.media.rig import MS, T0, S


def test_an_instant_is_heard_once_the_caller_spoke_again_later() -> None:
    heard = Heard(T0)
    heard.spoke(T0 + 20 * MS)
    assert heard.until_ns == T0
    heard.spoke(T0 + 20 * MS + SETTLE_NS - 1)
    assert heard.until_ns == T0
    heard.spoke(T0 + 20 * MS + SETTLE_NS)
    assert heard.until_ns == T0 + 20 * MS


def test_after_a_standstill_what_was_said_at_once_does_not_count_yet() -> None:
    heard = Heard(T0)
    for ms in range(0, 200, 20):
        heard.spoke(T0 + ms * MS)
    for at_ns in (T0 + 2 * S, T0 + 2 * S + MS, T0 + 2 * S + 2 * MS):
        heard.spoke(at_ns)
    assert heard.until_ns == T0 + 180 * MS
    heard.spoke(T0 + 2 * S + 2 * MS + SETTLE_NS)
    assert heard.until_ns == T0 + 2 * S + 2 * MS
