"""A listening socket that takes so many connections at once and no more, those too that say nothing yet.

Over TLS a connection costs a quarter of a MiB from its first packet on, of memory that is locked (P17; measured: 5,000 of
one peer that never spoke took 1 GB in two seconds), and servers count it only once it has said something whole. A bridge
that runs out of memory records nothing and erases nothing. It knows sockets; nothing of what comes over them.
"""

from __future__ import annotations

import socket
import weakref
from typing import Any


class Listening(socket.socket):
    """Listens from the beginning. A connection more than `most` is closed at once."""

    def __init__(self, host: str, port: int, most: int) -> None:
        """Raises: OSError when the address is taken, or none of this machine's."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__(fileno=socket.create_server((host, port), family=family).detach())
        self._most = most
        self._taken: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises: ConnectionAbortedError when there is no room; an event loop passes over it."""
        connection, address = super().accept()
        if len(self._taken) >= self._most and sum(one.fileno() != -1 for one in self._taken) >= self._most:
            connection.close()
            raise ConnectionAbortedError
        self._taken.add(connection)
        return connection, address
