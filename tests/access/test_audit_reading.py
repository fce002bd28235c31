"""Who reads the audit log: the auditor all of it, a trainee what concerns them, nobody else; and the reading is recorded."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.access import audit_read
from pbx_bridge.access.audit import Access, open_log
from pbx_bridge.access.audit_read import AuditIndex
from pbx_bridge.access.checkpoint import parse_notes
from pbx_bridge.age import X25519Identity
from pbx_bridge.archive import audit_wire, opening_wire, recording_wire
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.wire_access import MAX_ACCESSES
from pbx_bridge.wire_audit import AuditLook, Looked
from pbx_bridge.wire_portal import Role
from tests.access.logs import ACCESSES, begun, lines_of, month_after, records_of, written
from tests.archive.house import House, Machine, house, manifest
from tests.archive.test_keeper import BRUNO, Desk

EMIL = X25519Identity.generate()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.log.close()


def seen(desk: Desk, trainee: str, before: int = 0) -> list[tuple[str, str, str]]:
    found = desk.ask(audit_wire.Accesses(trainee, before), audit_wire.AccessesFound)
    return [(line.who, line.act, line.outcome) for line in found.accesses]


# -- the trainee


def test_a_trainee_sees_who_opened_and_who_tried(desk: Desk) -> None:
    recording = desk.record().recording
    other = desk.record(manifest(trainee="bob", start=desk.now)).recording
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.refused(opening_wire.Open(token, recording, "too early"))
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    desk.ask(opening_wire.Open(token, recording, "first review"), words.Released)
    desk.refused(opening_wire.Open(token, other, "not yet"))
    theirs = desk.ask(audit_wire.Accesses("alice", 0), audit_wire.AccessesFound).accesses
    opened = [line for line in theirs if line.act == "open"]
    assert [(line.who, line.outcome, line.session) for line in opened] == [
        ("bruno", "granted", "first review"),
        ("bruno", "refused", "too early"),
    ]
    assert {line.recording for line in theirs if line.recording} == {recording}
    assert ("alice", "hand-over", "granted") in seen(desk, "alice")
    assert not [line for line in seen(desk, "alice") if line[1] in ("put", "finish")]
    assert seen(desk, "nobody") == []
    assert records_of(desk.folder)[-1]["act"] == "accesses"  # the looking too


def test_a_trainee_sees_that_their_trainers_key_changed(desk: Desk) -> None:
    """P22: the trainees concerned see it; those of other trainers do not."""
    desk.record()
    desk.join("bruno", Role.TRAINER, BRUNO)
    assert ("bruno", "join", "done") in seen(desk, "alice")
    assert seen(desk, "bob") == []


def test_the_list_comes_in_parts(desk: Desk) -> None:
    recording = desk.record().recording
    for n in range(MAX_ACCESSES + 5):
        desk.log.append(Access(f"bruno{n}", "open", recording, "refused"), desk.now)
    first = desk.ask(audit_wire.Accesses("alice", 0), audit_wire.AccessesFound)
    assert (len(first.accesses), first.more) == (MAX_ACCESSES, True)
    rest = desk.ask(audit_wire.Accesses("alice", first.accesses[-1].number), audit_wire.AccessesFound)
    assert [line.who for line in rest.accesses] == [f"bruno{n}" for n in (4, 3, 2, 1, 0)]
    assert not rest.more


def test_the_administrator_asks_for_a_request_and_is_recorded(desk: Desk) -> None:
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    found = desk.ask(audit_wire.AccessesOf("alice", 0), audit_wire.AccessesFound)
    assert [line.act for line in found.accesses] == ["hand-over"]
    last = records_of(desk.folder)[-1]
    assert (last["who"], last["act"], last["person"]) == ("(administrator)", "accesses", "alice")


def test_who_may_say_which_word() -> None:
    assert "accesses-of" not in wire.RECORDER
    assert not {"accesses", "audit"} & wire.ADMINISTRATOR.keys()


# -- the auditor


def test_the_auditor_reads_every_record(desk: Desk) -> None:
    token = desk.join("emil", Role.AUDITOR, EMIL).token
    page = desk.ask(audit_wire.Audit(token, 0), words.AuditPage)
    lines = b64decode(page.lines).splitlines(keepends=True)
    assert lines == lines_of(desk.folder)
    assert json.loads(lines[-1])["act"] == "audit"
    assert f"\n{len(lines)}\n" in page.checkpoint
    rest = desk.ask(audit_wire.Audit(token, 3), words.AuditPage)
    assert b64decode(rest.lines).splitlines(keepends=True) == lines_of(desk.folder)[3:]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.AUDITOR])
def test_nobody_else_reads_it(desk: Desk, role: Role) -> None:
    token = desk.join("bruno", role, BRUNO).token
    assert desk.refused(audit_wire.Audit(token, 0)).word == "role"
    last = records_of(desk.folder)[-1]
    assert (last["who"], last["act"], last["outcome"]) == ("bruno", "audit", "refused")


def test_an_auditor_whose_key_waits_reads_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, confirms=False)
    token = desk.join("emil", Role.AUDITOR, EMIL).token
    assert desk.refused(audit_wire.Audit(token, 0)).word == "role"
    desk.log.close()


# -- a look at some of it


def looked(
    desk: Desk, token: bytes, since: int = 0, until: int = 1 << 40, act: str = "", before: int = 0
) -> AuditLook:
    return desk.ask(audit_wire.AuditLooked(token, Looked(since, until, act, before)), AuditLook)


def test_the_auditor_looks_by_time_and_kind_newest_first(desk: Desk) -> None:
    token = desk.join("emil", Role.AUDITOR, EMIL).token
    for n in range(3):
        desk.now += 100
        desk.log.append(Access(f"bruno{n}", "open", "a" * 26, "refused", "role", "review"), desk.now)
    found = looked(desk, token, act="open")
    assert [record.who for record in found.records] == ["bruno2", "bruno1", "bruno0"]
    assert (found.more, found.next, found.first) == (False, 0, 1)
    assert [record.session for record in found.records] == ["review"] * 3
    assert [r.who for r in looked(desk, token, since=desk.now - 100, until=desk.now, act="open").records] == [
        "bruno1"
    ]
    assert {"open", "audit", "join", "invite"} <= set(found.acts)
    assert looked(desk, token, act="nothing").records == ()
    (note,) = parse_notes(found.checkpoint)
    assert note.number == found.records[0].number + 1, "the look itself is the newest"
    last = records_of(desk.folder)[-1]
    assert (last["who"], last["act"], last["outcome"], last["reason"]) == ("emil", "audit", "done", "look")


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.AUDITOR])
def test_nobody_else_looks(desk: Desk, role: Role) -> None:
    token = desk.join("bruno", role, BRUNO).token
    assert desk.refused(audit_wire.AuditLooked(token, Looked(0, 1 << 40, "", 0))).word == "role"
    last = records_of(desk.folder)[-1]
    assert (last["who"], last["act"], last["outcome"]) == ("bruno", "audit", "refused")


def test_there_is_nothing_to_ask_for_a_person_by() -> None:
    assert set(Looked.__dataclass_fields__) == {"since", "until", "act", "before"}


def paged(index: AuditIndex, act: str = "", most: int = 7, since: int = 0, until: int = 1 << 40) -> list[int]:
    """Every number that comes, page by page."""
    came: list[int] = []
    before = 0
    while True:
        found = index.look(since, until, act, before, most)
        came += [int(record["n"]) for record in found.records]
        if not (before := found.next):
            return came


@pytest.mark.parametrize("budget", [1, 2_000, 1 << 30])
def test_every_record_is_looked_at_once_whatever_one_look_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    """Over segments, blocks that are not full, and looks that stop before they found anything."""
    monkeypatch.setattr(audit_read, "EACH", 4)
    monkeypatch.setattr(audit_read, "MAX_READ_BYTES", budget)
    for months in range(5):
        written(tmp_path, month_after(months))
    log = open_log(tmp_path)
    log.append(Access("dora", "approve", person="alice"), month_after(5))
    index = AuditIndex(tmp_path / "audit")
    assert paged(index) == list(range(31, 0, -1))
    assert paged(index, most=1) == list(range(31, 0, -1))
    assert paged(index, "open") == list(range(30, 0, -1))
    assert paged(index, "approve") == [31]
    assert paged(index, since=month_after(2), until=month_after(2) + 3) == [15, 14, 13]
    log.forget(month_after(13))
    assert paged(index, "open") == list(range(30, 6, -1)), "a month that went is not listed"
    assert index.first() == 7
    assert "2026-11" not in index.months()
    log.append(Access("eve", "open"), month_after(13))
    log.close()
    assert paged(index, "open")[:2] == [33, 30], "what was written since"
    assert paged(AuditIndex(tmp_path / "audit"), "open") == paged(index, "open")


# -- pages and places


@pytest.mark.parametrize("most", [1, 1_000, 1 << 20])
def test_every_record_comes_once_over_segments(tmp_path: Path, most: int) -> None:
    for months in range(60):
        written(tmp_path, month_after(months))
    index, came = AuditIndex(tmp_path / "audit"), list[bytes]()
    while page := index.page(len(came), max(most, 600)):
        came += page.splitlines(keepends=True)
    assert came == lines_of(tmp_path)
    assert index.page(358, 1 << 20).count(b"\n") == 2
    log = open_log(tmp_path)
    log.append(ACCESSES[0], month_after(59))
    assert index.page(360, 1 << 20).count(b"\n") == 1  # what was written since
    log.forget(month_after(60))
    log.close()
    assert index.page(300, 1 << 20).splitlines(keepends=True)[-1] == lines_of(tmp_path)[-1]


def test_an_index_made_later_begins_where_the_log_does(tmp_path: Path) -> None:
    for months in range(3):
        written(tmp_path, month_after(months))
    log = open_log(tmp_path)
    log.forget(month_after(13))
    log.close()
    index = AuditIndex(tmp_path / "audit")
    assert index.page(0, 1 << 20).splitlines(keepends=True) == lines_of(tmp_path)
    assert index.page(12, 1 << 20).splitlines(keepends=True) == lines_of(tmp_path)[6:]


def test_what_went_is_not_listed(tmp_path: Path) -> None:
    index = AuditIndex(tmp_path / "audit")
    for months in range(3):
        written(tmp_path, month_after(months))
    assert len(index.concerning({"a" * 26}, set(), 0, 100)[0]) == 18
    log = open_log(tmp_path)
    log.forget(month_after(13))
    log.close()
    assert [r["n"] for r in index.concerning({"a" * 26}, set(), 0, 100)[0]] == list(range(18, 6, -1))


# -- on the auditor's own machine


async def joined(home: House, folder: Path, role: Role = Role.AUDITOR) -> Machine:
    machine = Machine(folder)
    code = await home.invite("emil", role)
    done = await asyncio.to_thread(
        machine.run, "join", home.url, "--code", code, "--identity-file", str(machine.identity)
    )
    assert done.code == 0, done.err
    await home.confirm("emil")
    return machine


async def test_the_auditors_machine_copies_continues_and_verifies(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.record(b"call")
        machine = await joined(home, tmp_path / "machine")
        copy = tmp_path / "machine" / "copy.jsonl"
        done = await asyncio.to_thread(machine.run, "audit-log", "--to", str(copy), "--show")
        assert done.code == 0, done.err
        assert "(bridge) put" in done.out
        first = copy.read_bytes().splitlines(keepends=True)
        assert first == lines_of(home.folder / "keeper")
        assert copy.stat().st_mode & 0o777 == 0o600
        await home.record(b"another call")
        done = await asyncio.to_thread(machine.run, "audit-log", "--to", str(copy), "--json")
        assert done.code == 0, done.err
        assert copy.read_bytes().splitlines(keepends=True) == lines_of(home.folder / "keeper")
        assert len(done.out.splitlines()) == len(lines_of(home.folder / "keeper")) - len(first)

        # the whole machine is set back, and goes on
        home.end_keeper()
        await home.link.close()
        keeper = home.folder / "keeper"
        shutil.copytree(keeper, tmp_path / "later")
        for path in sorted((keeper / "audit").glob("*.jsonl")):
            path.write_bytes(b"".join(first))
        (keeper / "audit" / "head").unlink()
        (keeper / "audit" / "head").write_bytes(begun(keeper, len(first)))
        await home.start_keeper()
        await home.record(b"a third call")
        for _ in range(2):
            done = await asyncio.to_thread(machine.run, "audit-log", "--to", str(copy))
            assert done.code == 1
            assert "record" in done.err
        home.end_keeper()

        # begun anew, with another key, where no keeper has lived: in its own place it would not start
        await home.link.close()
        shutil.rmtree(keeper / "audit")
        open_log(tmp_path / "anew").close()
        (tmp_path / "anew/audit").rename(keeper / "audit")
        (tmp_path / "anew/audit.key").replace(keeper / "audit.key")
        await home.start_keeper()
        done = await asyncio.to_thread(machine.run, "audit-log", "--to", str(copy))
        assert done.code == 1
        assert "another key" in done.err


async def test_a_damaged_copy_is_not_blamed_on_the_bridge(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        machine = await joined(home, tmp_path / "machine")
        copy = tmp_path / "copy.jsonl"
        assert (await asyncio.to_thread(machine.run, "audit-log", "--to", str(copy))).code == 0
        copy.write_bytes(copy.read_bytes().replace(b"emil", b"olga", 1))
        done = await asyncio.to_thread(machine.run, "audit-log", "--to", str(copy))
        assert (done.code, "copy is damaged" in done.err) == (2, True)


async def test_a_trainer_gets_none_of_it(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        machine = await joined(home, tmp_path / "machine", Role.TRAINER)
        done = await asyncio.to_thread(machine.run, "audit-log", "--to", str(tmp_path / "copy"))
        assert (done.code, "only the auditor" in done.err) == (1, True)
        assert not (tmp_path / "copy").exists()


# -- whether it can be written


def test_the_keeper_says_when_the_next_access_cannot_be_recorded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> str:
        return desk.ask(audit_wire.Writable(), audit_wire.WritableNow).fault

    desk.record()
    assert fault() == ""
    before = len(records_of(desk.folder))
    (path,) = (desk.folder / "audit").glob("*.jsonl")
    path.rename(desk.folder / "away")
    assert "No such file" in fault()
    (desk.folder / "away").rename(path)
    assert fault() == ""
    assert len(records_of(desk.folder)) == before  # nothing failed yet: nothing is noted

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        assert desk.refused(audit_wire.Accesses("alice", 0)).word == "audit-unwritable"
        assert "Input/output error" in fault()
    assert fault() == ""
    assert records_of(desk.folder)[-1]["act"] == "unwritable"
    assert fault() == ""
    assert len(records_of(desk.folder)) == before + 1


async def test_the_bridge_is_told_all_of_it_over_the_socket(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        made = await home.record(b"call")
        assert await home.link.backlog()
        await home.link.hand_over(made.recording, "alice")
        for found in (await home.link.accesses("alice"), await home.link.accesses_of("alice")):
            assert ("hand-over", made.recording) in {(line.act, line.recording) for line in found.accesses}
        assert (await home.link.pulse()).high > 0
        (segment,) = (home.folder / "keeper" / "audit").glob("*.jsonl")
        assert await home.link.audit_fault() == ""
        segment.rename(tmp_path / "away")
        assert "No such file" in await home.link.audit_fault()
