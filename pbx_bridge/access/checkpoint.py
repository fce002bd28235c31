"""Signed checkpoints of the audit log, in the form of C2SP signed notes: what a second place keeps (P19).

A checkpoint says "record NUMBER of this log has this hash": the text of c2sp.org/tlog-checkpoint (origin, number, hash in
base64), signed as c2sp.org/signed-note demands with Ed25519. The hash is that of the newest record, which names the one
before it; it is the head of a chain, not the root of a Merkle tree. The origin contains the hash of the public key, so
that a log begun anew with another key cannot pass for this one. Pure: it knows texts, never a file.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from typing import Final

from pbx_bridge.wire_proof import is_signed, public_key, sign

GENESIS: Final = "0" * 64
"""What the first record calls the line before it."""
MAX_NOTE_BYTES: Final = 512
"""Ours have under 300; it is also what a disk writes in one piece."""
_ED25519: Final = b"\x01"
"""The signature type of c2sp.org/signed-note."""
_NOTE: Final = re.compile(
    r"(?P<text>(?P<origin>\S+)\n(?P<number>[1-9][0-9]{0,18}|0)\n(?P<hash>[A-Za-z0-9+/]{43}=)\n)\n"
    r"(?P<signatures>(?:\u2014 \S+ [A-Za-z0-9+/]+=*\n)+)"
)


class NoteError(ValueError):
    """The text is no checkpoint, or not one of this log's key. The sentence is for the operator."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record of a log."""

    number: int
    digest: str
    """SHA-256 of the record without its signature: what a checkpoint signs, hex."""
    link: str
    """SHA-256 of its whole line: what the next record names, hex."""


EMPTY: Final = Head(0, GENESIS, GENESIS)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as read, its signature not yet checked."""

    origin: str
    number: int
    digest: str
    """Hex."""
    signature: bytes


def origin(public: bytes) -> str:
    """The name of the log of this key, which is also the key's name."""
    return f"pbx-bridge/audit/{hashlib.sha256(public).hexdigest()[:32]}"


def text(public: bytes, number: int, digest: str) -> str:
    """What is signed: origin, number, hash, each on its line."""
    return f"{origin(public)}\n{number}\n{b64encode(bytes.fromhex(digest)).decode()}\n"


def signature(seed: bytes, number: int, digest: str) -> str:
    """Of this checkpoint, in base64."""
    return b64encode(sign(seed, text(public_key(seed), number, digest).encode())).decode()


def is_true(public: bytes, number: int, digest: str, signed: str) -> bool:
    """Whether `signed` (base64) is the signature of this checkpoint."""
    try:
        raw = _bytes(signed)
    except (NotBase64, ValueError):
        return False
    return is_signed(public, text(public, number, digest).encode(), raw)


def is_true_note(public: bytes, found: Checkpoint) -> bool:
    """Whether this checkpoint is of this key's log and signed by it."""
    named = text(public, found.number, found.digest).encode()
    return found.origin == origin(public) and is_signed(public, named, found.signature)


def note(public: bytes, number: int, digest: str, signed: str) -> str:
    """The whole signed note; any verifier of signed notes reads it with `verifier_key`."""
    name = origin(public)
    named = _key_id(name, public) + b64decode(signed)
    return f"{text(public, number, digest)}\n\u2014 {name} {b64encode(named).decode()}\n"


def verifier_key(public: bytes) -> str:
    """The public key as c2sp.org/signed-note writes it: name, key id, type and key."""
    name = origin(public)
    return f"{name}+{_key_id(name, public).hex()}+{b64encode(_ED25519 + public).decode()}"


def parse_verifier_key(line: str) -> bytes:
    """The public key in `line`. Raises: NoteError."""
    try:
        name, _, key = line.strip().split("+", 2)
        raw = _bytes(key)
    except (ValueError, NotBase64):
        raise NoteError("this is no verifier key of a signed note") from None
    if len(raw) != 33 or raw[:1] != _ED25519 or verifier_key(raw[1:]) != line.strip():
        raise NoteError(f"this is no key of an audit log: {name[:80]!r}")
    return raw[1:]


def parse_notes(written: str) -> list[Checkpoint]:
    """Every checkpoint in `written`, one after the other, blank lines between them ignored. Raises: NoteError."""
    found: list[Checkpoint] = []
    at = 0
    while rest := written[at:].lstrip("\n"):
        at = len(written) - len(rest)
        match = _NOTE.match(written, at)
        if match is None:
            raise NoteError(f"line {written.count(chr(10), 0, at) + 1}: no checkpoint stands here")
        found.append(_checkpoint(match, written.count("\n", 0, at) + 1))
        at = match.end()
    return found


def _checkpoint(match: re.Match[str], line: int) -> Checkpoint:
    name = match["origin"]
    for signed in match["signatures"].splitlines():
        _, key_name, encoded = signed.split(" ")
        if key_name == name:  # others are cosignatures
            try:
                raw, digest = _bytes(encoded), _bytes(match["hash"])
            except (NotBase64, ValueError):
                break
            return Checkpoint(name, int(match["number"]), digest.hex(), raw[4:])
    raise NoteError(f"line {line}: this checkpoint is not signed by its log's key")


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _bytes(written: str) -> bytes:
    """P19: of base64 in its one canonical form (RFC 4648, 3.5): a letter whose unused bits were changed is a change. Raises:
    ValueError.
    """
    raw = b64decode(written, validate=True)
    if b64encode(raw).decode() != written:
        raise ValueError
    return raw
