"""P4 as a conversation: pictures go in, and come out only after a later moment at which the window was allowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.wire import ApplicationRule
from workstation_client.guard import Allowed, Refused, Verdict, Why
from workstation_client.quarantine import MAX_HELD, Quarantine

YES = Allowed(ApplicationRule("desk", "/opt/desk", None, "Desk", None, None))
NO = Refused(Why.OTHER_TITLE)


def test_a_picture_comes_out_once_its_time_is_over_and_the_window_still_allowed() -> None:
    held: Quarantine[str] = Quarantine(150)
    held.put(1000, "one")
    held.put(1100, "two")
    assert held.due_ns == 1150
    assert held.judge(1149, YES) == []
    assert held.judge(1150, YES) == ["one"]
    assert held.judge(1300, YES) == ["two"]
    assert held.due_ns is None


def test_one_refusal_drops_everything_held() -> None:
    held: Quarantine[str] = Quarantine(150)
    held.put(1000, "one")
    held.put(1100, "two")
    assert held.judge(1200, NO) == []
    assert held.judge(9999, YES) == []


def test_too_many_pictures_are_fewer_pictures() -> None:
    held: Quarantine[int] = Quarantine(10)
    for number in range(MAX_HELD + 3):
        held.put(number, number)
    assert held.judge(1000, YES) == list(range(3, MAX_HELD + 3))


@given(
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from(["put", "yes", "no"])), max_size=60),
)
def test_what_comes_out_was_allowed_afterwards_and_never_refused_in_between(
    hold: int, story: list[tuple[int, str]]
) -> None:
    held: Quarantine[tuple[int, int]] = Quarantine(hold)
    now, refused = 0, set[tuple[int, int]]()
    put: list[tuple[int, int]] = []
    for step, what in story:
        now += step
        if what == "put":
            put.append((len(put), now))
            held.put(now, put[-1])
            continue
        verdict: Verdict = YES if what == "yes" else NO
        out = held.judge(now, verdict)
        if what == "no":
            refused |= set(put)
        assert all(taken + hold <= now for _, taken in out)
        assert not refused & set(out)
