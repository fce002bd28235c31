"""Named pipes FreeSWITCH writes voices into: a folder of them, nothing on a disk (P17).

It knows files and bytes; it never knows what they say, nor when a recording begins or fails. A pipe is named after the
leg and a number of its own, so that a bridge that starts again can end what the one before left running.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pbx_bridge.ids import ChannelId

READ_AT_ONCE = 64 * 1024
"""What a pipe holds (pipe(7)): two seconds of two voices."""
MODE = 0o620
"""The bridge reads and FreeSWITCH's group writes, which the folder hands on (app_pipes.py)."""
_NAME = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.:@-]{0,63})\.[0-9a-f]{16}\.raw\Z")
"""`raw`: s16le without a head, the only form FreeSWITCH writes whole into a pipe."""


@dataclass(frozen=True, slots=True)
class Left:
    """A recording an earlier run, or a lost link, may have left running."""

    leg: ChannelId
    path: str


class Pipes:
    """The folder. Raises: OSError from each of its methods."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clear(self) -> list[Left]:
        """P17: takes away what a bridge that crashed left there; says which recordings still write into it."""
        found = []
        for path in sorted(self._folder.iterdir()):
            if named := _NAME.match(path.name):
                path.unlink(missing_ok=True)
                found.append(Left(ChannelId(named.group(1)), str(path)))
        return found

    def is_own(self, path: str) -> bool:
        """A pipe of this folder, one that is gone already too."""
        folder, _, name = path.rpartition("/")
        return folder == str(self._folder) and _NAME.match(name) is not None

    def make(self, leg: ChannelId) -> Pipe:
        """Raises: ValueError too, for a leg whose name is none of a file."""
        path = self._folder / f"{leg}.{secrets.token_hex(8)}.raw"
        if _NAME.match(path.name) is None or path.parent != self._folder:
            raise ValueError("a leg's id cannot name a pipe")
        return Pipe(path)


class Pipe:
    """One recording's. The reader is there before FreeSWITCH is told: it would wait for one."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._open: int | None = None
        os.mkfifo(path, MODE)
        try:
            os.chmod(path, MODE)  # whatever the umask
            self._open = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            os.unlink(path)
            raise

    def read(self, on_bytes: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        """From now on, in this event loop. `on_end` once, when FreeSWITCH closed its end; not after `close`."""
        reader, loop = self._open, asyncio.get_running_loop()
        assert reader is not None

        def came() -> None:
            if self._open is None:
                return
            try:
                data = os.read(reader, READ_AT_ONCE)
            except BlockingIOError:
                return
            if data:
                on_bytes(data)
            else:
                loop.remove_reader(reader)
                on_end()

        loop.add_reader(reader, came)

    def close(self) -> None:
        """Harmless twice. The name goes first: nobody opens it any more."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        reader, self._open = self._open, None
        if reader is not None:
            asyncio.get_running_loop().remove_reader(reader)
            os.close(reader)
