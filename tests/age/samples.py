"""Plaintexts, identities and pieces of files for the tests of sealing."""

from __future__ import annotations

import hashlib
import io

from pbx_bridge.age import CHUNK_SIZE, NONCE_SIZE, SEALED_CHUNK_SIZE, X25519Identity, read_header

TRAINER = X25519Identity(bytes(range(32)))
STRANGER = X25519Identity(bytes(range(1, 33)))
SIZES = (0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 2 * CHUNK_SIZE + 1)
"""Around every place where the number of chunks changes."""


def plaintext(size: int, start: int = 0) -> bytes:
    """`size` bytes of one endless stream that repeats nowhere, from position `start`."""
    first, last = start // 32, -(-(start + size) // 32)
    blocks = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(first, last))
    return blocks[start % 32 : start % 32 + size]


def pieces_of(sealed: bytes) -> tuple[bytes, list[bytes]]:
    """Header with nonce, and the sealed chunks, of a whole file."""
    start = read_header(io.BytesIO(sealed)).size + NONCE_SIZE
    chunks = range(start, len(sealed), SEALED_CHUNK_SIZE)
    return sealed[:start], [sealed[at : at + SEALED_CHUNK_SIZE] for at in chunks]
