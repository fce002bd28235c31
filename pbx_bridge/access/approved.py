"""The keeper's own book of what was approved, by whom and when: `approvals.json`, 0600 in its folder.

It keeps what access/approvals.py decided; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pbx_bridge.access.approvals import Approval, is_over
from pbx_bridge.access.books import read_book, write_book
from pbx_bridge.wire_json import Many
from pbx_bridge.wire_portal import MAX_APPROVED


@dataclass(frozen=True, slots=True)
class _Book:
    approvals: Annotated[tuple[Approval, ...], Many(MAX_APPROVED)] = ()


class Approved:
    """Read whole at start; replaced atomically."""

    def __init__(self, path: Path, key: bytes = b"") -> None:
        """`key` closes the file (books.py). Raises: OperatorError when it is not as the keeper left it."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._key = path, key
        self._book = read_book(path, _Book, key) or _Book()

    def __iter__(self) -> Iterator[Approval]:
        return iter(self._book.approvals)

    @property
    def digests(self) -> frozenset[str]:
        """Of what may record: an ended plan's stays in the book for the recordings it covers."""
        return frozenset(approval.digest for approval in self._book.approvals if not approval.ended)

    def add(self, approval: Approval) -> None:
        """Keeps it, in place of an earlier one of the same text. Another text of the same plan or trainer ends: going back
        to it needs a second person again (P22). What can cover nothing any more goes; so does the oldest beyond the limit.
        """
        subject = (approval.kind, approval.about)
        others = [
            replace(known, ended=approval.at)
            if (known.kind, known.about) == subject and not known.ended
            else known
            for known in self._book.approvals
            if known.digest != approval.digest and not is_over(known, approval.at)
        ]
        self._keep(_Book((*others[-(MAX_APPROVED - 1) :], approval)))

    def end(self, digest: str, at: int) -> Approval | None:
        """P13: it covers nothing that begins later, until it is approved again; None when it was not approved."""
        found = next(
            (known for known in self._book.approvals if known.digest == digest and not known.ended), None
        )
        if found is not None:
            ended = replace(found, ended=at)
            self._keep(_Book(tuple(ended if known is found else known for known in self._book.approvals)))
        return found

    def withdraw(self, digest: str) -> Approval | None:
        """Forgets it; what it was."""
        found = next((known for known in self._book.approvals if known.digest == digest), None)
        if found is not None:
            self._keep(_Book(tuple(known for known in self._book.approvals if known is not found)))
        return found

    def _keep(self, book: _Book) -> None:
        write_book(self._path, book, self._key)
        self._book = book
