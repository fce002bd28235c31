"""Approvers at the keeper: proven deeds, refused ones, and what is written of both (P13, P19, P22)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.access import approved as approved_book
from pbx_bridge.access.approvals import Bar
from pbx_bridge.access.proof import ProofError, answer
from pbx_bridge.access.turned_down import TurnedDownBook
from pbx_bridge.age import X25519Identity, seal_bytes
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import office_wire, opening_wire, recording_wire, retention_wire
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import (
    Application,
    Plan,
    Trainer,
    capacity_digest,
    capacity_text,
    plan_digest,
    plan_text,
)
from pbx_bridge.wire_office import AllTurnedDown, Ground, Span, TurnedDown, Weighed
from pbx_bridge.wire_portal import Act, Deed, Purpose, Refused, Role, fingerprint
from tests.access.logs import records_of
from tests.archive.house import manifest, plan_behind
from tests.archive.test_keeper import ALICE, BRUNO, CARLA, CERTIFICATE, DORA, NOON, RECORDER, Desk
from tests.calls.story import plan

WORDS = {"role", "unreadable", *(bar.value for bar in Bar)}
PLAN = replace(plan(), trainee=TraineeId("alice"), trainer="bruno", approver="dora")
APPROVE = Act(Deed.APPROVE, PLAN.id, plan_text(PLAN))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Dora, the first approver, has joined."""
    made = Desk(tmp_path, confirms=False)
    made.join("dora", Role.APPROVER, DORA)
    yield made
    made.log.close()


def refused(desk: Desk, identity: X25519Identity, act: Act) -> str:
    with pytest.raises(Refused) as no:
        desk.act(identity, act)
    assert no.value.word in WORDS
    return no.value.text


def approved(desk: Desk) -> set[str]:
    return set(desk.ask(office_wire.Approvals(), office_wire.Approved).digests)


def test_a_plan_is_approved_once_and_stays_so(desk: Desk) -> None:
    assert approved(desk) == set()
    desk.act(DORA, APPROVE)
    desk.act(DORA, APPROVE)
    desk.act(DORA, Act(Deed.APPROVE, "bruno", capacity_text(Trainer("bruno", 90))))
    assert approved(desk) == {plan_digest(PLAN), capacity_digest(Trainer("bruno", 90))}
    desk.open()
    assert approved(desk) == {plan_digest(PLAN), capacity_digest(Trainer("bruno", 90))}
    desk.act(DORA, Act(Deed.WITHDRAW, "", plan_digest(PLAN)))
    assert approved(desk) == {capacity_digest(Trainer("bruno", 90))}
    assert refused(desk, DORA, Act(Deed.WITHDRAW, "", plan_digest(PLAN)))


def test_whoever_is_no_confirmed_approver_approves_nothing(desk: Desk) -> None:
    desk.join("bruno", Role.TRAINER, BRUNO)
    desk.act(DORA, Act(Deed.CONFIRM, "bruno", str(BRUNO.recipient())))
    desk.join("carla", Role.APPROVER, CARLA)
    for identity in (BRUNO, CARLA):
        named = replace(PLAN, approver="carla", trainer="berta")
        assert refused(desk, identity, Act(Deed.APPROVE, PLAN.id, plan_text(named)))
        assert refused(desk, identity, Act(Deed.CONFIRM, "carla", str(CARLA.recipient())))
    assert approved(desk) == set()
    desk.act(DORA, Act(Deed.CONFIRM, "carla", str(CARLA.recipient())))
    desk.act(CARLA, Act(Deed.APPROVE, PLAN.id, plan_text(named)))
    assert refused(desk, CARLA, APPROVE)  # it names dora
    assert approved(desk) == {plan_digest(named)}


def test_what_cannot_be_read_is_not_approved(desk: Desk) -> None:
    for text in ("x", plan_text(replace(PLAN, rate=0.3)), plan_text(PLAN) + " "):
        refused(desk, DORA, Act(Deed.APPROVE, "", text))
    assert approved(desk) == set()


