"""The PBX's clock on the bridge's, with a bound that holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.telephony.asterisk.stamps import parse_stamp
from pbx_bridge.telephony.stamps import UNKNOWN_ERROR_NS, PbxClock, Stamp

MS = 1_000_000
SECOND = 1000 * MS
WALL = 1_795_465_148 * SECOND
"""The PBX's wall clock when the bridge's monotonic clock is 0."""


def test_before_any_exchange_the_arrival_is_all_there_is() -> None:
    assert PbxClock().at(WALL, 7 * SECOND) == Stamp(7 * SECOND, UNKNOWN_ERROR_NS)
    assert PbxClock().pbx_now_ns(0) is None


def test_the_fastest_exchange_gives_the_bound() -> None:
    clock = PbxClock()
    clock.exchanged(0, 10 * MS, WALL + 3 * MS)
    clock.exchanged(20 * MS, 22 * MS, WALL + 21 * MS)
    clock.exchanged(30 * MS, 50 * MS, WALL + 49 * MS)
    assert clock.at(WALL + 40 * MS, 60 * MS).at_ns == 40 * MS
    assert clock.error_ns(22 * MS) == 1 * MS


def test_nothing_happens_after_its_arrival() -> None:
    clock = PbxClock()
    clock.exchanged(0, 10 * MS, WALL)
    assert clock.at(WALL + 8 * MS, 9 * MS).at_ns == 9 * MS


@given(
    offset_ns=st.integers(-(10**18), 10**18),
    ways=st.lists(st.tuples(st.integers(0, 50 * MS), st.integers(0, 50 * MS)), min_size=1, max_size=60),
    way=st.integers(0, 100 * MS),
)
def test_the_bound_holds_for_any_delays(offset_ns: int, ways: list[tuple[int, int]], way: int) -> None:
    clock, now = PbxClock(), 0
    for there, back in ways:
        clock.exchanged(now, now + there + back, now + there + offset_ns)
        now += there + back + SECOND // 2
    stamp = clock.at(now + offset_ns, now + way)
    assert abs(stamp.at_ns - now) <= stamp.error_ns + 1


def test_the_bound_holds_while_a_clock_drifts() -> None:
    clock = PbxClock()
    for second in range(60):
        now = second * SECOND
        true_pbx = WALL + now + now * 50 // 1_000_000
        clock.exchanged(now, now + 2 * MS, true_pbx + MS)
        event = now + SECOND // 2
        stamp = clock.at(WALL + event + event * 50 // 1_000_000, event + MS)
        assert abs(stamp.at_ns - event) <= stamp.error_ns


@pytest.mark.parametrize("step_ns", [-3600 * SECOND, -5 * SECOND, 100 * MS, 5 * SECOND, 3600 * SECOND])
def test_a_stepped_clock_is_believed_from_the_next_exchange(step_ns: int) -> None:
    clock = PbxClock()
    for at in range(0, 1000 * MS, 100 * MS):
        clock.exchanged(at, at + 2 * MS, WALL + at + MS)
    clock.exchanged(SECOND, SECOND + 2 * MS, WALL + step_ns + SECOND + MS)
    stamp = clock.at(WALL + step_ns + 2 * SECOND, 2 * SECOND + 3 * MS)
    assert abs(stamp.at_ns - 2 * SECOND) <= 2 * MS


def test_between_the_step_and_the_next_exchange_the_arrival_counts() -> None:
    clock = PbxClock()
    clock.exchanged(0, 2 * MS, WALL + MS)
    assert clock.at(WALL + 3600 * SECOND, SECOND) == Stamp(SECOND, UNKNOWN_ERROR_NS)
    assert clock.at(WALL - 3600 * SECOND, SECOND) == Stamp(SECOND, UNKNOWN_ERROR_NS)


def test_after_a_lost_link_nothing_is_known() -> None:
    clock = PbxClock()
    clock.exchanged(0, 2 * MS, WALL + MS)
    clock.forget()
    assert clock.pbx_now_ns(5) is None


def test_an_answer_before_its_question_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="before"):
        PbxClock().exchanged(2, 1, WALL)


@pytest.mark.parametrize(
    "text", ["", "1795465148", "1795465148.88", "-1.000000", "1.0000000", "1e9.000000", "1,000000"]
)
def test_another_shape_is_no_stamp(text: str) -> None:
    with pytest.raises(ValueError, match="timestamp"):
        parse_stamp(text)


def test_a_stamp_is_microseconds() -> None:
    assert parse_stamp("1795465148.880857") == 1_795_465_148_880_857_000
