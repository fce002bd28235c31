"""How fast and how exact whole calls are recorded, on the really running parts (`./run bench`).

    python -m tests.bench.calls [--calls N] [--seconds N] [--jitter MS] [--pbx asterisk|freeswitch]

On an Asterisk of its own, or on the FreeSWITCH the environment names (tests/live/freeswitch/README.md).

Short calls give the delays: the agent's 200 OK to the first picture, BYE to the end of filming, hang-up to the sealed
file the keeper will release. One long call gives the offset between picture and voice: a square flashes in the window
while a beep leaves the agent's phone, through a hold, a double silence and a busy window, with the workstation's link
behind a relay that holds every piece back by up to `--jitter` milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import math
import random
import re
import struct
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import av
import numpy as np
import numpy.typing as npt

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.bench.figures import Figure, table
from tests.live.house import ALICE, House, Line
from tests.live.lanes import FoundPbx
from tests.rig import sdp
from tests.rig.business_app import BLOCK_PX, CODE_BLOCKS, FLASH_PX
from tests.rig.freeswitch import Freeswitch
from tests.rig.install import Installed, install
from tests.rig.rtp_voices import Voice, _packets, _silence
from tests.rig.scenarios import customer_hangs_up
from tests.rig.vault import open_as_keeper
from tests.rig.workstation import Workstation

CALLS, LONG_S, JITTER_MS = 20, 600, 50
EVERY_S, BEEP_S, BEEP_HERTZ = 5, 0.1, 1250
FLASH_MS = 400
NEAR_S = 1.0
"""A flash and a beep further apart than this in the film are not of one pair."""
PIECES_ON_THE_WAY = 256
RECORDED = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)


@dataclass(frozen=True, slots=True)
class Aims:
    """Milliseconds a p95 may not pass."""

    first_frame: int
    stopped: int


AIMS = {"asterisk": Aims(150, 100), "freeswitch": Aims(200, 150)}


class JitteryHouse(House):
    """The workstation reaches the bridge through a relay that delays what it passes on."""

    def __init__(self, programs: Installed, pbx: FoundPbx | None, *, jitter_ms: int) -> None:
        super().__init__(programs, pbx=pbx)
        self._jitter_s = jitter_ms / 1000

    async def _move_in(self, station: Workstation) -> None:
        invitation = await self.bridge.invite_station("desk-1")
        port = await self._stack.enter_async_context(
            relay(urlsplit(invitation.url).port or 0, self._jitter_s)
        )
        await station.open_business_app()
        await station.enrol(f"wss://127.0.0.1:{port}", invitation.code)
        await station.start_client()
        await station.accept_notice()


@contextlib.asynccontextmanager
async def relay(to_port: int, jitter_s: float) -> AsyncIterator[int]:
    """A TCP relay on the loopback; each piece arrives a random time up to `jitter_s` late, order is kept.

    Late, not slow: a piece counts its time from when it came, and waits for none but the one before it.
    """

    async def hear(reader: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes]]) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                await pieces.put((time.monotonic() + random.uniform(0, jitter_s), piece))
        await pieces.put((0.0, b""))

    async def tell(pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while (due := await pieces.get())[1]:
                await asyncio.sleep(max(0.0, due[0] - time.monotonic()))
                writer.write(due[1])
                await writer.drain()
        writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_ON_THE_WAY)
        await asyncio.gather(hear(reader, pieces), tell(pieces, writer))

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", to_port)
        await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def beeps(codec: sdp.Codec) -> Voice:
    """A beep at the start of every EVERY_S seconds."""
    count = codec.rate * EVERY_S
    pcm = struct.pack(
        f"<{count}h",
        *(
            int(12000 * math.sin(2 * math.pi * BEEP_HERTZ * i / codec.rate)) if i < BEEP_S * codec.rate else 0
            for i in range(count)
        ),
    )
    return Voice(_packets(codec, pcm), _silence(codec), again=True)


async def delays(house: House, calls: int, aims: Aims) -> list[Figure]:
    """The three delays of `calls` short calls."""
    first, stopped, ready = [], [], []
    for number in range(calls):
        async with house.scene(), house.stage() as stage:
            truth = await customer_hangs_up(stage)
            to_wall = time.time_ns() - time.monotonic_ns()
            (line,) = await house.ledger(RECORDED)
            log = house.said()
            since = re.search(r"filming .*since_ns=(\d+)", log)
            ended = re.search(r"film ended at_ns=(\d+)", log)
            assert since is not None
            assert ended is not None
            first.append((int(since.group(1)) - truth.answered_ns) / 1e6)
            stopped.append((int(ended.group(1)) - truth.over_ns) / 1e6)
            ready.append((_written_ns(house, line) - to_wall - truth.over_ns) / 1e6)
            print(f"call {number + 1} of {calls}", end="\r", file=sys.stderr, flush=True)
    return [
        Figure("agent's 200 OK -> first captured frame", "ms", first, f"p95 <= {aims.first_frame}"),
        Figure("BYE -> capture stopped", "ms", stopped, f"p95 <= {aims.stopped}"),
        Figure("BYE -> sealed and released to the keeper, short call", "ms", ready, "p95 <= 1000"),
    ]


def _written_ns(house: House, line: Line) -> int:
    """Wall time at which the call's last ledger line was written."""
    written = next(raw["at"] for raw in house._raw() if raw["recording"] == line.recording)
    return int(datetime.fromisoformat(written).timestamp() * 1e9)


