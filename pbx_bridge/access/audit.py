"""The audit log: every access is written here and on the disk before it is answered (P19).

A chain of signed records (audit_chain.py) in monthly segments, with the newest checkpoint beside them. A record that
could not be written whole and synced was not written: `append` takes back what it left and raises, and the caller then
releases nothing. It knows short names, recording ids and the closed words given to it; never content, and it decides
nothing.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from pbx_bridge.access import audit_folder as places
from pbx_bridge.access.audit_chain import MAX_LINE_BYTES, Access, encode, forget
from pbx_bridge.access.checkpoint import EMPTY, MAX_NOTE_BYTES, Head, is_true, note, signature, verifier_key
from pbx_bridge.durable import sync_folder, write_once, write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_proof import new_seed, public_key

__all__ = ["Access", "AuditLog", "AuditUnwritable", "Head", "open_log"]

SEED: Final = "audit.key"
"""In the keeper's folder: the Ed25519 secret every record is signed with."""
LATER: Final = "keeper.key"
"""In the keeper's folder: what it makes after the log's key at its first start. So there was a log where this lies."""
SEED_BYTES: Final = 32
LOCK_WITHIN_S: Final = 5.0
"""A keeper ends within milliseconds of its bridge."""
ROOM_BYTES: Final = 256 * 1024
"""Below this the log counts as unwritable: some hundred refusals can still be recorded."""


class AuditUnwritable(Exception):
    """The record is not on the disk: whatever it was about must not happen (P19)."""


class AuditLog:
    """The folder, held by one process at a time (flock). `head` is the newest record."""

    def __init__(self, folder: Path, seed: bytes) -> None:
        """Opens or begins it. Raises: OperatorError when it is held elsewhere, or not as the last keeper left it."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self._seed = folder, seed
        self.public = public_key(seed)
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if not _locked(self._lock):
            os.close(self._lock)
            raise OperatorError("another keeper holds the audit log", where=str(folder), do="End it first")
        self._file, self._path, self._size = -1, folder, 0
        self._torn = False
        self.failed = False
        """Whether the last record could not be written."""
        self.head = EMPTY
        self._signed = signature(seed, 0, EMPTY.digest)
        try:
            self._open_last()
            self._compare()
            write_whole(folder / places.KEY, f"{verifier_key(self.public)}\n".encode())
            write_whole(folder / places.HEAD, self._note())
            self._head_file = os.open(folder / places.HEAD, os.O_WRONLY | os.O_CLOEXEC)
        except BaseException:
            self._close()
            raise

    def append(self, access: Access, at_unix: int) -> Head:
        """P19: writes and syncs one record. Raises: AuditUnwritable, and then nothing of it stays."""
        line, head, signed = encode(access, self.head, at_unix, self._seed)
        line += b"\n"
        if len(line) > MAX_LINE_BYTES:
            raise AuditUnwritable(f"a record has at most {MAX_LINE_BYTES} bytes, not {len(line)}")
        self.failed = True
        before = self.head, self._signed
        try:
            self._turn_over(places.month(at_unix))
            self._look()
            written = 0
            while written < len(line):
                written += os.pwrite(self._file, line[written:], self._size + written)
            os.fsync(self._file)
            self.head, self._signed = head, signed
            os.pwrite(self._head_file, self._note(), 0)
        except OSError as error:
            self.head, self._signed = before
            self._take_back()
            raise AuditUnwritable(
                f"{self._path}: {error.strerror}; nothing is released until it can be written"
            ) from error
        self._size += len(line)
        self.failed = False
        return head

    def fault(self) -> str:
        """Why the next record could not be written, as far as can be seen without writing; "" when it can."""
        try:
            self._look()
            room = os.fstatvfs(self._lock)
        except (OSError, AuditUnwritable) as error:
            return str(error)
        if room.f_flag & os.ST_RDONLY:
            return f"{self.folder}: the disk is read-only"
        if room.f_bavail * room.f_frsize < ROOM_BYTES:
            return f"{self.folder}: the disk is full"
        return ""

    def checkpoint(self) -> str:
        """The newest checkpoint, a signed note, for a second place."""
        return note(self.public, self.head.number, self.head.digest, self._signed)

    def forget(self, at_unix: int) -> list[str]:
        """P19: lets the segments go whose every record is more than twelve months old, oldest first; a record says so
        before each. Raises: AuditUnwritable."""
        gone = []
        while (found := places.segments(self.folder))[1:] and places.may_go(found[0].stem, at_unix):
            last = places.first_number(found[1])
            if last is None:
                break
            self.append(forget(found[0].stem, last - 1), at_unix)
            try:
                found[0].unlink()
                sync_folder(self.folder)
            except OSError as error:
                raise AuditUnwritable(f"{found[0]}: {error.strerror}") from error
            gone.append(found[0].stem)
        return gone

    def close(self) -> None:
        self._close()
        os.close(self._head_file)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        os.close(self._lock)

    def _turn_over(self, month: str) -> None:
        """Opens the month's segment. A clock that went back opens none: names rise as numbers do. Raises: OSError."""
        if self._file >= 0 and month <= self._path.stem:
            return
        path = self.folder / f"{month}.jsonl"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        sync_folder(self.folder)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._path, self._size, self._torn = file, path, 0, False

    def _look(self) -> None:
        """Whether the file is still there and as this process left it. Raises: AuditUnwritable, OSError."""
        if self._file < 0:
            return
        here, there = os.fstat(self._file), os.stat(self._path)
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise AuditUnwritable(f"{self._path}: the file was replaced under the running keeper")
        if self._torn:
            os.ftruncate(self._file, self._size)
            self._torn = False
        elif here.st_size != self._size:
            raise AuditUnwritable(f"{self._path}: somebody else wrote to it, or cut it")

    def _take_back(self) -> None:
        self._torn = True
        try:
            if self._file >= 0:
                os.ftruncate(self._file, self._size)
                self._torn = False
        except OSError:
            return  # the next append begins with the same truncation

    def _open_last(self) -> None:
        """Takes the newest segment's end for the head."""
        for path in reversed(places.segments(self.folder)):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            line, size = places.last_line(file, os.fstat(file).st_size)
            if size and not line:
                os.close(file)
                raise OperatorError("its end is no record", where=str(path), do=places.MEND)
            if self._file < 0:
                os.ftruncate(file, size)
                self._file, self._path, self._size = file, path, size
            else:
                os.close(file)
            if line:
                self.head, self._signed = places.read_head(line, path)
                return

    def _compare(self) -> None:
        """P19: the log ends with a record this keeper signed, at or after the newest checkpoint. Raises: OperatorError."""
        found = places.newest(self.folder)
        if self.head.number and not is_true(self.public, self.head.number, self.head.digest, self._signed):
            raise OperatorError(
                f"its last record, {self.head.number}, was not written by this keeper",
                where=str(self._path),
                do=places.MEND,
            )
        if found is not None and (found.number, found.digest) == (self.head.number, self.head.digest):
            return
        if found is not None and found.number == self.head.number:
            raise OperatorError(
                f"its last record, {self.head.number}, is not the one that was written last",
                where=str(self._path),
                do=places.MEND,
            )
        if found is not None and found.number > self.head.number:
            raise OperatorError(
                f"the log ends at record {self.head.number}, but {found.number} were written: it was cut",
                where=str(self._path),
                do=places.MEND,
            )

    def _note(self) -> bytes:
        return self.checkpoint().encode().ljust(MAX_NOTE_BYTES, b"\n")


