"""What goes into the catalogue comes out again, a change is whole or not at all, and every rule is held."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from pbx_bridge.catalogue.catalogue import Catalogue, Entered
from pbx_bridge.catalogue.change import Change
from pbx_bridge.catalogue.enrolled import (
    CLASS_LIMIT,
    ENDPOINTS_LIMIT,
    LOGIN_LIMIT,
    MEMBER_LIMIT,
    PATH_LIMIT,
    Enrolled,
    faults,
    sound,
)
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import (
    Application,
    Mask,
    Plan,
    Seat,
    Slot,
    Trainee,
    Trainer,
    plan_digest,
    plan_text,
)
from pbx_bridge.wire import MAX_MASK_EDGE, MAX_MASKS, MAX_PAUSE_TITLES
from pbx_bridge.wire_portal import MAX_ACT_CHARS
from tests.calls.story import ALICE, BOB, TRAINEES, plan

TODAY = date(2026, 10, 20)
"""Before the plan begins."""
ORDERS = plan().applications[0]
HOUR = timedelta(hours=1)
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
Step = Callable[[Change], object]


def opened(folder: Path, today: date = TODAY) -> Catalogue:
    return Catalogue.open(folder / "catalogue", today=lambda: today)


def bare(found: Plan) -> Plan:
    """As it was entered: without what the catalogue adds of its own."""
    return replace(found, seat=Seat(), entry="")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue's folder to copy: Alice with a plan, Bob without one."""
    folder = tmp_path_factory.mktemp("filled")
    made = opened(folder)
    with made.change() as change:
        change.add_application(ORDERS)
        change.add_trainer(Trainer("bruno", 120))
        for trainee in TRAINEES:
            change.add_trainee(trainee)
        change.add_plan(plan())
    made.close()
    return folder / "catalogue"


@pytest.fixture
def catalogue(filled: Path, tmp_path: Path) -> Catalogue:
    """A copy of it, in `tmp_path`."""
    shutil.copytree(filled, tmp_path / "catalogue")
    return opened(tmp_path)


def test_what_goes_in_comes_out(catalogue: Catalogue, tmp_path: Path) -> None:
    whole = replace(
        ORDERS,
        name="desk",
        title="^Order",
        sha256="ab" * 32,
        masks=(Mask(1, -2, 3, 4), Mask(0, 0, 9, 9)),
        pause_titles=("^Pay", "Card"),
    )
    booked = replace(
        plan(BOB),
        applications=(whole, ORDERS),
        slots=(Slot(NINE, NINE + HOUR), Slot(NINE + 24 * HOUR, NINE + 25 * HOUR)),
    )
    with catalogue.change() as change:
        change.add_application(whole)
        change.add_plan(booked)
    found, wrong = opened(tmp_path).read()
    assert not wrong
    assert found == sound(found)
    assert [one.seat for one in found.plans] == [trainee.seat for trainee in TRAINEES]
    found = replace(found, plans=tuple(map(bare, found.plans)))
    assert found == Enrolled(TRAINEES, (Trainer("bruno", 120),), (whole, ORDERS), (plan(), booked))


def test_the_file_is_the_bridges_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()] == [0o600]


