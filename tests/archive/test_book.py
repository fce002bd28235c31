"""The keeper's book of what was recorded and destroyed: what a hand changes in it keeps the keeper from starting (P20)."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx_bridge.archive import recording_wire
from pbx_bridge.archive.book import KEPT_DAYS, Book, open_book
from pbx_bridge.archive.book_chain import FIRST, Heads
from pbx_bridge.archive.own_identity import OwnIdentity
from pbx_bridge.archive.rules import DAY_S
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, new_recording_id
from tests.archive.test_keeper import NOON, Desk

KEY = b"\5" * 32
NAMES = [new_recording_id() for _ in range(4)]


def begun(folder: Path) -> Book:
    return Book(folder / "book.jsonl", KEY, is_first=True)


def reopened(folder: Path) -> Book:
    return Book(folder / "book.jsonl", KEY, is_first=False)


def written(folder: Path) -> bytes:
    """A book with three recordings, a release and a destruction, closed."""
    book = begun(folder)
    for at, name in enumerate(NAMES[:3]):
        book.note_recorded(name, at)
    book.note_released(NAMES[0], "bruno", 5)
    book.note_destroyed(NAMES[1], "objection", 6)
    book.close()
    return (folder / "book.jsonl").read_bytes()


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    written(tmp_path)
    for _ in range(2):
        again = reopened(tmp_path)
        assert again.recorded == {name: at for at, name in enumerate(NAMES[:3])}
        assert again.copies(NAMES[0]) == ("bruno",)
        assert again.destroyed.keys() == {NAMES[1]}
        again.close()


def test_half_a_last_line_is_cut_and_the_book_goes_on(tmp_path: Path) -> None:
    """A crash while it was written. The last line that was whole and synced is there, so nothing is missing."""
    book = begun(tmp_path)
    for at, name in enumerate(NAMES[:2]):
        book.note_recorded(name, at)
    path, before = tmp_path / "book.jsonl", (tmp_path / "book.head").read_bytes()
    book.note_recorded(NAMES[2], 2)
    book.close()
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for cut in range(1, last + 1):
        path.write_bytes(whole[:-cut])
        (tmp_path / "book.head").write_bytes(before)
        again = reopened(tmp_path)
        assert again.recorded == {NAMES[0]: 0, NAMES[1]: 1}
        again.note_recorded(NAMES[2], 2)
        again.close()
        assert path.read_bytes() == whole


def test_a_power_cut_leaves_a_head_that_is_behind(tmp_path: Path) -> None:
    """The head is not synced: any of its earlier states is taken, and told anew."""
    book = begun(tmp_path)
    heads = [(tmp_path / "book.head").read_bytes()]
    for at, name in enumerate(NAMES):
        book.note_recorded(name, at)
        heads.append((tmp_path / "book.head").read_bytes())
    book.close()
    assert len(set(heads)) == len(NAMES) + 1
    for head in heads:
        (tmp_path / "book.head").write_bytes(head)
        again = reopened(tmp_path)
        assert len(again.recorded) == len(NAMES)
        again.close()
        assert (tmp_path / "book.head").read_bytes() == heads[-1]


def _without(number: int) -> Callable[[bytes], bytes]:
    return lambda whole: b"".join(
        line for at, line in enumerate(whole.splitlines(keepends=True)) if at != number
    )


def _swapped(whole: bytes) -> bytes:
    lines = whole.splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    return b"".join(lines)


def _reason(whole: bytes) -> bytes:
    return whole.replace(b'"reason":"objection"', b'"reason":"unreviewed"')


def _bare(whole: bytes) -> bytes:
    """As a keeper of an earlier build wrote it, without the destruction."""
    lines = whole.splitlines()[:-1]
    return b"".join(line.rpartition(b" ")[0] + b"\n" for line in lines)


@pytest.mark.parametrize(
    "edit",
    [
        *map(_without, range(5)),
        _swapped,
        _reason,
        _bare,
        lambda whole: whole + whole.splitlines(keepends=True)[0],
        lambda whole: whole.splitlines(keepends=True)[0],
        lambda whole: b"",
        lambda whole: b"x\n" + whole,
        lambda whole: whole.replace(NAMES[1].encode(), NAMES[3].encode()),
        lambda whole: whole.replace(b'"at":1', b'"at":9'),
    ],
)
def test_a_changed_book_keeps_the_keeper_from_starting(
    tmp_path: Path, edit: Callable[[bytes], bytes]
) -> None:
    whole = written(tmp_path)
    path = tmp_path / "book.jsonl"
    assert edit(whole) != whole
    path.write_bytes(edit(whole))
    with pytest.raises(OperatorError, match="not as this keeper wrote it"):
        reopened(tmp_path)
    path.write_bytes(whole)
    reopened(tmp_path).close()


def test_the_first_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "book.jsonl").write_bytes(_swapped(written(tmp_path)))
    with pytest.raises(OperatorError) as broken:
        reopened(tmp_path)
    assert broken.value.where.endswith("book.jsonl: line 2")


@pytest.mark.parametrize("head", [None, b"", b"x" * 300])
def test_a_book_without_its_head_is_refused(tmp_path: Path, head: bytes | None) -> None:
    """Removed, emptied, or of another keeper: a cut end would not show."""
    written(tmp_path)
    path = tmp_path / "book.head"
    kept = path.read_bytes()
    if head is None:
        path.unlink()
    else:
        path.write_bytes(head)
    with pytest.raises(OperatorError, match=r"book\.head"):
        reopened(tmp_path)
    other = Heads(path, b"\6" * 32)
    other.begin((5, kept.decode().split()[1]))
    with pytest.raises(OperatorError, match=r"book\.head"):
        reopened(tmp_path)
    path.write_bytes(kept)
    reopened(tmp_path).close()


def test_an_older_book_with_its_own_head_is_a_backup_and_shows_beside_a_newer_head(tmp_path: Path) -> None:
    book = begun(tmp_path)
    book.note_recorded(NAMES[0], 0)
    older = (tmp_path / "book.jsonl").read_bytes()
    book.note_destroyed(NAMES[0], "objection", 1)
    book.close()
    (tmp_path / "book.jsonl").write_bytes(older)
    with pytest.raises(OperatorError, match="ends too early"):
        reopened(tmp_path)


def test_old_lines_go_and_the_chain_holds_through_a_crash_at_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: before the year is over nothing goes."""

    class Crash(BaseException):
        pass

    (tmp_path / "made").mkdir()
    book = begun(tmp_path / "made")
    for at, name in enumerate(NAMES):
        book.note_recorded(name, NOON + at)
    book.note_destroyed(NAMES[0], "objection", NOON)
    assert book.forget_old(NOON + KEPT_DAYS * DAY_S) == 0
    book.close()
    cuts = 0
    for step in range(1, 40):
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "made", folder)
        again, left = reopened(folder), step
        with monkeypatch.context() as patched:
            for call in ("fsync", "replace", "write"):
                real = getattr(os, call)

                def cut(*asked: object, real: Callable[..., object] = real) -> object:
                    nonlocal left
                    left -= 1
                    if left == 0:
                        raise Crash
                    return real(*asked)

                patched.setattr(os, call, cut)
            try:
                assert again.forget_old(NOON + KEPT_DAYS * DAY_S + 1) == 1
            except Crash:
                cuts += 1
        after = reopened(folder)
        assert after.recorded.keys() in (set(NAMES), set(NAMES[1:]))
        if left > 0:
            assert after.recorded.keys() == set(NAMES[1:])
            after.note_recorded(NAMES[0], NOON)
            after.close()
            assert reopened(folder).recorded.keys() == set(NAMES)
            break
    assert cuts > 6


