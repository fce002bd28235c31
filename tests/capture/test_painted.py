"""What of a change lies where the window rested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstation_client.capture.painted import MOST_PIECES, RESTED_NS, Painted, Rectangle, bounds

MS = 1_000_000
LINES, LAMP = (0, 100, 400, 300), (500, 0, 64, 64)
pieces = st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(1, 200), st.integers(1, 200))


def test_a_flash_beside_lines_that_scroll_is_news_and_the_lines_are_none() -> None:
    painted = Painted()
    assert painted.news(0, [LINES]) == 400 * 300
    for at_ms in range(60, 3_000, 60):
        assert painted.news(at_ms * MS, [LINES]) == 0
    assert painted.news(3_001 * MS, [LINES, LAMP]) == 64 * 64


def test_a_place_has_rested_after_its_time_and_not_before() -> None:
    for late_ns, news in ((RESTED_NS - 1, 0), (RESTED_NS, 64 * 64)):
        painted = Painted()
        painted.news(7, [LAMP])
        assert painted.news(7 + late_ns, [LAMP]) == news


@pytest.mark.parametrize(
    ("piece", "touches"),
    [((564, 0, 9, 9), False), ((563, 63, 9, 9), True), ((500, 64, 64, 9), False), ((400, 0, 100, 99), False)],
)
def test_side_by_side_is_not_touching(piece: Rectangle, touches: bool) -> None:
    painted = Painted()
    painted.news(0, [LAMP])
    assert (painted.news(1, [piece]) == 0) is touches


@given(st.lists(pieces, min_size=1, max_size=3 * MOST_PIECES))
def test_a_change_of_many_pieces_counts_as_what_lies_around_them(found: list[Rectangle]) -> None:
    whole = bounds(found)
    assert all(
        x >= whole[0] and y >= whole[1] and x + w <= whole[0] + whole[2] and y + h <= whole[1] + whole[3]
        for x, y, w, h in found
    )
    news = Painted().news(0, found)
    assert news == (whole[2] * whole[3] if len(found) > MOST_PIECES else sum(w * h for _, _, w, h in found))


@given(st.lists(st.tuples(st.integers(0, 900), st.lists(pieces, min_size=1, max_size=4)), max_size=20))
def test_what_touches_something_of_late_is_never_news(story: list[tuple[int, list[Rectangle]]]) -> None:
    painted, at_ns, before = Painted(), 0, list[tuple[int, Rectangle]]()
    for wait_ms, found in story:
        at_ns += wait_ms * MS
        late = [old for old_ns, old in before if old_ns > at_ns - RESTED_NS]
        alone = [p for p in found if all(apart(p, old) for old in late)]
        assert painted.news(at_ns, found) == sum(w * h for _, _, w, h in alone)
        before += [(at_ns, piece) for piece in found]


def apart(a: Rectangle, b: Rectangle) -> bool:
    return not (
        range(max(a[0], b[0]), min(a[0] + a[2], b[0] + b[2]))
        and range(max(a[1], b[1]), min(a[1] + a[3], b[1] + b[3]))
    )
