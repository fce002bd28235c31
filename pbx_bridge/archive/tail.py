"""The small sealed tail beside an unfinished recording: what is in no sealed chunk yet, so that a crash loses a second.

It knows how chunk 0 and the unfinished chunk are laid out inside the tail; it never seals, opens or stores anything.
The tail itself is a complete age file of its own, under a fresh file key and the same recipient (archive/sealed.py).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pbx_bridge.age import CHUNK_SIZE, NONCE_SIZE

_MAGIC = b"pbx-bridge tail 1\n"
_FIXED = struct.Struct(f">{len(_MAGIC)}s{NONCE_SIZE}sQI")
MAX_TAIL_BYTES = _FIXED.size + 2 * CHUNK_SIZE
"""A tail holds at most two chunks; a longer one is none."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What had been written but was in no sealed chunk at one checkpoint."""

    nonce: bytes
    """The payload nonce of the `.part` it belongs to."""
    number: int
    """The number of the unfinished chunk; all between chunk 0 and it were in the `.part` already."""
    first: bytes
    """Chunk 0 as it was."""
    unfinished: bytes
    """What there was of chunk `number`."""

    def pack(self) -> bytes:
        """The tail's plaintext."""
        return _FIXED.pack(_MAGIC, self.nonce, self.number, len(self.first)) + self.first + self.unfinished


def unpack_tail(plain: bytes) -> Tail | None:
    """The tail in `plain`, or None when it is none."""
    if not _FIXED.size <= len(plain) <= MAX_TAIL_BYTES:
        return None
    magic, nonce, number, first_size = _FIXED.unpack_from(plain)
    first = plain[_FIXED.size : _FIXED.size + first_size]
    unfinished = plain[_FIXED.size + first_size :]
    if magic != _MAGIC or number < 1 or len(first) != first_size:
        return None
    if max(len(first), len(unfinished)) > CHUNK_SIZE or (unfinished and len(first) < CHUNK_SIZE):
        return None
    return Tail(nonce, number, first, unfinished)
