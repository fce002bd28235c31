"""What persons concerned ask of the portal: a copy of their own, erasure, all that is known of them (P23).

It carries open files and questions to the keeper, which decides; a copy is sealed to the asker before a byte of it comes
here. It holds no key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, Protocol

from starlette.responses import Response, StreamingResponse

from pbx_bridge.access.refused import refused_for
from pbx_bridge.age import X25519Recipient, seal_bytes
from pbx_bridge.archive.audit_wire import AccessesFound
from pbx_bridge.ids import RecordingId
from pbx_bridge.portal.payload import READ_BYTES, Shelf
from pbx_bridge.portal.reporting import Reported, no_report
from pbx_bridge.portal.training import Trained, nobody
from pbx_bridge.wire_access import AccessLine
from pbx_bridge.wire_json import write_fields
from pbx_bridge.wire_office import TurnedDown
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_rights import MAX_OWN_ACCESSES, Exported, Own, Right, RightsRequest, Visitor

MAX_COPIES: Final = 2
"""At once: each takes the keeper a core for seconds."""


@dataclass(frozen=True, slots=True)
class Told:
    """P14: a notice in the reader's language, and the hash of the one a workstation asks to acknowledge."""

    text: str
    notice: str


@dataclass(frozen=True, slots=True)
class Behind:
    """The bridge behind the portal, for the rights of persons."""

    known: Callable[[Visitor], Own] = lambda visitor: Own(
        visitor.name, (), "", "", (), (), (), visitor.requests
    )
    """What it keeps of this trainee, whom the keeper has proven."""
    erased: Callable[[RecordingId], None] = lambda recording: None
    """Told of a recording that was destroyed, before its bytes are removed."""

    told: Callable[[str, str], Told | None] = lambda trainee, language: None
    """The notice of this trainee that is in force (P14), in this language."""

    trained: Trained = nobody
    """The week of a trainer, whom the keeper has proven."""
    frozen: Callable[[], Iterable[str]] = lambda: ()
    """Why nothing is recorded at the moment: words of the ledger's closed list."""

    reported: Reported = no_report
    """The report of the site as it is now, in this language (P23); for whom, the keeper has said."""


NOTHING_BEHIND: Final = Behind()


class Keeper(Protocol):
    """The questions that are carried on. Raises: words.Refused, KeeperUnreachable."""

    async def export_own(self, token: bytes, recording: RecordingId, files: Sequence[int]) -> Exported: ...

    async def erase_own(self, token: bytes, recording: RecordingId) -> None: ...

    async def who(self, token: bytes) -> Visitor: ...

    async def turned_down(self) -> tuple[TurnedDown, ...]: ...

    async def open_own(self, token: bytes, right: Right) -> RightsRequest: ...

    async def own_accesses(self, token: bytes, before: int) -> AccessesFound: ...


class RightsDesk:
    def __init__(self, keeper: Keeper, shelf: Shelf, behind: Behind) -> None:
        self._keeper, self._shelf, self._behind = keeper, shelf, behind
        self._places = asyncio.Semaphore(MAX_COPIES)

    async def export(self, token: bytes, recording: RecordingId) -> Response:
        """The copy as a file; its digest is the ETag. Raises: words.Refused."""
        async with self._places:
            sealed, new = self._shelf.for_copy(recording)
            try:
                made = await self._keeper.export_own(token, recording, (sealed.fileno(), new.fileno()))
            except BaseException:
                new.close()
                raise
            finally:
                sealed.close()
        headers = {
            "Content-Length": str(made.size),
            "ETag": f'"{made.digest}"',
            "Cache-Control": "no-store",
        }
        return StreamingResponse(_content(new), headers=headers, media_type="application/octet-stream")

    async def erase(self, token: bytes, recording: RecordingId) -> None:
        """The key first, at the keeper; then the bytes. Raises: words.Refused."""
        await self._keeper.erase_own(token, recording)
        try:
            await asyncio.to_thread(self._behind.erased, recording)
        finally:
            await asyncio.to_thread(self._shelf.remove, recording)

    async def told(self, token: bytes, language: str) -> Told | None:
        """The notice in force for the trainee who visits. Raises: words.Refused."""
        visitor = await self._keeper.who(token)
        return await asyncio.to_thread(self._behind.told, visitor.name, language)

    async def ask(self, token: bytes, right: Right) -> RightsRequest:
        """The trainee who visits asks for a copy, or objects. Raises: words.Refused."""
        return await self._keeper.open_own(token, right)

    async def requests(self, token: bytes) -> tuple[RightsRequest, ...]:
        """What the trainee who visits asked for, oldest first. Raises: words.Refused."""
        return (await self._keeper.who(token)).requests

    async def everything(self, token: bytes) -> bytes:
        """All that is kept of this trainee beside their recordings, sealed to the key they visit with. Raises:
        words.Refused."""
        recipient = X25519Recipient.parse((await self._keeper.who(token)).recipient)
        own = write_fields(await self.own(token))
        text = json.dumps(own, ensure_ascii=False, indent=2) + "\n"
        return await asyncio.to_thread(seal_bytes, text.encode(), [recipient])

    async def known(self, token: bytes) -> Own:
        """What the bridge keeps of this trainee: no recordings, no accesses. Raises: words.Refused."""
        visitor = await self._keeper.who(token)
        own = await asyncio.to_thread(self._behind.known, visitor)
        refused = refused_for(Role.TRAINEE, own.plans, await self._keeper.turned_down())
        return replace(own, refused=refused)

    async def accesses(self, token: bytes, before: int) -> AccessesFound:
        """One page of the accesses to what is theirs, older than number `before` (0: the newest). Raises: words.Refused."""
        return await self._keeper.own_accesses(token, before)

    async def own(self, token: bytes) -> Own:
        """All that is kept of this trainee beside their recordings. Raises: words.Refused."""
        own = await self.known(token)
        found: list[AccessLine] = []
        more = True
        while more and len(found) < MAX_OWN_ACCESSES:
            page = await self._keeper.own_accesses(token, found[-1].number if found else 0)
            found += page.accesses
            more = page.more and bool(page.accesses)
        return replace(own, accesses=tuple(found[:MAX_OWN_ACCESSES]))


async def _content(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while block := await asyncio.to_thread(file.read, READ_BYTES):
            yield block
