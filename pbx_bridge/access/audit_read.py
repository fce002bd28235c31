"""Reading the audit log: which records concern a recording or a person, and pages of it for the auditor.

An index of places, made at the first question and continued at each later one; the records themselves stay on the disk.
It knows where records lie; who may read them is keeper_audit.py's.
"""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any, Final

from pbx_bridge.access import audit_folder as places
from pbx_bridge.access.audit_chain import MAX_LINE_BYTES

EACH: Final = 256
"""Every so many records the place of one is kept, to find the others from."""
_ACT: Final = b'{"act":"'
_OF_PERSONS: Final = frozenset({b"approve", b"withdraw", b"invite", b"join", b"confirm", b"revoke"})
"""P22: acts that change what somebody may do: whom they concern sees them."""
_TECHNICAL: Final = frozenset({b"put", b"finish", b"recover"})
"""The bridge's own, without which there is no recording: nobody saw anything by them."""


class AuditIndex:
    """Of the log in `folder`. Reads only what was written whole; call it where no record is written meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        """Segment -> up to which byte it is indexed."""
        self._number = 0
        self._about: dict[str, array[int]] = {}
        """`r:RECORDING` or `p:PERSON` -> the places of their records, oldest first."""
        self._marks: list[tuple[int, str, int]] = []
        """(number, segment, byte) of every EACH-th record."""

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
        mark = next((mark for mark in reversed(self._marks) if mark[0] <= after + 1), None)
        segments = [path for path in places.segments(self._folder) if mark is None or path.stem >= mark[1]]
        found = b""
        number = mark[0] if mark is not None else 0
        for path in segments:
            with open(path, "rb") as file:
                if mark is not None and path.stem == mark[1]:
                    file.seek(mark[2])
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
        if self._number % EACH == 0 or not self._marks:
            self._marks.append((self._number, segment, at))
        act = _text(line, _ACT)
        place = int(segment.replace("-", "")) << 40 | at
        if act in _OF_PERSONS:
            for person in {_text(line, b'"person":"'), _text(line, b'"who":"')} - {b""}:
                self._about.setdefault(f"p:{person.decode()}", array("Q")).append(place)
        elif act not in _TECHNICAL and (recording := _text(line, b'"recording":"')):
            self._about.setdefault(f"r:{recording.decode()}", array("Q")).append(place)

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
