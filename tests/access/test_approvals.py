"""P13, P22: what can be approved, by whom, and which recordings it covers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from pbx_bridge.access import approved
from pbx_bridge.access.approvals import (
    Kind,
    Past,
    approval,
    approve_refusal,
    covers,
    is_remembered,
    months,
    months_refusal,
)
from pbx_bridge.access.approved import Approved
from pbx_bridge.access.proposals import NoProposal, read_proposal
from pbx_bridge.access.roles import Person
from pbx_bridge.app_approvals import approvals_say, end_approvals, of_use
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.manifest import Assignment, Manifest
from pbx_bridge.archive.office_wire import ApprovedPlan, KnownPerson
from pbx_bridge.catalogue.catalogue import Entered
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import (
    Mask,
    Program,
    Seat,
    Trainer,
    capacity_digest,
    capacity_text,
    plan_digest,
    plan_text,
)
from pbx_bridge.training.rules import CAPACITY_CEILING_MIN, REMEMBERED
from pbx_bridge.wire_portal import Role
from tests.archive.house import manifest
from tests.calls.story import plan

PLAN = replace(plan(), trainee=TraineeId("alice"), trainer="bruno", approver="carla")
CAPACITY = Trainer("bruno", 120)
CARLA = Person("carla", (Role.APPROVER, Role.AUDITOR), "age1" + "q" * 58, 1, confirmed=True)
APPROVED = approval(PLAN, "carla", 5)
NOON = int(datetime.combine(PLAN.first_day, datetime.min.time(), UTC).timestamp()) + 43_200
DAY_S = 86_400
HOUR_S = 3600
RECORDED = replace(
    manifest(start=NOON),
    plan=plan_digest(PLAN),
    trainers=(Assignment("bruno", NOON - DAY_S, NOON + 60 * DAY_S),),
)


def test_what_is_read_is_what_was_written() -> None:
    masked = replace(
        PLAN.applications[0],
        masks=(Mask(1, -2, 3, 4),),
        pause_titles=("^Pay",),
        title="É\n",
        sha256="00" * 32,
    )
    seated = replace(PLAN, seat=Seat(("PJSIP/201", "PJSIP/202"), "Élise", "amartin"), entry="0f" * 8)
    for written in (PLAN, replace(PLAN, applications=(masked,)), seated):
        assert read_proposal(plan_text(written)) == written
    assert read_proposal(capacity_text(CAPACITY)) == CAPACITY


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: text[:-1],
        lambda text: text.replace('"alice"', ' "alice"'),
        lambda text: text + 'trainer: "mallory"\n',
        lambda text: text.replace("trainer:", "Trainer:"),
        lambda text: text.replace("rate: 0.25", "rate: 0.250"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: 'trainer: "x"\nrate: 1\n',
        lambda text: "",
        lambda text: "[" * 8_000,
        lambda text: text.replace("rate: 0.25", "rate: NaN"),
        lambda text: text.replace("rate: 0.25", 'rate: "0.25"'),
        lambda text: text.replace("rate: 0.25", "rate: false"),
        lambda text: text.replace('"alice-orders"', "[1]"),
        lambda text: text.replace('"Orders"', "5"),
        lambda text: text.replace('"bruno"', "{}"),
        lambda text: text.replace("devices: []", 'devices: [""]'),
        lambda text: text.replace("devices: []", 'devices: ["b", "a"]'),
        lambda text: text.replace("devices: []", "devices: [1]"),
        lambda text: text.replace('login: ""', "login: null"),
        lambda text: text.replace('entry: ""', "entry: 1"),
    ],
)
def test_there_is_one_spelling(change: Any) -> None:
    """Two spellings of one plan would be two digests; two lines of one name could be read as either."""
    assert read_proposal(plan_text(PLAN)) == PLAN
    assert change(plan_text(PLAN)) != plan_text(PLAN)
    with pytest.raises(NoProposal):
        read_proposal(change(plan_text(PLAN)))


@pytest.mark.parametrize(
    "beyond",
    [
        {"rate": 0.26},
        {"recordings_per_week": 6},
        {"minutes_per_week": 61},
        {"approver": "bruno"},
        {"applications": ()},
        {"last_day": PLAN.first_day + timedelta(days=200)},
    ],
)
def test_no_approver_can_pass_a_ceiling(beyond: dict[str, Any]) -> None:
    with pytest.raises(NoProposal, match="P"):
        read_proposal(plan_text(replace(PLAN, **beyond)))


def test_no_capacity_beyond_ten_hours() -> None:
    read_proposal(capacity_text(replace(CAPACITY, review_minutes_per_week=CAPACITY_CEILING_MIN)))
    with pytest.raises(NoProposal, match="P15"):
        read_proposal(capacity_text(replace(CAPACITY, review_minutes_per_week=CAPACITY_CEILING_MIN + 1)))
    with pytest.raises(NoProposal, match="P15"):
        read_proposal(capacity_text(replace(CAPACITY, review_minutes_per_week=-1)))


def test_only_the_plans_own_confirmed_approver() -> None:
    assert approve_refusal(PLAN, CARLA, []) == ""
    assert approve_refusal(CAPACITY, CARLA, []) == ""
    for by in (
        replace(CARLA, confirmed=False),
        replace(CARLA, revoked=True),
        replace(CARLA, roles=(Role.AUDITOR,)),
        replace(CARLA, roles=(Role.ADMINISTRATOR,)),
        replace(CARLA, roles=(Role.TRAINER,)),
        replace(CARLA, name="dora"),
    ):
        assert approve_refusal(PLAN, by, [])
    assert approve_refusal(CAPACITY, replace(CARLA, name="dora"), []) == ""


def test_nobody_approves_for_themselves() -> None:
    both = replace(CARLA, name="bruno", roles=(Role.APPROVER, Role.TRAINER))
    assert "P13" in approve_refusal(replace(PLAN, approver="bruno"), both, [])
    assert "P13" in approve_refusal(CAPACITY, both, [])
    assert "P22" in approve_refusal(replace(PLAN, trainee=TraineeId("carla")), CARLA, [])


def test_a_name_known_in_another_role_is_not_meant() -> None:
    """The catalogue was edited: the auditor is now a trainer, the trainer a trainee."""
    bruno = Person("bruno", (Role.TRAINER,), "age1" + "p" * 58, 1, confirmed=True)
    assert approve_refusal(PLAN, CARLA, [bruno, CARLA]) == ""
    assert "P22" in approve_refusal(PLAN, CARLA, [replace(bruno, roles=(Role.AUDITOR,))])
    assert "P22" in approve_refusal(CAPACITY, CARLA, [replace(bruno, roles=(Role.ADMINISTRATOR,))])
    assert "P22" in approve_refusal(replace(PLAN, trainee=TraineeId("bruno"), trainer="x"), CARLA, [bruno])
    assert approve_refusal(PLAN, CARLA, [replace(bruno, roles=(Role.AUDITOR,), revoked=True)]) == ""


def test_an_approved_plan_covers_its_own_recordings() -> None:
    assert covers([APPROVED], RECORDED)
    last = NOON + (PLAN.last_day - PLAN.first_day).days * DAY_S
    assert covers([APPROVED], replace(RECORDED, start=last))


def test_a_plan_covers_its_days_in_every_zone_and_not_a_second_more() -> None:
    """P18: from 26 h before its first day in UTC to 26 h after its last."""
    first = NOON - 12 * HOUR_S - 26 * HOUR_S
    after = NOON + (PLAN.last_day - PLAN.first_day).days * DAY_S + 12 * HOUR_S + 26 * HOUR_S
    starts = (first - 1, first, after - 1, after)
    assert [covers([APPROVED], replace(RECORDED, start=start)) for start in starts] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "edited",
    [
        replace(RECORDED, plan="5a" * 32),
        replace(RECORDED, trainee=TraineeId("bea")),
        replace(RECORDED, trainers=(Assignment("mallory", NOON - 1, NOON + DAY_S),)),
        replace(RECORDED, trainers=(*RECORDED.trainers, Assignment("mallory", NOON - 1, NOON + DAY_S))),
        replace(RECORDED, trainers=(Assignment("bruno", NOON - 1, NOON + 400 * DAY_S),)),
        replace(RECORDED, start=NOON - 3 * DAY_S),
        replace(RECORDED, start=NOON + 200 * DAY_S),
    ],
)
def test_nothing_else_is_covered(edited: Manifest) -> None:
    assert covers([APPROVED], RECORDED)
    assert not covers([APPROVED], edited)
    assert not covers([], RECORDED)
    assert not covers([replace(APPROVED, kind=Kind.CAPACITY)], RECORDED)


def test_an_approval_is_forgotten_with_the_last_recording_it_could_cover(tmp_path: Path) -> None:
    book = Approved(tmp_path / "approvals.json")
    book.add(APPROVED)
    last = NOON + (PLAN.last_day - PLAN.first_day).days * DAY_S
    capacity = approval(CAPACITY, "carla", last + 170 * DAY_S)
    book.add(capacity)
    assert set(book) == {APPROVED, capacity}
    book.add(replace(capacity, at=last + 180 * DAY_S))
    assert {one.kind for one in book} == {Kind.CAPACITY}


def test_the_doctor_says_what_waits_for_a_second_person() -> None:
    carla = KnownPerson("carla", (Role.APPROVER, Role.AUDITOR), 1, "confirmed")
    digests = frozenset({plan_digest(PLAN), capacity_digest(CAPACITY)})
    assert approvals_say([carla], digests, [PLAN], [CAPACITY]) == (True, "nothing waits; approvers: carla")
    for people, held, what in (
        ([], digests, "nobody can approve"),
        ([replace(carla, state="waiting")], digests, "nobody can approve"),
        ([replace(carla, state="revoked")], digests, "nobody can approve"),
        ([carla], frozenset({capacity_digest(CAPACITY)}), "plan alice-orders for carla"),
        ([carla], frozenset({plan_digest(PLAN)}), "capacity of bruno"),
        ([carla, KnownPerson("bruno", (Role.TRAINER,), 2, "waiting")], digests, "key of bruno"),
    ):
        good, says = approvals_say(people, held, [PLAN], [CAPACITY])
        assert not good
        assert what in says
    many = [KnownPerson(f"trainee{n}", (Role.TRAINEE,), n, "waiting") for n in range(7)]
    for count, more in ((5, ""), (6, "; 1 more"), (7, "; 2 more")):
        _, says = approvals_say([carla, *many[:count]], digests, [PLAN], [CAPACITY])
        assert says.count("key of") == 5
        assert (
            says
            == says.partition("key of trainee4")[0]
            + f"key of trainee4{more}. The approver: pbx-bridge proposals"
        )


def test_what_began_before_an_early_end_stays_covered_and_nothing_later() -> None:
    ended = replace(APPROVED, ended=NOON + 60)
    assert covers([ended], RECORDED)
    assert covers([ended], replace(RECORDED, start=NOON + 60))
    assert not covers([ended], replace(RECORDED, start=NOON + 61))
    assert covers([APPROVED], replace(RECORDED, start=NOON + 61))


def test_the_keeper_counts_six_months_itself() -> None:
    """P13: by what it approved, whatever the catalogue still says."""
    day, first = timedelta(days=1), PLAN.first_day
    earlier = Past(
        "alice", APPROVED.programs, (first - 200 * day).isoformat(), (first - 47 * day).isoformat()
    )
    assert (PLAN.last_day - first).days + 1 == 31
    assert months_refusal(PLAN, []) == ""
    full = replace(earlier, last_day=(first - 48 * day).isoformat())
    assert months_refusal(PLAN, [full.enrolment()]) == ""
    refused = months_refusal(PLAN, [earlier.enrolment()])
    assert "alice" in refused
    assert "orders on 185 days" in refused
    assert "P13" in refused
    assert months_refusal(PLAN, [replace(earlier, trainee="bea").enrolment()]) == ""
    other = replace(earlier, programs=(Program("mail", "/opt/mail/mail", None),))
    assert months_refusal(PLAN, [other.enrolment()]) == ""
    renamed = replace(earlier, programs=(replace(APPROVED.programs[0], name="other"),))
    assert months_refusal(PLAN, [renamed.enrolment()])
    (program,) = APPROVED.programs
    assert months(PLAN, [earlier.enrolment()]) == {program: (154, 185)}
    assert months(PLAN, []) == {program: (0, 31)}


def test_days_are_remembered_when_their_approval_is_gone(tmp_path: Path) -> None:
    """P13: withdrawn, ended, replaced or over: the days it had still count, for 24 months, and those it had not do not."""
    book, first = Approved(tmp_path / "approvals.json"), PLAN.first_day

    def days(at: int, plan: str = "another") -> list[tuple[date, date]]:
        known = book.enrolments(replace(PLAN, id=plan), at)
        return [(one.first_day, one.last_day) for one in known if one.first_day <= one.last_day]

    book.add(replace(APPROVED, at=NOON))
    book.add(approval(CAPACITY, "carla", NOON))
    beas = approval(replace(PLAN, id="bea-orders", trainee=TraineeId("bea")), "carla", NOON)
    book.add(beas)
    assert days(NOON) == [(first, PLAN.last_day)]
    later = NOON + 5 * DAY_S
    assert days(later, PLAN.id) == [(first, first + timedelta(days=5))], "another text will end it"
    assert book.withdraw(beas.digest, later)
    assert book.withdraw(APPROVED.digest, later)
    assert book.withdraw(APPROVED.digest, later) is None
    assert days(later) == [(first, first + timedelta(days=5))]
    book.add(replace(APPROVED, at=later))
    book.end(APPROVED.digest, later + DAY_S)
    assert sorted(days(later)) == [(first, first + timedelta(days=5)), (first, first + timedelta(days=6))]
    book.add(replace(APPROVED, at=later + 2 * DAY_S))
    assert (first, first + timedelta(days=6)) in days(later), (
        "what it had is not forgotten when it is approved again"
    )
    book = Approved(tmp_path / "approvals.json")
    over = NOON + 400 * DAY_S
    book.add(approval(replace(CAPACITY, review_minutes_per_week=9), "carla", over))
    assert {one.kind for one in book} == {Kind.CAPACITY}
    assert (first, PLAN.last_day) in days(over)
    for at, kept in ((NOON + 760 * DAY_S, True), (NOON + 770 * DAY_S, False)):
        book.add(approval(replace(CAPACITY, review_minutes_per_week=8), "carla", at))
        assert bool(days(at)) is kept


def test_what_never_held_is_not_counted(tmp_path: Path) -> None:
    book = Approved(tmp_path / "approvals.json")
    before = NOON - 3 * DAY_S
    book.add(replace(APPROVED, at=before))
    book.withdraw(APPROVED.digest, before)
    assert book.enrolments(PLAN, NOON) == []


class _Keeper:
    def __init__(self, *approved: ApprovedPlan) -> None:
        self.approved = approved
        self.ended: list[str] = []

    async def approved_plans(self) -> tuple[ApprovedPlan, ...]:
        return self.approved

    async def end_plan(self, digest: str) -> None:
        self.ended.append(digest)


async def test_the_keeper_is_told_of_plans_that_are_gone_and_of_no_other() -> None:
    """P13, P22: removed, entered anew, ended; one that was changed, or ends later, keeps what it has."""
    today, day = PLAN.first_day + timedelta(days=3), timedelta(days=1)
    orders, other = ApprovedPlan(PLAN.id, "e1", "11" * 32), ApprovedPlan("other", "e2", "22" * 32)
    stays = Entered("other", "e2", None)
    for rows, told in (
        ([Entered(PLAN.id, "e1", None)], False),
        ([Entered(PLAN.id, "e1", today + day)], False),
        ([Entered(PLAN.id, "e1", today)], True),
        ([Entered(PLAN.id, "e1", today - day)], True),
        ([Entered(PLAN.id, "e3", None)], True),
        ([Entered("renamed", "e1", None)], True),
        ([], True),
    ):
        keeper, entered = _Keeper(orders, other), [*rows, stays]
        await end_approvals(cast(KeeperLink, keeper), partial(list[Entered], entered), today)
        assert keeper.ended == [orders.digest] * told, rows


def test_an_approver_is_asked_only_about_what_may_still_record() -> None:
    last, day = PLAN.last_day, timedelta(days=1)
    assert of_use([PLAN], last) == of_use([PLAN], PLAN.first_day - day) == [PLAN]
    assert of_use([PLAN], last + day) == []
    ended = replace(PLAN, ended_on=last)
    assert (of_use([ended], last - day), of_use([ended], last)) == ([ended], [])
    never = replace(PLAN, ended_on=PLAN.first_day)
    assert of_use([never], PLAN.first_day - day) == []


def test_a_book_that_cannot_remember_more_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approved, "MAX_PAST", 1)
    book = Approved(tmp_path / "approvals.json")
    assert not book.is_full
    for at in (NOON, NOON + DAY_S):
        book.add(replace(APPROVED, at=at))
        book.withdraw(APPROVED.digest, at)
        assert book.is_full
    assert len(book.enrolments(PLAN, NOON)) == 2, "nothing is forgotten to make room"


def test_days_are_remembered_as_long_as_a_plan_of_today_could_reach_them() -> None:
    """P13: 731 days from the end of the last one, in the latest zone there is; not a second longer (P20)."""
    one = Past("alice", APPROVED.programs, "2024-02-01", "2024-02-29")
    end = int((datetime(2024, 3, 1, tzinfo=UTC) + REMEMBERED + timedelta(hours=26)).timestamp())
    assert is_remembered(one, end)
    assert not is_remembered(one, end + 1)