def test_every_deed_and_every_attempt_is_recorded(desk: Desk) -> None:
    desk.join("bruno", Role.TRAINER, BRUNO)
    refused(desk, BRUNO, APPROVE)
    refused(desk, BRUNO, Act(Deed.CONFIRM, "bruno", str(BRUNO.recipient())))
    desk.act(DORA, Act(Deed.CONFIRM, "bruno", str(BRUNO.recipient())))
    desk.act(DORA, APPROVE)
    desk.act(DORA, Act(Deed.WITHDRAW, "", plan_digest(PLAN)))
    found = [
        (r["who"], r["act"], r["outcome"], r["person"], r["subject"])
        for r in records_of(desk.folder)
        if r["act"] in ("confirm", "approve", "withdraw")
    ]
    key = fingerprint(str(BRUNO.recipient()))
    assert found == [
        ("dora", "confirm", "done", "dora", fingerprint(str(DORA.recipient()))),
        ("bruno", "approve", "refused", "alice", plan_digest(PLAN)),
        ("bruno", "confirm", "refused", "bruno", ""),
        ("dora", "confirm", "done", "bruno", key),
        ("dora", "approve", "done", "alice", plan_digest(PLAN)),
        ("dora", "withdraw", "done", "alice", plan_digest(PLAN)),
    ]


def test_an_administrator_who_joins_as_the_trainer_gets_nothing(desk: Desk) -> None:
    """He has the invitation's code, a key of his own, and the socket; the trainer goes on as before."""
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    assert desk.refused(opening_wire.Open(token, recording, "review")).word == "key-unconfirmed"
    desk.act(DORA, Act(Deed.CONFIRM, "bruno", str(BRUNO.recipient())))
    mallory = X25519Identity.generate()
    stolen = desk.join("bruno", Role.TRAINER, mallory).token
    assert desk.refused(opening_wire.Open(stolen, recording, "review")).word == "key-unconfirmed"
    desk.ask(opening_wire.Open(token, recording, "review"), words.Released)
    own = desk.join("mallory", Role.APPROVER, ALICE)
    assert not own.confirmed
    assert refused(desk, ALICE, Act(Deed.CONFIRM, "bruno", str(mallory.recipient())))
    assert refused(desk, mallory, Act(Deed.CONFIRM, "bruno", str(mallory.recipient())))
    assert desk.refused(opening_wire.Open(stolen, recording, "review")).word == "key-unconfirmed"


def test_what_waits_is_for_approvers_only(desk: Desk) -> None:
    proven = desk.join("bruno", Role.TRAINER, BRUNO)
    assert desk.refused(office_wire.Desk(proven.token)).word == "role"
    found = desk.ask(office_wire.Desk(desk.prove(DORA).token), words.ApproversDesk)
    assert found.name == "dora"
    assert [(key.name, key.recipient) for key in found.keys] == [("bruno", str(BRUNO.recipient()))]


def test_a_deed_cannot_be_changed_on_the_way(desk: Desk) -> None:
    """The portal is in an attacker's hand: it may ask for another deed, but the approver's machine does not answer."""
    nonce = os.urandom(32)
    widened = replace(APPROVE, text=plan_text(replace(PLAN, trainer="mallory")))
    begun = desk.ask(
        opening_wire.Begin(str(DORA.recipient()), nonce, CERTIFICATE, None, widened), words.Begun
    )
    sealed = bytes.fromhex(begun.sealed)
    with pytest.raises(ProofError, match="another request"):
        answer(sealed, DORA, Purpose.ACT, nonce, CERTIFICATE, APPROVE.digest())
    with pytest.raises(ProofError, match="another request"):
        answer(sealed, DORA, Purpose.SESSION, nonce, CERTIFICATE)
    session = desk.begin(DORA, nonce)
    proof = answer(bytes.fromhex(session.sealed), DORA, Purpose.SESSION, nonce, CERTIFICATE)
    assert desk.refused(words.Prove(begun.challenge, proof)).word == "proof"
    assert approved(desk) == set()
    desk.act(DORA, widened)  # a control: the same deed, meant
    assert len(approved(desk)) == 1


def test_nobody_joins_and_acts_at_once(desk: Desk) -> None:
    code = desk.keeper.handle(office_wire.Invite("carla", (Role.APPROVER,))).code
    asked = opening_wire.Begin(str(CARLA.recipient()), b"\1" * 32, CERTIFICATE, code, APPROVE)
    assert desk.refused(asked).word == "malformed"


