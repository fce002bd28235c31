"""A network cable between this machine and a network namespace, which can be cut for real: the link goes down.

What runs inside `there` has no other way out, so the kernel, not a closed socket, is what its peers notice. Needs root.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_CLONE_NEWNET = 0x40000000
_LAID = itertools.count()
NEIGHBOUR_MS = 100
"""How often the far end's kernel asks for its neighbour's address (arp(7); 1000 by itself). It asks first when the cable is
cut, so the next question would fall into the very moment a cut of one second ends, and be lost or not by chance."""


@dataclass(frozen=True, slots=True)
class Cable:
    """A veth pair; one end here, the other in a namespace of its own."""

    namespace: str
    here: str
    there: str
    address: str
    """Of the end that is here."""
    far_address: str

    def cut(self, side: str = "bridge's") -> None:
        if side == "bridge's":
            _ip("link", "set", self.here, "down")
        else:
            _ip("-n", self.namespace, "link", "set", self.there, "down")

    def mend(self) -> None:
        _ip("link", "set", self.here, "up")
        _ip("-n", self.namespace, "link", "set", self.there, "up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What this thread starts in the block lives at the far end; nothing may be awaited in it."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        forth = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(forth)
            yield
        finally:
            _enter(back)
            os.close(back)
            os.close(forth)


@contextmanager
def laid() -> Iterator[Cable]:
    """A cable of this process's own."""
    number = os.getpid() * 4 + next(_LAID) % 4
    tag = f"{number % 1_000_000}"
    net = f"10.{93 + number % 100}.{number // 100 % 250}"
    found = Cable(f"pbxb-{tag}", f"pbxh{tag}", f"pbxc{tag}", f"{net}.1", f"{net}.2")
    _ip("netns", "add", found.namespace)
    try:
        _ip("link", "add", found.here, "type", "veth", "peer", "name", found.there, "netns", found.namespace)
        _ip("addr", "add", f"{found.address}/30", "dev", found.here)
        _ip("-n", found.namespace, "addr", "add", f"{found.far_address}/30", "dev", found.there)
        _ip("-n", found.namespace, "link", "set", "lo", "up")
        asked = f"net.ipv4.neigh.{found.there}.retrans_time_ms={NEIGHBOUR_MS}"
        _ip("netns", "exec", found.namespace, "sysctl", "-qw", asked)
        found.mend()
        yield found
    finally:
        _ip("netns", "delete", found.namespace)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
