"""The notice server against peers that are not Asterisk, or not well: limits, deadlines, and nobody else disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pbx_bridge.telephony.asterisk import agi
from pbx_bridge.telephony.asterisk.notice_server import CONNECTIONS_LIMIT, NoticeServer, SpokenNotice

TOKEN = "0123456789abcdef" * 2
NOTICES = [SpokenNotice("en", "pbxb/notice-en", "0123abcd"), SpokenNotice("fr", "pbxb/notice-fr", "4567cdef")]


def request(token: str = TOKEN, language: str = "", script: str = "notice") -> bytes:
    lines = [
        "agi_network: yes", f"agi_network_script: {script}", f"agi_request: agi://127.0.0.1:4573/{script}",
        "agi_language: en", f"agi_arg_1: {token}", f"agi_arg_2: {language}",
    ]  # fmt: skip
    return "\n".join(lines).encode() + b"\n\n"


class Peer:
    """What Asterisk's side of a dialogue sees."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def says(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def hears(self) -> str:
        return (await asyncio.wait_for(self._reader.readline(), 3)).decode().strip()

    async def is_cut(self, within_s: float = 0.5) -> bool:
        try:
            return await asyncio.wait_for(self._reader.read(), within_s) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


@pytest.fixture
async def server() -> AsyncIterator[NoticeServer]:
    notices = NoticeServer(NOTICES, TOKEN)
    await notices.start()
    yield notices
    await notices.close()


async def peer(server: NoticeServer) -> Peer:
    host, port = server.address.split(":")
    return Peer(*await asyncio.open_connection(host, int(port)))


@pytest.mark.parametrize(("language", "sound", "text"), [("", "en", "0123abcd"), ("fr", "fr", "4567cdef")])
async def test_a_notice_heard_to_its_end(server: NoticeServer, language: str, sound: str, text: str) -> None:
    caller = await peer(server)
    await caller.says(request(language=language))
    assert await caller.hears() == f'GET OPTION pbxb/notice-{sound} "9" 1500'
    await caller.says(b"200 result=0 endpos=40000\n")
    assert await caller.hears() == f"SET VARIABLE PBXB_RESULT heard-{TOKEN}-{text}"
    assert await caller.is_cut()


async def test_an_objection(server: NoticeServer) -> None:
    caller = await peer(server)
    await caller.says(request())
    await caller.hears()
    await caller.says(b"200 result=57 endpos=4000\n")
    assert (await caller.hears()).startswith(f"SET VARIABLE PBXB_RESULT objected-{TOKEN}")


@pytest.mark.parametrize(
    "answer",
    [
        b"200 result=0 endpos=0\n", b"200 result=0 endpos=7999\n", b"200 result=0\n", b"200 result=-1 endpos=0\n",
        b"HANGUP\n", b"510 Invalid or unknown command\n", b"520-Invalid command syntax.\n", b"\n", b"200\n",
        b"x" * (agi.LINE_LIMIT + 1) + b"\n",
    ],
)  # fmt: skip
async def test_what_is_not_a_notice_heard_says_nothing(server: NoticeServer, answer: bytes) -> None:
    caller = await peer(server)
    await caller.says(request())
    await caller.hears()
    await caller.says(answer)
    assert await caller.is_cut()


@pytest.mark.parametrize(
    "raw",
    [
        request(token="f" * 32), request(token=""), request(script="other"), b"\n", b"GET / HTTP/1.1\r\n\r\n",
        b"x" * (agi.LINE_LIMIT + 1), b"a: b\n" * (agi.HEADERS_LIMIT + 1), b"\xff\xfe\n\n",
    ],
)  # fmt: skip
async def test_who_is_not_our_dialplan_is_cut_at_once(server: NoticeServer, raw: bytes) -> None:
    stranger = await peer(server)
    await stranger.says(raw)
    assert await stranger.is_cut()


@pytest.mark.parametrize("raw", [b"", b"agi_network: yes\n", request()[:-1]])
async def test_who_never_finishes_is_cut_after_a_second(server: NoticeServer, raw: bytes) -> None:
    stranger = await peer(server)
    await stranger.says(raw)
    assert await stranger.is_cut(2.0)


@pytest.mark.parametrize("raw", [b"", b"agi_net", request()])
async def test_who_hangs_up_anywhere_leaves_the_others_in_peace(server: NoticeServer, raw: bytes) -> None:
    """panoramisk's own server spins for ever on this."""
    for _ in range(20):
        stranger = await peer(server)
        await stranger.says(raw)
        stranger.writer.transport.abort()
    caller = await peer(server)
    await caller.says(request())
    assert (await caller.hears()).startswith("GET OPTION")


async def test_one_caller_too_many_goes_on_without_a_notice(server: NoticeServer) -> None:
    callers = [await peer(server) for _ in range(CONNECTIONS_LIMIT)]
    for caller in callers:
        await caller.says(request())
        assert (await caller.hears()).startswith("GET OPTION")
    late = await peer(server)
    assert await late.is_cut()
    callers[0].writer.transport.abort()
    async with asyncio.timeout(5):
        while await (caller := await peer(server)).is_cut(0.2):
            pass
    await caller.says(request())
    assert (await caller.hears()).startswith("GET OPTION")


async def test_closing_frees_every_caller(server: NoticeServer) -> None:
    caller = await peer(server)
    await caller.says(request())
    await caller.hears()
    await server.close()
    assert await caller.is_cut()