def test_a_line_a_full_disk_did_not_take_leaves_the_chain_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = begun(tmp_path)
    book.note_recorded(NAMES[0], 0)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    for call in ("pwrite", "fsync"):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, full)
            with pytest.raises(OSError, match="no space"):
                book.note_recorded(NAMES[1], 1)
    assert book.recorded == {NAMES[0]: 0}
    book.note_recorded(NAMES[2], 2)
    book.close()
    assert reopened(tmp_path).recorded == {NAMES[0]: 0, NAMES[2]: 2}


def test_a_head_that_cannot_be_written_loses_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = begun(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Heads, "move", full)
        book.note_recorded(NAMES[0], 0)
    book.close()
    assert reopened(tmp_path).recorded == {NAMES[0]: 0}


def test_a_book_of_an_earlier_build_is_closed_once(tmp_path: Path) -> None:
    """Its lines bore no links, and its keeper's identity no date. Afterwards an unclosed book is an edited one."""
    kept = _bare(written(tmp_path))
    (tmp_path / "book.head").unlink()
    (tmp_path / "book.jsonl").write_bytes(kept)
    own = OwnIdentity(tmp_path, NOON)
    (tmp_path / "keeper.key").write_text(f"{own.current}\n")
    book, key = open_book(tmp_path, OwnIdentity(tmp_path, NOON))
    assert book.recorded.keys() == set(NAMES[:3])
    book.close()
    assert len((tmp_path / "book.jsonl").read_bytes()) > len(kept)
    again, same = open_book(tmp_path, OwnIdentity(tmp_path, NOON))
    assert same == key
    assert again.recorded.keys() == set(NAMES[:3])
    again.close()
    (tmp_path / "book.jsonl").write_bytes(kept)
    with pytest.raises(OperatorError, match="not as this keeper wrote it"):
        open_book(tmp_path, OwnIdentity(tmp_path, NOON))


