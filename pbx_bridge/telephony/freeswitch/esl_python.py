"""The second driver: FreeSWITCH's own C client, python-ESL, in a thread of its own.

The client blocks, says why a login failed to nobody, and knows no limit and no deadline; so it is kept behind the same
promises as the asyncio driver: that one logs in first, for its deadlines and its sentences; the thread waits for bytes
and for commands at once; whoever gives up shuts the socket down, which ends every wait in the client. What the client
parsed is handed over as it parsed it. The module imports without python-ESL; connecting needs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from pbx_bridge.errors import OperatorError
from pbx_bridge.telephony.freeswitch.esl_codec import UNDEFINED, EslEvent
from pbx_bridge.telephony.freeswitch.esl_connection import (
    CONNECT_DEADLINE_S,
    WAITING_LIMIT,
    Ears,
    EslConnection,
    accepted,
    connect_asyncio,
    fail,
    written,
)
from pbx_bridge.telephony.freeswitch.settings import EslSettings

EXTRA = "python-esl"
SHORT_MS = 1
"""The client waits for ever when told 0."""
GONE = "FreeSWITCH is gone"


class ClientEvent(EslEvent):
    """An event as the C client parsed it. Its names fold case: of two headers that differ only so, the first counts."""

    __slots__ = ("_event",)

    def __init__(self, event: Any) -> None:
        self._event = event
        self.body = _bytes(event.getBody() or "")

    def raw(self, name: str) -> bytes | None:
        value = self._event.getHeader(name) if _is_utf8(name) else None
        if value is None:
            return None
        found = _bytes(value)
        return b"" if found == UNDEFINED else found

    def __iter__(self) -> Iterator[str]:
        name, seen = self._event.firstHeader(), set[str]()
        while name is not None:
            if name not in seen and _is_utf8(name):
                seen.add(name)
                yield name
            name = self._event.nextHeader()


class PythonConnection:
    """One connection of the C client; `run` is its thread's."""

    def __init__(self, ears: Ears, client: Callable[[], Any]) -> None:
        self._ears, self._client = ears, client
        self._loop = asyncio.get_running_loop()
        self._commands: deque[tuple[str, asyncio.Future[str]]] = deque()
        self._waiting: set[asyncio.Future[str]] = set()
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._lock = threading.Lock()
        """Held for a moment only: guards the number of the client's socket, and whether it is over."""
        self._socket = -1
        self._over = False
        self._was_lost = ""
        self.connected: asyncio.Future[None] = self._loop.create_future()
        self.arrived_ns = 0

    # ------------------------------------------------------------ the event loop's side

    async def ask(self, command: str, headers: Mapping[str, str], deadline_s: float) -> str:
        raw = written(command, headers).decode()
        if self._was_lost:
            raise ConnectionError(self._was_lost)
        if len(self._commands) >= WAITING_LIMIT:
            raise ConnectionError("too many event socket commands wait for their answers")
        answer: asyncio.Future[str] = self._loop.create_future()
        self._waiting.add(answer)
        self._commands.append((raw, answer))
        self._ring()
        try:
            async with asyncio.timeout(deadline_s):
                text = await answer
        finally:
            self._waiting.discard(answer)
        return accepted(command, text)

    def end(self, why: str) -> None:
        with self._lock:
            self._over = True
            if self._socket >= 0:
                _shut_down(self._socket)
        self._ring()
        self._lost(why)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it rings already
            self._ringer.send(b"\0", socket.MSG_DONTWAIT)

    def _lost(self, why: str) -> None:
        if self._was_lost:
            return
        self._was_lost = why
        fail(self.connected, why)
        for waiting in self._waiting:
            fail(waiting, why)
        self._ears.lost(why)

    def _answered(self, answer: asyncio.Future[str], text: str, arrived_ns: int) -> None:
        self.arrived_ns = arrived_ns
        if not answer.done():
            answer.set_result(text)

    def _heard(self, event: ClientEvent, arrived_ns: int) -> None:
        self.arrived_ns = arrived_ns
        if self._was_lost:
            return
        length = event.get("Content-Length", "0")
        if length.isascii() and length.isdigit() and len(length) < 10 and int(length) == len(event.body):
            self._ears.event(event, arrived_ns)
        else:
            self._ears.broken("the event's body is not as long as it says", arrived_ns)

    # ------------------------------------------------------------ the thread's side

    def run(self) -> None:
        """Until the connection is over. Never raises."""
        try:
            client = self._client()
            with self._lock:
                self._socket = client.socketDescriptor()
                if self._over or self._socket < 0:
                    return
            self._say(self._is_connected)
            self._serve(client)
        except (OSError, RuntimeError):
            pass  # the socket was shut down under it, or the event loop is closed
        finally:
            with self._lock:
                self._socket, self._over = -1, True
            with contextlib.suppress(RuntimeError):
                self._say(self._lost, GONE)
            self._bell.close()
            self._ringer.close()

    def _serve(self, client: Any) -> None:
        # select(2) knows no number above 1023: a bridge with a thousand workstations has more
        either = select.poll()
        for one in (client.socketDescriptor(), self._bell.fileno()):
            either.register(one, select.POLLIN)
        while client.connected() and not self._over:
            either.poll()
            with contextlib.suppress(BlockingIOError):
                self._bell.recv(4096)
            while True:  # until neither the client nor the row has anything left
                asked = self._ask_next(client)
                event = client.recvEventTimed(SHORT_MS)
                if event is not None and event.getType() != "SOCKET_DATA":
                    self._say(self._heard, ClientEvent(event), time.monotonic_ns())
                if event is None and not asked:
                    break

    def _ask_next(self, client: Any) -> bool:
        if not self._commands or self._over:
            return False
        raw, answer = self._commands.popleft()
        event = client.sendRecv(raw)
        arrived_ns = time.monotonic_ns()
        if event is None:
            return False
        text = event.getHeader("Reply-Text") or event.getBody() or ""
        self._say(self._answered, answer, _bytes(text).decode("utf-8", "replace"), arrived_ns)
        return True

    def _say(self, what: Callable[..., None], *about: object) -> None:
        self._loop.call_soon_threadsafe(what, *about)

    def _is_connected(self) -> None:
        if not self.connected.done():
            self.connected.set_result(None)


