"""A connection as soon as the network carries one, not a second later, and no socket left behind."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.rig.cable import laid
from workstation_client import dialling
from workstation_client.carrier import has_carrier
from workstation_client.dialling import ATTEMPTS, dial

LOOPBACK = "127.0.0.1"


@contextmanager
def nothing_left() -> Iterator[None]:
    before = os.listdir("/proc/self/fd")
    yield
    assert os.listdir("/proc/self/fd") == before


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server((LOOPBACK, 0))) as found:
        yield found


async def test_the_first_that_stands_is_kept_and_no_other(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with nothing_left(), closing(await dial(LOOPBACK, port, 0.4)) as found:
        assert found.getpeername() == (LOOPBACK, port)


async def test_a_network_that_comes_back_is_used_before_the_kernel_would_ask_again() -> None:
    """A packet lost now is sent again after a second: the segment by RFC 6298, the question for its neighbour by arp(7)."""
    with laid() as cable:
        with cable.inside():
            listener = socket.create_server((cable.far_address, 0))
        with closing(listener):
            cable.cut("workstation's")
            began = time.monotonic()
            attempt = asyncio.create_task(dial(cable.far_address, listener.getsockname()[1], 2.0))
            await asyncio.sleep(0.1)  # time in which nothing may come through
            assert not attempt.done()
            await asyncio.to_thread(cable.mend)
            (await attempt).close()
            assert time.monotonic() - began < 0.9


def test_an_interface_without_a_carrier_is_known_and_a_way_that_is_none_is_not_waited_for() -> None:
    loopback, nowhere = (LOOPBACK, 1), ("240.0.0.1", 1)
    assert has_carrier(socket.AF_INET, loopback)
    assert has_carrier(socket.AF_INET6, ("::1", 1))
    assert has_carrier(socket.AF_INET, nowhere)
    with laid() as cable:
        there = (cable.far_address, 1)
        assert has_carrier(socket.AF_INET, there)
        cable.cut("workstation's")
        assert not has_carrier(socket.AF_INET, there)
        cable.mend()
        assert has_carrier(socket.AF_INET, there)


async def test_a_driver_that_tells_of_no_carrier_is_not_believed_for_ever(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "has_carrier", lambda *_: False)
    monkeypatch.setattr(dialling, "CARRIER_S", 0.05)
    with closing(await dial(LOOPBACK, listener.getsockname()[1], 0.4)) as stands:
        assert stands.getpeername() == listener.getsockname()


async def test_each_address_of_the_name_has_its_turn(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    with closing(socket.create_server((LOOPBACK, 0))) as gone:
        refusing = gone.getsockname()[1]
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, number))
        for number in [refusing] * ATTEMPTS + [port]
    ]

    async def addresses(*_: object, **__: object) -> list[Any]:
        return found

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)
    with closing(await dial("bridge.example", port, 0.4)) as stands:
        assert stands.getpeername() == (LOOPBACK, port)


async def test_refused_is_told_as_such_and_at_once() -> None:
    with closing(socket.create_server((LOOPBACK, 0))) as gone:
        port = gone.getsockname()[1]
    with nothing_left(), pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(dial(LOOPBACK, port, 60.0), 10.0)


async def test_no_answer_is_waited_for_no_longer_than_asked(listener: socket.socket) -> None:
    """A listener whose queue is full answers no first packet (listen(2))."""
    listener.listen(0)
    first = closing(socket.create_connection(listener.getsockname()))
    with first, nothing_left(), pytest.raises(TimeoutError, match=r"no answer within 0\.2 s"):
        await dial(LOOPBACK, listener.getsockname()[1], 0.2)
