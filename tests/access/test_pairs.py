"""P18, P22: every person and every recording, while somebody edits the catalogue by hand.

A real catalogue file, real keeper, every role, proven keys. The catalogue is edited with SQL as its owner could: owners,
dates, plans, assignments, capacities. What opens before opens after, nothing else does, and what the edited plans
would record is drawn by nobody and its key taken by nobody.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbx_bridge import wire_portal as words
from pbx_bridge.age import X25519Identity, seal_bytes
from pbx_bridge.app_recordings import first_manifest
from pbx_bridge.archive import office_wire, opening_wire, recording_wire
from pbx_bridge.archive.manifest import Manifest
from pbx_bridge.archive.rules import DAY_S, Keeping
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.database import FILE
from pbx_bridge.catalogue.enrolled import sound
from pbx_bridge.catalogue.recordings import Noted
from pbx_bridge.ids import RecordingId, TraineeId, new_recording_id
from pbx_bridge.training.decision import decide
from pbx_bridge.training.plans import (
    Application,
    Draw,
    Need,
    Plan,
    Trainee,
    Trainer,
    capacity_text,
    plan_digest,
    plan_text,
)
from pbx_bridge.training.standing import Standing
from pbx_bridge.wire_portal import Act, Deed, Refused, Role
from tests.archive.test_keeper import NOON, RECORDER, Desk

TODAY = datetime.fromtimestamp(NOON, UTC).date()
PEOPLE = {
    "carla": (Role.APPROVER, Role.AUDITOR),
    "alice": (Role.TRAINEE,),
    "bea": (Role.TRAINEE,),
    "bruno": (Role.TRAINER,),
    "berta": (Role.TRAINER,),
    "dora": (Role.APPROVER, Role.TRAINER),
    "emil": (Role.AUDITOR,),
    "ada": (Role.ADMINISTRATOR,),
}
"""carla first: she confirms the others."""
KEYS = {name: X25519Identity.generate() for name in PEOPLE}
OWNERS = {"alice": "bruno", "bea": "berta"}
EDITS = (
    "UPDATE plans SET trainer = 'berta' WHERE id = 'alice-orders'",
    "UPDATE plans SET trainer = 'dora' WHERE id = 'alice-orders'",
    "UPDATE plans SET trainee = 'bea' WHERE id = 'alice-orders'",
    "UPDATE plans SET trainee = 'alice' WHERE id = 'bea-orders'",
    "UPDATE plans SET approver = 'bruno'",
    "UPDATE plans SET approver = 'dora', trainer = 'dora'",
    "UPDATE plans SET last_day = '2027-02-20' WHERE id = 'alice-orders'",
    "UPDATE plans SET first_day = '2026-08-01'",
    "UPDATE plans SET rate = 0.25, recordings_per_week = 5, minutes_per_week = 60",
    "UPDATE plans SET id = 'other' WHERE id = 'bea-orders'",
    "UPDATE trainers SET review_minutes_per_week = 600",
    "UPDATE applications SET executable = '/usr/bin/mail'",
    "UPDATE applications SET wm_class = 'Mail'",
    "DELETE FROM plans WHERE id = 'alice-orders'",
    "INSERT INTO trainees VALUES ('bruno', '', 'bruno'), ('ada', '', 'ada')",
    "INSERT INTO trainers VALUES ('ada', 600), ('alice', 600)",
    "INSERT INTO endpoints VALUES ('alice', 0, 'PJSIP/299')",
    "UPDATE trainees SET login = 'colleague' WHERE id = 'alice'",
    "UPDATE trainees SET member = 'Colleague'",
    "UPDATE plans SET entry = '00'",
    "UPDATE recordings SET trainee = 'bea' WHERE trainee = 'alice'",
    "UPDATE recordings SET trainee = 'ada'",
)


@dataclass
class Site:
    """A keeper, its people, and a catalogue beside it."""

    folder: Path
    desk: Desk = field(init=False)
    catalogue: Catalogue = field(init=False)
    recordings: dict[RecordingId, tuple[str, bool]] = field(default_factory=dict)
    """Whose, and whether handed over."""

    def __post_init__(self) -> None:
        self.desk = Desk(self.folder, confirms=False)
        self.catalogue = _catalogue(self.folder)
        for name, roles in PEOPLE.items():
            self._join(name, roles)
        for text in (*map(plan_text, self.catalogue.plans()), *map(capacity_text, self.catalogue.trainers())):
            self.desk.act(KEYS["carla"], Act(Deed.APPROVE, "", text))
        self.tokens = {name: self.desk.prove(key).token for name, key in KEYS.items()}

    def _join(self, name: str, roles: Sequence[Role]) -> None:
        proven = self.desk.prove(
            KEYS[name], self.desk.keeper.handle(office_wire.Invite(name, tuple(roles))).code
        )
        if not proven.confirmed:
            self.desk.act(KEYS["carla"], Act(Deed.CONFIRM, name, str(KEYS[name].recipient())))

    def record(self, plan: Plan, *, handed: bool) -> None:
        made = self.desk.record(self.described(plan)).recording
        if handed:
            self.desk.keeper.handle(recording_wire.HandOver(made, plan.trainee))
        self.recordings[made] = plan.trainee, handed
        self.catalogue.recordings.note(Noted(made, plan.trainee, "call", "11" * 32, "22" * 32, self.desk.now))

    def described(self, plan: Plan) -> Manifest:
        """As the bridge describes a recording it begins now by this plan."""
        return first_manifest(new_recording_id(), plan.trainee, plan, self.desk.now, Keeping(), "")

    def opens(self) -> set[tuple[str, RecordingId]]:
        """All pairs, and whoever is granted gets the right key."""
        found = set()
        for name, token in self.tokens.items():
            listed = {i.recording for i in self.desk.ask(opening_wire.List(token), words.Items).items}
            assert listed == {
                r for r, (owner, _) in self.recordings.items() if name in (owner, OWNERS[owner])
            }
            for recording in (*self.recordings, *map(_near, self.recordings), new_recording_id()):
                word, released = self.tried(opening_wire.Open(token, recording, "review of Friday"))
                if released is not None:
                    assert self.desk.file_key(released, KEYS[name]) == self.desk.file_keys[recording]
                    found.add((name, recording))
                else:
                    assert word == ("trainee-first" if recording in listed else "unknown")
        return found

    def tried(self, request: opening_wire.Open) -> tuple[str, words.Released | None]:
        """The refusal's word, or what was released."""
        try:
            return "", self.desk.ask(request, words.Released)
        except Refused as no:
            return no.word, None

    def rightful(self) -> set[tuple[str, RecordingId]]:
        own = {(owner, recording) for recording, (owner, _) in self.recordings.items()}
        return own | {(OWNERS[owner], r) for r, (owner, handed) in self.recordings.items() if handed}


