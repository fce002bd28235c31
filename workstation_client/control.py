"""The running client's own socket: `workstation-client status`, `notice`, `recordings` ... ask through it.

$XDG_RUNTIME_DIR/pbx-bridge/client.sock, for this user only (0600). One JSON object a line: {"do": word, ...} is answered
by one object with "ok". It carries; what is answered is decided by the one who serves.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import Malformed, read_object

MAX_LINE_BYTES: Final = 256 * 1024
"""A notice or a list of 200 recordings fits; questions are short."""
MAX_CLIENTS: Final = 8
ANSWER_S: Final = 10.0

Handler = Callable[[dict[str, object]], Awaitable[dict[str, object]]]


def runtime_dir() -> Path:
    """A directory of this user's own."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base) / "pbx-bridge" if base else Path(tempfile.gettempdir()) / f"pbx-bridge-{os.geteuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        raise OperatorError("it is not yours alone", where=str(folder), do="Remove it")
    return folder


class NotRunning(OperatorError):
    """Nobody listens on the control socket."""

    def __init__(self) -> None:
        super().__init__(
            "the client does not run",
            do="Start it: workstation-client run (or: autostart install, and log in anew)",
        )


class OneInstance:
    """At most one client for each user of a machine, whoever started it and on whichever display."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "client.lock").open("w")

    def take(self, wait_s: float = 0.0) -> bool:
        """False when another runs, and goes on running for `wait_s`: one of a session just left needs a moment to end."""
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.1)


async def serve(path: Path, handler: Handler) -> asyncio.Server:
    """Listens until the server is closed."""
    clients = 0

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal clients
        clients += 1
        try:
            if clients > MAX_CLIENTS:
                return
            async with asyncio.timeout(ANSWER_S):
                line = await reader.readline()
                try:
                    answer = await handler(read_object(line))
                except (Malformed, OperatorError) as error:
                    answer = {"ok": False, "error": str(error)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            return
        finally:
            clients -= 1
            writer.close()

    _remove(path)
    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(one, path, limit=MAX_LINE_BYTES)
    finally:
        os.umask(before)


def _remove(path: Path) -> None:
    """A socket left by a client that was killed; OneInstance says that none runs."""
    path.unlink(missing_ok=True)


def ask(path: Path, question: Mapping[str, object]) -> dict[str, Any]:
    """Asks the running client. Raises: OperatorError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(ANSWER_S + 1)
            link.connect(str(path))
            link.sendall(json.dumps(dict(question)).encode() + b"\n")
            with link.makefile("rb") as file:
                answer = read_object(file.readline(MAX_LINE_BYTES))
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning from None
    except (OSError, Malformed):
        raise OperatorError("the client does not answer", where=str(path)) from None
    if not answer.get("ok"):
        raise OperatorError(str(answer.get("error", "the client gave no reason")))
    return answer