async def offsets(house: House, seconds: int) -> list[Figure]:
    """One long call; the offset of every pair of flash and beep, by thirds."""
    painted: list[int] = []
    async with house.scene(), house.stage(agent_voice=beeps(sdp.PCMU)) as stage:
        agent, customer = await stage.agent(), await stage.customer()
        talking, calling = await stage.connect(agent, customer)
        began_ns, over_s = talking.answered_ns, 0.0
        hold_at = sorted({int(seconds * part) for part in (0.2, 0.45, 0.6, 0.85)})
        silence_at, busy = int(seconds * 0.7), (seconds / 3, seconds * 2 / 3)
        is_busy = False
        while (over_s := (time.monotonic_ns() - began_ns) / 1e9) < seconds - EVERY_S:
            if (busy[0] <= over_s < busy[1]) != is_busy:
                is_busy = not is_busy
                await house.alice.order(f"busy {'on' if is_busy else 'off'}")
            if hold_at and over_s >= hold_at[0]:
                hold_at.pop(0)
                await talking.hold()
                await stage.talk(3)
                await talking.resume()
            elif silence_at and over_s >= silence_at:
                silence_at = 0
                talking.rtp.muted = calling.rtp.muted = True
                await stage.talk(3)
                talking.rtp.muted = calling.rtp.muted = False
            else:
                painted.append(await _flash_with_the_next_beep(house, talking))
            print(f"{over_s:5.0f} of {seconds} s", end="\r", file=sys.stderr, flush=True)
        calling.hang_up()
        over_ns = calling.ended_ns
        to_wall = time.time_ns() - time.monotonic_ns()
        await talking.until_ended()
        (line,) = await house.ledger(RECORDED)
        ready_ms = (_written_ns(house, line) - to_wall - over_ns) / 1e6
        sent = [packet.at_ns for packet in talking.rtp.sent if packet.sample % (EVERY_S * sdp.PCMU.rate) == 0]
    webm = await asyncio.to_thread(open_as_keeper, house.bridge.state, line.recording)
    found = await asyncio.to_thread(_pairs, webm, painted, sent, began_ns)
    length_s = seconds
    parts = [[o for at, o in found if low <= at < high] for low, high in _thirds(length_s)]
    names = ("start", "middle, busy window", "end")
    return [
        Figure(f"picture/voice offset, {name}", "ms", [abs(o) for o in part], "p95 <= 40")
        for name, part in zip(names, parts, strict=True)
        if part
    ] + [Figure(f"BYE -> sealed and released, the {seconds} s call", "ms", [ready_ms], "<= 1000")]


def _thirds(length_s: float) -> list[tuple[float, float]]:
    return [(length_s * part / 3, length_s * (part + 1) / 3) for part in range(3)]