def _catalogue(folder: Path) -> Catalogue:
    catalogue = Catalogue.open(folder / "catalogue", today=lambda: TODAY)
    with catalogue.change() as change:
        application = Application("orders", "/opt/orders/orders", None, "Orders")
        change.add_application(application)
        for trainee, trainer in OWNERS.items():
            change.add_trainer(Trainer(trainer, 120))
            change.add_trainee(Trainee(TraineeId(trainee), (), "", trainee))
            change.add_plan(_plan(trainee, trainer, application))
    return catalogue


def _edit(folder: Path, statements: Sequence[str]) -> None:
    """By hand, past every check. A row that cannot even be written is left out."""
    with sqlite3.connect(folder / "catalogue" / FILE) as database:
        for statement in statements:
            try:
                database.execute(statement)
            except sqlite3.IntegrityError:
                continue
    database.close()


def _plan(trainee: str, trainer: str, application: Application) -> Plan:
    return Plan(
        f"{trainee}-orders", TraineeId(trainee), (application,), Need.NEW_IN_POST, trainer, "carla",
        TODAY - timedelta(days=1), TODAY + timedelta(days=30), 0.05, 2, 20,
    )  # fmt: skip


def _near(recording: RecordingId) -> RecordingId:
    """A guess: one character off."""
    return RecordingId(recording[:-1] + ("a" if recording[-1] != "a" else "b"))


def _drawn(plans: Sequence[Plan], trainers: Sequence[Trainer], approved: frozenset[str]) -> list[Plan]:
    """By which plans a call of anybody would be recorded today, if the chance fell that way."""
    standing = Standing(approved, {}, {trainer.id: trainer for trainer in trainers}, {}, {})
    now = datetime.fromtimestamp(NOON, UTC)
    decisions = (decide(plans, trainee, now, standing, (), 0.0) for trainee in {p.trainee for p in plans})
    return [decision.plan for decision in decisions if isinstance(decision, Draw)]


