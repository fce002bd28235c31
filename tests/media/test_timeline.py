"""No picture outside the talk, whatever order, jitter and clock errors; pauses are cards of true length (P2,
P8, P9)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls import rules
from pbx_bridge.media.pictures import Drop, PicturesMissing, Show, breaks_p2
from pbx_bridge.media.spans import LateFact
from pbx_bridge.media.timeline import Timeline
from tests.media.rig import MS, T0, S, Sent
from tests.media.station import Fact, Taken, Way, run

ways = st.builds(
    Way,
    orders_ns=st.sampled_from([0, 30, 100, 400]).map(lambda ms: ms * MS),
    pictures_ns=st.sampled_from([0, 50, 200, 600]).map(lambda ms: ms * MS),
    error_ns=st.sampled_from([0, 10, 60, 200]).map(lambda ms: ms * MS),
    offs=st.lists(st.sampled_from([-1, -0.6, 0, 0.6, 1]), min_size=1, max_size=7).map(tuple),
    every=st.sampled_from([1, 2, 5, 50]),
    behind_ns=st.sampled_from([0, 40, 100]).map(lambda ms: ms * MS),
)


@st.composite
def calls(draw: st.DrawFn) -> list[Fact]:
    """Talk, pauses and an end at any instants (not on any tick), each known up to 250 ms late but in their
    order."""
    facts, at_ns, known_ns = [], T0, T0
    for number in range(draw(st.integers(1, 7))):
        at_ns += draw(st.integers(1, 4_000 * MS))
        late_ns = max(draw(st.integers(0, 250)) * MS, known_ns - at_ns)
        known_ns = at_ns + late_ns
        facts.append(Fact(("pause", "talk")[number % 2], at_ns, late_ns))
    return [*facts[:-1], Fact("close", facts[-1].at_ns, facts[-1].late_ns)]


def shown_at(timeline: Timeline, show: Show) -> int:
    return timeline.spans.start_ns + show.ms * MS


@given(calls(), ways)
def test_no_window_picture_taken_outside_the_talk_is_shown(facts: list[Fact], way: Way) -> None:
    timeline, station, shows = run(facts, way)
    truth = {picture.seq: picture.truth_ns for picture in station.taken}
    talks = spoken(facts)
    for show in shows:
        if not show.picture.card:
            assert any(a <= truth[show.picture.seq] < b for a, b in talks)
            assert any(a - MS < shown_at(timeline, show) < b for a, b in talks)
        assert shown_at(timeline, show) < timeline.edge_ns


@given(calls(), ways)
def test_in_a_pause_the_file_shows_the_card(facts: list[Fact], way: Way) -> None:
    """P9: the last window picture never stands over a pause: the card is there from its first ms, or no file
    is."""
    timeline, _, shows = run(facts, way)
    for (_, paused_ns), (resumed_ns, _) in pairwise(spoken(facts)):
        for at_ns in (paused_ns + MS, (paused_ns + resumed_ns) // 2, resumed_ns - MS):
            if paused_ns + MS <= at_ns < min(resumed_ns, timeline.edge_ns):
                seen = [show for show in shows if shown_at(timeline, show) <= at_ns]
                assert seen[-1].picture.card


@given(calls(), ways)
def test_times_only_grow_and_every_picture_can_be_decoded(facts: list[Fact], way: Way) -> None:
    _, _, shows = run(facts, way)
    assert all(a.ms < b.ms for a, b in pairwise(shows))
    decoded = None
    for show in shows:
        assert show.picture.keyframe or show.picture.seq - 1 == decoded
        decoded = show.picture.seq


@given(calls(), ways)
def test_a_willing_station_loses_nothing_of_the_talk(facts: list[Fact], way: Way) -> None:
    """The file is as long as the call, unless it ended in a pause or in a talk too short to be filmed."""
    timeline, _, _ = run(facts, way)
    closed_ns = facts[-1].at_ns
    slow_ns = (
        way.orders_ns + way.pictures_ns + 4 * way.error_ns + way.every * 20 * MS + way.behind_ns + 600 * MS
    )
    talks = spoken(facts)
    if (
        talks
        and talks[-1][1] == closed_ns
        and all(b - a > slow_ns for a, b in pairwise([T0, *sum(talks, ())]))
    ):
        assert timeline.edge_ns == closed_ns
        assert timeline.spans.talked_ns(closed_ns) == sum(b - a for a, b in talks)


def spoken(facts: list[Fact]) -> list[tuple[int, int]]:
    """The talk spans the stamps say."""
    talks, begin_ns = [], T0
    for fact in facts:
        if fact.kind == "talk":
            begin_ns = fact.at_ns
        elif begin_ns >= 0:
            talks.append((begin_ns, fact.at_ns))
            begin_ns = -1
    return [(a, b) for a, b in talks if a < b]


pictures = st.builds(
    Taken,
    seq=st.integers(0, 40),
    at_ns=st.integers(-1_000, 6_000).map(lambda ms: T0 + ms * MS),
    error_ns=st.integers(0, 200).map(lambda ms: ms * MS),
    keyframe=st.booleans(),
    card=st.booleans(),
    truth_ns=st.just(0),
)
stamps = st.tuples(
    st.sampled_from(["talk", "pause", "close"]), st.integers(-500, 6_000).map(lambda ms: T0 + ms * MS)
)


@given(st.lists(st.one_of(pictures, stamps, st.integers(0, 7_000).map(lambda ms: T0 + ms * MS)), max_size=60))
def test_whatever_is_told_in_whatever_order_no_picture_is_shown_at_or_after_an_end(
    told: list[Taken | tuple[str, int] | int],
) -> None:
    timeline, shows, heard_ns = Timeline(T0), list[Show](), T0
    try:
        for item in told:
            match item:
                case Taken():
                    timeline.picture(item)
                case (kind, at_ns):
                    getattr(timeline.spans, kind)(at_ns)
                case int():
                    heard_ns = max(heard_ns, item)
                    shows += timeline.advance(heard_ns, heard_ns)
        timeline.spans.close(T0 + 6_000 * MS)
        shows += timeline.finish()
    except (LateFact, PicturesMissing):
        return
    assert all(a.ms < b.ms for a, b in pairwise(shows))
    assert all(b.picture.keyframe or b.picture.seq == a.picture.seq + 1 for a, b in pairwise(shows))
    talks = timeline.spans.inside(T0, timeline.edge_ns)
    for show in shows:
        if show.until_ms is None:
            at_ns = shown_at(timeline, show)
            assert any(a - MS < at_ns < b for a, b in talks), (show, talks)
            assert any(show.picture.at_ns + show.picture.error_ns < b for a, b in talks)


def film(seq: int, ms: int, *, key: bool = False, card: bool = False, error_ms: int = 0) -> Taken:
    return Taken(seq, T0 + ms * MS, error_ms * MS, key, card, 0)


def told(timeline: Timeline, *pictures: Taken) -> list[tuple[int, int]]:
    """Everything due far later: (ms, seq)."""
    for picture in pictures:
        timeline.picture(picture)
    return [(show.ms, show.picture.seq) for show in timeline.advance(T0 + 3 * S, T0 + 3 * S)]


def test_a_change_before_the_end_that_was_taken_after_it_stays_outside() -> None:
    """P8: the picture holds what was painted until it was taken."""
    timeline = Timeline(T0)
    timeline.spans.close(T0 + 900 * MS)
    late = [replace(film(2, 800), late_ns=99 * MS), replace(film(3, 850), late_ns=50 * MS)]
    assert told(timeline, film(1, 0, key=True), *late) == [(0, 1), (800, 2)]
    assert timeline.tally.dropped[Drop.AFTER] == 1


def test_after_a_dropped_picture_only_a_keyframe_is_shown() -> None:
    timeline = Timeline(T0)
    assert told(timeline, film(1, 0, key=True), film(3, 200), film(4, 300), film(5, 400, key=True), film(6, 500)) == [
        (0, 1), (400, 5), (500, 6)
    ]  # fmt: skip
    assert timeline.tally.dropped[Drop.CHAIN] == 2


def test_a_picture_of_an_earlier_time_does_not_mend_the_chain() -> None:
    timeline = Timeline(T0)
    timeline.spans.pause(T0 + 900 * MS)
    assert told(timeline, film(1, 0, key=True), film(2, 950), film(3, 850)) == [(0, 1)]


def test_a_picture_at_an_unknown_time_is_dropped() -> None:
    timeline = Timeline(T0)
    assert told(timeline, film(1, 600, key=True, error_ms=501), film(2, 700, key=True, error_ms=500)) == [
        (700, 2)
    ]
    assert timeline.tally.dropped[Drop.CLOCK] == 1


def test_a_picture_sent_twice_changes_nothing() -> None:
    assert told(Timeline(T0), film(1, 0, key=True), film(1, 0, key=True), film(2, 100)) == [(0, 1), (100, 2)]


def test_a_picture_in_doubt_at_the_end_is_dropped_and_one_before_it_is_kept() -> None:
    timeline = Timeline(T0)
    timeline.spans.close(T0 + S)
    pictures = film(1, 0, key=True), film(2, 989, error_ms=10), film(3, 990, error_ms=10)
    assert told(timeline, *pictures) == [(0, 1), (989, 2)]
    assert timeline.tally.dropped[Drop.AFTER] == 1


def test_the_card_of_a_pause_is_put_at_its_first_instant_and_again_until_its_end() -> None:
    timeline = Timeline(T0)
    timeline.spans.pause(T0 + 500 * MS)
    timeline.spans.talk(T0 + 2_700 * MS)
    for picture in (
        film(1, 0, key=True),
        film(2, 520),
        film(3, 640, key=True, card=True),
        film(4, 1640, card=True),
        film(5, 2750, key=True),
    ):
        timeline.picture(picture)
    shows = timeline.advance(T0 + 4 * S, T0 + 4 * S)
    assert [(show.ms, show.picture.seq, show.until_ms) for show in shows] == [
        (0, 1, None), (500, 3, 2700), (2750, 5, None)
    ]  # fmt: skip


def test_a_card_never_takes_the_millisecond_of_the_picture_before() -> None:
    timeline = Timeline(T0)
    timeline.spans.pause(T0 + 500_700_000)
    timeline.spans.talk(T0 + 600 * MS)
    first, card, resumed = film(1, 0, key=True), film(3, 520, key=True, card=True), film(4, 700, key=True)
    assert told(timeline, first, Taken(2, T0 + 500_200_000, 0, False, False, 0), card, resumed) == [
        (0, 1), (500, 2), (501, 3), (700, 4)
    ]  # fmt: skip


@pytest.mark.parametrize(("pause_ms", "shown"), [(1_999, None), (2_000, 2_500)])
def test_only_after_a_long_pause_the_order_of_pictures_outweighs_the_clocks(
    pause_ms: int, shown: int | None
) -> None:
    """A keyframe that by its time may still lie in the pause, but follows the pause's card."""
    timeline = Timeline(T0)
    for number in range(3):
        timeline.picture(film(1 + number, number * 200, key=number == 0))
    timeline.spans.pause(T0 + 500 * MS)
    timeline.spans.talk(T0 + (500 + pause_ms) * MS)
    card, doubtful = film(4, 520, key=True, card=True), film(5, 480 + pause_ms, key=True, error_ms=50)
    assert [ms for ms, seq in told(timeline, card, doubtful) if seq == 5] == ([shown] if shown else [])


