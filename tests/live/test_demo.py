"""`./run demo` as a person runs it, and the control that shows its proof can fail."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import stat
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.rig import demo
from tests.rig.asterisk import Asterisk
from tests.rig.bridge import Bridge, Site
from tests.rig.commands import run_command
from tests.rig.install import Installed
from tests.rig.proof import decode, judge, open_sealed, table
from tests.rig.trainer import PersonsMachine
from tests.rig.workstation import Workstation

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 300.0
WATCHED = """
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: whatever the demo leaves behind becomes a child of this
done = subprocess.run(sys.argv[1:], process_group=0)
left = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1] == str(os.getpid()):
            left.append(open(f"/proc/{pid}/cmdline").read().replace(chr(0), " "))
    except OSError:
        pass
print("left behind:", [one for one in left if one])
sys.exit(done.returncode)
"""
"""Runs a command in a process group of its own, as a shell would, and then tells what of it still runs."""


@asynccontextmanager
async def watched_demo(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WATCHED, "bash", str(ROOT / "run"), "demo", *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd="/",
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield process
    finally:
        if process.returncode is None:
            _interrupt(process)
            await process.wait()


def _interrupt(process: asyncio.subprocess.Process) -> None:
    """Ctrl-C: SIGINT to the foreground group, which is the group of the watcher's only child."""
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        os.killpg(int(child), signal.SIGINT)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def _read_until(process: asyncio.subprocess.Process, words: str) -> str:
    assert process.stdout is not None
    said = ""
    while words not in said:
        line = await process.stdout.readline()
        assert line, f"the demo ended before {words!r}:\n{said}"
        said += line.decode()
    return said


async def test_the_demo_ends_with_a_proven_file(tmp_path: Path) -> None:
    async with watched_demo("--out", str(tmp_path / "out"), "--seconds", "12") as process:
        out, _ = await process.communicate()
    said = out.decode()
    assert process.returncode == 0, said
    *_, recording, identity, recorded, left = said.splitlines()
    sealed, key = Path(recording.removeprefix("recording: ")), Path(identity.removeprefix("identity: "))
    assert re.fullmatch(r"id: [a-z2-7]{26}", recorded)
    assert left == "left behind: []"
    assert re.search(rf"alice.*recorded.*hung-up.*{recorded[4:]}", said), "no ledger line"
    assert _mode(key) == 0o600
    assert open_sealed(sealed, key).startswith(b"\x1a\x45\xdf\xa3"), "not a WebM file"
    assert f"age -d -i {key} {sealed}" in said


async def test_keep_plays_the_recording_until_ctrl_c(tmp_path: Path) -> None:
    async with watched_demo("--keep", "--out", str(tmp_path / "out"), "--seconds", "10") as process:
        said = await _read_until(process, "\nid: ")
        url = re.search(r"http://127\.0\.0\.1:\d+/\S*", said)
        assert url, said
        page, film = await asyncio.gather(
            asyncio.to_thread(_get, url.group()), asyncio.to_thread(_get, f"{url.group()}video")
        )
        assert b"<video" in page
        assert film.startswith(b"\x1a\x45\xdf\xa3"), "not a WebM file"
        invite = re.search(r"(?m)^ +a link for alice +(\S.*)$", said)
        assert invite, said
        assert "/join#" in await run_command(*shlex.split(invite[1]))
        _interrupt(process)
        out, _ = await process.communicate()
    assert process.returncode == 0, said + out.decode()
    assert out.decode().splitlines()[-1] == "left behind: []"


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        content: bytes = answer.read()
        return content


@pytest.mark.parametrize("moment", ["starting the bridge", "the trainee answers"])
async def test_ctrl_c_ends_everything(tmp_path: Path, moment: str) -> None:
    async with watched_demo("--out", str(tmp_path / "out")) as process:
        await _read_until(process, moment)
        _interrupt(process)
        out, _ = await process.communicate()
    assert process.returncode == 130, out.decode()
    assert out.decode().splitlines()[-1] == "left behind: []"


@pytest.fixture
def leaky_client() -> Iterator[Path]:
    """The client without its guard, in a folder every user may read."""
    folder = Path(tempfile.mkdtemp(prefix="pbx-bridge-leaky-"))
    folder.chmod(0o755)
    shutil.copy(ROOT / "tests/rig/leaky_client.py", folder)
    shutil.copy(ROOT / "tests/capture/programs/station.py", folder)
    yield folder / "leaky_client.py"
    shutil.rmtree(folder)


async def test_without_the_guard_the_proof_finds_the_private_window(
    installed: Installed, trainer_machine: Installed, tmp_path: Path, leaky_client: Path
) -> None:
    def told(text: str) -> None:
        print(text)

    async with (
        Asterisk() as pbx,
        Workstation(installed) as workstation,
        Bridge(pbx, installed, Site(workstation.login)) as bridge,
    ):
        await demo.enrol(bridge, workstation, told, installed.python, leaky_client)
        truth = await demo.call_with_mail(pbx, workstation, 12, told)
        recording = await demo.recorded(bridge, told)
        machine = PersonsMachine(trainer_machine, tmp_path / "trainer", tmp_path / "key")
        result = await demo.hand_over_and_fetch(
            bridge, workstation, machine, recording, truth, tmp_path, told
        )
    assert not result.proven
    checks = judge(decode(open_sealed(result.recording, result.identity)), truth)
    failed = {check.what for check in checks if not check.holds}
    assert "red pixels of the private window" in failed, table(checks)