@given(
    edits=st.lists(st.sampled_from(EDITS), min_size=1, max_size=4, unique=True),
    handed=st.lists(st.booleans(), min_size=3, max_size=3),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_pairs_whatever_the_catalogue_says(
    tmp_path_factory: pytest.TempPathFactory, edits: list[str], handed: list[bool]
) -> None:
    site = Site(tmp_path_factory.mktemp("site"))
    plans = site.catalogue.plans()
    for plan, hand in zip((*plans, plans[0]), handed, strict=True):
        site.record(plan, handed=hand)
    assert site.opens() == site.rightful()
    _edit(site.folder, edits)
    assert site.opens() == site.rightful()
    _nothing_new_is_recorded(site, {plan_digest(plan) for plan in plans})
    site.desk.open()  # the keeper is started again: tokens end, rights stay
    site.tokens = {name: site.desk.prove(key).token for name, key in KEYS.items()}
    assert site.opens() == site.rightful()
    site.catalogue.close()
    site.desk.log.close()


def _nothing_new_is_recorded(site: Site, approved: set[str]) -> None:
    """Neither by the bridge's decision, nor by a bridge that does not ask it."""
    enrolled = site.catalogue.enrolled()
    digests = frozenset(site.desk.ask(office_wire.Approvals(), office_wire.Approved).digests)
    found = sound(enrolled)
    assert {plan_digest(plan) for plan in _drawn(found.plans, found.trainers, digests)} <= approved
    key = seal_bytes(str(X25519Identity.generate()).encode(), [site.desk.identity.recipient]).hex()
    for plan in enrolled.plans:
        if plan_digest(plan) not in approved:
            no = site.desk.refused(recording_wire.Put(RECORDER.sign(site.described(plan)), key))
            assert no.word == Reason.NOT_APPROVED.value


@pytest.mark.parametrize("statement", EDITS)
def test_each_edit_is_one(tmp_path: Path, statement: str) -> None:
    """A control: every statement above does change the catalogue."""
    catalogue = _catalogue(tmp_path)
    noted = Noted(new_recording_id(), TraineeId("alice"), "call", "11" * 32, "22" * 32, NOON)
    catalogue.recordings.note(noted)
    before = (catalogue.read(), catalogue.recordings.all())
    _edit(tmp_path, [statement])
    assert (catalogue.read(), catalogue.recordings.all()) != before
    catalogue.close()


def test_a_plan_that_was_not_edited_is_drawn_and_recorded(tmp_path: Path) -> None:
    """A control: without an edit both plans are drawn, and the keeper takes their recordings."""
    site = Site(tmp_path)
    digests = frozenset(site.desk.ask(office_wire.Approvals(), office_wire.Approved).digests)
    plans, trainers = site.catalogue.plans(), site.catalogue.trainers()
    assert set(_drawn(plans, trainers, digests)) == set(plans)
    for plan in plans:
        site.record(plan, handed=True)
    assert site.opens() == site.rightful()
    site.desk.now += 70 * DAY_S  # the assignments are over, and the time of keeping
    site.tokens = {name: site.desk.prove(key).token for name, key in KEYS.items()}
    for name, recording in site.rightful():
        request = opening_wire.Open(site.tokens[name], recording, "review")
        assert site.desk.refused(request).word in ("unknown", "expired", "not-kept")
    site.catalogue.close()
    site.desk.log.close()


def test_a_stolen_name_opens_nothing(tmp_path: Path) -> None:
    """The administrator invites himself as every person there is, with a key of his own each time."""
    site = Site(tmp_path)
    for plan in site.catalogue.plans():
        site.record(plan, handed=True)
    for name, roles in PEOPLE.items():
        mallory = X25519Identity.generate()
        token = site.desk.prove(mallory, site.desk.keeper.handle(office_wire.Invite(name, roles)).code).token
        for recording in site.recordings:
            word = site.desk.refused(opening_wire.Open(token, recording, "review")).word
            assert word == "key-unconfirmed"
        assert site.desk.refused(opening_wire.List(token)).word == "key-unconfirmed"
        with pytest.raises(Refused):
            site.desk.act(mallory, Act(Deed.CONFIRM, name, str(mallory.recipient())))
    assert site.opens() == site.rightful()
    site.catalogue.close()
    site.desk.log.close()
