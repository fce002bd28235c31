"""Who may open an age file: X25519 keys and passphrases, and how each wraps the file key in a stanza.

It knows one stanza at a time; it never knows the header around it or the payload.
Source: c2sp.org/age, "The X25519 recipient type", "The scrypt recipient type".
Left out on purpose: post-quantum recipients (no stable interface in our library), ssh keys, plugins.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Final, Protocol

from Crypto.Cipher import ChaCha20_Poly1305
from Crypto.Hash import SHA256
from Crypto.Protocol.DH import (
    import_x25519_private_key,
    import_x25519_public_key,
    key_agreement,
)
from Crypto.Protocol.KDF import HKDF, scrypt
from Crypto.Random import get_random_bytes

from pbx_bridge.age_text import (
    HeaderError,
    KeyTextError,
    base64_bytes,
    base64_text,
    bech32_bytes,
    bech32_text,
)

FILE_KEY_SIZE: Final = 16
TAG_SIZE: Final = 16
MAX_SCRYPT_LOG_N: Final = 20
"""2**20 costs 1 GiB of memory and about 2 s: a file that asks for more is an attack on its reader."""
SCRYPT_LOG_N: Final = 18
"""256 MiB and about half a second per guess, age's own default."""

_KEY_SIZE = 32
_WRAPPED_SIZE = FILE_KEY_SIZE + TAG_SIZE
_SALT_SIZE = 16
_X25519_LABEL = b"age-encryption.org/v1/X25519"
_SCRYPT_LABEL = b"age-encryption.org/v1/scrypt"
_WORK_FACTOR = re.compile(rb"[1-9][0-9]?\Z")


@dataclass(frozen=True, slots=True)
class Stanza:
    """One way into the file: who it is for (`arguments`, the first is the type) and the wrapped file key."""

    arguments: tuple[bytes, ...]
    body: bytes


class Recipient(Protocol):
    """Somebody a file can be sealed to."""

    @property
    def alone(self) -> bool:
        """Whether it must be the only recipient of a file (a passphrase: it authenticates the sender)."""

    def wrap(self, file_key: bytes) -> Stanza:
        """The stanza that lets this recipient, and nobody else, find the file key."""


class Identity(Protocol):
    """Somebody who can open files sealed to their recipient."""

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """The file key, or None when the stanza is for somebody else. Raises: HeaderError when malformed."""


def derive_key(secret: bytes, salt: bytes, label: bytes) -> bytes:
    """HKDF-SHA-256, 32 bytes. The library's argument order is (master, length, salt, hash)."""
    return bytes(HKDF(secret, _KEY_SIZE, salt, SHA256, context=label))


def _wrap(key: bytes, file_key: bytes) -> bytes:
    sealed, tag = ChaCha20_Poly1305.new(key=key, nonce=bytes(12)).encrypt_and_digest(file_key)
    return bytes(sealed + tag)


def _unwrap(key: bytes, body: bytes) -> bytes | None:
    cipher = ChaCha20_Poly1305.new(key=key, nonce=bytes(12))
    try:
        return bytes(cipher.decrypt_and_verify(body[:-TAG_SIZE], body[-TAG_SIZE:]))
    except ValueError:
        return None


class X25519Recipient:
    """A public key, `age1...`. Equal keys are equal and hash alike."""

    alone = False

    def __init__(self, public: bytes) -> None:
        if len(public) != _KEY_SIZE:
            raise KeyTextError(f"a recipient is {_KEY_SIZE} bytes, not {len(public)}")
        self.public = public

    @classmethod
    def parse(cls, text: str) -> X25519Recipient:
        """The recipient written as `age1...`. Raises: KeyTextError, saying so when it is a private key."""
        prefix, public = bech32_bytes(text.strip())
        if prefix == "age-secret-key-":
            raise KeyTextError(
                "this is a private key (AGE-SECRET-KEY-1...), a public one (age1...) is needed here. "
                "Treat it as compromised if it was pasted where others can read it"
            )
        if prefix != "age" or text.strip() != text.strip().lower():
            raise KeyTextError("a recipient starts with age1, in lower case; other kinds are not supported")
        return cls(public)

    def wrap(self, file_key: bytes) -> Stanza:
        """An X25519 stanza with an ephemeral share of its own. Raises: KeyTextError for a low-order key."""
        ephemeral = import_x25519_private_key(get_random_bytes(_KEY_SIZE))
        share = bytes(ephemeral.public_key().export_key(format="raw"))
        try:
            shared = key_agreement(
                eph_priv=ephemeral, static_pub=import_x25519_public_key(self.public), kdf=bytes
            )
        except ValueError as wrong:
            raise KeyTextError(
                "this recipient is a weak (low-order) point, nothing is sealed to it"
            ) from wrong
        if not any(shared):
            raise KeyTextError("this recipient is a weak (low-order) point, nothing is sealed to it")
        key = derive_key(shared, share + self.public, _X25519_LABEL)
        return Stanza((b"X25519", base64_text(share)), _wrap(key, file_key))

    def __str__(self) -> str:
        return bech32_text("age", self.public)

    def __repr__(self) -> str:
        return f"X25519Recipient({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, X25519Recipient) and other.public == self.public

    def __hash__(self) -> int:
        return hash(self.public)