MISTAKES: list[tuple[str, Step]] = [
    ("P22", lambda c: c.add_trainer(Trainer("alice", 10))),
    ("P22", lambda c: c.change_plan(replace(plan(), approver="bob"))),
    ("P13", lambda c: c.change_plan(replace(plan(), approver="bruno"))),
    ("P11", lambda c: c.change_plan(replace(plan(), rate=0.26))),
    ("P15", lambda c: c.change_plan(replace(plan(), recordings_per_week=6))),
    ("P15", lambda c: c.change_plan(replace(plan(), minutes_per_week=61))),
    ("P13", lambda c: c.change_plan(replace(plan(), last_day=date(2027, 5, 10)))),
    ("P3", lambda c: c.change_plan(replace(plan(), applications=()))),
    ("P14", lambda c: c.add_plan(replace(plan(), id="alice-more"))),
    ("P14", lambda c: c.add_plan(replace(plan(), id="a", first_day=date(2026, 11, 20)))),
    (
        "P13",
        lambda c: c.add_plan(
            replace(plan(), id="a", first_day=date(2027, 1, 1), last_day=date(2027, 6, 30))
        ),
    ),
    ("P15", lambda c: c.change_trainer(Trainer("bruno", 601))),
    ("P15", lambda c: c.change_trainer(Trainer("bruno", -1))),
    ("P15", lambda c: c.book_slot("alice-orders", Slot(NINE, NINE + 3 * HOUR))),
    ("ends before", lambda c: c.book_slot("alice-orders", Slot(NINE, NINE))),
    ("P3", lambda c: c.add_application(Application("x", "/usr/bin/python3.11", None, "X"))),
    ("P3", lambda c: c.add_application(Application("x", "/usr/bin/chromium", None, "X"))),
    ("P3", lambda c: c.add_application(Application("x", "relative", None, "X"))),
    ("P3", lambda c: c.change_application(replace(ORDERS, title="("))),
    ("P3", lambda c: c.change_application(replace(ORDERS, sha256="zz"))),
    ("P7", lambda c: c.change_application(replace(ORDERS, pause_titles=("(",)))),
    ("P7", lambda c: c.change_application(replace(ORDERS, pause_titles=("",)))),
    ("P7", lambda c: c.change_application(replace(ORDERS, pause_titles=(".*",)))),
    ("P7", lambda c: c.change_application(replace(ORDERS, pause_titles=("a\x01",)))),
    ("P7", lambda c: c.change_application(replace(ORDERS, pause_titles=("x",) * 9))),
    ("P7", lambda c: c.change_application(replace(ORDERS, masks=(Mask(0, 0, 0, 5),)))),
    ("P7", lambda c: c.change_application(replace(ORDERS, masks=(Mask(0, 0, 9, 9),) * 17))),
    ("endpoint", lambda c: c.change_trainee(replace(TRAINEES[0], endpoints=("201",)))),
    ("endpoint", lambda c: c.change_trainee(replace(TRAINEES[0], endpoints=("PJSIP/2 01",)))),
    ("endpoints", lambda c: c.change_trainee(replace(TRAINEES[0], endpoints=tuple(f"SIP/{n}" for n in range(17))))),
    ("login", lambda c: c.change_trainee(replace(TRAINEES[0], login="bob"))),
    ("login", lambda c: c.change_trainee(replace(TRAINEES[0], login="a\nb"))),
    ("member", lambda c: c.change_trainee(replace(TRAINEES[0], member="Bob"))),
    ("member", lambda c: c.change_trainee(replace(TRAINEES[0], member="x" * 81))),
    ("same endpoint", lambda c: c.change_trainee(Trainee(ALICE, ("PJSIP/202",), "", "alice"))),
    ("a name is", lambda c: c.add_trainee(Trainee(TraineeId("../x"), (), "", "x"))),
    ("a name is", lambda c: c.add_trainee(Trainee(TraineeId("x" * 65), (), "", "x"))),
    ("already", lambda c: c.add_trainee(TRAINEES[0])),
    ("already", lambda c: c.add_plan(plan())),
    ("trainee 'nobody'.*none", lambda c: c.add_plan(replace(plan(), id="n", trainee=TraineeId("nobody")))),
    ("trainer 'nobody'.*none", lambda c: c.change_plan(replace(plan(), trainer="nobody"))),
    ("application 'mail'.*none", lambda c: c.change_plan(replace(plan(), applications=(replace(ORDERS, name="mail"),)))),
    ("none of this name", lambda c: c.remove_trainee(TraineeId("nobody"))),
    ("names it", lambda c: c.remove_trainee(ALICE)),
    ("names it", lambda c: c.remove_trainer("bruno")),
    ("names it", lambda c: c.remove_application("orders")),
]  # fmt: skip


