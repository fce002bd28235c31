"""The age v1 header: stanzas under one MAC; reading it strictly, making it, and rewrapping it.

It knows who may find the 16-byte file key; it never touches the payload. Rewrapping is how a recording is released
(P18): a new header for the requesting person, the payload's bytes unchanged.
Source: c2sp.org/age, "Header". The limits are our own; the specification has none.
"""

from __future__ import annotations

import hmac
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from Crypto.Hash import HMAC, SHA256
from Crypto.Random import get_random_bytes

from pbx_bridge.age_keys import FILE_KEY_SIZE, Identity, Recipient, Stanza, derive_key
from pbx_bridge.age_text import HeaderError, HeaderMacError, NoIdentityMatches, base64_bytes, base64_text

MAX_HEADER_BYTES: Final = 256 * 1024
"""Ours have 168 bytes; a post-quantum stanza has 1.6 KB; 64 of those and room. Bounds memory before the MAC is known."""
MAX_STANZAS: Final = 64
"""Each costs up to one scalar multiplication (0.3 ms): bounds the work a stranger's header can cause."""
MAX_LINE_BYTES: Final = 4096
"""The longest argument line we know (post-quantum) has about 1.5 KB."""

_VERSION = b"age-encryption.org/v1\n"
_COLUMNS = 64
_MAC_SIZE = 32
_MAC_LINE_SIZE = len("--- ") + 43 + len("\n")
_BODY = re.compile(rb"[A-Za-z0-9+/]*\Z")
_ARGUMENT = re.compile(rb"[\x21-\x7e]+\Z")


class LineSource(Protocol):
    """Where a header is read from: any binary file object."""

    def readline(self, size: int = ..., /) -> bytes:
        """At most `size` bytes, up to and with the next line end."""


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header, not yet known to be authentic."""

    stanzas: tuple[Stanza, ...]
    mac: bytes
    covered: bytes
    """What the MAC covers: the header up to and with its three dashes."""
    size: int
    """Bytes of the whole header: the payload starts there."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """A header for somebody else over the same payload."""

    header: bytes
    payload_at: int
    """Where the payload starts in the file the old header was read from."""


def new_file_key() -> bytes:
    """A fresh file key. One key, one payload: never seal two payloads under it."""
    return get_random_bytes(FILE_KEY_SIZE)


def read_header(source: LineSource) -> Header:
    """Read exactly the header from `source`, leaving it at the payload. Raises: HeaderError."""
    lines = _Lines(source)
    if lines.next() != _VERSION:
        raise HeaderError("this is not an age v1 file: its first line is not age-encryption.org/v1")
    stanzas: list[Stanza] = []
    while not (line := lines.next()).startswith(b"---"):
        if len(stanzas) == MAX_STANZAS:
            raise HeaderError(f"the age header has more than {MAX_STANZAS} recipients")
        stanzas.append(_stanza(line, lines))
    if not stanzas:
        raise HeaderError("the age header has no recipient")
    if not line.startswith(b"--- ") or len(line) != _MAC_LINE_SIZE:
        raise HeaderError("the age header's last line is not its MAC")
    mac = base64_bytes(line[4:-1])
    covered = b"".join(lines.seen)[: 3 - len(line)]
    return Header(tuple(stanzas), mac, covered, lines.size)


class _Lines:
    """The header's lines, each and all together within the limits."""

    def __init__(self, source: LineSource) -> None:
        self._source = source
        self.seen: list[bytes] = []
        self.size = 0

    def next(self) -> bytes:
        line = self._source.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            fault = (
                f"has a line beyond {MAX_LINE_BYTES} bytes" if len(line) == MAX_LINE_BYTES else "is cut short"
            )
            if self.seen or _VERSION.startswith(line):
                raise HeaderError(f"the age header {fault}")
            raise HeaderError("this is not an age v1 file: its first line is not age-encryption.org/v1")
        self.size += len(line)
        if self.size > MAX_HEADER_BYTES:
            raise HeaderError(f"the age header is beyond {MAX_HEADER_BYTES} bytes")
        self.seen.append(line)
        return line


