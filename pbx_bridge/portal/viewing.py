"""P19: what went out of an opened recording is told to the keeper, once a minute, when its viewer leaves, and at the end.

It counts what this server gave, whatever a page or a program says it showed; both watch by it. It knows ranges and whose
visit they went out under; who may have them was decided before.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from pbx_bridge.archive.release import Refusal
from pbx_bridge.ids import RecordingId
from pbx_bridge.portal.payload import MAX_GRANTS, byte_range
from pbx_bridge.portal.views import EVERY_S, Parts
from pbx_bridge.wire_portal import Broke, KeeperUnreachable, Refused

log = structlog.get_logger()

RECORDED: Final = frozenset(one.value for one in Refusal)
"""Refusals the keeper wrote down together with what had gone out."""
TRIES: Final = 15
"""Once a minute: what a viewer was given is told when the keeper is back, or their key was proven anew."""


class Told(Protocol):
    """Who has it on record (archive/keeper_link.py). Raises: words.Refused, KeeperUnreachable."""

    async def viewed(
        self, token: bytes, recording: RecordingId, parts: str, *, broke: Broke | None = None
    ) -> None: ...


@dataclass(slots=True, eq=False)
class Viewing:
    """One opening of one recording."""

    holder: object
    """Who opened it: a session of the pages, or the visit of a program."""
    recording: RecordingId
    size: int
    """Of the payload, in bytes."""
    visit: bytes
    """By which the keeper knew the viewer when something went out last."""
    anew: Callable[[], bytes | None] = lambda: None
    """The visit their key was proven for since, if it was."""
    parts: Parts = field(init=False)
    timer: asyncio.TimerHandle | None = None
    broke: Broke | None = None
    """Why the page or program that shows it stopped, untold so far."""
    failed: int = 0
    """So many times in turn it could not be told."""
    telling: set[asyncio.Task[None]] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """It is told once at a time: what a second telling took would stand where the first, failing, puts its own back."""

    def __post_init__(self) -> None:
        self.parts = Parts(self.size)


class Viewings:
    """All of them, by the names of their grants."""

    def __init__(self, keeper: Told, ends: Callable[[str], None]) -> None:
        """`ends`: takes a grant away."""
        self._keeper, self._ends = keeper, ends
        self._viewings: OrderedDict[str, Viewing] = OrderedDict()
        self._untold: set[Viewing] = set()
        """Of which something is not on record yet; also those whose grant has gone."""

    def opened(self, grant: str, viewing: Viewing) -> None:
        """Its recording was opened, and that is on record."""
        self._viewings[grant] = viewing
        while len(self._viewings) > MAX_GRANTS:
            self._viewings.popitem(last=False)

    def find(self, grant: str) -> Viewing | None:
        """None when nothing was opened by that grant, or what went out by it could not be told."""
        return self._viewings.get(grant)

    def gave(self, viewing: Viewing, wanted: str | None, visit: bytes) -> None:
        """What the `Range` header `wanted` goes out, under this visit."""
        first, last, _ = byte_range(wanted, viewing.size)
        viewing.parts.add(first, last)
        viewing.visit = visit
        self._untold.add(viewing)
        self._later(viewing)

    async def tell(self, viewing: Viewing, broke: Broke | None = None) -> None:
        """P19: a view that cannot be recorded ends: its grant gives nothing more. What went out is told when it can be."""
        viewing.broke = broke or viewing.broke
        async with viewing.turn:
            await self._tell_in_turn(viewing)

    async def close(self) -> None:
        """P19: tells what is untold, at the portal's end."""
        for viewing in list(self._untold):
            await self.tell(viewing)
            if viewing.timer is not None:
                viewing.timer.cancel()

    async def _tell_in_turn(self, viewing: Viewing) -> None:
        if viewing.timer is not None:
            viewing.timer.cancel()
            viewing.timer = None
        parts, visit = viewing.parts.take(), viewing.anew() or viewing.visit
        broke, viewing.broke = viewing.broke, None
        if not parts and broke is None:
            return
        self._untold.add(viewing)
        try:
            await self._keeper.viewed(visit, viewing.recording, parts, broke=broke)
            viewing.failed = 0
        except (Refused, KeeperUnreachable) as error:
            log.error("a view could not be recorded: it ends", recording=viewing.recording, why=str(error))
            self._end(viewing)
            if not (isinstance(error, Refused) and error.word in RECORDED):  # else refused, with these parts
                viewing.parts.put_back()
                viewing.broke = viewing.broke or broke
                viewing.failed += 1
                if viewing.failed < TRIES:
                    self._later(viewing)
                    return
        if viewing.timer is None:  # nothing went out meanwhile
            self._untold.discard(viewing)

    def _end(self, viewing: Viewing) -> None:
        for grant in [name for name, one in self._viewings.items() if one is viewing]:
            del self._viewings[grant]
            self._ends(grant)

    def _later(self, viewing: Viewing) -> None:
        if viewing.timer is None:
            viewing.timer = asyncio.get_running_loop().call_later(EVERY_S, self._due, viewing)

    def _due(self, viewing: Viewing) -> None:
        # The last telling still waits: where the keeper hangs, for those of all others before it.
        if viewing.turn.locked():
            log.error("a view could not be recorded in time: it ends", recording=viewing.recording)
            self._end(viewing)
        task = asyncio.get_running_loop().create_task(self.tell(viewing))
        viewing.telling.add(task)  # the loop alone would forget it
        task.add_done_callback(viewing.telling.discard)
