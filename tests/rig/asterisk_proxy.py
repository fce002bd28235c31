"""A TCP line between the bridge and one of the PBX's ports that can be cut, stalled and cut into single bytes.

It makes the faults of a real network that a real PBX will not produce on demand, and keeps what the PBX said.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Proxy:
    """`async with Proxy(pbx.ports.ami) as proxy:` listens on `proxy.port`."""

    def __init__(self, target: int, *, piece: int = 65536) -> None:
        self._target, self._piece = target, piece
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.refusing = False
        self.connections = 0
        """How many came, refused ones too."""
        self.said = bytearray()
        """All that the PBX sent, on all connections."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        self.cut()
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Resets every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Half-open: connections stay, nothing passes any more, in either direction."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            writer.transport.abort()
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, forth}
        for source, sink, keep in ((reader, forth, False), (back, writer, True)):
            task = asyncio.create_task(self._pump(source, sink, keep))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, keep: bool) -> None:
        try:
            while data := await source.read(65536):
                await self._flowing.wait()
                if keep:
                    self.said += data
                for at in range(0, len(data), self._piece):
                    sink.write(data[at : at + self._piece])
                    await sink.drain()
        except OSError:
            pass
        finally:
            sink.transport.abort()
