"""One connection to FreeSWITCH's event socket, logged in: what every driver promises, and the asyncio driver.

It knows commands, answers and their order; it never knows what an event means, when to connect again, or when a silent
peer is dead (esl_link.py). FreeSWITCH answers commands in order and one at a time, and says nothing else on the
connection while a command runs: only what is over at once is asked here, the rest with `bgapi`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from pbx_bridge.errors import PeerError
from pbx_bridge.telephony.freeswitch.esl_codec import (
    Answer,
    AuthWanted,
    Broken,
    EslEvent,
    EslFraming,
    Farewell,
    Frame,
    Turned,
)
from pbx_bridge.telephony.freeswitch.settings import EslSettings

CONNECT_DEADLINE_S = 2.0
LINE_LIMIT = 8 * 1024
"""Our longest command is a variable's value or a path; mod_event_socket itself reads 10 MiB."""
WAITING_LIMIT = 4096
"""Commands without an answer yet: a resync asks for each leg of a busy PBX at once."""
NOTHING_PRINTED = "-ERR no reply"
"""mod_event_socket's own words for a command that printed nothing: a global variable that is not set."""


class LoginRefused(Exception):
    """FreeSWITCH does not want us, and trying again soon will not change that. Its sentence is for a person."""


class CommandRefused(Exception):
    """FreeSWITCH answered a command with an error. `why` is its own sentence, one line."""

    def __init__(self, command: str, why: str) -> None:
        super().__init__(command, why)
        self.command, self.why = command, why

    def __str__(self) -> str:
        return f"FreeSWITCH refused {self.command}: {self.why}"


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears what comes in, in order, in the event loop. `lost` is called once, with the reason."""

    event: Callable[[EslEvent, int], None]
    """An event and when its bytes came (monotonic ns)."""
    broken: Callable[[str, int], None]
    lost: Callable[[str], None]


class EslConnection(Protocol):
    """What a driver gives once it is connected and logged in."""

    @property
    def arrived_ns(self) -> int:
        """When the newest bytes came."""
        ...

    async def ask(self, command: str, headers: Mapping[str, str], deadline_s: float) -> str:
        """Sends one command and returns its answer's text.

        Raises: ValueError (it cannot be sent), CommandRefused, TimeoutError, ConnectionError.
        """
        ...

    def end(self, why: str) -> None:
        """Closes the connection; what waits for an answer fails with `why`."""
        ...


class Connect(Protocol):
    """A driver: connects and logs in. Raises: LoginRefused, OSError, TimeoutError."""

    async def __call__(self, settings: EslSettings, ears: Ears) -> EslConnection: ...


def written(command: str, headers: Mapping[str, str]) -> bytes:
    """A command as it goes over the wire. Raises: ValueError for what would not arrive as one."""
    lines = [command, *(f"{name}: {value}" for name, value in headers.items())]
    verb = command.partition(" ")[0]
    if not command.strip() or command[:1].isspace():
        raise ValueError("an empty event socket command")
    for line in lines:
        if any(letter in line for letter in "\r\n\0"):
            raise ValueError(f"a line break in {verb}: it would become a second command")
        if len(line.encode()) > LINE_LIMIT:
            raise ValueError(f"a line of {verb} is longer than {LINE_LIMIT} bytes")
    return ("\n".join(lines) + "\n\n").encode()


def accepted(command: str, text: str) -> str:
    """The answer's text. Raises: CommandRefused, which names the command without its arguments (a password, a person)."""
    if text.strip() == NOTHING_PRINTED:
        return ""
    if Answer(text).refused:
        words = command.split(" ", 2)
        name = words[1] if words[0] in ("api", "bgapi") and len(words) > 1 else words[0]
        raise CommandRefused(name, text.strip().split("\n")[0])
    return text


class AsyncioConnection(asyncio.Protocol):
    """The default driver: our own codec on asyncio's own transport."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._framing = EslFraming()
        self._answers: deque[asyncio.Future[str]] = deque()
        self._transport: asyncio.Transport | None = None
        self._was_lost = ""
        self._said_farewell = False
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when FreeSWITCH asks for the password; LoginRefused when its access list says no."""
        self.arrived_ns = 0

    # ------------------------------------------------------------ asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.arrived_ns = time.monotonic_ns()
        try:
            frames = self._framing.feed(data)
        except PeerError as broken:
            self.end(str(broken))
            return
        for frame in frames:
            if self._was_lost:
                return
            self._heard(frame)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost("FreeSWITCH ended the connection" if self._said_farewell else "FreeSWITCH is gone")

    # ------------------------------------------------------------ our side

    async def ask(self, command: str, headers: Mapping[str, str], deadline_s: float) -> str:
        raw = written(command, headers)
        if self._was_lost or self._transport is None:
            raise ConnectionError(self._was_lost or "the event socket is not connected")
        if len(self._answers) >= WAITING_LIMIT:
            raise ConnectionError("too many event socket commands wait for their answers")
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._transport.write(raw)
        async with asyncio.timeout(deadline_s):
            text = await answer  # given up, its place in the row stays: the answer may still come
        return accepted(command, text)

    def end(self, why: str) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._lost(why)

    def _heard(self, frame: Frame) -> None:
        match frame:
            case EslEvent():
                self._ears.event(frame, self.arrived_ns)
            case Answer():
                self._answered(frame.text)
            case Broken():
                self._ears.broken(frame.why, self.arrived_ns)
            case AuthWanted():
                if not self.greeted.done():
                    self.greeted.set_result(None)
            case Turned():
                if not self.greeted.done():
                    self.greeted.set_exception(LoginRefused(""))
            case Farewell():
                self._said_farewell = True
            case _:
                assert_never(frame)

    def _answered(self, text: str) -> None:
        if not self._answers:
            self.end("FreeSWITCH answered a command nobody gave")
            return
        waiting = self._answers.popleft()
        if not waiting.done():
            waiting.set_result(text)

    def _lost(self, why: str) -> None:
        if self._was_lost:
            return
        self._was_lost = why
        fail(self.greeted, why)
        for waiting in self._answers:
            fail(waiting, why)
        self._answers.clear()
        self._ears.lost(why)


def fail(waiting: asyncio.Future[Any], why: str) -> None:
    """Whoever waits gets ConnectionError; an answer that came stays."""
    if not waiting.done():
        waiting.set_exception(ConnectionError(why))
        waiting.exception()  # read here: perhaps nobody waits any more


async def connect_asyncio(settings: EslSettings, ears: Ears) -> EslConnection:
    """The asyncio driver. Raises: LoginRefused, OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            _, connection = await loop.create_connection(
                lambda: AsyncioConnection(ears), settings.host, settings.port
            )
    except ConnectionRefusedError:
        raise ConnectionRefusedError(
            f"nobody listens at {settings.where}: does FreeSWITCH run, with mod_event_socket at that port?"
        ) from None
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            await connection.greeted
        await connection.ask(f"auth {settings.password}", {}, CONNECT_DEADLINE_S)
    except CommandRefused:
        connection.end("the password was refused")
        raise LoginRefused(
            f"FreeSWITCH at {settings.where} refuses the password: compare it with event_socket.conf.xml there"
        ) from None
    except LoginRefused:
        connection.end("turned away")
        raise LoginRefused(
            f"FreeSWITCH at {settings.where} turns this address away: allow 127.0.0.1 in `apply-inbound-acl` "
            "of event_socket.conf.xml there"
        ) from None
    except BaseException:
        connection.end("the login did not come to its end")
        raise
    return connection
