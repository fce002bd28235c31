"""Watching: the opened recording's header to the page, its ciphertext by ranges, and the record of what went out.

Nothing here opens anything: the header is wrapped for the key in the viewer's browser, and there it is decrypted. What went
out is told to the keeper by what this server gave (P19), whatever the page says.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import structlog
from starlette.responses import Response
from starlette.routing import Route

from pbx_bridge import wire_portal as words
from pbx_bridge.archive.opening_wire import Broke
from pbx_bridge.archive.release import Refusal
from pbx_bridge.ids import RecordingId
from pbx_bridge.portal.api import Api, Keeper
from pbx_bridge.portal.limits import RateLimit
from pbx_bridge.portal.payload import MAX_GRANTS, byte_range
from pbx_bridge.portal.web.asked import Asked, Door, Needs
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.sessions import Session
from pbx_bridge.portal.web.signing_in import json_answer
from pbx_bridge.portal.web.trainee import named
from pbx_bridge.portal.web.views import EVERY_S, Parts
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import KeeperUnreachable, Refused, Role

log = structlog.get_logger()

SEEKS: Final = {"burst": 400, "per_s": 40}
"""A viewer who drags along the time line asks some ten times a second. Of each session: an office may have one address."""
RECORDED: Final = frozenset(one.value for one in Refusal)
"""Refusals the keeper wrote down together with what had gone out."""
TRIES: Final = 15
"""Once a minute: what a viewer was given is told when the keeper is back, or their key was proven anew."""


@dataclass(slots=True, eq=False)
class Viewing:
    session: Session
    recording: RecordingId
    size: int
    parts: Parts
    visit: bytes
    """By which the keeper knew the viewer when something went out last."""
    timer: asyncio.TimerHandle | None = None
    broke: Broke | None = None
    """Why its viewer's browser stopped, untold so far."""
    failed: int = 0
    """So many times in turn it could not be told."""
    telling: set[asyncio.Task[None]] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """It is told once at a time: what a second telling took would stand where the first, failing, puts its own back."""


