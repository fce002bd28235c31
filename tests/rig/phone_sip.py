"""SIP messages as text (RFC 3261), as far as a test phone on the loopback needs them: no transport, no state."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_SHORT = {
    "i": "call-id",
    "f": "from",
    "t": "to",
    "v": "via",
    "m": "contact",
    "r": "refer-to",
    "c": "content-type",
}
ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY, UPDATE, INFO"


@dataclass(frozen=True, slots=True)
class SipMessage:
    first: str
    headers: dict[str, tuple[str, ...]]
    body: str

    @property
    def is_request(self) -> bool:
        return not self.first.startswith("SIP/2.0")

    @property
    def method(self) -> str:
        return self.first.split()[0] if self.is_request else self.one("cseq").split()[1]

    @property
    def code(self) -> int:
        """Of a response; 0 of a request."""
        return 0 if self.is_request else int(self.first.split()[1])

    @property
    def sequence(self) -> int:
        return int(self.one("cseq").split()[0])

    def one(self, name: str) -> str:
        return self.headers.get(name, ("",))[0]


def parse(raw: str) -> SipMessage:
    head, _, body = raw.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        name = _SHORT.get(name, name)
        headers[name] = (*headers.get(name, ()), value.strip())
    return SipMessage(first, headers, body)


def write(first: str, headers: list[str], body: str = "", body_type: str = "application/sdp") -> str:
    lines = [first, *headers]
    if body:
        lines.append(f"Content-Type: {body_type}")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])


def tag_of(value: str) -> str:
    found = re.search(r";tag=([^;>\s]+)", value)
    return found.group(1) if found else ""


def uri_of(value: str) -> str:
    found = re.search(r"<([^>]+)>", value)
    return found.group(1) if found else value.split(";")[0]


def credentials(
    challenged: SipMessage, method: str, uri: str, user: str, password: str, mine: str = "7a1e"
) -> str:
    """The header that answers a 401 or 407 by digest (RFC 2617, MD5), `mine` being the phone's own nonce.

    Raises: ValueError, it is no such challenge.
    """
    proxy = challenged.code == 407
    challenge = challenged.one("proxy-authenticate" if proxy else "www-authenticate")
    asked = {
        name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)
    }
    if not challenge.startswith("Digest ") or asked.get("algorithm", "MD5") != "MD5":
        raise ValueError("the PBX asks for no digest this phone knows")
    realm, nonce, count = asked["realm"], asked["nonce"], "00000001"
    who, what = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{uri}")
    said = f'username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if "auth" in asked.get("qop", "").split(","):
        response = _md5(f"{who}:{nonce}:{count}:{mine}:auth:{what}")
        said += f', qop=auth, nc={count}, cnonce="{mine}"'
    else:
        response = _md5(f"{who}:{nonce}:{what}")
    return f'{"Proxy-" if proxy else ""}Authorization: Digest {said}, response="{response}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