def test_only_what_is_approved_can_begin(desk: Desk) -> None:
    """The bridge, or whoever has its signing key, made a recording by a plan nobody approved: its key is not taken."""
    described = manifest(start=desk.now)
    plan = plan_behind(described.trainee, "bruno", described.start)
    sealed = seal_bytes(str(X25519Identity.generate()).encode(), [desk.identity.recipient]).hex()
    for edited in (
        described,
        replace(described, plan=plan_digest(PLAN)),
        replace(described, trainers=(replace(described.trainers[0], trainer="mallory"),)),
    ):
        assert (
            desk.refused(recording_wire.Put(RECORDER.sign(edited), sealed)).word == Reason.NOT_APPROVED.value
        )
    assert len(desk.store) == 0
    desk.act(DORA, Act(Deed.APPROVE, plan.id, plan_text(plan)))
    for edited in (
        replace(described, trainee=TraineeId("bea")),
        replace(described, trainers=(*described.trainers, replace(described.trainers[0], trainer="mallory"))),
    ):
        assert (
            desk.refused(recording_wire.Put(RECORDER.sign(edited), sealed)).word == Reason.NOT_APPROVED.value
        )
    desk.keeper.handle(recording_wire.Put(RECORDER.sign(described), sealed))
    desk.act(DORA, Act(Deed.WITHDRAW, "", plan_digest(plan)))
    again = manifest(start=desk.now)
    assert desk.refused(recording_wire.Put(RECORDER.sign(again), sealed)).word == Reason.NOT_APPROVED.value
    assert ("(bridge)", "put", "refused", "not-approved") in desk.audited()


def test_without_its_people_a_keeper_takes_no_new_first_approver(desk: Desk) -> None:
    """The administrator removes people.json to be the first: something was approved here, so somebody was before him."""
    desk.act(DORA, APPROVE)
    desk.keeper.handle(office_wire.EndPlan(plan_digest(PLAN)))  # an approval that is over was one too
    (desk.folder / "people.json").unlink()
    desk.open()
    assert not desk.join("dora", Role.APPROVER, ALICE).confirmed
    assert refused(desk, ALICE, APPROVE)


def test_with_recordings_no_approver_is_the_first(desk: Desk) -> None:
    desk.record()
    (desk.folder / "people.json").unlink()
    (desk.folder / "approvals.json").unlink()
    desk.open()
    assert not desk.join("mallory", Role.APPROVER, ALICE).confirmed


def test_an_ended_plan_records_nothing_until_it_is_approved_again(desk: Desk) -> None:
    """P13, P22: whoever turns the end back in the catalogue, by hand or from a backup, needs the approver again."""
    for text in (APPROVE.text, capacity_text(Trainer("bruno", 90))):
        desk.act(DORA, Act(Deed.APPROVE, "", text))
    for _ in range(2):
        desk.ask(office_wire.EndPlan(plan_digest(PLAN)), wire.Done)
    desk.ask(office_wire.EndPlan(capacity_digest(Trainer("bruno", 90))), wire.Done)
    desk.ask(office_wire.EndPlan("0" * 64), wire.Done)
    assert approved(desk) == {capacity_digest(Trainer("bruno", 90))}
    desk.open()
    assert approved(desk) == {capacity_digest(Trainer("bruno", 90))}
    told = [(r["who"], r["person"], r["subject"]) for r in records_of(desk.folder) if r["act"] == "end-plan"]
    assert told == [("(bridge)", "alice", plan_digest(PLAN))]
    desk.act(DORA, APPROVE)
    assert plan_digest(PLAN) in approved(desk)


def test_going_back_to_what_was_wider_needs_a_second_person_again(desk: Desk) -> None:
    """P22: once a narrower text of the same plan or trainer was approved, the wider one is approved no more."""
    narrow, wide_hours, few_hours = replace(PLAN, rate=0.01), Trainer("bruno", 600), Trainer("bruno", 30)
    desk.act(DORA, APPROVE)
    desk.act(DORA, Act(Deed.APPROVE, PLAN.id, plan_text(narrow)))
    desk.act(DORA, Act(Deed.APPROVE, "bruno", capacity_text(wide_hours)))
    desk.act(DORA, Act(Deed.APPROVE, "bruno", capacity_text(few_hours)))
    assert approved(desk) == {plan_digest(narrow), capacity_digest(few_hours)}
    desk.act(DORA, APPROVE)
    assert approved(desk) == {plan_digest(PLAN), capacity_digest(few_hours)}