class PlayerPages:
    def __init__(self, door: Door, keeper: Keeper, api: Api) -> None:
        self._door, self._keeper, self._api = door, keeper, api
        self._viewings: OrderedDict[str, Viewing] = OrderedDict()
        self._untold: set[Viewing] = set()
        """Of which something is not on record yet; also those whose grant has gone."""

    def routes(self) -> list[Route]:
        route, ranges = self._door.route, RateLimit(**SEEKS)
        return [
            route("/recordings/{recording}/watch", self._page),
            route("/recordings/{recording}/open", self._open, "POST"),
            route(
                "/recordings/{recording}/payload/{grant}",
                self._payload,
                "GET",
                Needs.VIEWING,
                ranges,
                each=True,
            ),
            route("/recordings/{recording}/left", self._left, "POST", Needs.SESSION),
            route("/recordings/{recording}/fetch", self._fetch, "POST"),
        ]

    async def _page(self, asked: Asked) -> Response:
        recording = named(asked)
        for item in await self._keeper.recordings(asked.visit):
            if item.recording == recording:
                return asked.page(
                    "watch.html", item=item, states_session=Role.TRAINEE not in asked.mine.roles
                )
        raise Refused("unknown", "")

    async def _open(self, asked: Asked) -> Response:
        """P18, P19, P21: the keeper's answer, recorded before it; the header opens in this person's browser alone."""
        recording, wanted = named(asked), await asked.read(words.OpenAsked)
        visit = asked.visit
        opened = await self._api.opened(visit, asked.mine.grant_key, recording, wanted.session)
        size = opened.payload_bytes
        viewing = Viewing(asked.mine, recording, size, Parts(size), visit)
        self._viewings[opened.grant.hex()] = viewing
        while len(self._viewings) > MAX_GRANTS:
            self._viewings.popitem(last=False)
        return json_answer(opened)

    async def _payload(self, asked: Asked) -> Response:
        grant, wanted = asked.request.path_params["grant"], asked.request.headers.get("range")
        viewing = self._viewing(asked, grant)
        try:
            answer = self._api.payloads.serve(grant, asked.mine.grant_key, wanted)
        except Refused as refused:
            if refused.word != "visit-ended":  # the file went, or is not as long as it was
                await self._tell(viewing, Broke.DAMAGED)
            raise
        first, last, _ = byte_range(wanted, viewing.size)
        viewing.parts.add(first, last)
        viewing.visit = asked.visit
        self._untold.add(viewing)
        self._later(viewing)
        answer.headers.update(HEADERS)
        return answer

    async def _left(self, asked: Asked) -> Response:
        """The viewer leaves, or their browser stopped at what is not as it should be: the keeper is told what is untold."""
        viewing = self._viewing(asked, await asked.field("grant", 32))
        broke = await asked.field("broke", 16)
        if broke and broke not in {one.value for one in Broke}:
            raise Malformed("broke: none of the words")
        await self._tell(viewing, Broke(broke) if broke else None)
        return json_answer(words.Done())

    async def _fetch(self, asked: Asked) -> Response:
        """P18, P19, P21: the sealed file for this person's own key, which is this browser's: it opens nowhere else."""
        recording, session = named(asked), await asked.field("session", words.MAX_SESSION_CHARS)
        answer = await self._api.fetched(asked.visit, recording, session)
        answer.headers.update(HEADERS)
        return answer

    def _viewing(self, asked: Asked, grant: str) -> Viewing:
        """What this very session opened; anything else is as unknown as a guess."""
        viewing = self._viewings.get(grant)
        if viewing is None or viewing.session is not asked.mine or viewing.recording != named(asked):
            raise Refused("unknown", "")
        return viewing

    async def close(self) -> None:
        """P19: tells what is untold, at the portal's end."""
        for viewing in list(self._untold):
            await self._tell(viewing)
            if viewing.timer is not None:
                viewing.timer.cancel()

    def _due(self, viewing: Viewing) -> None:
        task = asyncio.get_running_loop().create_task(self._tell(viewing))
        viewing.telling.add(task)  # the loop alone would forget it
        task.add_done_callback(viewing.telling.discard)

    async def _tell(self, viewing: Viewing, broke: Broke | None = None) -> None:
        """P19: a view that cannot be recorded ends: its grant gives nothing more. What went out is told when it can be."""
        viewing.broke = broke or viewing.broke
        async with viewing.turn:
            await self._tell_in_turn(viewing)

    async def _tell_in_turn(self, viewing: Viewing) -> None:
        if viewing.timer is not None:
            viewing.timer.cancel()
            viewing.timer = None
        parts, visit = viewing.parts.take(), viewing.session.visit or viewing.visit
        broke, viewing.broke = viewing.broke, None
        if not parts and broke is None:
            return
        self._untold.add(viewing)
        try:
            await self._keeper.viewed(visit, viewing.recording, parts, broke=broke)
            viewing.failed = 0
        except (Refused, KeeperUnreachable) as error:
            log.error("a view could not be recorded: it ends", recording=viewing.recording, why=str(error))
            for grant in [name for name, one in self._viewings.items() if one is viewing]:
                del self._viewings[grant]
            if not (isinstance(error, Refused) and error.word in RECORDED):  # else refused, with these parts
                viewing.parts.put_back()
                viewing.broke = viewing.broke or broke
                viewing.failed += 1
                if viewing.failed < TRIES:
                    self._later(viewing)
                    return
        if viewing.timer is None:  # nothing went out meanwhile
            self._untold.discard(viewing)

    def _later(self, viewing: Viewing) -> None:
        if viewing.timer is None:
            viewing.timer = asyncio.get_running_loop().call_later(EVERY_S, self._due, viewing)
