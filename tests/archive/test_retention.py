"""P20 with a clock turned by hand: what ends is destroyed, stays destroyed whatever is restored, and the count agrees."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pbx_bridge import app_retention
from pbx_bridge import wire_portal as words
from pbx_bridge.app_retention import Retention, last_count
from pbx_bridge.archive import opening_wire, recording_wire, retention_wire, rights_wire
from pbx_bridge.archive.book import KEPT_DAYS
from pbx_bridge.archive.keeper_process import KeeperSettings, open_keeper
from pbx_bridge.archive.keeper_server import KeeperServer
from pbx_bridge.archive.retention import Balance, balance
from pbx_bridge.archive.rules import DAY_S, Keeping, not_after
from pbx_bridge.archive.witness import Witness
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.recordings import Noted
from pbx_bridge.ids import RecordingId, TraineeId, new_recording_id
from pbx_bridge.wire_json import canonical
from pbx_bridge.wire_portal import KeeperUnreachable, Refused, Role
from pbx_bridge.wire_rights import Party, Right
from tests.archive.house import House, manifest, opened_by_age
from tests.archive.test_keeper import ALICE, BRUNO, NOON, RECORDER, Desk

PURGE = retention_wire.Purge(dry_run=False, by_hand=False)
UNREVIEWED_AT = NOON + 14 * DAY_S


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.log.close()


def purged(desk: Desk, *, dry_run: bool = False) -> dict[RecordingId, str]:
    found = desk.ask(retention_wire.Purge(dry_run, by_hand=False), retention_wire.Purged)
    return {one.recording: one.reason for one in found.gone}


def key(desk: Desk, recording: RecordingId) -> Path:
    return desk.folder / "keystore" / f"{recording}.key"


def count(desk: Desk) -> tuple[int, ...]:
    """recorded, destroyed, present; missing, risen, unknown."""
    c = desk.ask(retention_wire.Reconcile(), retention_wire.Reconciled)
    return c.recorded, c.destroyed, c.present, c.missing, c.risen, c.unknown


# -- by time


def test_what_nobody_reviewed_is_destroyed_after_fourteen_days(desk: Desk) -> None:
    recording = desk.record().recording
    desk.now = UNREVIEWED_AT - 1
    assert purged(desk) == {}
    assert key(desk, recording).exists()
    desk.now += 1
    assert purged(desk, dry_run=True) == {recording: "unreviewed"}
    assert key(desk, recording).exists()
    with open(key(desk, recording), "rb") as held:
        before = held.read()
        assert purged(desk) == {recording: "unreviewed"}
        held.seek(0)
        assert held.read()[:64] != before[:64]
    assert not key(desk, recording).exists()
    assert desk.audited()[-1] == ("(keeper)", "destroy", "done", "unreviewed")
    assert purged(desk) == {}


def test_what_was_reviewed_is_destroyed_seven_days_later(desk: Desk) -> None:
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    desk.now += 10 * DAY_S
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.keeper.handle(opening_wire.Review(token, recording, "second session"))
    desk.now = NOON + 17 * DAY_S - 1
    assert purged(desk) == {}
    desk.now += 1
    assert purged(desk) == {recording: "reviewed"}


def test_a_call_without_an_end_ends_too(desk: Desk) -> None:
    """A bridge that died for good leaves a key of an unfinished recording: it goes like the others."""
    described = manifest(start=desk.now)
    desk.put(described)
    desk.now = UNREVIEWED_AT
    assert purged(desk) == {described.recording: "unreviewed"}


def test_many_end_in_several_answers_the_longest_due_first(desk: Desk) -> None:
    made = []
    for _ in range(retention_wire.MAX_PURGED + 1):
        made.append(desk.record().recording)
        desk.now += 1
    desk.now += 14 * DAY_S
    first = desk.ask(PURGE, retention_wire.Purged)
    assert [one.recording for one in first.gone] == made[: retention_wire.MAX_PURGED]
    assert first.more
    second = desk.ask(PURGE, retention_wire.Purged)
    assert ([one.recording for one in second.gone], second.more) == (made[retention_wire.MAX_PURGED :], False)


def test_an_edited_entry_lives_no_longer(desk: Desk) -> None:
    """Somebody moves the start and the end of a manifest into the future by hand: the book knows when it was put."""
    recording = desk.record().recording
    path = desk.folder / "keystore" / f"{recording}.json"
    entry, mac = json.loads(path.read_text().splitlines()[0]), path.read_text().splitlines()[1]
    later = NOON + 100 * DAY_S
    edited = replace(manifest(recording, start=later), not_after=not_after(later, Keeping()))
    entry["signed"]["text"] = RECORDER.sign(edited).text
    entry["reviewed_at"] = later
    entry["suspended_until"] = later
    path.write_text(f"{canonical(entry).decode()}\n{mac}\n")
    desk.open()
    desk.now = UNREVIEWED_AT
    assert purged(desk) == {recording: "unreviewed"}


def restriction(recording: RecordingId, until: int) -> rights_wire.OpenRequest:
    """A request that keeps it until then."""
    return rights_wire.OpenRequest(Right.RESTRICTION, Party.CUSTOMER, "", (recording,), "", until)


def test_what_suspends_destruction_opens_nothing_and_ends(desk: Desk) -> None:
    recording = desk.record().recording
    desk.keeper.handle(restriction(recording, NOON + 40 * DAY_S))
    desk.open()
    desk.now = NOON + 40 * DAY_S - 1
    assert purged(desk) == {}
    token = desk.join("alice", Role.TRAINEE, ALICE).token
    assert desk.refused(opening_wire.Open(token, recording, "own")).word == "expired"
    desk.now += 1
    assert purged(desk) == {recording: "unreviewed"}


def test_nothing_suspends_an_objection(desk: Desk) -> None:
    recording = desk.record().recording
    desk.keeper.handle(restriction(recording, NOON + 40 * DAY_S))
    desk.keeper.handle(recording_wire.Destroy(recording, "objection"))
    assert not key(desk, recording).exists()


def test_a_destruction_names_who_holds_a_copy(desk: Desk) -> None:
    """P20: everyone who was given the key, once, across restarts; who only listed or was refused is not named."""
    recording, alone = desk.record().recording, desk.record().recording
    bruno = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.refused(opening_wire.Open(bruno, alone, "review"))
    desk.ask(opening_wire.List(bruno), words.Items)
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    for _ in range(2):
        desk.ask(opening_wire.Open(alice, recording, "own"), words.Released)
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    desk.ask(opening_wire.Open(bruno, recording, "review"), words.Released)
    desk.open()
    desk.now = UNREVIEWED_AT
    found = {one.recording: one.copies for one in desk.ask(PURGE, retention_wire.Purged).gone}
    assert found == {recording: ("alice", "bruno"), alone: ()}
    assert desk.book.destroyed[recording].who == ("alice", "bruno")
    desk.open()
    assert desk.book.destroyed[recording].who == ("alice", "bruno")


def test_without_the_line_of_who_holds_a_copy_nothing_is_released(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = desk.record().recording
    token = desk.join("alice", Role.TRAINEE, ALICE).token
    with monkeypatch.context() as patched:
        patched.setattr(desk.book, "note_released", _full)
        assert desk.refused(opening_wire.Open(token, recording, "own")).word == "disk"
    desk.ask(opening_wire.Open(token, recording, "own"), words.Released)


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_is_said_of_a_person_goes_after_thirty_days(desk: Desk) -> None:
    """P24: the entry names trainee and trainers. The book, which names no trainee, keeps the destruction for a year."""
    recording = desk.record().recording
    path = desk.folder / "keystore" / f"{recording}.json"
    desk.keeper.handle(recording_wire.Destroy(recording, "private"))
    token = desk.join("alice", Role.TRAINEE, ALICE).token
    assert desk.refused(opening_wire.Open(token, recording, "own")).word == "not-kept"
    desk.now += 30 * DAY_S - 1
    purged(desk)
    assert path.exists()
    desk.now += 1
    with open(path, "rb") as held:
        assert b"alice" in held.read()
        purged(desk)
        held.seek(0)
        assert b"alice" not in held.read()
    assert not path.exists()
    assert b"alice" not in (desk.folder / "book.jsonl").read_bytes()
    assert desk.refused(opening_wire.Open(desk.prove(ALICE).token, recording, "own")).word == "unknown"
    assert desk.ask(retention_wire.Ask((recording,)), retention_wire.Standing).stands == (
        retention_wire.Stands.DESTROYED,
    )
    desk.now = NOON + KEPT_DAYS * DAY_S
    purged(desk)
    assert recording in desk.book.destroyed
    desk.now += 1
    purged(desk)
    desk.open()
    assert len(desk.book.recorded) == len(desk.book.destroyed) == 0


# -- crashes, full disks


@pytest.mark.parametrize("where", ["store.destroy", "store.replace", "log.append"])
def test_a_crash_in_mid_destruction_is_finished_at_the_next_start(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    recording, other = desk.record().recording, desk.record().recording
    part, name = where.split(".")
    with monkeypatch.context() as patched:
        patched.setattr(getattr(desk, part), name, crash)
        with pytest.raises(Crash):
            desk.keeper.handle(recording_wire.Destroy(recording, "objection"))
    desk.open()
    assert not key(desk, recording).exists()
    assert key(desk, other).exists()
    found = desk.store.find(recording)
    assert found is not None
    assert found[0].destroyed == "objection"
    assert count(desk) == (2, 1, 1, 0, 0, 0)


def test_a_full_disk_delays_no_destruction_and_the_record_follows(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = desk.record().recording
    with monkeypatch.context() as patched:
        patched.setattr(desk.book, "note_destroyed", _full)
        patched.setattr(desk.store, "replace", _full)
        desk.keeper.handle(recording_wire.Destroy(recording, "objection"))
        assert not key(desk, recording).exists()
        assert recording not in desk.book.destroyed
    assert count(desk) == (1, 1, 0, 0, 0, 0)
    assert desk.audited()[-2] == ("(bridge)", "destroy", "done", "objection")


def test_a_purge_writes_what_is_owed_of_earlier_destructions(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = desk.record().recording
    with monkeypatch.context() as patched:
        patched.setattr(desk.book, "note_destroyed", _full)
        desk.keeper.handle(recording_wire.Destroy(recording, "objection"))
    assert recording not in desk.book.destroyed
    desk.keeper.handle(PURGE)
    assert recording in desk.book.destroyed
    assert desk.audited()[-1] == ("(bridge)", "destroy", "done", "objection")


def test_no_recording_begins_that_the_book_cannot_note(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(desk.book, "note_recorded", _full)
        with pytest.raises(Refused, match="disk"):
            desk.put(manifest(start=desk.now))
    assert len(desk.store) == 0
    assert desk.store.present() == frozenset()


def test_half_a_replaced_entry_is_no_entry_and_goes(desk: Desk) -> None:
    recording = desk.record().recording
    path = desk.folder / "keystore" / f"{recording}.json"
    left = path.with_name(f".{path.name}.0a1b2c3d")
    left.write_bytes(path.read_bytes()[:100])
    desk.open()
    assert not left.exists()
    assert desk.store.find(recording) is not None


# -- what is restored, and the count


def test_the_count_agrees_and_says_what_does_not(desk: Desk) -> None:
    first, second, third = (desk.record().recording for _ in range(3))
    assert count(desk) == (3, 0, 3, 0, 0, 0)
    back = key(desk, first).read_bytes()
    desk.keeper.handle(recording_wire.Destroy(first, "private"))
    assert count(desk) == (3, 1, 2, 0, 0, 0)
    assert desk.audited()[-1] == ("(keeper)", "reconcile", "done", "agrees")
    key(desk, first).write_bytes(back)
    assert count(desk) == (3, 1, 3, 0, 1, 0)
    assert not key(desk, first).exists()
    key(desk, second).unlink()
    planted = new_recording_id()
    key(desk, planted).write_bytes(back)
    assert count(desk) == (3, 1, 2, 1, 0, 1)
    assert [reason for _, act, _, reason in desk.audited() if act == "reconcile"][-3:] == [
        "mismatch",
        "missing",
        "unknown",
    ]
    assert key(desk, third).exists()


def test_the_balance_of_nothing_and_of_everything() -> None:
    a, b, c, d = (new_recording_id() for _ in range(4))
    assert balance(set(), set(), set()) == Balance(frozenset(), frozenset(), frozenset())
    assert balance({a, b, c}, {c}, {a, c, d}) == Balance(frozenset({b}), frozenset({c}), frozenset({d}))
    assert balance({a, c}, {c}, {a}).agrees
    assert not balance({a}, set(), set()).agrees


def test_a_restored_key_store_brings_nothing_back(desk: Desk) -> None:
    """From day 0: what was destroyed after the backup is destroyed again before anybody can ask for it."""
    gone, kept = desk.record().recording, desk.record().recording
    store, backup = desk.folder / "keystore", desk.folder / "backup"
    shutil.copytree(store, backup)
    desk.keeper.handle(recording_wire.Destroy(gone, "objection"))
    shutil.rmtree(store)
    shutil.copytree(backup, store)
    desk.open()
    assert not key(desk, gone).exists()
    token = desk.join("alice", Role.TRAINEE, ALICE).token
    assert desk.refused(opening_wire.Open(token, gone, "own")).word == "not-kept"
    desk.ask(opening_wire.Open(token, kept, "own"), words.Released)
    assert count(desk) == (2, 1, 1, 0, 0, 0)


# -- files, through a keeper on its socket


class TimedHouse(House):
    """A house whose keeper runs in this process, on a clock turned by hand."""

    now = NOON
    server: KeeperServer

    async def start_keeper(self, within_s: float = 20.0) -> None:
        me = frozenset({os.getuid()})
        settings = KeeperSettings(self.folder / "keeper", self.socket, Keeping(), me, me)
        self.socket.parent.mkdir(exist_ok=True)
        self.server = open_keeper(settings, lambda: self.now, lambda: self.now)
        threading.Thread(target=self.server.serve, daemon=True).start()
        await self.link.wait_ready(within_s)
        self.keeper_recipient = await self.link.introduce(self.recorder.public)

    async def made(self, content: bytes) -> RecordingId:
        return (await self.record(content, manifest(start=self.now))).recording

    def file(self, recording: RecordingId) -> Path:
        return self.archive / f"{recording}.age"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[TimedHouse]:
    built = TimedHouse(tmp_path)
    await built.start_keeper()
    (tmp_path / "state").mkdir()
    yield built
    await built.link.close()
    built.server.stop()


def retention(home: TimedHouse) -> Retention:
    notes = Catalogue.open(home.folder / "catalogue.db").recordings
    return Retention(home.link, home.archive, home.folder / "state", notes)


async def test_no_line_of_what_was_destroyed_is_left_in_the_catalogue(home: TimedHouse) -> None:
    """Neither by time nor by an objection, nor when the catalogue is restored; what is kept stays noted."""
    notes = Catalogue.open(home.folder / "catalogue.db").recordings
    old, objected = await home.made(b"old"), await home.made(b"objected")
    home.now += DAY_S
    kept = await home.made(b"kept")
    lines = [
        Noted(name, TraineeId("alice"), f"call {name}", "5a" * 16, "6b" * 16, home.now)
        for name in (old, objected, kept)
    ]
    for line in lines:
        notes.note(line)
    home.now = UNREVIEWED_AT
    await home.link.destroy(objected, "objection")
    await retention(home).purge()
    assert {line.recording for line in notes.all()} == {objected, kept}
    await retention(home).count()
    assert {line.recording for line in notes.all()} == {kept}
    for line in lines:
        notes.note(line)
    await retention(home).count()
    assert {line.recording for line in notes.all()} == {kept}


async def test_the_file_goes_with_its_key(home: TimedHouse) -> None:
    old = await home.made(b"the first call")
    home.now += DAY_S
    young = await home.made(b"the second call")
    home.now = UNREVIEWED_AT
    assert [one.recording for one in await retention(home).purge(dry_run=True)] == [old]
    assert home.file(old).exists()
    assert [one.recording for one in await retention(home).purge()] == [old]
    assert [path.name for path in home.archive.iterdir()] == [f"{young}.age"]
    assert await retention(home).purge() == []


async def test_a_restored_file_of_what_was_destroyed_goes_again(home: TimedHouse) -> None:
    """Files and catalogue from day 0: without its key the file is noise, and the count removes it."""
    gone, kept = await home.made(b"gone"), await home.made(b"kept")
    backup = home.file(gone).read_bytes()
    await home.link.destroy(gone, "objection")
    home.file(gone).write_bytes(backup)
    (home.archive / f"{gone}.tail").write_bytes(b"left by a crash")
    counted = await retention(home).count()
    assert (counted.recorded, counted.destroyed, counted.present, counted.wrong) == (2, 1, 1, 0)
    assert [path.name for path in home.archive.iterdir()] == [f"{kept}.age"]
    assert last_count(home.folder / "state") == counted


async def test_a_missing_file_and_a_stray_one_are_alarms(home: TimedHouse) -> None:
    lost = await home.made(b"lost")
    home.file(lost).unlink()
    stray = home.file(new_recording_id())
    stray.write_bytes(b"whose?")
    counted = await retention(home).count()
    assert (counted.files_missing, counted.files_unknown) == (1, 0)  # on its way, perhaps
    os.utime(stray, (0, 0))
    counted = await retention(home).count()
    assert (counted.files_missing, counted.files_unknown, counted.wrong) == (1, 1, 2)
    assert stray.exists()


async def test_a_live_recording_is_no_stray(home: TimedHouse) -> None:
    file = await home.begin(manifest(start=home.now))
    file.write(b"the call goes on" * 10_000)
    file.checkpoint()
    counted = await retention(home).count()
    assert counted.wrong == 0
    file.discard()


def test_no_count_yet(tmp_path: Path) -> None:
    assert last_count(tmp_path) is None


async def test_with_the_keepers_own_secret_a_destroyed_recording_stays_closed(
    home: TimedHouse, tmp_path: Path
) -> None:
    """Whoever has the whole machine and a backup of the file: `age` opens it before its destruction, and nothing after."""
    recording = await home.made(b"what was said")
    keeper, sealed, identity = home.folder / "keeper", home.file(recording), tmp_path / "identity"
    stored = keeper / "keystore" / f"{recording}.key"
    identity.write_bytes(opened_by_age(stored, keeper / "keeper.key"))
    assert opened_by_age(sealed, identity) == b"what was said"
    secret, backup = stored.read_bytes(), sealed.read_bytes()
    home.now = UNREVIEWED_AT
    await retention(home).purge()
    sealed.write_bytes(backup)
    left = [path.read_bytes() for path in keeper.rglob("*") if path.is_file()]
    assert not any(secret[at : at + 16] in found for found in left for at in range(200, len(secret) - 16))
    for path in (path for path in keeper.rglob("*") if path.is_file()):
        with pytest.raises(subprocess.CalledProcessError):
            opened_by_age(path, keeper / "keeper.key")


async def test_what_the_bridge_had_destroyed_is_destroyed_again_at_its_start(home: TimedHouse) -> None:
    """A keeper restored from yesterday's backup has the key again, and remembers nothing."""
    gone, kept = await home.made(b"gone"), await home.made(b"kept")
    Witness(home.folder / "state").note(retention_wire.End(int(time.time()), gone, "objection"))
    assert await home.link.held() == {gone, kept}
    await retention(home).begin()
    assert await home.link.held() == {kept}


