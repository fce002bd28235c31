"""The trainee's rights as pages: their requests with deadlines, copies of what is kept of them, objection (P16, P23).

A copy comes sealed to the key in their browser, which opens it nowhere else; the page's script closes it anew with a
passphrase it makes, so that any age program opens it. What a request does, and when, the keeper decides.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pbx_bridge.portal.api import Keeper
from pbx_bridge.portal.rights import RightsDesk
from pbx_bridge.portal.web.asked import Asked, Door
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.sentences import REQUEST_STATES, RIGHTS, STATES, word
from pbx_bridge.portal.web.trainee import named
from pbx_bridge.rights.rules import state_of
from pbx_bridge.wire_rights import Right, RightsRequest, take_back_text


@dataclass(frozen=True, slots=True)
class Shown:
    """A request as its page says it."""

    request: RightsRequest
    what: str
    state: str
    open: bool
    deed: str
    """What the person's key signs to take it back."""


class OwnRights:
    def __init__(self, door: Door, keeper: Keeper, rights: RightsDesk) -> None:
        self._door, self._keeper, self._rights = door, keeper, rights

    def routes(self) -> list[Route]:
        route = self._door.route
        return [
            route("/rights", self._page),
            route("/rights/access", self._ask_copy, "POST"),
            route("/rights/objection", self._object_page),
            route("/rights/objection", self._object, "POST"),
            route("/rights/everything", self._everything, "POST"),
            route("/recordings/{recording}/copy", self._copy, "POST"),
        ]

    async def _page(self, asked: Asked) -> Response:
        requests = [_shown(asked, one) for one in reversed(await self._rights.requests(asked.visit))]
        items = [one for one in await self._keeper.recordings(asked.visit) if one.trainee == asked.mine.name]
        open_ = {one.request.right for one in requests if one.open}
        return asked.page(
            "rights.html",
            requests=requests,
            items=[item for item in items if item.state in ("open", "expired")],
            states={item.recording: word(STATES, item.state, asked.say) for item in items},
            asked_copy=Right.ACCESS in open_,
            objected=Right.OBJECTION in open_,
        )

    async def _object_page(self, asked: Asked) -> Response:
        """A page of its own: what it means is read before it is done. The look at it is a look at one's own."""
        requests = [_shown(asked, one) for one in await self._rights.requests(asked.visit)]
        objected = any(one.open and one.request.right is Right.OBJECTION for one in requests)
        return asked.page("objection.html", objected=objected)

    async def _object(self, asked: Asked) -> Response:
        await self._rights.ask(asked.visit, Right.OBJECTION)
        return RedirectResponse("/rights", 303, HEADERS)

    async def _ask_copy(self, asked: Asked) -> Response:
        await self._rights.ask(asked.visit, Right.ACCESS)
        return RedirectResponse("/rights", 303, HEADERS)

    async def _copy(self, asked: Asked) -> Response:
        """P23: one recording with the customer's voice silenced, sealed to the asker's key; the keeper makes it."""
        answer = await self._rights.export(asked.visit, named(asked))
        answer.headers.update(HEADERS)
        return answer

    async def _everything(self, asked: Asked) -> Response:
        """All the rest, sealed the same way."""
        sealed = await self._rights.everything(asked.visit)
        return Response(sealed, 200, HEADERS, media_type="application/octet-stream")


def _shown(asked: Asked, request: RightsRequest) -> Shown:
    state = state_of(request, int(time.time()))
    return Shown(
        request,
        word(RIGHTS, request.right.value, asked.say),
        word(REQUEST_STATES, state, asked.say),
        request.closed_at is None,
        take_back_text(request),
    )
