"""Whether an audit log is whole: walked from its oldest segment to its newest record, and held against a second place.

Finds a changed, deleted, repeated, reordered or replaced record and a cut end from the log alone, because every record
is signed and the newest checkpoint lies beside; and a log rolled back, or begun anew with another key, from what a
second place kept: checkpoints, or a copy of the log itself. It reads and decides nothing; it runs beside a keeper at work.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pbx_bridge.access import audit_folder as places
from pbx_bridge.access.audit_chain import MAX_LINE_BYTES, AuditBroken, Walk, forgotten, vouched
from pbx_bridge.access.checkpoint import (
    EMPTY,
    Checkpoint,
    Head,
    NoteError,
    is_true_note,
    origin,
    parse_notes,
    parse_verifier_key,
)
from pbx_bridge.errors import OperatorError

MAX_SECOND_BYTES: Final = 8 << 30
"""A copy of ten years' log; checkpoints are far smaller."""


@dataclass(frozen=True, slots=True)
class Second:
    """What a second place kept of a log."""

    digests: dict[int, str] = field(default_factory=dict)
    """Record's number -> its hash: from checkpoints."""
    lines: dict[int, bytes] = field(default_factory=dict)
    """Record's number -> SHA-256 of its whole line: from a copy of the log."""

    @property
    def last(self) -> int:
        return max((*self.digests, *self.lines), default=0)


@dataclass(frozen=True, slots=True)
class Whole:
    """A log that holds."""

    first: int
    """Number of the oldest record kept; 0 in an empty log."""
    head: Head
    segments: tuple[str, ...]
    origin: str
    compared: int
    """How many checkpoints or records of the second place agree."""


class Broken(AuditBroken):
    """The first bad record, with where it lies."""

    def __init__(self, number: int, what: str, where: str) -> None:
        super().__init__(number, what)
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: record {self.number}: {self.what}"


def key_of(folder: Path) -> bytes:
    """The public key of the log there. Raises: OperatorError."""
    path = folder / places.KEY
    try:
        return parse_verifier_key(path.read_text("ascii"))
    except FileNotFoundError:
        raise OperatorError(
            "there is no audit log", where=str(folder), do="Has the bridge run yet?"
        ) from None
    except (NoteError, UnicodeDecodeError) as error:
        raise OperatorError(str(error), where=str(path), do=places.MEND) from None


def check(folder: Path, second: Second | None = None, keepers: bytes | None = None) -> Whole:
    """P19: walks the whole log. `keepers`: the keeper's own public key where it is known; the one beside must be it.

    Raises: Broken naming the first bad record; OperatorError when there is no log to read.
    """
    public = key_of(folder)
    if keepers not in (None, public):
        raise Broken(
            1, "the log beside this key is not the keeper's: all of it was replaced", str(folder / places.KEY)
        )
    return _Check(folder, public, second or Second()).run()


