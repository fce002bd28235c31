"""The portal on its TLS port, inside the bridge's event loop. It knows sockets and certificates, nothing of the API."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.api import Keeper, PortalSettings, Shelf, make_api

MAX_CONNECTIONS: Final = 128
"""Each may stream one payload; more get 503 at once."""
KEEP_ALIVE_S: Final = 30
STOP_WITHIN_S: Final = 2


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The bridge has the signals: a portal that took them would end the calls' recordings with it."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class Portal:
    """Serves from `start` to `close`."""

    def __init__(self, settings: PortalSettings, keeper: Keeper, shelf: Shelf) -> None:
        """Raises: OperatorError when the certificates cannot be used."""
        self._settings = settings
        try:
            self._config = uvicorn.Config(
                make_api(settings, keeper, shelf).app,
                host=settings.listen_host,
                port=settings.listen_port,
                ssl_certfile=str(settings.cert),
                ssl_keyfile=str(settings.key),
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=STOP_WITHIN_S,
                log_config=None,
                access_log=False,
                server_header=False,
                http="h11",
                ws="none",
                lifespan="off",
            )
            self._config.load()
        except (OSError, ValueError) as error:
            raise OperatorError(
                f"the portal's certificate cannot be used: {error}", where=str(settings.cert)
            ) from None
        assert self._config.ssl is not None
        self._config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        self._server = _Server(self._config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listens; the port. Raises: OperatorError when the address is taken."""
        host, port = self._settings.listen_host, self._settings.listen_port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family)
        except OSError as error:
            what = f"the portal cannot listen: {error.strerror}"
            raise OperatorError(what, where=f"{host}:{port}", do="Set another [portal] listen") from None
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]), name="portal")
        await self._server.up.wait()
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        if self._task is not None:
            self._server.should_exit = True
            await self._task


def make_portal(settings: PortalSettings, keeper: Keeper, shelf: Shelf) -> Portal:
    """The portal, not yet listening. Raises: OperatorError."""
    return Portal(settings, keeper, shelf)