def test_a_talk_too_short_for_a_picture_stays_a_part_of_the_pause() -> None:
    timeline = Timeline(T0)
    for kind, ms in (("pause", 500), ("talk", 700), ("pause", 720), ("talk", 1_000)):
        getattr(timeline.spans, kind)(T0 + ms * MS)
    pictures = film(1, 0, key=True), film(2, 530, key=True, card=True), film(3, 1_010, key=True)
    assert told(timeline, *pictures) == [(0, 1), (500, 2), (1_010, 3)]
    assert timeline.spans.inside(T0, timeline.edge_ns) == [(T0, T0 + 500 * MS), (T0 + S, T0 + 2_010 * MS)]


def test_a_resumed_talk_whose_first_picture_comes_too_late_ends_the_recording_at_the_pause() -> None:
    """P2: what precedes the pause is kept."""
    timeline = Timeline(T0)
    timeline.spans.pause(T0 + 500 * MS)
    timeline.spans.talk(T0 + S)
    for picture in film(1, 0, key=True), film(2, 530, key=True, card=True), film(3, 5_001, key=True):
        timeline.picture(picture)
    timeline.advance(T0 + 6 * S, T0 + S)
    assert timeline.spans.end_ns == T0 + 500 * MS


def test_a_picture_before_the_start_is_dropped_and_one_in_doubt_begins_the_file() -> None:
    """The first pictures answer an order given after the start; a time before it is the clocks' error."""
    timeline = Timeline(T0)
    assert told(timeline, film(1, -20, key=True, error_ms=19), film(2, -19, key=True, error_ms=19)) == [
        (0, 2)
    ]
    assert timeline.tally.dropped[Drop.BEFORE] == 1


