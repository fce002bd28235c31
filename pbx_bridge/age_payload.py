"""The age v1 payload: 64 KiB chunks, each sealed once under its number; writing, strict reading, random access.

Theory (STREAM, c2sp.org/age "Payload"): a key is derived from the file key and a 16-byte nonce. Chunk n is sealed
with ChaCha20-Poly1305 under the nonce n (11 bytes, big endian) and a last byte that is 1 for the final chunk only.
So a chunk cannot move, and an end cannot be forged. Invariants kept here: every chunk but the last is full; the last is
empty only when the whole payload is; one (key, number, flag) never seals two texts, so an interrupted payload is never
resumed. A reader shows nothing of a chunk before it is known to be authentic.

It knows bytes and positions; it never knows who may read them (age_header) or what they mean.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from Crypto.Cipher import ChaCha20_Poly1305
from Crypto.Random import get_random_bytes

from pbx_bridge.age_header import LineSource, make_header, new_file_key, read_header, unwrap_file_key
from pbx_bridge.age_keys import TAG_SIZE, Identity, Recipient, derive_key
from pbx_bridge.age_text import HeaderError, PayloadError, TruncatedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_SIZE: Final = 64 * 1024
"""Bytes of plaintext in every chunk but the last."""
SEALED_CHUNK_SIZE: Final = CHUNK_SIZE + TAG_SIZE
NONCE_SIZE: Final = 16
CACHED_CHUNKS: Final = 16
"""1 MiB per random-access reader: enough that a demuxer going to and fro between two tracks opens no chunk twice."""


class Sink(Protocol):
    """Where a sealed file is written to."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""


class Source(LineSource, Protocol):
    """Where a sealed file is read from, once and in order: any binary file object, also an unbuffered one."""

    def read(self, size: int = ..., /) -> bytes | None:
        """At most `size` bytes; empty at the end."""


