"""FreeSWITCH's event socket as bytes: blocks of headers in, frames out, with limits before memory is spent. Pure.

The theory (docs: mod_event_socket, "plain" format). A frame is a block of `Name: value` lines that ends in a blank line,
then `Content-Length` bytes of body if that header is there. The block's own values are bare; the body of an event is
again such a block whose values are url-encoded one by one, then that event's own body of its own `Content-Length`.

What it holds to: lines are cut before anything is decoded, so a caller named "x%0AUnique-ID: y" injects no header;
nothing is decoded until somebody asks, and only the value asked for (an event has ninety headers, three are looked at);
bytes that are not UTF-8 cost no frame. A stream that breaks the framing or a limit is no event socket: `PeerError`, the
link ends. An event that breaks only its own form is `Broken`, and the next frame is read. It never knows what an event
means.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from pbx_bridge.errors import PeerError

BLOCK_LIMIT = 8 * 1024
"""mod_event_socket makes a frame's own headers in buffers of at most 1 KiB."""
EVENT_LIMIT = 1024 * 1024
"""The largest event recorded has 13.7 kB; a call with every variable a site may set has some hundred."""
ANSWER_LIMIT = 32 * 1024 * 1024
"""`show calls as json` says 1.2 kB for each call: ten thousand calls and as much again."""
COUNT_DIGITS = 10
"""Of a Content-Length; more is no length."""
UNDEFINED = b"_undef_"
"""What FreeSWITCH writes for an empty value (switch_event_serialize)."""
GREETING = b"Content-Type: "
"""Both of mod_event_socket's first frames, auth/request and text/rude-rejection, begin like this."""


class EslEvent(Mapping[str, str]):
    """One event's headers, each decoded when it is asked for. Names are exact, as FreeSWITCH writes them.

    Whatever driver heard it, an event looks like this.
    """

    __slots__ = ("body",)
    body: bytes
    """The event's own body: a background job's result. Bare bytes."""

    @abstractmethod
    def raw(self, name: str) -> bytes | None:
        """The value's bytes, decoded but for their alphabet; None if there is no such header."""

    @property
    def name(self) -> str:
        """`Event-Name`, "" if it has none."""
        return self.get("Event-Name", "")

    def __getitem__(self, name: str) -> str:
        value = self.raw(name)
        if value is None:
            raise KeyError(name)
        return value.decode("utf-8", "replace")

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        """Its kind and nothing else: events carry names, numbers and SDP (P17)."""
        return f"{type(self).__name__}({self.name})"


class PlainEvent(EslEvent):
    """An event as it stood in its frame.

    `Codec` and `CODEC` are two headers in some events, so no case is folded; of a name that comes twice the first counts.
    """

    __slots__ = ("_block",)

    def __init__(self, raw: bytes) -> None:
        """Raises: ValueError, its own length is wrong."""
        block, _, rest = raw.partition(b"\n\n")
        self._block = b"\n" + block
        self.body = b""
        if rest.strip(b"\n") or self._block.find(b"\nContent-Length: ") >= 0:
            length = _count(self.raw("Content-Length"))
            if length > len(rest):
                raise ValueError("the event's body is shorter than it says")
            self.body = rest[:length]

    def raw(self, name: str) -> bytes | None:
        block = self._block
        sought = b"\n%b: " % name.encode("utf-8", "surrogateescape")
        start = block.find(sought)
        if start < 0:
            return None
        start += len(sought)
        end = block.find(b"\n", start)
        value = block[start:] if end < 0 else block[start:end]
        if value == UNDEFINED:
            return b""
        return unquote_to_bytes(value) if b"%" in value else value

    def __iter__(self) -> Iterator[str]:
        seen = set[bytes]()
        for line in self._block[1:].split(b"\n"):
            name, colon, _ = line.partition(b": ")
            if colon and name not in seen:
                seen.add(name)
                yield name.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class AuthWanted:
    """FreeSWITCH waits for the password."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one command, in the order of the commands."""

    text: str
    """The `Reply-Text` of a command, or all that an `api` command printed."""

    @property
    def refused(self) -> bool:
        return self.text.startswith("-ERR") or self.text.startswith("-USAGE")


@dataclass(frozen=True, slots=True)
class Turned:
    """FreeSWITCH's access list turns this address away."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """FreeSWITCH ends the connection (it shuts down, or the password was wrong)."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A frame that came whole and cannot be read."""

    why: str


Frame: TypeAlias = EslEvent | AuthWanted | Answer | Turned | Farewell | Broken


class EslFraming:
    """Bytes of one connection in, whole frames out; `PeerError` when it is no event socket or breaks a limit."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._searched = 0
        self._head: tuple[bytes, bytes, int] | None = None
        """Content type, reply text and the length of the body still to come."""
        self._greeted = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes. Raises: PeerError."""
        pending = self._pending
        pending += data
        if not self._greeted:
            self._greet()
        frames: list[Frame] = []
        while True:
            if self._head is None and not self._next_head():
                return frames
            assert self._head is not None
            kind, reply, length = self._head
            if len(pending) < length:
                return frames
            body = bytes(pending[:length])
            del pending[:length]
            self._head = None
            frames.append(_frame(kind, reply, body))

    def _greet(self) -> None:
        start = bytes(self._pending[: len(GREETING)])
        if not GREETING.startswith(start):
            raise PeerError("what answers on the event socket's port is no FreeSWITCH")
        self._greeted = len(start) == len(GREETING)

    def _next_head(self) -> bool:
        pending = self._pending
        while pending[:1] == b"\n":  # some replies end in one blank line more
            del pending[:1]
            self._searched = 0
        # one byte back: the first half of the blank line may have come before
        end = pending.find(b"\n\n", max(self._searched - 1, 0), BLOCK_LIMIT + 2)
        if end < 0:
            self._searched = len(pending)
            if len(pending) > BLOCK_LIMIT + 1:
                raise PeerError(f"an event socket's header block is longer than {BLOCK_LIMIT} bytes")
            return False
        block = bytes(pending[:end])
        del pending[: end + 2]
        self._searched = 0
        headers = dict(line.split(b": ", 1) for line in reversed(block.split(b"\n")) if b": " in line)
        kind = headers.get(b"Content-Type")
        if kind is None:
            raise PeerError("a frame of the event socket has no Content-Type")
        try:
            length = _count(headers.get(b"Content-Length", b"0"))
        except ValueError as wrong:
            raise PeerError(str(wrong)) from None
        limit = EVENT_LIMIT if kind.startswith(b"text/") else ANSWER_LIMIT
        if length > limit:
            raise PeerError(f"a frame of the event socket is longer than {limit} bytes")
        self._head = kind, headers.get(b"Reply-Text", b""), length
        return True


def _frame(kind: bytes, reply: bytes, body: bytes) -> Frame:
    match kind:
        case b"text/event-plain":
            try:
                return PlainEvent(body)
            except ValueError as wrong:
                return Broken(str(wrong))
        case b"api/response":
            return Answer(body.decode("utf-8", "replace"))
        case b"command/reply":
            return Answer(reply.decode("utf-8", "replace"))
        case b"auth/request":
            return AuthWanted()
        case b"text/disconnect-notice":
            return Farewell()
        case b"text/rude-rejection":
            return Turned()
        case _:
            return Broken("a frame of a kind nobody asked for")


def _count(text: bytes | None) -> int:
    if text is None or not 0 < len(text) <= COUNT_DIGITS or not text.isdigit():
        raise ValueError("a Content-Length is no number")
    return int(text)
