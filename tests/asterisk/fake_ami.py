"""An AMI that misbehaves as no Asterisk does on demand: late, cut at any byte, never answering. It keeps what it was
told."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
STAMP = "1795465148.880857"


def message(**fields: str) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n"


def newchannel(number: int, **more: str) -> bytes:
    fields = {
        "Event": "Newchannel", "Timestamp": STAMP, "Channel": f"PJSIP/201-{number:08x}", "ChannelStateDesc": "Down",
        "Context": "from-agents", "Exten": "101", "Uniqueid": f"1795465148.{number}", **more,
    }  # fmt: skip
    return message(**fields)


class FakeAmi:
    """Answers Login, Ping, Status and BridgeList (empty lists) and Setvar, except the actions in `mute`."""

    def __init__(self, *, greeting: bytes = GREETING, mute: frozenset[str] = frozenset()) -> None:
        self._greeting, self.mute = greeting, set(mute)
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.actions: list[dict[str, str]] = []
        self.before_status = b""
        """Said after the login and before the list of channels."""
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def say(self, raw: bytes, *, piece: int = 0) -> None:
        """To whoever is connected; `piece` bytes per segment if not 0."""
        for writer in self._writers:
            for at in range(0, len(raw), piece or len(raw)):
                writer.write(raw[at : at + (piece or len(raw))])
                await writer.drain()
                await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        writer.write(self._greeting)
        try:
            while True:
                raw = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in raw.strip().split("\r\n"))
                self.actions.append(action)
                if action["Action"] not in self.mute:
                    writer.write(self._answer(action))
        except (asyncio.IncompleteReadError, OSError):
            writer.transport.abort()

    def _answer(self, action: dict[str, str]) -> bytes:
        about = {"ActionID": action["ActionID"]}
        match action["Action"]:
            case "Ping":
                return message(Response="Success", **about, Ping="Pong", Timestamp=STAMP)
            case "Status":
                start = message(
                    Response="Success", **about, EventList="start", Message="Channel status will follow"
                )
                end = message(Event="StatusComplete", **about, EventList="Complete", ListItems="0", Items="0")
                return self.before_status + start + end
            case "BridgeList":
                start = message(
                    Response="Success", **about, EventList="start", Message="Bridge listing will follow"
                )
                return start + message(
                    Event="BridgeListComplete", **about, EventList="Complete", ListItems="0"
                )
            case _:
                return message(Response="Success", **about, Message="Done")
