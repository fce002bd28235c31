"""Desktops and programs for the capture tests. One X server for a module, one recorder process for a test."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pbx_bridge.wire import ApplicationRule
from tests.capture.filming import PROGRAMS, Station
from tests.rig.desktop import Desktop
from tests.rig.install import SYSTEM_PYTHON, Installed
from tests.rig.window_hand import WindowHand


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """The tests' own programs, root's and readable: what P3 asks of an application."""
    folder = Path(tempfile.mkdtemp(prefix="pbx-bridge-programs-", dir="/opt"))
    for program in PROGRAMS.iterdir():
        if program.is_file():
            shutil.copyfile(program, folder / program.name)
            (folder / program.name).chmod(0o755)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def installed_python(installed: Installed) -> Path:
    return installed.python


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with Desktop() as started:
        yield started


@pytest.fixture
def hand(desktop: Desktop) -> Iterator[WindowHand]:
    with WindowHand(desktop) as opened:
        yield opened


@pytest.fixture
def station_of(desktop: Desktop, installed: Installed, programs: Path) -> Iterator[Callable[..., Station]]:
    """Starts the recorder's process; ended with the test."""
    running: list[Station] = []

    def start(**how: str) -> Station:
        running.append(Station(desktop, installed.python, programs / "station.py", **how))
        return running[-1]

    yield start
    for station in running:
        station.__exit__(None, None, None)


@pytest.fixture
def desk_rule(programs: Path) -> ApplicationRule:
    """The rule for desk.py: the interpreter, and the file it must run."""
    return ApplicationRule("desk", str(SYSTEM_PYTHON), str(programs / "desk.py"), "Desk", None, None)


@pytest.fixture
def desk(desktop: Desktop, programs: Path, hand: WindowHand) -> Iterator[subprocess.Popen[bytes]]:
    """The business application, open and mapped."""
    process = desktop.spawn([SYSTEM_PYTHON, programs / "desk.py"], stdin=subprocess.PIPE)
    hand.find("Desk")
    yield process
    assert process.stdin is not None
    process.stdin.close()
    desktop.end(process)
