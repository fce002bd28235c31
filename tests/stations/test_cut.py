"""The network is cut for real: two network namespaces, and the link between them goes down. Needs root."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge import wire
from pbx_bridge.ids import StationId
from pbx_bridge.stations import events
from tests.rig.cable import Cable, laid
from tests.stations.rig import Bridge, acknowledge, bridge, until
from workstation_client.enrol import enrol

ROOT = Path(__file__).parents[2]
DESK = StationId("desk")


@pytest.fixture
def cable() -> Iterator[Cable]:
    with laid() as found:
        yield found


class Remote:
    """The client's process in the namespace, and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    async def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await self.process.wait()
            await self._reading

    def did(self, what: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["did"] == what]


@asynccontextmanager
async def remote(there: Bridge, cable: Cable, tmp_path: Path) -> AsyncIterator[Remote]:
    folder = tmp_path / "desk"
    url = f"https://{cable.address}:{there.server.port}"
    identity, _ = await asyncio.to_thread(enrol, url, there.registry.invite(DESK), folder, key_in_file=True)
    acknowledge(identity, folder)
    (tmp_path / "run").mkdir(mode=0o700)
    process = await asyncio.create_subprocess_exec(
        *(
            "ip",
            "netns",
            "exec",
            cable.namespace,
            sys.executable,
            "-m",
            "tests.stations.cut_client",
            str(folder),
        ),
        cwd=ROOT,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    found = Remote(process)
    try:
        yield found
    finally:
        if process.returncode is None:
            await found.stop()


def numbers(there: Bridge) -> list[int]:
    return [int.from_bytes(p.data[:4], "big") for p in there.told.of(events.PictureArrived)]


@pytest.mark.parametrize("side", ["bridge's", "workstation's"])
@pytest.mark.parametrize("phase_s", [0.0, 0.25, 0.45])
async def test_a_cut_of_one_second_resumes(cable: Cable, tmp_path: Path, side: str, phase_s: float) -> None:
    """P10: whichever end goes down and wherever in the renewal's rhythm: nothing lost, nothing twice, no word of it."""
    async with (
        bridge(tmp_path / "bridge", host=cable.address, names=(cable.address,)) as there,
        remote(there, cable, tmp_path) as far,
    ):
        await there.told.wait(events.StationUp)
        recording = there.start(DESK)
        await there.told.wait(events.PictureArrived, 20)
        await asyncio.sleep(phase_s)
        cable.cut(side)
        await asyncio.sleep(1.0)
        cable.mend()
        before = len(there.told.of(events.PictureArrived))
        await there.told.wait(events.PictureArrived, before + 40)
        assert there.server.send(DESK, wire.StopCapture(recording, "call-ended"))
        stopped = await there.told.wait(events.CaptureStopped)
        assert stopped.reason is wire.CaptureEnd.ORDERED
        await far.stop()
        assert numbers(there) == list(range(far.did("end")[0]["total"]))
        assert not there.told.of(events.LeaseLost)
        assert [type(e) for e in there.told.events if isinstance(e, events.StationDown | events.StationUp)][
            :-1
        ] == [events.StationUp]
        for picture in there.told.of(events.PictureArrived):
            true_ns = int.from_bytes(picture.data[4:12], "big")
            assert abs(picture.at_ns - true_ns) <= picture.error_ns + 1_000_000
            assert picture.error_ns < 20_000_000


async def test_a_cut_for_good_stops_the_capture_there_and_the_recording_here(
    cable: Cable, tmp_path: Path
) -> None:
    """P10: each side by its own timer, and a new call works when the network is back."""
    async with (
        bridge(tmp_path / "bridge", host=cable.address, names=(cable.address,)) as there,
        remote(there, cable, tmp_path) as far,
    ):
        await there.told.wait(events.StationUp)
        there.start(DESK)
        await there.told.wait(events.PictureArrived, 20)
        cable.cut("bridge's")
        last_ns = int.from_bytes(there.told.of(events.PictureArrived)[-1].data[4:12], "big")
        await there.told.wait(events.StationDown)
        kinds = [type(e) for e in there.told.events]
        assert kinds[-2:] == [events.LeaseLost, events.StationDown]
        await until(lambda: bool(far.did("stop")), within_s=3)
        (stop,) = far.did("stop")
        assert stop["reason"] == wire.CaptureEnd.LEASE_LOST
        assert stop["at_ns"] - last_ns < 2_200_000_000
        count = len(there.told.of(events.PictureArrived))
        cable.mend()
        await there.told.wait(events.StationUp, 2, within_s=20)
        assert len(there.told.of(events.PictureArrived)) == count, "what came too late is not recorded"
        again = there.start(DESK)
        await there.told.wait(events.CaptureStarted, 2)
        assert there.told.of(events.CaptureStarted)[-1].recording == again
