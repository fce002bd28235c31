"""The auditor's command: audit-log (P19).

What comes is verified here, against the log's own signatures and against what this machine saw before: a bridge that was
set back, or whose log was begun anew, is found at the next visit. It knows records and files; it decides nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from pbx_bridge.access.audit_chain import AuditBroken, Walk
from pbx_bridge.access.checkpoint import (
    EMPTY,
    Checkpoint,
    Head,
    NoteError,
    is_true_note,
    parse_notes,
    parse_verifier_key,
    verifier_key,
)
from pbx_bridge.errors import OperatorError
from pbx_bridge.trainer.arguments import Add
from pbx_bridge.trainer.bridge import Bridge

Visit: TypeAlias = Callable[[argparse.Namespace], Bridge]
KEY: Final = ".key"
"""Beside the copy: the log's verifier key, as this machine saw it first."""


def add_commands(add: Add, visit: Visit) -> None:
    """Adds the command."""
    reading = add(
        "audit-log",
        lambda arguments: _read(arguments, visit),
        "The auditor: copy the log of all accesses, continue an earlier copy, and verify all of it.",
        "pbx-bridge audit-log --to accesses.jsonl",
    )
    reading.add_argument("--to", metavar="FILE", required=True, help="the copy; run again to continue it")
    reading.add_argument("--show", action="store_true", help="print the records that came")
    reading.add_argument(
        "--json", action="store_true", help="print the records that came, one JSON object per line"
    )


def _read(arguments: argparse.Namespace, visit: Visit) -> int:
    to = Path(arguments.to)
    with visit(arguments) as bridge:
        first, walk = _Copy(to).open(bridge)
        came = 0
        for record in walk:
            came += 1
            if arguments.json:
                print(json.dumps(record, ensure_ascii=False))
            elif arguments.show:
                print(_shown(record))
        print(f"whole: {came} records came, {first.number} in all: {to}", file=sys.stderr)
    return 0


class _Copy:
    """The copy on this machine, and the key of the log it is of."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, path.with_name(path.name + KEY)

    def open(self, bridge: Bridge) -> tuple[Checkpoint, Iterator[dict[str, Any]]]:
        """The newest checkpoint there is now, and the records up to it that this machine did not have; each is verified
        and written as it is taken. Raises: AuditBroken, OperatorError."""
        lines = self._own_lines()
        known = 0 if not lines else int(json.loads(lines[-1])["n"])
        page = bridge.audit(known)
        try:
            public = parse_verifier_key(page.key)
            (newest,) = parse_notes(page.checkpoint)
        except (NoteError, ValueError):
            raise AuditBroken(known + 1, "the bridge shows no checkpoint") from None
        if not is_true_note(public, newest):
            raise AuditBroken(newest.number, "its checkpoint is not signed")
        self._same_key(public)
        walk = self._walked(public, lines)
        if newest.number < known:
            raise AuditBroken(
                newest.number + 1, f"it is missing: this machine has {known}; the log was cut or rolled back"
            )
        return newest, self._taken(bridge, page.lines, walk, newest)

    def _own_lines(self) -> list[bytes]:
        if not self._path.exists():
            return []
        with open(self._path, "rb") as file:
            return file.read().splitlines(keepends=True)

    def _walked(self, public: bytes, lines: list[bytes]) -> Walk:
        """Along the copy that is here."""
        start = EMPTY
        if lines:
            first = json.loads(lines[0])
            if first["n"] > 1:
                start = Head(first["n"] - 1, "", first["prev"])
        walk = Walk(public, start)
        try:
            for line in lines:
                walk.take(line)
        except AuditBroken as broken:
            raise OperatorError(
                f"this copy is damaged: {broken}",
                where=str(self._path),
                do="Copy the log anew, with another --to",
            ) from None
        return walk

    def _taken(self, bridge: Bridge, came: str, walk: Walk, newest: Checkpoint) -> Iterator[dict[str, Any]]:
        begun = walk.head.number > 0
        with open(self._path, "ab", opener=_private) as file:
            while walk.head.number < newest.number:
                lines = b64decode(came).splitlines(keepends=True)
                if not lines:
                    raise AuditBroken(walk.head.number + 1, "it is missing: the bridge does not send it")
                for line in lines:
                    if not begun:
                        walk, begun = _begun(walk, line), True
                    record = walk.take(line)
                    file.write(line)
                    yield record
                    if walk.head.number == newest.number:
                        break
                came = bridge.audit(walk.head.number).lines if walk.head.number < newest.number else ""
            if walk.head.number and not walk.is_signed():
                raise AuditBroken(
                    walk.head.number, "it is not signed by the keeper: it, and perhaps others, were replaced"
                )
            if walk.head.number == newest.number and newest.number and walk.head.digest != newest.digest:
                raise AuditBroken(
                    newest.number, "it is not the one this machine has: the log was rolled back"
                )

    def _same_key(self, public: bytes) -> None:
        line = f"{verifier_key(public)}\n"
        if not self._seen.exists():
            with open(self._seen, "w", encoding="ascii", opener=_private) as file:
                file.write(line)
        elif self._seen.read_text("ascii") != line:
            raise AuditBroken(1, "the log has another key than when this copy began: it was begun anew")


def _begun(walk: Walk, line: bytes) -> Walk:
    """From the oldest record the bridge still has: earlier ones were let go after twelve months."""
    record = json.loads(line)
    if record["n"] == 1:
        return walk
    return Walk(walk.public, Head(record["n"] - 1, "", record["prev"]))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _shown(record: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(record["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    words = (record["who"], record["act"], record["outcome"], record["reason"], record["person"])
    told = " ".join(word for word in words if word)
    return "  ".join(part for part in (at, told, record["recording"], record["session"]) if part)