def test_six_months_in_any_24_are_counted_from_what_the_keeper_approved(desk: Desk) -> None:
    """P13: a plan the catalogue has forgotten, and one withdrawn after its time, still count; the attempt is recorded."""
    longest = replace(PLAN, last_day=PLAN.first_day + timedelta(days=183))
    again = replace(PLAN, id="alice-again", first_day=longest.last_day + timedelta(days=30))
    again = replace(again, last_day=again.first_day + timedelta(days=9))
    desk.act(DORA, Act(Deed.APPROVE, "", plan_text(longest)))
    text = refused(desk, DORA, Act(Deed.APPROVE, "", plan_text(again)))
    assert "P13" in text
    assert "194 days" in text
    desk.act(DORA, Act(Deed.APPROVE, "", plan_text(replace(again, trainee=TraineeId("bea")))))
    desk.now = int(datetime.combine(longest.last_day, time(12), UTC).timestamp())
    desk.act(DORA, Act(Deed.WITHDRAW, "", plan_digest(longest)))
    assert "194 days" in refused(desk, DORA, Act(Deed.APPROVE, "", plan_text(again)))
    desk.open()
    assert "194 days" in refused(desk, DORA, Act(Deed.APPROVE, "", plan_text(again)))
    later = replace(again, first_day=longest.first_day + timedelta(days=740))
    desk.act(
        DORA, Act(Deed.APPROVE, "", plan_text(replace(later, last_day=later.first_day + timedelta(days=9))))
    )
    found = [
        r["subject"] for r in records_of(desk.folder) if (r["act"], r["outcome"]) == ("approve", "refused")
    ]
    assert found == [plan_digest(again)] * 3


def test_a_changed_text_of_one_plan_is_not_counted_twice(desk: Desk) -> None:
    """P13: the longest plan there may be can be changed, and approved again."""
    longest = replace(PLAN, last_day=PLAN.first_day + timedelta(days=183))
    for rate in (0.1, 0.2, 0.1):
        desk.act(DORA, Act(Deed.APPROVE, "", plan_text(replace(longest, rate=rate))))
    day = timedelta(days=40)
    moved = replace(longest, first_day=longest.first_day + day, last_day=longest.last_day + day)
    assert desk.now < datetime.combine(PLAN.first_day, time(), UTC).timestamp()
    desk.act(DORA, Act(Deed.APPROVE, "", plan_text(moved)))


def test_the_bridge_learns_which_plans_are_approved_by_name_and_entry(desk: Desk) -> None:
    entered = replace(PLAN, entry="0f" * 8)
    desk.act(DORA, Act(Deed.APPROVE, "", plan_text(entered)))
    desk.act(DORA, Act(Deed.APPROVE, "", capacity_text(Trainer("bruno", 90))))
    found = desk.ask(office_wire.PlansApproved(), office_wire.ApprovedPlans).plans
    assert found == (office_wire.ApprovedPlan(PLAN.id, "0f" * 8, plan_digest(entered)),)
    desk.keeper.handle(office_wire.EndPlan(plan_digest(entered)))
    assert desk.ask(office_wire.PlansApproved(), office_wire.ApprovedPlans).plans == ()


def test_an_approver_is_told_the_days_that_are_used_and_nobody_else_is(desk: Desk) -> None:
    """P13: before the plan and with it, of each of its applications."""
    mail = Application("mail", "/opt/mail/mail", None, "Mail")
    earlier = replace(
        PLAN, id="alice-mail", applications=(mail,), first_day=PLAN.first_day - timedelta(days=100)
    )
    desk.act(
        DORA, Act(Deed.APPROVE, "", plan_text(replace(earlier, last_day=PLAN.first_day - timedelta(days=1))))
    )
    both = replace(PLAN, applications=(*PLAN.applications, mail))
    days = (PLAN.last_day - PLAN.first_day).days + 1

    def told(text: str) -> tuple[words.Days, ...]:
        return desk.ask(office_wire.Months(desk.prove(DORA).token, text), words.Months).days

    digest = plan_digest(both)
    assert told(plan_text(both)) == (
        words.Days(digest, "mail", 100, 100 + days),
        words.Days(digest, "orders", 0, days),
    )
    assert told(capacity_text(Trainer("bruno", 90))) == ()
    assert told("x") == ()
    desk.join("bruno", Role.TRAINER, BRUNO)
    desk.act(DORA, Act(Deed.CONFIRM, "bruno", str(BRUNO.recipient())))
    assert desk.refused(office_wire.Months(desk.prove(BRUNO).token, plan_text(both))).word == "role"


