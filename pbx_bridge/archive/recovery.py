"""The keeper's way to what a crash left of a recording: an exact prefix of it, rebuilt under a new key.

It reads `<id>.part` and `<id>.tail` and holds the recording's identity; the recorder never does. The old payload is
never continued (sealing other bytes under a used nonce would give both away): `rebuild` writes a new file.

Which chunk comes from where: chunk 0 from the `.part` when the crash came between sealing it and the rename, else from
the tail; chunks 1 and up from the `.part` as long as they are authentic (they may reach beyond the tail's checkpoint);
then the tail's unfinished chunk, if it is the next one. What cannot be shown to be authentic is not in the prefix.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pbx_bridge import age
from pbx_bridge.archive.files import RecordingFiles
from pbx_bridge.archive.sealed import SealedDigest, SealedFile
from pbx_bridge.archive.tail import MAX_TAIL_BYTES, Tail, unpack_tail
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, parse_recording_id


class NothingToRecover(age.AgeError):
    """No authentic byte of the recording is left: it ended before its first checkpoint, or its files were changed."""


class Recovered(age.ChunkedPlaintext):
    """The plaintext prefix of an interrupted recording, in any order, with constant memory. Close it when done."""

    def __init__(self, part: BinaryIO, key: age.PayloadKey, start: int, tail: Tail | None) -> None:
        super().__init__()
        self._part, self._key, self._start, self._tail = part, key, start, tail
        self.whole = False
        """Whether nothing is missing: the crash came after the last byte was sealed."""
        self._in_tail: int | None = None
        self._final: int | None = None
        """The number of the chunk sealed as the last one, where one is."""
        in_part = self._first_in_part()
        if in_part is None and tail is None:
            raise NothingToRecover(
                "nothing of this recording can be recovered: it was interrupted before its first checkpoint, "
                "or its files were changed"
            )
        self._first_chunk = tail.first if in_part is None and tail is not None else in_part or b""
        self.size = len(self._first_chunk)
        if len(self._first_chunk) == age.CHUNK_SIZE and self._final is None:
            self._count()
        self.whole = in_part is not None and self._final is not None

    def _first_in_part(self) -> bytes | None:
        """Chunk 0 where the crash came after it was sealed, full or the only one."""
        sealed = self._sealed(0)
        plain = self._key.open(0, sealed, last=False)
        if plain is None and (plain := self._key.open(0, sealed, last=True)) is not None:
            self._final = 0
        return plain

    def _count(self) -> None:
        """Find how far the authentic chunks reach. Reads the whole file once: a crash may have torn any of them."""
        number = 1
        while (plain := self.opened(number)) is not None:
            self.size += len(plain)
            if self._final == number:
                return
            number += 1
        if self._tail is not None and number == self._tail.number:
            self._in_tail = number
            self.size += len(self._tail.unfinished)

    def opened(self, number: int) -> bytes | None:
        """Chunk `number` of the `.part`, when it is authentic and full or final."""
        sealed = self._sealed(number)
        if len(sealed) == age.SEALED_CHUNK_SIZE:
            plain = self._key.open(number, sealed, last=False)
            if plain is not None:
                return plain
        plain = self._key.open(number, sealed, last=True)
        if plain is not None:
            self._final = number
        return plain

    def _sealed(self, number: int) -> bytes:
        self._part.seek(self._start + number * age.SEALED_CHUNK_SIZE)
        return age.read_exactly(self._part, age.SEALED_CHUNK_SIZE)

    def load(self, number: int) -> bytes:
        """Chunk `number` of the prefix. Raises: PayloadError when the files changed meanwhile."""
        if number == 0:
            return self._first_chunk
        if number == self._in_tail and self._tail is not None:
            return self._tail.unfinished
        plain = self.opened(number)
        if plain is None:
            raise age.PayloadError(f"chunk {number} changed while the recording was being recovered")
        return plain

    def close(self) -> None:
        """Close the files."""
        self._part.close()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def unfinished_recordings(folder: Path) -> list[RecordingId]:
    """The recordings of which `folder` holds an interrupted (or running) file and no finished one, sorted.

    Where there is a finished one too, a crash kept the rest from being removed: it is removed now.
    """
    found = []
    for path in sorted(folder.glob("*.part")):
        try:
            files = RecordingFiles(folder, parse_recording_id(path.stem))
        except ValueError:
            continue
        if files.sealed.exists():
            files.remove_unfinished()
        else:
            found.append(files.recording)
    return found


def recover(folder: Path, recording: str, identity: age.Identity) -> Recovered:
    """What is left of an interrupted recording, to be read and written to a new file (`SealedFile(rebuild=True)`).

    It loses at most what came after the last checkpoint.
    Raises: NothingToRecover; AgeError when `identity` is not the recording's; OperatorError when it is still being
    written; FileNotFoundError.
    """
    files = RecordingFiles(folder, parse_recording_id(recording))
    with suppress(FileNotFoundError), _open(files.tail) as tail:
        return recovered(_open(files.part), tail, identity, name=str(files.part))
    return recovered(_open(files.part), None, identity, name=str(files.part))


def recovered(part: BinaryIO, tail: BinaryIO | None, identity: age.Identity, *, name: str) -> Recovered:
    """The same from open files, for a keeper that has no right on the folder. It closes `part`, also when it raises.

    `name` is how a message calls it.
    """
    try:
        _refuse_if_running(part, name)
        try:
            header = age.read_header(part)
        except age.HeaderError as wrong:
            raise NothingToRecover("this recording was interrupted before its header was written") from wrong
        file_key = age.unwrap_file_key(header, [identity])
        nonce = age.read_exactly(part, age.NONCE_SIZE)
        last = None if tail is None else _read_tail(tail, [identity], nonce)
        start = header.size + age.NONCE_SIZE
        return Recovered(part, age.PayloadKey(file_key, nonce), start, last)
    except BaseException:
        part.close()
        raise


def rebuild(folder: Path, recording: str, identity: age.Identity, recipient: age.Recipient) -> SealedDigest:
    """Write the recoverable prefix, byte for byte, as the finished file of `recording`, sealed to `recipient`.

    The interrupted files are removed once the new one is durable, and stay as they are when it fails.
    Raises: as `recover` and `SealedFile`.
    """
    with (
        recover(folder, recording, identity) as prefix,
        SealedFile(folder, recording, recipient, rebuild=True) as sealed,
    ):
        try:
            while block := prefix.read(age.CHUNK_SIZE):
                sealed.write(block)
            return sealed.finish()
        except BaseException:
            sealed.discard()
            raise


def _refuse_if_running(part: BinaryIO, name: str) -> None:
    """The writer holds a lock as long as it lives, even if it is stopped; a killed one's is gone."""
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OperatorError(
            "this recording is still being written or recovered", where=name, do="Wait for its end"
        ) from None


def _read_tail(file: BinaryIO, identities: Sequence[age.Identity], nonce: bytes) -> Tail | None:
    try:
        sealed = file.read(age.MAX_HEADER_BYTES + 2 * MAX_TAIL_BYTES)
        tail = unpack_tail(age.open_bytes(sealed, identities))
    except age.AgeError:
        return None
    return tail if tail is not None and tail.nonce == nonce else None


def _open(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
