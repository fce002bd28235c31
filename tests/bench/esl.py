"""How many events of FreeSWITCH's event socket are read each second: our codec beside FreeSWITCH's own C client, python-ESL.

    python -m tests.bench.esl [--events N] [--runs N]

One process sends recorded events of about 4.9 kB as fast as they are taken; each client reads them all, asks each for the
headers the table looks at first (kind, leg, stamp) and decodes only these. Runs alternate, in the same minute on the same
machine. Then our codec alone, from memory: what a byte costs without any socket.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import statistics
import sys
import time

from pbx_bridge.telephony.freeswitch.esl_codec import EslEvent, EslFraming
from pbx_bridge.telephony.freeswitch.esl_connection import Ears, connect_asyncio
from pbx_bridge.telephony.freeswitch.esl_python import client_module
from pbx_bridge.telephony.freeswitch.settings import EslSettings
from tests.bench.figures import Figure, table
from tests.rig.esl_double import GREETING, VECTORS, framed, recorded, reply

EVENTS, RUNS = 20_000, 5
ABOUT = range(4200, 5200)
"""Bytes of an event that takes part."""
ASKED = ("Event-Name", "Unique-ID", "Event-Date-Timestamp")
PASSWORD = "bench"


def sample() -> list[bytes]:
    """Recorded events of about 4.9 kB, as they stand in their frames."""
    names = sorted(path.parent.name for path in VECTORS.glob("*/events.raw"))
    return [one for name in names for one in recorded(name) if len(one) in ABOUT]


def send(listening: socket.socket, count: int, clients: int) -> None:
    """A FreeSWITCH that has nothing but events to say, one client after the other."""
    events = sample()
    again = b"".join(framed(events[number % len(events)]) for number in range(len(events) * 4))
    whole, left = divmod(count, len(events) * 4)
    rest = b"".join(framed(events[number % len(events)]) for number in range(left))
    for _ in range(clients):
        connection, _ = listening.accept()
        with connection:
            connection.sendall(GREETING)
            _command(connection)
            connection.sendall(reply("+OK accepted"))
            _command(connection)
            connection.sendall(reply("+OK event listener enabled plain"))
            for _ in range(whole):
                connection.sendall(again)
            connection.sendall(rest)
            _command(connection)


def _command(connection: socket.socket) -> None:
    got = b""
    while not got.endswith(b"\n\n"):
        piece = connection.recv(4096)
        if not piece:
            return
        got += piece


async def ours(port: int, count: int) -> float:
    """Seconds for all events, by the asyncio driver as the bridge runs it."""
    done, seen = asyncio.Event(), 0

    def heard(event: EslEvent, _: int) -> None:
        nonlocal seen
        for name in ASKED:
            event[name]
        seen += 1
        if seen == count:
            done.set()

    ears = Ears(event=heard, broken=lambda *_: None, lost=lambda _: done.set())
    connection = await connect_asyncio(EslSettings(port=port, password=PASSWORD), ears)
    began = time.perf_counter()
    await connection.ask("event plain ALL", {}, 5.0)
    await done.wait()
    took = time.perf_counter() - began
    connection.end("the bench is over")
    if seen != count:
        raise SystemExit(f"bench: {seen} of {count} events came")
    return took


def theirs(port: int, count: int) -> float:
    """Seconds for all events, by python-ESL's own blocking loop: no thread, no event loop beside it."""
    client = client_module().ESLconnection("127.0.0.1", str(port), PASSWORD)
    began = time.perf_counter()
    client.events("plain", "ALL")
    for _ in range(count):
        event = client.recvEvent()
        for name in ASKED:
            event.getHeader(name)
    took = time.perf_counter() - began
    client.disconnect()
    return took


def from_memory(count: int) -> float:
    """Seconds for all events, handed to the codec as a socket would: 64 KiB at a time."""
    events = sample()
    raw = GREETING + b"".join(framed(events[number % len(events)]) for number in range(count))
    framing, seen = EslFraming(), 0
    began = time.perf_counter()
    for at in range(0, len(raw), 1 << 16):
        for frame in framing.feed(raw[at : at + (1 << 16)]):
            if isinstance(frame, EslEvent):
                for name in ASKED:
                    frame[name]
                seen += 1
    took = time.perf_counter() - began
    if seen != count:
        raise SystemExit(f"bench: {seen} of {count} events were read")
    return took


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.esl", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args(arguments)
    rates: dict[str, list[float]] = {"ours": [], "theirs": [], "memory": []}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        sender = multiprocessing.get_context("fork").Process(
            target=send, args=(listening, given.events, 2 * given.runs), daemon=True
        )
        sender.start()
        for _ in range(given.runs):
            rates["ours"].append(given.events / asyncio.run(ours(port, given.events)) / 1000)
            rates["theirs"].append(given.events / theirs(port, given.events) / 1000)
            rates["memory"].append(given.events / from_memory(given.events) / 1000)
        sender.join(10)
    sizes = [len(one) for one in sample()]
    aim = statistics.median(rates["theirs"])
    kilobytes = sum(sizes) / len(sizes) / 1000
    print(
        table(
            f"events of {kilobytes:.1f} kB, {given.events} a run; {len(ASKED)} headers of each decoded",
            [
                Figure("our codec, asyncio driver", "k/s", rates["ours"], f">= {aim:.1f} (python-ESL)"),
                Figure("python-ESL, its own loop", "k/s", rates["theirs"], ""),
                Figure("our codec, from memory", "k/s", rates["memory"], ""),
            ],
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
