"""Restored backups on a real bridge: what was destroyed stays destroyed, what was kept opens (P20)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.faults.house import FaultHouse
from tests.live.house import ALICE, until
from tests.rig import scenarios

pytestmark = pytest.mark.asyncio(loop_scope="package")

GONE_WITHIN_S = 10.0
PARTS = ("sealed", "catalogue", "keeper/keystore")
WHOLE = ("sealed", "catalogue", "keeper")


def copied(state: Path, to: Path) -> None:
    """As `cp -a`: owners and modes too."""
    shutil.rmtree(to, ignore_errors=True)
    for name in WHOLE:
        _copy(state / name, to / name)


def restored(state: Path, backup: Path, names: tuple[str, ...]) -> None:
    for name in names:
        shutil.rmtree(state / name)
        _copy(backup / name, state / name)


def _copy(there: Path, to: Path) -> None:
    shutil.copytree(there, to, symlinks=True)
    for path in (there, *there.rglob("*")):
        status = path.lstat()
        shutil.chown(to / path.relative_to(there), status.st_uid, status.st_gid)


async def test_no_backup_brings_back_what_was_destroyed(house: FaultHouse, tmp_path: Path) -> None:
    async with house.stage() as stage:
        await scenarios.agent_hangs_up(stage)
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.HUNG_UP))
    state, backup = house.bridge.state, tmp_path / "backup"
    await house.bridge.stop()
    await asyncio.to_thread(copied, state, backup)
    await house.bridge.start()
    assert not house.is_gone(line.recording)
    await house.bridge.command("request", "open", "erasure", "--trainee", ALICE)
    assert house.keys() == []

    async def remembered() -> bool:
        return line.recording in (state / "retention" / "destroyed.jsonl").read_text()

    await until(remembered, "the bridge's own memory", 90)
    for names in (PARTS, WHOLE):
        await house.bridge.stop()
        await asyncio.to_thread(restored, state, backup, names)
        assert not house.is_gone(line.recording), "the control: the backup holds key and file"
        await house.bridge.start()

        async def gone() -> bool:
            return house.is_gone(line.recording) and line.recording not in house.noted()

        await until(gone, f"nothing of it after restoring {names}", GONE_WITHIN_S)
    assert "Nothing has ended" in await house.bridge.command("purge")