def test_a_crash_in_the_first_start_is_a_first_start_again(tmp_path: Path) -> None:
    identity = OwnIdentity(tmp_path, NOON)
    open_book(tmp_path, identity)[0].close()
    (tmp_path / "books.key").unlink()
    book, _ = open_book(tmp_path, identity)
    book.note_recorded(NAMES[0], 0)
    book.close()
    (tmp_path / "books.key").unlink()
    with pytest.raises(OperatorError, match="not as this keeper wrote it"):
        open_book(tmp_path, identity)


def test_a_key_that_is_none_is_said(tmp_path: Path) -> None:
    identity = OwnIdentity(tmp_path, NOON)
    open_book(tmp_path, identity)[0].close()
    assert (tmp_path / "books.key").stat().st_mode & 0o777 == 0o600
    for text in ("", "zz", "00" * 31):
        (tmp_path / "books.key").write_text(text)
        with pytest.raises(OperatorError, match="no key"):
            open_book(tmp_path, identity)


@pytest.mark.parametrize("left", ["", "book.head"])
def test_no_restored_key_rises_because_somebody_removed_the_book(tmp_path: Path, left: str) -> None:
    """P20: with the book gone, what it calls destroyed would be recorded anew. The keeper does not start."""
    desk = Desk(tmp_path)
    recording: RecordingId = desk.record().recording
    kept = tmp_path.parent / f"{tmp_path.name}-backup"
    shutil.copytree(tmp_path / "keystore", kept)
    desk.keeper.handle(recording_wire.Destroy(recording, "objection"))
    shutil.rmtree(tmp_path / "keystore")
    shutil.copytree(kept, tmp_path / "keystore")
    for name in {"book.jsonl", "book.head"} - {left}:
        (tmp_path / name).unlink()
    with pytest.raises(OperatorError, match="ends too early"):
        desk.open()
    desk.log.close()


def test_an_empty_book_has_a_head_too(tmp_path: Path) -> None:
    begun(tmp_path).close()
    assert Heads(tmp_path / "book.head", KEY).known() == [(0, FIRST)]
    reopened(tmp_path).close()
