"""Marks on a recording's time line, as Matroska chapters every player knows (RFC 9559, 5.1.7): talk, hold, pause, notes.

Pure: times and short texts in, one element out, and back. It stands behind the index, where a player looks anyway. A file
without a pause has none; a file of an earlier build, or one that a crash cut, has none either and plays on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pbx_bridge.media.ebml import Element, Read, children, element_at, number
from pbx_bridge.media.spans import Pause

TALK, HOLD, PAUSE = "talk", "hold", "pause"
"""Titles: closed words, for programs too."""
MAX_BYTES: Final = 1 << 20
"""A thousand pauses have under 100 KiB; more is no file of ours."""
CHAPTERS: Final = 0x1043A770
_CLUSTER: Final = 0x1F43B675
_SEEK_HEAD, _SEEK_ID, _SEEK_AT = 0x114D9B74, 0x53AB, 0x53AC
_EDITION, _ATOM, _UID, _START, _END = 0x45B9, 0xB6, 0x73C4, 0x91, 0x92
_DISPLAY, _STRING, _LANGUAGE = 0x80, 0x85, 0x437C
_MS: Final = 1_000_000
"""Chapters count in nanoseconds, whatever the file's own scale."""


@dataclass(frozen=True, slots=True)
class Chapter:
    begin_ms: int
    end_ms: int
    title: str


def of_pauses(pauses: Iterable[Pause], end_ns: int) -> tuple[Chapter, ...]:
    """Talk and pauses in turn, from the file's start to its end; nothing when there was no pause."""
    found: list[Chapter] = []
    at_ms = 0
    for pause in pauses:
        from_ms, to_ms = pause.from_ns // _MS, pause.to_ns // _MS
        if from_ms > at_ms:
            found.append(Chapter(at_ms, from_ms, TALK))
        found.append(Chapter(from_ms, to_ms, HOLD if pause.hold else PAUSE))
        at_ms = to_ms
    return (*found, Chapter(at_ms, end_ns // _MS, TALK)) if found else ()


def written(chapters: Iterable[Chapter]) -> bytes:
    """The element; b"" without any chapter. In order of time, each a nanosecond after the one before at least: readers
    leave out what begins where another began."""
    atoms, last_ns = b"", -1
    for uid, chapter in enumerate(sorted(chapters, key=lambda one: one.begin_ms), 1):
        last_ns = max(chapter.begin_ms * _MS, last_ns + 1)
        shown = _element(_STRING, chapter.title.encode()) + _element(_LANGUAGE, b"und")
        times = _number(_START, last_ns) + _number(_END, max(chapter.end_ms * _MS, last_ns))
        atoms += _element(_ATOM, _number(_UID, uid) + times + _element(_DISPLAY, shown))
    return _element(CHAPTERS, _element(_EDITION, atoms)) if atoms else b""


def chapters(read: Read, size: int) -> tuple[Chapter, ...]:
    """Those of a whole file of `size` bytes, none where there are none. Only its head and they themselves are read."""
    ebml = element_at(read, 0, size)
    segment = element_at(read, ebml.end, size) if ebml is not None and ebml.end is not None else None
    place = None if segment is None else _place(read, segment, size)
    element = None if place is None else element_at(read, place, size)
    if element is None or element.id != CHAPTERS or element.end is None or element.end > size:
        return ()
    return tuple(_chapters(read, element)) if element.end - element.body <= MAX_BYTES else ()


def _place(read: Read, segment: Element, size: int) -> int | None:
    """Where the head says that the chapters are."""
    for element in children(read, segment.body, size):
        if element.id == _CLUSTER:
            return None
        if element.id == _SEEK_HEAD:
            for seek in children(read, element.body, element.end or element.body):
                fields = {child.id: child for child in children(read, seek.body, seek.end or seek.body)}
                if _SEEK_ID in fields and number(read, fields[_SEEK_ID]) == CHAPTERS and _SEEK_AT in fields:
                    return segment.body + number(read, fields[_SEEK_AT])
    return None


def _chapters(read: Read, element: Element) -> Iterator[Chapter]:
    for edition in children(read, element.body, element.end or element.body):
        for atom in children(read, edition.body, edition.end or edition.body):
            if atom.id == _ATOM:
                fields = {child.id: child for child in children(read, atom.body, atom.end or atom.body)}
                if _START in fields and _END in fields and _DISPLAY in fields:
                    begin_ms, end_ms = (number(read, fields[name]) // _MS for name in (_START, _END))
                    yield Chapter(begin_ms, end_ms, _title(read, fields[_DISPLAY]))


def _title(read: Read, display: Element) -> str:
    for child in children(read, display.body, display.end or display.body):
        if child.id == _STRING and child.end is not None:
            return read(child.body, child.end - child.body).decode("utf-8", "replace")
    return ""


def _element(name: int, body: bytes) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8) + (1 << 56 | len(body)).to_bytes(8) + body


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))
