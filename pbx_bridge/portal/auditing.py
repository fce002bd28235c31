"""What an auditor asks of the portal, for its pages and its API alike: words in, words out (P19).

It carries questions to the keeper, which decides who may read and records each reading first. Whether the log is whole is
not said here: whoever asks checks it on their own machine, against the log's signatures and what they kept of it.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import structlog

from pbx_bridge import wire_portal as words
from pbx_bridge.access.checkpoint import NoteError, parse_notes
from pbx_bridge.archive.audit_wire import For
from pbx_bridge.wire_audit import AuditLook, Looked
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()


class Keeper(Protocol):
    """The questions that are carried on. Raises: words.Refused, KeeperUnreachable."""

    async def audit(self, token: bytes, after: int, purpose: For = For.COPY) -> words.AuditPage: ...

    async def audit_look(self, token: bytes, wanted: Looked) -> AuditLook: ...


class Auditing:
    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def look(self, token: bytes, wanted: Looked) -> AuditLook:
        """Some records, newest first, by time and kind. Raises: words.Refused."""
        return await self._keeper.audit_look(token, wanted)

    async def part(self, token: bytes, after: int) -> words.AuditPage:
        """Whole lines after this record, to be verified by the asker. Raises: words.Refused."""
        return await self._keeper.audit(token, after, For.VERIFY)

    async def copy(self, visit: Callable[[], bytes | None]) -> AsyncIterator[bytes]:
        """All of the log as it is now: the lines of the command line's copy. `visit`: the asker's token at each moment.

        The first part is asked for before this returns. Raises: words.Refused.
        """
        first = await self._asked(visit, 0)
        try:
            (newest,) = parse_notes(first.checkpoint)
        except (NoteError, ValueError):
            raise Refused("audit-unwritable", "the log shows no checkpoint") from None
        return self._lines(visit, first, newest.number)

    async def _lines(
        self, visit: Callable[[], bytes | None], page: words.AuditPage, last: int
    ) -> AsyncIterator[bytes]:
        """Up to the record that was the newest at the beginning: each reading adds one."""
        while True:
            lines = b64decode(page.lines).splitlines(keepends=True)
            numbered = [(int(json.loads(line)["n"]), line) for line in lines]
            yield b"".join(line for number, line in numbered if number <= last)
            if not numbered or numbered[-1][0] >= last:
                return
            try:
                page = await self._asked(visit, numbered[-1][0])
            except (Refused, KeeperUnreachable) as error:
                log.error("a copy of the audit log broke off", why=str(error))
                raise  # the connection ends without its end: nobody takes it for whole

    async def _asked(self, visit: Callable[[], bytes | None], after: int) -> words.AuditPage:
        token = visit()
        if token is None:
            raise Refused("visit-ended", "this visit has ended")
        return await self._keeper.audit(token, after, For.COPY)
