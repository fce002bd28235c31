"""A real server and a real client talk over TLS on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge import wire
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import new_recording_id
from pbx_bridge.stations import events
from pbx_bridge.wire_json import write_fields
from pbx_bridge.wire_proof import acknowledgement_statement, is_signed
from tests.stations.rig import DESKTOP, NOTICE, bridge, desk, until
from workstation_client import control


@pytest.fixture(autouse=True)
def _runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


async def ask(question: Mapping[str, object]) -> dict[str, Any]:
    """As the client's own commands do."""
    return await asyncio.to_thread(control.ask, control.runtime_dir() / "client.sock", question)


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


async def test_a_client_that_is_ended_in_mid_call_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk") as here:
            await there.told.wait(events.StationUp)
            there.start("desk-1")
            await there.told.wait(events.CaptureStarted)
            for _ in range(5):
                here.recorder.picture()
            await here.stop()
            stopped = await there.told.wait(events.CaptureStopped)
            assert stopped.reason is wire.CaptureEnd.CLIENT_STOPPED
            assert [p.seq for p in there.told.of(events.PictureArrived)] == [1, 2, 3, 4, 5]
            assert (await there.told.wait(events.StationDown)).reason == "stopping"
            assert not there.told.of(events.LeaseLost)


async def test_a_notice_is_read_acknowledged_and_told(tmp_path: Path) -> None:
    """P14: by the person's own commands; before that every order is refused."""
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk", ready=False) as here:
            up = await there.told.wait(events.StationUp)
            assert up.acknowledged is None
            there.start("desk-1")
            refused = await there.told.wait(events.CaptureRefused)
            assert refused.reason is wire.CaptureEnd.NOT_ACKNOWLEDGED
            with pytest.raises(OperatorError, match="no notice"):
                await ask({"do": "notice"})
            there.server.send(up.station, NOTICE)
            await until(lambda: here.client.agent.offered is not None)
            shown = await ask({"do": "notice"})
            assert (shown["notice"], shown["acknowledged"]) == (write_fields(NOTICE), False)
            with pytest.raises(OperatorError, match="changed meanwhile"):
                await ask({"do": "accept", "notice_hash": "0" * 64})
            await ask({"do": "accept", "notice_hash": shown["notice_hash"]})
            told = await there.told.wait(events.NoticeAcknowledged)
            key = there.registry.find("desk-1")
            assert key is not None
            statement = acknowledgement_statement(wire.notice_hash(NOTICE), told.at)
            assert is_signed(key.key, statement, told.signature)
            there.start("desk-1")
            await there.told.wait(events.CaptureStarted)
        # It is remembered: the next client needs nobody to read it again.
        async with desk(identity, tmp_path / "desk", ready=False):
            assert (await there.told.wait(events.StationUp, 2)).acknowledged == wire.notice_hash(NOTICE)


async def test_what_the_person_asks_is_answered(tmp_path: Path) -> None:
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk"):
            station = (await there.told.wait(events.StationUp)).station
            status = await ask({"do": "status"})
            assert (status["station"], status["lease"], status["recording"]) == ("desk-1", True, None)

            listing = asyncio.create_task(ask({"do": "recordings"}))
            asked = await there.told.wait(events.RecordingsAsked)
            recording = new_recording_id()
            line = wire.RecordingLine(recording, 1_764_000_000, 61, "own")
            there.server.send(station, wire.RecordingsList(asked.request, (line,)))
            expected = {"id": recording, "started_at": 1_764_000_000, "duration_s": 61, "state": "own"}
            assert (await listing)["recordings"] == [expected]

            handing = asyncio.create_task(ask({"do": "hand-over", "recording": recording}))
            over = await there.told.wait(events.HandOverAsked)
            assert over.recording == recording
            there.server.send(station, wire.HandOverResult(over.request, False, "it is not yours"))
            with pytest.raises(OperatorError, match="not yours"):
                await handing

            private = asyncio.create_task(ask({"do": "private"}))
            objection = await there.told.wait(events.PrivateAsked)
            there.server.send(station, wire.PrivateResult(objection.request, True, ""))
            assert (await private)["ok"]

            for wrong in ({"do": "dance"}, {}, {"do": "accept"}, {"do": "hand-over", "recording": "../x"}):
                with pytest.raises(OperatorError):
                    await ask(wrong)


