"""The texts around age files: strict base64, bech32 keys, PEM-like armor, and what goes wrong in them.

It knows letters and their canonical forms; it never knows what the bytes mean and does no encryption.
Sources: c2sp.org/age (sections "Encodings", "ASCII armor"), BIP 173 for bech32, RFC 4648 for base64.
Everything here is canonical: one value has one text, so a changed letter is always an error.
"""

from __future__ import annotations

import base64
import re
from typing import Final

MAX_KEY_TEXT: Final = 200
"""Characters of a bech32 key. An X25519 identity has 74; nothing we accept is longer than that."""
MAX_ARMOR_BYTES: Final = 16 * 1024 * 1024
"""Armored text is held in memory whole: it carries keys and short texts, never a recording."""


class AgeError(Exception):
    """An age file, header or key that is not what it should be. Its sentence never carries key material."""


class KeyTextError(AgeError, ValueError):
    """A text given as a recipient or an identity is none; the operator (or whoever pasted it) can mend it."""


class HeaderError(AgeError):
    """The header is not a well-formed age v1 header, or is beyond our own limits."""


class HeaderMacError(HeaderError):
    """The identity opened a stanza, but the header was changed after it was made."""


class NoIdentityMatches(AgeError):
    """Well-formed, but none of the identities given (or not this passphrase) opens it."""


class PayloadError(AgeError):
    """The payload is not authentic: changed, swapped, zeroed, or with something after its end."""


class TruncatedError(PayloadError):
    """The payload is authentic as far as it goes, but its end is missing."""


class ArmorError(AgeError):
    """The text is not canonical age armor."""


_BASE64 = re.compile(rb"[A-Za-z0-9+/]*\Z")


def base64_text(raw: bytes) -> bytes:
    """Standard base64 without padding, as age headers write it."""
    return base64.b64encode(raw).rstrip(b"=")


def base64_bytes(text: bytes) -> bytes:
    """The bytes of unpadded canonical base64. Raises: HeaderError."""
    if not _BASE64.match(text) or len(text) % 4 == 1:
        raise HeaderError("the age header holds a text that is not unpadded base64")
    raw = base64.b64decode(text + b"=" * (-len(text) % 4))
    if base64_text(raw) != text:
        raise HeaderError("the age header holds base64 that is not canonical")
    return raw


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _checksum(values: list[int]) -> int:
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                state ^= generator
    return state


def _expanded(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def bech32_text(prefix: str, raw: bytes) -> str:
    """`raw` as lower-case bech32 under `prefix`."""
    bits = int.from_bytes(raw, "big") << (-len(raw) * 8 % 5)
    words = [bits >> 5 * at & 31 for at in reversed(range(-(-len(raw) * 8 // 5)))]
    check = _checksum(_expanded(prefix) + words + [0] * 6) ^ 1
    words += [check >> 5 * (5 - at) & 31 for at in range(6)]
    return prefix + "1" + "".join(_BECH32[word] for word in words)


def bech32_bytes(text: str) -> tuple[str, bytes]:
    """Prefix (lower-case) and bytes of a bech32 text. Raises: KeyTextError."""
    if len(text) > MAX_KEY_TEXT:
        raise KeyTextError(f"a key has at most {MAX_KEY_TEXT} characters, this text has {len(text)}")
    if not text.isascii() or text not in (text.lower(), text.upper()):
        raise KeyTextError("a key is written all in lower case or all in upper case ASCII letters and digits")
    text = text.lower()
    prefix, separator, rest = text.rpartition("1")
    if not separator or not prefix or len(rest) < 6 or any(not 33 <= ord(c) <= 126 for c in prefix):
        raise KeyTextError("this is no key: it should look like age1... or AGE-SECRET-KEY-1...")
    words = [_BECH32.find(c) for c in rest]
    if -1 in words or _checksum(_expanded(prefix) + words) != 1:
        raise KeyTextError(
            "the key's checksum is wrong: a character was changed or is missing; copy it again"
        )
    words = words[:-6]
    bits = 0
    for word in words:
        bits = bits << 5 | word
    spare = len(words) * 5 % 8
    if spare >= 5 or bits & ((1 << spare) - 1):
        raise KeyTextError("the key's last character is not canonical")
    return prefix, (bits >> spare).to_bytes(len(words) * 5 // 8, "big")


_BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
_END = b"-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64


def armor(sealed: bytes) -> bytes:
    """A binary age file as text, strict PEM with 64 columns."""
    body = base64.b64encode(sealed)
    lines = [body[at : at + _COLUMNS] for at in range(0, len(body), _COLUMNS)]
    return b"\n".join([_BEGIN, *lines, _END]) + b"\n"


def is_armored(start: bytes) -> bool:
    """Whether a file that starts so is armored rather than binary."""
    return start.lstrip(b" \t\r\n").startswith(_BEGIN)


def dearmor(text: bytes) -> bytes:
    """The binary age file inside an armored text (LF or CRLF line ends, white space around it).

    Raises: ArmorError, also when the text is beyond MAX_ARMOR_BYTES.
    """
    if len(text) > MAX_ARMOR_BYTES:
        raise ArmorError(f"armored text is limited to {MAX_ARMOR_BYTES} bytes: use a binary age file")
    lines = text.strip(b" \t\r\n").replace(b"\r\n", b"\n").split(b"\n")
    if lines[0] != _BEGIN or lines[-1] != _END or len(lines) < 2:
        raise ArmorError("the armor's BEGIN or END line is missing or changed")
    body = lines[1:-1]
    if not body:
        return b""
    if any(len(line) != _COLUMNS for line in body[:-1]) or not 0 < len(body[-1]) <= _COLUMNS:
        raise ArmorError(f"every line of the armor but the last has {_COLUMNS} characters")
    joined = b"".join(body)
    try:
        raw = base64.b64decode(joined, validate=True)
    except ValueError as wrong:
        raise ArmorError("the armor holds characters that are not base64") from wrong
    if base64.b64encode(raw) != joined:
        raise ArmorError("the armor's base64 is not canonical")
    return raw
