"""Which looks at a list are one: the same person's same look within a minute is on record already (P19).

A page that is turned, or opened again, asks the keeper each time; the log says once a minute that somebody is looking. Pure:
it knows short names, closed words and seconds; times come from outside. A restarted keeper begins anew.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from pbx_bridge.access.audit_chain import Access

ONE_LOOK_S: Final = 60
"""As long as a record of a look speaks for the next ones."""
MAX_LOOKS: Final = 4_096
"""Beyond, the oldest is recorded again: more lines rather than fewer."""


class Looks:
    """The looks that are on record, by what they were."""

    def __init__(self) -> None:
        self._at: OrderedDict[Access, int] = OrderedDict()

    def covers(self, look: Access, now: int) -> bool:
        """P19: whether this very look (who, at what, of whom) is on record since less than a minute. A clock that went back
        covers nothing."""
        at = self._at.get(look)
        return at is not None and 0 <= now - at < ONE_LOOK_S

    def recorded(self, look: Access, now: int) -> None:
        """It is on the disk now."""
        self._at.pop(look, None)
        self._at[look] = now
        if len(self._at) > MAX_LOOKS:
            self._at.popitem(last=False)
