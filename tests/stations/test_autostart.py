"""The client starts at login and ends at logout: a real session manager under Xvfb reads the autostart entry.

The unit for systemd is checked by systemd, and started by a real `systemd --user`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx_bridge.errors import OperatorError
from pbx_bridge.stations import events
from tests.rig.desktop import Desktop, until
from tests.rig.install import Installed
from tests.stations.rig import bridge
from tests.stations.user_manager import UserManager
from workstation_client import autostart


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    with Desktop(window_manager=False) as found:
        yield found


@pytest.fixture
def home(desktop: Desktop) -> Path:
    """A home of its own for the desktop's user."""
    found = desktop.runtime / "home"
    found.mkdir(mode=0o700)
    os.chown(found, desktop.user.pw_uid, desktop.user.pw_gid)
    return found


def _run(desktop: Desktop, home: Path, *words: str | Path) -> str:
    """A command of the user's; what it printed."""
    process = desktop.spawn(
        [*words],
        environment={"HOME": str(home)},
        folder="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_a_login_starts_the_client_and_a_logout_ends_it(
    installed: Installed, desktop: Desktop, home: Path, tmp_path: Path
) -> None:
    """openbox-session runs the XDG autostart entries, as Debian's does at login."""
    async with bridge(tmp_path / "bridge") as there:
        code = there.registry.invite("desk")
        await asyncio.to_thread(_run, desktop, home, installed.client, "enrol", there.url, "--code", code)
        shown = await asyncio.to_thread(
            _run, desktop, home, installed.client, "autostart", "install", "--kind", "xdg"
        )
        assert shown == f"xdg: {home}/.config/autostart/pbx-bridge-workstation.desktop\n"
        assert not there.told.events
        desktop.spawn(["openbox-session"], environment={"HOME": str(home)})
        up = await there.told.wait(events.StationUp, within_s=30)
        assert (up.station, up.trainee_login, up.active) == ("desk", desktop.user.pw_name, True)
        # A second start, by a systemd unit for instance, is not a second client.
        again = await asyncio.to_thread(_run, desktop, home, installed.client, "run")
        assert "already" in again
        assert not there.told.of(events.KeyCloned)
        await asyncio.to_thread(desktop.end, desktop._processes[0])  # the X server: everybody is logged out
        down = await there.told.wait(events.StationDown, within_s=15)
        assert down.reason == "stopping"
    removed = await asyncio.to_thread(_run, desktop, home, installed.client, "autostart", "remove")
    assert removed == "Removed.\n"
    assert not list((home / ".config").rglob("*.desktop"))


_SESSION = """\
[Unit]
Description=What a desktop brings up at login
BindsTo=graphical-session.target
Before=graphical-session.target
"""


async def test_the_users_manager_starts_restarts_and_stops_the_client(
    installed: Installed, desktop: Desktop, home: Path, tmp_path: Path
) -> None:
    """A real `systemd --user`: login brings graphical-session.target up, a killed client comes back, logout ends it."""
    async with bridge(tmp_path / "bridge") as there:
        code = there.registry.invite("desk")
        await asyncio.to_thread(_run, desktop, home, installed.client, "enrol", there.url, "--code", code)
        with UserManager(desktop, home) as manager:

            async def systemctl(*words: str) -> str:
                done = await asyncio.to_thread(manager.systemctl, *words)
                assert done.returncode == 0, done.stderr
                return done.stdout

            shown = await asyncio.to_thread(manager.run, installed.client, "autostart", "install", "--json")
            # The manager is there and no graphical session yet: it cannot be told which of both will start it.
            assert [i["kind"] for i in json.loads(shown.stdout)] == ["systemd", "xdg"], shown.stderr
            session = home / ".config/systemd/user/desk-session.target"
            session.write_text(_SESSION)
            await systemctl("daemon-reload")
            await systemctl("import-environment", "DISPLAY", "XDG_SESSION_TYPE")
            assert not there.told.events
            await systemctl("start", "desk-session.target")
            up = await there.told.wait(events.StationUp, within_s=30)
            assert (up.trainee_login, up.active) == (desktop.user.pw_name, True)
            shown = await asyncio.to_thread(manager.run, installed.client, "autostart", "install", "--json")
            assert json.loads(shown.stdout)[0]["kind"] == "systemd"
            await systemctl("kill", "--signal=KILL", autostart.UNIT)
            await there.told.wait(events.StationUp, 2, within_s=30)
            await systemctl("stop", "desk-session.target", "graphical-session.target")
            await there.told.wait(events.StationDown, 2, within_s=15)
            assert there.told.of(events.StationDown)[-1].reason == "stopping"
        assert not there.told.of(events.KeyCloned)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "config"


def test_install_status_remove(config: Path) -> None:
    assert autostart.status() == []
    both = autostart.install((autostart.Kind.SYSTEMD, autostart.Kind.XDG))
    assert both == autostart.install((autostart.Kind.SYSTEMD, autostart.Kind.XDG)) == autostart.status()
    assert [i.kind for i in both] == [autostart.Kind.SYSTEMD, autostart.Kind.XDG]
    link = config / "systemd/user/graphical-session.target.wants/pbx-bridge-workstation.service"
    assert link.resolve() == both[0].path
    assert autostart.remove() == both
    assert autostart.status() == []
    assert not [p for p in config.rglob("*") if not p.is_dir()]
    assert autostart.remove() == []


@pytest.mark.parametrize("folder", ['quo"te', "per%cent", "dol$lar", "back\\slash"])
def test_a_path_no_file_can_hold_is_named(config: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    program = config.parent / folder / "workstation-client"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setattr("sys.argv", [str(program)])
    with pytest.raises(OperatorError, match="somewhere else"):
        autostart.install()
    assert autostart.status() == []


def test_without_a_user_manager_xdg_is_chosen(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert [i.kind for i in autostart.install()] == [autostart.Kind.XDG]


@pytest.mark.parametrize("folder", ["plain", "with space", "é-accent"])
def test_systemd_accepts_the_unit_and_the_entry_starts_the_program(tmp_path: Path, folder: str) -> None:
    program = tmp_path / folder / "workstation-client"
    program.parent.mkdir()
    done = tmp_path / "done"
    program.write_text(f'#!/bin/sh\necho "$1" > {done}\n')
    program.chmod(0o755)
    unit = tmp_path / "pbx-bridge-workstation.service"
    unit.write_text(autostart.unit_text([str(program), "run"]))
    verified = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    complaints = [line for line in verified.stderr.splitlines() if "pbx-bridge-workstation" in line]
    assert (verified.returncode, complaints) == (0, [])
    entries = tmp_path / "config" / "autostart"
    entries.mkdir(parents=True)
    (entries / autostart.DESKTOP_FILE).write_text(autostart.desktop_text([str(program), "run"]))
    runner = shutil.which(
        "openbox-xdg-autostart", path="/usr/lib/x86_64-linux-gnu:/usr/lib/openbox:/usr/libexec"
    )
    assert runner, "openbox is not installed"
    subprocess.run(
        [runner, "X"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "XDG_CONFIG_DIRS": str(tmp_path / "none"),
        },
        timeout=30,
        check=True,
    )
    assert until("the program ran", lambda: done.exists() and done.read_text()) == "run\n"
