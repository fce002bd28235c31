"""A real server and a real client talk over TLS on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx_bridge import wire
from pbx_bridge.stations import events
from tests.stations.rig import NOTICE, bridge, desk, until


@pytest.fixture(autouse=True)
def _runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


async def test_one_recording_from_invitation_to_last_picture(tmp_path: Path) -> None:
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk") as here:
            up = await there.told.wait(events.StationUp)
            assert (up.station, up.active, up.acknowledged) == ("desk-1", True, wire.notice_hash(NOTICE))
            recording = there.start("desk-1")
            started = await there.told.wait(events.CaptureStarted)
            for _ in range(20):
                here.recorder.picture()
            last = await there.told.wait(events.PictureArrived, 20)
            assert there.server.send(up.station, wire.StopCapture(recording, "call-ended"))
            stopped = await there.told.wait(events.CaptureStopped)
            there.server.acknowledge(up.station, recording, last.seq)
            await until(lambda: here.client.agent.spool.held() == ())
        pictures = there.told.of(events.PictureArrived)
        assert [int.from_bytes(p.data[:4], "big") for p in pictures] == list(range(20))
        assert [p.seq for p in pictures] == list(range(1, 21))
        assert started.at_ns <= pictures[0].at_ns <= pictures[-1].at_ns <= stopped.at_ns
        assert all(p.error_ns < 50_000_000 for p in pictures)
        assert stopped.reason is wire.CaptureEnd.ORDERED
        down = await there.told.wait(events.StationDown)
        assert down.reason == "stopping"
