"""P20, P22, P23: what the keeper tells of the recordings for the report, to whom, and that nobody is in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from pbx_bridge.access.roles import Person, report_refusal
from pbx_bridge.age import X25519Identity
from pbx_bridge.archive import office_wire, recording_wire, retention_wire
from pbx_bridge.archive.rules import DAY_S
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.wire_office import KeptMonth, Retained
from pbx_bridge.wire_portal import Role
from tests.access.logs import records_of
from tests.archive.house import manifest
from tests.archive.test_keeper import Desk

EMIL = X25519Identity.generate()
KEY = str(EMIL.recipient())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.log.close()


def month(at: int) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m")


def test_what_became_of_a_months_recordings_is_told_when_it_is_over(desk: Desk) -> None:
    """Six persons' recordings: one of each reviewed and its time over, one still there, one erased; whole months alone."""
    began = desk.now
    for person in range(6):
        for ended in (Reason.REVIEWED, Reason.ERASED, None):
            made = desk.record(manifest(trainee=f"p{person}", start=desk.now)).recording
            if ended is not None:
                desk.keeper.handle(recording_wire.Destroy(made, ended.value))
    token = desk.join("emil", Role.AUDITOR, EMIL).token
    assert desk.ask(office_wire.SeeRetained(token), Retained).months == ()
    desk.now += 40 * DAY_S
    desk.ask(retention_wire.Pulse(0), retention_wire.Beat)
    desk.open()  # long after: the visit has ended, and the books are read anew
    token = desk.prove(EMIL).token
    first, *after = desk.ask(office_wire.SeeRetained(token), Retained).months
    assert first == KeptMonth(month(began), 50), "what was erased is in no number"
    assert {one.destroyed_percent for one in after} <= {0}
    last = records_of(desk.folder)[-1]
    assert (last["who"], last["act"], last["outcome"]) == ("emil", "report", "done")


def test_few_persons_are_not_told(desk: Desk) -> None:
    began = desk.now
    for _ in range(30):
        made = desk.record(manifest(trainee="alice", start=desk.now)).recording
        desk.keeper.handle(recording_wire.Destroy(made, Reason.REVIEWED.value))
    desk.join("emil", Role.APPROVER, EMIL)
    desk.now += 40 * DAY_S
    desk.ask(retention_wire.Pulse(0), retention_wire.Beat)
    desk.open()
    found = desk.ask(office_wire.SeeRetained(desk.prove(EMIL).token), Retained)
    assert found.months[0] == KeptMonth(month(began), 0)


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.APPROVER, Role.AUDITOR)])
def test_nobody_else_reads_it(desk: Desk, role: Role) -> None:
    token = desk.join("emil", role, EMIL).token
    assert desk.refused(office_wire.SeeRetained(token)).word == "role"
    last = records_of(desk.folder)[-1]
    assert (last["who"], last["act"], last["outcome"]) == ("emil", "report", "refused")


def test_only_a_confirmed_key_that_stands() -> None:
    assert report_refusal(Person("emil", (Role.AUDITOR,), KEY, 0, confirmed=True)) == ""
    assert report_refusal(Person("emil", (Role.APPROVER, Role.TRAINER), KEY, 0, confirmed=True)) == ""
    assert "P22" in report_refusal(Person("emil", (Role.AUDITOR,), KEY, 0, confirmed=False))
    assert "P22" in report_refusal(Person("emil", (Role.AUDITOR,), KEY, 0, confirmed=True, revoked=True))
    assert "P22" in report_refusal(Person("emil", (Role.TRAINER,), KEY, 0, confirmed=True))
