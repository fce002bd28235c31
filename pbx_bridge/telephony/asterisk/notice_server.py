"""The caller's notice: a small FastAGI server for the one dialogue that happens before any agent is involved (P16).

It plays the notice in the caller's language, waits for the objection's key, and leaves the outcome in a channel
variable; the dialplan checks it against the heartbeat and reports. It never reports by itself, and it knows no call
but the one it speaks to. A dialogue that gets stuck is cut: the caller goes on, unrecorded.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from pbx_bridge.errors import OperatorError, PeerError
from pbx_bridge.telephony.asterisk import agi

log = structlog.get_logger()

SCRIPT = "notice"
CONNECTIONS_LIMIT = 200
"""Callers in the notice at once; one more goes on without it."""
HEADERS_DEADLINE_S = 1.0
ANSWER_DEADLINE_S = 1.0
"""For commands that only set or read: Asterisk answers them in a millisecond."""
NOTICE_LIMIT_S = 60.0
"""No notice is longer; a caller who is still in it after a minute is freed."""
KEY = "9"
"""It objects, unless the site chose another; the outbound notice and every notice's text say the same."""
KEY_WAIT_S = 1.5
"""After the last word, for the key."""
SHORTEST_SAMPLES = 8000
"""One second: Asterisk answers a missing sound file like one that was played whole, but with 0 samples."""

_SOUND = re.compile(r"[A-Za-z0-9/._-]{1,200}\Z")
_HASH = re.compile(r"[0-9a-f]{8,128}\Z")


@dataclass(frozen=True, slots=True)
class SpokenNotice:
    """One language's notice as the PBX has it."""

    language: str
    """Lower-case, as Asterisk's channels have it: "en", "fr"."""
    sound: str
    """The sound's name for Playback(): below Asterisk's sounds directory or absolute, without ending."""
    text_hash: str
    """Hash of the text that is spoken; comes back in NoticeHeard.notice."""

    def __post_init__(self) -> None:
        if not _SOUND.match(self.sound):
            raise OperatorError(
                f"{self.sound!r} cannot be a sound's name", where="notice", do="Use letters, digits, / . _ -"
            )
        if not _HASH.match(self.text_hash):
            raise OperatorError("the notice's hash is not hexadecimal", where="notice")


class NoticeServer:
    """`notices[0]` is spoken to a caller whose language has none."""

    def __init__(
        self,
        notices: Sequence[SpokenNotice],
        token: str,
        *,
        key: str = KEY,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not notices:
            raise OperatorError("no notice to speak", where="notice", do="Configure one sound and its text")
        self._notices, self._token, self._host, self._port = tuple(notices), token, host, port
        self._key = key
        self._server: asyncio.Server | None = None
        self._dialogues: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, limit=agi.LINE_LIMIT, backlog=CONNECTIONS_LIMIT
        )
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Frees every caller who is in the notice."""
        if self._server is not None:
            self._server.close()
        for task in self._dialogues:
            task.cancel()
        await asyncio.gather(*self._dialogues, return_exceptions=True)

    @property
    def address(self) -> str:
        """host:port, as the dialplan's PBXB_AGI wants it."""
        return f"{self._host}:{self._port}"

    def choose(self, *languages: str) -> SpokenNotice:
        """The notice for the first of `languages` that has one ("fr_FR" counts as "fr")."""
        for language in languages:
            for notice in self._notices:
                if notice.language in (language.lower(), language.lower().split("_")[0]):
                    return notice
        return self._notices[0]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._dialogues) >= CONNECTIONS_LIMIT:
            log.warning("too many callers in the notice", limit=CONNECTIONS_LIMIT)
            writer.transport.abort()
            return
        self._dialogues.add(task)
        try:
            async with asyncio.timeout(NOTICE_LIMIT_S + KEY_WAIT_S + 5):
                await self._dialogue(reader, writer)
        except (PeerError, TimeoutError, OSError, ValueError) as fault:
            log.warning("a notice was not spoken to its end", why=str(fault) or type(fault).__name__)
        finally:
            self._dialogues.discard(task)
            writer.transport.abort()

    async def _dialogue(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEADERS_DEADLINE_S):
            request = await _request(reader)
        if request.script != SCRIPT or request.arguments[:1] != (self._token,):
            raise PeerError("an AGI request that is not our dialplan's")
        notice = self.choose(*request.arguments[1:2], request.language)
        line = f'GET OPTION {notice.sound} "{self._key}" {int(KEY_WAIT_S * 1000)}'
        played = await _ask(reader, writer, line, NOTICE_LIMIT_S + KEY_WAIT_S)
        if played is None or played.result < 0:
            return  # the caller hung up
        if played.result == 0 and played.endpos < SHORTEST_SAMPLES:
            log.error(
                "the notice's sound cannot be played",
                sound=notice.sound,
                do="Put it where Playback() finds it",
            )
            return
        outcome = "heard" if played.result == 0 else "objected"
        writer.write(f"SET VARIABLE PBXB_RESULT {outcome}-{self._token}-{notice.text_hash}\n".encode())
        writer.write_eof()  # nothing more to say: the dialplan goes on without waiting for us
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            await reader.readline()


async def _request(reader: asyncio.StreamReader) -> agi.AgiRequest:
    lines: list[str] = []
    while line := agi.decode(await reader.readline()):
        lines.append(line)
        if len(lines) > agi.HEADERS_LIMIT:
            raise PeerError(f"more than {agi.HEADERS_LIMIT} AGI headers")
    return agi.parse_request(lines)


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, deadline_s: float
) -> agi.AgiAnswer | None:
    async with asyncio.timeout(deadline_s):
        writer.write(line.encode() + b"\n")
        await writer.drain()
        return agi.parse_answer(agi.decode(await reader.readline()))
