"""The rig's own hands on a FreeSWITCH's event socket: one command, or one kind of event. None of the bridge's code."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class EventSocket:
    host: str
    port: int
    password: str = field(repr=False)

    async def api(self, command: str) -> str:
        """What fs_cli -x prints. Raises: OSError, EOFError when it is not there, TimeoutError, PermissionError."""
        async with self._connected() as (reader, writer):
            writer.write(f"api {command}\n\n".encode())
            return (await _message(reader))[1]

    async def execute(self, leg: str, application: str, arguments: str) -> None:
        """A dialplan application on a leg that is up. Raises: as `api`."""
        async with self._connected() as (reader, writer):
            command = (
                f"execute\nexecute-app-name: {application}\nexecute-app-arg: {arguments}\nevent-lock: true"
            )
            writer.write(f"sendmsg {leg}\ncall-command: {command}\n\n".encode())
            await _message(reader)

    def events(self, kind: str, heard: Callable[[str], None]) -> AbstractAsyncContextManager[None]:
        """While the block runs, `heard` gets each event of this kind in the plain format."""
        return self._listening(f"event plain {kind}", heard)

    def log(self, level: str, heard: Callable[[str], None]) -> AbstractAsyncContextManager[None]:
        """While the block runs, `heard` gets each line of the log up to this level."""
        return self._listening(f"log {level}", heard)

    @contextlib.asynccontextmanager
    async def _listening(self, command: str, heard: Callable[[str], None]) -> AsyncIterator[None]:
        async with self._connected() as (reader, writer):
            writer.write(f"{command}\n\n".encode())
            await _message(reader)

            async def listen() -> None:
                with contextlib.suppress(EOFError, OSError):
                    while True:
                        heard((await _message(reader, None))[1])

            listening = asyncio.create_task(listen())
            try:
                yield
            finally:
                listening.cancel()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            await _message(reader)
            writer.write(f"auth {self.password}\n\n".encode())
            if "+OK" not in (await _message(reader))[0]:
                raise PermissionError("FreeSWITCH refuses the password of its event socket")
            yield reader, writer
        finally:
            writer.close()


async def _message(reader: asyncio.StreamReader, within_s: float | None = DEADLINE_S) -> tuple[str, str]:
    """Headers and body."""
    async with asyncio.timeout(within_s):
        head = (await reader.readuntil(b"\n\n")).decode(errors="replace")
        found = re.search(r"^Content-Length: (\d+)", head, re.M)
        body = await reader.readexactly(int(found.group(1))) if found else b""
        return head, body.decode(errors="replace")