@pytest.mark.parametrize(("said", "step"), MISTAKES)
def test_a_mistake_is_named_and_nothing_of_its_change_is_kept(
    catalogue: Catalogue, said: str, step: Step
) -> None:
    before = catalogue.read()

    def both(change: Change) -> None:
        change.add_trainer(Trainer("berta", 10))
        step(change)

    with pytest.raises(OperatorError, match=said), catalogue.change() as change:
        both(change)
    assert catalogue.read() == before


def test_a_dry_run_checks_everything_and_keeps_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    before = catalogue.read()
    with catalogue.change(dry_run=True) as change:
        change.add_trainer(Trainer("berta", 10))
    with pytest.raises(OperatorError, match="P15"), catalogue.change(dry_run=True) as change:
        change.add_trainer(Trainer("berta", 601))
    assert catalogue.read() == before
    nothing = tmp_path / "nothing"
    with Catalogue.open(nothing, dry_run=True).change(dry_run=True) as change:
        change.add_trainer(Trainer("berta", 10))
    assert not nothing.exists()


# -- P13: what has begun stays countable ------------------------------------------------------------------------

BEGUN, LAST, OVER = date(2026, 11, 10), plan().last_day, date(2026, 12, 2)
Kept = tuple[str, date, Step]
KEPT: list[Kept] = [
    ("P13", BEGUN, lambda c: c.change_plan(replace(plan(), first_day=date(2026, 11, 2)))),
    ("P13", BEGUN, lambda c: c.change_plan(replace(plan(), trainee=BOB))),
    ("P13", BEGUN, lambda c: c.change_plan(replace(plan(), last_day=date(2026, 11, 9)))),
    ("P13", plan().first_day, lambda c: c.change_plan(replace(plan(), trainee=BOB))),
    ("over", OVER, lambda c: c.change_plan(replace(plan(), rate=0.1))),
    ("past", BEGUN, lambda c: c.end_plan("alice-orders", date(2026, 11, 9))),
    ("no longer", BEGUN, lambda c: c.end_plan("alice-orders", OVER)),
    ("no longer", OVER, lambda c: c.end_plan("alice-orders")),
    ("P13", BEGUN, lambda c: c.remove_plan("alice-orders")),
    ("P13", OVER, lambda c: c.remove_plan("alice-orders")),
    ("P13", LAST + timedelta(days=731), lambda c: c.remove_plan("alice-orders")),
]
MAY: list[tuple[date, Step]] = [
    (TODAY, lambda c: c.change_plan(replace(plan(), first_day=date(2026, 11, 2), trainee=BOB))),
    (TODAY, lambda c: c.remove_plan("alice-orders")),
    (LAST + timedelta(days=732), lambda c: c.remove_plan("alice-orders")),
    (BEGUN, lambda c: c.change_plan(replace(plan(), rate=0.1, last_day=BEGUN, approver="carlos"))),
    (BEGUN, lambda c: c.end_plan("alice-orders")),
    (BEGUN, lambda c: c.end_plan("alice-orders", LAST)),
]


@pytest.mark.parametrize(("said", "today", "step"), KEPT)
def test_the_past_of_a_plan_cannot_be_rewritten(
    catalogue: Catalogue, tmp_path: Path, said: str, today: date, step: Step
) -> None:
    with pytest.raises(OperatorError, match=said), opened(tmp_path, today).change() as change:
        step(change)
    assert tuple(map(bare, catalogue.plans())) == (plan(),)


@pytest.mark.parametrize(("today", "step"), MAY)
def test_what_is_still_to_come_may_change(
    catalogue: Catalogue, tmp_path: Path, today: date, step: Step
) -> None:
    with opened(tmp_path, today).change() as change:
        step(change)
    assert tuple(map(bare, catalogue.plans())) != (plan(),)


