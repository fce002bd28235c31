"""Joining with an invitation, signing in, signing out, and proving one's key.

An account is made only after the keeper has proven that the invitation's code and the new key belong together; its name is
the one the keeper says. The key's private half never leaves the browser it was made in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pbx_bridge import wire_portal as words
from pbx_bridge.portal.limits import RateLimit
from pbx_bridge.portal.web.accounts import Account, new_totp_secret, totp_step
from pbx_bridge.portal.web.asked import COOKIE, LANGUAGE_COOKIE, Asked, Door, Needs, local
from pbx_bridge.portal.web.own_account import Gate, shown_secret, spaceless
from pbx_bridge.portal.web.passphrases import MAX_CHARS
from pbx_bridge.portal.web.rendering import HEADERS, LANGUAGES
from pbx_bridge.portal.web.sentences import refusal
from pbx_bridge.portal.web.sessions import Sessions
from pbx_bridge.wire_json import Hex, Text
from pbx_bridge.wire_portal import Proven, Purpose, Refused

PROOFS_AT_ONCE: Final = 30
PROOFS_PER_S: Final = 0.5
"""A proof takes two. Of each session, once there is one: an office may have one address, and each of it proves a key every
quarter of an hour. Before, of each address."""


class Keeper(Protocol):
    """Raises: words.Refused, KeeperUnreachable."""

    async def begin(
        self,
        recipient: str,
        client_nonce: bytes,
        certificate: bytes,
        code: bytes | None = None,
        act: words.Act | None = None,
    ) -> words.Begun: ...

    async def prove(self, challenge: bytes, answer: bytes) -> Proven: ...


@dataclass(frozen=True, slots=True)
class Joining:
    """The answer to the join's challenge, with what guards the account from now on."""

    challenge: Annotated[bytes, Hex(16)]
    answer: Annotated[bytes, Hex(32)]
    passphrase: Annotated[str, Text(MAX_CHARS)]
    totp: Annotated[str, Text(32, 32, "[A-Z2-7]{32}")]
    code: Annotated[str, Text(6, 6, "[0-9]{6}")]


@dataclass(frozen=True, slots=True)
class Joined:
    name: Annotated[str, words.NAME]
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Entered:
    """The key was proven, or the deed done."""

    visit_ends: Annotated[int, words.UNIX]