async def test_a_lock_and_a_wayland_login_are_told_and_obeyed(tmp_path: Path) -> None:
    """P4; one active, unlocked session or none."""
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk") as here:
            await there.told.wait(events.StationUp)
            here.session.desktop = replace(DESKTOP, locked=True)
            changed = await there.told.wait(events.DesktopChanged)
            assert (changed.active, changed.locked) == (True, True)
            assert here.recorder.orders[-1] == "lock"
            there.start("desk-1")
            assert (await there.told.wait(events.CaptureRefused)).reason is wire.CaptureEnd.NO_DESKTOP
            here.session.desktop = replace(DESKTOP, kind=wire.DesktopKind.WAYLAND, active=False)
            await there.told.wait(events.DesktopChanged, 2)
            there.start("desk-1")
            assert (await there.told.wait(events.CaptureRefused, 2)).reason is wire.CaptureEnd.WAYLAND


async def test_a_call_that_rings_makes_an_encoder_ready(tmp_path: Path) -> None:
    """Not only display and libraries: making one takes longer than a call takes to begin."""
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk") as here:
            station = (await there.told.wait(events.StationUp)).station
            assert here.recorder.orders == ["unlock", "warm", "cool"]
            assert there.server.send(station, wire.GetReady())
            await until(lambda: here.recorder.orders[3:] == ["expect"])


async def test_a_lock_in_mid_call_ends_the_film_and_the_unlock_does_not_bring_it_back(tmp_path: Path) -> None:
    """P4, P8: not even when the bridge orders nothing."""
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk") as here:
            await there.told.wait(events.StationUp)
            there.start("desk-1")
            await there.told.wait(events.CaptureStarted)
            here.recorder.picture()
            await there.told.wait(events.PictureArrived)
            here.session.desktop = replace(DESKTOP, locked=True)
            stopped = await there.told.wait(events.CaptureStopped)
            assert stopped.reason is wire.CaptureEnd.NO_DESKTOP
            here.session.desktop = DESKTOP
            await there.told.wait(events.DesktopChanged, 2)
            assert here.recorder.recording is None
            assert (await ask({"do": "status"}))["recording"] is None


async def test_an_objection_reaches_the_workstation_and_nothing_follows(tmp_path: Path) -> None:
    """P16."""
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk") as here:
            station = (await there.told.wait(events.StationUp)).station
            recording = there.start("desk-1")
            await there.told.wait(events.CaptureStarted)
            here.recorder.picture()
            await there.told.wait(events.PictureArrived)
            assert there.server.send(station, wire.StopCapture(recording, "objection", discard=True))
            here.recorder.picture()
            await there.told.wait(events.CaptureStopped)
            assert len(there.told.of(events.PictureArrived)) == 1
            await until(
                lambda: here.client.agent.spool.held() == () and not here.client.agent.spool.size_bytes
            )


async def test_a_bridge_that_starts_anew_ends_the_capture_and_can_begin_another(tmp_path: Path) -> None:
    """The new bridge knows nothing of the recording: the workstation stops and erases it, and says nothing of it."""
    async with bridge(tmp_path / "bridge") as first:
        identity = await first.enrol("desk-1", tmp_path / "desk")
        port = first.server.port
        stack = contextlib.AsyncExitStack()
        here = await stack.enter_async_context(desk(identity, tmp_path / "desk"))
        await first.told.wait(events.StationUp)
        first.start("desk-1")
        await first.told.wait(events.CaptureStarted)
        here.recorder.picture()
    async with stack, bridge(tmp_path / "bridge", port=port) as second:
        await second.told.wait(events.StationUp)
        await until(
            lambda: (
                here.recorder.orders[-1] == "expect" and wire.CaptureEnd.LEASE_LOST in here.recorder.orders
            )
        )
        assert here.client.agent.spool.held() == ()
        second.start("desk-1")
        await second.told.wait(events.CaptureStarted)
        assert not second.told.of(events.StationDown)


async def test_a_client_that_hangs_stops_filming_all_the_same(tmp_path: Path) -> None:
    """P10: the recorder's own thread holds the lease too."""
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk") as here:
            await there.told.wait(events.StationUp)
            there.start("desk-1")
            await there.told.wait(events.CaptureStarted)
            ended = threading.Event()

            def film() -> None:
                while here.recorder.recording and not ended.wait(0.02):
                    here.recorder.picture()

            filming = threading.Thread(target=film)
            filming.start()
            began = time.monotonic()
            filming.join(4)  # on the event loop's own thread: nothing of the client runs meanwhile
            assert not filming.is_alive()
            assert time.monotonic() - began < 2.2
            assert here.recorder.orders[-1] is wire.CaptureEnd.LEASE_LOST
            ended.set()
