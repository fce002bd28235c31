"""A look at a list is on record before it is answered, and a turned page is not another look (P19)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access
from pbx_bridge.access.looks import MAX_LOOKS, ONE_LOOK_S, Looks
from pbx_bridge.age import X25519Identity
from pbx_bridge.archive import audit_wire, office_wire, opening_wire, recording_wire, rights_wire
from pbx_bridge.wire_audit import AuditLook, Looked
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_rights import Visitor
from tests.access.logs import records_of
from tests.archive.house import manifest
from tests.archive.test_keeper import ALICE, BRUNO, NOON, Desk

BEA = X25519Identity.generate()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.log.close()


def looks_of(desk: Desk) -> list[tuple[str, str, int]]:
    kinds = ("list", "own", "accesses", "training")
    return [(r["who"], r["act"], r["at"] - NOON) for r in records_of(desk.folder) if r["act"] in kinds]


def test_who_looks_twice_within_a_minute_is_recorded_once(desk: Desk) -> None:
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    for passed in (0, 1, ONE_LOOK_S - 1, ONE_LOOK_S, ONE_LOOK_S + 1, 2 * ONE_LOOK_S):
        desk.now = NOON + passed
        desk.ask(opening_wire.List(alice), words.Items)
    assert looks_of(desk) == [("alice", "list", at) for at in (0, ONE_LOOK_S, 2 * ONE_LOOK_S)]


def test_another_person_and_another_kind_of_look_have_their_own_record(desk: Desk) -> None:
    tokens = {
        "alice": desk.join("alice", Role.TRAINEE, ALICE).token,
        "bea": desk.join("bea", Role.TRAINEE, BEA).token,
        "bruno": desk.join("bruno", Role.TRAINER, BRUNO).token,
    }
    for _ in range(3):
        for token in tokens.values():
            desk.ask(opening_wire.List(token), words.Items)
        desk.ask(rights_wire.Who(tokens["alice"]), Visitor)
        desk.ask(rights_wire.OwnAccesses(tokens["alice"], 0), audit_wire.AccessesFound)
        desk.ask(office_wire.Training(tokens["bruno"]), office_wire.Week)
    once = [(name, "list", 0) for name in tokens]
    assert looks_of(desk) == [*once, ("alice", "own", 0), ("alice", "accesses", 0), ("bruno", "training", 0)]


def test_an_auditor_who_turns_pages_of_the_log_is_recorded_once_a_minute_and_a_copy_each_time(
    desk: Desk,
) -> None:
    """By whatever time and kind they look; a copy that leaves the house is no look."""
    emil = desk.join("emil", Role.AUDITOR, BEA).token
    for passed in (0, 1, ONE_LOOK_S - 1, ONE_LOOK_S):
        desk.now = NOON + passed
        desk.ask(audit_wire.AuditLooked(emil, Looked(0, 1 << 40, "", passed)), AuditLook)
        desk.ask(audit_wire.Audit(emil, 0), words.AuditPage)
    audits = [(r["reason"], r["at"] - NOON) for r in records_of(desk.folder) if r["act"] == "audit"]
    assert [at for reason, at in audits if reason == "look"] == [0, ONE_LOOK_S]
    assert [at for reason, at in audits if reason != "look"] == [0, 1, ONE_LOOK_S - 1, ONE_LOOK_S]


def test_a_refused_look_and_a_deed_are_recorded_each_time(desk: Desk) -> None:
    bruno = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.confirms = False
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    for _ in range(3):
        assert desk.refused(opening_wire.List(alice)).word == "key-unconfirmed"
        desk.ask(office_wire.Book(bruno, "alice-orders", False), office_wire.Booker)
    assert [r["outcome"] for r in records_of(desk.folder) if r["act"] == "list"] == ["refused"] * 3
    assert len([r for r in records_of(desk.folder) if r["act"] == "book-slot"]) == 3


def test_no_log_no_look_though_one_of_the_same_minute_is_on_record(desk: Desk) -> None:
    """P19: what speaks for the next looks is a log that can be written."""
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    desk.ask(opening_wire.List(alice), words.Items)
    (segment,) = (desk.folder / "audit").glob("*.jsonl")
    os.rename(segment, segment.with_suffix(".gone"))
    assert desk.refused(opening_wire.List(alice)).word == "audit-unwritable"
    os.rename(segment.with_suffix(".gone"), segment)
    desk.ask(opening_wire.List(alice), words.Items)


def test_a_log_that_failed_is_written_before_the_next_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    desk.ask(opening_wire.List(alice), words.Items)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        assert desk.refused(office_wire.Training(alice)).word == "audit-unwritable"
    desk.ask(opening_wire.List(alice), words.Items)
    assert looks_of(desk) == [("alice", "list", 0), ("alice", "list", 0)]


def test_a_clock_that_was_set_back_speaks_for_nothing() -> None:
    looks, look = Looks(), Access("alice", "list")
    looks.recorded(look, 100)
    assert [now for now in (99, 100, 159, 160) if looks.covers(look, now)] == [100, 159]


def test_a_crowd_is_recorded_more_often_and_never_less() -> None:
    looks = Looks()
    crowd = [Access(f"t{number}", "list") for number in range(MAX_LOOKS + 1)]
    for look in crowd:
        looks.recorded(look, 0)
    assert [look for look in crowd if not looks.covers(look, 1)] == crowd[:1]


def test_a_trainer_is_told_what_waits_for_them_and_for_nobody_else(desk: Desk) -> None:
    """P15: sealed, and neither reviewed nor destroyed."""
    made = [desk.record(manifest(start=desk.now)), desk.record(manifest(trainee="bea", start=desk.now))]
    desk.record(manifest(trainee="carl", trainer="carla", start=desk.now))
    bruno = desk.join("bruno", Role.TRAINER, BRUNO).token
    waiting = [desk.ask(office_wire.Training(bruno), office_wire.Week)]
    desk.keeper.handle(recording_wire.HandOver(made[0].recording, "alice"))
    desk.keeper.handle(opening_wire.Review(bruno, made[0].recording, "first session"))
    waiting.append(desk.ask(office_wire.Training(bruno), office_wire.Week))
    assert waiting == [office_wire.Week("bruno", 120_000), office_wire.Week("bruno", 60_000)]
