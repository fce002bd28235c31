"""A way to a server that takes longer: every byte arrives so many milliseconds later, in both directions.

    python -m tests.rig.delay TO_PORT MILLISECONDS

It listens on a free port of loopback and prints it. A new connection pays for its handshake too, as on a real line: its
first bytes are late by one round trip more.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

BLOCK = 256 * 1024


async def carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late_s: float, first_s: float
) -> None:
    """From one end to the other, each block so late; what comes meanwhile is read at once."""
    loop = asyncio.get_running_loop()
    way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)

    async def deliver() -> None:
        while True:
            due, block = await way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not block:
                writer.close()
                return
            writer.write(block)
            await writer.drain()

    delivering = loop.create_task(deliver())
    late = late_s + first_s
    with suppress(OSError):
        while block := await reader.read(BLOCK):
            await way.put((loop.time() + late, block))
            late = late_s
    await way.put((loop.time() + late_s, b""))
    with suppress(OSError):
        await delivering


async def serve(to_port: int, late_s: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", to_port, limit=BLOCK)
        await asyncio.gather(carry(reader, back, late_s, 2 * late_s), carry(there, writer, late_s, 0.0))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=BLOCK)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1_000))
