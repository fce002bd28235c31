"""A long list in parts: which part a page shows, and where the next ones are. It knows numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pbx_bridge.portal.web.asked import Asked
from pbx_bridge.wire_json import Malformed

T = TypeVar("T")

EACH: Final = 50
_NUMBER: Final = re.compile(r"[0-9]{1,6}\Z")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """Some of a list that is sorted newest first."""

    items: Sequence[T]
    first: int
    """Which of all the first of them is, from 0."""
    count: int
    """Of all."""

    @property
    def newer(self) -> int | None:
        """From where the page of newer ones begins; None on the first."""
        return max(0, self.first - EACH) if self.first else None

    @property
    def older(self) -> int | None:
        after = self.first + len(self.items)
        return after if self.items and after < self.count else None


def part_of(items: Sequence[T], asked: Asked) -> Part[T]:
    """The part that `?from=` asks for. Raises: Malformed."""
    written = asked.request.query_params.get("from", "0")
    if not _NUMBER.match(written):
        raise Malformed("from: a number")
    first = int(written)
    return Part(items[first : first + EACH], first, len(items))
