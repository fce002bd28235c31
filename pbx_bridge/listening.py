"""A listening socket that takes so many connections at once and no more, those too that say nothing yet, and leaves room
beside any one peer.

Over TLS a connection costs a quarter of a MiB from its first packet on, of memory that is locked (P17; measured: 5,000 of
one peer that never spoke took 1 GB in two seconds), and servers count it only once it has said something whole. A bridge
that runs out of memory records nothing and erases nothing. It knows sockets; nothing of what comes over them.
"""

from __future__ import annotations

import ipaddress
import socket
import weakref
from typing import Any

ONE_PEER = 0.75
"""The part of all places that one peer (`network`) may hold: a terminal server's desktops are one; and who holds them
for a minute each without a word locks nobody else out."""


def network(address: str) -> str:
    """What counts as one asker: an IPv4 address, or an IPv6 network of 64 bits, which is what one machine has."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


class Listening(socket.socket):
    """Listens from the beginning. One connection more than `most`, or than ONE_PEER of them from one peer, is closed."""

    def __init__(self, host: str, port: int, most: int) -> None:
        """Raises: OSError when the address is taken, or none of this machine's."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__(fileno=socket.create_server((host, port), family=family).detach())
        self._most = most
        self._taken: weakref.WeakKeyDictionary[socket.socket, str] = weakref.WeakKeyDictionary()
        """Every connection's other end, as `network` says."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises: ConnectionAbortedError when there is no room; an event loop passes over it."""
        connection, address = super().accept()
        peer = network(str(address[0]))
        if not self._has_room_for(peer):
            connection.close()
            raise ConnectionAbortedError
        self._taken[connection] = peer
        return connection, address

    def _has_room_for(self, peer: str) -> bool:
        if len(self._taken) < self._most * ONE_PEER:
            return True
        held = [whose for connection, whose in self._taken.items() if connection.fileno() != -1]
        return len(held) < self._most and held.count(peer) < self._most * ONE_PEER
