"""One request to a page: who asks, in which language, and what every such request must pass before it is looked at.

Rate, origin, session, token, visit: in this order. It decides nothing about recordings: it only finds the visit the keeper
is asked with.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, quote

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pbx_bridge import wire_portal as words
from pbx_bridge.errors import OperatorError
from pbx_bridge.listening import network
from pbx_bridge.portal.bodies import STATUS, TooLarge, read_bytes
from pbx_bridge.portal.guard import kind_of
from pbx_bridge.portal.limits import RateLimit
from pbx_bridge.portal.web.rendering import HEADERS, Pages, language_of
from pbx_bridge.portal.web.sentences import refusal
from pbx_bridge.portal.web.sessions import Session, Sessions
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()

COOKIE: Final = "__Host-session"
LANGUAGE_COOKIE: Final = "__Host-language"
CSRF_HEADER: Final = "x-csrf"
MAX_FIELDS: Final = 20
AT_ACCOUNT: Final = frozenset(("role", "key-unconfirmed"))
"""Refusals a person's account explains: their first page would be refused like this one."""
HOST: Final = re.compile(r"(?:[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")
LOCAL: Final = re.compile(r"/(?:[A-Za-z0-9._~-]+/)*[A-Za-z0-9._~-]*\Z")
"""A path of this site, without a query: the only place a person is ever sent on to. Every text can be read in one way only,
so that none takes long: it is anybody's, and the calls wait meanwhile."""
MAX_LOCAL_CHARS: Final = 200
VISIT_LEFT_S: Final = 20
"""A visit that ends sooner is renewed before it is used."""
TOLD_WITHIN_S: Final = 90
"""What went out is told within a minute (views.py), with the visit there is then."""


T = TypeVar("T")


class Needs(Enum):
    NOTHING = "nothing"
    SESSION = "session"
    """Signed in with both factors."""
    VISIT = "visit"
    """And the person's key was proven to the keeper."""
    VIEWING = "viewing"
    """The same, and for so long that what goes out now can be told to the keeper (P19)."""


LEFT_S: Final[Mapping[Needs, int]] = {Needs.VISIT: VISIT_LEFT_S, Needs.VIEWING: TOLD_WITHIN_S}
"""So long a visit must last for what is behind the door."""


class SignInFirst(Exception):
    """No session, or one that ended."""


class ProveFirst(Exception):
    """No visit, or one that ended."""


@dataclass(slots=True)
class Asked:
    request: Request
    language: str
    session: Session | None
    _pages: Pages
    _fields: dict[str, list[str]] | None = None
    _body: bytes | None = None

    @property
    def mine(self) -> Session:
        """The session, where one is needed."""
        if self.session is None:
            raise SignInFirst
        return self.session

    @property
    def visit(self) -> bytes:
        """The token the keeper knows this person by, where one is needed."""
        if self.mine.visit is None:
            raise ProveFirst
        return self.mine.visit

    @property
    def path(self) -> str:
        """As it was asked for, whatever host was named with it."""
        return str(self.request.scope["path"])

    def say(self, message: str) -> str:
        return self._pages.say(self.language, message)

    async def read(self, kind: type[T]) -> T:
        """What a page's script sent. Raises: Malformed."""
        return words.read_body(kind, await self._whole())

    async def _whole(self) -> bytes:
        """The body, once."""
        if self._body is None:
            self._body = await read_bytes(self.request)
        return self._body

    async def field(self, name: str, most: int = 200) -> str:
        """One field of the form that was sent, "" when it is not there. Raises: Malformed."""
        if self._fields is None:
            kind = self.request.headers.get("content-type", "").partition(";")[0].strip()
            if kind != "application/x-www-form-urlencoded":
                raise Malformed("a form of this site is needed")
            text = (await self._whole()).decode("ascii", "replace")
            try:
                self._fields = parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
            except ValueError:
                raise Malformed("a form has at most 20 fields") from None
        value = self._fields.get(name, [""])[0].replace("\r\n", "\n")
        if len(value) > most:
            raise Malformed(f"{name}: at most {most} characters")
        return value

    def page(
        self, template: str, /, *, status: int = 200, more: dict[str, str] | None = None, **values: Any
    ) -> Response:
        shown = {"session": self.session, "path": self.path, **values}
        return self._pages.page(template, self.language, shown, status=status, more=more)


Handler = Callable[[Asked], Awaitable[Response]]


