"""Where the audit log lies: one file per month, the newest checkpoint beside them, and the verifier key.

It knows names and the order of files, never what a record means.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pbx_bridge.access.audit_chain import MAX_LINE_BYTES, standing_at
from pbx_bridge.access.checkpoint import MAX_NOTE_BYTES, Checkpoint, Head, NoteError, parse_notes
from pbx_bridge.errors import OperatorError

HEAD: Final = "head"
KEY: Final = "verifier-key"
KEPT_MONTHS: Final = 12
"""P19: a segment may go once every record in it is older."""
MEND: Final = (
    "Run: pbx-bridge audit verify. Keep the folder for the auditor and restore the log from its backup"
)
_SEGMENT: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def month(at_unix: int) -> str:
    """The segment's name of this second, UTC."""
    return datetime.fromtimestamp(at_unix, UTC).strftime("%Y-%m")


def may_go(segment: str, at_unix: int) -> bool:
    """P19: whether every record of this month is more than twelve months old."""
    return _months(month(at_unix)) - _months(segment) > KEPT_MONTHS


def segments(folder: Path) -> list[Path]:
    """The segments that lie there, oldest first."""
    return sorted(path for path in folder.glob("*.jsonl") if _SEGMENT.fullmatch(path.stem))


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint as it stands beside the log; None when there is none. Raises: OperatorError."""
    path = folder / HEAD
    try:
        (found,) = parse_notes(path.read_bytes()[: 2 * MAX_NOTE_BYTES].decode())
    except FileNotFoundError:
        return None
    except (NoteError, ValueError) as error:
        raise OperatorError(f"this is no checkpoint: {error}", where=str(path), do=MEND) from None
    return found


def last_line(handle: int, size: int) -> tuple[bytes, int]:
    """The last whole line of an open segment, without its end, and how many bytes all whole lines have.

    Half a line at the end is a record whose act was never answered. No whole line: b"".
    """
    tail_at = max(0, size - 2 * MAX_LINE_BYTES)
    tail = os.pread(handle, size - tail_at, tail_at)
    whole = tail.rfind(b"\n") + 1
    if whole == 0:
        return b"", tail_at
    return tail[:whole].splitlines()[-1], tail_at + whole


def first_number(path: Path) -> int | None:
    """The number of a segment's first record; None when it holds none. Raises: OperatorError."""
    with open(path, "rb") as file:
        line = file.readline(MAX_LINE_BYTES + 1)
    if not line.endswith(b"\n"):
        return None
    return read_head(line[:-1], path)[0].number


def record_in(line: bytes) -> dict[str, Any]:
    """The fields of a line, unchecked. Raises: ValueError, TypeError."""
    try:
        return dict(json.loads(line))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_head(line: bytes, path: Path) -> tuple[Head, str]:
    """Raises: OperatorError when it is no record."""
    try:
        return standing_at(line)
    except (ValueError, KeyError, TypeError):
        raise OperatorError("its last line is no record", where=str(path), do=MEND) from None


def _months(segment: str) -> int:
    year, number = segment.split("-")
    return int(year) * 12 + int(number)
