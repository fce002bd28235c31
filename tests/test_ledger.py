"""The ledger answers once for each call, survives torn lines, and forgets in time."""

from __future__ import annotations

import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.ledger import Ledger, shown

ALICE, RECORDING = TraineeId("alice"), RecordingId("a" * 26)


def test_the_last_line_of_a_call_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.began("one", ALICE, RECORDING, "plan")
    assert [line.call for line in ledger.unfinished()] == ["one"]
    ledger.write("one", ALICE, Outcome.RECORDED, Reason.HUNG_UP, recording=RECORDING, seconds=60, plan="plan")
    ledger.write("two", ALICE, Outcome.NOT_RECORDED, Reason.NOT_DRAWN)
    assert [(line.call, line.outcome) for line in ledger.lines()] == [
        ("one", "recorded"),
        ("two", "not-recorded"),
    ]
    assert ledger.unfinished() == []


def test_a_torn_line_costs_itself_only(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write("one", ALICE, Outcome.NOT_RECORDED, Reason.NO_PLAN)
    (day,) = tmp_path.glob("*.jsonl")
    with day.open("ab") as file:
        file.write(b'{"call":"tw')
    assert [line.call for line in ledger.lines()] == ["one"]
    ledger.write("three", ALICE, Outcome.NOT_RECORDED, Reason.NO_PLAN)
    assert [line.call for line in ledger.lines()] == ["one", "three"]


def test_old_days_are_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write("new", ALICE, Outcome.NOT_RECORDED, Reason.NO_PLAN)
    old = (datetime.now(UTC).date() - timedelta(days=31)).isoformat()
    (tmp_path / f"{old}.jsonl").write_text("{}\n")
    assert ledger.forget_old() == 1
    assert [line.call for line in ledger.lines()] == ["new"]


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    (tmp_path / "ledger").rmdir()
    with pytest.raises(OperatorError, match="nothing is recorded"):
        ledger.write("one", ALICE, Outcome.NOT_RECORDED, Reason.NO_PLAN)


def test_a_line_for_which_there_is_not_room_enough_is_said_and_costs_itself_only(tmp_path: Path) -> None:
    """The kernel writes what fits and calls that a success; here a limit of the process is the disk's end."""
    ledger = Ledger(tmp_path)
    ledger.write("one", ALICE, Outcome.NOT_RECORDED, Reason.NO_PLAN)
    (day,) = tmp_path.glob("*.jsonl")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (day.stat().st_size + 20, limits[1]))
    try:
        with pytest.raises(OperatorError, match="nothing is recorded"):
            ledger.write("two", ALICE, Outcome.NOT_RECORDED, Reason.NO_PLAN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    ledger.write("three", ALICE, Outcome.NOT_RECORDED, Reason.NO_PLAN)
    assert [line.call for line in ledger.lines()] == ["one", "three"]
    assert ledger.has("three")
    assert not ledger.has("two")


def test_what_comes_from_a_person_is_shown_to_nobody_else(tmp_path: Path) -> None:
    """P24: objection, privacy and the draw look alike, though only what began has a plan; a technical fault does not."""
    ledger = Ledger(tmp_path)
    hidden = [
        shown(ledger.write("one", ALICE, outcome, reason, recording=RECORDING, seconds=5, plan=plan))
        for outcome, reason, plan in (
            (Outcome.DISCARDED, Reason.OBJECTION, "orders"),
            (Outcome.DISCARDED, Reason.PRIVATE, "orders"),
            (Outcome.NOT_RECORDED, Reason.OPTED_OUT, ""),
            (Outcome.NOT_RECORDED, Reason.NOT_DRAWN, ""),
        )
    ]
    assert {(line.outcome, line.reason, line.recording, line.seconds, line.plan) for line in hidden} == {
        ("not-recorded", "", "", 0.0, "")
    }
    for reason in (Reason.NO_STATION, Reason.WEEKLY_CAP, Reason.HUNG_UP):
        line = ledger.write("two", ALICE, Outcome.RECORDED, reason, recording=RECORDING, seconds=5)
        assert shown(line) == line