class Door:
    """What stands before every page."""

    def __init__(
        self,
        pages: Pages,
        sessions: Sessions,
        default_language: str,
        monotonic_s: Callable[[], float],
        clock: Callable[[], int],
    ) -> None:
        self._pages, self._sessions, self._default = pages, sessions, default_language
        self._now_s, self._clock = monotonic_s, clock
        self._requests = RateLimit(burst=200, per_s=50)

    def route(
        self,
        path: str,
        handler: Handler,
        method: str = "GET",
        needs: Needs = Needs.VISIT,
        limit: RateLimit | None = None,
        *,
        each: bool = False,
    ) -> Route:
        """The handler behind this door. `each`: the limit is one session's, where there is one, not all of an address's."""

        async def guarded(request: Request) -> Response:
            asked = self._asked(request)
            try:
                self._pass_rate(asked, limit or self._requests, each)
                if not HOST.match(request.headers.get("host", "")):
                    raise Malformed("Host: a name or an address")
                if method != "GET":
                    await self._pass_forgery(asked, needs)
                if needs is not Needs.NOTHING:
                    self._pass_session(asked, needs)
                return await handler(asked)
            except SignInFirst:
                return self._elsewhere(asked, "/sign-in", "session")
            except ProveFirst:
                return self._elsewhere(asked, "/key", "visit-ended")
            except Refused as refused:
                if refused.word == "visit-ended":
                    if asked.session is not None:
                        asked.session.visit = None
                    return self._elsewhere(asked, "/key", "visit-ended")
                return self._no(asked, refused)
            except TooLarge:
                return self._no(asked, Refused("too-large", ""), {"Connection": "close"})
            except Malformed as error:
                return self._no(asked, Refused("malformed", str(error)))
            except KeeperUnreachable as error:
                log.error("portal: keeper unreachable", fault=str(error))
                return self._no(asked, Refused("keeper", ""))
            except OperatorError as error:
                log.error("portal: a page cannot be made", fault=str(error))
                return self._no(asked, Refused("unavailable", ""))
            except Exception as error:
                log.error("portal: a page failed", page=path, **kind_of(error))
                return self._no(asked, Refused("fault", ""))

        return Route(path, guarded, methods=[method])

    async def missing(self, request: Request, error: Exception) -> Response:
        """An address that is none, or is one for another method."""
        status = error.status_code if isinstance(error, HTTPException) else 404
        more = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        return self._no(self._asked(request), Refused("method" if status == 405 else "not-found", ""), more)

    def _asked(self, request: Request) -> Asked:
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        language = language_of(chosen, request.headers.get("accept-language", ""), self._default)
        return Asked(request, language, self._sessions.find(request.cookies.get(COOKIE, "")), self._pages)

    def _pass_rate(self, asked: Asked, limit: RateLimit, each: bool) -> None:
        client = asked.request.client
        who = asked.session.id if each and asked.session else network(client.host if client else "")
        if wait_s := limit.wait_s(who, self._now_s()):
            raise Refused("too-often", "", int(wait_s) + 1)

    async def _pass_forgery(self, asked: Asked, needs: Needs) -> None:
        """Browsers name the page a form came from; and the session's token must come with it."""
        headers = asked.request.headers
        if headers.get("origin") != f"https://{headers.get('host', '')}":
            raise Refused("origin", "")
        if needs is not Needs.NOTHING and asked.session is not None:
            sent = headers.get(CSRF_HEADER) or await asked.field("csrf")
            if sent != asked.session.csrf:
                raise Refused("origin", "")

    def _pass_session(self, asked: Asked, needs: Needs) -> None:
        session, left_s = asked.mine, LEFT_S.get(needs)
        if left_s is not None and (session.visit is None or session.visit_ends - left_s <= self._clock()):
            raise ProveFirst

    def _elsewhere(self, asked: Asked, path: str, word: str) -> Response:
        """To where the person can mend it; a script is told instead, and a form's sender that nothing was done."""
        if _is_script(asked.request):
            return self._no(asked, Refused(word, ""))
        if asked.request.method in ("GET", "HEAD"):
            return RedirectResponse(f"{path}?next={quote(local(asked.path), safe='/')}", 303, HEADERS)
        if word != "session":
            return self._no(asked, Refused(word, ""))
        undone = "" if asked.path == "/sign-out" else "&undone=yes"
        return RedirectResponse(f"{path}?next=/{undone}", 303, HEADERS)

    def _no(self, asked: Asked, refused: Refused, also: Mapping[str, str] | None = None) -> Response:
        text, status = refusal(refused, asked.language, asked.say), STATUS.get(refused.word, 403)
        more = dict(also or {}) | ({"Retry-After": str(refused.until)} if refused.word == "too-often" else {})
        if _is_script(asked.request):
            no = words.write_refusal(Refused(refused.word, text, refused.until))
            return Response(no, status, HEADERS | more, media_type="application/json")
        again = asked.path if asked.request.method == "GET" and status in (429, 503) else ""
        account = asked.session is not None and refused.word in AT_ACCOUNT
        shown = {"text": text, "code": status, "again": again, "account": account}
        return asked.page("error.html", status=status, more=more, **shown)


def local(path: str) -> str:
    """The path if it is one of this site, else the first page."""
    return path if len(path) < MAX_LOCAL_CHARS and LOCAL.match(path) else "/"


def _is_script(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("application/json")
