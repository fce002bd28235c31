"""Who is at the other end: invitation codes, and the statements a device signs. Shared with the workstation client.

Each statement begins with its own words, so a signature made for one purpose serves no other. A connection's statement
binds both nonces, the version and the server certificate's hash: a signature taken on one connection is worth nothing on
another, and one relayed through a machine with another certificate is refused (RFC 9266 is the idea; the certificate
stands for the channel as in RFC 5929 `tls-server-end-point`).

It knows bytes and signatures; it keeps no key and stores nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from pbx_bridge.ids import RecordingId

_SECRET_BYTES: Final = 16
_FINGERPRINT_BYTES: Final = 32
_CHECK_BYTES: Final = 2
CODE_LIFETIME_S: Final = 15 * 60


@dataclass(frozen=True, slots=True)
class InviteCode:
    """A one-time code: 128 random bits and the SHA-256 of the bridge's CA certificate (DER)."""

    secret: bytes
    ca_sha256: bytes

    def __str__(self) -> str:
        """80 characters of base32 in groups of 5: the secret, the fingerprint, 2 bytes that catch typing errors."""
        body = self.secret + self.ca_sha256
        text = base64.b32encode(body + hashlib.sha256(body).digest()[:_CHECK_BYTES]).decode()
        return "-".join(re.findall(".{5}", text))

    def __repr__(self) -> str:
        return "InviteCode(...)"

    @property
    def secret_hash(self) -> str:
        """What the bridge keeps instead of the secret; 128 random bits need no slow hash."""
        return hash_secret(self.secret)


def hash_secret(secret: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(b"pbx-bridge invitation 1\0" + secret).hexdigest()


def new_invite(ca_sha256: bytes) -> InviteCode:
    """A fresh code from the system's random source."""
    return InviteCode(secrets.token_bytes(_SECRET_BYTES), ca_sha256)


def parse_invite(text: str) -> InviteCode:
    """The code a person typed or pasted. Raises: ValueError with a sentence for them."""
    plain = re.sub(r"[\s-]", "", text).upper()
    if not re.fullmatch("[A-Z2-7]{80}", plain):
        raise ValueError("an invitation code has 16 groups of 5 characters, letters and the digits 2 to 7")
    raw = base64.b32decode(plain)
    body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if hashlib.sha256(body).digest()[:_CHECK_BYTES] != check:
        raise ValueError("the invitation code has a typing error; copy it again from the administrator")
    return InviteCode(body[:_SECRET_BYTES], body[_SECRET_BYTES:])


def _statement(purpose: str, *parts: bytes) -> bytes:
    """Purpose and parts, each with its length before it: no two lists of parts give the same bytes."""
    head = f"pbx-bridge {purpose} 1".encode() + b"\0"
    return head + b"".join(len(p).to_bytes(4, "big") + p for p in parts)


def station_statement(
    *,
    version: int,
    key: bytes,
    run: bytes,
    client_nonce: bytes,
    server_nonce: bytes,
    certificate_sha256: bytes,
) -> bytes:
    """What a station signs at every connection."""
    return _statement(
        "station", version.to_bytes(2, "big"), key, run, client_nonce, server_nonce, certificate_sha256
    )


def enrol_statement(
    *,
    version: int,
    key: bytes,
    secret: bytes,
    client_nonce: bytes,
    server_nonce: bytes,
    certificate_sha256: bytes,
) -> bytes:
    """What a device signs when it enrols: proof that it holds the key it offers."""
    return _statement(
        "enrol", version.to_bytes(2, "big"), key, secret, client_nonce, server_nonce, certificate_sha256
    )


def acknowledgement_statement(notice_hash: str, accepted_at: int) -> bytes:
    """What the device signs when its user acknowledges the notice (P14)."""
    return _statement("acknowledgement", bytes.fromhex(notice_hash), accepted_at.to_bytes(8, "big"))


def hand_over_statement(recording: RecordingId) -> bytes:
    """What the device signs when its user hands a recording over (P18)."""
    return _statement("hand-over", recording.encode())


def sign(seed: bytes, statement: bytes) -> bytes:
    """Ed25519 (RFC 8032) with the 32-byte secret `seed`."""
    return bytes(eddsa.new(eddsa.import_private_key(seed), "rfc8032").sign(statement))


def public_key(seed: bytes) -> bytes:
    """The 32-byte public key of `seed`."""
    key: bytes = eddsa.import_private_key(seed).public_key().export_key(format="raw")
    return key


def new_seed() -> bytes:
    """A fresh device key."""
    seed: bytes = ECC.generate(curve="ed25519").seed
    return seed


def is_signed(key: bytes, statement: bytes, signature: bytes) -> bool:
    """Whether `signature` over `statement` was made with the secret of `key`. Bad keys sign nothing."""
    try:
        eddsa.new(eddsa.import_public_key(key), "rfc8032").verify(statement, signature)
    except ValueError:
        return False
    return True