def _stanza(first: bytes, lines: _Lines) -> Stanza:
    if not first.startswith(b"-> "):
        raise HeaderError("a recipient in the age header does not start with '-> '")
    arguments = tuple(first[3:-1].split(b" "))
    if not all(_ARGUMENT.match(argument) for argument in arguments):
        raise HeaderError(
            "a recipient in the age header has an empty argument or a character that is not allowed"
        )
    body: list[bytes] = []
    while not body or len(body[-1]) == _COLUMNS:
        line = lines.next()[:-1]
        if len(line) > _COLUMNS or not _BODY.match(line):
            raise HeaderError(f"a recipient's body in the age header is not base64 in lines of {_COLUMNS}")
        body.append(line)
    return Stanza(arguments, base64_bytes(b"".join(body)))


def unwrap_file_key(header: Header, identities: Sequence[Identity]) -> bytes:
    """The authentic file key, by the first identity that opens a stanza.

    Raises: NoIdentityMatches; HeaderError; HeaderMacError when the header was changed after it was made.
    """
    if len(header.stanzas) > 1 and any(stanza.arguments[0] == b"scrypt" for stanza in header.stanzas):
        raise HeaderError("a passphrase must be an age file's only recipient, here it is one of several")
    for stanza in header.stanzas:
        for identity in identities:
            file_key = identity.unwrap(stanza)
            if file_key is None:
                continue
            if not hmac.compare_digest(_mac(file_key, header.covered), header.mac):
                raise HeaderMacError("the age header was changed after it was made (its MAC is wrong)")
            return file_key
    if header.stanzas[0].arguments[0] == b"scrypt":
        raise NoIdentityMatches(
            "the passphrase is wrong, or this file is sealed with a passphrase and a key was given"
        )
    raise NoIdentityMatches("this file is not sealed to any of the identities given")


def make_header(file_key: bytes, recipients: Sequence[Recipient]) -> bytes:
    """A complete header that lets exactly `recipients` find `file_key`. Raises: ValueError, KeyTextError."""
    if len(file_key) != FILE_KEY_SIZE:
        raise ValueError(f"a file key has {FILE_KEY_SIZE} bytes, not {len(file_key)}")
    if not 1 <= len(recipients) <= MAX_STANZAS:
        raise ValueError(f"an age file has 1 to {MAX_STANZAS} recipients, not {len(recipients)}")
    if len(recipients) > 1 and any(recipient.alone for recipient in recipients):
        raise ValueError("a passphrase must be an age file's only recipient")
    covered = _VERSION + b"".join(_text(recipient.wrap(file_key)) for recipient in recipients) + b"---"
    return covered + b" " + base64_text(_mac(file_key, covered)) + b"\n"


def rewrap_header(
    source: LineSource | bytes, identities: Sequence[Identity], recipients: Sequence[Recipient]
) -> Rewrapped:
    """The same file key under a new header, 0.8 ms; only the header of `source` is read.

    It cannot be undone: who once held the file key may keep it. Raises: as `read_header` and `unwrap_file_key`.
    """
    old = read_header(io.BytesIO(source) if isinstance(source, bytes) else source)
    return Rewrapped(make_header(unwrap_file_key(old, identities), recipients), old.size)


def _text(stanza: Stanza) -> bytes:
    body = base64_text(stanza.body)
    # The last line is always shorter than 64: an empty one follows when the body fills its lines exactly.
    lines = [body[at : at + _COLUMNS] for at in range(0, len(body) + 1, _COLUMNS)]
    return b"-> " + b" ".join(stanza.arguments) + b"\n" + b"\n".join(lines) + b"\n"


def _mac(file_key: bytes, covered: bytes) -> bytes:
    return bytes(HMAC.new(derive_key(file_key, b"", b"header"), covered, SHA256).digest())
