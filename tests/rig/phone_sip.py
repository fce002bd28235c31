"""SIP messages as text (RFC 3261), as far as a test phone on the loopback needs them: no transport, no state."""

from __future__ import annotations

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
