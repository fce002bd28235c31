"""Guessing under one name is slowed and bounded (CNIL 2022-100)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.portal.web.attempts import A_DAY, DAY_S, FREE_FAILURES, MAX_NAMES, Attempts


def test_after_five_failures_a_minute_then_two_then_four() -> None:
    attempts = Attempts()
    for n in range(FREE_FAILURES):
        assert attempts.wait_s("alice", n) == 0
        attempts.failed("alice", n)
    assert attempts.wait_s("alice", 4) == 60
    assert attempts.wait_s("bruno", 4) == 0
    attempts.failed("alice", 64)
    assert attempts.wait_s("alice", 64) == 120
    attempts.failed("alice", 200)
    assert attempts.wait_s("alice", 200) == 240
    attempts.succeeded("alice")
    assert attempts.wait_s("alice", 200) == 0


@given(st.floats(0.01, 3_600), st.integers(100, 400))
def test_nobody_gets_more_than_25_a_day_however_patient(pause: float, tries: int) -> None:
    attempts, now, made = Attempts(), 0.0, []
    for _ in range(tries):
        now += max(pause, attempts.wait_s("alice", now))
        attempts.failed("alice", now)
        made.append(now)
    for at in made:
        assert sum(at <= one < at + DAY_S - 1e-3 for one in made) <= A_DAY


def test_names_are_bounded() -> None:
    attempts = Attempts()
    for n in range(MAX_NAMES + 50):
        attempts.failed(str(n), 0)
    assert len(attempts._failures) == MAX_NAMES
