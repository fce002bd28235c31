"""The book of what was recorded, given out and destroyed: append-only lines beside the key store, never in it.

A key store that is restored from its backup does not bring back what this book calls destroyed, and the daily count
recorded - destroyed = present is taken against it. It knows recording ids, times, closed words and the short names of
those who were given a key; never a trainee, a plan or a key. A line is on the disk when its method returns, except who was
given a key: the audit log has that already, synced, and here it may be lost in a power cut. The lines are chained
(book_chain.py): what a hand changed in it keeps the keeper from starting.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

from pbx_bridge.access.books import keep_key, kept_key, key_of, new_key
from pbx_bridge.archive.book_chain import FIRST, Heads, chained, linked, unchained, whole_line
from pbx_bridge.archive.own_identity import OwnIdentity
from pbx_bridge.archive.rules import DAY_S
from pbx_bridge.durable import sync_folder, write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Malformed, Many, Text, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_portal import NAME, RECORDING, UNIX

KEPT_DAYS: Final = 366
"""A destruction record lives as long as the audit log's records of the same recording (P19: 12 months)."""
MAX_COPIES: Final = 64
"""A recording has one trainee and at most 16 trainers at a time; beyond this the audit log still has them."""


def open_book(folder: Path, identity: OwnIdentity) -> tuple[Book, bytes]:
    """The book of the keeper with this identity, and the key that closes it and the small books (access/books.py).

    A keeper of an earlier build closed them under its identity, and its book not at all. Raises: OperatorError, OSError.
    """
    path, secret = folder / "book.jsonl", folder / "books.key"
    earlier = identity.made_at == 0
    key = kept_key(secret) or (key_of(str(identity.current)) if earlier else new_key())
    is_first = not secret.exists() and (earlier or not path.exists() or not path.stat().st_size)
    book = Book(path, key, is_first=is_first)
    if not secret.exists():
        keep_key(secret, key)
    return book, key


class Did(Enum):
    RECORDED = "recorded"
    RELEASED = "released"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class Note:
    """One line."""

    at: Annotated[int, UNIX]
    did: Did
    recording: Annotated[RecordingId, RECORDING]
    reason: Annotated[str, Text(32, 0)] = ""
    """Of a destruction: a word of the ledger's closed list."""
    who: Annotated[tuple[Annotated[str, NAME], ...], Many(MAX_COPIES)] = ()
    """Of a release: who was given the key. Of a destruction: everyone who was, whose copies are outstanding."""


