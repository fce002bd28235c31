"""The audit log: every access is written here and on the disk before it is answered (P19).

One canonical JSON line per record; each carries its number and the SHA-256 of the line before it, so a change, a
gap, a swap or a deletion in the middle shows. What a chain alone cannot show is a log cut at its end or written
anew by whoever owns the file: its head has to be kept in a second place for that.

A record that could not be written whole and synced was not written: `append` takes back what it left and raises,
and the caller then releases nothing. It knows short names, recording ids and the closed words given to it; never
content, and it decides nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pbx_bridge.durable import sync_folder
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import canonical

GENESIS: Final = "0" * 64
"""What the first record calls the line before it."""
MAX_LINE_BYTES: Final = 4_096
"""A record with the longest names and session has under 1 KiB."""
LOCK_WITHIN_S: Final = 5.0
"""A keeper ends within milliseconds of its bridge."""


class AuditUnwritable(Exception):
    """The record is not on the disk: whatever it was about must not happen (P19)."""


class AuditBroken(Exception):
    """The chain does not hold. `number` is the first bad record's place, counted from 1."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(number, what)
        self.number, self.what = number, what

    def __str__(self) -> str:
        return f"record {self.number}: {self.what}"


@dataclass(frozen=True, slots=True)
class Access:
    """One record: who did or tried what, to which recording, why, with what answer."""

    who: str
    act: str
    """A word: open, list, hand-over, join, prove, destroy, …"""
    recording: str = ""
    outcome: str = "done"
    """done, granted or refused."""
    reason: str = ""
    """The refusal's or destruction's word."""
    session: str = ""
    """P21: the training session the asker stated."""
    person: str = ""
    """Short name of the person an administrator's or approver's act is about."""
    subject: str = ""
    """The digest of what was approved, or the fingerprint of the key that joined or was confirmed."""


@dataclass(frozen=True, slots=True)
class Head:
    """Number and hash of the last record: what a second place keeps."""

    number: int
    digest: str


def encode(access: Access, head: Head, at_unix: int) -> bytes:
    """The line, without its end, that follows `head`."""
    return canonical(
        {
            "act": access.act,
            "at": at_unix,
            "n": head.number + 1,
            "outcome": access.outcome,
            "person": access.person,
            "prev": head.digest,
            "reason": access.reason,
            "recording": access.recording,
            "session": access.session,
            "subject": access.subject,
            "who": access.who,
        }
    )


def follow(head: Head, line: bytes) -> Head:
    """The head after `line`. Raises: AuditBroken when the line does not follow `head`."""
    number = head.number + 1
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise AuditBroken(number, "not a record") from None
    if not isinstance(record, dict) or canonical(record) != line:
        raise AuditBroken(number, "not in canonical form")
    if record.get("n") != number:
        raise AuditBroken(
            number, f"its number is {record.get('n')!r}: records are missing, repeated or reordered"
        )
    if record.get("prev") != head.digest:
        raise AuditBroken(number, "it does not follow the record before it: one of the two was changed")
    return Head(number, hashlib.sha256(line).hexdigest())


def verify(lines: Iterable[bytes]) -> Head:
    """Walks the whole chain. Raises: AuditBroken naming the first bad record."""
    head = Head(0, GENESIS)
    for line in lines:
        if not line.endswith(b"\n"):
            raise AuditBroken(head.number + 1, "cut in the middle")
        head = follow(head, line[:-1])
    return head


class AuditLog:
    """The file, held by one process at a time (flock)."""

    def __init__(self, path: Path) -> None:
        """Opens or creates it, 0600. Raises: OperatorError when it is held elsewhere or its last record is no record."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(self._file):
            os.close(self._file)
            raise OperatorError("another keeper holds the audit log", where=str(path), do="End it first")
        sync_folder(path.parent)
        self._size = os.fstat(self._file).st_size
        self.head = self._last()

    def append(self, access: Access, at_unix: int) -> Head:
        """Writes and syncs one record. Raises: AuditUnwritable, and then nothing of it stays."""
        line = encode(access, self.head, at_unix) + b"\n"
        if len(line) > MAX_LINE_BYTES:
            raise AuditUnwritable(f"a record has at most {MAX_LINE_BYTES} bytes, not {len(line)}")
        try:
            os.ftruncate(self._file, self._size)
            written = 0
            while written < len(line):
                written += os.pwrite(self._file, line[written:], self._size + written)
            os.fsync(self._file)
        except OSError as error:
            self._take_back()
            raise AuditUnwritable(
                f"{self._path}: {error.strerror}; nothing is released until it can be written"
            ) from error
        self._size += len(line)
        self.head = Head(self.head.number + 1, hashlib.sha256(line[:-1]).hexdigest())
        return self.head

    def close(self) -> None:
        os.close(self._file)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            return  # the next append begins with the same truncation

    def _last(self) -> Head:
        """The head, from the end of the file. Half a line there is a record whose act was never answered: it is cut."""
        tail_at = max(0, self._size - 2 * MAX_LINE_BYTES)
        tail = os.pread(self._file, self._size - tail_at, tail_at)
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            self._size = tail_at + whole
            os.ftruncate(self._file, self._size)
        if whole == 0:
            if tail_at:
                raise OperatorError(
                    "its end is no record",
                    where=str(self._path),
                    do="Keep it for the auditor, and restore the log from its backup",
                )
            return Head(0, GENESIS)
        line = tail[:whole].splitlines()[-1]
        try:
            return Head(int(json.loads(line)["n"]), hashlib.sha256(line).hexdigest())
        except (ValueError, KeyError, TypeError):
            raise OperatorError(
                "its last line is no record",
                where=str(self._path),
                do="Keep it for the auditor, and restore the log from its backup",
            ) from None


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