class SeekableSource(Source, Protocol):
    """Where a sealed file is read from in any order."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """Move as `io.IOBase.seek` does and tell the new position."""


class PayloadKey:
    """The key of one payload. The caller sees to it that each (number, last) seals one text only."""

    def __init__(self, file_key: bytes, nonce: bytes) -> None:
        self._key = derive_key(file_key, nonce, b"payload")

    def seal(self, number: int, plain: bytes | bytearray | memoryview, *, last: bool) -> bytes:
        """Chunk `number`, sealed: 16 bytes longer than `plain`."""
        sealed, tag = self._cipher(number, last).encrypt_and_digest(plain)
        return b"".join((sealed, tag))

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes | None:
        """Chunk `number` in clear, or None when `sealed` is not exactly that chunk."""
        if len(sealed) < TAG_SIZE:
            return None
        view = memoryview(sealed)
        try:
            return bytes(self._cipher(number, last).decrypt_and_verify(view[:-TAG_SIZE], view[-TAG_SIZE:]))
        except ValueError:
            return None

    def _cipher(self, number: int, last: bool) -> ChaCha20_Poly1305.ChaCha20Poly1305Cipher:
        return ChaCha20_Poly1305.new(key=self._key, nonce=number.to_bytes(11, "big") + bytes([last]))


class Writer:
    """Seals a stream to `recipients` as it comes; at most 64 KiB wait in memory.

    As a context it closes on success only: after an exception the file has no final chunk, and readers say so.
    """

    def __init__(self, sink: Sink, recipients: Sequence[Recipient]) -> None:
        file_key, nonce = new_file_key(), get_random_bytes(NONCE_SIZE)
        header = make_header(file_key, recipients)
        self._key = PayloadKey(file_key, nonce)
        self._sink = sink
        self._waiting = bytearray()
        self._number = 0
        self._closed = False
        sink.write(header + nonce)

    def write(self, plain: bytes | bytearray | memoryview) -> int:
        """Seal `plain` after what was written before. Raises: ValueError when closed."""
        if self._closed:
            raise ValueError("this age file is already closed")
        view = memoryview(plain).cast("B")
        at = 0
        # A full chunk waits until one more byte has come: only then is it known not to be the last.
        while len(self._waiting) + len(view) - at > CHUNK_SIZE:
            take = CHUNK_SIZE - len(self._waiting)
            self._waiting += view[at : at + take]
            at += take
            self._send(last=False)
        self._waiting += view[at:]
        return len(view)

    def close(self) -> None:
        """Seal the final chunk. The sink stays open. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            self._send(last=True)

    def _send(self, *, last: bool) -> None:
        sealed = self._key.seal(self._number, self._waiting, last=last)
        self._number += 1
        self._waiting.clear()
        self._sink.write(sealed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


def read_exactly(source: Source, size: int) -> bytes:
    """`size` bytes, or fewer at the end of `source` only."""
    parts = []
    while size and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_payload_key(source: Source, file_key: bytes) -> PayloadKey:
    """The payload's key; reads its nonce from `source`, which stands there. Raises: HeaderError."""
    nonce = read_exactly(source, NONCE_SIZE)
    if len(nonce) < NONCE_SIZE:
        raise HeaderError("the file is cut short: it ends before its payload")
    return PayloadKey(file_key, nonce)


def open_stream(source: Source, identities: Sequence[Identity]) -> Iterator[bytes]:
    """The plaintext chunk by chunk, in constant memory; each is authentic when it is given.

    Only when the iterator has ended without an error is the plaintext known to be whole.
    Raises: AgeError (HeaderError, NoIdentityMatches at once; PayloadError, TruncatedError while reading).
    """
    file_key = unwrap_file_key(read_header(source), identities)
    return _chunks(source, read_payload_key(source, file_key))


def _chunks(source: Source, key: PayloadKey) -> Iterator[bytes]:
    number, current = 0, read_exactly(source, SEALED_CHUNK_SIZE)
    while True:
        following = read_exactly(source, SEALED_CHUNK_SIZE) if len(current) == SEALED_CHUNK_SIZE else b""
        plain = key.open(number, current, last=not following)
        if plain is None:
            if (plain := key.open(number, current, last=bool(following))) is None:
                raise _not_authentic(number, current)
            if len(plain) == CHUNK_SIZE or following:
                yield plain
            if following:
                raise PayloadError("something follows the file's final chunk: it was appended to")
            raise TruncatedError(f"the file is cut short after chunk {number}: its final chunk is missing")
        if not following and not plain and number:
            raise PayloadError("the final chunk is empty, which no age file of this length has")
        yield plain
        if not following:
            return
        number, current = number + 1, following


def _not_authentic(number: int, sealed: bytes) -> PayloadError:
    if len(sealed) < TAG_SIZE:
        return TruncatedError(f"the file is cut short in chunk {number}")
    if len(sealed) < SEALED_CHUNK_SIZE:
        return PayloadError(f"the file is cut short in chunk {number}, or that chunk was changed")
    return PayloadError(f"chunk {number} of the file is not authentic: it was changed, moved or damaged")


class ChunkedPlaintext(io.RawIOBase):
    """A plaintext of known size in full chunks (the last may be shorter), read in any order. Not for several threads."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        """Bytes of plaintext in all."""
        self._position = 0
        self._cache: OrderedDict[int, bytes] = OrderedDict()

    def load(self, number: int) -> bytes:
        """Chunk `number`, authentic and in clear; for subclasses. Raises: PayloadError."""
        raise NotImplementedError

    def _chunk(self, number: int) -> bytes:
        plain = self._cache.get(number)
        if plain is None:
            plain = self._cache[number] = self.load(number)
            if len(self._cache) > CACHED_CHUNKS:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(number)
        return plain

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position in the plaintext."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move in the plaintext; beyond its end is allowed, as in any file. Raises: ValueError before its start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the start of a file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` as far as the plaintext reaches. Raises: PayloadError."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self.size - self._position))
        done = 0
        while done < wanted:
            number, within = divmod(self._position, CHUNK_SIZE)
            part = memoryview(self._chunk(number))[within : within + wanted - done]
            if not part:
                raise PayloadError(f"chunk {number} is shorter than the file's size says")
            view[done : done + len(part)] = part
            done += len(part)
            self._position += len(part)
        return wanted


class Reader(ChunkedPlaintext):
    """The plaintext of a sealed file in any order, for a player or a demuxer; it opens only the chunks it needs.

    The final chunk is opened first, so a file that was cut or appended to is refused at once. `source` holds the whole
    file; or, when `header` is given (a rewrapped one), `source` starts at the payload.
    Raises: AgeError on opening as `open_stream`; PayloadError from a read that meets a changed chunk.
    """

    def __init__(
        self, source: SeekableSource, identities: Sequence[Identity], *, header: bytes | None = None
    ) -> None:
        super().__init__()
        source.seek(0)
        parsed = read_header(source if header is None else io.BytesIO(header))
        file_key = unwrap_file_key(parsed, identities)
        start = parsed.size if header is None else 0
        source.seek(start)
        self._key = read_payload_key(source, file_key)
        self._source = source
        self._start = start + NONCE_SIZE
        sealed_size = source.seek(0, io.SEEK_END) - self._start
        self._count = max(1, -(-sealed_size // SEALED_CHUNK_SIZE))
        last_size = sealed_size - (self._count - 1) * SEALED_CHUNK_SIZE
        if last_size < TAG_SIZE:
            raise TruncatedError("the file is cut short: its final chunk is missing or incomplete")
        if last_size == TAG_SIZE and self._count > 1:
            raise PayloadError("the final chunk is empty, which no age file of this length has")
        self.size = sealed_size - self._count * TAG_SIZE
        self._chunk(self._count - 1)

    def load(self, number: int) -> bytes:
        """Chunk `number`, authentic and in clear. Raises: PayloadError."""
        self._source.seek(self._start + number * SEALED_CHUNK_SIZE)
        sealed = read_exactly(self._source, SEALED_CHUNK_SIZE)
        last = number == self._count - 1
        plain = self._key.open(number, sealed, last=last)
        if plain is None:
            if last and self._key.open(number, sealed, last=False) is not None:
                raise TruncatedError(
                    f"the file is cut short after chunk {number}: its final chunk is missing"
                )
            raise _not_authentic(number, sealed)
        return plain