def test_without_its_card_a_pause_ends_the_recording() -> None:
    timeline = Timeline(T0)
    timeline.spans.pause(T0 + 500 * MS)
    timeline.spans.talk(T0 + 900 * MS)
    assert told(timeline, film(1, 0, key=True), film(2, 950, key=True)) == [(0, 1)]
    timeline.advance(T0 + 5 * S, T0 + 5 * S)
    assert timeline.spans.end_ns == T0 + 500 * MS
    timeline.finish()
    assert timeline.edge_ns == T0 + 500 * MS


def test_a_pause_that_becomes_known_after_it_was_passed_spoils_the_recording() -> None:
    timeline = Timeline(T0)
    told(timeline, film(1, 0, key=True), film(2, 900))
    timeline.spans.pause(timeline.edge_ns)
    with pytest.raises(LateFact, match="1 ms after"):
        timeline.spans.pause(timeline.edge_ns - MS)


def test_nothing_is_written_of_a_second_without_a_picture() -> None:
    """P2."""
    timeline = Timeline(T0)
    told(timeline, film(1, 0, key=True), film(2, 900))
    assert timeline.edge_ns == T0 + 1_900 * MS
    timeline.spans.close(T0 + 2_500 * MS)
    timeline.finish()
    assert timeline.edge_ns == T0 + 1_900 * MS