def open_log(keeper: Path) -> AuditLog:
    """The log of the keeper whose folder this is; it begins with its key. Raises: OperatorError when one of them is gone."""
    folder, key = keeper / "audit", keeper / SEED
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if key.exists():
        seed = key.read_bytes()
        if len(seed) != SEED_BYTES:
            raise OperatorError(
                "the audit log's key is damaged", where=str(key), do="Restore it from its backup"
            )
        if not (folder / places.HEAD).exists():
            raise OperatorError("the audit log is gone, its key is here", where=str(folder), do=places.MEND)
        return AuditLog(folder, seed)
    if places.segments(folder):
        raise OperatorError("the audit log's key is gone", where=str(key), do="Restore it from its backup")
    if (keeper / LATER).exists():
        raise OperatorError("this keeper's audit log and its key are gone", where=str(folder), do=places.MEND)
    seed = new_seed()
    write_whole(
        folder / places.HEAD, _head_note(seed)
    )  # before the key, whose being there says that a log is there
    write_once(key, seed)
    return AuditLog(folder, seed)


def _head_note(seed: bytes) -> bytes:
    signed = signature(seed, 0, EMPTY.digest)
    return note(public_key(seed), 0, EMPTY.digest, signed).encode()


def _locked(handle: int) -> bool:
    """Whether the lock could be had; the keeper of a bridge that was just killed may still be ending."""
    ends_at = time.monotonic() + LOCK_WITHIN_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends_at:
                return False
            time.sleep(0.02)
        else:
            return True
