"""Audit logs for tests: written by the real one, and then spoilt."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pbx_bridge.access.audit import Access, open_log
from pbx_bridge.access.audit_chain import standing_at
from pbx_bridge.access.audit_check import key_of
from pbx_bridge.access.checkpoint import GENESIS, note, signature
from pbx_bridge.wire_proof import public_key

NOVEMBER = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp())
ACCESSES = [Access(f"bruno{n}", "open", "a" * 26, "granted", session="review") for n in range(6)]


def written(keeper: Path, at: int = NOVEMBER) -> Path:
    """Six more records; the month's segment."""
    log = open_log(keeper)
    for later, access in enumerate(ACCESSES):
        log.append(access, at + later)
    log.close()
    return sorted((keeper / "audit").glob("*.jsonl"))[-1]


def month_after(months: int) -> int:
    """The 20th of the month so many months after November 2026."""
    year, month = divmod(2026 * 12 + 10 + months, 12)
    return int(datetime(year, month + 1, 20, tzinfo=UTC).timestamp())


def lines_of(keeper: Path) -> list[bytes]:
    """Every line of every segment, with its end."""
    paths = sorted((keeper / "audit").glob("*.jsonl"))
    return [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]


def records_of(keeper: Path) -> list[dict[str, Any]]:
    """Every record, read."""
    return [json.loads(line) for line in lines_of(keeper)]


def begun(keeper: Path, number: int) -> bytes:
    """The checkpoint beside the log as it was after record `number`; that of an empty log bears any key."""
    if number == 0:
        seed = b"\1" * 32
        return note(public_key(seed), 0, GENESIS, signature(seed, 0, GENESIS)).encode()
    head, signed = standing_at(lines_of(keeper)[number - 1])
    return note(key_of(keeper / "audit"), number, head.digest, signed).encode()


def other_letters(line: bytes) -> bytes:
    """The same signature, with bits that base64 leaves unused set in its last letter."""
    at = line.index(b'=="') - 1
    return line[:at] + bytes([line[at] + 1]) + line[at + 1 :]
