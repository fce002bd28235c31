"""A person at a real browser: joins, signs in, clicks; and the site they visit."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pbx_bridge.portal.rights import Behind
from pbx_bridge.portal.web.accounts import STEP_S
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_portal import Role
from tests.archive.house import House, house
from tests.trainer.browser import Browser

PASSPHRASE = "copper ladder fossil umbrella ninety"


@dataclass
class Pages:
    """A site with pages, and how to reach it."""

    home: House
    folder: Path

    @property
    def url(self) -> str:
        return self.home.url

    def browser(self, name: str) -> Browser:
        """A browser of somebody's own, which believes this site's certificate and no other."""
        certificate = x509.load_pem_x509_certificate(self.home.tls.cert.read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digest = base64.b64encode(hashlib.sha256(key).digest()).decode()
        return Browser(
            self.folder / f"browser-{name}", f"--ignore-certificate-errors-spki-list={digest}", "--lang=en",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
        )  # fmt: skip

    async def invited(self, name: str, *roles: Role) -> str:
        """The link an administrator hands on."""
        return f"{self.url}/join#{(await self.home.link.invite(name, *roles)).code.hex()}"


@asynccontextmanager
async def pages(folder: Path, behind: Behind | None = None) -> AsyncIterator[Pages]:
    """A house whose portal has pages in English."""
    async with house(folder, behind or Behind(), Site(folder / "accounts", "en")) as home:
        yield Pages(home, folder)


class Person:
    """Somebody at their own browser, driven in threads beside the site that serves it."""

    def __init__(self, site: Pages, name: str, browser: Any = None) -> None:
        """`browser`: another kind than Chromium, with the same methods."""
        self.site, self.name = site, name
        self.browser = browser or site.browser(name)
        self.totp = ""

    def code(self) -> str:
        """The second factor's code of now."""
        return pyotp.TOTP(self.totp, interval=STEP_S).now()

    async def join(self, link: str) -> None:
        await self.open(link)
        await self.until("document.querySelector('fieldset') && !document.querySelector('fieldset').disabled")
        self.totp = str(await self.script("document.getElementById('join').dataset.totp"))
        await self.fill(passphrase=PASSPHRASE, again=PASSPHRASE, code=self.code())
        await self.press("#join button")
        await self.at("/account")

    async def open(self, url: str) -> None:
        """The first page."""
        await asyncio.to_thread(self.browser.open, url)

    async def go(self, path: str) -> None:
        await asyncio.to_thread(self.browser.goes_to, self.site.url + path)

    async def until(self, condition: str) -> None:
        await asyncio.to_thread(self.browser.wait, condition)

    async def at(self, path: str) -> None:
        """Waits until that page is there."""
        await self.until(f"location.pathname === {json.dumps(path)} && document.readyState === 'complete'")

    async def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            await self.script(f"document.getElementById({json.dumps(name)}).value = {json.dumps(value)}")

    async def press(self, selector: str) -> None:
        await self.script(f"document.querySelector({json.dumps(selector)}).click()")

    async def sends(self, selector: str) -> None:
        """Presses, and waits until another page is there, be it of the same address."""
        await self.script("window.old = true")
        await self.press(selector)
        await self.until("!window.old && document.readyState === 'complete'")

    async def reads(self) -> str:
        """What stands on the page."""
        return str(await self.script("document.querySelector('main').innerText"))

    async def script(self, source: str) -> Any:
        return await asyncio.to_thread(self.browser.evaluate, source)
