"""A doubtful order of stamps makes the talk shorter, never longer."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.media.spans import LateFact, Pause, Spans


def spans(*stamps: tuple[str, int], released: int = 0) -> Spans:
    said = Spans(0)
    said.released_ns = released
    for kind, at_ns in stamps:
        getattr(said, kind)(at_ns)
    return said


@pytest.mark.parametrize(
    ("stamps", "talks"),
    [
        ([], [(0, 100)]),
        ([("pause", 30)], [(0, 30)]),
        ([("pause", 30), ("talk", 50)], [(0, 30), (50, 100)]),
        ([("pause", 30), ("pause", 40), ("talk", 50)], [(0, 30), (50, 100)]),
        ([("pause", 30), ("pause", 20), ("talk", 50)], [(0, 20), (50, 100)]),
        ([("talk", 10), ("pause", 30)], [(0, 30)]),
        ([("pause", 30), ("talk", 20)], [(0, 30), (30, 100)]),
        ([("pause", 30), ("talk", 50), ("pause", 40), ("talk", 60)], [(0, 30), (60, 100)]),
        ([("pause", 30), ("talk", 50), ("pause", 10), ("talk", 60)], [(0, 10), (60, 100)]),
        ([("pause", 30), ("talk", 50), ("close", 70)], [(0, 30), (50, 70)]),
        ([("close", 70), ("close", 60), ("close", 90)], [(0, 60)]),
        ([("close", 70), ("talk", 80)], [(0, 70)]),
        ([("pause", -5)], []),
    ],
)
def test_when_they_talk(stamps: list[tuple[str, int]], talks: list[tuple[int, int]]) -> None:
    assert spans(*stamps).inside(0, 100) == talks


def test_a_talk_begins_no_earlier_than_what_was_released() -> None:
    said = spans(("pause", 30), released=30)
    said.released_ns = 60
    said.talk(50)
    assert said.inside(0, 100) == [(0, 30), (60, 100)]


def test_a_stamp_that_takes_nothing_released_back_is_never_late() -> None:
    said = spans(released=30)
    said.pause(30)
    said.released_ns = 90
    said.pause(40)
    said.close(50)
    assert said.inside(0, 100) == [(0, 30)]
    with pytest.raises(LateFact):
        said.close(29)


stamps = st.tuples(st.sampled_from(["talk", "pause", "close"]), st.integers(-10, 110))


@given(st.lists(stamps, max_size=12))
def test_talk_is_never_where_a_later_word_said_it_was_not(said: list[tuple[str, int]]) -> None:
    """All talk lies before an end, and before a pause that no talk followed."""
    result = spans(*said).inside(0, 100)
    assert all(a < b for a, b in result)
    assert all(b <= c for (_, b), (c, _) in pairwise(result))
    for number, (kind, at) in enumerate(said):
        later_talks = [other for what, other in said[number + 1 :] if what == "talk"]
        if kind == "close" or (kind == "pause" and not later_talks):
            assert all(b <= max(at, 0) for _, b in result)


def test_pauses_lie_between_the_talks_and_a_hold_is_told_from_another_one() -> None:
    """What cut the talk first names it; one that takes back more names it anew."""
    said = spans(("pause", 30), ("talk", 50), ("pause", 60), ("talk", 70), ("pause", 90))
    assert said.pauses(100) == [Pause(30, 50, hold=False), Pause(60, 70, hold=False)]
    said = Spans(1_000)
    said.pause(1_030, hold=True)
    said.pause(1_040)
    said.talk(1_050)
    assert said.pauses(2_000) == [Pause(30, 50, hold=True)]
    assert said.pauses(1_050) == [], "the talk that follows is not in the file"
    said.pause(1_020)
    said.talk(1_060)
    assert said.pauses(2_000) == [Pause(20, 60, hold=False)]
