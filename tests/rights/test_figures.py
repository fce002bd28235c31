"""P23, P24: monthly counts without persons, kept when the ledger forgets, and silent where few persons stand behind them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.rights.figures import (
    FEWEST_PERSONS,
    OTHER,
    Hidden,
    Kept,
    Month,
    Recorded,
    Shown,
    count,
    retained,
    shown,
    telling,
)
from pbx_bridge.rights.figures_file import FiguresFile


@dataclass(frozen=True, slots=True)
class Said:
    at: str
    trainee: str
    outcome: str
    reason: str
    seconds: float = 0.0


def recorded(day: date, trainee: str, seconds: float = 60.0) -> Said:
    return Said(f"{day}T10:00:00.000+01:00", trainee, Outcome.RECORDED.value, Reason.HUNG_UP.value, seconds)


def private(day: date, trainee: str) -> Said:
    return Said(f"{day}T11:00:00.000+01:00", trainee, Outcome.NOT_RECORDED.value, Reason.PRIVATE.value)


OCTOBER, NOVEMBER = date(2026, 10, 31), date(2026, 11, 1)


def test_a_months_calls_are_counted_without_a_person() -> None:
    answers = [recorded(OCTOBER, "alice"), private(OCTOBER, "bea"), recorded(NOVEMBER, "alice", 30)]
    months = count(answers)
    each = {"recorded": 1, "recorded/hung-up": 1}
    october = {"": 2, **each, "not-recorded": 1, "not-recorded/private": 1}
    assert months["2026-10"] == Month(october, {"recorded/hung-up": 1, "not-recorded/private": 1}, 60.0)
    assert months["2026-11"] == Month({"": 1, **each}, {"recorded/hung-up": 1}, 30.0)


def test_only_what_was_kept_counts_as_recorded_time() -> None:
    day = f"{OCTOBER}T10:00:00.000+01:00"
    gone = Said(day, "alice", Outcome.DISCARDED.value, Reason.OBJECTION.value, 45.0)
    assert count([gone, recorded(OCTOBER, "alice", 30)])["2026-10"].seconds == 30.0


def test_a_call_that_has_no_answer_yet_is_not_counted() -> None:
    began = Said(f"{NOVEMBER}T10:00:00.000+01:00", "alice", "began", "")
    assert count([began]) == {}


def of(persons: int, outcome: Outcome, reason: Reason, calls: int = 1, seconds: float = 0.0) -> list[Said]:
    """As many persons' calls, each `calls` times."""
    at = f"{OCTOBER}T10:00:00.000+01:00"
    return [
        Said(at, f"person{n}", outcome.value, reason.value, seconds)
        for n in range(persons)
        for _ in range(calls)
    ]


def told(*answers: list[Said], running: str = "2026-11") -> Shown:
    return shown("2026-10", count([one for some in answers for one in some])["2026-10"], running)


NOT_DRAWN = of(9, Outcome.NOT_RECORDED, Reason.NOT_DRAWN, 10)
CAPPED = of(6, Outcome.NOT_RECORDED, Reason.WEEKLY_CAP, 2)
KEPT = of(8, Outcome.RECORDED, Reason.HUNG_UP, 1, 60.0)


@pytest.mark.parametrize("persons", [1, FEWEST_PERSONS - 1, FEWEST_PERSONS])
def test_a_month_is_told_only_when_enough_persons_stand_behind_it(persons: int) -> None:
    """No sum either: a month of four persons is four persons' month."""
    seen = told(of(persons, Outcome.RECORDED, Reason.HUNG_UP, 1, 60.0))
    if persons < FEWEST_PERSONS:
        assert seen == Shown("2026-10", Hidden.FEW)
    else:
        one = {"recorded/hung-up": persons}
        assert seen == Shown("2026-10", None, persons, {"recorded": persons}, float(persons), one)


def test_a_month_that_is_not_over_is_not_told() -> None:
    """Yesterday's report and today's would differ by one call."""
    assert told(NOT_DRAWN, running="2026-10") == Shown("2026-10", Hidden.RUNNING)
    assert told(NOT_DRAWN, running="2026-09") == Shown("2026-10", Hidden.RUNNING)
    assert told(NOT_DRAWN).calls == 90


