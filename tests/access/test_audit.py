"""The audit log: what was written cannot be changed unseen, and what could not be written did not happen (P19)."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.access import audit
from pbx_bridge.access.audit import LATER, Access, AuditLog, AuditUnwritable, open_log
from pbx_bridge.access.audit_chain import MAX_LINE_BYTES
from pbx_bridge.access.audit_check import check
from pbx_bridge.access.audit_folder import month
from pbx_bridge.errors import OperatorError
from tests.access.logs import ACCESSES, NOVEMBER, begun, lines_of, month_after, written
from tests.archive.disk import small_disk


def test_the_chain_holds_over_restarts(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path)
    log = open_log(tmp_path)
    found = check(tmp_path / "audit")
    assert found.head == log.head
    assert (found.first, found.head.number, found.segments) == (1, 12, ("2026-11",))
    modes = {
        path.stat().st_mode & 0o777 for path in (*(tmp_path / "audit").iterdir(), tmp_path / "audit.key")
    }
    assert modes == {0o600}
    log.close()


def test_each_month_has_its_segment_and_the_chain_goes_through(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for months in (0, 0, 1, 3, 2, 14):  # the clock went back once: names do not
        log.append(ACCESSES[0], month_after(months))
    log.close()
    found = check(tmp_path / "audit")
    assert found.segments == ("2026-11", "2026-12", "2027-02", "2028-01")
    assert found.head.number == 6


def test_a_segment_goes_when_its_youngest_record_is_twelve_months_old(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for months in range(3):
        for access in ACCESSES:
            log.append(access, month_after(months))
    assert log.forget(month_after(12)) == []  # from 1 November on, those of late November are not a year old
    assert log.forget(month_after(13)) == ["2026-11"]
    log.append(ACCESSES[0], month_after(13))
    log.close()
    found = check(tmp_path / "audit")
    assert (found.first, found.segments) == (7, ("2026-12", "2027-01", "2027-12"))
    again = open_log(tmp_path)
    assert again.forget(month_after(14)) == ["2026-12"]
    assert again.forget(month_after(15)) == ["2027-01"]
    assert again.forget(month_after(400)) == ["2027-12", "2028-01", "2028-02"]
    again.close()
    assert check(tmp_path / "audit").segments == (month(month_after(400)),)


def test_a_crash_between_the_record_and_the_removal_is_no_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    for months in (0, 1):
        log.append(ACCESSES[0], month_after(months))

    def refuse(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(AuditUnwritable):
            log.forget(month_after(13))
    assert check(tmp_path / "audit").first == 1
    assert log.forget(month_after(13)) == ["2026-11"]
    log.close()
    assert check(tmp_path / "audit").first == 2


@given(cut=st.integers(1, 300))
def test_half_a_record_is_cut_at_the_start(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """A crash in the middle of a record, before its checkpoint: its act was never answered."""
    keeper = tmp_path_factory.mktemp("log")
    path = written(keeper)
    log = open_log(keeper)
    log.append(ACCESSES[0], NOVEMBER)
    line = lines_of(keeper)[-1]
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: -len(line)] + line[: min(cut, len(line) - 1)])
    (keeper / "audit" / "head").write_bytes(begun(keeper, 6))
    log = open_log(keeper)
    log.append(ACCESSES[0], NOVEMBER)
    log.close()
    assert check(keeper / "audit").head.number == 7


def test_a_log_that_was_cut_is_not_continued(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"".join(lines_of(tmp_path)[:-1]))
    with pytest.raises(OperatorError, match="ends at record 5, but 6 were written"):
        open_log(tmp_path)


def test_a_log_whose_end_was_replaced_is_not_continued(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"bruno5", b"carla5"))
    with pytest.raises(OperatorError, match="not written by this keeper"):
        open_log(tmp_path)


@pytest.mark.parametrize("gone", ["audit/2026-11.jsonl", "audit/head", "audit.key"])
def test_a_log_or_a_key_that_is_gone_is_missed(tmp_path: Path, gone: str) -> None:
    written(tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(OperatorError):
        open_log(tmp_path)


def test_no_log_is_begun_where_a_keeper_has_lived(tmp_path: Path) -> None:
    """Log and key are gone together, and what the keeper holds is there: nothing of before would be missed else."""
    written(tmp_path)
    (tmp_path / LATER).touch()
    written(tmp_path)
    shutil.rmtree(tmp_path / "audit")
    (tmp_path / "audit.key").unlink()
    with pytest.raises(OperatorError, match="audit log and its key are gone"):
        open_log(tmp_path)


def test_a_start_that_was_cut_short_begins_again(tmp_path: Path) -> None:
    """The checkpoint of the empty log lies there, its key does not yet."""
    written(tmp_path)
    for left in ("audit/2026-11.jsonl", "audit.key", "audit/verifier-key"):
        (tmp_path / left).unlink()
    (tmp_path / "audit" / "head").write_bytes(begun(tmp_path, 0))
    written(tmp_path)
    assert check(tmp_path / "audit").head.number == 6


@pytest.mark.parametrize("end", [b"nonsense\n", b"{}\n", b"[1]\n", b"nonsense " * 2_000])
def test_an_end_that_is_no_record_stops_the_start(tmp_path: Path, end: bytes) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + end)
    with pytest.raises(OperatorError, match="restore the log"):
        open_log(tmp_path)


def test_one_process_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LOCK_WITHIN_S", 0.1)
    first = open_log(tmp_path)
    with pytest.raises(OperatorError, match="another keeper"):
        open_log(tmp_path)
    first.close()
    open_log(tmp_path).close()


def test_a_record_beyond_the_limit_is_not_written(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    with pytest.raises(AuditUnwritable):
        log.append(Access("b" * 5_000, "open"), NOVEMBER)
    assert not lines_of(tmp_path)
    log.append(ACCESSES[0], NOVEMBER)
    log.close()
    assert check(tmp_path / "audit").head.number == 1


def test_the_longest_record_is_written_and_one_byte_more_is_not(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append(ACCESSES[0], NOVEMBER)
    left = MAX_LINE_BYTES - len(lines_of(tmp_path)[0])
    longer = replace(ACCESSES[0], session=ACCESSES[0].session + "x" * left)
    with pytest.raises(AuditUnwritable, match=f"not {MAX_LINE_BYTES + 1}"):
        log.append(replace(longer, session=longer.session + "x"), NOVEMBER)
    log.append(longer, NOVEMBER)
    log.close()
    assert len(lines_of(tmp_path)[1]) == MAX_LINE_BYTES
    assert check(tmp_path / "audit").head.number == 2


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_whole_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: whole(handle, data[:300], at))
    written(tmp_path)
    assert check(tmp_path / "audit").head.number == 6


@pytest.mark.parametrize("touched", ["replaced", "removed", "cut", "added to"])
def test_what_others_do_to_the_open_file_stops_it(tmp_path: Path, touched: str) -> None:
    log = open_log(tmp_path)
    log.append(ACCESSES[0], NOVEMBER)
    path = tmp_path / "audit" / "2026-11.jsonl"
    assert log.fault() == ""
    whole = path.read_bytes()
    match touched:
        case "replaced":
            path.rename(tmp_path / "away")
            path.write_bytes(whole)
        case "removed":
            path.unlink()
        case "cut":
            path.write_bytes(whole[:-5])
        case _:
            path.write_bytes(whole + b"x")
    with pytest.raises(AuditUnwritable):
        log.append(ACCESSES[1], NOVEMBER)
    assert log.fault()
    assert log.head.number == 1
    log.close()


def test_a_full_disk_takes_no_half_record(tmp_path: Path) -> None:
    with small_disk(tmp_path, 16) as disk:
        log = open_log(disk.folder)
        log.append(ACCESSES[0], NOVEMBER)
        assert log.fault() == ""
        path = disk.folder / "audit" / "2026-11.jsonl"
        before = path.read_bytes()
        ballast = disk.folder / "ballast"
        _fill(ballast)
        assert "full" in log.fault()
        failed = 0
        for at in range(200):  # until the block that was begun is full too
            try:
                log.append(ACCESSES[1], NOVEMBER + at)
                before = path.read_bytes()
            except AuditUnwritable:
                failed += 1
                assert path.read_bytes() == before
        assert failed
        ballast.unlink()
        assert log.fault() == ""
        log.append(ACCESSES[2], NOVEMBER)
        log.close()
        assert check(disk.folder / "audit").head.number == before.count(b"\n") + 1


def _fill(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    size = 1 << 20
    while size:
        try:
            os.write(handle, bytes(size))
        except OSError:
            size //= 2
    os.close(handle)


@pytest.mark.parametrize("failing", ["pwrite", "fsync"])
def test_half_a_write_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """The disk takes half a record and no more: nothing of it stays, at once."""
    log = open_log(tmp_path)
    log.append(ACCESSES[0], NOVEMBER)
    before = lines_of(tmp_path)
    whole = os.pwrite
    taken: list[int] = []

    def half(handle: int, data: bytes, position: int) -> int:
        if taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken.append(whole(handle, data[:20], position))
        return taken[0]

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, half if failing == "pwrite" else refuse)
        with pytest.raises(AuditUnwritable, match="No space left"):
            log.append(ACCESSES[1], NOVEMBER)
        assert lines_of(tmp_path) == before
    log.append(ACCESSES[1], NOVEMBER)
    log.close()
    assert check(tmp_path / "audit").head.number == 2


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "audit.key").write_bytes(b"short")
    with pytest.raises(OperatorError, match="key is damaged"):
        open_log(tmp_path)
    with pytest.raises(OperatorError, match="not written by this keeper"):
        AuditLog(tmp_path / "audit", b"\1" * 32)