class SigningIn:
    def __init__(
        self,
        door: Door,
        keeper: Keeper,
        certificate: bytes,
        gate: Gate,
        sessions: Sessions,
        clock: Callable[[], int],
        check: Callable[[words.Act | None], Awaitable[None]],
    ) -> None:
        """`check`: refuses a deed about a text that is gone (portal/office.py)."""
        self._door, self._keeper, self._certificate = door, keeper, certificate
        self._gate, self._sessions, self._clock, self._check = gate, sessions, clock, check

    def routes(self) -> list[Route]:
        route, nothing, session = self._door.route, Needs.NOTHING, Needs.SESSION
        proofs, signing = RateLimit(burst=PROOFS_AT_ONCE, per_s=PROOFS_PER_S), RateLimit(burst=12, per_s=0.2)
        return [
            route("/join", self._join_page, needs=nothing),
            route("/join/begin", self._begin_joining, "POST", nothing, proofs),
            route("/join", self._join, "POST", nothing, signing),
            route("/sign-in", self._sign_in_page, needs=nothing),
            route("/sign-in", self._sign_in, "POST", nothing, signing),
            route("/sign-out", self._sign_out, "POST", session),
            route("/language", self._language, needs=nothing),
            route("/key", self._key_page, needs=session),
            route("/key/begin", self._begin, "POST", session, proofs, each=True),
            route("/key/prove", self._prove, "POST", session, proofs, each=True),
        ]

    # -- joining ------------------------------------------------------------------------------------------------

    async def _join_page(self, asked: Asked) -> Response:
        """The code stands in the address's fragment, which no browser sends: the page's script reads it."""
        return asked.page("join.html", **shown_secret(asked, new_totp_secret()))

    async def _begin_joining(self, asked: Asked) -> Response:
        wanted = await asked.read(words.BeginAsked)
        if wanted.code is None or wanted.act is not None:
            raise Refused("malformed", "")
        return json_answer(
            await self._keeper.begin(wanted.recipient, wanted.client_nonce, self._certificate, wanted.code)
        )

    async def _join(self, asked: Asked) -> Response:
        """First what may be wrong without harm; the proof uses the invitation up."""
        joining, now = await asked.read(Joining), self._clock()
        step = totp_step(joining.totp, joining.code, now)
        if step is None:
            raise Refused("second-factor", "")
        if not await self._gate.is_strong(joining.passphrase):
            raise Refused("passphrase", "")
        proven = await self._keeper.prove(joining.challenge, joining.answer)
        if proven.purpose is not Purpose.JOIN:
            raise Refused("malformed", "")
        async with self._gate.hashing:
            account = await asyncio.to_thread(
                self._gate.accounts.make, proven.name, joining.passphrase, joining.totp, step, now
            )
        self._sessions.end_all(account.name)
        self._gate.attempts.succeeded(account.name)
        return self._enter(asked, account, proven, json_answer(Joined(proven.name, proven.confirmed)))

    # -- signing in ---------------------------------------------------------------------------------------------

    async def _sign_in_page(self, asked: Asked) -> Response:
        ahead = local(asked.request.query_params.get("next", "/"))
        undone = asked.request.query_params.get("undone") == "yes"
        return asked.page("sign_in.html", ahead=ahead, fault="", name="", undone=undone)

    async def _sign_in(self, asked: Asked) -> Response:
        """Name, passphrase and code together: which of them was wrong is not said."""
        name, passphrase = await asked.field("name", 64), await asked.field("passphrase", MAX_CHARS)
        code, ahead = spaceless(await asked.field("code", 12)), local(await asked.field("next"))
        try:
            account = await self._gate.pass_(name, passphrase, code)
        except Refused as refused:
            text = refusal(refused, asked.language, asked.say)
            status = 429 if refused.word == "too-often" else 401
            return asked.page("sign_in.html", status=status, ahead=ahead, fault=text, name=name, undone=False)
        return self._enter(asked, account, None, RedirectResponse(f"/key?next={ahead}", 303, HEADERS))

    def _enter(self, asked: Asked, account: Account, proven: Proven | None, answer: Response) -> Response:
        secret, session = self._sessions.open(
            account, kind_of(asked.request.headers.get("user-agent", "")), self._clock()
        )
        if proven is not None:
            self._sessions.proven(session, proven)
        answer.set_cookie(COOKIE, secret, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    async def _sign_out(self, asked: Asked) -> Response:
        self._sessions.end(asked.mine.name, asked.mine.id)
        answer = RedirectResponse("/sign-in", 303, HEADERS | {"Clear-Site-Data": '"cache"'})
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    async def _language(self, asked: Asked) -> Response:
        answer = RedirectResponse(local(asked.request.query_params.get("back", "/")), 303, HEADERS)
        to = asked.request.query_params.get("to", "")
        if to in LANGUAGES:
            answer.set_cookie(
                LANGUAGE_COOKIE, to, 365 * 86_400, path="/", secure=True, httponly=True, samesite="strict"
            )
        return answer

    # -- the key ------------------------------------------------------------------------------------------------

    async def _key_page(self, asked: Asked) -> Response:
        """Its script proves the key and goes on; with `again` though a visit is open: was the key confirmed since?"""
        if asked.request.query_params.get("again") == "yes":
            asked.mine.visit = None
        return asked.page("key.html", ahead=local(asked.request.query_params.get("next", "/")))

    async def _begin(self, asked: Asked) -> Response:
        wanted = await asked.read(words.BeginAsked)
        if wanted.code is not None:
            raise Refused("malformed", "")
        begun = await self._keeper.begin(
            wanted.recipient, wanted.client_nonce, self._certificate, None, wanted.act
        )
        await self._check(wanted.act)
        return json_answer(begun)

    async def _prove(self, asked: Asked) -> Response:
        """The session has a visit from now on, if the key is this very person's."""
        answer = await asked.read(words.Prove)
        proven = await self._keeper.prove(answer.challenge, answer.answer)
        if proven.name != asked.mine.name or proven.purpose is Purpose.JOIN:
            raise Refused("stranger", "")
        self._sessions.proven(asked.mine, proven)
        return json_answer(Entered(proven.expires_at))


def kind_of(agent: str) -> str:
    """A browser's kind and system, from what it calls itself: enough to know one's own session again."""
    browsers = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chromium"), ("Safari/", "Safari"))
    systems = (
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in agent), "?")
    system = next((name for mark, name in systems if mark in agent), "?")
    return f"{browser}, {system}"


def json_answer(answer: object) -> Response:
    return Response(words.write_body(answer), 200, HEADERS, media_type="application/json")
