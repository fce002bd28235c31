"""A person without a browser: cookies, forms and proofs over real TLS, for what a browser would hide from a test."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import pyotp

from pbx_bridge import wire_portal as words
from pbx_bridge.access.proof import answer
from pbx_bridge.age import X25519Identity
from pbx_bridge.portal.web.accounts import STEP_S
from pbx_bridge.wire_portal import Purpose
from tests.archive.house import House

PASSPHRASE = "copper ladder fossil umbrella ninety"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str]

    @property
    def word(self) -> str:
        """Of a refusal told to a script."""
        return str(json.loads(self.body)["no"])

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Client:
    """Blocks: call it in a thread beside a house."""

    home: House
    identity: X25519Identity = field(default_factory=X25519Identity.generate)
    cookies: dict[str, str] = field(default_factory=dict)
    totp: str = field(default_factory=pyotp.random_base32)
    csrf: str = ""
    code_used: str = ""
    """The second factor's code that joined."""

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request as it stands, with the cookies there are."""
        where = urlsplit(self.home.url)
        context = ssl.create_default_context(cafile=self.home.tls.ca_cert)
        connection = http.client.HTTPSConnection(where.netloc, timeout=20, context=context)
        jar = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
        try:
            connection.request(method, path, body, {"Accept-Language": "en"} | jar | (headers or {}))
            response = connection.getresponse()
            set_ = response.headers.get_all("Set-Cookie") or []
            answered = {name.lower(): value for name, value in response.getheaders()}
            found = Answer(response.status, answered, response.read(), set_)
        finally:
            connection.close()
        for one in set_:
            name, _, value = one.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return found

    def get(self, path: str) -> Answer:
        found = self.ask("GET", path)
        if token := re.search(r'data-csrf="([^"]+)"', found.body.decode("utf-8", "replace")):
            self.csrf = token[1]
        return found

    def form(self, path: str, *, origin: str | None = None, **fields: str) -> Answer:
        """A form sent from a page of this site."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self.home.url if origin is None else origin,
        }
        return self.ask("POST", path, urlencode({"csrf": self.csrf, **fields}).encode(), headers)

    def json(self, path: str, value: Any, *, origin: str | None = None, csrf: str | None = None) -> Answer:
        """What a page's script sends."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Origin": self.home.url if origin is None else origin,
            "X-Csrf": self.csrf if csrf is None else csrf,
        }
        return self.ask("POST", path, value if isinstance(value, bytes) else words.write_body(value), headers)

    def code(self) -> str:
        return pyotp.TOTP(self.totp, interval=STEP_S).now()

    def answered(self, path: str, code: bytes | None, act: words.Act | None) -> tuple[Answer, dict[str, str]]:
        """Begins a proof; what answers it."""
        nonce, recipient = os.urandom(32), str(self.identity.recipient())
        begun = self.json(path, words.BeginAsked(recipient, nonce, code, act))
        if begun.status != 200:
            return begun, {}
        purpose = Purpose.JOIN if code else Purpose.ACT if act else Purpose.SESSION
        said = json.loads(begun.body)
        proof = answer(
            bytes.fromhex(said["sealed"]), self.identity, purpose, nonce, self.home.tls.cert_sha256(),
            act.digest() if act else "",
        )  # fmt: skip
        return begun, {"challenge": said["challenge"], "answer": proof.hex()}

    def join(self, code: bytes, *, passphrase: str = PASSPHRASE, totp_code: str | None = None) -> Answer:
        begun, proof = self.answered("/join/begin", code, None)
        if not proof:
            return begun
        self.code_used = totp_code or self.code()
        guards = {"passphrase": passphrase, "totp": self.totp, "code": self.code_used}
        joined = self.json("/join", json.dumps({**proof, **guards}).encode())
        self.get("/account")
        return joined

    def sign_in(self, name: str, passphrase: str = PASSPHRASE, code: str | None = None) -> Answer:
        found = self.form("/sign-in", name=name, passphrase=passphrase, code=code or self.code(), next="/")
        self.get("/account")
        return found

    def prove(self, act: words.Act | None = None) -> Answer:
        begun, proof = self.answered("/key/begin", None, act)
        return self.json("/key/prove", json.dumps(proof).encode()) if proof else begun