class Book:
    """`book.jsonl` and `book.head` in the keeper's folder, read whole at start."""

    def __init__(self, path: Path, key: bytes, *, is_first: bool) -> None:
        """`key` closes it. `is_first`: this keeper closed no book yet; there is none, or one of an earlier build.

        Raises: OperatorError naming a line that is not as the keeper wrote it; half a last line is cut (a crash).
        """
        self._path, self._key = path, key
        self._heads = Heads(path.with_suffix(".head"), key)
        self._lines, self._link = 0, FIRST
        self.recorded: dict[RecordingId, int] = {}
        """When each was put, Unix seconds."""
        self.destroyed: dict[RecordingId, Note] = {}
        self._holders: dict[RecordingId, tuple[str, ...]] = {}
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        ends = {(0, FIRST)}
        for line in whole.splitlines():
            self._read(line, is_first=is_first)
            ends.add((self._lines, self._link))
        if not is_first and ends.isdisjoint(self._heads.known()):
            raise self._broken(
                "it ends too early, or book.head, which tells its end, is not as this keeper wrote it"
            )
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = len(whole)
        sync_folder(path.parent)
        if is_first:
            self._rewrite()
        else:
            self._heads.begin((self._lines, self._link))

    def note_recorded(self, recording: RecordingId, at: int) -> None:
        """Raises: OSError; then it is not noted."""
        self._append(Note(at, Did.RECORDED, recording))

    def note_released(self, recording: RecordingId, who: str, at: int) -> None:
        """Once for each person: that they hold a copy, as far as anybody can know. Raises: OSError."""
        if who not in self._holders.get(recording, ()):
            self._append(Note(at, Did.RELEASED, recording, who=(who,)), sync=False)

    def note_destroyed(self, recording: RecordingId, reason: str, at: int) -> None:
        """P20: the destruction record, with outstanding copies. Raises: OSError."""
        if recording not in self.destroyed:
            self._append(Note(at, Did.DESTROYED, recording, reason, self.copies(recording)))

    def copies(self, recording: RecordingId) -> tuple[str, ...]:
        """Who was given this recording's key."""
        return self._holders.get(recording, ())[:MAX_COPIES]

    def expected(self) -> frozenset[RecordingId]:
        """Recorded and not destroyed."""
        return frozenset(self.recorded.keys() - self.destroyed.keys())

    def forget_old(self, now: int) -> int:
        """Drops what was destroyed more than KEPT_DAYS ago; how many recordings. Raises: OSError."""
        before = now - KEPT_DAYS * DAY_S
        old = [note.recording for note in self.destroyed.values() if note.at < before]
        if old:
            for recording in old:
                del self.destroyed[recording]
                self.recorded.pop(recording, None)
                self._holders.pop(recording, None)
            self._rewrite()
        return len(old)

    def close(self) -> None:
        self._heads.close()
        os.close(self._file)

    def _rewrite(self) -> None:
        """The book anew, as it is known: while one takes the other's place, both ends are right. Raises: OSError."""
        made = list(chained((canonical(write_fields(note)) for note in self._notes()), self._key))
        lines, link = [line for line, _ in made], made[-1][1] if made else FIRST
        self._heads.begin((len(lines), link), (self._lines, self._link))
        write_whole(self._path, b"".join(lines))
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        self._lines, self._link, self._size = len(lines), link, sum(map(len, lines))
        self._heads.begin((self._lines, self._link))

    def _read(self, line: bytes, *, is_first: bool) -> None:
        text, link = unchained(line)
        after = linked(text, self._link, self._key)
        self._lines += 1
        if not (is_first or hmac.compare_digest(after, link)):
            raise self._broken("it is not as this keeper wrote it, or a line before it is gone")
        try:
            self._take(read_fields(Note, read_object(text)))
        except Malformed as error:
            raise self._broken(str(error)) from None
        self._link = after

    def _broken(self, why: str) -> OperatorError:
        where = f"{self._path}: line {self._lines}"
        return OperatorError(
            why, where=where, do="Restore the keeper's folder from its backup and tell the auditor"
        )

    def _notes(self) -> Iterator[Note]:
        for recording, at in self.recorded.items():
            yield Note(at, Did.RECORDED, recording)
        for recording, who in self._holders.items():
            yield Note(self.recorded.get(recording, 0), Did.RELEASED, recording, who=who[:MAX_COPIES])
        yield from self.destroyed.values()

    def _take(self, note: Note) -> None:
        match note.did:
            case Did.RECORDED:
                self.recorded.setdefault(note.recording, note.at)
            case Did.RELEASED:
                self._holders[note.recording] = self._holders.get(note.recording, ()) + note.who
            case Did.DESTROYED:
                self.destroyed.setdefault(note.recording, note)

    def _append(self, note: Note, *, sync: bool = True) -> None:
        text = canonical(write_fields(note))
        link = linked(text, self._link, self._key)
        line = whole_line(text, link)
        os.ftruncate(self._file, self._size)  # what a full disk took of an earlier line
        view, at = memoryview(line), self._size
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written
        if sync:
            os.fsync(self._file)
        self._size += len(line)
        self._lines, self._link = self._lines + 1, link
        self._take(note)
        if sync:
            with suppress(OSError):  # the line stands; that the end is told late only weakens what it shows
                self._heads.move(self._lines, link)
