"""A TCP connection as soon as the network carries one: several attempts at once, the first that stands is kept.

A lost first packet is sent again only after a second, then after two (RFC 6298, section 2; a socket has no option to ask
for less), while a lease lasts two. So an attempt that does not answer gets company instead, and each of the name's
addresses its turn. None begins where the network cannot carry it (carrier.py): the kernel would wait a second after that.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from typing import Any, Final

from workstation_client.carrier import has_carrier

ATTEMPTS: Final = 4
"""Or as many as the name has addresses."""
CARRIER_S: Final = 3.0
"""So long a carrier is waited for; then the attempt is made all the same: a driver may not tell the truth."""
_LOOK_S: Final = 0.03
"""Between two looks for a carrier."""
_SETTLE_S: Final = 0.05
"""From the carrier's return to the first packet: the cable's other end may be a moment later (some 10 ms measured)."""


async def dial(host: str, port: int, within_s: float) -> socket.socket:
    """A connected socket; the attempts begin spread over `within_s`, or as soon as one fails.

    Raises: OSError once each address has failed; TimeoutError, one of them, when none is answered in time.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    count = max(ATTEMPTS, len(found))
    turns = itertools.islice(itertools.cycle(found), count)
    stands: list[socket.socket] = []
    failed: list[BaseException] = []
    waiting: set[asyncio.Task[None]] = set()
    try:
        async with asyncio.timeout(within_s):
            while not stands and len(failed) < len(found):
                step_s = None
                if (turn := next(turns, None)) is not None:
                    waiting.add(asyncio.create_task(_attempt(turn[0], turn[4], stands)))
                    step_s = within_s / count
                done, waiting = await asyncio.wait(
                    waiting, timeout=step_s, return_when=asyncio.FIRST_COMPLETED
                )
                failed += [error for one in done if (error := one.exception()) is not None]
        if not stands:
            raise failed[-1]
        return stands.pop(0)
    except TimeoutError:
        raise TimeoutError(f"no answer within {within_s:g} s") from None
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for surplus in stands:
            surplus.close()


async def _attempt(family: socket.AddressFamily, address: Any, stands: list[socket.socket]) -> None:
    """Adds its socket to those that stand. Raises: OSError."""
    if not has_carrier(family, address):
        await _carrier(family, address)
        await asyncio.sleep(_SETTLE_S)
    tried = socket.socket(family, socket.SOCK_STREAM)
    tried.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(tried, address)
    except BaseException:
        tried.close()
        raise
    stands.append(tried)


async def _carrier(family: socket.AddressFamily, address: Any) -> None:
    ends_s = time.monotonic() + CARRIER_S
    while not has_carrier(family, address) and time.monotonic() < ends_s:  # noqa: ASYNC110 (only netlink would tell)
        await asyncio.sleep(_LOOK_S)