@pytest.mark.parametrize("persons", [1, FEWEST_PERSONS - 1, FEWEST_PERSONS])
def test_a_count_of_few_persons_is_not_told_and_not_found_from_the_sum(persons: int) -> None:
    """The smallest of the others goes with it: the sum less what is told rests on enough persons."""
    few = of(persons, Outcome.DISCARDED, Reason.OBJECTION)
    seen = told(NOT_DRAWN, CAPPED, KEPT, few)
    assert (seen.calls, seen.minutes) == (110 + persons, 8.0)
    if persons < FEWEST_PERSONS:
        told_alone = {"not-recorded/not-drawn": 90, "recorded/hung-up": 8}
        assert seen.reasons == told_alone | {OTHER: 12 + persons}
        assert seen.outcomes == {"not-recorded": 90, "recorded": 8, OTHER: 12 + persons}
    else:
        assert seen.reasons == {
            "discarded/objection": 5,
            "not-recorded/not-drawn": 90,
            "not-recorded/weekly-cap": 12,
            "recorded/hung-up": 8,
        }
        assert seen.outcomes == {"discarded": 5, "not-recorded": 102, "recorded": 8}


def test_minutes_of_few_persons_are_not_told() -> None:
    few = of(FEWEST_PERSONS - 1, Outcome.RECORDED, Reason.HUNG_UP, 1, 60.0)
    assert told(NOT_DRAWN, few).minutes is None
    more = of(FEWEST_PERSONS, Outcome.RECORDED, Reason.HUNG_UP, 1, 60.0)
    assert told(NOT_DRAWN, more).minutes == FEWEST_PERSONS


def test_many_counts_of_few_persons_each_stand_together() -> None:
    reasons = (Reason.NO_STATION, Reason.PRIVATE, Reason.NO_NOTICE, Reason.WEEKLY_CAP, Reason.NO_PLAN)
    spread = [replace(of(1, Outcome.NOT_RECORDED, r)[0], trainee=f"p{n}") for n, r in enumerate(reasons)]
    seen = told(spread)
    assert (seen.calls, seen.reasons) == (5, {OTHER: 5})


CELLS = st.tuples(
    st.sampled_from("abcdefg"),
    st.sampled_from([(o, r) for o in Outcome for r in (Reason.HUNG_UP, Reason.PRIVATE, Reason.CEILING)]),
)


@given(st.lists(CELLS, max_size=60))
def test_whatever_is_told_rests_on_enough_persons(drawn: list[tuple[str, tuple[Outcome, Reason]]]) -> None:
    """Each number, the sum, and the sum less any of the numbers."""
    answers = [Said(f"{OCTOBER}T10:00:00.000+01:00", who, o.value, r.value, 6.0) for who, (o, r) in drawn]
    month = count(answers).get("2026-10")
    if month is None:
        return
    seen = shown("2026-10", month, "2026-11")
    everybody = {who for who, _ in drawn}
    assert (seen.hidden is Hidden.FEW) == (len(everybody) < FEWEST_PERSONS)
    persons: dict[str, set[str]] = {}
    calls: dict[str, int] = {}
    for who, (outcome, reason) in drawn:
        cell = f"{outcome.value}/{reason.value}"
        words = cell if cell in seen.reasons else OTHER
        persons.setdefault(words, set()).add(who)
        calls[words] = calls.get(words, 0) + 1
    if seen.hidden is not None:
        assert (seen.calls, seen.outcomes, seen.reasons, seen.minutes) == (None, {}, {}, None)
        return
    assert seen.reasons == calls
    assert all(len(who) >= FEWEST_PERSONS for who in persons.values())
    assert seen.calls == sum(seen.outcomes.values()) == len(drawn)
    recorded = {who for who, (outcome, _) in drawn if outcome is Outcome.RECORDED}
    assert (seen.minutes is not None) == (len(recorded) >= FEWEST_PERSONS)
    assert shown("2026-10", telling(month), "2026-11") == seen, "what is kept tells the same"
    assert telling(telling(month)) == telling(month)


DAYS = st.integers(0, 70).map(lambda n: date(2026, 9, 1) + timedelta(days=n))
ANSWERS = st.lists(
    st.builds(
        lambda day, who, kept: recorded(day, who) if kept else private(day, who),
        DAYS,
        st.sampled_from("abcdef"),
        st.booleans(),
    ),
    max_size=40,
)


@given(answers=ANSWERS)
def test_forgetting_day_by_day_changes_no_count(
    tmp_path_factory: pytest.TempPathFactory, answers: list[Said]
) -> None:
    """Whatever the ledger has let go, the counts are those of all calls; a day folded twice counts once."""
    kept = FiguresFile(tmp_path_factory.mktemp("figures"))
    for passed in range(0, 110, 7):
        oldest = date(2026, 9, 1) + timedelta(days=passed - 30)
        live = [answer for answer in answers if answer.at[:10] <= str(oldest + timedelta(days=30))]
        still = [answer for answer in live if answer.at[:10] >= str(oldest - timedelta(days=7))]
        kept.fold(still, oldest)
        kept.fold(still, oldest)
        there = [answer for answer in live if answer.at[:10] >= str(oldest)]
        whole, now = count(live), kept.months(there)
        running = oldest.isoformat()[:7]
        for month, counts in whole.items():
            seen = telling(now[month]) if month < running else now[month]
            wanted = telling(counts) if month < running else counts
            assert (seen.calls, seen.seconds) == (wanted.calls, wanted.seconds)
        assert set(now) == set(whole)