async def connect_python_esl(settings: EslSettings, ears: Ears) -> EslConnection:
    """The python-ESL driver. Raises: OperatorError (it is not installed), LoginRefused, OSError, TimeoutError."""
    esl = client_module()
    nobody = Ears(event=lambda *_: None, broken=lambda *_: None, lost=lambda _: None)
    (await connect_asyncio(settings, nobody)).end("it only asked whether the password is right")
    connection = PythonConnection(
        ears, lambda: esl.ESLconnection(settings.host, str(settings.port), settings.password)
    )
    threading.Thread(target=connection.run, name="python-esl", daemon=True).start()
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            await connection.connected
    except BaseException:
        connection.end("the login did not come to its end")
        raise
    return connection


def client_module() -> ModuleType:
    """python-ESL. Raises: OperatorError."""
    try:
        import ESL
    except ImportError:
        raise OperatorError(
            "python-ESL is not installed",
            where="freeswitch.driver",
            do=f'Install pbx-bridge[{EXTRA}] as the README says, or choose driver = "asyncio"',
        ) from None
    module: ModuleType = ESL
    return module


def _bytes(text: str) -> bytes:
    """What the client read: its wrapper decodes UTF-8 and escapes what is none."""
    return text.encode("utf-8", "surrogateescape")


def _is_utf8(name: str) -> bool:
    """The wrapper crashes on a name it escaped itself (measured: 1.4.18 made with SWIG 3.0.12)."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _shut_down(number: int) -> None:
    """Ends every wait on that socket; it stays the client's to close."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as same:
        same.shutdown(socket.SHUT_RDWR)
