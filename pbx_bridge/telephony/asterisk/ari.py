"""The four ARI requests a tap needs, and the events websocket that must stay connected for them.

A snoop channel lives in a Stasis application, and an application exists only as long as its websocket: this keeps one
connected. It knows HTTP and channel ids; what a tap is for it does not know. Source: docs.asterisk.org, "Channels REST
API".
"""

from __future__ import annotations

import asyncio
import base64
import json
from types import TracebackType
from typing import Literal, Self

import aiohttp
import structlog

from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.settings import AriSettings

log = structlog.get_logger()

REQUEST_DEADLINE_S = 2.0
"""They take 4 ms; a PBX that needs two seconds cannot be tapped in time."""
HEARTBEAT_S = 5.0
EVENT_LIMIT = 64 * 1024
"""An event of one channel is below 2 KiB."""
RETRY_FIRST_S, RETRY_LAST_S = 0.25, 2.0


class AriRefused(Exception):
    """ARI answered with an error, or not at all."""

    def __init__(self, what: str, status: int, why: str) -> None:
        super().__init__(what, status, why)
        self.what, self.status, self.why = what, status, why

    def __str__(self) -> str:
        return f"ARI could not {self.what}: {self.why}"


class Ari:
    """`async with Ari(settings, application) as ari:` keeps the application registered."""

    def __init__(self, settings: AriSettings, application: str) -> None:
        self._settings, self.application = settings, application
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._entered: dict[str, asyncio.Future[None]] = {}
        self._told = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        login = f"{self._settings.user}:{self._settings.password}"
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_DEADLINE_S),
            trust_env=False,
        )
        self._task = asyncio.create_task(self._keep_events(), name="ari-events")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @property
    def is_up(self) -> bool:
        return self._connected.is_set()

    async def until_up(self) -> None:
        await self._connected.wait()

    # ------------------------------------------------------------ requests

    async def snoop(self, channel: ChannelId, snoop: str, spy: Literal["in", "out"]) -> None:
        """Makes channel `snoop`, which hears what comes from (`in`) or goes to (`out`) `channel`, and waits until it is
        ours.

        Raises: AriRefused.
        """
        if not self.is_up:
            raise AriRefused("tap a channel", 0, "its events websocket is not connected")
        entered = asyncio.get_running_loop().create_future()
        self._entered[snoop] = entered
        try:
            await self._request(
                "POST",
                f"/channels/{channel}/snoop/{snoop}",
                "tap a channel",
                {"app": self.application, "spy": spy},
            )
            # wait_for of Python 3.11 may swallow a cancellation (CPython issue 86296)
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                await entered
        except TimeoutError:
            raise AriRefused("tap a channel", 0, "the snoop channel never entered its application") from None
        finally:
            del self._entered[snoop]

    async def go_on(self, snoop: str, context: str, extension: str) -> None:
        """Sends a channel of ours into the dialplan. Raises: AriRefused."""
        where = {"context": context, "extension": extension, "priority": "1"}
        await self._request("POST", f"/channels/{snoop}/continue", "send a tap into the dialplan", where)

    async def hang_up(self, snoop: str) -> None:
        """Ends a channel of ours; one that is already gone is fine. Raises: AriRefused."""
        try:
            await self._request("DELETE", f"/channels/{snoop}", "end a tap", {})
        except AriRefused as refused:
            if refused.status != 404:
                raise

    async def _request(self, method: str, path: str, what: str, query: dict[str, str]) -> None:
        if self._session is None:
            raise AriRefused(what, 0, "it was not started")
        try:
            async with self._session.request(method, self._settings.base + path, params=query) as answer:
                if answer.status >= 400:
                    raise AriRefused(what, answer.status, f"HTTP {answer.status}")
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise AriRefused(what, 0, type(fault).__name__) from None

    # ------------------------------------------------------------ the events websocket

    async def _keep_events(self) -> None:
        pause_s = RETRY_FIRST_S
        while True:
            try:
                await self._events()
                pause_s, why = RETRY_FIRST_S, "Asterisk closed it"
            except aiohttp.WSServerHandshakeError as refused:
                why = f"HTTP {refused.status}"
                if refused.status == 401:
                    why += ": compare the ARI user's name and password with ari.conf"
                pause_s = min(pause_s * 2, RETRY_LAST_S)
            except (aiohttp.ClientError, OSError, TimeoutError) as fault:
                why, pause_s = type(fault).__name__, min(pause_s * 2, RETRY_LAST_S)
            self._connected.clear()
            if why != self._told:
                log.error("ari events are not connected", why=why)
                self._told = why
            await asyncio.sleep(pause_s)

    async def _events(self) -> None:
        assert self._session is not None
        query = {"app": self.application, "subscribeAll": "false"}
        url = self._settings.base + "/events"
        async with self._session.ws_connect(
            url, params=query, heartbeat=HEARTBEAT_S, max_msg_size=EVENT_LIMIT
        ) as events:
            self._connected.set()
            self._told = ""
            async for message in events:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._on_event(message.data)

    def _on_event(self, text: str) -> None:
        try:
            event = json.loads(text)
            if event["type"] == "StasisStart":
                entered = self._entered.get(event["channel"]["id"])
                if entered is not None and not entered.done():
                    entered.set_result(None)
        except (ValueError, KeyError, TypeError):
            log.warning("an ARI event could not be read")
