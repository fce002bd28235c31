"""Makes one party's copy of a sealed recording, sealed again to the requester's own key (P23).

It is given two open files, never a folder: the recording as it lies, and a new one. What is read in clear is sealed again
at once, in this process; nothing in clear is written or sent, and the pictures are never decoded (media/excerpt.py).
"""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Sequence
from typing import BinaryIO

from pbx_bridge import age
from pbx_bridge.archive.keeper_rights import Order
from pbx_bridge.media.excerpt import excerpt
from pbx_bridge.media.mend import NotWebm
from pbx_bridge.wire_portal import Refused
from pbx_bridge.wire_rights import Exported


class SealedWithHead:
    """An age file whose first 64 KiB may be written over until it is closed: its first chunk is sealed last."""

    def __init__(self, file: BinaryIO, recipients: Sequence[age.Recipient]) -> None:
        """`file`: empty, seekable."""
        file_key, nonce = age.new_file_key(), secrets.token_bytes(age.NONCE_SIZE)
        self._key = age.PayloadKey(file_key, nonce)
        self._file = file
        start = age.make_header(file_key, recipients) + nonce
        file.write(start)
        self._after_head = len(start) + age.SEALED_CHUNK_SIZE
        self._start = len(start)
        self._head, self._rest = bytearray(), bytearray()
        self._number = 1
        self._at: int | None = None
        """Where the next bytes go over the head; None: they are appended."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET or offset > len(self._head):
            raise ValueError("only the head of an export can be written again")
        self._at = offset
        return offset

    def write(self, data: bytes, /) -> int:
        if self._at is not None:
            if self._at + len(data) > len(self._head):
                raise ValueError("only the head of an export can be written again")
            self._head[self._at : self._at + len(data)] = data
            self._at += len(data)
            return len(data)
        room = age.CHUNK_SIZE - len(self._head)
        self._head += data[:room]
        self._rest += data[room:]
        while len(self._rest) > age.CHUNK_SIZE:  # a full chunk waits until it is known not to be the last
            self._send(self._rest[: age.CHUNK_SIZE], last=False)
            del self._rest[: age.CHUNK_SIZE]
        return len(data)

    def close(self) -> None:
        """Seals what is left, and the head."""
        if self._rest:
            self._send(self._rest, last=True)
        self._file.seek(self._start)
        self._file.write(self._key.seal(0, self._head, last=self._number == 1))
        self._file.flush()

    def _send(self, plain: bytearray, *, last: bool) -> None:
        if self._number == 1:
            self._file.seek(self._after_head)
        self._file.write(self._key.seal(self._number, plain, last=last))
        self._number += 1


def export(order: Order, sealed: BinaryIO, new: BinaryIO) -> Exported:
    """Makes the copy in `new`. Raises: Refused when the recording cannot be read; AgeError; OSError."""
    plain = age.Reader(sealed, [order.identity])

    def read(at: int, size: int) -> bytes:
        plain.seek(at)
        return plain.read(size) or b""

    sink = SealedWithHead(new, [order.recipient])
    try:
        duration_ms = excerpt(read, plain.size, sink, order.keep, pictures=order.pictures, notes=order.notes)
    except NotWebm as error:
        raise Refused("unreadable", f"this recording cannot be read: {error}") from None
    sink.close()
    new.seek(0)
    digest = hashlib.sha256()
    while block := new.read(age.SEALED_CHUNK_SIZE):
        digest.update(block)
    return Exported(order.recording, new.tell(), digest.hexdigest(), duration_ms)
