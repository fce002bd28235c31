"""One's own account: open sessions, another passphrase, another second factor.

Both factors in force are asked for again before either is changed, and every other session of the person ends then. The key
in the browser is not touched: it is the keeper's matter. It knows accounts and sessions; never a recording.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

import pyotp
import segno
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pbx_bridge.portal.limits import RateLimit
from pbx_bridge.portal.web.accounts import Account, Accounts, new_totp_secret, totp_step
from pbx_bridge.portal.web.asked import Asked, Door, Needs
from pbx_bridge.portal.web.attempts import Attempts
from pbx_bridge.portal.web.passphrases import MAX_CHARS, is_strong
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.sentences import refusal
from pbx_bridge.portal.web.sessions import Sessions
from pbx_bridge.wire_portal import Refused

ISSUER: Final = "pbx-bridge"
SECRET: Final = re.compile(r"[A-Z2-7]{32}\Z")
CODE: Final = re.compile(r"[0-9]{6}\Z")


class Gate:
    """Both factors of a name, throttled (attempts.py), two hashes at a time: 64 MiB each; and one new passphrase judged at a
    time, since the worst takes zxcvbn more than a second of the machine that carries the calls, and anybody may send it."""

    def __init__(
        self, accounts: Accounts, monotonic_s: Callable[[], float], clock: Callable[[], int]
    ) -> None:
        self.accounts, self.clock = accounts, clock
        self.attempts, self.hashing = Attempts(), asyncio.Semaphore(2)
        self._judging = asyncio.Semaphore(1)
        self._now_s = monotonic_s

    async def pass_(self, name: str, passphrase: str, code: str) -> Account:
        """The account; the code is used up. Raises: Refused, which says not what was wrong."""
        now_s = self._now_s()
        if wait_s := self.attempts.wait_s(name, now_s):
            raise Refused("too-often", "", int(wait_s) + 1)
        self.attempts.failed(name, now_s)  # before the slow part: attempts side by side count too
        async with self.hashing:
            digits = code if CODE.match(code) else ""
            account = await asyncio.to_thread(self.accounts.check, name, passphrase, digits, self.clock())
        if account is None:
            raise Refused("sign-in", "")
        self.attempts.succeeded(name)
        return account

    async def is_strong(self, passphrase: str) -> bool:
        """Whether it may guard an account."""
        async with self._judging:
            return await asyncio.to_thread(is_strong, passphrase)


class OwnAccount:
    def __init__(self, door: Door, gate: Gate, sessions: Sessions) -> None:
        self._door, self._gate, self._sessions = door, gate, sessions

    def routes(self) -> list[Route]:
        route, session, signing = self._door.route, Needs.SESSION, RateLimit(burst=12, per_s=0.2)
        return [
            route("/account", self._account, needs=session),
            route("/account/end", self._end, "POST", session),
            route("/account/passphrase", self._passphrase_page, needs=session),
            route("/account/passphrase", self._passphrase, "POST", session, signing),
            route("/account/second-factor", self._factor_page, needs=session),
            route("/account/second-factor", self._factor, "POST", session, signing),
        ]

    async def _account(self, asked: Asked) -> Response:
        changed = asked.request.query_params.get("changed") == "yes"
        return asked.page("account.html", sessions=self._sessions.of(asked.mine.name), changed=changed)

    async def _end(self, asked: Asked) -> Response:
        self._sessions.end(asked.mine.name, await asked.field("session", 32))
        return RedirectResponse("/account", 303, HEADERS)

    async def _passphrase_page(self, asked: Asked) -> Response:
        return asked.page("passphrase.html", fault="")

    async def _passphrase(self, asked: Asked) -> Response:
        new = await asked.field("new", MAX_CHARS)
        try:
            if new != await asked.field("again", MAX_CHARS):
                raise Refused("differ", "")
            if not await self._gate.is_strong(new):
                raise Refused("passphrase", "")
            account = await self._proven(asked)
        except Refused as refused:
            return self._again(asked, "passphrase.html", refused)
        async with self._gate.hashing:
            changed = await asyncio.to_thread(self._gate.accounts.change, account, passphrase=new)
        return self._done(asked, changed)

    async def _factor_page(self, asked: Asked) -> Response:
        return asked.page("second_factor.html", fault="", **shown_secret(asked, new_totp_secret()))

    async def _factor(self, asked: Asked) -> Response:
        """The new factor's own code first: nobody is left with a secret their telephone does not have."""
        secret, code = await asked.field("secret", 32), spaceless(await asked.field("new-code", 12))
        if not SECRET.match(secret):
            raise Refused("malformed", "")
        try:
            step = totp_step(secret, code, self._gate.clock())
            if step is None:
                raise Refused("second-factor", "")
            account = await self._proven(asked)
        except Refused as refused:
            return self._again(asked, "second_factor.html", refused, **shown_secret(asked, secret))
        changed = await asyncio.to_thread(self._gate.accounts.change, account, totp=(secret, step))
        return self._done(asked, changed)

    async def _proven(self, asked: Asked) -> Account:
        """Both factors in force. Raises: Refused."""
        passphrase, code = await asked.field("passphrase", MAX_CHARS), await asked.field("code", 12)
        return await self._gate.pass_(asked.mine.name, passphrase, spaceless(code))

    def _again(self, asked: Asked, template: str, refused: Refused, **values: Any) -> Response:
        text = refusal(refused, asked.language, asked.say)
        status = 429 if refused.word == "too-often" else 400
        return asked.page(template, status=status, fault=text, **values)

    def _done(self, asked: Asked, account: Account | None) -> Response:
        """Every session of the account as it was ends; this one goes on under the changed account. Raises: Refused."""
        if account is None:
            raise Refused("session", "")
        asked.mine.entry = account.entry
        return RedirectResponse("/account?changed=yes", 303, HEADERS)


def shown_secret(asked: Asked, secret: str) -> dict[str, Any]:
    """A second factor's secret as a page shows it: in groups, and as a picture for the telephone's app."""
    uri = pyotp.TOTP(secret).provisioning_uri(issuer_name=ISSUER, name=asked.request.url.hostname or "")
    picture = segno.make(uri, error="m").svg_inline(
        scale=4, border=2, omitsize=True, svgclass="qr", lineclass=None
    )
    return {"secret": secret, "groups": " ".join(re.findall("....", secret)), "qr": picture}


def spaceless(code: str) -> str:
    return re.sub(r"\s", "", code)
