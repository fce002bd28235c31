"""The chain that closes the keeper's book of destructions, so that no line of it is changed, removed or added unseen (P20).

Each line ends with an HMAC over itself and over the one before, under a key of the keeper's own (access/books.py). The small
file beside the book says how far it had come at least: without it a cut end would not show. It has two places: while the
book is rewritten, the old and the new end are both right. This knows lines as bytes, never what they say.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pbx_bridge.durable import write_whole

FIRST: Final = "0" * 64
"""What stands in place of a link before the first line."""
MAC_CHARS: Final = 64
_PLACE: Final = 12 + 1 + MAC_CHARS + 1 + MAC_CHARS + 1
"""Bytes of one head: number of lines, the last one's link, and the seal over both. Two are less than a disk's sector."""


def linked(text: bytes, before: str, key: bytes) -> str:
    """P20: the link of the line `text` that follows the one with the link `before`: no destruction is taken back by hand."""
    return hmac.new(key, b"line\0" + before.encode() + b"\0" + text, hashlib.sha256).hexdigest()


def chained(texts: Iterable[bytes], key: bytes) -> Iterator[tuple[bytes, str]]:
    """Each text as a whole line of the file, from the first on, and its link."""
    link = FIRST
    for text in texts:
        link = linked(text, link, key)
        yield whole_line(text, link), link


def whole_line(text: bytes, link: str) -> bytes:
    return text + b" " + link.encode() + b"\n"


def unchained(line: bytes) -> tuple[bytes, str]:
    """The text of a whole line without its end, and the link it bears; "" for none."""
    text, space, link = line.rpartition(b" ")
    if space and len(link) == MAC_CHARS and text.endswith(b"}"):
        return text, link.decode("ascii", "replace")
    return line, ""


class Heads:
    """`book.head`. Raises: OSError from each method."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path, self._key = path, key
        self._file = -1

    def known(self) -> list[tuple[int, str]]:
        """How many lines there were, with the last one's link; both while the book was being rewritten. None: nobody wrote
        this file, or somebody else did."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        found = []
        for at in (0, _PLACE):
            number, _, rest = content[at : at + _PLACE].decode("ascii", "replace").partition(" ")
            link, _, seal = rest.rstrip("\n").partition(" ")
            if (
                number.isascii()
                and number.isdigit()
                and hmac.compare_digest(seal.encode(), self._seal(int(number), link).encode())
            ):
                found.append((int(number), link))
        return found

    def begin(self, *heads: tuple[int, str]) -> None:
        """These and no other, on the disk when it returns."""
        self.close()
        write_whole(self._path, b"".join(self._place(*head) for head in heads))

    def move(self, number: int, link: str) -> None:
        """The book has come so far, and is on the disk. Not synced: after a power cut it may say less, never more."""
        if self._file < 0:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        os.pwrite(self._file, self._place(number, link), 0)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _place(self, number: int, link: str) -> bytes:
        return f"{number:012} {link} {self._seal(number, link)}\n".encode()

    def _seal(self, number: int, link: str) -> str:
        return hmac.new(self._key, f"head\0{number} {link}".encode(), hashlib.sha256).hexdigest()
