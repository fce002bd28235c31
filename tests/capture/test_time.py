"""The time of a picture, from what was painted when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstation_client.capture.base import Change, time_of


@pytest.mark.parametrize(
    ("changes", "time"),
    [
        ([], 999),
        ([Change(5, 0)], 999),
        ([Change(5, 10)], 5),
        ([Change(90, 10), Change(5, 0)], 90),
        ([Change(10, 7), Change(40, 1000), Change(80, 9)], 40),
        ([Change(at, 500) for at in range(0, 100, 10)], 40),
        ([Change(80, 9), Change(10, 7)], 80),
        ([Change(10, 5000), Change(40, 90, 90), Change(80, 5000)], 40),
        ([Change(10, 5000, 20), Change(40, 90, 90), Change(80, 5000)], 40),
    ],
)
def test_the_time_by_which_half_of_the_news_was_painted(changes: list[Change], time: int) -> None:
    assert time_of(changes, 999) == time


@given(st.lists(st.builds(Change, st.integers(0, 100), st.integers(1, 1000)), min_size=1))
def test_it_is_the_time_of_one_of_the_changes_and_no_half_lies_beyond_it(changes: list[Change]) -> None:
    found, whole = time_of(changes, 999), sum(change.pixels for change in changes)
    assert found in {change.at_ns for change in changes}
    assert sum(change.pixels for change in changes if change.at_ns < found) < whole / 2
    assert sum(change.pixels for change in changes if change.at_ns > found) <= whole / 2
