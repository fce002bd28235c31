"""The keeper's Unix socket: peers by their credentials, JSON lines within limits, one thread per connection.

It knows bytes and user ids; what a request means is the keeper's. A peer that says something malformed loses its
connection and nobody else's. Threads and not a loop, because a peer may hand over open files with a request
(SCM_RIGHTS), so that the keeper needs no right on the archive's folder.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_portal import Refused

log = structlog.get_logger()

MAX_CONNECTIONS: Final = 32
"""The bridge holds two; commands come and go."""
MAX_FILES: Final = 3
"""A recovery hands over the part, the tail and the new file."""
REQUEST_WITHIN_S: Final = 10.0
"""From a request's first byte to its last; between requests a peer may be silent for ever."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Which users of this machine may say what."""

    recorder_uids: frozenset[int]
    administrator_uids: frozenset[int]
    administrator_gids: frozenset[int] = frozenset()
    """By primary group: for machines on which nobody is root, where the recorder's user has another group."""

    def allowed(self, uid: int, gid: int) -> dict[str, type[Any]]:
        """The words this user, with this primary group, may say; none for a stranger."""
        words: dict[str, type[Any]] = {}
        if uid in self.recorder_uids:
            words |= wire.RECORDER
        if uid in self.administrator_uids or gid in self.administrator_gids:
            words |= wire.ADMINISTRATOR
        return words


Handle = Callable[[Any, list[int]], Any]
"""One request and the files that came with it to its answer. The files are closed afterwards. Raises: Refused."""


class KeeperServer:
    """Listens from construction on; `serve` answers until `stop`."""

    def __init__(self, path: Path, peers: Peers, handle: Handle) -> None:
        self._peers, self._handle = peers, handle
        with suppress(FileNotFoundError):
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        # Whoever may reach the folder may connect; who they are is asked of the kernel, not of the file's mode.
        path.chmod(0o666)
        self._socket.listen(MAX_CONNECTIONS)
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def serve(self) -> None:
        """Until `stop` is called from another thread or a signal's handler."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False):
                log.warning("keeper: too many connections", limit=MAX_CONNECTIONS)
                connection.close()
                continue
            threading.Thread(target=self._run, args=(connection,), daemon=True, name="keeper-peer").start()

    def stop(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _run(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._converse(connection)
        except OSError:
            pass  # the peer went away
        except Exception:
            log.exception("keeper: a connection failed")
        finally:
            self._places.release()

    def _converse(self, connection: socket.socket) -> None:
        allowed = self._peers.allowed(*peer(connection))
        if not allowed:
            no = Refused("stranger", "this user of the machine may not speak to the keeper")
            connection.sendall(wire.write_answer(no))
            return
        for line, files in _lines(connection):
            try:
                request = wire.read_request(line, allowed)
                answer: Any = self._handle(request, files)
            except Malformed as error:
                connection.sendall(wire.write_answer(Refused("malformed", f"malformed request: {error}")))
                return
            except Refused as refused:
                answer = refused
            finally:
                for file in files:
                    os.close(file)
            connection.sendall(wire.write_answer(answer))


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end of a Unix socket."""
    return peer(connection)[0]


def peer(connection: socket.socket) -> tuple[int, int]:
    """User and primary group at the other end, as the kernel saw it connect (unix(7), SO_PEERCRED)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, gid = struct.unpack("3i", raw)
    return int(uid), int(gid)


def _lines(connection: socket.socket) -> Iterator[tuple[bytes, list[int]]]:
    """Each whole line and the files that came with it. Raises: Malformed is answered by the caller's way: an oversized
    request ends the connection with the reason."""
    waiting = b""
    files: list[int] = []
    try:
        while True:
            connection.settimeout(REQUEST_WITHIN_S if waiting else None)
            part, came, _, _ = socket.recv_fds(connection, wire.MAX_REQUEST_BYTES, MAX_FILES)
            files += came
            if not part:
                return
            waiting += part
            while b"\n" in waiting:
                line, _, waiting = waiting.partition(b"\n")
                taken, files = files, []
                yield line, taken
            if len(waiting) > wire.MAX_REQUEST_BYTES:
                no = Refused("malformed", f"a request has at most {wire.MAX_REQUEST_BYTES} bytes")
                connection.sendall(wire.write_answer(no))
                return
    finally:
        for file in files:
            os.close(file)
