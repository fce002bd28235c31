"""Reading the audit log: which records concern a recording or a person, and pages of it for the auditor.

An index of places, made at the first question and continued at each later one; the records themselves stay on the disk.
It knows where records lie; who may read them is keeper_audit.py's.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pbx_bridge.access import audit_folder as places
from pbx_bridge.access.audit_chain import MAX_LINE_BYTES

EACH: Final = 256
"""Every so many records the place of one is kept, to find the others from."""
MAX_READ_BYTES: Final = 4 << 20
"""Of one look: the keeper answers nobody else meanwhile."""
MAX_ACTS: Final = 200
"""Kinds there are: some forty."""
_ACT: Final = b'{"act":"'
_AT: Final = b'"at":'
_OF_PERSONS: Final = frozenset({b"approve", b"withdraw", b"invite", b"join", b"confirm", b"revoke"})
"""P22: acts that change what somebody may do: whom they concern sees them."""
_TECHNICAL: Final = frozenset({b"put", b"finish", b"recover"})
"""The bridge's own, without which there is no recording: nobody saw anything by them."""


@dataclass(slots=True)
class Block:
    """EACH records of one segment, or fewer: where they begin, when they were written, of which kinds they are."""

    number: int
    segment: str
    at: int
    """The first one's byte."""
    end: int
    low: int
    high: int
    """Unix seconds."""
    acts: int = 0
    """A bit for each kind."""


@dataclass(frozen=True, slots=True)
class Found:
    """Newest first; `next` is the number before which to look on, 0 at the end."""

    records: list[dict[str, Any]]
    next: int


