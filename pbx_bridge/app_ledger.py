"""The ledger as pages read it: each file once, then only what was added, and the lines of one trainee without the others'.

It keeps in memory what the ledger keeps on the disk (P24: thirty days) and nothing longer: a file that went takes its lines
with it. It knows lines; never who may see them.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pbx_bridge.ledger import LINE_LIMIT, Line


class LedgerTail:
    """Of the ledger in `folder`. May be asked from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._read: dict[str, int] = {}
        """File -> up to which byte it is read."""
        self._of: dict[str, dict[str, Line]] = {}
        """Trainee -> call -> its last line, oldest first."""

    def of(self, trainee: str, *, since: date = date.min) -> list[Line]:
        """The last line of each of this trainee's calls, oldest first. Raises: OSError."""
        with self._turn:
            self._continue()
            lines = list(self._of.get(trainee, {}).values())
        first = since.isoformat()
        return [line for line in lines if line.at[:10] >= first]

    def _continue(self) -> None:
        names = sorted(name for name in os.listdir(self._folder) if name.endswith(".jsonl"))
        sizes = {name: os.stat(self._folder / name).st_size for name in names}
        if any(sizes.get(name, -1) < at for name, at in self._read.items()):  # one went, or was cut
            self._read, self._of = {}, {}
        for name in names:
            at = self._read.get(name, 0)
            if sizes[name] > at:
                self._read[name] = at + sum(map(self._take, _whole_lines(self._folder / name, at)))

    def _take(self, raw: bytes) -> int:
        """Its length; a line that is none is passed over."""
        if len(raw) <= LINE_LIMIT:
            try:
                line = Line(**json.loads(raw))
            except (ValueError, TypeError):
                return len(raw)
            calls = self._of.setdefault(line.trainee, {})
            calls.pop(line.call, None)
            calls[line.call] = line
        return len(raw)


def _whole_lines(path: Path, at: int) -> Iterator[bytes]:
    """From byte `at` on, as far as they are ended."""
    with path.open("rb") as file:
        file.seek(at)
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            yield raw
