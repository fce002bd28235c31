"""The bound of the clock map holds for every network; it gets narrow again; a stepped clock is seen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge.stations.clockmap import MAX_DRIFT, ClockMap, ClockStepped, Exchange

MS = 1_000_000
S = 1_000_000_000


class World:
    """True time and a workstation's clock with an offset and a drift that may change."""

    def __init__(self, offset_ns: int, drift: float) -> None:
        self.true_ns, self._here_ns, self.drift = 0, float(offset_ns), drift

    def pass_ns(self, ns: int) -> None:
        self.true_ns += ns
        self._here_ns += ns * (1 + self.drift)

    @property
    def here_ns(self) -> int:
        return round(self._here_ns)

    def exchange(self, out_ns: int, think_ns: int, back_ns: int) -> Exchange:
        asked = self.here_ns
        self.pass_ns(out_ns)
        received = self.true_ns
        self.pass_ns(think_ns)
        answered = self.true_ns
        self.pass_ns(back_ns)
        return Exchange(asked, received, answered, self.here_ns)


delay = st.integers(0, 60 * MS)


@settings(max_examples=150, deadline=None)
@given(
    offset=st.integers(-(10**15), 10**15),
    drift=st.floats(-0.9 * MAX_DRIFT, 0.9 * MAX_DRIFT),
    steps=st.lists(
        st.tuples(delay, st.integers(0, MS), delay, st.integers(0, 5 * S)), min_size=1, max_size=60
    ),
    look=st.integers(-3 * S, 3 * S),
)
def test_the_truth_is_always_within_the_bound(
    offset: int, drift: float, steps: list[tuple[int, int, int, int]], look: int
) -> None:
    world, clock = World(offset, drift), ClockMap()
    for out, think, back, wait in steps:
        clock.add(world.exchange(out, think, back))
        truth_ns, here_ns = world.true_ns + look, round(world.here_ns + look * (1 + drift))
        mapped = clock.to_bridge(here_ns)
        assert mapped is not None
        assert abs(mapped.at_ns - truth_ns) <= mapped.error_ns
        world.pass_ns(wait)


@pytest.mark.parametrize("drift", [0.0, 100e-6, -100e-6, 450e-6])
def test_jitter_of_50_ms_leaves_a_few_milliseconds(drift: float) -> None:
    """A 10-minute call, renewed every 500 ms, each way delayed by 0 to 50 ms."""
    chance = random.Random(f"jitter {drift}")
    world, clock = World(123 * S, drift), ClockMap()
    errors, bounds = [], []
    for n in range(1200):
        clock.add(world.exchange(chance.randrange(50 * MS), 0, chance.randrange(50 * MS)))
        world.pass_ns(S // 2)
        if n >= 20:
            mapped = clock.to_bridge(world.here_ns)
            assert mapped is not None
            errors.append(abs(mapped.at_ns - world.true_ns))
            bounds.append(mapped.error_ns)
    errors.sort()
    bounds.sort()
    assert errors[int(len(errors) * 0.95)] < 8 * MS
    assert bounds[int(len(bounds) * 0.95)] < 20 * MS


def test_a_drift_is_learned() -> None:
    world, clock = World(5 * S, 80e-6), ClockMap()
    for _ in range(400):
        clock.add(world.exchange(MS, 0, MS))
        world.pass_ns(S // 2)
    assert clock.drift_ppm == pytest.approx(-80, abs=10)


@given(step=st.integers(30 * MS, 3600 * S), forward=st.booleans())
def test_a_stepped_clock_is_seen(step: int, forward: bool) -> None:
    world, clock = World(0, 0.0), ClockMap()
    for _ in range(10):
        clock.add(world.exchange(MS, 0, MS))
        world.pass_ns(S // 2)
    world._here_ns += step if forward else -step
    with pytest.raises(ClockStepped):
        clock.add(world.exchange(MS, 0, MS))


@given(step=st.integers(30 * MS, 3600 * S))
def test_a_step_ahead_is_seen_by_the_first_message_after_it(step: int) -> None:
    world, clock = World(0, 0.0), ClockMap()
    for _ in range(10):
        clock.add(world.exchange(MS, 0, MS))
        clock.check(world.here_ns, world.true_ns)
        world.pass_ns(S // 2)
    with pytest.raises(ClockStepped):
        clock.check(world.here_ns + step, world.true_ns)


def test_an_answer_heard_before_it_was_given_is_seen() -> None:
    with pytest.raises(ClockStepped):
        ClockMap().add(Exchange(asked_ns=0, received_ns=0, answered_ns=100 * MS, heard_ns=10 * MS))
    with pytest.raises(ClockStepped):
        ClockMap().add(Exchange(asked_ns=10, received_ns=0, answered_ns=0, heard_ns=0))


def test_nothing_is_known_before_the_first_exchange() -> None:
    assert ClockMap().to_bridge(0) is None
