"""Nobody takes the bridge's memory by connecting: what is more than there is room for is closed as it comes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pbx_bridge.listening import Listening, network
from pbx_bridge.portal import server
from tests.archive.house import house

WITHIN_S = 20


async def greeted(
    port: int, context: ssl.SSLContext | None = None, of: str = "127.0.0.1"
) -> asyncio.StreamWriter | None:
    """A connection from `of` that is held; None when it was closed without a word."""
    try:
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context, local_addr=(of, 0))
        writer.write(b"GET /ca.pem HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if await reader.readline():
            return writer
    except (ConnectionError, ssl.SSLError):
        pass
    return None


async def until_greeted(port: int, context: ssl.SSLContext | None = None) -> asyncio.StreamWriter:
    async with asyncio.timeout(WITHIN_S):
        while True:
            if (writer := await greeted(port, context)) is not None:
                return writer


async def test_one_more_than_there_is_room_for_is_closed_and_room_comes_back() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome\n")
        await reader.read()
        writer.close()

    listening = Listening("127.0.0.1", 0, 4)
    port = listening.getsockname()[1]
    async with await asyncio.start_server(greet, sock=listening):
        held = [await greeted(port), await greeted(port), await greeted(port)]
        assert None not in held
        assert await greeted(port) is None, "one peer never has all places"
        held.append(await greeted(port, of="127.0.0.3"))
        assert held[3] is not None
        assert await greeted(port, of="127.0.0.4") is None, "there is no place left"
        assert held[0] is not None
        held[0].close()
        (await until_greeted(port)).close()
        for writer in held[1:]:
            assert writer is not None
            writer.close()


async def test_who_connects_and_says_nothing_takes_places_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 of one peer took 1 GB of locked memory in two seconds."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 6)
    monkeypatch.setattr(server, "MAX_BEGINNING", 2)
    async with house(tmp_path) as home:
        port = urlsplit(home.url).port
        assert port is not None
        context = ssl.create_default_context(cafile=home.tls.ca_cert)
        (await until_greeted(port, context)).close()
        silent = list[asyncio.StreamWriter]()
        async with asyncio.timeout(WITHIN_S):
            while len(silent) < 6 or await greeted(port, context) is not None:
                silent.append((await asyncio.open_connection("localhost", port))[1])
        other = await greeted(port, context, of="127.0.0.3")
        assert other is not None, "somebody else is let in beside them"
        other.close()
        for writer in silent:
            writer.close()
        (await until_greeted(port, context)).close()


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_what_counts_as_one_peer(address: str, counted: str) -> None:
    assert network(address) == counted


def test_one_machine_has_many_addresses_of_ipv6_and_is_one_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No peer of this machine has a network of its own: whence they come is told here, the sockets are real."""
    addresses = iter([f"2001:db8:1:2::{n}" for n in range(1, 5)] + ["2001:db8:1:3::1"])

    def accept(_: socket.socket) -> tuple[socket.socket, Any]:
        held.append(socket.socketpair())
        return held[-1][0], (next(addresses), 40_000, 0, 0)

    held: list[tuple[socket.socket, socket.socket]] = []
    with Listening("127.0.0.1", 0, 4) as listening, monkeypatch.context() as patched:
        patched.setattr(socket.socket, "accept", accept)
        for _ in range(3):
            listening.accept()
        with pytest.raises(ConnectionAbortedError):
            listening.accept()
        listening.accept()
    for pair in held:
        for end in pair:
            end.close()