class _Check:
    def __init__(self, folder: Path, public: bytes, second: Second) -> None:
        self._folder, self._public, self._second = folder, public, second
        self._paths = places.segments(folder)
        self._starts = [array("Q") for _ in self._paths]
        """Per segment, where each record begins."""
        self._first = 0
        self._gone = 0
        """The last number a record let go."""
        self._agreed = self._compared = 0

    def run(self) -> Whole:
        target = self._newest()
        walk: Walk | None = None
        for index, line in self._lines():
            if walk is None:
                walk = self._begin(line)
            try:
                record = walk.take(line)
            except AuditBroken as broken:
                raise self._located(broken.number, broken.what, index) from None
            if (let_go := forgotten(record)) is not None:
                self._gone = max(self._gone, let_go[1])
            if target is not None and walk.head.number == target.number:
                if walk.head.digest != target.digest:
                    raise self._replaced(walk.head.number, index)
                target = None
            self._compare(walk.head, line, index)
        head = EMPTY if walk is None else walk.head
        self._end(head, target, signed=walk is None or walk.is_signed())
        names = tuple(path.stem for path in self._paths)
        return Whole(self._first, head, names, origin(self._public), self._compared)

    def _newest(self) -> Checkpoint | None:
        """The checkpoint beside the log, whose record must be in it."""
        found = places.newest(self._folder)
        if found is None:
            raise Broken(
                1, "the newest checkpoint beside the log is missing", str(self._folder / places.HEAD)
            )
        if not is_true_note(self._public, found):
            raise Broken(
                found.number,
                "the checkpoint beside the log is not the keeper's",
                str(self._folder / places.HEAD),
            )
        return found if found.number else None

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        for index, path in enumerate(self._paths):
            last = index == len(self._paths) - 1
            with open(path, "rb", buffering=1 << 20) as file:
                at = 0
                while line := file.readline(MAX_LINE_BYTES + 1):
                    if last and not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
                        return  # being written now, or never answered: the checkpoint says whether one is missing
                    self._starts[index].append(at)
                    at += len(line)
                    yield index, line

    def _begin(self, line: bytes) -> Walk:
        """The walk from the first record there is; older segments may have gone."""
        try:
            record = places.record_in(line)
            self._first, before = int(record["n"]), str(record["prev"])
        except (ValueError, KeyError, TypeError):
            raise self._located(1, "it is no record", 0) from None
        if self._first < 1:
            raise self._located(1, "its number is none", 0)
        if self._first == 1:
            return Walk(self._public, EMPTY)
        return Walk(self._public, Head(self._first - 1, "", before))

    def _compare(self, head: Head, line: bytes, index: int) -> None:
        second, number = self._second, head.number
        copied = second.lines.get(number)
        if copied is not None and copied != hashlib.sha256(line).digest():
            raise self._located(number, "it is not the one the second place has a copy of", index)
        digest = second.digests.get(number)
        if digest is not None and digest != head.digest:
            since = f" or one of those from {self._agreed + 1} on" if self._agreed + 1 < number else ""
            raise self._located(
                self._agreed + 1 if self._agreed else self._first,
                f"it{since} up to {number} is not as the second place knows it: the log was rolled back and continued",
                index,
            )
        if copied is not None or digest is not None:
            self._agreed, self._compared = number, self._compared + 1

    def _end(self, head: Head, target: Checkpoint | None, *, signed: bool) -> None:
        end = len(self._paths) - 1
        if not signed:
            raise self._replaced(head.number, end)
        if self._first > self._gone + 1:
            what = f"it is missing: the log begins at record {self._first}, and no record let the earlier ones go"
            raise self._located(self._gone + 1, what, 0)
        if target is not None:
            what = (
                f"it is missing: the log ends at {head.number}, but {target.number} were written: it was cut"
            )
            raise self._located(head.number + 1, what, end)
        if self._second.last > head.number:
            what = f"it is missing: the second place knows {self._second.last} records: the log was cut or rolled back"
            raise self._located(head.number + 1, what, end)

    def _replaced(self, until: int, index: int) -> Broken:
        """The chain holds up to `until`, whose signature does not: the first without one was written by somebody else."""
        low, high = self._first, until
        while low < high:
            middle = (low + high) // 2
            if vouched(self._public, self._line(middle)):
                low = middle + 1
            else:
                high = middle
        if low == until and vouched(self._public, self._line(low)):
            return self._located(low, "it is not the one the checkpoint beside the log names", index)
        return self._located(
            low, "it was not written by the keeper: it and all that follow were replaced", index
        )

    def _line(self, number: int) -> bytes:
        segment, place = self._place(number)
        with open(self._paths[segment], "rb") as file:
            file.seek(self._starts[segment][place])
            return file.readline(MAX_LINE_BYTES + 1)

    def _place(self, number: int) -> tuple[int, int]:
        left = number - self._first
        for segment, starts in enumerate(self._starts):
            if left < len(starts):
                return segment, left
            left -= len(starts)
        raise IndexError(number)

    def _located(self, number: int, what: str, index: int) -> Broken:
        if not self._paths:
            return Broken(number, what, str(self._folder))
        try:
            index, line = self._place(number)
        except IndexError:
            line = len(self._starts[index]) - 1
        return Broken(number, what, f"{self._paths[index].name}, line {max(0, line) + 1}")


def read_second(path: Path, public: bytes) -> Second:
    """What the second place kept: a file of checkpoints, a copy of the log in one file, or a copy of its folder.

    Raises: OperatorError when it holds neither; Broken when it is of a log with another key.
    """
    if path.is_dir():
        copies = places.segments(path)
        if not copies:
            raise OperatorError("there is no copy of the log", where=str(path))
        return Second(lines=_copied(copies))
    if not path.is_file():
        raise OperatorError("there is no such file", where=str(path))
    if os.path.getsize(path) > MAX_SECOND_BYTES:
        raise OperatorError("it is larger than any audit log", where=str(path))
    with open(path, "rb") as file:
        begins = file.read(1)
    if begins == b"{":
        return Second(lines=_copied([path]))
    return Second(digests=_kept(path, public))


def _copied(paths: list[Path]) -> dict[int, bytes]:
    """Each line's hash by its number. A damaged copy is named, so that nobody blames the log."""
    lines: dict[int, bytes] = {}
    for path in paths:
        with open(path, "rb") as file:
            for line in file:
                try:
                    lines[int(places.record_in(line)["n"])] = hashlib.sha256(line).digest()
                except (ValueError, KeyError, TypeError):
                    raise OperatorError(
                        f"line {len(lines) + 1} is no record: the copy is damaged", where=str(path)
                    ) from None
    return lines


def _kept(path: Path, public: bytes) -> dict[int, str]:
    try:
        notes = parse_notes(path.read_text("utf-8"))
    except (NoteError, UnicodeDecodeError) as error:
        raise OperatorError(f"these are no checkpoints: {error}", where=str(path)) from None
    if not notes:
        raise OperatorError("there is no checkpoint in it", where=str(path))
    digests: dict[int, str] = {}
    for found in notes:
        if found.origin != origin(public):
            raise Broken(
                1,
                "the second place knows a log with another key: this one was begun anew, or FILE is of another bridge",
                str(path),
            )
        if not is_true_note(public, found):
            raise OperatorError(
                f"its checkpoint of record {found.number} is not signed by the keeper", where=str(path)
            )
        if found.number and digests.setdefault(found.number, found.digest) != found.digest:
            raise Broken(
                found.number, "the second place knows two of them: the log was rolled back", str(path)
            )
    return digests
