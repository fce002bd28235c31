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
    month: str, gone: dict[str, int], there: dict[str, int], at: str = "2026-10"
) -> list[Recorded]:
    """So many of each person, destroyed and not."""
    return [Recorded(month, who, at) for who, number in gone.items() for _ in range(number)] + [
        Recorded(month, who, "") for who, number in there.items() for _ in range(number)
    ]


SIX = {f"p{n}": 2 for n in range(6)}


def test_each_whole_month_tells_what_is_destroyed_and_what_is_there() -> None:
    made = recordings("2026-09", SIX, dict.fromkeys(SIX, 3)) + recordings("2026-08", SIX, {})
    made += recordings("2026-11", SIX, SIX)
    assert retained(made, "2026-11") == (Kept("2026-08", 10, 0), Kept("2026-09", 10, 20)), "rounded to fives"
    assert [one.recorded for one in retained(made, "2026-11")] == [10, 30]
    assert retained([], "2026-11") == ()


def test_what_is_destroyed_in_the_running_month_is_still_there_in_the_figures() -> None:
    """P24: else two reports of two days would differ by one recording."""
    made = recordings("2026-09", SIX, SIX, at="2026-11")
    assert retained(made, "2026-11") == (Kept("2026-09", 0, 25),)
    assert retained(made, "2026-12") == (Kept("2026-09", 10, 10),)


@pytest.mark.parametrize("few", [1, 4])
def test_a_month_in_which_a_number_rests_on_too_few_persons_is_not_told(few: int) -> None:
    """P24: neither of the two, for each would tell the other; those whom nobody knows any more count as one."""
    some = {f"p{n}": 9 for n in range(few)}
    for made in (recordings("2026-09", some, SIX), recordings("2026-09", SIX, some)):
        assert retained(made, "2026-11") == (Kept("2026-09"),)
    unknown = [Recorded("2026-09", "", "2026-10")] * 40
    assert retained(unknown, "2026-11") == (Kept("2026-09"),)
    five = {f"p{n}": 9 for n in range(5)}
    assert retained(recordings("2026-09", five, SIX), "2026-11") == (Kept("2026-09", 45, 10),), "a control"
