"""Where the PBX delivers the voices: a small AudioSocket server on the loopback.

It knows ids it was told to expect and hands their samples on; a stranger is closed without being read. It never knows
whose voice it is, and it writes nothing anywhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from pbx_bridge.errors import PeerError
from pbx_bridge.telephony.asterisk.audiosocket import Audio, AudioSocketFraming, HungUp, Named

log = structlog.get_logger()

CONNECTIONS_LIMIT = 256
"""Two for each recorded call: more calls at once than P15 lets a site review."""
NAME_DEADLINE_S = 1.0
"""Asterisk sends the id with the first segment."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What to do with one tap's samples: (pcm, rate, arrived_ns), and when its connection ends."""

    on_audio: Callable[[bytes, int, int], None]
    on_end: Callable[[], None]


class AudioServer:
    """`start()`, `expect(id, ...)` before the PBX is told to send, `forget(id)` after."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._expected: dict[UUID, Expected] = {}
        self._connections: dict[UUID, _Connection] = {}
        self._open = 0

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        for connection in list(self._connections.values()):
            connection.end()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def address(self) -> str:
        """host:port, as the dialplan's PBXB_TAP wants it."""
        return f"{self._host}:{self._port}"

    def expect(self, tap: UUID, expected: Expected) -> None:
        self._expected[tap] = expected

    def forget(self, tap: UUID) -> None:
        """Nothing of this tap is wanted any more: its connection is closed, which ends the PBX's channel."""
        self._expected.pop(tap, None)
        if connection := self._connections.pop(tap, None):
            connection.end()

    # ------------------------------------------------------------ for the connections

    def admit(self) -> bool:
        self._open += 1
        return self._open <= CONNECTIONS_LIMIT

    def gone(self) -> None:
        self._open -= 1

    def claim(self, tap: UUID, connection: _Connection) -> Expected:
        """Raises: PeerError for an id nobody waits for, or one that is already connected."""
        if tap not in self._expected or tap in self._connections:
            raise PeerError("an AudioSocket connection with an id nobody waits for")
        self._connections[tap] = connection
        return self._expected[tap]

    def unclaim(self, tap: UUID) -> None:
        self._connections.pop(tap, None)


class _Connection(asyncio.Protocol):
    def __init__(self, server: AudioServer) -> None:
        self._server, self._framing = server, AudioSocketFraming()
        self._expected: Expected | None = None
        self._id: UUID | None = None
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._server.admit():
            log.warning("too many AudioSocket connections", limit=CONNECTIONS_LIMIT)
            transport.abort()
            return
        self._deadline = asyncio.get_running_loop().call_later(NAME_DEADLINE_S, self.end)

    def data_received(self, data: bytes) -> None:
        arrived_ns = time.monotonic_ns()
        try:
            for frame in self._framing.feed(data):
                match frame:
                    case Named():
                        self._expected = self._server.claim(frame.id, self)
                        self._id = frame.id
                        self._stop_deadline()
                    case Audio() if self._expected is not None:
                        self._expected.on_audio(frame.pcm, frame.rate, arrived_ns)
                    case HungUp():
                        self.end()
                        return
        except PeerError as broken:
            log.warning("audio connection refused", why=str(broken))
            self.end()
        except Exception:
            log.exception("the voices' consumer failed")
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.gone()
        self._stop_deadline()
        if self._id is not None:
            self._server.unclaim(self._id)
        if self._expected is not None:
            expected, self._expected = self._expected, None
            expected.on_end()

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
