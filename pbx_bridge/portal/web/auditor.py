"""The auditor's pages: the record of accesses by month, day and kind; verifying it in this browser; a copy of it (P19).

What an auditor may read, the keeper decides and records first. There is no search for a person. Verifying is done by
static/audit.js: a server that vouched for itself would say nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pbx_bridge.access.checkpoint import NoteError, parse_notes
from pbx_bridge.portal.auditing import Auditing
from pbx_bridge.portal.web.asked import Asked, Door
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.sentences import ACTS, BROKEN, GROUNDS, REASONS, ROLES, STATES, WHYS, word
from pbx_bridge.portal.web.signing_in import json_answer
from pbx_bridge.wire_audit import Looked, Record
from pbx_bridge.wire_json import Malformed, Whole

DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}\Z")
ACT: Final = re.compile(r"[a-z][a-z-]{0,31}\Z")
NUMBER: Final = re.compile(r"[0-9]{1,15}\Z")
EVER: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class PartAsked:
    after: Annotated[int, Whole(0)]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the form asks for, as it was written."""

    month: str = ""
    day: str = ""
    act: str = ""

    def query(self, before: int) -> str:
        fields = {"month": self.month, "day": self.day, "act": self.act, "before": str(before or "")}
        return urlencode({name: value for name, value in fields.items() if value})


class AuditorPages:
    def __init__(self, door: Door, auditing: Auditing) -> None:
        self._door, self._auditing = door, auditing

    def routes(self) -> list[Route]:
        route = self._door.route
        return [
            route("/audit", self._log),
            route("/audit/verify", self._verify),
            route("/audit/part", self._part, "POST"),
            route("/audit/copy", self._copy),
        ]

    async def _log(self, asked: Asked) -> Response:
        chosen, before = _chosen(asked)
        since, until = _span(chosen)
        found = await self._auditing.look(asked.visit, Looked(since, until, chosen.act, before))
        acts = {act: word(ACTS, act, asked.say) for act in found.acts}
        return asked.page(
            "audit.html",
            records=[(one, _why(one, asked)) for one in found.records],
            acts=acts,
            sorted_acts=sorted(acts.items(), key=lambda pair: pair[1].casefold()),
            months=list(reversed(found.months)),
            chosen=chosen,
            before=before,
            older=chosen.query(found.next) if found.more else "",
            checkpoint=found.checkpoint,
            newest=_newest(found.checkpoint),
        )

    async def _verify(self, asked: Asked) -> Response:
        """Its script reads the log, part by part; who may, is asked before the page is shown."""
        await self._auditing.look(asked.visit, Looked(0, 0, "", 0))
        return asked.page("audit_verify.html", broken={key: asked.say(text) for key, text in BROKEN.items()})

    async def _part(self, asked: Asked) -> Response:
        wanted = await asked.read(PartAsked)
        return json_answer(await self._auditing.part(asked.visit, wanted.after))

    async def _copy(self, asked: Asked) -> Response:
        session = asked.mine
        lines = await self._auditing.copy(lambda: session.visit)
        name = f"accesses-{datetime.now().astimezone():%Y-%m-%d}.jsonl"
        headers = HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(lines, headers=headers, media_type="application/x-ndjson")


def _chosen(asked: Asked) -> tuple[Chosen, int]:
    """What the address asks for; what is none of it is left out."""
    query = asked.request.query_params
    found = {
        name: query.get(name, "") if pattern.match(query.get(name, "")) else ""
        for name, pattern in (("month", MONTH), ("day", DAY), ("act", ACT), ("before", NUMBER))
    }
    return Chosen(found["month"], found["day"], found["act"]), int(found["before"] or 0)


def _span(chosen: Chosen) -> tuple[int, int]:
    """The day, else the month, in the server's zone, as Unix seconds. Raises: Malformed."""
    try:
        if chosen.day:
            first = date.fromisoformat(chosen.day)
            after = first + timedelta(days=1)
        elif chosen.month:
            first = date.fromisoformat(f"{chosen.month}-01")
            after = (first + timedelta(days=31)).replace(day=1)
        else:
            return 0, EVER
        return _midnight(first), _midnight(after)
    except (ValueError, OverflowError):
        raise Malformed("no such day or month") from None


def _midnight(day: date) -> int:
    return max(0, int(datetime.combine(day, time()).astimezone().timestamp()))


def _why(one: Record, asked: Asked) -> str:
    """The reason's word as people say it, where there is a sentence for it."""
    if one.act in ("invite", "join", "confirm") and one.outcome != "refused" and one.reason not in WHYS:
        return ", ".join(word(ROLES, role, asked.say) for role in one.reason.split(" and "))
    if one.act == "refuse" and one.outcome != "refused":
        return word(GROUNDS, one.reason, asked.say)
    tables = WHYS | STATES if one.outcome == "refused" or one.reason in WHYS else REASONS
    return word(tables, one.reason, asked.say)


def _newest(checkpoint: str) -> int:
    """The number of the newest entry; 0 when nothing names it."""
    try:
        (note,) = parse_notes(checkpoint)
    except (NoteError, ValueError):
        return 0
    return note.number