class X25519Identity:
    """A private key, `AGE-SECRET-KEY-1...`. Only `str()` shows it; `repr()`, logs and tracebacks do not."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY_SIZE:
            raise KeyTextError(f"an identity is {_KEY_SIZE} bytes, not {len(secret)}")
        self._secret = secret
        self._key = import_x25519_private_key(secret)
        self._public = bytes(self._key.public_key().export_key(format="raw"))

    @classmethod
    def generate(cls) -> X25519Identity:
        """A new identity from the system's random source."""
        return cls(get_random_bytes(_KEY_SIZE))

    @classmethod
    def parse(cls, text: str) -> X25519Identity:
        """The identity written as `AGE-SECRET-KEY-1...`. Raises: KeyTextError, without repeating the text."""
        prefix, secret = bech32_bytes(text.strip())
        if prefix == "age":
            raise KeyTextError(
                "this is a public key (age1...), a private one (AGE-SECRET-KEY-1...) is needed here"
            )
        if prefix != "age-secret-key-" or text.strip() != text.strip().upper():
            raise KeyTextError(
                "an identity starts with AGE-SECRET-KEY-1, in upper case; other kinds are not supported"
            )
        return cls(secret)

    def recipient(self) -> X25519Recipient:
        """The public half."""
        return X25519Recipient(self._public)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """The file key of an X25519 stanza that is for this identity, else None. Raises: HeaderError."""
        if stanza.arguments[0] != b"X25519":
            return None
        if len(stanza.arguments) != 2:
            raise HeaderError("an X25519 stanza has exactly one argument, its share")
        share = base64_bytes(stanza.arguments[1])
        if len(share) != _KEY_SIZE or len(stanza.body) != _WRAPPED_SIZE:
            raise HeaderError(
                f"an X25519 stanza has a share of {_KEY_SIZE} and a body of {_WRAPPED_SIZE} bytes"
            )
        try:
            shared = key_agreement(static_priv=self._key, eph_pub=import_x25519_public_key(share), kdf=bytes)
        except ValueError as wrong:
            raise HeaderError("the stanza's share is a weak (low-order) point") from wrong
        if not any(shared):
            raise HeaderError("the stanza's share is a weak (low-order) point")
        return _unwrap(derive_key(shared, share + self._public, _X25519_LABEL), stanza.body)

    def __str__(self) -> str:
        return bech32_text("age-secret-key-", self._secret).upper()

    def __repr__(self) -> str:
        return f"X25519Identity(of {self.recipient()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, X25519Identity) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self._public)


class ScryptRecipient:
    """A passphrase to seal with; it must be a file's only recipient."""

    alone = True

    def __init__(self, passphrase: str, *, log_n: int = SCRYPT_LOG_N) -> None:
        if not passphrase:
            raise KeyTextError("an empty passphrase protects nothing: give one")
        if not 1 <= log_n <= MAX_SCRYPT_LOG_N:
            raise KeyTextError(
                f"scrypt's work factor is 1 to {MAX_SCRYPT_LOG_N} (a power of two), not {log_n}"
            )
        self._passphrase, self._log_n = _bytes_of(passphrase), log_n

    def wrap(self, file_key: bytes) -> Stanza:
        """A scrypt stanza with a salt of its own; takes about half a second by design."""
        salt = get_random_bytes(_SALT_SIZE)
        key = _stretched(self._passphrase, salt, self._log_n)
        return Stanza((b"scrypt", base64_text(salt), b"%d" % self._log_n), _wrap(key, file_key))

    def __repr__(self) -> str:
        return "ScryptRecipient(...)"


class ScryptIdentity:
    """A passphrase to open with."""

    def __init__(self, passphrase: str, *, max_log_n: int = MAX_SCRYPT_LOG_N) -> None:
        self._passphrase, self._max_log_n = _bytes_of(passphrase), min(max_log_n, MAX_SCRYPT_LOG_N)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """The file key when the passphrase is right, else None.

        Raises: HeaderError when malformed or when the work factor is beyond the limit (checked before any work).
        """
        if stanza.arguments[0] != b"scrypt":
            return None
        if len(stanza.arguments) != 3:
            raise HeaderError("a scrypt stanza has exactly two arguments, its salt and its work factor")
        salt = base64_bytes(stanza.arguments[1])
        if len(salt) != _SALT_SIZE or len(stanza.body) != _WRAPPED_SIZE:
            raise HeaderError(
                f"a scrypt stanza has a salt of {_SALT_SIZE} and a body of {_WRAPPED_SIZE} bytes"
            )
        if not _WORK_FACTOR.match(stanza.arguments[2]) or int(stanza.arguments[2]) > self._max_log_n:
            raise HeaderError(f"the scrypt work factor must be 1 to {self._max_log_n}, without leading zero")
        return _unwrap(_stretched(self._passphrase, salt, int(stanza.arguments[2])), stanza.body)

    def __repr__(self) -> str:
        return "ScryptIdentity(...)"


def _bytes_of(passphrase: str) -> bytes:
    # The library itself would take text as Latin-1; everyone else's age files use UTF-8.
    try:
        return passphrase.encode()
    except UnicodeEncodeError as wrong:
        raise KeyTextError(
            "the passphrase holds characters that are not valid text (check the terminal's encoding)"
        ) from wrong


def _stretched(passphrase: bytes, salt: bytes, log_n: int) -> bytes:
    return bytes(scrypt(passphrase, _SCRYPT_LABEL + salt, _KEY_SIZE, N=1 << log_n, r=8, p=1))