def test_an_ended_plan_makes_room_for_the_next(catalogue: Catalogue, tmp_path: Path) -> None:
    today = opened(tmp_path, BEGUN)
    with today.change() as change:
        change.end_plan("alice-orders")
        change.add_plan(replace(plan(), id="alice-more", first_day=BEGUN))
    with pytest.raises(OperatorError, match="no longer"), today.change() as change:
        change.end_plan("alice-orders", BEGUN + timedelta(days=1))
    ended = next(one for one in catalogue.plans() if one.id == "alice-orders")
    assert (ended.ended_on, ended.holds_on(BEGUN), ended.holds_on(BEGUN - timedelta(days=1))) == (
        BEGUN,
        False,
        True,
    )


def test_each_entering_of_a_plan_is_another_plan(catalogue: Catalogue) -> None:
    """P13, P22: entered again word for word it has another digest, so no approval it had; a change keeps the entry."""
    before = catalogue.plans()[0]
    assert len(before.entry) == 16
    with catalogue.change() as change:
        change.remove_plan(before.id)
        after = change.add_plan(before)
    assert catalogue.plans() == (after,)
    assert bare(after) == bare(before)
    assert plan_digest(after) != plan_digest(before)
    with catalogue.change() as change:
        changed = change.change_plan(replace(before, rate=0.1))
    assert (changed.entry, changed.rate) == (after.entry, 0.1)
    with catalogue.change() as change:
        assert change.change_plan(plan()) == after


def test_who_the_trainee_is_stands_in_what_is_approved(catalogue: Catalogue, tmp_path: Path) -> None:
    """P13, P22: a colleague's device, name or login in the trainee's row makes another text of each of their plans."""
    before = catalogue.plans()[0]
    for edit in (
        "INSERT INTO endpoints VALUES ('alice', 9, 'PJSIP/299')",
        "UPDATE endpoints SET endpoint = 'PJSIP/299' WHERE trainee = 'alice' AND position = 0",
        "DELETE FROM endpoints WHERE trainee = 'alice' AND position = 1",
        "UPDATE trainees SET member = 'Colleague' WHERE id = 'alice'",
        "UPDATE trainees SET login = 'colleague' WHERE id = 'alice'",
    ):
        by_hand(tmp_path, edit)
        after = catalogue.plans()[0]
        assert plan_digest(after) != plan_digest(before), edit
        before = after
    by_hand(tmp_path, "UPDATE trainees SET login = 'somebody' WHERE id = 'bob'")
    assert plan_digest(catalogue.plans()[0]) == plan_digest(before), "a control: another person's row"


def test_a_plan_nobody_could_read_to_its_end_is_refused(catalogue: Catalogue) -> None:
    """P13: a text beyond what an approval may have would stand in the way of all others that wait."""
    wide = replace(ORDERS, pause_titles=("Pay" * 60,) * 8)
    many = tuple(replace(wide, name=f"orders-{number}") for number in range(6))
    with catalogue.change() as change:
        for application in many:
            change.add_application(application)
        change.change_plan(replace(plan(), applications=many[:4]))
    assert len(plan_text(catalogue.plans()[0])) < MAX_ACT_CHARS
    with pytest.raises(OperatorError, match=r"P13.*fewer applications"), catalogue.change() as change:
        change.change_plan(replace(plan(), applications=many))


def test_every_row_of_a_plan_is_told_of(catalogue: Catalogue, tmp_path: Path) -> None:
    """P13: also of one that means nothing: its approval ends when it is gone, not when somebody damaged it."""
    (found,) = catalogue.plans()
    (row,) = catalogue.entered()
    assert row == Entered(found.id, found.entry, None)
    with opened(tmp_path, BEGUN).change() as change:
        change.end_plan(found.id, LAST)
    assert catalogue.entered() == (replace(row, ended_on=LAST),)
    by_hand(tmp_path, "UPDATE plans SET last_day = 'never', ended_on = NULL")
    assert catalogue.plans() == ()
    assert catalogue.entered() == (row,)
    by_hand(tmp_path, "UPDATE plans SET ended_on = 'never'")
    assert catalogue.entered() == (replace(row, ended_on=date.min),)
    by_hand(tmp_path, "DELETE FROM plan_applications", "DELETE FROM plans")
    assert catalogue.entered() == ()


