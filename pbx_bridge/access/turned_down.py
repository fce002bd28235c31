"""The keeper's small book of refused proposals: `refused.json`, 0600 in its folder (P13, P22).

A refusal opens and closes nothing: what is not approved is not recorded anyway. It is kept so that whoever entered the
plan, and its trainer, see that somebody decided, and why. It knows digests and names of plans and approvers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pbx_bridge.access.books import read_book, write_book
from pbx_bridge.archive.rules import DAY_S
from pbx_bridge.wire_office import MAX_TURNED_DOWN, AllTurnedDown, TurnedDown

KEPT_DAYS: Final = 366
"""As long as the audit log has it (P19)."""


class TurnedDownBook:
    """Without a path it lives in memory."""

    def __init__(self, path: Path | None = None, key: bytes = b"") -> None:
        """`key` closes the file (books.py). Raises: OperatorError when it is not as the keeper left it."""
        self._path, self._key = path, key
        book = None if path is None else read_book(path, AllTurnedDown, key)
        self._refused = {one.digest: one for one in book.refused} if book is not None else {}

    def __iter__(self) -> Iterator[TurnedDown]:
        """Oldest first."""
        return iter(tuple(self._refused.values()))

    def add(self, one: TurnedDown) -> None:
        """Keeps it, in place of an earlier one of the same text; those older than a year, and the oldest beyond the limit,
        go. Raises: OSError."""
        oldest = one.at - KEPT_DAYS * DAY_S
        kept = [known for known in self if known.digest != one.digest and known.at > oldest]
        self._keep([*kept[-(MAX_TURNED_DOWN - 1) :], one])

    def drop(self, digest: str) -> None:
        """Its approver approved it after all. Raises: OSError."""
        if digest in self._refused:
            self._keep([known for known in self if known.digest != digest])

    def _keep(self, refused: list[TurnedDown]) -> None:
        if self._path is not None:
            write_book(self._path, AllTurnedDown(tuple(refused)), self._key)
        self._refused = {one.digest: one for one in refused}
