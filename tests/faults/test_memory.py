"""P17: what is recorded reaches no disk by way of memory: the running processes leave no core dump and no page in a swap."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from tests.faults.house import FaultHouse

pytestmark = pytest.mark.asyncio(loop_scope="package")

REFUSED_WITHIN_S = 30.0
LOCKED_KB = 10_000


def of(pid: int, file: str, pattern: str) -> str:
    found = re.search(pattern, Path(f"/proc/{pid}/{file}").read_text())
    assert found is not None, (pid, file)
    return found.group(1)


def may_be_dumped(pid: int) -> bool:
    """proc(5): what belongs to a process that may be dumped belongs to its user, else to root."""
    return os.stat(f"/proc/{pid}/environ").st_uid == int(of(pid, "status", r"Uid:\s+(\d+)"))


async def test_who_holds_media_or_keys_leaves_no_core_dump(house: FaultHouse) -> None:
    for pid in (house.bridge.pid, house.keeper_pid, house.client_pid):
        assert of(pid, "status", r"Uid:\s+(\d+)") != "0"
        assert of(pid, "limits", r"Max core file size\s+(\d+)\s+\d+") == "0"
        assert not may_be_dumped(pid)
    assert house.desk.app is not None
    assert may_be_dumped(house.desk.app.pid), "the control: another program of the trainee"


async def test_bridge_and_keeper_are_locked_into_memory_where_root_may_raise_the_limit(
    house: FaultHouse,
) -> None:
    raised = await asyncio.create_subprocess_exec("prlimit", "--memlock=unlimited:unlimited", "true")
    may = await raised.wait() == 0
    for pid in (house.bridge.pid, house.keeper_pid):
        assert (int(of(pid, "status", r"VmLck:\s+(\d+) kB")) > LOCKED_KB) is may
    assert int(of(os.getpid(), "status", r"VmLck:\s+(\d+) kB")) == 0, "the control: this process"


async def test_where_memory_cannot_be_locked_an_unencrypted_swap_refuses_to_serve(
    house: FaultHouse, tmp_path: Path
) -> None:
    """A second site on this machine: it has a swap, and its root may neither lock memory nor raise the limit."""
    config, swaps, said = tmp_path / "config.toml", tmp_path / "swaps", tmp_path / "said"
    config.write_text(house.bridge.toml().replace(f'"{house.bridge.folder}', f'"{tmp_path}'))
    for secret in ("ami.secret", "ari.secret"):
        (tmp_path / secret).write_text("not-used-before-the-refusal")
        (tmp_path / secret).chmod(0o600)
    swaps.write_text("Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 100 0 -2\n")
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "unshare", "--mount", "sh", "-c", 'mount --bind "$1" /proc/swaps && shift && exec "$@"', "sh", swaps,
            "prlimit", "--memlock=8388608:8388608", "setpriv", "--bounding-set", "-sys_resource,-ipc_lock",
            house.bridge_program, "--config", config, "serve",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert await asyncio.wait_for(process.wait(), REFUSED_WITHIN_S) == 2, said.read_text()
    assert "unencrypted swap /dev/sda2" in said.read_text()
    assert "cryptsetup" in said.read_text()