def test_who_left_frees_their_devices_and_keeps_their_months(catalogue: Catalogue, tmp_path: Path) -> None:
    with opened(tmp_path, BEGUN).change() as change:
        change.retire_trainee(ALICE)
        change.add_trainee(Trainee(TraineeId("anna"), TRAINEES[0].endpoints, "", "alice"))
    assert catalogue.trainees()[0] == Trainee(ALICE, (), "", "")
    assert catalogue.plans()[0].ended_on == BEGUN


def test_slots_are_booked_and_cancelled(catalogue: Catalogue) -> None:
    slot = Slot(NINE, NINE + HOUR)
    with catalogue.change() as change:
        change.book_slot("alice-orders", slot)
    with pytest.raises(OperatorError, match="overlaps another"), catalogue.change() as change:
        change.book_slot("alice-orders", Slot(NINE + HOUR / 2, NINE + HOUR))
    assert catalogue.plans()[0].slots == (slot,)
    with catalogue.change() as change:
        change.cancel_slot("alice-orders", slot)
    assert catalogue.plans()[0].slots == ()
    with pytest.raises(OperatorError, match="no slot"), catalogue.change() as change:
        change.cancel_slot("alice-orders", slot)


def test_slots_of_days_that_are_over_are_forgotten(catalogue: Catalogue, tmp_path: Path) -> None:
    """P15: today's stay, also those that are over: they count against today's two hours."""
    today = NINE.astimezone().date()
    midnight = datetime.combine(today, time()).astimezone()
    yesterday, over_midnight = (
        Slot(midnight - HOUR, midnight),
        Slot(midnight - 26 * HOUR, midnight - 25 * HOUR),
    )
    early, later = Slot(midnight + HOUR / 2, midnight + HOUR), Slot(NINE + 24 * HOUR, NINE + 25 * HOUR)
    with catalogue.change() as change:
        for slot in (yesterday, over_midnight, early, later):
            change.book_slot("alice-orders", slot)
    before = catalogue.plans()[0]
    opened(tmp_path, today - timedelta(days=2)).forget_slots()
    assert catalogue.plans() == (before,)
    opened(tmp_path, today).forget_slots()
    assert catalogue.plans() == (replace(before, slots=(early, later)),)
    opened(tmp_path, today).forget_slots()
    assert catalogue.plans()[0].slots == (early, later)


# -- rows a hand wrote ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE plans SET rate = 1.0",
        "UPDATE plans SET rate = 'often'",
        "UPDATE plans SET need = 'appraisal'",
        "UPDATE plans SET last_day = '2030-01-01'",
        "UPDATE plans SET last_day = 'never'",
        "UPDATE plans SET trainee = 'nobody'",
        "UPDATE plans SET trainer = 'nobody'",
        "UPDATE plans SET approver = 'bruno'",
        "UPDATE plans SET recordings_per_week = 100",
        "UPDATE plan_applications SET application = 'mail'",
        "DELETE FROM plan_applications",
        "DELETE FROM trainees WHERE id = 'alice'",
        "UPDATE trainers SET review_minutes_per_week = 10000",
        "UPDATE applications SET executable = '/usr/bin/python3.11'",
        "UPDATE applications SET executable = x'00ff'",
        "UPDATE plans SET minutes_per_week = 'many'",
        "INSERT INTO masks VALUES ('orders', 0, 0, 0, 'wide', 1)",
        "INSERT INTO pause_titles VALUES ('orders', 0, x'00')",
        "INSERT INTO endpoints VALUES ('alice', 9, 9.5)",
        "INSERT INTO endpoints VALUES ('alice', 9, x'00')",
        "UPDATE trainees SET login = 'bob'",
        "INSERT INTO trainers VALUES ('alice', 1)",
        "INSERT INTO slots VALUES ('alice-orders', 0, 999999)",
        "INSERT INTO slots VALUES ('alice-orders', 9223372036854775807, 0)",
    ],
)
def test_a_row_that_breaks_a_rule_is_not_used_and_is_told(
    catalogue: Catalogue, tmp_path: Path, edit: str
) -> None:
    found, wrong = catalogue.read()
    assert sound(found).plans
    assert not wrong
    by_hand(tmp_path, edit)
    found, wrong = catalogue.read()
    assert not sound(found).plans
    assert wrong
    assert wrong[0].error().do


