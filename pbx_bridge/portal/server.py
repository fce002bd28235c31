"""The portal on its TLS port, inside the bridge's event loop. It knows sockets and certificates, nothing of the API."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from uvicorn.protocols.http.h11_impl import H11Protocol

from pbx_bridge.errors import OperatorError
from pbx_bridge.listening import Listening
from pbx_bridge.portal import guard
from pbx_bridge.portal.api import Api, Keeper, PortalSettings, make_api
from pbx_bridge.portal.desks import Book, Proposed, no_slots
from pbx_bridge.portal.given import Chosen
from pbx_bridge.portal.guard import kind_of
from pbx_bridge.portal.payload import Shelf
from pbx_bridge.portal.payment import NO_PAYMENTS, Payments
from pbx_bridge.portal.rights import NOTHING_BEHIND, Behind
from pbx_bridge.portal.tokens import NO_TOKENS, Tokens
from pbx_bridge.portal.web.site import Served, Site, serve

log = structlog.get_logger()

MAX_CONNECTIONS: Final = 1_500
"""A browser keeps up to six: 200 viewers at once and some. More get 503 at once."""
MAX_BEGINNING: Final = 100
"""More than that is closed as it comes, without an answer: uvicorn counts none before its first whole request."""
HEAD_WITHIN_S: Final = 20.0
"""From connecting, or from an answer, to the end of the next request's head. A client whose kept connection was closed
connects anew by itself."""
STOP_WITHIN_S: Final = 2
_PROGRAMS: Final = "/api/"
"""What is asked below it is asked by a program, which reads no page."""


class _Http(H11Protocol):
    """A connection that holds a place without a whole request's head is closed."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_WITHIN_S, self.transport.close)
        elif not waiting and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


_ENDING: Final = "graceful shutdown"


class _Faults(logging.Handler):
    """What uvicorn says of our own answers. What peers send wrong is no news: anybody could fill the log with it."""

    def emit(self, record: logging.LogRecord) -> None:
        if _ENDING in record.msg and record.args == (0,):
            return  # people's idle connections, at the portal's end
        error = record.exc_info[1] if record.exc_info else None
        log.error("portal: an answer broke off", **(kind_of(error) if error is not None else {}))


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


def _app(api: Api, pages: Served | None) -> Starlette:
    """The API, and the pages where the site has them."""

    async def missing(request: Request, error: Exception) -> Response:
        if pages is None or request.scope["path"].startswith(_PROGRAMS):
            return guard.missing()
        return await pages.missing(request, error)

    async def not_allowed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if pages is not None and not request.scope["path"].startswith(_PROGRAMS):
            return await pages.missing(request, error)
        found = [route for route in api.routes if route.matches(request.scope)[0] is not Match.NONE]
        return guard.not_allowed(", ".join(sorted({one for route in found for one in route.methods or ()})))

    routes = api.routes if pages is None else [*api.routes, *pages.routes]
    app = Starlette(routes=routes, exception_handlers={404: missing, 405: not_allowed})
    app.router.redirect_slashes = False  # it would send people on to whatever host a request named
    return app


class Portal:
    """Serves from `start` to `close`."""

    def __init__(
        self,
        settings: PortalSettings,
        keeper: Keeper,
        shelf: Shelf,
        proposed: Proposed = lambda: (),
        tokens: Tokens = NO_TOKENS,
        payments: Payments = NO_PAYMENTS,
        book: Book = no_slots,
        behind: Behind = NOTHING_BEHIND,
        site: Site | None = None,
    ) -> None:
        """Raises: OperatorError when the certificates cannot be used."""
        self._settings = settings
        try:
            api = self._api = make_api(settings, keeper, shelf, proposed, tokens, payments, book, behind)
            pages = serve(site, keeper, api) if site is not None else None
            self._config = uvicorn.Config(
                _app(api, pages),
                host=settings.listen_host,
                port=settings.listen_port,
                ssl_certfile=str(settings.cert),
                ssl_keyfile=str(settings.key),
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=int(HEAD_WITHIN_S),
                timeout_graceful_shutdown=STOP_WITHIN_S,
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,  # who asks is who connects: nothing a request says changes it
                http=_Http,
                ws="none",
                lifespan="off",
            )
            self._config.load()
        except (OSError, ValueError) as error:
            raise OperatorError(
                f"the portal's certificate cannot be used: {error}", where=str(settings.cert)
            ) from None
        said = logging.getLogger("uvicorn.error")
        said.handlers, said.propagate = [_Faults()], False
        assert self._config.ssl is not None
        self._config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        if settings.given is not None:
            self._config.ssl.sni_callback = Chosen(settings.given, settings.names).choose
        self._server = _Server(self._config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listens; the port. Raises: OperatorError when the address is taken."""
        host, port = self._settings.listen_host, self._settings.listen_port
        try:
            listening = Listening(host, port, MAX_CONNECTIONS + MAX_BEGINNING)
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
        await self._api.viewings.close()


def make_portal(
    settings: PortalSettings,
    keeper: Keeper,
    shelf: Shelf,
    proposed: Proposed = lambda: (),
    tokens: Tokens = NO_TOKENS,
    payments: Payments = NO_PAYMENTS,
    book: Book = no_slots,
    behind: Behind = NOTHING_BEHIND,
    site: Site | None = None,
) -> Portal:
    """The portal, not yet listening. Raises: OperatorError."""
    return Portal(settings, keeper, shelf, proposed, tokens, payments, book, behind, site)
