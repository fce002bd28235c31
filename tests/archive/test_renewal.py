"""P20: the keeper's own identity changes each month. Every key is sealed anew, the old identity is destroyed, and a crash at
any step loses no recording and leaves no old identity."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge import durable
from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import AuditUnwritable, open_log
from pbx_bridge.access.books import kept_key, key_of
from pbx_bridge.age import AgeError, X25519Identity, open_bytes, seal_bytes
from pbx_bridge.app_doctor import LATE_DAYS, keeper_says
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import opening_wire, recording_wire, retention_wire
from pbx_bridge.archive.keeper_renewal import RETRY_S
from pbx_bridge.archive.own_identity import OwnIdentity
from pbx_bridge.archive.rules import DAY_S, IDENTITY_DAYS, renewal_is_due
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_portal import Refused, Role
from tests.archive.house import manifest, plan_behind
from tests.archive.test_keeper import ALICE, NOON, Desk
from tests.archive.test_retention import TimedHouse

MONTH_S = IDENTITY_DAYS * DAY_S
PULSE = retention_wire.Pulse(0)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "keeper")
    yield made
    made.log.close()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[TimedHouse]:
    built = TimedHouse(tmp_path)
    await built.start_keeper()
    yield built
    await built.link.close()
    built.server.stop()


def to_the_day(desk: Desk) -> list[RecordingId]:
    """Recordings of yesterday, on the day the identity has been used for a month."""
    desk.now = NOON + MONTH_S - DAY_S
    made = [desk.record(manifest(start=desk.now)).recording for _ in range(20)]
    desk.now = NOON + MONTH_S
    return made


def pulse(desk: Desk, times: int = 1) -> None:
    for _ in range(times):
        desk.ask(PULSE, retention_wire.Beat)


def all_open(desk: Desk, recordings: list[RecordingId]) -> None:
    """Each opens for its trainee, with its own file key."""
    if not any(person.name == "alice" for person in desk.people.everyone()):
        desk.join("alice", Role.TRAINEE, ALICE)
    token = desk.prove(ALICE).token
    for recording in recordings:
        released = desk.ask(opening_wire.Open(token, recording, ""), words.Released)
        assert desk.file_key(released, ALICE) == desk.file_keys[recording]


def opens(store: Path, identity: X25519Identity) -> int:
    """How many keys in this folder, or in this copy of it, an identity opens."""
    count = 0
    for path in store.glob("*.key*"):
        try:
            open_bytes(path.read_bytes(), [identity])
            count += 1
        except AgeError:
            pass
    return count


def renewals(desk: Desk) -> list[str]:
    return [reason for _, act, _, reason in desk.audited() if act == "renew"]


@pytest.mark.parametrize(
    ("made_at", "now", "due"),
    [(NOON, NOON, False), (NOON, NOON + MONTH_S - 1, False), (NOON, NOON + MONTH_S, True), (0, NOON, True)],
)
def test_an_identity_is_used_for_thirty_days(made_at: int, now: int, due: bool) -> None:
    assert renewal_is_due(made_at, now) is due
    assert IDENTITY_DAYS <= 31


def test_each_month_every_key_is_sealed_anew_and_the_old_identity_is_destroyed(desk: Desk) -> None:
    """In small steps, between which everything opens; links to the very blocks show that they were overwritten."""
    old, store = desk.identity.current, desk.folder / "keystore"
    recordings = to_the_day(desk)
    own_blocks, key_blocks = desk.folder.parent / "own", desk.folder.parent / "key"
    os.link(desk.folder / "keeper.key", own_blocks)
    os.link(store / f"{recordings[0]}.key", key_blocks)
    backup = desk.folder.parent / "backup"
    shutil.copytree(store, backup)
    desk.now -= 1
    pulse(desk, 5)
    assert (renewals(desk), opens(store, old)) == ([], 20)
    desk.now += 1
    pulse(desk)
    assert (renewals(desk), opens(store, old)) == (["begun"], 12)
    all_open(desk, recordings)
    recordings.append(desk.record(manifest(start=desk.now)).recording)
    pulse(desk, 2)
    assert renewals(desk) == ["begun", "done"]
    assert opens(store, old) == 0
    assert opens(store, desk.identity.current) == 21
    all_open(desk, recordings)
    desk.open()
    all_open(desk, recordings)
    new = desk.identity.current
    assert new != old
    assert opens(backup, new) == 0
    for path in (p for p in desk.folder.rglob("*") if p.is_file()):
        assert str(old).encode() not in path.read_bytes()
    assert str(old).encode() not in own_blocks.read_bytes()
    with pytest.raises(AgeError):
        open_bytes(key_blocks.read_bytes(), [old, new])
    assert not [path.name for path in store.iterdir() if "anew" in path.name]
    assert [path.name for path in desk.folder.glob("*keeper.key*")] == ["keeper.key"]
    pulse(desk, 3)
    assert renewals(desk) == ["begun", "done"]
    assert desk.identity.current == new


def test_a_keeper_of_an_earlier_build_changes_at_once_and_its_books_stay_closed(tmp_path: Path) -> None:
    """Its file does not say when it was made, its stamp not for whom; it closed its books under its identity."""
    folder, first = tmp_path / "keeper", X25519Identity.generate()
    folder.mkdir()
    open_log(folder).close()
    (folder / "keeper.key").write_text(f"{first}\n")
    (folder / "keeper.key").chmod(0o600)
    desk = Desk(folder)
    assert kept_key(folder / "books.key") == key_of(str(first))
    recordings = [desk.record().recording for _ in range(3)]
    stamp = folder / "keystore" / "stamp"
    stamp.write_text(json.dumps({k: v for k, v in json.loads(stamp.read_text()).items() if k != "identity"}))
    desk.open()
    assert (desk.identity.made_at, desk.identity.current) == (0, first)
    pulse(desk)
    assert renewals(desk) == ["begun", "done"]
    desk.open()
    assert desk.identity.made_at == NOON
    all_open(desk, recordings)
    assert not [one for one in recordings if desk.store.is_edited(one)]
    desk.log.close()


def test_a_key_store_from_before_a_change_is_refused_also_one_copied_in_its_middle(desk: Desk) -> None:
    """Young enough, and of this keeper: but its keys open with nothing. The control: one copied after it is taken."""
    store = desk.folder / "keystore"
    recordings = to_the_day(desk)

    def copy(name: str) -> Path:
        to = desk.folder.parent / name
        shutil.copytree(store, to)
        return to

    def restore(kept: Path) -> None:
        shutil.rmtree(store)
        shutil.copytree(kept, store)
        desk.open()

    desk.ask(retention_wire.Purge(False, False), retention_wire.Purged)
    before = copy("before")
    pulse(desk)
    desk.ask(retention_wire.Purge(False, False), retention_wire.Purged)
    middle = copy("middle")
    restore(before)  # while it lasts, the former identity opens it
    all_open(desk, recordings)
    pulse(desk, 4)
    after = copy("after")
    desk.ask(retention_wire.Purge(False, False), retention_wire.Purged)
    for kept in (before, middle):
        with pytest.raises(OperatorError, match="was destroyed when the keeper changed it"):
            restore(kept)
    restore(after)
    all_open(desk, recordings)


def test_a_keepers_key_from_before_the_change_is_refused(desk: Desk) -> None:
    """Restored alone it could open nothing: said at the start, not at each release."""
    recordings, kept = to_the_day(desk), (desk.folder / "keeper.key").read_bytes()
    pulse(desk, 4)
    now = (desk.folder / "keeper.key").read_bytes()
    (desk.folder / "keeper.key").write_bytes(kept)
    with pytest.raises(OperatorError, match="is not here"):
        desk.open()
    (desk.folder / "keeper.key").write_bytes(now)
    desk.open()
    all_open(desk, recordings)


def test_what_is_destroyed_while_it_lasts_stays_destroyed(desk: Desk) -> None:
    first, *others = to_the_day(desk)
    pulse(desk)
    for gone in (others.pop(), first):
        desk.keeper.handle(recording_wire.Destroy(gone, "objection"))
    left = list(others)
    pulse(desk, 3)
    assert renewals(desk)[-1] == "done"
    assert sorted(desk.store.present()) == sorted(left)
    all_open(desk, left)


def test_the_key_of_a_rebuilt_file_is_sealed_anew_too(desk: Desk) -> None:
    recordings = to_the_day(desk)
    fresh = X25519Identity.generate()
    desk.store.put_new_key(recordings[0], seal_bytes(str(fresh).encode(), [desk.identity.recipient]))
    pulse(desk, 4)
    assert open_bytes(desk.store.new_key(recordings[0]), [desk.identity.current]) == str(fresh).encode()


def test_nothing_changes_while_the_clock_is_in_doubt(desk: Desk) -> None:
    to_the_day(desk)
    desk.now += 301
    desk.set_by_s = 301
    pulse(desk, 3)
    assert renewals(desk) == []
    desk.keeper.handle(retention_wire.ConfirmClock())
    pulse(desk, 4)
    assert renewals(desk) == ["begun", "done"]


def test_a_full_disk_delays_it_and_nothing_is_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings, former = to_the_day(desk), desk.identity.current

    def unwritable(*_: object) -> None:
        raise AuditUnwritable("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(desk.log, "append", unwritable)
        pulse(desk, 3)
        assert not desk.identity.is_changing  # nothing happens that is not recorded
    pulse(desk)
    assert not desk.identity.is_changing  # not at once again
    desk.now += RETRY_S
    for name in ("begin", "finish"):
        with monkeypatch.context() as patched:
            patched.setattr(OwnIdentity, name, full)
            pulse(desk, 5)
            assert renewals(desk)[-1] == ("begun" if name == "begin" else "done")
            assert str(former) in (desk.folder / "keeper.key").read_text()
        desk.now += RETRY_S
        pulse(desk)
    assert renewals(desk) == ["begun", "begun", "done", "done"]
    all_open(desk, recordings)


def test_keys_that_cannot_be_written_are_sealed_anew_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = to_the_day(desk)
    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "replace_keys", full)
        pulse(desk, 3)
    assert renewals(desk) == ["begun"]
    desk.now += RETRY_S
    pulse(desk, 4)
    assert not desk.identity.is_changing
    all_open(desk, recordings)


def test_a_key_that_opens_with_nothing_does_not_stop_it(desk: Desk) -> None:
    """What a crash left of a key that was being destroyed."""
    recordings = to_the_day(desk)
    path = desk.folder / "keystore" / f"{recordings[7]}.key"
    path.write_bytes(os.urandom(path.stat().st_size))
    pulse(desk, 4)
    assert renewals(desk) == ["begun", "done"]
    del recordings[7]
    all_open(desk, recordings)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no space left")


class Crash(BaseException):
    """The process ends here."""


_STEPS = ("fsync", "replace", "pwrite", "write", "unlink")


def crash_at(patched: pytest.MonkeyPatch, step: int, *, after: bool) -> list[int]:
    """The process ends before, or just after, its `step`-th change of the disk; how many there were."""
    done = [0]

    def wrapped(real: Any) -> Any:
        def call(*asked: Any, **named: Any) -> Any:
            done[0] += 1
            if done[0] == step and not after:
                raise Crash
            given = real(*asked, **named)
            if done[0] == step:
                raise Crash
            return given

        return call

    for name in _STEPS:
        patched.setattr(os, name, wrapped(getattr(os, name)))
    return done


def test_a_crash_at_every_step_loses_no_recording_and_no_old_identity_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two changes of the disk at least for each key, and those of the identity: cut before and after every one of them."""
    origin = Desk(tmp_path / "origin")
    origin.join("alice", Role.TRAINEE, ALICE)
    origin.now = NOON + MONTH_S - DAY_S
    recordings = [origin.record(manifest(start=origin.now)).recording for _ in range(2)]
    old = origin.identity.current
    origin.log.close()
    step, cut = 0, 0
    while True:
        step += 1
        ended = True
        for after in (False, True):
            folder = tmp_path / f"{step}-{after}"
            shutil.copytree(tmp_path / "origin", folder)
            desk = Desk(folder, now=NOON + MONTH_S, file_keys=origin.file_keys)
            with monkeypatch.context() as patched:
                crash_at(patched, step, after=after)
                try:
                    pulse(desk, 2)
                except Crash:
                    ended = False
                    cut += 1
            desk.log.close()
            again = Desk(folder, now=NOON + MONTH_S, file_keys=origin.file_keys)
            all_open(again, recordings)
            pulse(again, 3)
            assert not again.identity.is_changing
            assert again.identity.current != old
            assert again.identity.made_at == NOON + MONTH_S
            all_open(again, recordings)
            assert opens(folder / "keystore", old) == 0
            for path in (p for p in folder.rglob("*") if p.is_file()):
                assert str(old).encode() not in path.read_bytes()
            again.log.close()
            shutil.rmtree(folder)
        if ended:
            break
    assert cut > 50


