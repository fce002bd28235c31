"""Watching: the opened recording's header to the page, its ciphertext by ranges, and the record of what went out.

Nothing here opens anything: the header is wrapped for the key in the viewer's browser, and there it is decrypted. What went
out is told to the keeper (P19, portal/viewing.py).
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from pbx_bridge import wire_portal as words
from pbx_bridge.portal.api import Api, Keeper
from pbx_bridge.portal.limits import RateLimit
from pbx_bridge.portal.viewing import Viewing
from pbx_bridge.portal.web.asked import Asked, Door, Needs
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.signing_in import json_answer
from pbx_bridge.portal.web.trainee import named
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import Broke, Refused, Role

SEEKS: Final = {"burst": 400, "per_s": 40}
"""A viewer who drags along the time line asks some ten times a second. Of each session: an office may have one address."""


class PlayerPages:
    def __init__(self, door: Door, keeper: Keeper, api: Api) -> None:
        self._door, self._keeper, self._api = door, keeper, api

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
        session = asked.mine
        viewing = Viewing(session, recording, opened.payload_bytes, visit, lambda: session.visit)
        self._api.viewings.opened(opened.grant.hex(), viewing)
        return json_answer(opened)

    async def _payload(self, asked: Asked) -> Response:
        grant, wanted = asked.request.path_params["grant"], asked.request.headers.get("range")
        viewing = self._viewing(asked, grant)
        try:
            answer = self._api.payloads.serve(grant, asked.mine.grant_key, wanted, counted=True)
        except Refused as refused:
            if refused.word != "visit-ended":  # the file went, or is not as long as it was
                await self._api.viewings.tell(viewing, Broke.DAMAGED)
            raise
        self._api.viewings.gave(viewing, wanted, asked.visit)
        answer.headers.update(HEADERS)
        return answer

    async def _left(self, asked: Asked) -> Response:
        """The viewer leaves, or their browser stopped at what is not as it should be: the keeper is told what is untold."""
        viewing = self._viewing(asked, await asked.field("grant", 32))
        broke = await asked.field("broke", 16)
        if broke and broke not in {one.value for one in Broke}:
            raise Malformed("broke: none of the words")
        await self._api.viewings.tell(viewing, Broke(broke) if broke else None)
        return json_answer(words.Done())

    async def _fetch(self, asked: Asked) -> Response:
        """P18, P19, P21: the sealed file for this person's own key, which is this browser's: it opens nowhere else."""
        recording, session = named(asked), await asked.field("session", words.MAX_SESSION_CHARS)
        answer = await self._api.fetched(asked.visit, recording, session)
        answer.headers.update(HEADERS)
        return answer

    def _viewing(self, asked: Asked, grant: str) -> Viewing:
        """What this very session opened; anything else is as unknown as a guess."""
        viewing = self._api.viewings.find(grant)
        if viewing is None or viewing.holder is not asked.mine or viewing.recording != named(asked):
            raise Refused("unknown", "")
        return viewing
