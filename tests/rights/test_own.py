"""P23: what the bridge keeps of a trainee is gathered for them alone; an erasure is remembered apart from the keeper."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pbx_bridge.app_ledger import LedgerTail
from pbx_bridge.app_own import acknowledged, erased, own_of
from pbx_bridge.archive.witness import Witness
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.enrolled import Enrolled
from pbx_bridge.catalogue.recordings import Noted
from pbx_bridge.ids import TraineeId, new_recording_id
from pbx_bridge.ledger import Ledger
from pbx_bridge.training.plans import Application, Need, Plan, Trainee
from pbx_bridge.wire_portal import read_body, write_body
from pbx_bridge.wire_rights import Own, Visitor

ALICE, BEA = TraineeId("alice"), TraineeId("bea")


def plan(trainee: TraineeId) -> Plan:
    return Plan(
        id=f"{trainee}-plan",
        trainee=trainee,
        applications=(Application("orders", "/opt/orders/orders", None, "Orders"),),
        need=Need.NEW_IN_POST,
        trainer="bruno",
        approver="carla",
        first_day=date(2026, 11, 1),
        last_day=date(2026, 12, 1),
        rate=0.05,
        recordings_per_week=2,
        minutes_per_week=20,
    )


ENROLLED = Enrolled(
    trainees=tuple(
        Trainee(name, (f"PJSIP/{name}",), f"member {name}", f"login-{name}") for name in (ALICE, BEA)
    ),
    plans=(plan(ALICE), plan(BEA)),
)


def test_everything_of_one_trainee_and_nothing_of_another(tmp_path: Path) -> None:
    """The control: the other's own copy has what is missing here."""
    ledger, notices = Ledger(tmp_path / "ledger"), tmp_path / "acknowledgements"
    notices.mkdir()
    for name in (ALICE, BEA):
        why = Reason.PRIVATE if name == ALICE else Reason.NOT_DRAWN
        ledger.write(f"{name}-call", name, Outcome.NOT_RECORDED, why)
        (notices / f"file-{len(name)}").write_text(f"{name} desk {'ab' * 32} 1790000000 {'cd' * 64}\n")
    own = own_of(Visitor("alice", ()), ENROLLED, LedgerTail(tmp_path / "ledger"), notices)
    assert read_body(Own, write_body(own)) == own
    assert [len(found) for found in (own.plans, own.acknowledgements, own.calls)] == [1, 1, 1]
    assert [call.reason for call in own.calls] == ["private"]
    assert (own.endpoints, own.login) == (("PJSIP/alice",), "login-alice")
    assert "bea" not in repr(own)
    assert "bea" in repr(own_of(Visitor("bea", ()), ENROLLED, LedgerTail(tmp_path / "ledger"), notices))


def test_a_trainee_who_is_in_no_list_gets_what_is_there(tmp_path: Path) -> None:
    own = own_of(Visitor("zoe", ()), ENROLLED, LedgerTail(tmp_path), tmp_path / "none")
    assert (own.plans, own.acknowledgements, own.calls, own.login) == ((), (), (), "")


def test_a_name_that_begins_like_another_is_another(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(f"alice2 desk {'ab' * 32} 1790000000 {'cd' * 64}\n")
    (tmp_path / "two").write_bytes(b"\xff\xfe torn")
    assert list(acknowledged(tmp_path, "alice")) == []


def test_an_erasure_is_remembered_and_leaves_no_line(tmp_path: Path) -> None:
    catalogue = Catalogue.open(tmp_path / "catalogue.db")
    recording, other = new_recording_id(), new_recording_id()
    for one in (recording, other):
        catalogue.recordings.note(Noted(one, ALICE, "call", "party", "number", 1_790_000_000))
    erased(recording, Witness(tmp_path), catalogue)
    assert [noted.recording for noted in catalogue.recordings.all()] == [other]
    assert [ended.recording for ended in Witness(tmp_path).recent(0)] == [recording]
    catalogue.close()
