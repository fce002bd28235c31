"""A recording's file while the call runs: written once, sealed as it grows, readable by nobody on this side (P17).

Theory. `<id>.part` is an age file in the making: header, nonce, room for chunk 0, then chunks 1, 2, ... each sealed and
written when the next byte shows it is full. A muxer comes back to the first bytes of its file (sizes, duration, index
position), so chunk 0 waits in memory and is sealed last, at `finish`; anything else written backwards is refused. Every
(chunk, flag) is therefore sealed exactly once, and memory does not grow with the call. What is in no sealed chunk yet
also lies in `<id>.tail`, an age file under a fresh key of its own, replaced atomically at each `checkpoint`.

    writing --write/checkpoint--> writing --finish--> <id>.age            --discard--> nothing
    writing --crash, failed disk, close--> <id>.part + <id>.tail, which the keeper alone can open (archive/recovery.py)

Order on the disk: the `.part` reaches it before the tail that counts on it; the whole file before its final name; that
name before the tail is gone. An interrupted file is never continued: that would seal other bytes under a used nonce.

It holds a recipient and a file key it forgets; it never holds an identity and never learns what it seals.
One thread at a time.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pbx_bridge import age
from pbx_bridge.archive.files import RecordingFiles as RecordingFiles
from pbx_bridge.archive.files import StorageFailed as StorageFailed
from pbx_bridge.archive.files import sync_folder, write_durably
from pbx_bridge.archive.manifest import payload_digest as payload_digest
from pbx_bridge.archive.tail import Tail
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import parse_recording_id

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class SealedDigest:
    """What the recorder signs about a finished file."""

    payload_sha256: bytes
    """See `payload_digest`. A rewrapped header does not change it."""
    plain_size: int
    """Bytes of the recording in clear."""
    sealed_size: int
    """Bytes of the file, header included."""


class SealedFile:
    """One recording being written: a binary file that can be appended to, and rewritten in its first 64 KiB only.

    `rebuild=True` is the keeper's: it writes a new file beside the unfinished one of the same recording, which `finish`
    then replaces. Raises: OperatorError when the recording exists already; StorageFailed; ValueError for a wrong id.
    """

    def __init__(
        self, folder: Path, recording: str, recipient: age.Recipient, *, rebuild: bool = False
    ) -> None:
        self._files = RecordingFiles(folder, parse_recording_id(recording))
        self._part, self._tail, self._next_tail = self._files.unfinished(rebuild)
        self._recipient = recipient
        file_key, self._nonce = age.new_file_key(), os.urandom(age.NONCE_SIZE)
        header = age.make_header(file_key, [recipient])
        self._key = age.PayloadKey(file_key, self._nonce)
        self._start = len(header) + age.NONCE_SIZE
        self._first = bytearray()
        self._unfinished = bytearray()
        self._number = 1
        self._rest_sha256 = hashlib.sha256()
        self._size = self._position = 0
        self._changed = self._unsynced = False
        self._failed: StorageFailed | None = None
        if self._files.sealed.exists():
            raise OperatorError("this recording is finished already", where=str(self._files.sealed))
        if rebuild:
            for path in self._files.unfinished(rebuild=True):
                path.unlink(missing_ok=True)
        try:
            self._descriptor = os.open(
                self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except FileExistsError:
            raise OperatorError(
                "this recording is being written, or was interrupted", where=str(self._part),
                do="An interrupted recording is never continued; the keeper recovers it",
            ) from None  # fmt: skip
        except OSError as wrong:
            raise StorageFailed(folder, wrong.errno, doing="creating a file", kept=False) from wrong
        try:
            # Held while the recorder lives, so that the keeper never takes a running recording for a crashed one.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Room for chunk 0 is taken now, so that a full disk cannot keep it from being sealed at the end.
            os.posix_fallocate(self._descriptor, 0, self._start + age.SEALED_CHUNK_SIZE)
            self._put(header + self._nonce, 0)
        except OSError as wrong:
            self.discard()
            raise StorageFailed(folder, wrong.errno, doing="starting a file", kept=False) from wrong

    # A binary file, as a muxer wants it

    def writable(self) -> bool:
        """Whether it still takes bytes."""
        return self._descriptor >= 0 and self._failed is None

    def seekable(self) -> bool:
        """Always: back into the first 64 KiB."""
        return True

    def readable(self) -> bool:
        """Never: the recorder cannot read what it sealed."""
        return False

    def tell(self) -> int:
        """The position in the plaintext."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move in the plaintext; `write` decides whether that place can be written. Raises: ValueError before 0."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the start of a file")
        self._position = base + offset
        return self._position

    def flush(self) -> None:
        """Nothing: what is safe is `checkpoint`'s to say."""

    def write(self, plain: Bytes) -> int:
        """Write at the position: append, or rewrite within the first 64 KiB.

        Raises: io.UnsupportedOperation, with nothing written, for a gap or for a place that may be sealed already;
        StorageFailed, after which only `discard` and `close` are left; ValueError when finished or closed.
        """
        self._must_be_writable()
        view = memoryview(plain).cast("B")
        if self._position > self._size:
            raise io.UnsupportedOperation(
                f"a write at {self._position} would leave a gap: the recording has {self._size} bytes"
            )
        rewritten = min(len(view), self._size - self._position)
        if rewritten and self._position + rewritten > age.CHUNK_SIZE:
            raise io.UnsupportedOperation(
                f"a write at {self._position} goes back beyond the first {age.CHUNK_SIZE} bytes, "
                f"where chunks are sealed already (the recording has {self._size} bytes)"
            )
        self._first[self._position : self._position + rewritten] = view[:rewritten]
        self._append(view[rewritten:])
        self._position += len(view)
        self._changed = self._changed or len(view) > 0
        return len(view)

    def _append(self, view: memoryview) -> None:
        at = min(len(view), age.CHUNK_SIZE - len(self._first))
        self._first += view[:at]
        while len(self._unfinished) + len(view) - at > age.CHUNK_SIZE:
            take = age.CHUNK_SIZE - len(self._unfinished)
            self._unfinished += view[at : at + take]
            at += take
            self._seal_unfinished(last=False)
        self._unfinished += view[at:]
        self._size += len(view)

    def _seal_unfinished(self, *, last: bool) -> None:
        sealed = self._key.seal(self._number, self._unfinished, last=last)
        place = self._start + self._number * age.SEALED_CHUNK_SIZE
        self._number += 1
        self._unfinished.clear()
        self._rest_sha256.update(sealed)
        with self._storage("writing a chunk"):
            self._put(sealed, place)
        self._unsynced = True

    # Safety, and the ends

    def checkpoint(self) -> None:
        """Make all that was written so far survive a crash of the process or the machine. Cheap when nothing is new.

        Raises: StorageFailed. When only the tail found no room, the one before it stays and writing may go on.
        """
        self._must_be_writable()
        if not self._changed:
            return
        if self._unsynced:
            with self._storage("writing chunks through to the disk"):
                os.fdatasync(self._descriptor)
            self._unsynced = False
        tail = Tail(self._nonce, self._number, bytes(self._first), bytes(self._unfinished))
        try:
            write_durably(self._next_tail, age.seal_bytes(tail.pack(), [self._recipient]))
            self._next_tail.rename(self._tail)
            sync_folder(self._files.folder)
        except OSError as wrong:
            with suppress(OSError):
                self._next_tail.unlink()
            raise StorageFailed(self._files.folder, wrong.errno, doing="replacing the tail") from wrong
        self._changed = False

    def finish(self) -> SealedDigest:
        """Seal the final chunk and chunk 0, give the file its name, drop the tail; durable when it returns.

        Raises: StorageFailed, which leaves what the last checkpoint covered; ValueError when finished or closed.
        """
        self._must_be_writable()
        if self._unfinished:
            self._seal_unfinished(last=True)
        first = self._key.seal(0, self._first, last=self._number == 1)
        sealed_size = self._start + self._size + age.TAG_SIZE * self._number
        with self._storage("finishing a file"):
            os.ftruncate(self._descriptor, sealed_size)
            self._put(first, self._start)
            os.fsync(self._descriptor)
            self._part.rename(self._files.sealed)
        self.close()
        with self._storage("naming a file"):
            self._files.remove_unfinished()
        digest = hashlib.sha256(self._nonce + first + self._rest_sha256.digest()).digest()
        return SealedDigest(digest, self._size, sealed_size)

    def discard(self) -> None:
        """Remove all there is of it, durably; also after a failure. A finished file is no longer this object's."""
        self.close()
        for path in (self._part, self._tail, self._next_tail):
            path.unlink(missing_ok=True)
        sync_folder(self._files.folder)

    def close(self) -> None:
        """Let go without finishing: what the last checkpoint covered stays for the keeper. Twice does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
            self._first.clear()
            self._unfinished.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _must_be_writable(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._descriptor < 0:
            raise ValueError("this recording's file is finished or closed")

    @contextmanager
    def _storage(self, doing: str) -> Iterator[None]:
        """Turn the disk's refusal into StorageFailed and let nothing more be written: the file may have a torn end."""
        try:
            yield
        except OSError as wrong:
            self._failed = StorageFailed(self._files.folder, wrong.errno, doing=doing)
            raise self._failed from wrong

    def _put(self, data: bytes, place: int) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._descriptor, view, place)
            view, place = view[done:], place + done
