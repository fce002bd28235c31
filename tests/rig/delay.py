"""A way to a server that takes longer: every byte arrives so many milliseconds later, in both directions.

    python -m tests.rig.delay TO_PORT MILLISECONDS

It listens on a free port of loopback and prints it. A new connection pays for its handshake too, as on a real line: its
first bytes are late by one round trip more.
"""

from __future__ import annotations

import asyncio
import sys

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
                return
            writer.write(block)
            await writer.drain()

    late = late_s + first_s
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(deliver())
            while block := await reader.read(BLOCK):
                await way.put((loop.time() + late, block))
                late = late_s
            await way.put((loop.time() + late_s, b""))
    except* OSError:
        pass  # one of the ends has gone


async def serve(to_port: int, late_s: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one end has hung up: then so does the other."""
        there, back = await asyncio.open_connection("127.0.0.1", to_port, limit=BLOCK)
        ways = [
            asyncio.create_task(carry(reader, back, late_s, 2 * late_s)),
            asyncio.create_task(carry(there, writer, late_s, 0.0)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for one in ways:
            one.cancel()
        writer.close()
        back.close()
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=BLOCK)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1_000))
