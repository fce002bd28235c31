"""What the bridge itself remembers, apart from the keeper: what it had destroyed of late, and when it last ran.

A keeper restored from a backup remembers neither. It knows ids, closed words and times; files in `state_dir/retention`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pbx_bridge.archive.retention_wire import End
from pbx_bridge.archive.rules import BACKUP_DAYS, DAY_S
from pbx_bridge.durable import write_whole
from pbx_bridge.wire_json import Malformed, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_portal import UNIX

REMEMBERED_S: Final = (BACKUP_DAYS + 1) * DAY_S
"""As long as a keeper from a backup may be believed, and a day."""


@dataclass(frozen=True, slots=True)
class _Seen:
    at: Annotated[int, UNIX]


class Witness:
    def __init__(self, folder: Path) -> None:
        self._ended, self._seen = folder / "destroyed.jsonl", folder / "seen.json"

    def learn(self, ended: Iterable[End], now: int) -> None:
        """Notes what it did not know yet. Raises: OSError."""
        known = {one.recording for one in self.recent(now)}
        for one in ended:
            if one.recording not in known:
                self.note(one)

    def note(self, ended: End) -> None:
        """On the disk when it returns. Raises: OSError."""
        handle = os.open(self._ended, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, canonical(write_fields(ended)) + b"\n")
            os.fsync(handle)
            owner = self._ended.parent.stat()
            if os.geteuid() == 0:  # a command of root's: the bridge's user must write on
                os.fchown(handle, owner.st_uid, owner.st_gid)
        finally:
            os.close(handle)

    def recent(self, now: int) -> list[End]:
        """What was destroyed within REMEMBERED_S; older lines, and ones torn by a crash, are dropped. Raises: OSError."""
        found = []
        lines = self._ended.read_bytes().splitlines() if self._ended.exists() else []
        for line in lines:
            try:
                ended = read_fields(End, read_object(line))
            except Malformed:
                continue
            if ended.at > now - REMEMBERED_S:
                found.append(ended)
        if len(found) < len(lines):
            write_whole(self._ended, b"".join(canonical(write_fields(one)) + b"\n" for one in found))
        return found

    def seen_at(self) -> int:
        """When the bridge last ran, Unix seconds by the keeper's believed time; 0 when it never did, or cannot say."""
        try:
            return read_fields(_Seen, read_object(self._seen.read_bytes())).at
        except (FileNotFoundError, Malformed):
            return 0

    def saw(self, at: int) -> None:
        """Raises: OSError."""
        write_whole(self._seen, canonical(write_fields(_Seen(at))))