def test_what_is_kept_names_nobody(tmp_path: Path) -> None:
    """The control: the same search finds the name in what the ledger said."""
    answers = [recorded(date(2026, 10, 1), "alice-martin"), private(date(2026, 10, 2), "bea")]
    assert "alice-martin" in repr(answers)
    file = FiguresFile(tmp_path)
    file.fold(answers, OCTOBER)
    (path,) = tmp_path.iterdir()
    assert "alice" not in path.read_text()
    assert "bea" not in path.read_text()
    assert file.months([])["2026-10"].calls == {"recorded/hung-up": 1, "not-recorded/private": 1}


def test_of_a_month_that_is_wholly_kept_no_count_of_few_persons_stays(tmp_path: Path) -> None:
    """P24: such a count is an entry of one person, and those live 30 days. A month of enough persons tells what it told."""
    file = FiguresFile(tmp_path)
    last = date(2026, 10, 30)
    answers = [private(last, "bea"), *(recorded(last, f"person{n}") for n in range(FEWEST_PERSONS))]
    file.fold(answers, OCTOBER)
    assert "private" in (tmp_path / "months.json").read_text(), "the control: the month is not over"
    seen = shown("2026-10", file.months([])["2026-10"], "2026-11")
    assert seen.reasons == {OTHER: FEWEST_PERSONS + 1}
    file.fold([], NOVEMBER)
    assert "private" not in (tmp_path / "months.json").read_text()
    assert shown("2026-10", file.months([])["2026-10"], "2026-11") == seen
    before = (tmp_path / "months.json").stat().st_mtime_ns
    file.fold([], NOVEMBER)
    assert (tmp_path / "months.json").stat().st_mtime_ns == before


def test_a_file_of_an_earlier_version_tells_no_count_of_few_persons(tmp_path: Path) -> None:
    """It kept one number of persons: what it says of each reason is not known to rest on enough."""
    month = {"persons": 7, "calls": {"recorded/hung-up": 9, "not-recorded/private": 1}, "seconds": 60.0}
    (tmp_path / "months.json").write_text(json.dumps({"through": "2026-10-31", "months": {"2026-10": month}}))
    seen = shown("2026-10", FiguresFile(tmp_path).months([])["2026-10"], "2026-11")
    assert (seen.calls, seen.reasons, seen.minutes) == (10, {OTHER: 10}, None)


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "months.json").write_text("{")
    with pytest.raises(OperatorError, match="Restore it, or remove it"):
        FiguresFile(tmp_path).months([])


# -- what became of the recordings


def recordings(
    month: str, gone: dict[str, int], there: dict[str, int], at: str = "2026-10", *, by_time: bool = True
) -> list[Recorded]:
    """So many of each person, destroyed and not."""
    return [Recorded(month, who, at, by_time) for who, number in gone.items() for _ in range(number)] + [
        Recorded(month, who, "") for who, number in there.items() for _ in range(number)
    ]


SIX = {f"p{n}": 2 for n in range(6)}


def test_each_whole_month_tells_how_much_of_it_came_to_its_end() -> None:
    made = recordings("2026-09", SIX, dict.fromkeys(SIX, 6)) + recordings("2026-08", SIX, {})
    made += recordings("2026-11", SIX, SIX)
    assert retained(made, "2026-11") == (Kept("2026-08", 100), Kept("2026-09", 25), Kept("2026-10", 0))
    assert retained(made, "2026-09") == (Kept("2026-08", 0),), "then they were all there"
    assert retained([], "2026-11") == ()
    over_new_year = retained(recordings("2026-11", {}, SIX), "2027-02")
    assert [one.month for one in over_new_year] == ["2026-11", "2026-12", "2027-01"]


@pytest.mark.parametrize(("gone", "told"), [(6, 0), (7, 25), (18, 25), (19, 50), (31, 75), (43, 100)])
def test_it_is_told_in_quarters(gone: int, told: int) -> None:
    made = recordings("2026-09", {f"p{n}": 1 for n in range(gone)}, {f"p{n}": 1 for n in range(49 - gone)})
    assert retained(made, "2026-11") == (Kept("2026-09", told), Kept("2026-10", 0))


def test_what_is_destroyed_in_the_running_month_is_still_there_in_the_figures() -> None:
    """P24: else two reports of two days would differ by one recording, whoever had it destroyed."""
    for by_time in (True, False):
        made = recordings("2026-10", SIX, SIX, at="2026-11", by_time=by_time)
        assert retained(made, "2026-11") == (Kept("2026-10", 0),)
    half = recordings("2026-10", SIX, SIX, at="2026-11")
    assert retained(half, "2026-12")[0] == Kept("2026-10", 50)


