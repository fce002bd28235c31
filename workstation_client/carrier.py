"""Whether a cable or a radio cell is there at all, on the way to an address.

A packet sent into an interface without a carrier begins the search for the neighbour's address (ARP, NDP), and the kernel
asks for that again only after a second, whatever is sent meanwhile (arp(7), `retrans_time_ms`): a connection tried too
early costs the lease. Linux only; where it cannot be known, the answer is yes.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path
from typing import Any, Final

NET: Final = Path("/sys/class/net")
"""Linux, Documentation/ABI/testing/sysfs-class-net: `operstate`, RFC 2863's. `carrier` turns to 1 up to a second before
packets pass again (measured on a busy machine): the kernel brings its queue up later."""
PASSES: Final = ("up", "unknown")
"""Unknown is what a loopback or a tunnel says."""
_SIOCGIFADDR: Final = 0x8915
"""netdevice(7)."""


def has_carrier(family: int, address: Any) -> bool:
    """False when the interface that packets for this socket address leave by has none now. Sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)
            name = _interface(probe)
            return name is None or (NET / name / "operstate").read_text().strip() in PASSES
        except OSError:  # no way there, or an interface that is down: the connection itself says it best
            return True


def _interface(probe: socket.socket) -> str | None:
    """The name of the interface whose address the socket was given."""
    mine = probe.getsockname()
    if probe.family == socket.AF_INET6:
        wanted = socket.inet_pton(socket.AF_INET6, mine[0].partition("%")[0]).hex()
        lines = [line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines()]
        return next((line[-1] for line in lines if line[0] == wanted), None)
    return next((name for _, name in socket.if_nameindex() if _ipv4(probe, name) == mine[0]), None)


def _ipv4(probe: socket.socket, name: str) -> str | None:
    """The first address of the interface."""
    try:
        found = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()))
    except OSError:  # it has none
        return None
    return socket.inet_ntoa(found[20:24])
