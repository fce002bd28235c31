"""The texts of what is approved now: `in-force.json`, 0600 in the keeper's folder, so that an approver sees what changes.

A text is kept under its own digest and believed by it alone. Losing the book loses a comparison and nothing else: what
is approved stands in approvals.json. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pbx_bridge.access.books import read_book, write_book
from pbx_bridge.training.plans import text_digest
from pbx_bridge.wire_json import Many, Text
from pbx_bridge.wire_portal import MAX_ACT_CHARS, MAX_APPROVED


@dataclass(frozen=True, slots=True)
class _Book:
    texts: Annotated[tuple[Annotated[str, Text(MAX_ACT_CHARS, lines=True)], ...], Many(MAX_APPROVED)] = ()


class InForce:
    """Read whole at start; replaced atomically."""

    def __init__(self, path: Path, key: bytes = b"") -> None:
        """`key` closes the file (books.py). Raises: OperatorError when it is not as the keeper left it."""
        self._path, self._key = path, key
        book = read_book(path, _Book, key) or _Book()
        self._texts = {text_digest(text): text for text in book.texts}

    def text(self, digest: str) -> str:
        """What was read with this digest; "" when it is not kept."""
        return self._texts.get(digest, "")

    def keep(self, digests: Iterable[str], new: str = "") -> None:
        """The texts of these digests alone, with a new one among them. Raises: OSError."""
        known = self._texts | ({text_digest(new): new} if new else {})
        kept = {digest: known[digest] for digest in digests if digest in known}
        if kept != self._texts:
            write_book(self._path, _Book(tuple(kept.values())), self._key)
            self._texts = kept
