"""A trainee objects, or asks for a copy, by themselves: what holds at once, and what ends it (P16, P18, P23)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.access.approvals import approval
from pbx_bridge.archive import office_wire, opening_wire, recording_wire, rights_wire
from pbx_bridge.archive.rules import DAY_S
from pbx_bridge.ids import RecordingId
from pbx_bridge.rights.rules import due_at
from pbx_bridge.training.plans import plan_digest
from pbx_bridge.wire_portal import Act, Deed, Refused, Role
from pbx_bridge.wire_rights import Closing, Party, Right, RightsRequest, RightsRequests, take_back_text
from tests.archive.house import manifest, plan_behind
from tests.archive.test_keeper import ALICE, BRUNO, CARLA, NOON, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.log.close()


def asks(desk: Desk, token: bytes, right: Right) -> RightsRequest:
    return desk.ask(rights_wire.OpenOwn(token, right), RightsRequest)


def approved(desk: Desk) -> set[str]:
    return set(desk.ask(office_wire.Approvals(), office_wire.Approved).digests)


def state_of(desk: Desk, token: bytes, recording: RecordingId) -> str:
    (item,) = [
        one for one in desk.ask(opening_wire.List(token), words.Items).items if one.recording == recording
    ]
    return item.state


def takes_back(request: RightsRequest) -> Act:
    return Act(Deed.TAKE_BACK, request.id, take_back_text(request))


def test_from_the_moment_of_an_objection_nothing_new_is_recorded(desk: Desk) -> None:
    plan = plan_digest(plan_behind("alice", "bruno", desk.now))
    desk.record()
    other = desk.record(manifest(trainee="bea", start=desk.now))
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    assert plan in approved(desk)
    asks(desk, alice, Right.OBJECTION)
    assert approved(desk) == {other.plan}
    still = {one.digest for one in desk.ask(office_wire.PlansApproved(), office_wire.ApprovedPlans).plans}
    assert still == {plan, other.plan}, "its approver is not asked again"
    with pytest.raises(Refused) as refused:
        desk.put(manifest(start=desk.now))
    assert refused.value.word == "not-approved"
    desk.put(manifest(trainee="bea", start=desk.now))
    assert ("alice", "request", "done", "objection") in desk.audited()


def test_what_was_recorded_before_opens_for_its_trainee_alone(desk: Desk) -> None:
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    bruno = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.ask(opening_wire.Open(bruno, recording, "before"), words.Released)
    asks(desk, alice, Right.OBJECTION)
    assert desk.refused(opening_wire.Open(bruno, recording, "after")).word == "restricted"
    assert desk.refused(opening_wire.Review(bruno, recording, "after")).word == "restricted"
    assert (state_of(desk, bruno, recording), state_of(desk, alice, recording)) == ("restricted", "open")
    desk.ask(opening_wire.Open(alice, recording, ""), words.Released)
    desk.keeper.handle(rights_wire.EraseOwn(alice, recording))


@pytest.mark.parametrize(
    ("closing", "stands"), [(Closing.ANSWERED, True), (Closing.REFUSED, False), (Closing.WITHDRAWN, False)]
)
def test_accepted_it_ends_every_plan_of_before_and_refused_none(
    desk: Desk, closing: Closing, stands: bool
) -> None:
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    bruno = desk.join("bruno", Role.TRAINER, BRUNO).token
    request = asks(desk, alice, Right.OBJECTION)
    desk.now += DAY_S
    desk.ask(rights_wire.CloseRequest(request.id, closing), RightsRequest)
    assert (approved(desk) == set()) is stands
    bruno = desk.prove(BRUNO).token
    assert (state_of(desk, bruno, recording) == "restricted") is stands
    desk.now += 60
    again = plan_behind("alice", "bruno", desk.now + DAY_S)
    desk.approved.add(approval(again, "dora", desk.now))
    assert plan_digest(again) in approved(desk), "who is asked anew and approved anew may be recorded again"


def test_an_approval_given_meanwhile_changes_nothing(desk: Desk) -> None:
    desk.record()
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    asks(desk, alice, Right.OBJECTION)
    desk.now += 60
    desk.approved.add(approval(plan_behind("alice", "bruno", desk.now + DAY_S), "dora", desk.now))
    assert approved(desk) == set()


def test_only_its_trainee_takes_an_objection_back_and_by_their_key(desk: Desk) -> None:
    desk.record()
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    desk.join("bea", Role.TRAINEE, CARLA)
    desk.join("bruno", Role.TRAINER, BRUNO)
    request = asks(desk, alice, Right.OBJECTION)
    for identity, act in (
        (CARLA, takes_back(request)),
        (BRUNO, takes_back(request)),
        (ALICE, Act(Deed.TAKE_BACK, request.id, "x")),
        (ALICE, Act(Deed.TAKE_BACK, "abcdefgh", take_back_text(request))),
    ):
        with pytest.raises(Refused) as refused:
            desk.act(identity, act)
        assert refused.value.word == "role"
    assert approved(desk) == set()
    desk.act(ALICE, takes_back(request))
    assert len(approved(desk)) == 1
    assert ("alice", "close", "done", "withdrawn") in desk.audited()
    with pytest.raises(Refused):
        desk.act(ALICE, takes_back(request))
    asks(desk, alice, Right.OBJECTION)


def test_a_trainees_request_has_its_deadline_and_there_is_one_of_a_kind(desk: Desk) -> None:
    recording = desk.record().recording
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    request = asks(desk, alice, Right.ACCESS)
    assert (request.party, request.trainee, request.recordings) == (Party.TRAINEE, "alice", (recording,))
    assert (request.due_at, request.recipient) == (due_at(NOON, extended=False), str(ALICE.recipient()))
    assert desk.refused(rights_wire.OpenOwn(alice, Right.ACCESS)).word == "asked-already"
    asks(desk, alice, Right.OBJECTION)
    assert len(desk.ask(rights_wire.SeeRequests(alice), RightsRequests).requests) == 2
    for right in (Right.ERASURE, Right.RESTRICTION):
        assert desk.refused(rights_wire.OpenOwn(alice, right)).word == "malformed"


def test_nobody_but_a_trainee_with_a_confirmed_key_asks(desk: Desk) -> None:
    bruno = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.confirms = False
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    for token in (bruno, alice):
        assert desk.refused(rights_wire.OpenOwn(token, Right.OBJECTION)).word == "role"
    assert "open-own" not in rights_wire.ADMINISTRATOR