def test_a_fault_does_not_stand_in_the_way_of_mending_another(catalogue: Catalogue, tmp_path: Path) -> None:
    by_hand(tmp_path, "UPDATE plans SET rate = 1.0", "UPDATE trainers SET review_minutes_per_week = 10000")
    with catalogue.change() as change:
        change.change_trainer(Trainer("bruno", 60))
    with catalogue.change() as change:
        change.change_plan(plan())
    assert catalogue.read()[1] == ()


def by_hand(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "catalogue/catalogue.db")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_watch_sees_what_others_write(catalogue: Catalogue, tmp_path: Path) -> None:
    watch, other = catalogue.watch(), opened(tmp_path)
    assert not watch.changed()
    with other.change() as change:
        change.change_trainer(Trainer("bruno", 60))
    assert watch.changed()
    assert not watch.changed()
    by_hand(tmp_path, "UPDATE plans SET rate = 0.1")
    assert watch.changed()
    watch.close()


def test_a_backup_put_in_its_place_is_read_from_then_on(catalogue: Catalogue, tmp_path: Path) -> None:
    file, backup = tmp_path / "catalogue/catalogue.db", tmp_path / "backup.db"
    shutil.copyfile(file, backup)
    watch = catalogue.watch()
    with opened(tmp_path).change() as change:
        change.change_trainer(Trainer("bruno", 60))
    assert watch.changed()
    backup.replace(file)
    assert watch.changed()
    assert not watch.changed()
    assert catalogue.trainers() == (Trainer("bruno", 120),)
    with opened(tmp_path).change() as change:
        change.change_trainer(Trainer("bruno", 90))
    assert watch.changed()
    assert catalogue.trainers() == (Trainer("bruno", 90),)
    file.unlink()
    with pytest.raises(OperatorError, match="cannot be used"):
        watch.changed()
    assert not file.exists(), "nothing is made anew while it runs"
    watch.close()


