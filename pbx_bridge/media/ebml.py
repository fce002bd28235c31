"""EBML's elements, read in place (RFC 8794): what mend.py and packets.py share. Pure; it knows no element's meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Read = Callable[[int, int], bytes]
"""Position and size to bytes; fewer at the end only."""


@dataclass(frozen=True, slots=True)
class Element:
    id: int
    at: int
    body: int
    end: int | None
    """None when its size is not known."""


def children(read: Read, at: int, end: int) -> Iterator[Element]:
    """The complete elements in [at, end), one after the other."""
    while at < end:
        element = element_at(read, at, end)
        if element is None or element.end is None or element.end > end:
            return
        yield element
        at = element.end


def element_at(read: Read, at: int, end: int) -> Element | None:
    head = read(at, min(12, end - at))
    id_size = _vint_size(head[:1])
    if not 1 <= id_size <= 4 or len(head) <= id_size:
        return None
    size_size = _vint_size(head[id_size : id_size + 1])
    if size_size == 0 or len(head) < id_size + size_size:
        return None
    size = int.from_bytes(head[id_size : id_size + size_size], "big") & ((1 << 7 * size_size) - 1)
    body = at + id_size + size_size
    unknown = size == (1 << 7 * size_size) - 1
    return Element(int.from_bytes(head[:id_size], "big"), at, body, None if unknown else body + size)


def _vint_size(first: bytes) -> int:
    """Bytes of the variable-length number that starts so; 0 when none does (RFC 8794, 4)."""
    return 9 - first[0].bit_length() if first and first[0] else 0


def number(read: Read, element: Element) -> int:
    return int.from_bytes(read(element.body, min(8, (element.end or element.body) - element.body)), "big")
