"""The keeper started by itself, as in a container of its own: nobody above it, nobody root."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx_bridge.app_doctor import examine_keeper
from pbx_bridge.app_finding import Finding
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.config import load
from pbx_bridge.ids import new_recording_id
from pbx_bridge.wire_portal import KeeperUnreachable, Refused, Role

KEEPER, RECORDER, STRANGER = (pwd.getpwnam(name) for name in ("games", "nobody", "daemon"))
ADMINISTRATORS = grp.getgrnam("operator")
"""Accounts that every Debian has, in the places of the product's own."""
END_S = 60.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def config() -> Iterator[Path]:
    """In a folder of its own, which others may enter: pytest's is root's alone."""
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-apart-") as name:
        for folder in (Path(name), Path(name, "state"), Path(name, "run")):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
            os.chown(folder, KEEPER.pw_uid, KEEPER.pw_gid)
        yield write_config(Path(name))


def write_config(folder: Path) -> Path:
    file = folder / "config.toml"
    file.write_text(
        f"""[bridge]
state_dir = "{folder}/state"
run_dir = "{folder}/run"
user = "{RECORDER.pw_name}"
keeper_user = "{KEEPER.pw_name}"
keeper_apart = true
admin_group = "{ADMINISTRATORS.gr_name}"
demonstration = true
[asterisk]
ami_secret_file = "/nonexistent"
ari_secret_file = "/nonexistent"
"""
    )
    return file


def as_(user: pwd.struct_passwd, gid: int, *words: str) -> list[str]:
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={gid}", "--clear-groups", "--", *words]


def keeper(config: Path) -> subprocess.Popen[bytes]:
    """As a container starts it: without anything on its standard input."""
    words = as_(KEEPER, KEEPER.pw_gid, sys.executable, "-m", "pbx_bridge", "--config", str(config), "keeper")
    return subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", env={"PYTHONPATH": str(ROOT)}
    )


@pytest.fixture
def running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = keeper(config)
    yield process
    process.kill()
    process.communicate()


def asked(config: Path, user: pwd.struct_passwd, gid: int) -> str:
    """What comes of a question an administrator asks, put by that user with that primary group."""
    script = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from pbx_bridge.archive.keeper_link import KeeperLink\n"
        "from pbx_bridge.wire_portal import KeeperUnreachable, Refused\n"
        "while True:\n"
        "    try:\n        said = asyncio.run(KeeperLink(Path(sys.argv[1])).everyone())\n"
        "    except KeeperUnreachable:\n        continue\n"  # a starved machine's keeper answers late
        "    except Refused as refused:\n        said = refused\n"
        "    print(said)\n    break\n"
    )
    socket = config.parent / "run/keeper/keeper.sock"
    done = subprocess.run(
        as_(user, gid, sys.executable, "-c", script, str(socket)),
        capture_output=True, text=True, timeout=END_S, cwd="/", env={"PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    return done.stdout.strip()


async def test_it_serves_until_it_is_told_to_end(config: Path, running: subprocess.Popen[bytes]) -> None:
    link = KeeperLink(config.parent / "run/keeper/keeper.sock")
    await link.wait_ready(END_S)
    await link.invite("carla", Role.APPROVER)
    with pytest.raises(Refused):  # root administers; it is not the recorder
        await link.hand_over(new_recording_id(), "alice")
    await link.close()
    assert running.poll() is None
    second = keeper(config)
    assert b"the keeper runs already" in second.communicate(timeout=END_S)[1]
    assert second.returncode == 2
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=END_S)
    assert running.returncode == 0
    with pytest.raises(KeeperUnreachable):
        await link.status()


async def test_the_recorder_is_no_administrator_but_by_the_group(
    config: Path, running: subprocess.Popen[bytes]
) -> None:
    await KeeperLink(config.parent / "run/keeper/keeper.sock").wait_ready(END_S)
    assert asked(config, RECORDER, ADMINISTRATORS.gr_gid) == "()"
    assert "may not ask the keeper for that" in asked(config, RECORDER, RECORDER.pw_gid)
    assert "may not speak to the keeper" in asked(config, STRANGER, STRANGER.pw_gid)


async def test_an_administrator_sees_by_the_doctor_how_it_is(
    config: Path, running: subprocess.Popen[bytes]
) -> None:
    """By every word the doctor asks with, and none of the recorder's; an audit log that is away is said."""
    link, site = KeeperLink(config.parent / "run/keeper/keeper.sock"), load(config)
    await link.wait_ready(END_S)
    await link.invite("carla", Role.APPROVER)
    await link.close()
    assert await examine_keeper(site) == Finding("keeper", True, "0 recordings, 1 audit records")
    (config.parent / "state/keeper/audit").rename(config.parent / "away")
    found = await examine_keeper(site)
    assert (found.good, "the audit log cannot be written" in found.says) == (False, True)