def test_a_damaged_or_foreign_file_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    opened(tmp_path).close()
    by_hand(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(OperatorError, match="newer"):
        opened(tmp_path)
    (folder / "catalogue.db").write_bytes(b"not a database, and longer than a head of a hundred bytes" * 9)
    with pytest.raises(OperatorError, match="damaged"):
        opened(tmp_path)
    (folder / "catalogue.db").unlink()
    (folder / "catalogue.db").symlink_to("/etc/passwd")
    with pytest.raises(OperatorError, match="cannot open"):
        opened(tmp_path)


def test_plans_stand_alone(catalogue: Catalogue) -> None:
    """A control of `plan()`: the tables above change one thing of a plan that is good."""
    assert isinstance(plan(), Plan)
    assert catalogue.read()[1] == ()


GOOD: list[Step] = [
    lambda c: c.add_trainees([Trainee(TraineeId("x"), (), "", ""), Trainee(TraineeId("y"), (), "", "")]),
    lambda c: c.change_application(replace(ORDERS, masks=(Mask(0, 0, 9, 9),) * MAX_MASKS)),
    lambda c: c.change_application(replace(ORDERS, pause_titles=tuple(f"Pay{n}" for n in range(MAX_PAUSE_TITLES)))),
    lambda c: c.change_application(replace(ORDERS, masks=(Mask(-MAX_MASK_EDGE, MAX_MASK_EDGE, MAX_MASK_EDGE, 1),))),
    lambda c: c.change_application(replace(ORDERS, executable="/" + "x" * (PATH_LIMIT - 1))),
    lambda c: c.change_application(replace(ORDERS, wm_class="W" * CLASS_LIMIT)),
    lambda c: c.change_trainee(replace(TRAINEES[0], endpoints=tuple(f"SIP/{n}" for n in range(ENDPOINTS_LIMIT)))),
    lambda c: c.change_trainee(replace(TRAINEES[0], login="l" * LOGIN_LIMIT, member="m" * MEMBER_LIMIT)),
]  # fmt: skip
BEYOND: list[tuple[str, Step]] = [
    ("wm_class", lambda c: c.change_application(replace(ORDERS, wm_class="W" * (CLASS_LIMIT + 1)))),
    ("wm_class", lambda c: c.change_application(replace(ORDERS, wm_class="W\u202eX"))),
    ("executable", lambda c: c.change_application(replace(ORDERS, executable="/" + "x" * PATH_LIMIT))),
    ("main_program", lambda c: c.change_application(replace(ORDERS, main_program="/" + "x" * PATH_LIMIT))),
    ("P7", lambda c: c.change_application(replace(ORDERS, masks=(Mask(0, 0, MAX_MASK_EDGE + 1, 1),)))),
    ("P7", lambda c: c.change_application(replace(ORDERS, masks=(Mask(-MAX_MASK_EDGE - 1, 0, 1, 1),)))),
    ("P7", lambda c: c.change_application(replace(ORDERS, masks=(Mask(0, 0, 1, 0),)))),
    ("login", lambda c: c.change_trainee(replace(TRAINEES[0], login="l" * (LOGIN_LIMIT + 1)))),
]


@pytest.mark.parametrize("step", GOOD)
def test_up_to_its_limit_everything_is_taken(catalogue: Catalogue, step: Step) -> None:
    with catalogue.change() as change:
        step(change)
    assert catalogue.read()[1] == ()


@pytest.mark.parametrize(("said", "step"), BEYOND)
def test_one_more_is_refused(catalogue: Catalogue, said: str, step: Step) -> None:
    with pytest.raises(OperatorError, match=said), catalogue.change() as change:
        step(change)


def test_one_plan_at_a_time(catalogue: Catalogue) -> None:
    """P14: not even for one day; the day after is free, and so are the days of a plan that was ended before it began."""
    on_last = replace(plan(), id="on-last", first_day=LAST, last_day=LAST)
    for other in (on_last, replace(on_last, first_day=plan().first_day, last_day=plan().first_day)):
        with pytest.raises(OperatorError, match="P14"), catalogue.change() as change:
            change.add_plan(other)
    day = timedelta(days=1)
    with catalogue.change() as change:
        change.add_plan(replace(on_last, id="next", first_day=LAST + day, last_day=LAST + day))
    within = replace(plan(), id="within", first_day=BEGUN, last_day=BEGUN + day)
    with pytest.raises(OperatorError, match="P14"), catalogue.change() as change:
        change.add_plan(within)
    with catalogue.change() as change:
        change.add_plan(replace(within, ended_on=BEGUN))
    before = replace(
        within, id="before", first_day=BEGUN - day, last_day=LAST + 9 * day, ended_on=plan().first_day
    )
    with catalogue.change() as change:
        change.add_plan(before)
    assert catalogue.read()[1] == ()


def test_a_long_plan_meets_every_later_one(catalogue: Catalogue) -> None:
    """P14: also when a shorter one lies between."""
    day, first = timedelta(days=1), plan().first_day
    short = replace(plan(), id="short", first_day=first + 3 * day, last_day=first + 4 * day)
    later = replace(plan(), id="later", first_day=first + 9 * day, last_day=first + 9 * day)
    enrolled = replace(catalogue.enrolled(), plans=(plan(), short, later))
    assert {fault.where for fault in faults(enrolled)} == {f"plan {one.id!r}" for one in enrolled.plans}
