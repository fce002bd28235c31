"""Which parts went out: every byte given is in what is told, once, and what is told has an end."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.archive.opening_wire import MAX_PARTS_CHARS
from pbx_bridge.portal.views import NONCE_BYTES, PART_BYTES, Parts

SIZE = NONCE_BYTES + 352 * PART_BYTES


def told(parts: str) -> set[int]:
    spans, _, count = parts.partition("/")
    assert count == "352"
    found = set()
    for span in spans.split(","):
        low, _, high = span.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return found


def test_touching_ranges_are_one_and_are_told_once() -> None:
    parts = Parts(SIZE)
    assert parts.take() == ""
    parts.add(0, NONCE_BYTES + PART_BYTES - 1)
    parts.add(NONCE_BYTES + PART_BYTES, NONCE_BYTES + 2 * PART_BYTES)
    parts.add(SIZE - 1, SIZE - 1)
    assert parts.take() == "0-2,351/352"
    assert parts.take() == ""


@given(st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), min_size=1, max_size=200))
def test_nothing_that_was_given_is_left_out(ranges: list[tuple[int, int]]) -> None:
    parts, given_parts = Parts(SIZE), set()
    for one, other in ranges:
        first, last = min(one, other), max(one, other)
        parts.add(first, last)
        given_parts |= {max(0, at - NONCE_BYTES) // PART_BYTES for at in range(first, last + 1, PART_BYTES)}
        given_parts.add(max(0, last - NONCE_BYTES) // PART_BYTES)
    text = parts.take()
    assert given_parts <= told(text)
    assert len(text) <= MAX_PARTS_CHARS
    assert re.fullmatch("[0-9,/. -]*", text)


def test_many_lone_parts_still_fit_and_none_is_lost() -> None:
    parts = Parts(SIZE)
    for n in range(0, 352, 2):
        parts.add(NONCE_BYTES + n * PART_BYTES, NONCE_BYTES + n * PART_BYTES)
    assert told(parts.take()) >= set(range(0, 352, 2))
