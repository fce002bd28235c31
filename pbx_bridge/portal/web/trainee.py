"""The trainee's pages: their recordings, plan, notice, calls, and who opened what (P14, P18, P19, P24).

Each page asks the keeper with this visit; what it does not say stands on no page.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pbx_bridge.access.proposals import NoProposal, read_proposal
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.portal.api import Keeper
from pbx_bridge.portal.rights import RightsDesk
from pbx_bridge.portal.web.asked import Asked, Door
from pbx_bridge.portal.web.paging import part_of
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.sentences import ACTS, GROUNDS, N_, NEEDS, OUTCOMES, REASONS, STATES, word
from pbx_bridge.training.plans import Plan, plan_digest
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_office import PlanRefused
from pbx_bridge.wire_portal import Item, Refused

MAX_SHOWN_CALLS: Final = 200
"""The newest."""
OF_ANOTHER: Final = N_("a reason that is about another person")
NUMBER: Final = re.compile(r"[0-9]{1,15}\Z")


@dataclass(frozen=True, slots=True)
class PlanShown:
    """A plan with what it is called in the reader's language."""

    plan: Plan
    need: str
    holds: bool
    refused: PlanRefused | None
    """Its approver refused this very text (P22)."""


class TraineePages:
    def __init__(self, door: Door, keeper: Keeper, rights: RightsDesk) -> None:
        self._door, self._keeper, self._rights = door, keeper, rights

    def routes(self) -> list[Route]:
        route = self._door.route
        return [
            route("/recordings", self._recordings),
            route("/recordings/{recording}/hand-over", self._ask_hand_over),
            route("/recordings/{recording}/erase", self._ask_erase),
            route("/recordings/{recording}/erase", self._erase, "POST"),
            route("/plan", self._plan),
            route("/notice", self._notice),
            route("/calls", self._calls),
            route("/accesses", self._accesses),
        ]

    async def _recordings(self, asked: Asked) -> Response:
        listed = await self._keeper.recordings(asked.visit)
        part = part_of([item for item in listed if item.trainee == asked.mine.name], asked)
        items = part.items
        states = {item.recording: word(STATES, item.state, asked.say) for item in items}
        reasons = {item.recording: word(REASONS, item.reason, asked.say) for item in items if item.reason}
        return asked.page("recordings.html", items=items, states=states, reasons=reasons, part=part)

    async def _ask_hand_over(self, asked: Asked) -> Response:
        """The deed itself is proven by the person's key, end to end: `Deed.HAND_OVER`."""
        return asked.page("hand_over.html", item=await self._item(asked))

    async def _ask_erase(self, asked: Asked) -> Response:
        """A page of its own, because nothing brings it back."""
        return asked.page("erase.html", item=await self._item(asked))

    async def _item(self, asked: Asked) -> Item:
        recording = named(asked)
        for item in await self._keeper.recordings(asked.visit):
            if item.recording == recording and item.trainee == asked.mine.name:
                return item
        raise Refused("unknown", "")

    async def _erase(self, asked: Asked) -> Response:
        await self._rights.erase(asked.visit, named(asked))
        return RedirectResponse("/recordings", 303, HEADERS)

    async def _plan(self, asked: Asked) -> Response:
        own = await self._rights.known(asked.visit)
        today = datetime.now().astimezone().date()
        refused = {one.digest: one for one in own.refused}
        plans = []
        for text in own.plans:
            try:
                plan = read_proposal(text)
            except NoProposal:
                continue
            if isinstance(plan, Plan):
                need, no = word(NEEDS, plan.need.value, asked.say), refused.get(plan_digest(plan))
                plans.append(PlanShown(plan, need, plan.holds_on(today), no))
        plans.sort(key=lambda shown: shown.plan.first_day, reverse=True)
        return asked.page("plan.html", plans=plans, grounds=grounds(own.refused, asked))

    async def _notice(self, asked: Asked) -> Response:
        told, own = await asyncio.gather(
            self._rights.told(asked.visit, asked.language), self._rights.known(asked.visit)
        )
        given = [one for one in own.acknowledgements if told is not None and one.notice == told.notice]
        earlier = [one for one in reversed(own.acknowledgements) if told is None or one.notice != told.notice]
        return asked.page("notice.html", told=told, given=given[-1] if given else None, earlier=earlier)

    async def _calls(self, asked: Asked) -> Response:
        """P24: each call's answer, whole: these reasons are this person's own."""
        own = await self._rights.known(asked.visit)
        calls = [
            (call, word(OUTCOMES, call.outcome, asked.say), word(REASONS, call.reason, asked.say))
            for call in reversed(own.calls[-MAX_SHOWN_CALLS:])
        ]
        return asked.page("calls.html", calls=calls)

    async def _accesses(self, asked: Asked) -> Response:
        """P19: a page at a time, the newest first."""
        before = asked.request.query_params.get("before", "0")
        if not NUMBER.match(before):
            raise Malformed("before: a record's number")
        found = await self._rights.accesses(asked.visit, int(before))
        lines = found.accesses
        older = lines[-1].number if found.more and lines else 0
        acts = {line.number: word(ACTS, line.act, asked.say) for line in lines}
        return asked.page("accesses.html", lines=lines, acts=acts, older=older, first=before == "0")


def grounds(refused: Iterable[PlanRefused], asked: Asked) -> dict[str, str]:
    """Why each was refused, in the reader's language, by its digest."""
    return {
        one.digest: asked.say(OF_ANOTHER)
        if one.ground is None
        else word(GROUNDS, one.ground.value, asked.say)
        for one in refused
    }


def named(asked: Asked) -> RecordingId:
    """The recording of the path. Raises: Refused, as for a guessed one."""
    try:
        return parse_recording_id(asked.request.path_params["recording"])
    except ValueError:
        raise Refused("unknown", "") from None
