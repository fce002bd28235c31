"""P23, P24: monthly counts without persons, kept when the ledger forgets, and silent where few persons stand behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.rights.figures import FEWEST_PERSONS, Month, count, shown
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
    assert months["2026-10"] == Month(2, {"recorded/hung-up": 1, "not-recorded/private": 1}, 60.0)
    assert months["2026-11"] == Month(1, {"recorded/hung-up": 1}, 30.0)


def test_only_what_was_kept_counts_as_recorded_time() -> None:
    day = f"{OCTOBER}T10:00:00.000+01:00"
    gone = Said(day, "alice", Outcome.DISCARDED.value, Reason.OBJECTION.value, 45.0)
    assert count([gone, recorded(OCTOBER, "alice", 30)])["2026-10"].seconds == 30.0


def test_a_call_that_has_no_answer_yet_is_not_counted() -> None:
    began = Said(f"{NOVEMBER}T10:00:00.000+01:00", "alice", "began", "")
    assert count([began]) == {}


@pytest.mark.parametrize("persons", [1, FEWEST_PERSONS - 1, FEWEST_PERSONS])
def test_reasons_are_shown_only_when_enough_persons_stand_behind_them(persons: int) -> None:
    answers = [private(OCTOBER, f"person{n}") for n in range(persons)]
    told = shown("2026-10", count(answers)["2026-10"])
    assert told.calls == persons
    assert told.reasons == ({"not-recorded/private": persons} if persons >= FEWEST_PERSONS else None)


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
        assert {m: (c.calls, c.seconds) for m, c in now.items()} == {
            m: (c.calls, c.seconds) for m, c in whole.items()
        }


def test_what_is_kept_names_nobody(tmp_path: Path) -> None:
    """The control: the same search finds the name in what the ledger said."""
    answers = [recorded(OCTOBER, "alice-martin"), private(OCTOBER, "bea")]
    assert "alice-martin" in repr(answers)
    FiguresFile(tmp_path).fold(answers, NOVEMBER)
    (file,) = tmp_path.iterdir()
    assert "alice" not in file.read_text()
    assert "bea" not in file.read_text()
    assert FiguresFile(tmp_path).months([])["2026-10"].calls == {
        "recorded/hung-up": 1,
        "not-recorded/private": 1,
    }


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "months.json").write_text("{")
    with pytest.raises(OperatorError, match="Restore it, or remove it"):
        FiguresFile(tmp_path).months([])