def test_a_secret_that_was_to_be_replaced_is_destroyed_with_what_would_take_its_place(tmp_path: Path) -> None:
    for left in ("key", "key-anew", ".key-anew"):
        (tmp_path / left).write_bytes(b"secret")
        assert durable.destroy_secret(tmp_path / "key") is True
        assert list(tmp_path.iterdir()) == []
    assert durable.destroy_secret(tmp_path / "key") is False


def test_half_a_secret_never_takes_the_place_of_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"whole")
    (tmp_path / ".key-anew").write_bytes(b"ha")
    durable.finish_replacing(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"key": b"whole"}
    (tmp_path / "key-anew").write_bytes(b"other")
    durable.finish_replacing(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"key": b"other"}
    assert (
        tmp_path / "key"
    ).stat().st_mode & 0o777 == 0o644  # as it was written; the keeper's own are 0600 below
    durable.replace_secrets(tmp_path, [("key", b"third")])
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    durable.replace_secrets(tmp_path, [])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"key": b"third"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"keeper.key": b"noise"}, "no age identity"),
        ({"keeper.key": b""}, "no age identity"),
        ({"keeper.key": b"whole", "keeper.key-next": b"noise"}, "no age identity"),
    ],
)
def test_what_is_no_identity_is_said(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    for name, content in files.items():
        whole = f"# made: {NOON}\n{X25519Identity.generate()}\n".encode()
        (tmp_path / name).write_bytes(whole if content == b"whole" else content)
        (tmp_path / name).chmod(0o600)
    with pytest.raises(OperatorError, match=said):
        OwnIdentity(tmp_path, NOON)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_an_identity_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    OwnIdentity(tmp_path, NOON)
    (tmp_path / "keeper.key").chmod(mode)
    with pytest.raises(OperatorError, match="others can read"):
        OwnIdentity(tmp_path, NOON)


def test_a_next_identity_alone_is_the_one_identity(tmp_path: Path) -> None:
    """Whatever became of the first; and one that was never used goes."""
    made = OwnIdentity(tmp_path, NOON)
    made.begin(NOON + 1)
    (tmp_path / "keeper.key").unlink()
    unused = tmp_path / ".keeper.key-next.0a1b2c3d"
    unused.write_bytes(b"x")
    again = OwnIdentity(tmp_path, NOON + 5)
    assert (again.current, again.made_at, again.is_changing) == (made.current, NOON + 1, False)
    assert [path.name for path in tmp_path.iterdir()] == ["keeper.key"]


async def test_a_recorder_that_knows_the_old_identity_asks_for_the_new_one(home: TimedHouse) -> None:
    """The key of a recording that begins during a change, or after it, is put all the same."""
    await home.made(b"before")
    home.now += MONTH_S
    await home.link.pulse()
    kept = await home.made(b"after")
    home.now += MONTH_S
    for _ in range(3):
        await home.link.pulse()
    later = await home.made(b"much later")
    assert {kept, later} <= await home.link.held()
    described = manifest(start=home.now)
    await home.approve(plan_behind("alice", "bruno", home.now))
    for keeper in (home.keeper_recipient, X25519Identity.generate().recipient()):
        with pytest.raises(Refused) as refused:
            await home.link._put(home.recorder.sign(described), X25519Identity.generate(), keeper)
        assert refused.value.word == "identity-changed"


def test_the_doctor_says_when_it_is_late(desk: Desk) -> None:
    desk.now += MONTH_S + LATE_DAYS * DAY_S
    assert keeper_says(desk.ask(wire.Status(), wire.KeeperStatus), "")[0]
    desk.now += DAY_S
    late = desk.ask(wire.Status(), wire.KeeperStatus)
    assert late.identity_days == IDENTITY_DAYS + LATE_DAYS + 1
    assert (keeper_says(late, "")[0], "38 days old" in keeper_says(late, "")[1]) == (False, True)
    pulse(desk)
    status = desk.ask(wire.Status(), wire.KeeperStatus)
    assert (status.identity_days, status.recipient) == (0, str(desk.identity.recipient))
    assert keeper_says(status, "") == (True, f"0 recordings, {status.audit_records} audit records")
    assert keeper_says(status, "step")[0] is False
    unwritable = keeper_says(status, "", "No space left on device")
    assert (unwritable[0], "No space left on device" in unwritable[1]) == (False, True)