async def _flash_with_the_next_beep(house: House, talking: object) -> int:
    """Flashes shortly after the next beep left; when it was on the screen."""
    sent = talking.rtp.sent  # type: ignore[attr-defined]
    whole = EVERY_S * sdp.PCMU.rate
    seen = len(sent)
    while not any(packet.sample % whole == 0 for packet in sent[seen:]):  # noqa: ASYNC110 (RTP has no event)
        await asyncio.sleep(0.005)
    return await house.alice.order(f"flash {FLASH_MS}")


def _pairs(webm: bytes, painted: list[int], sent: list[int], began_ns: int) -> list[tuple[float, float]]:
    """(seconds into the call, picture later than voice in ms) of each flash whose beep is in the film too."""
    flashes, onsets = _flashes(webm), _onsets(webm)
    pairs = []
    for painted_ns in painted:
        at_s = (painted_ns - began_ns) / 1e9
        sent_ns = min(sent, key=lambda one: abs(one - painted_ns))
        flash = min(flashes, key=lambda one: abs(one - at_s), default=None)
        onset = min(onsets, key=lambda one: abs(one - (sent_ns - began_ns) / 1e9), default=None)
        if flash is None or onset is None or abs(flash - at_s) > NEAR_S or abs(onset - at_s) > NEAR_S:
            continue
        pairs.append((at_s, ((flash - onset) * 1e9 - (painted_ns - sent_ns)) / 1e6))
    return pairs


def _flashes(webm: bytes) -> list[float]:
    """Seconds at which the square turned bright."""
    left = 2 * BLOCK_PX + CODE_BLOCKS * BLOCK_PX + FLASH_PX // 2
    top = BLOCK_PX + FLASH_PX // 2
    times, bright = [], False
    with av.open(io.BytesIO(webm), "r") as film:
        for frame in film.decode(video=0):
            plane = frame.planes[0]
            now = bytes(plane)[top * plane.line_size + left] > 150
            if now and not bright and frame.time is not None:
                times.append(float(frame.time))
            bright = now
    return times


def _onsets(webm: bytes) -> list[float]:
    """Seconds at which a beep begins on the agent's leg."""
    parts: list[npt.NDArray[np.float32]] = []
    with av.open(io.BytesIO(webm), "r") as film:
        stream = film.streams.audio[0]
        start = None
        for frame in film.decode(stream):
            start = float(frame.time or 0) if start is None else start
            parts.append(frame.to_ndarray()[0].astype(np.float32))
    leg = np.concatenate(parts)
    envelope = np.sqrt(np.convolve(leg**2, np.ones(48) / 48, mode="same"))
    loud = envelope > 0.35 * float(envelope.max())
    edges = np.flatnonzero(loud[1:] & ~loud[:-1]) / 48000 + (start or 0.0)
    kept: list[float] = []
    for edge in edges:
        if not kept or edge - kept[-1] > 1.0:
            kept.append(float(edge))
    return kept


async def measure(calls: int, seconds: int, jitter_ms: int, pbx: str) -> list[Figure]:
    programs = await asyncio.to_thread(install)
    figures = []
    async with House(programs, pbx=found(pbx)) as house:
        figures += await delays(house, calls, AIMS[pbx])
    async with JitteryHouse(programs, found(pbx), jitter_ms=jitter_ms) as house:
        figures += await offsets(house, seconds)
    return figures


def found(pbx: str) -> FoundPbx | None:
    """The one somebody else runs; None for the house's own Asterisk."""
    return Freeswitch.from_environment() if pbx == "freeswitch" else None


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=CALLS, help=f"short calls (default {CALLS})")
    parser.add_argument("--seconds", type=int, default=LONG_S, help=f"the long call (default {LONG_S})")
    parser.add_argument(
        "--jitter", type=int, default=JITTER_MS, help=f"of the link, ms (default {JITTER_MS})"
    )
    parser.add_argument("--pbx", choices=tuple(AIMS), default="asterisk", help="(default asterisk)")
    args = parser.parse_args(argv)
    figures = asyncio.run(measure(args.calls, args.seconds, args.jitter, args.pbx))
    calls = f"{args.calls} short, one of {args.seconds} s, {args.jitter} ms jitter"
    print(table(f"Whole calls on {args.pbx} ({calls})", figures))


if __name__ == "__main__":
    main()
