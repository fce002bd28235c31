"""The ledger answers once for each call, survives torn lines, and forgets in time."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pbx_bridge.archive.release import TECHNICAL
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.commands import WriteLedger
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.ledger import OF_A_RECORDING, TELLS_NO_DRAW, Ledger, Line, shown
from pbx_bridge.training.plans import Plan, Used
from tests.calls.story import CUSTOMER, PLANS, Story, agent_hangs_up, answers, rings, standing

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


def said(outcome: Outcome, reason: Reason) -> Line:
    return Line(
        "one", "2026-11-24T10:00:00.000+01:00", ALICE, outcome.value, reason.value, RECORDING, 5.0, "plan"
    )


NOTHING = ("not-recorded", "", "", 0.0, "")
OURS = (Outcome.RECORDED, Outcome.DISCARDED)


def told(line: Line) -> tuple[str, str, str, float, str]:
    seen = shown(line)
    assert (seen.call, seen.at, seen.trainee) == (line.call, line.at, line.trainee)
    return seen.outcome, seen.reason, seen.recording, seen.seconds, seen.plan


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.value)
def test_of_a_call_that_was_not_recorded_only_what_tells_no_draw_is_shown(reason: Reason) -> None:
    """P24: objection, privacy, the draw, a notice not acknowledged, a locked desk: all look alike."""
    reasons = {reason.value} & TELLS_NO_DRAW or {""}
    assert told(said(Outcome.NOT_RECORDED, reason)) == ("not-recorded", *reasons, "", 0.0, "")


@pytest.mark.parametrize("outcome", OURS, ids=lambda outcome: outcome.value)
@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.value)
def test_of_a_recording_only_its_ordinary_end_or_a_fault_is_shown(reason: Reason, outcome: Outcome) -> None:
    line = said(outcome, reason)
    if reason.value in OF_A_RECORDING:
        assert shown(line) == line
    elif outcome is Outcome.DISCARDED:
        assert told(line) == NOTHING
    else:
        assert shown(line) == replace(line, reason="")


def test_what_comes_from_a_person_is_on_no_list() -> None:
    """The lists are closed; these must never be added, whatever else is. The controls: a plain end, a fault."""
    persons = {
        Reason.OBJECTION, Reason.OPTED_OUT, Reason.PRIVATE, Reason.ERASED, Reason.NOT_DRAWN, Reason.NOT_ACKNOWLEDGED,
        Reason.NEVER_RECORD, Reason.INDICATOR_GONE, Reason.STATION_LOCKED, Reason.PERSON_CONFLICT,
    }  # fmt: skip
    assert not {reason.value for reason in persons} & OF_A_RECORDING
    assert {Reason.HUNG_UP.value, Reason.LEASE_LOST.value} <= OF_A_RECORDING
    known = {Reason.CEILING.value, Reason.KEY_CLONED.value, *TECHNICAL}
    ends = {Reason.HUNG_UP, Reason.PARTY_LEFT, Reason.TRANSFERRED, Reason.PARKED, Reason.THIRD_PARTY}
    assert not OF_A_RECORDING - TELLS_NO_DRAW - known - {reason.value for reason in ends}


@pytest.mark.parametrize("reason", sorted(TELLS_NO_DRAW))
def test_what_is_shown_of_an_unrecorded_call_can_be_said_of_one_that_was_not_drawn(reason: str) -> None:
    """Played with a draw that is lost, or found already refused: the reason comes all the same, so it tells nothing."""
    story = LOST.get(Reason(reason), lambda: refused(Reason(reason)))()
    (line,) = [order for order in story.orders if isinstance(order, WriteLedger)]
    assert (line.outcome, line.reason) == (Outcome.NOT_RECORDED, Reason(reason))


def test_the_draw_itself_is_asked_first_of_what_is_hidden() -> None:
    """The control: a locked desk is never the answer where the draw was lost."""
    story = unrecorded(Story(roll=0.99).station(locked=True))
    (line,) = [order for order in story.orders if isinstance(order, WriteLedger)]
    assert line.reason is Reason.NOT_DRAWN


def unrecorded(story: Story) -> Story:
    return story >> rings() >> answers(1) >> agent_hangs_up(80)


def frozen(reason: Reason) -> Story:
    story = Story(roll=0.99)
    story.desk.freeze(reason)
    return unrecorded(story)


def refused(reason: Reason) -> Story:
    """A leg the PBX said something of before it rang."""
    marks: dict[Reason, fa.Fact] = {
        Reason.FOREIGN_RECORDER: fa.ForeignRecorder(0, CUSTOMER),
        Reason.UNREADABLE: fa.Unreadable(0, CUSTOMER, "any"),
    }
    born, *others = rings()
    return Story(roll=0.99) >> born >> marks[reason] >> others >> answers(1) >> agent_hangs_up(9)


def standing_so(**changes: object) -> Story:
    story = Story(roll=0.99)
    story.standing = replace(standing(), **changes)  # type: ignore[arg-type]
    return unrecorded(story)


def planned(*plans: Plan) -> Story:
    story = Story(roll=0.99)
    story.plans = plans
    return unrecorded(story)


def found() -> Story:
    """The call was there when the line to the PBX came back."""
    born = [fact for fact in rings() if isinstance(fact, fa.ChannelBorn)]
    return (
        Story(roll=0.99)
        >> fa.LinkDown(0, "eof")
        >> fa.LinkUp(1, tuple(born))
        >> answers(1)
        >> agent_hangs_up(9)
    )


LOST: dict[Reason, Callable[[], Story]] = {
    Reason.NO_PLAN: lambda: planned(PLANS[1]),
    Reason.PLAN_ENDED: lambda: planned(replace(PLANS[0], ended_on=PLANS[0].first_day)),
    Reason.NOT_APPROVED: lambda: standing_so(approved=frozenset()),
    Reason.WEEKLY_CAP: lambda: standing_so(used={ALICE: Used(2, 3.0)}),
    Reason.CAPACITY: lambda: standing_so(recorded_minutes={"bruno": 600.0}),
    Reason.BACKLOG: lambda: standing_so(backlog_minutes={"bruno": 600.0}),
    Reason.BRIDGE_FAULT: lambda: standing_so(approved=None),
    Reason.LINK_LOST: found,
    **{
        reason: lambda reason=reason: frozen(reason)  # type: ignore[misc]
        for reason in (Reason.DISK, Reason.CLOCK, Reason.AUDIT, Reason.SHUTDOWN)
    },
}