@pytest.mark.parametrize("few", [1, 4])
def test_what_rests_on_too_few_persons_is_told_as_none(few: int) -> None:
    some = {f"p{n}": 9 for n in range(few)}
    assert retained(recordings("2026-10", some, SIX), "2026-11") == (Kept("2026-10", 0),)
    assert retained(recordings("2026-09", SIX, some), "2026-11")[0] == Kept("2026-09", 100)
    assert retained(recordings("2026-09", some, some), "2026-11")[0] == Kept("2026-09", 0)
    five = {f"p{n}": 2 for n in range(FEWEST_PERSONS)}
    assert retained(recordings("2026-10", five, SIX), "2026-11") == (Kept("2026-10", 50),), "a control"
    assert retained(recordings("2026-09", SIX, five), "2026-11")[0] == Kept("2026-09", 50), "a control"


def test_those_whom_nobody_knows_any_more_count_one_by_one() -> None:
    """The keeper forgets thirty days after a destruction whose it was; the month came to its end all the same."""
    for unknown, told in ((FEWEST_PERSONS - 1, 0), (FEWEST_PERSONS, 100)):
        made = [Recorded("2026-08", "", "2026-09")] * unknown
        assert retained(made, "2026-11")[0] == Kept("2026-08", told)


# -- what all tables together tell

MONTHS = ("2026-07", "2026-08", "2026-09", "2026-10", "2026-11", "2026-12")
FATES = st.one_of(
    st.tuples(st.just("kept"), st.sampled_from((*MONTHS[1:], ""))),
    st.tuples(st.just("objection"), st.just("")),
    st.tuples(st.just("erased"), st.sampled_from(MONTHS)),
)
CALLS = st.lists(st.tuples(st.sampled_from("abcdefghijkl"), FATES), max_size=60)


def tables(calls: list[tuple[str, tuple[str, str]]]) -> tuple[int | None, list[int]]:
    """What reports say of July: how many calls were recorded, and month after month how much is destroyed.

    An objection during the call leaves the ledger's line as discarded; an erasure afterwards leaves it as it is.
    """
    day = date(2026, 7, 15)
    answers, books = [], []
    for who, (fate, end) in calls:
        gone = Said(f"{day}T10:00:00.000+01:00", who, Outcome.DISCARDED.value, Reason.OBJECTION.value)
        answers.append(gone if fate == "objection" else recorded(day, who))
        books.append(Recorded("2026-07", who, "2026-07" if fate == "objection" else end, fate == "kept"))
    month = count(answers).get("2026-07", Month())
    told = {shown("2026-07", month, running).outcomes.get("recorded") for running in MONTHS[1:]}
    assert len(told) == 1, "what is told once stays"
    return told.pop(), [one.percent for running in MONTHS[1:] for one in retained(books, running)[:1]]


def fits(number: int, series: list[int]) -> bool:
    """Whether so many recordings, all of different persons and none taken back, could have given these figures."""
    gone = 0
    for running, percent in zip(MONTHS[1:], series, strict=True):
        for more in range(gone, number + 1):
            made = [Recorded("2026-07", f"p{n}", "2026-07" if n < more else "") for n in range(number)]
            if retained(made, running)[0].percent == percent:
                gone = more
                break
        else:
            return False
    return True


@given(CALLS)
def test_no_table_taken_from_another_tells_that_somebody_had_a_recording_destroyed(
    calls: list[tuple[str, tuple[str, str]]],
) -> None:
    """P24: beside the exact number of recorded calls, every figure of every month could be that of a month in which nobody
    took anything back."""
    told, series = tables(calls)
    if told is not None and series:
        assert fits(told, series)


@given(CALLS)
def test_what_a_person_had_destroyed_leaves_no_trace_in_the_figures_of_the_recordings(
    calls: list[tuple[str, tuple[str, str]]],
) -> None:
    """P24: whoever took back what and when before the report: its quarters are those of the other recordings alone."""
    first = ("z", ("kept", ""))  # so that July is a month with recordings either way
    others = [call for call in calls if call[1][0] == "kept"]
    for running in MONTHS[1:]:
        gone = [("x", ("erased", when)) for when in MONTHS if when < running] * 3
        assert _july([first, *others, *gone], running) == _july([first, *others], running)


def _july(calls: list[tuple[str, tuple[str, str]]], running: str) -> Kept:
    made = [Recorded("2026-07", who, end, fate == "kept") for who, (fate, end) in calls]
    return retained(made, running)[0]
