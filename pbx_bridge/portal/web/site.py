"""The pages, put together: what `server.py` serves beside the API."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pbx_bridge.portal.api import Api, Keeper
from pbx_bridge.portal.web.accounts import Accounts
from pbx_bridge.portal.web.approver import ApproverPages
from pbx_bridge.portal.web.asked import Asked, Door
from pbx_bridge.portal.web.auditor import AuditorPages
from pbx_bridge.portal.web.notes import NotesPages
from pbx_bridge.portal.web.own_account import Gate, OwnAccount
from pbx_bridge.portal.web.own_rights import OwnRights
from pbx_bridge.portal.web.player import PlayerPages
from pbx_bridge.portal.web.rendering import HEADERS, Asset, Pages, asset_answer, assets
from pbx_bridge.portal.web.report import ReportPages
from pbx_bridge.portal.web.sessions import Sessions
from pbx_bridge.portal.web.signing_in import SigningIn
from pbx_bridge.portal.web.trainee import TraineePages
from pbx_bridge.portal.web.trainer import TrainerPages
from pbx_bridge.wire_portal import Role


@dataclass(frozen=True, slots=True)
class Site:
    """What a site says of its pages."""

    accounts: Path
    """The folder the accounts lie in."""
    language: str
    """For readers whose browser asks for neither of the two."""


@dataclass(frozen=True, slots=True)
class Served:
    """Every route of the pages."""

    routes: list[Route]
    missing: Callable[[Request, Exception], Awaitable[Response]]
    """Answers an address that is none."""


def serve(site: Site, keeper: Keeper, api: Api) -> Served:
    """Raises: OSError when the accounts' folder cannot be used."""
    found = assets()
    pages, accounts = Pages(found), Accounts(site.accounts)
    sessions = Sessions(time.monotonic, accounts.stands)
    door = Door(pages, sessions, site.language, time.monotonic, _clock)
    gate = Gate(accounts, time.monotonic, _clock)
    signing = SigningIn(door, keeper, api.certificate, gate, sessions, _clock, api.office.check_current)
    routes = [
        door.route("/", _first),
        *signing.routes(),
        *OwnAccount(door, gate, sessions).routes(),
        *PlayerPages(door, keeper, api).routes(),
        *TrainerPages(door, keeper, api.trainers).routes(),
        *NotesPages(door, keeper).routes(),
        *TraineePages(door, keeper, api.rights).routes(),
        *OwnRights(door, keeper, api.rights).routes(),
        *ApproverPages(door, api.office).routes(),
        *AuditorPages(door, api.auditing).routes(),
        *ReportPages(door, api.reporting).routes(),
        *(_static(asset) for asset in found.values()),
    ]
    return Served(routes, door.missing)


def _clock() -> int:
    return int(time.time())


async def _first(asked: Asked) -> Response:
    """To where this person's work is."""
    found = {
        Role.TRAINEE: "/recordings",
        Role.TRAINER: "/trainees",
        Role.APPROVER: "/proposals",
        Role.AUDITOR: "/audit",
    }
    ahead = next((path for role, path in found.items() if role in asked.mine.roles), "/account")
    return RedirectResponse(ahead, 303, HEADERS)


def _static(asset: Asset) -> Route:
    async def give(request: Request) -> Response:
        return asset_answer(
            asset,
            request.headers.get("if-none-match", ""),
            "gzip" in request.headers.get("accept-encoding", ""),
        )

    return Route(asset.url, give, methods=["GET"])
