"""A FreeSWITCH event socket that speaks the recorded dialogues, and misbehaves as no FreeSWITCH does on demand: late, cut
at any byte, half-open, never answering, answering what nobody asked.

It keeps to mod_event_socket's forms: one answer for each command, in order, nothing else while a command runs; `event
plain` says which events come; a wrong password is answered, then the connection ends. It keeps what it was told.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote

from tests.rig.esl_recorder import Recorder

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "freeswitch"
PASSWORD = "of the double"
GREETING = b"Content-Type: auth/request\n\n"
NO_CALLS = '{"row_count":0}'

_EVENT = re.compile(rb"Content-Length: (\d+)\nContent-Type: text/event-plain\n\n")
_STAMP = re.compile(rb"(?<=\nEvent-Date-Timestamp: )\d+")
_KIND = re.compile(rb"(?:\A|\n)Event-Name: (\S+)")
_SUBCLASS = re.compile(rb"(?:\A|\n)Event-Subclass: (\S+)")


def stream(name: str) -> bytes:
    """All that a recorded FreeSWITCH sent, from its greeting on."""
    return (VECTORS / name / "events.raw").read_bytes()


def recorded(name: str) -> list[bytes]:
    """The events of a recorded stream, as they stood in their frames."""
    return list(bodies(stream(name)))


def bodies(raw: bytes) -> Iterator[bytes]:
    at = 0
    while found := _EVENT.search(raw, at):
        at = found.end() + int(found.group(1))
        yield raw[found.end() : at]


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(body) + body


def event(name: str, body: bytes = b"", **headers: str) -> bytes:
    """A frame of its own making: `Unique_ID="..."` becomes `Unique-ID`; stamped now unless it says otherwise."""
    stamp = headers.pop("stamp", str(time.time_ns() // 1000))
    named = {"Event-Name": name, "Event-Date-Timestamp": stamp} | {
        key if key.startswith("variable_") else key.replace("_", "-"): value for key, value in headers.items()
    }
    lines = "".join(
        f"{key}: {quote(value, safe='/ ~,()*!-._') or '_undef_'}\n" for key, value in named.items()
    )
    more = b"Content-Length: %d\n\n" % len(body) + body if body else b"\n"
    return framed(lines.replace("%20", " ").encode() + more)


class EslDouble:
    """Listens on `port`. `answers` says what an api command prints: by "command arguments", else by "command"."""

    def __init__(self, *, password: str = PASSWORD, greeting: bytes = GREETING) -> None:
        self.password, self._greeting = password, greeting
        self._server: asyncio.Server | None = None
        self._writers: dict[asyncio.StreamWriter, frozenset[bytes]] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._told = asyncio.Condition()
        self.port = 0
        self.commands: list[str] = []
        """Each command as it came, its headers after line breaks; the password is not kept."""
        self.connections = 0
        self.mute: set[str] = set()
        """Commands by their beginning ("api uuid_setvar") that never get an answer."""
        self.answers: dict[str, str | Callable[[], str]] = {
            "strmicroepoch": lambda: str((time.time_ns() + self.ahead_ns) // 1000),
            "show calls as json": NO_CALLS,
            "uuid_dump": "-ERR No such channel!\n",
            "uuid_getvar": "_undef_",
            "global_getvar": "",
        }
        self.before_calls = b""
        """Said after the subscription, before the list of calls."""
        self.recorder = Recorder(self._recording)
        """What `uuid_record` does."""
        self._telling = set[asyncio.Task[None]]()
        self.ahead_ns = 0
        """How far its wall clock is before ours."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._flowing.set()
        self._server.close()
        self.cut()

    # ------------------------------------------------------------ what it does on demand

    def listen_at(self, port: int) -> None:
        """Before it starts: this port, not a free one."""
        self.port = port

    def hang_up(self) -> None:
        """Every connection ends as FreeSWITCH itself ends one."""
        for writer in self._writers:
            writer.close()

    def cut(self) -> None:
        """Every connection is reset, without a word: kill -9 looks like this."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def stall(self) -> None:
        """Half-open: connections stay, commands are read, nothing comes back any more."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    async def say(self, raw: bytes, *, piece: int = 0) -> None:
        """These bytes as they are, to whoever is connected; `piece` bytes per segment if not 0."""
        for writer in list(self._writers):
            for at in range(0, len(raw), piece or len(raw)):
                writer.write(raw[at : at + (piece or len(raw))])
                await writer.drain()
                await asyncio.sleep(0)

    async def play(self, events: list[bytes], *, pace: float = 0.0, keep_stamps: bool = False) -> None:
        """Recorded events, those subscribed to, moved to now; `pace` 1.0 keeps the time between them, 0 none of it."""
        began_us = self._now_us()
        first_us = next((int(found.group()) for one in events if (found := _STAMP.search(one))), 0)
        before_us = first_us
        for one in events:
            found = _STAMP.search(one)
            stamp_us = int(found.group()) if found else before_us
            if pace and stamp_us > before_us:
                await asyncio.sleep((stamp_us - before_us) / 1e6 * pace)
            before_us = max(stamp_us, before_us)
            now_us = self._now_us() if not pace else began_us + int((stamp_us - first_us) * pace)
            moved = framed(one if keep_stamps else _STAMP.sub(b"%d" % now_us, one, count=1))
            for writer, wanted in list(self._writers.items()):
                if _kinds(one) & wanted:
                    writer.write(moved)
                    await writer.drain()

    async def until_told(self, start: str, count: int = 1, deadline_s: float = 10.0) -> None:
        """Returns when `count` commands that begin so came."""

        def came() -> bool:
            return sum(one.startswith(start) for one in self.commands) >= count

        async with asyncio.timeout(deadline_s), self._told:
            await self._told.wait_for(came)

    def told(self, start: str) -> list[str]:
        """The commands that begin so, as they came."""
        return [one for one in self.commands if one.startswith(start)]

    async def finish(self, job: str, result: str) -> None:
        """The end of a bgapi command."""
        await self.say(event("BACKGROUND_JOB", result.encode(), Job_UUID=job))

    # ------------------------------------------------------------ what it always does

    def _now_us(self) -> int:
        return (time.time_ns() + self.ahead_ns) // 1000

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers[writer] = frozenset()
        writer.write(self._greeting)
        try:
            while True:
                raw = (await reader.readuntil(b"\n\n")).decode().strip("\n")
                if not raw:
                    continue
                secret = raw.startswith("auth ")
                async with self._told:
                    self.commands.append("auth" if secret else raw)
                    self._told.notify_all()
                if any(raw.startswith(start) for start in self.mute):
                    continue
                await self._flowing.wait()
                if secret and raw != f"auth {self.password}":
                    writer.write(reply("-ERR invalid") + FAREWELL)
                    await writer.drain()
                    break
                writer.write(self._answer(raw, writer))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.pop(writer, None)
            writer.close()

    def _answer(self, raw: str, writer: asyncio.StreamWriter) -> bytes:
        command, *headers = raw.split("\n")
        verb, _, rest = command.partition(" ")
        match verb:
            case "auth":
                return reply("+OK accepted")
            case "event":
                self._writers[writer] = frozenset(rest.encode().split())
                return reply("+OK event listener enabled plain")
            case "api":
                printed = self._printed(rest)
                before = self.before_calls if rest == "show calls as json" else b""
                return before + b"Content-Type: api/response\nContent-Length: %d\n\n" % len(printed) + printed
            case "bgapi":
                job = next((one.split(": ", 1)[1] for one in headers if one.startswith("Job-UUID: ")), "")
                done = b"" if f"job {rest}" in self.mute or "job" in self.mute else self._done(job, rest)
                said = reply(f"+OK Job-UUID: {job}")[:-1] + f"Job-UUID: {job}\n\n".encode()
                return said + done
            case "sendmsg":
                return reply("+OK")
            case _:
                return reply("-ERR command not found")

    def _done(self, job: str, rest: str) -> bytes:
        return event("BACKGROUND_JOB", self._printed(rest), Job_UUID=job)

    def _recording(self, kind: str, leg: str, path: str) -> None:
        self.soon(event(kind, Unique_ID=leg, Record_File_Path=path))

    def soon(self, raw: bytes) -> None:
        """Says it when the command under way is answered."""
        task = asyncio.ensure_future(self.say(raw))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _printed(self, rest: str) -> bytes:
        if rest.startswith("uuid_record ") and not {rest, "uuid_record"} & self.answers.keys():
            return self.recorder.answer(rest.partition(" ")[2]).encode()
        said = self.answers.get(rest, self.answers.get(rest.split(" ", 1)[0], "+OK\n"))
        text = said if isinstance(said, str) else said()
        return text.encode("utf-8", "surrogateescape") or b"-ERR no reply\n"

    def living(self, *legs: dict[str, str], pairs: tuple[tuple[str, str], ...] = ()) -> None:
        """From now on these legs live there, as `uuid_dump` tells; `show calls` lags and knows no pair yet."""
        bonds = dict(pairs) | {two: one for one, two in pairs}
        rows = [{"uuid": leg["Unique-ID"], "b_uuid": ""} for leg in legs]
        self.answers["show calls as json"] = json.dumps({"row_count": len(rows), "rows": rows})
        for leg in legs:
            uuid = leg["Unique-ID"]
            talks = {"Answer-State": "answered", "variable_signal_bond": bonds[uuid]} if uuid in bonds else {}
            self.answers[f"uuid_dump {uuid} json"] = json.dumps(talks | leg)


def reply(text: str) -> bytes:
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()


_BYE = b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
FAREWELL = b"Content-Type: text/disconnect-notice\nContent-Length: %d\n\n" % len(_BYE) + _BYE


def _kinds(body: bytes) -> frozenset[bytes]:
    """What a subscription must name for this event to come: its name, or a CUSTOM event's subclass."""
    name = _KIND.search(body)
    subclass = _SUBCLASS.search(body)
    if name and name.group(1) == b"CUSTOM" and subclass:
        return frozenset({unquote(subclass.group(1).decode()).encode()})
    return frozenset({name.group(1)}) if name else frozenset()
