"""The keeper's work after a crash: from what the disk still holds to a whole file under a new key.

It is given open files, never a folder: the recorder's folder stays closed to the keeper. What it reads in clear it seals
again at once, in this process, under a fresh identity; nothing in clear is written or sent. What it makes is a whole WebM
(media/mend.py): ended after its last complete half second, with its length and index.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pbx_bridge import age
from pbx_bridge.archive.manifest import payload_digest
from pbx_bridge.archive.recording_wire import Left
from pbx_bridge.archive.recovery import NothingToRecover, recovered
from pbx_bridge.errors import OperatorError
from pbx_bridge.media.mend import NotWebm, mend
from pbx_bridge.wire_portal import Refused


@dataclass(frozen=True, slots=True)
class Remade:
    """A finished file and what is to be signed about it."""

    header: bytes
    payload: str
    payload_bytes: int
    duration_ms: int


def open_files(left: Left, files: Sequence[int]) -> list[BinaryIO]:
    """The files that came with the request, as it names them. Raises: Refused."""
    wanted = {Left.PART: 2, Left.PART_AND_TAIL: 3, Left.SEALED: 1}[left]
    if len(files) != wanted or not all(stat.S_ISREG(os.fstat(file).st_mode) for file in files):
        raise Refused("malformed", f"{wanted} open files belong to this request")
    new = len(files) - 1 if left is not Left.SEALED else None
    return [open(os.dup(file), "w+b" if at == new else "rb") for at, file in enumerate(files)]


def two_files(files: Sequence[int]) -> tuple[BinaryIO, BinaryIO]:
    """What came with an export: the recording as it lies, and a new file. Raises: Refused."""
    if len(files) != 2 or not all(stat.S_ISREG(os.fstat(file).st_mode) for file in files):
        raise Refused("malformed", "2 open files belong to this request")
    return open(os.dup(files[0]), "rb"), open(os.dup(files[1]), "w+b")


def remake(files: Sequence[BinaryIO], identity: age.Identity, recipient: age.Recipient) -> Remade:
    """Rebuilds a part (and its tail) into the last of `files`, sealed to `recipient`; on the disk when it returns.

    Raises: Refused when nothing playable is left or the recorder still writes; AgeError; OSError.
    """
    *old, new = files
    try:
        with recovered(old[0], old[1] if len(old) > 1 else None, identity, name="the part") as prefix:
            mended = mend(_reading(prefix), prefix.size)
            with age.Writer(new, [recipient]) as writer:
                writer.write(mended.head)
                prefix.seek(len(mended.head))
                while (left := mended.end - prefix.tell()) > 0:
                    writer.write(prefix.read(min(left, age.CHUNK_SIZE)))
                writer.write(mended.index)
    except (NothingToRecover, NotWebm) as error:
        raise Refused("nothing-left", f"nothing of this recording can be rebuilt: {error}") from None
    except OperatorError as error:
        raise Refused("busy", str(error)) from None
    new.flush()
    os.fsync(new.fileno())
    return _facts(new, mended.duration_ms)


def examine(file: BinaryIO, identities: Sequence[age.Identity]) -> Remade:
    """The facts of a file that was finished but never registered; every chunk is opened once. Raises: Refused, AgeError."""
    plain = age.Reader(file, identities)
    try:
        duration_ms = mend(_reading(plain), plain.size).duration_ms
    except NotWebm as error:
        raise Refused("nothing-left", f"this recording cannot be read: {error}") from None
    plain.seek(0)
    while plain.read(age.CHUNK_SIZE):
        pass
    return _facts(file, duration_ms)


def _facts(file: BinaryIO, duration_ms: int) -> Remade:
    file.seek(0)
    size = age.read_header(file).size
    payload_bytes = file.seek(0, io.SEEK_END) - size
    file.seek(0)
    header = file.read(size)
    return Remade(header, payload_digest(file).hex(), payload_bytes, duration_ms)


def _reading(plain: io.RawIOBase) -> Callable[[int, int], bytes]:
    def read(at: int, size: int) -> bytes:
        plain.seek(at)
        return plain.read(size) or b""

    return read
