"""What pages read of the ledger is what the ledger says, whatever was added, cut or dropped meanwhile."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge.app_ledger import LedgerTail
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import TraineeId
from pbx_bridge.ledger import Ledger, Line

ALICE, BEA = TraineeId("alice"), TraineeId("bea")
DAYS = ("2026-11-28", "2026-11-29", "2026-11-30")


def line(call: int, trainee: str, day: str, reason: str = "not-drawn") -> Line:
    return Line(f"call-{call}", f"{day}T10:00:00.000+01:00", trainee, "not-recorded", reason, "", 0.0, "")


def test_what_is_added_is_read_and_the_last_line_of_a_call_counts(tmp_path: Path) -> None:
    ledger, tail = Ledger(tmp_path), LedgerTail(tmp_path)
    assert tail.of("alice") == []
    ledger.write("one", ALICE, Outcome.NOT_RECORDED, Reason.NOT_DRAWN)
    ledger.write("two", BEA, Outcome.NOT_RECORDED, Reason.NOT_DRAWN)
    assert [one.call for one in tail.of("alice")] == ["one"]
    ledger.write("three", ALICE, Outcome.NOT_RECORDED, Reason.NOT_DRAWN)
    ledger.write("one", ALICE, Outcome.DISCARDED, Reason.OBJECTION)
    assert [(one.call, one.reason) for one in tail.of("alice")] == [
        ("three", "not-drawn"),
        ("one", "objection"),
    ]
    assert tail.of("alice", since=date(2999, 1, 1)) == []


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    tail, text = LedgerTail(tmp_path), json.dumps(asdict(line(1, "alice", DAYS[0])))
    path = tmp_path / f"{DAYS[0]}.jsonl"
    path.write_text("rubbish\n" + text[:40])
    assert tail.of("alice") == []
    path.write_text("rubbish\n" + text + "\n")
    assert len(tail.of("alice")) == 1


def test_what_the_ledger_forgot_is_forgotten(tmp_path: Path) -> None:
    tail = LedgerTail(tmp_path)
    for number, day in enumerate(DAYS):
        (tmp_path / f"{day}.jsonl").write_text(json.dumps(asdict(line(number, "alice", day))) + "\n")
    assert len(tail.of("alice")) == 3
    os.unlink(tmp_path / f"{DAYS[0]}.jsonl")
    assert [one.at[:10] for one in tail.of("alice")] == list(DAYS[1:])


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(("alice", "bea")), st.integers(0, 2), st.booleans()),
        max_size=30,
    )
)
def test_it_says_what_the_ledger_says(tmp_path_factory, written) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("ledger")
    tail, day_at = LedgerTail(folder), 0
    for call, trainee, step, looks in written:
        day_at = min(2, day_at + (step == 0))
        with (folder / f"{DAYS[day_at]}.jsonl").open("a") as file:
            file.write(json.dumps(asdict(line(call * 2 + (trainee == "bea"), trainee, DAYS[day_at]))) + "\n")
        if looks:
            tail.of("alice")
    for trainee in ("alice", "bea"):
        assert tail.of(trainee) == [one for one in Ledger(folder).lines() if one.trainee == trainee]