class AuditIndex:
    """Of the log in `folder`. Reads only what was written whole; call it where no record is written meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        """Segment -> up to which byte it is indexed."""
        self._number = 0
        self._about: dict[str, array[int]] = {}
        """`r:RECORDING` or `p:PERSON` -> the places of their records, oldest first."""
        self._blocks: list[Block] = []
        self._acts: dict[bytes, int] = {}
        """Kind -> its bit."""

    def concerning(
        self, recordings: set[str], persons: set[str], before: int, most: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """The newest `most` records about these, older than number `before` (0: all), newest first; are there more."""
        self._continue()
        keys = [f"r:{recording}" for recording in recordings] + [f"p:{person}" for person in persons]
        found = sorted({place for key in keys for place in self._about.get(key, ())}, reverse=True)
        records: list[dict[str, Any]] = []
        for place in found:
            record = self._record(place)
            if record is None or (before and int(record["n"]) >= before):
                continue
            if len(records) == most:
                return records, True
            records.append(record)
        return records, False

    def page(self, after: int, most_bytes: int) -> bytes:
        """Whole lines from the first record after number `after` on; empty at the end."""
        self._continue()
        mark = next((mark for mark in reversed(self._blocks) if mark.number <= after + 1), None)
        segments = [
            path for path in places.segments(self._folder) if mark is None or path.stem >= mark.segment
        ]
        found = b""
        number = mark.number if mark is not None else 0
        for path in segments:
            with open(path, "rb") as file:
                if mark is not None and path.stem == mark.segment:
                    file.seek(mark.at)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    if mark is None and not number:
                        number = int(places.record_in(line)["n"])
                    if number > after:
                        if len(found) + len(line) > most_bytes:
                            return found
                        found += line
                    number += 1
        return found

    def look(self, since: int, until: int, act: str, before: int, most: int) -> Found:
        """The newest `most` records written in [since, until), of kind `act` ("": all), older than number `before` (0: all).

        It reads at most MAX_READ_BYTES; `Found.next` says where to go on, also when nothing was found so far.
        """
        self._continue()
        wanted = self._acts.get(act.encode(), 0) if act else -1
        records: list[dict[str, Any]] = []
        read, newer = 0, 0
        for block in reversed(self._blocks):
            if before and block.number >= before:
                continue
            if block.high < since or block.low >= until or not block.acts & wanted:
                continue
            if read >= MAX_READ_BYTES:
                return Found(records, newer)
            newer = block.number
            read += block.end - block.at
            for record in reversed(list(self._in(block))):
                if before and int(record["n"]) >= before:
                    continue
                if not since <= int(record["at"]) < until or act not in ("", record["act"]):
                    continue
                if len(records) == most:
                    return Found(records, int(records[-1]["n"]))
                records.append(record)
        return Found(records, 0)

    def months(self) -> list[str]:
        """The segments there are, oldest first."""
        return [path.stem for path in places.segments(self._folder)]

    def acts(self) -> list[str]:
        """Every kind that was seen."""
        return sorted(act.decode() for act in self._acts)

    def first(self) -> int:
        """The number of the oldest record there is; 0 in an empty log."""
        kept = set(self.months())
        return next((block.number for block in self._blocks if block.segment in kept), 0)

    def _in(self, block: Block) -> Iterator[dict[str, Any]]:
        """Its records, oldest first; none when its segment has gone."""
        try:
            with open(self._folder / f"{block.segment}.jsonl", "rb") as file:
                file.seek(block.at)
                lines = file.read(block.end - block.at)
        except FileNotFoundError:
            return
        for line in lines.splitlines():
            yield places.record_in(line)

    def _continue(self) -> None:
        for path in places.segments(self._folder):
            at = self._read.get(path.stem, 0)
            with open(path, "rb") as file:
                file.seek(at)
                for line in file:
                    if not line.endswith(b"\n") or len(line) > MAX_LINE_BYTES:
                        break
                    self._take(path.stem, at, line)
                    at += len(line)
            self._read[path.stem] = at

    def _take(self, segment: str, at: int, line: bytes) -> None:
        if not self._number:
            self._number = int(places.record_in(line)["n"]) - 1
        self._number += 1
        act = _text(line, _ACT)
        self._note(segment, at, line, act)
        place = int(segment.replace("-", "")) << 40 | at
        if act in _OF_PERSONS:
            for person in {_text(line, b'"person":"'), _text(line, b'"who":"')} - {b""}:
                self._about.setdefault(f"p:{person.decode()}", array("Q")).append(place)
        elif act not in _TECHNICAL and (recording := _text(line, b'"recording":"')):
            self._about.setdefault(f"r:{recording.decode()}", array("Q")).append(place)

    def _note(self, segment: str, at: int, line: bytes, act: bytes) -> None:
        """In its block; a segment begins one, and so does every EACH-th record."""
        when, block = _whole(line, _AT), self._blocks[-1] if self._blocks else None
        if block is None or block.segment != segment or self._number >= block.number + EACH:
            block = Block(self._number, segment, at, at, when, when)
            self._blocks.append(block)
        block.end = at + len(line)
        block.low, block.high = min(block.low, when), max(block.high, when)
        if act not in self._acts and len(self._acts) < MAX_ACTS:
            self._acts[act] = 1 << len(self._acts)
        block.acts |= self._acts.get(act, 0)

    def _record(self, place: int) -> dict[str, Any] | None:
        """The record there; None when its segment has gone."""
        month = str(place >> 40)
        try:
            with open(self._folder / f"{month[:4]}-{month[4:]}.jsonl", "rb") as file:
                file.seek(place & (1 << 40) - 1)
                return places.record_in(file.readline(MAX_LINE_BYTES))
        except FileNotFoundError:
            return None


def _text(line: bytes, name: bytes) -> bytes:
    """The text behind `name`, of a record as this product writes it: quotes within texts are escaped there, so that the
    name stands nowhere else, and short names and ids have none."""
    at = line.find(name)
    if at < 0:
        return b""
    at += len(name)
    return line[at : line.index(b'"', at)]


def _whole(line: bytes, name: bytes) -> int:
    """The number behind `name`, which stands before every text of a record but its act; 0 where there is none."""
    at = line.find(name)
    digits = line[at + len(name) : line.find(b",", at)] if at >= 0 else b""
    return int(digits) if digits.isdigit() else 0
