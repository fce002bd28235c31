"""FastAGI's bytes: the request's headers, the answers to commands. Pure, with limits (docs.asterisk.org, "AGI
Commands")."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pbx_bridge.errors import PeerError

LINE_LIMIT = 1024
"""Asterisk's own buffer for an AGI line is 2048 with the value of a variable in it; we ask for none."""
HEADERS_LIMIT = 64
"""Asterisk 22 sends 22 and one for each argument; we are called with two."""

_REQUEST = re.compile(r"agi://[^/]+/(?P<script>[A-Za-z0-9_-]{1,40})\Z")
_ANSWER = re.compile(r"(?P<code>[0-9]{3}) result=(?P<result>-?[0-9]{1,10})(?P<rest>.*)\Z")
_ENDPOS = re.compile(r" endpos=([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class AgiRequest:
    script: str
    """The path of agi://host/script."""
    language: str
    """The channel's, as Asterisk writes it: "en", "fr_FR"."""
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgiAnswer:
    result: int
    endpos: int
    """Samples played when a sound stopped; 0 when nothing was."""


def decode(raw: bytes) -> str:
    """One line without its end. Raises: PeerError when it is too long or has none."""
    if not raw.endswith(b"\n") or len(raw) > LINE_LIMIT:
        raise PeerError(f"an AGI line is cut off or longer than {LINE_LIMIT} bytes")
    return raw.rstrip(b"\r\n").decode("utf-8", "replace")


def parse_request(lines: list[str]) -> AgiRequest:
    """The headers up to the empty line. Raises: PeerError."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields[name] = value.strip()
    found = _REQUEST.match(fields.get("agi_request", ""))
    if fields.get("agi_network") != "yes" or not found:
        raise PeerError("no AGI request")
    arguments: list[str] = []
    while (argument := fields.get(f"agi_arg_{len(arguments) + 1}")) is not None:
        arguments.append(argument)
    return AgiRequest(found.group("script"), fields.get("agi_language", ""), tuple(arguments))


def parse_answer(line: str) -> AgiAnswer | None:
    """The answer to a command; None when the caller hung up. Raises: PeerError for anything but success."""
    if line == "HANGUP":
        return None
    found = _ANSWER.match(line)
    if not found or found.group("code") != "200":
        raise PeerError("Asterisk refused an AGI command")
    position = _ENDPOS.search(found.group("rest"))
    return AgiAnswer(int(found.group("result")), int(position.group(1)) if position else 0)
