"""The chain of audit records: how one is written, and how a walk along it finds the first that is not as it was.

Each record is one canonical JSON line. It carries its number, the SHA-256 of the whole line before it, and the keeper's
signature over the checkpoint of itself. So the newest signature vouches for everything before it, a walk needs only
hashes, and when the chain does not hold, the signatures tell which record was touched. Pure: lines in, heads out;
where lines lie, and how many there should be, is audit_check.py's.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from pbx_bridge.access.checkpoint import Head, is_true, signature
from pbx_bridge.wire_json import canonical

MAX_LINE_BYTES: Final = 4_096
"""A record with the longest names and session has under 2 KiB."""
FORGET: Final = "forget"
"""The act of a record which says that the oldest segment goes (its twelve months are over)."""
_FORGOTTEN: Final = re.compile(r"([0-9]{4}-[0-9]{2}) to ([1-9][0-9]{0,18})")


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


def encode(access: Access, head: Head, at_unix: int, seed: bytes) -> tuple[bytes, Head, str]:
    """The line, without its end, that follows `head`; the head it makes, and the signature of that."""
    record: dict[str, object] = {
        "act": access.act,
        "at": at_unix,
        "n": head.number + 1,
        "outcome": access.outcome,
        "person": access.person,
        "prev": head.link,
        "reason": access.reason,
        "recording": access.recording,
        "session": access.session,
        "subject": access.subject,
        "who": access.who,
    }
    digest = hashlib.sha256(canonical(record)).hexdigest()
    signed = record["sig"] = signature(seed, head.number + 1, digest)
    line = canonical(record)
    return line, Head(head.number + 1, digest, hashlib.sha256(line).hexdigest()), signed


def forgotten(record: dict[str, Any]) -> tuple[str, int] | None:
    """The segment that this record lets go, and its last record's number; None for any other record."""
    if record.get("act") != FORGET:
        return None
    match = _FORGOTTEN.fullmatch(str(record.get("reason")))
    return (match[1], int(match[2])) if match is not None else None


def forget(segment: str, last: int) -> Access:
    """The record that lets `segment` go, whose last record has the number `last`."""
    return Access("(keeper)", FORGET, reason=f"{segment} to {last}")


class Walk:
    """Follows a chain line by line from `head` on; `head` is then where it stands."""

    def __init__(self, public: bytes, head: Head) -> None:
        self.head = head
        self.public = public
        self._signed = ""
        """The signature in the line last taken; "" before the first."""

    def take(self, line: bytes) -> dict[str, Any]:
        """The record in `line`, which follows. Raises: AuditBroken naming the first record that is not as it was written."""
        number = self.head.number + 1
        if not line.endswith(b"\n"):
            raise self._broken("it is cut in the middle")
        line = line[:-1]
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise self._broken("it is no record") from None
        if (
            not isinstance(record, dict)
            or canonical(record) != line
            or not isinstance(record.get("sig"), str)
        ):
            raise self._broken("it is not written as a record is")
        if record.get("n") != number:
            raise self._broken(
                f"in its place stands number {record.get('n')!r}: records were deleted, repeated or reordered"
            )
        signed: str = record["sig"]
        digest = hashlib.sha256(line.replace(f'"sig":"{signed}",'.encode(), b"", 1)).hexdigest()
        if record.get("prev") != self.head.link:
            raise self._broken("it does not follow the record before it: it was changed or put here later")
        self.head = Head(number, digest, hashlib.sha256(line).hexdigest())
        self._signed = signed
        return record

    def is_signed(self) -> bool:
        """Whether the record last taken bears the keeper's signature: then it and all before it are as written."""
        return is_true(self.public, self.head.number, self.head.digest, self._signed)

    def _broken(self, what: str) -> AuditBroken:
        """The break shows at the next record; which of the two was touched, the signature tells."""
        if self._signed and not self.is_signed():
            return AuditBroken(self.head.number, "it was changed after it was written")
        return AuditBroken(self.head.number + 1, what)


def standing_at(line: bytes) -> tuple[Head, str]:
    """The head a whole line makes, unchecked, and its signature. Raises: ValueError, KeyError, TypeError."""
    line = line.removesuffix(b"\n")
    record = json.loads(line)
    signed = str(record["sig"])
    body = line.replace(f'"sig":"{signed}",'.encode(), b"", 1)
    digest, link = hashlib.sha256(body).hexdigest(), hashlib.sha256(line).hexdigest()
    return Head(int(record["n"]), digest, link), signed


def vouched(public: bytes, line: bytes) -> bool:
    """Whether this line, alone, bears the keeper's signature."""
    try:
        head, signed = standing_at(line)
    except (ValueError, KeyError, TypeError):
        return False
    return is_true(public, head.number, head.digest, signed)
