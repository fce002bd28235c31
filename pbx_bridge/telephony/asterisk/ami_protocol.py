"""panoramisk's AMI protocol inside a fence: it builds actions and messages and matches answers, nothing else.

Fenced off (facts measured on panoramisk 1.4): bytes are framed and decoded whole by `AmiFraming`; a message that raises
is told and the next one is read; its own login, pinger and reconnect are never used (they try a wrong secret for ever
and never notice a half-open link); unanswered actions are failed, never re-sent; a value with a line break, which would
become a second action, is refused before it is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from panoramisk.actions import Action
from panoramisk.message import Message

from pbx_bridge.errors import PeerError
from pbx_bridge.telephony.asterisk.framing import AmiFraming

if TYPE_CHECKING:

    class _Base(asyncio.Protocol):
        """The part of panoramisk's protocol that is used, with types it does not have."""

        transport: asyncio.Transport
        responses: dict[str, Any]

        def send(self, data: Action, as_list: bool | None) -> asyncio.Future[Any]: ...
        def handle_message(self, message: Message) -> None: ...

else:
    from panoramisk.ami_protocol import AMIProtocol as _Base

VALUE_LIMIT = 1024
"""Asterisk cuts an action's line at 1024 bytes (manager.h AST_MAX_MANHEADER...); ours are far shorter."""
ANSWERS_LIMIT = 20_000
"""Events in one list answer: two for each channel of a PBX with ten thousand."""


class ActionRefused(Exception):
    """The PBX answered an action with Error. `why` is Asterisk's own sentence."""

    def __init__(self, action: str, why: str) -> None:
        super().__init__(action, why)
        self.action, self.why = action, why

    def __str__(self) -> str:
        return f"Asterisk refused {self.action}: {self.why}"


class _Fence:
    """What panoramisk's protocol expects of its Manager, and not one thing more."""

    forgetable_actions: tuple[str, ...] = ()
    save_stream = None

    def __init__(self, dispatch: Callable[[Message], None], lost: Callable[[str], None]) -> None:
        self.dispatch, self._lost = dispatch, lost
        self.awaiting_actions: list[object] = []

    def connection_lost(self, why: object) -> None:
        self.awaiting_actions.clear()
        self._lost("the PBX shuts down" if isinstance(why, Message) else "the PBX closed the connection")


class FencedProtocol(_Base):
    """One AMI connection. `on_event` gets each event in order with its arrival; `on_lost` is called once, with the
    reason."""

    def __init__(
        self,
        on_event: Callable[[Mapping[str, object], int], None],
        on_broken: Callable[[Exception, int], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._on_event, self._on_broken, self._tell_lost = on_event, on_broken, on_lost
        self._framing = AmiFraming()
        self._was_lost = False
        self.arrived_ns = 0
        """When the newest bytes came."""
        self._waiting: set[asyncio.Future[Any]] = set()

    # ------------------------------------------------------------ the library's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.encoding = "utf8"
        self.factory = _Fence(self._event, self._lost)

    def data_received(self, data: bytes) -> None:
        self.arrived_ns = time.monotonic_ns()
        try:
            messages = self._framing.feed(data)
        except PeerError as broken:
            self.end(str(broken))
            return
        for text in messages:
            try:
                message = Message.from_line(text)
                if message is not None:
                    self._handle(message)
            except Exception as broken:
                self._on_broken(broken, self.arrived_ns)

    def _handle(self, message: Message) -> None:
        waiting = self.responses.get(message.id) if message.id else None
        if waiting is not None and len(waiting.responses) >= ANSWERS_LIMIT:
            raise PeerError(f"a list of more than {ANSWERS_LIMIT} answers")
        self.handle_message(message)

    def _event(self, message: Message) -> None:
        self._on_event(message, self.arrived_ns)

    # ------------------------------------------------------------ our side

    @property
    def version_heard(self) -> str:
        """AMI's version as its greeting says."""
        return self._framing.version

    async def ask(self, fields: Mapping[str, str], deadline_s: float) -> list[Message]:
        """Sends one action and returns its answer, with the events of its list if it has one.

        Raises: ValueError (a value cannot be sent), ActionRefused, TimeoutError, ConnectionError.
        """
        for name, value in fields.items():
            check_value(name, value)
        if self._was_lost:
            raise ConnectionError("the AMI link is down")
        action = Action(dict(fields))
        answer: asyncio.Future[Any] = self.send(action, as_list=None)  # its default cuts lists short
        self._waiting.add(answer)
        try:
            async with asyncio.timeout(deadline_s):
                got = await answer
        finally:
            self._waiting.discard(answer)
            self.responses.pop(action.id, None)
        messages = list(got) if isinstance(got, list) else [got]
        if not messages[0].success:
            raise ActionRefused(fields["Action"], str(messages[0].message))
        return messages

    def end(self, why: str) -> None:
        """Closes the link for `why`."""
        self.transport.abort()
        self._lost(why)

    def _lost(self, why: str) -> None:
        if self._was_lost:
            return
        self._was_lost = True
        self.transport.abort()
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(ConnectionError(why))
        self._tell_lost(why)


def check_value(name: str, value: str) -> None:
    """Raises: ValueError for what would not arrive as one header: a line break, a NUL, too long."""
    if any(letter in value for letter in "\r\n\0"):
        raise ValueError(f"the value of {name} has a line break: it would become a second AMI header")
    if len(name.encode()) + len(value.encode()) > VALUE_LIMIT:
        raise ValueError(f"the value of {name} is longer than {VALUE_LIMIT} bytes")
