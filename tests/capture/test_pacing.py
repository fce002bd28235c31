"""P2 as a conversation: when to look, when to repeat."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstation_client.pacing import REPEAT_NS, Due, Pacing

MS = 1_000_000


def test_a_change_is_taken_at_once_when_the_rate_allows() -> None:
    pacing = Pacing(10)
    assert pacing.due(0, news=True) is not None
    pacing.taken(0)
    pacing.shown(0)
    assert pacing.due(99 * MS, news=True) is None
    assert pacing.wait_ns(40 * MS, news=True) == 60 * MS
    assert pacing.due(100 * MS, news=True) is Due.TAKE


def test_without_a_change_the_last_picture_is_repeated_before_its_second_is_over() -> None:
    pacing = Pacing(10)
    pacing.taken(0)
    pacing.shown(0)
    assert pacing.due(700 * MS, news=False) is None
    assert pacing.due(760 * MS, news=False) is Due.REPEAT
    assert pacing.wait_ns(0, news=False) < REPEAT_NS


def test_a_machine_that_keeps_no_working_rate_is_told_after_ten_seconds_but_not_for_a_hiccup() -> None:
    pacing = Pacing(10)
    for at in range(0, 9_000, 300):
        pacing.taken(at * MS, (at - 290) * MS)
    assert not pacing.too_slow
    pacing.taken(9_100 * MS, 9_050 * MS)
    for at in range(9_400, 19_000, 300):
        pacing.taken(at * MS, (at - 290) * MS)
    assert not pacing.too_slow
    pacing.taken(19_300 * MS, 19_010 * MS)
    assert pacing.too_slow


def test_a_dear_picture_is_followed_by_a_longer_pause_that_still_keeps_the_working_rate() -> None:
    pacing = Pacing(10)
    pacing.taken(0)
    pacing.shown(0)
    for cost_ms, pause_ms in ((10, 100), (30, 120), (500, 170), (5, 100)):
        pacing.cost(cost_ms * MS)
        assert pacing.due((pause_ms - 1) * MS, news=True) is None
        assert pacing.due(pause_ms * MS, news=True) is Due.TAKE
    slow = Pacing(5)
    slow.taken(0)
    slow.shown(0)
    slow.cost(500 * MS)
    assert slow.due(200 * MS, news=True) is Due.TAKE


def test_a_slow_moment_before_a_quiet_time_is_forgotten() -> None:
    pacing = Pacing(10)
    pacing.taken(0)
    pacing.taken(500 * MS, 10 * MS)
    for second in range(1, 30):
        pacing.taken(second * 1000 * MS)
        assert not pacing.too_slow


def test_a_window_that_rarely_changes_is_not_slow() -> None:
    pacing = Pacing(10)
    for second in range(60):
        pacing.taken(second * 1000 * MS, (second * 1000 - 1) * MS)
    assert not pacing.too_slow


@given(st.integers(5, 30), st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=200))
def test_never_faster_than_the_rate_never_slower_than_each_second(
    fps: int, story: list[tuple[int, bool]]
) -> None:
    pacing, now, taken, shown = Pacing(fps), 0, [], [0]
    pacing.shown(0)
    for wait, news in story:
        now += min(wait * MS, max(1, pacing.wait_ns(now, news=news)))
        due = pacing.due(now, news=news)
        if due is Due.TAKE:
            taken.append(now)
            pacing.taken(now)
        if due is not None:
            shown.append(now)
            pacing.shown(now)
    assert all(b - a >= 1_000_000_000 // fps for a, b in itertools.pairwise(taken))
    assert all(b - a <= REPEAT_NS for a, b in itertools.pairwise(shown))


def test_news_that_never_end_in_a_picture_do_not_put_the_repeat_off() -> None:
    pacing = Pacing(10)
    pacing.taken(0)
    pacing.shown(0)
    found = []
    for at in range(100, 1200, 100):
        due = pacing.due(at * MS, news=True)
        found.append(due)
        pacing.taken(at * MS)
    assert Due.REPEAT in found


@pytest.mark.parametrize("fps", [5, 30])
def test_waiting_as_long_as_told_finds_something_due(fps: int) -> None:
    pacing = Pacing(fps)
    pacing.taken(0)
    pacing.shown(0)
    for news in (True, False):
        assert pacing.due(pacing.wait_ns(0, news=news), news=news) is not None


def test_a_clock_that_jumps_is_not_a_slow_machine() -> None:
    """The lease answers for that."""
    pacing = Pacing(10)
    pacing.taken(0)
    pacing.taken(3_600_000 * MS, 10 * MS)
    assert not pacing.too_slow
