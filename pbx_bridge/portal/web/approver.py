"""The approver's pages: what waits, one proposal whole with what it changes, keys and copies to compare (P13, P22, P23).

The deed is proven in the browser over the very text that stands on the page (static/site.js): a page that showed another
one would have that other one approved. Nothing is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from pbx_bridge.access.comparing import Fact, compared
from pbx_bridge.access.proposals import NoProposal, read_proposal
from pbx_bridge.portal.office import Office, State, gone
from pbx_bridge.portal.web.asked import Asked, Door
from pbx_bridge.portal.web.sentences import FACTS, GROUNDS, N_, NEEDS, REFUSALS, ROLES, word
from pbx_bridge.portal.web.times import day_of
from pbx_bridge.training.plans import Application, Need, Plan, Trainer
from pbx_bridge.wire_office import Weighed
from pbx_bridge.wire_rights import grant_text

DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")
MASKS: Final = N_("masks: %(count)s")
PAUSES: Final = N_("pauses: %(count)s")


@dataclass(frozen=True, slots=True)
class Row:
    """One fact as a person reads it."""

    name: str
    before: str
    after: str
    changed: bool
    widens: bool


class ApproverPages:
    def __init__(self, door: Door, office: Office) -> None:
        self._door, self._office = door, office

    def routes(self) -> list[Route]:
        route = self._door.route
        return [
            route("/proposals", self._list),
            route("/proposals/{digest}", self._proposal),
        ]

    async def _list(self, asked: Asked) -> Response:
        desk = await self._office.desk(asked.visit)
        keys: dict[str, list[str]] = {}
        for key in desk.keys:
            keys.setdefault(key.name, []).append(key.recipient)
        roles = {
            key.name: ", ".join(word(ROLES, role.value, asked.say) for role in key.roles) for key in desk.keys
        }
        return asked.page(
            "proposals.html",
            waiting=desk.of(State.WAITING),
            refused=desk.of(State.REFUSED),
            approved=desk.of(State.APPROVED),
            grounds=_grounds(asked),
            keys=keys,
            roles=roles,
            joined={key.name: key.joined_at for key in desk.keys},
            copies=[(one, grant_text(one)) for one in desk.copies],
        )

    async def _proposal(self, asked: Asked) -> Response:
        digest = asked.request.path_params["digest"]
        if not DIGEST.match(digest):
            raise gone()
        found, weighed = await self._office.proposal(asked.visit, digest)
        facts = compared(_in_force(weighed), found.read)
        return asked.page(
            "proposal.html",
            one=found,
            weighed=weighed,
            # what is approved stands beside nothing but itself
            known=bool(weighed.in_force) and found.state is not State.APPROVED,
            rows=[_row(fact, asked.language, asked.say) for fact in facts],
            bar=word(REFUSALS, weighed.bar, asked.say) if weighed.bar else "",
            grounds=_grounds(asked),
            spans=[
                (*map(date.fromisoformat, (s.first_day, s.last_day)), s.applications) for s in weighed.spans
            ],
            name=found.read.id,
            typed=re.escape(found.read.id).replace("\\-", "-"),
        )


def _grounds(asked: Asked) -> dict[str, str]:
    return {key: asked.say(message) for key, message in GROUNDS.items()}


def _in_force(weighed: Weighed) -> Plan | Trainer | None:
    try:
        return read_proposal(weighed.in_force) if weighed.in_force else None
    except NoProposal:  # a text of an earlier build
        return None


def _row(fact: Fact, language: str, say: Callable[[str], str]) -> Row:
    before, after = (_said(value, fact, language, say) for value in (fact.before, fact.after))
    return Row(say(FACTS[fact.what.value]), before, after, fact.changed, fact.widens)


def _said(value: object, fact: Fact, language: str, say: Callable[[str], str]) -> str:
    """A fact's value for a person. The exact text stands below it."""
    match value:
        case None | "" | ():
            return "–"
        case Need():
            return word(NEEDS, value.value, say)
        case Application():
            return _application(value, say)
        case date():
            return day_of(value, language)
        case float():
            return f"{value * 100:g} %"
        case tuple():
            return ", ".join(map(str, value))
        case int() if fact.what.value == "rate":
            return f"{value * 100:g} %"
        case _:
            return str(value)


def _application(one: Application, say: Callable[[str], str]) -> str:
    program = f"{one.executable} {one.main_program}" if one.main_program else one.executable
    masks = say(MASKS) % {"count": len(one.masks)}
    pauses = say(PAUSES) % {"count": len(one.pause_titles)}
    return f"{one.name} ({program}; {one.wm_class}; {masks}; {pauses})"