ERASED = new_recording_id()


class _Pulses:
    """A keeper that answers these, then nothing."""

    def __init__(self, *beats: retention_wire.Beat | Exception) -> None:
        self.beats, self.seen = list(beats), list[int]()
        self.over = asyncio.Event()

    async def pulse(self, seen_at: int) -> retention_wire.Beat:
        self.seen.append(seen_at)
        if not self.beats:
            self.over.set()
            await asyncio.Event().wait()
        beat = self.beats.pop(0)
        if isinstance(beat, Exception):
            raise beat
        return beat

    async def ended(self, since: int) -> tuple[retention_wire.End, ...]:
        return (retention_wire.End(NOON, ERASED, "erased"),)


async def test_the_bridge_is_told_of_a_doubt_and_keeps_the_last_time_it_believed(
    home: TimedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_retention, "PULSE_EVERY_S", 0)
    later = NOON + app_retention.SEEN_EVERY_S
    beats = (
        retention_wire.Beat("", NOON),
        KeeperUnreachable("slow"),
        retention_wire.Beat("", NOON + 1),  # too soon to write it down again
        retention_wire.Beat("step", later),  # not believed: not kept
        retention_wire.Beat("", later),
        retention_wire.Beat("", later),
    )
    keeper, told = _Pulses(*beats), list[bool]()
    watching = asyncio.ensure_future(retention(home).watch(keeper, told.append))  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        await keeper.over.wait()
    watching.cancel()
    assert told == [False, False, True, False, False]
    assert keeper.seen == [0, NOON, NOON, NOON, NOON, later, later]
    assert Witness(home.folder / "state").seen_at() == later
    assert [one.recording for one in Witness(home.folder / "state").recent(later)] == [ERASED]
