"""How a person proves, without a password, that they hold the age identity they joined with.

Pure; both ends share it. The keeper seals a document to the person's recipient: a fresh secret together with both
nonces, the protocol's version, what is being proven, and the hash of the certificate the portal shows. Only the
identity's holder can read the secret; they answer with an HMAC under it over the whole transcript. They answer only
when the document names the certificate *they* see and the nonce *they* made, so a relay between two TLS connections,
an older version and an old document all fail. A challenge serves once (the keeper forgets it).
It never knows a name, a file or a socket.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.age import AgeError, X25519Identity, X25519Recipient, open_bytes, seal_bytes
from pbx_bridge.wire_json import (
    Hex,
    Malformed,
    Text,
    Whole,
    canonical,
    read_fields,
    read_object,
    write_fields,
)
from pbx_bridge.wire_portal import RECIPIENT, Purpose

VERSION: Final = 2
MAX_SEALED_BYTES: Final = 4_096
"""A sealed challenge has about 900 bytes."""
_CONTEXT: Final = b"pbx-bridge person's proof v1\n"


class ProofError(Exception):
    """The challenge is not one to answer. The sentence says what a person should do."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What both ends must agree on."""

    purpose: Purpose
    client_nonce: Annotated[bytes, Hex(32)]
    server_nonce: Annotated[bytes, Hex(32)]
    certificate: Annotated[bytes, Hex(32)]
    """SHA-256 of the portal's certificate in DER."""
    recipient: Annotated[str, RECIPIENT]
    act: Annotated[str, Text(64, 0, "([0-9a-f]{64})?")] = ""
    """`Act.digest` of what the proof brings about, "" when that is a visit only."""
    version: Annotated[int, Whole(0, 1_000)] = VERSION


@dataclass(frozen=True, slots=True)
class Challenge:
    """What is sealed to the person."""

    transcript: Transcript
    secret: Annotated[bytes, Hex(32)]


def seal(challenge: Challenge) -> bytes:
    """The challenge as a small age file to its recipient. Raises: AgeError when that is no usable key."""
    recipient = X25519Recipient.parse(challenge.transcript.recipient)
    return seal_bytes(canonical(write_fields(challenge)), [recipient])


def expected(challenge: Challenge) -> bytes:
    """The only right answer, 32 bytes."""
    text = canonical(write_fields(challenge.transcript))
    return hmac.digest(challenge.secret, _CONTEXT + text, hashlib.sha256)


def right(challenge: Challenge, answer: bytes) -> bool:
    """Whether `answer` proves possession; in constant time."""
    return hmac.compare_digest(expected(challenge), answer)


def answer(
    sealed: bytes,
    identity: X25519Identity,
    purpose: Purpose,
    client_nonce: bytes,
    certificate: bytes,
    act: str = "",
) -> bytes:
    """The person's answer, 32 bytes. Raises: ProofError when the challenge is not for this very connection."""
    if len(sealed) > MAX_SEALED_BYTES:
        raise ProofError(f"the challenge has {len(sealed)} bytes, at most {MAX_SEALED_BYTES} are read")
    try:
        text = open_bytes(sealed, [identity])
        challenge = read_fields(Challenge, read_object(text))
    except (AgeError, Malformed) as error:
        raise ProofError(f"the server's challenge cannot be read: {error}") from None
    asked = challenge.transcript
    if asked.version != VERSION:
        raise ProofError(
            f"the server speaks version {asked.version} of the protocol, this program {VERSION}: update it"
        )
    if asked.certificate != certificate:
        raise ProofError(
            "the challenge was made for another certificate: someone may stand between you and the server"
        )
    if (asked.purpose, asked.client_nonce, asked.recipient, asked.act) != (
        purpose,
        client_nonce,
        str(identity.recipient()),
        act,
    ):
        raise ProofError(
            "the challenge answers another request: try again, and tell the administrator if it repeats"
        )
    return expected(challenge)
