"""The audit log: what was written cannot be changed unseen, and what could not be written did not happen (P19)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.access import audit
from pbx_bridge.access.audit import Access, AuditBroken, AuditLog, AuditUnwritable, Head, verify
from pbx_bridge.errors import OperatorError
from tests.archive.disk import small_disk

ACCESSES = [Access(f"bruno{n}", "open", "a" * 26, "granted", session="review") for n in range(6)]


def written(path: Path) -> list[bytes]:
    log = AuditLog(path)
    for at, access in enumerate(ACCESSES):
        log.append(access, 1_790_000_000 + at)
    log.close()
    return path.read_bytes().splitlines(keepends=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "audit.jsonl"


def test_the_chain_holds_over_restarts(path: Path) -> None:
    written(path)
    lines = written(path)
    log = AuditLog(path)
    assert verify(lines) == log.head == Head(12, log.head.digest)
    assert path.stat().st_mode & 0o777 == 0o600
    log.close()


Spoil = Callable[[list[bytes]], list[bytes]]
SPOILED: dict[str, tuple[Spoil, int]] = {
    "a changed name": (lambda lines: [*lines[:2], lines[2].replace(b"bruno2", b"carla2"), *lines[3:]], 4),
    "a deleted record": (lambda lines: lines[:3] + lines[4:], 4),
    "two swapped": (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3),
    "one repeated": (lambda lines: lines[:3] + lines[2:], 4),
    "one inserted": (lambda lines: [*lines[:3], lines[0], *lines[3:]], 4),
    "a cut line": (lambda lines: [*lines[:-1], lines[-1][:-9]], 6),
    "an empty line": (lambda lines: [*lines[:2], b"\n", *lines[2:]], 3),
    "another spelling": (lambda lines: [lines[0].replace(b'":', b'": ', 1), *lines[1:]], 1),
    "nonsense": (lambda lines: [*lines, b"\xff\xfe\n"], 7),
    "deep nonsense": (lambda lines: [*lines, b"[" * 3_000 + b"\n"], 7),
    "the beginning cut off": (lambda lines: lines[1:], 1),
}


@pytest.mark.parametrize("name", SPOILED)
def test_the_first_bad_record_is_named(path: Path, name: str) -> None:
    spoil, number = SPOILED[name]
    with pytest.raises(AuditBroken) as broken:
        verify(spoil(written(path)))
    assert broken.value.number == number


def test_a_changed_last_record_needs_the_head_kept_elsewhere(path: Path) -> None:
    """What a chain alone cannot show, written down: the last record and the length are held by the head."""
    lines = written(path)
    head = verify(lines)
    assert verify([*lines[:-1], lines[-1].replace(b"bruno5", b"carla5")]) != head
    assert verify(lines[:-1]) != head


@given(cut=st.integers(1, 200))
def test_half_a_record_is_cut_at_the_start(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("log") / "audit.jsonl"
    lines = written(path)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][: cut % len(lines[-1])])
    log = AuditLog(path)
    log.append(ACCESSES[0], 1)
    log.close()
    assert verify(path.read_bytes().splitlines(keepends=True)).number == 6


def test_a_last_line_that_is_no_record_stops_the_start(path: Path) -> None:
    lines = written(path)
    path.write_bytes(b"".join(lines) + b"nonsense\n")
    with pytest.raises(OperatorError, match="restore the log"):
        AuditLog(path)


def test_one_process_holds_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LOCK_WITHIN_S", 0.1)
    first = AuditLog(path)
    with pytest.raises(OperatorError, match="another keeper"):
        AuditLog(path)
    first.close()
    AuditLog(path).close()


def test_a_record_beyond_the_limit_is_not_written(path: Path) -> None:
    log = AuditLog(path)
    with pytest.raises(AuditUnwritable):
        log.append(Access("b" * 5_000, "open"), 1)
    assert path.read_bytes() == b""
    log.append(ACCESSES[0], 1)
    log.close()
    assert verify(path.read_bytes().splitlines(keepends=True)).number == 1


def test_a_full_disk_takes_no_half_record(tmp_path: Path) -> None:
    with small_disk(tmp_path, 16) as disk:
        path = disk.folder / "audit.jsonl"
        log = AuditLog(path)
        log.append(ACCESSES[0], 1)
        before = path.read_bytes()
        ballast = disk.folder / "ballast"
        _fill(ballast)
        failed = 0
        for at in range(200):  # until the block that was begun is full too
            try:
                log.append(ACCESSES[1], at)
                before = path.read_bytes()
            except AuditUnwritable:
                failed += 1
                assert path.read_bytes() == before
        assert failed
        ballast.unlink()
        log.append(ACCESSES[2], 9)
        log.close()
        assert verify(path.read_bytes().splitlines(keepends=True)).number == before.count(b"\n") + 1


def _fill(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    size = 1 << 20
    while size:
        try:
            os.write(handle, bytes(size))
        except OSError:
            size //= 2
    os.close(handle)


def test_half_a_write_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes half a record and no more: nothing of it stays, at once."""
    log = AuditLog(path)
    log.append(ACCESSES[0], 1)
    before = path.read_bytes()
    whole = os.pwrite
    taken: list[int] = []

    def half(handle: int, data: bytes, position: int) -> int:
        if taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken.append(whole(handle, data[:20], position))
        return taken[0]

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", half)
        with pytest.raises(AuditUnwritable, match="No space left"):
            log.append(ACCESSES[1], 2)
        assert path.read_bytes() == before
    log.append(ACCESSES[1], 2)
    log.close()
    assert verify(path.read_bytes().splitlines(keepends=True)).number == 2


def test_a_number_that_does_not_follow_is_seen(path: Path) -> None:
    """Somebody writes a record of their own, with the right hash and a wrong number."""
    lines = written(path)
    head = verify(lines)
    forged = audit.encode(ACCESSES[0], Head(head.number + 3, head.digest), 1)
    with pytest.raises(AuditBroken, match="number"):
        verify([*lines, forged + b"\n"])