def test_when_no_more_days_can_be_remembered_no_plan_is_approved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P13: rather than forgetting somebody's; a capacity has no days."""
    monkeypatch.setattr(approved_book, "MAX_PAST", 0)
    assert "can be remembered" in refused(desk, DORA, APPROVE)
    desk.act(DORA, Act(Deed.APPROVE, "", capacity_text(Trainer("bruno", 90))))
    monkeypatch.undo()
    desk.act(DORA, APPROVE)


@pytest.mark.parametrize("way", ["end", "withdraw", "replace"])
def test_a_clock_set_back_takes_no_day_from_what_was_used(desk: Desk, way: str) -> None:
    """P13: whoever sets it back, ends a plan and sets it right again finds its days counted to that moment."""
    desk.now = int(datetime.combine(PLAN.first_day, time(12), UTC).timestamp())
    longest = replace(PLAN, last_day=PLAN.first_day + timedelta(days=183))
    again = replace(longest, id="alice-again", first_day=PLAN.first_day + timedelta(days=150))
    desk.act(DORA, Act(Deed.APPROVE, "", plan_text(longest)))
    desk.now += 120 * 86_400
    assert not desk.ask(retention_wire.Pulse(0), retention_wire.Beat).doubt
    back_s = 119 * 86_400
    desk.now, desk.set_by_s = desk.now - back_s, desk.set_by_s - back_s
    if way == "end":
        desk.keeper.handle(office_wire.EndPlan(plan_digest(longest)))
    elif way == "withdraw":
        desk.act(DORA, Act(Deed.WITHDRAW, "", plan_digest(longest)))
    else:
        shorter = replace(longest, last_day=longest.first_day + timedelta(days=9))
        desk.act(DORA, Act(Deed.APPROVE, "", plan_text(shorter)))
    desk.now, desk.set_by_s = desk.now + back_s, desk.set_by_s + back_s
    assert "155 days" in told_days(desk, again)


def told_days(desk: Desk, plan: Plan) -> str:
    (days,) = desk.ask(office_wire.Months(desk.prove(DORA).token, plan_text(plan)), words.Months).days
    return f"{days.after} days"


# -- refusing, and what an approver is told


def turned_down(desk: Desk) -> list[tuple[str, str, str, Ground]]:
    found = desk.ask(office_wire.SeeTurnedDown(), AllTurnedDown).refused
    return [(one.digest, one.about, one.by, one.ground) for one in found]


def refuse(ground: str, text: str = APPROVE.text) -> Act:
    return Act(Deed.REFUSE, ground, text)


def test_a_refusal_is_kept_with_its_reason_until_it_is_approved_after_all(desk: Desk) -> None:
    desk.act(DORA, refuse("need"))
    desk.act(DORA, refuse("volume"))
    desk.act(DORA, refuse("trainer", capacity_text(Trainer("bruno", 90))))
    capacity = (capacity_digest(Trainer("bruno", 90)), "bruno", "dora", Ground.TRAINER)
    assert turned_down(desk) == [(plan_digest(PLAN), PLAN.id, "dora", Ground.VOLUME), capacity]
    assert approved(desk) == set()
    desk.act(DORA, APPROVE)
    assert turned_down(desk) == [capacity]
    assert approved(desk) == {plan_digest(PLAN)}
    told = [
        (r["who"], r["reason"], r["person"], r["subject"])
        for r in records_of(desk.folder)
        if r["act"] == "refuse"
    ]
    assert told[0] == ("dora", "need", "alice", plan_digest(PLAN))
    assert len(told) == 3


def test_a_refusal_outlives_the_keeper_and_goes_after_a_year(tmp_path: Path) -> None:
    def one(name: str, at: int) -> TurnedDown:
        return TurnedDown(name * 64, "plan", "dora", Ground.DAYS, at)

    book = TurnedDownBook(tmp_path / "refused.json", b"key")
    book.add(one("a", NOON))
    book.add(one("b", NOON + 1))
    book = TurnedDownBook(tmp_path / "refused.json", b"key")
    assert [known.digest[0] for known in book] == ["a", "b"]
    book.drop("c" * 64)
    book.add(one("c", NOON + 366 * 86_400))
    assert [known.digest[0] for known in book] == ["b", "c"]
    with pytest.raises(OperatorError):
        TurnedDownBook(tmp_path / "refused.json", b"another key")


