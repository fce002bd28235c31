"""The trainer's pages: recordings of their trainees, this week's room for review, faults; review and slots (P11, P15, P24).

No search across people, no score. A call that was not recorded for a person's reason, or was not drawn, stands nowhere here.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pbx_bridge import wire_portal as words
from pbx_bridge.portal.api import Keeper
from pbx_bridge.portal.desks import TrainersDesk
from pbx_bridge.portal.web.asked import Asked, Door
from pbx_bridge.portal.web.paging import part_of
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.sentences import NEEDS, REASONS, STATES, word
from pbx_bridge.portal.web.trainee import grounds, named
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import MAX_SESSION_CHARS, Refused

START: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}\Z")
"""As a datetime-local field sends it: the server's own zone."""


class TrainerPages:
    def __init__(self, door: Door, keeper: Keeper, desk: TrainersDesk) -> None:
        self._door, self._keeper, self._desk = door, keeper, desk

    def routes(self) -> list[Route]:
        route = self._door.route
        return [
            route("/trainees", self._trainees),
            route("/slots", self._slot, "POST"),
            route("/recordings/{recording}/review", self._ask_review),
            route("/recordings/{recording}/review", self._review, "POST"),
        ]

    async def _trainees(self, asked: Asked) -> Response:
        shown = await self._desk.week(asked.visit)
        part, week = part_of(await self._keeper.recordings(asked.visit), asked), shown.week
        items = part.items
        return asked.page(
            "trainees.html",
            items=items,
            part=part,
            states={item.recording: word(STATES, item.state, asked.say) for item in items},
            reasons={item.recording: word(REASONS, item.reason, asked.say) for item in items if item.reason},
            week=week,
            needs={plan.id: word(NEEDS, plan.need.value, asked.say) for plan in week.plans},
            faults=[(fault, word(REASONS, fault.reason, asked.say)) for fault in week.faults],
            refused=shown.refused,
            grounds=grounds(shown.refused.values(), asked),
            backlog=shown.waiting_minutes,
            soonest=datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M"),
        )

    async def _ask_review(self, asked: Asked) -> Response:
        recording = named(asked)
        for item in await self._keeper.recordings(asked.visit):
            if item.recording == recording and item.trainee != asked.mine.name:
                return asked.page("review.html", item=item)
        raise Refused("unknown", "")

    async def _review(self, asked: Asked) -> Response:
        """P15: the keeper decides, and writes it down first."""
        session = await asked.field("session", MAX_SESSION_CHARS)
        await self._keeper.review(asked.visit, named(asked), session)
        return RedirectResponse("/trainees", 303, HEADERS)

    async def _slot(self, asked: Asked) -> Response:
        """P11: the keeper says which trainer asks; the catalogue's rules decide."""
        start, minutes = await asked.field("start", 20), await asked.field("minutes", 3)
        cancel = await asked.field("cancel", 3) == "yes"
        if not START.match(start) or not re.fullmatch("[0-9]{1,3}", minutes):
            raise Malformed("start and minutes of a slot")
        try:
            at = int(datetime.fromisoformat(start).astimezone().timestamp())
        except (ValueError, OverflowError):
            raise Malformed("start: no such time") from None
        wanted = words.SlotAsked(await asked.field("plan", 64), at, int(minutes), cancel)
        words.write_body(wanted)
        await self._desk.slot(asked.visit, wanted)
        return RedirectResponse("/trainees", 303, HEADERS)
