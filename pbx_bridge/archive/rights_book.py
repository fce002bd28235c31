"""The keeper's small book of requests (P23): who asked for what, by when it is due, who granted it, how it ended.

It knows recording ids, short names of trainees and approvers, and public keys; never a customer's number or name. It
decides nothing (rights/rules.py). Closed requests live a year, as long as the audit log's records of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from pbx_bridge.access.books import read_book, write_book
from pbx_bridge.archive.rules import DAY_S
from pbx_bridge.wire_rights import MAX_REQUESTS, RightsRequest, RightsRequests

KEPT_DAYS: Final = 366


class RequestBook:
    """`requests.json` in the keeper's folder; without a path it lives in memory."""

    def __init__(self, path: Path | None = None, key: bytes = b"") -> None:
        """`key` closes the file (access/books.py): nobody grants by editing it. Raises: OperatorError when it is not as the
        keeper left it."""
        self._path, self._key = path, key
        book = None if path is None else read_book(path, RightsRequests, key)
        self._requests = {request.id: request for request in book.requests} if book is not None else {}

    def __iter__(self) -> Iterator[RightsRequest]:
        """Oldest first."""
        return iter(sorted(self._requests.values(), key=lambda one: (one.opened_at, one.id)))

    def __contains__(self, name: object) -> bool:
        return name in self._requests

    def find(self, name: str) -> RightsRequest | None:
        return self._requests.get(name)

    def has_room(self) -> bool:
        return len(self._requests) < MAX_REQUESTS

    def keep(self, request: RightsRequest, now: int) -> None:
        """Adds or replaces it, on the disk; closed ones older than a year go. Raises: OSError."""
        oldest = now - KEPT_DAYS * DAY_S
        kept = {
            one.id: one for one in self._requests.values() if one.closed_at is None or one.closed_at > oldest
        } | {request.id: request}
        if self._path is not None:
            write_book(self._path, RightsRequests(tuple(kept.values())), self._key)
        self._requests = kept

    def change(self, request: RightsRequest, now: int, **fields: object) -> RightsRequest:
        """The same with other fields, kept. Raises: OSError."""
        changed = replace(request, **fields)  # type: ignore[arg-type]
        self.keep(changed, now)
        return changed