def test_who_could_not_approve_does_not_refuse(desk: Desk) -> None:
    """P22: nobody else, nobody for themselves, not without a reason of the list, and not what is approved."""
    desk.join("bruno", Role.TRAINER, BRUNO)
    desk.act(DORA, Act(Deed.CONFIRM, "bruno", str(BRUNO.recipient())))
    other = plan_text(replace(PLAN, approver="carla"))
    desk.act(DORA, Act(Deed.APPROVE, "bruno", capacity_text(Trainer("bruno", 90))))
    for identity, act, word in (
        (BRUNO, refuse("need"), "no-approver"),
        (DORA, refuse("need", other), "other-approver"),
        (DORA, refuse("need", plan_text(replace(PLAN, trainee=TraineeId("dora")))), "own"),
        (DORA, refuse("need", "x"), "unreadable"),
        (DORA, refuse("he is slow"), "ground"),
        (DORA, refuse(""), "ground"),
        (DORA, refuse("days", capacity_text(Trainer("bruno", 90))), "approved"),
    ):
        with pytest.raises(Refused) as no:
            desk.act(identity, act)
        assert no.value.word == word
    assert turned_down(desk) == []
    tried = [r for r in records_of(desk.folder) if r["act"] == "refuse"]
    assert [r["reason"] for r in tried] == [
        "no-approver", "other-approver", "own", "unreadable", "ground", "ground", "approved"
    ]  # fmt: skip
    assert {r["outcome"] for r in tried} == {"refused"}


def test_what_cannot_be_approved_for_its_months_can_be_refused(desk: Desk) -> None:
    longest = replace(PLAN, last_day=PLAN.first_day + timedelta(days=183))
    desk.act(DORA, Act(Deed.APPROVE, "", plan_text(longest)))
    again = replace(PLAN, id="alice-again", first_day=longest.last_day + timedelta(days=30))
    again = replace(again, last_day=again.first_day + timedelta(days=9))
    assert weighed(desk, plan_text(again)).bar == "months"
    desk.act(DORA, refuse("days", plan_text(again)))
    assert [one[0] for one in turned_down(desk)] == [plan_digest(again)]


def weighed(desk: Desk, text: str, by: X25519Identity = DORA) -> Weighed:
    return desk.ask(office_wire.Weigh(desk.prove(by).token, text), Weighed)


def test_an_approver_is_told_history_and_what_is_in_force(desk: Desk) -> None:
    """P13, P22: beside the text, from what the keeper itself approved."""
    new = weighed(desk, APPROVE.text)
    assert (new.in_force, new.spans, new.bar, new.limit) == ("", (), "", 184)
    desk.act(DORA, APPROVE)
    wider = plan_text(replace(PLAN, rate=0.2))
    found = weighed(desk, wider)
    assert (found.in_force, found.bar) == (APPROVE.text, "")
    names = tuple(application.name for application in PLAN.applications)
    assert found.spans == (Span(PLAN.first_day.isoformat(), PLAN.last_day.isoformat(), names),)
    assert [(day.application, day.after) for day in found.days] == [
        ("orders", (PLAN.last_day - PLAN.first_day).days + 1)
    ]
    desk.open()
    assert weighed(desk, wider).in_force == APPROVE.text, "a restarted keeper knows it"
    desk.act(DORA, Act(Deed.APPROVE, PLAN.id, wider))
    assert weighed(desk, APPROVE.text).in_force == wider
    desk.keeper.handle(office_wire.EndPlan(plan_digest(replace(PLAN, rate=0.2))))
    assert weighed(desk, APPROVE.text).in_force == ""
    few, many = (capacity_text(Trainer("bruno", minutes)) for minutes in (30, 60))
    desk.act(DORA, Act(Deed.APPROVE, "bruno", few))
    found = weighed(desk, many)
    assert (found.in_force, found.days, found.spans, found.bar) == (few, (), (), "")


def test_nobody_else_is_told(desk: Desk) -> None:
    desk.join("bruno", Role.TRAINER, BRUNO)
    desk.act(DORA, Act(Deed.CONFIRM, "bruno", str(BRUNO.recipient())))
    for text in (APPROVE.text, capacity_text(Trainer("bruno", 90)), "x"):
        assert desk.refused(office_wire.Weigh(desk.prove(BRUNO).token, text)).word == "role"
    last = records_of(desk.folder)[-1]
    assert (last["who"], last["act"], last["outcome"]) == ("bruno", "proposals", "refused")
    assert desk.refused(office_wire.Weigh(desk.prove(DORA).token, "x")).word == "unreadable"
    assert weighed(desk, plan_text(replace(PLAN, approver="carla"))).bar == "other-approver"