@given(st.lists(st.integers(0, 900_000_000), min_size=1, max_size=5), st.integers(0, 20))
def test_a_recording_cut_off_from_its_station_is_kept_up_to_a_second_after_its_last_picture(
    steps: list[int], error_ms: int
) -> None:
    """P2, P10: whatever millisecond of the file its pictures were given: two of one instant, or one before the start."""
    timeline, at_ns = Timeline(T0), T0 - error_ms * MS
    for seq, step in enumerate(steps):
        at_ns += step if seq else 0
        timeline.picture(Sent(seq, at_ns, error_ms * MS, seq == 0, False, b""))
    late_ns = at_ns + 3 * S
    timeline.advance(late_ns, late_ns)
    timeline.spans.close(at_ns + rules.PICTURE_EVERY_NS)
    timeline.finish()
    assert timeline.edge_ns == at_ns + rules.PICTURE_EVERY_NS


def test_pictures_taken_too_far_apart_are_no_continuous_film_however_soon_they_came() -> None:
    """P2."""
    timeline = Timeline(T0)
    told(timeline, film(1, 0, key=True))
    with pytest.raises(PicturesMissing):
        told(timeline, film(2, 2_001))
    told(Timeline(T0), film(1, 0, key=True), film(2, 2_000))


def test_talk_without_pictures_for_longer_than_a_lease_explains_is_discarded() -> None:
    """P2."""
    assert not breaks_p2(T0, T0 + 4 * S)
    assert breaks_p2(T0, T0 + 4 * S + 1)
    timeline = Timeline(T0)
    timeline.advance(T0, T0 + 4 * S)
    with pytest.raises(PicturesMissing, match="4 s"):
        timeline.advance(T0, T0 + 4 * S + 1)
