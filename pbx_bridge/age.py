"""Sealing: files in the age v1 format (c2sp.org/age), which Debian's `age`, rage, pyrage and typage open as well.

A file is a header, in which each recipient finds the 16-byte file key, and a payload sealed under a key made from it.
What the product builds on: a recorder that holds a recipient can write but not read (`Writer`); a file can be read in
any order without opening the rest (`Reader`); release to a person is a new header over the same payload
(`rewrap_header`), and destroying the identity destroys the file in every copy.

It knows nothing of calls or recordings, and it never decides who may read: that is archive/release.py (P18).
age does not say who sealed a file; whoever needs to know that signs the payload's digest (archive/sealed.py).
Shared with the workstation client. The parts: age_text (encodings, errors), age_keys, age_header, age_payload.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from pbx_bridge.age_header import (
    MAX_HEADER_BYTES,
    MAX_LINE_BYTES,
    MAX_STANZAS,
    Header,
    Rewrapped,
    make_header,
    new_file_key,
    read_header,
    rewrap_header,
    unwrap_file_key,
)
from pbx_bridge.age_keys import (
    MAX_SCRYPT_LOG_N,
    TAG_SIZE,
    Identity,
    Recipient,
    ScryptIdentity,
    ScryptRecipient,
    Stanza,
    X25519Identity,
    X25519Recipient,
)
from pbx_bridge.age_payload import (
    CHUNK_SIZE,
    NONCE_SIZE,
    SEALED_CHUNK_SIZE,
    ChunkedPlaintext,
    PayloadKey,
    Reader,
    SeekableSource,
    Source,
    Writer,
    open_stream,
    read_exactly,
    read_payload_key,
)
from pbx_bridge.age_text import (
    MAX_ARMOR_BYTES,
    AgeError,
    ArmorError,
    HeaderError,
    HeaderMacError,
    KeyTextError,
    NoIdentityMatches,
    PayloadError,
    TruncatedError,
    armor,
    dearmor,
    is_armored,
)

__all__ = [
    "CHUNK_SIZE",
    "MAX_ARMOR_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_LINE_BYTES",
    "MAX_SCRYPT_LOG_N",
    "MAX_STANZAS",
    "NONCE_SIZE",
    "SEALED_CHUNK_SIZE",
    "TAG_SIZE",
    "AgeError",
    "ArmorError",
    "ChunkedPlaintext",
    "Header",
    "HeaderError",
    "HeaderMacError",
    "Identity",
    "KeyTextError",
    "NoIdentityMatches",
    "PayloadError",
    "PayloadKey",
    "Reader",
    "Recipient",
    "Rewrapped",
    "ScryptIdentity",
    "ScryptRecipient",
    "SeekableSource",
    "Source",
    "Stanza",
    "TruncatedError",
    "Writer",
    "X25519Identity",
    "X25519Recipient",
    "armor",
    "dearmor",
    "is_armored",
    "make_header",
    "new_file_key",
    "open_bytes",
    "open_stream",
    "read_exactly",
    "read_header",
    "read_payload_key",
    "rewrap_header",
    "seal_bytes",
    "unwrap_file_key",
]


def seal_bytes(plain: bytes, recipients: Sequence[Recipient]) -> bytes:
    """A whole age file in memory: for keys and other small texts."""
    sealed = io.BytesIO()
    with Writer(sealed, recipients) as writer:
        writer.write(plain)
    return sealed.getvalue()


def open_bytes(sealed: bytes, identities: Sequence[Identity]) -> bytes:
    """The plaintext of a whole age file in memory, armored or not. Raises: AgeError."""
    source = io.BytesIO(dearmor(sealed) if is_armored(sealed[:256]) else sealed)
    return b"".join(open_stream(source, identities))
