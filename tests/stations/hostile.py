"""A device of our own on the stations' port that says whatever the test wants: late, wrong, twice, too much."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pbx_bridge import wire
from pbx_bridge.wire_proof import public_key, sign, station_statement
from tests.stations.rig import DESKTOP, Bridge
from workstation_client.identity import Identity
from workstation_client.link import tls_context


class HostileDevice:
    """Speaks the protocol when told to, and breaks it when told to."""

    def __init__(
        self, bridge: Bridge, identity: Identity, *, run: bytes | None = None, path: str = wire.STATION_PATH
    ) -> None:
        self.bridge, self.identity, self.path = bridge, identity, path
        self.run = run or secrets.token_bytes(16)
        self.reader, self.writer = wire.Reader(wire.Side.BRIDGE), wire.Writer(wire.Side.STATION)
        self.renewed = 0
        self.heard: wire.Heard | None = None

    async def __aenter__(self) -> Self:
        self._dial = connect(
            f"wss://localhost:{self.bridge.server.port}{self.path}",
            ssl=tls_context(self.identity.ca_pem),
            compression=None,
            max_size=2**20,
            proxy=None,
            close_timeout=0.2,
        )
        self.socket: ClientConnection = await self._dial.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.socket.close()

    async def say(self, message: wire.ToBridge) -> None:
        await self.socket.send(self.writer.write(message))

    async def hear(self) -> Any:
        data = await self.socket.recv()
        assert isinstance(data, str)
        return self.reader.read(data)

    async def prove(
        self, *, certificate: bytes | None = None, seed: bytes | None = None, version: int = 1
    ) -> None:
        """Hello, challenge, proof."""
        seed = seed or self.identity.seed
        tls = self.socket.transport.get_extra_info("ssl_object")
        shown = certificate or hashlib.sha256(tls.getpeercert(binary_form=True)).digest()
        key, nonce = public_key(seed), secrets.token_bytes(32)
        await self.say(wire.Hello(version, key, nonce, self.run, "1"))
        challenge = await self.hear()
        if isinstance(challenge, wire.Farewell):
            raise AssertionError(challenge)
        statement = station_statement(
            version=version,
            key=key,
            run=self.run,
            client_nonce=nonce,
            server_nonce=challenge.nonce,
            certificate_sha256=shown,
        )
        await self.say(wire.Proof(sign(seed, statement)))

    async def join(self, *spooled: wire.Spooled, login: str = "eva") -> wire.Welcome:
        await self.prove()
        await self.say(wire.Presence(login, DESKTOP, None, spooled))
        welcome = await self.hear()
        assert isinstance(welcome, wire.Welcome), welcome
        await self.renew()
        await self.renew()
        return welcome

    async def renew(self) -> None:
        await self.say(wire.Renew(self.renewed, time.monotonic_ns(), self.heard))
        while not isinstance(lease := await self.hear(), wire.Lease):
            pass
        self.renewed += 1
        self.heard = wire.Heard(lease.number, time.monotonic_ns())

    async def end(self, *, within_s: float = 10.0) -> wire.Farewell | None:
        """What the bridge says before it ends the link; None when it only hangs up. Raises: TimeoutError."""
        said = None
        async with asyncio.timeout(within_s):
            try:
                while True:
                    message = await self.hear()
                    said = message if isinstance(message, wire.Farewell) else said
            except ConnectionClosed:
                return said
