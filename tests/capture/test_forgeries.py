"""P3 and P5, live: programs that resemble the business application give no pixel.

Each forger shows a red window of the right class. The genuine window beside it is filmed in the same run, so a guard that
allows nothing fails too.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge.wire import ApplicationRule
from tests.capture.applications import BLUE, CHROMIUM, CHROMIUM_OPTIONS, chromium
from tests.capture.filming import Station, images, near, red
from tests.rig.desktop import Desktop
from tests.rig.install import SYSTEM_PYTHON
from tests.rig.window_hand import WindowHand

RED = ("--colour", "#ff0000", "--geometry", "480x360+500+300")


@pytest.fixture
def home(desktop: Desktop) -> Iterator[Path]:
    """A folder of the user's own."""
    folder = Path(tempfile.mkdtemp(prefix="forgeries-", dir=desktop.user.pw_dir))
    folder.chmod(0o755)
    shutil.chown(folder, desktop.user.pw_uid, desktop.user.pw_gid)
    yield folder
    shutil.rmtree(folder)


def own(desktop: Desktop, source: Path, target: Path) -> Path:
    """A copy the user owns."""
    shutil.copyfile(source, target)
    target.chmod(0o755)
    shutil.chown(target, desktop.user.pw_uid, desktop.user.pw_gid)
    return target


@pytest.fixture
def forgeries(desktop: Desktop, programs: Path, home: Path) -> dict[str, tuple[Sequence[str | Path], Path]]:
    """Command line and folder of each forger."""
    desk = programs / "desk.py"
    copied = own(desktop, SYSTEM_PYTHON, home / "python3.11")
    private = own(desktop, desk, home / "desk.py")
    forger = own(desktop, programs / "forger.py", home / "forger.py")
    trap = home / "trap"
    trap.mkdir(mode=0o755)
    own(desktop, programs / "forger.py", trap / "desk.py")
    linked = home / "link.py"
    linked.symlink_to(private)
    code = f"import runpy,sys; sys.argv=['desk.py','--colour','#ff0000']; runpy.run_path('{desk}', run_name='__main__')"
    loader = next(Path("/lib64").glob("ld-linux-*.so.*"))
    return {
        "second script": ((SYSTEM_PYTHON, private, *RED), home),
        "second script of root's": ((SYSTEM_PYTHON, programs / "second.py", *RED), home),
        "genuine name as an argument": ((SYSTEM_PYTHON, private, *RED, "--title", desk), home),
        "copied interpreter": ((copied, desk, *RED), home),
        "started by the loader": ((loader, SYSTEM_PYTHON, desk, *RED), home),
        "code on the command line": ((SYSTEM_PYTHON, "-c", code, desk), home),
        "relative name, own copy": ((SYSTEM_PYTHON, "desk.py", *RED), home),
        "relative name, changed folder": ((SYSTEM_PYTHON, "desk.py", "folder", programs), trap),
        "link in the user's folder": ((SYSTEM_PYTHON, linked, *RED), home),
        "other script that runs it": ((SYSTEM_PYTHON, forger, "options", programs), home),
    }


FORGERIES = [
    "second script",
    "second script of root's",
    "genuine name as an argument",
    "copied interpreter",
    "started by the loader",
    "code on the command line",
    "relative name, own copy",
    "relative name, changed folder",
    "link in the user's folder",
    "other script that runs it",
]


@pytest.fixture(scope="module", autouse=True)
def second_script(programs: Path) -> None:
    (programs / "second.py").write_bytes((programs / "desk.py").read_bytes())


def film_beside(
    station: Station, rule: ApplicationRule, open_genuine: Callable[[], subprocess.Popen[bytes]]
) -> tuple[int, int]:
    """Films with only the forger open, then with the genuine one too. Foreign pixels at worst; the genuine's at last."""
    station.start(rule)
    station.wait_later(0.3)
    assert all(shot.card for shot in station.shots), "the forger's window was taken for the application"
    open_genuine()
    station.wait_shot("the genuine window", lambda shot: not shot.card, within_s=20)
    station.wait_later(0.3)
    station.stop()
    film = [image for _, image in images(station.shots)]
    return max(red(image) for image in film), near(film[-1], BLUE)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forger_gives_no_pixel(
    name: str,
    desktop: Desktop,
    hand: WindowHand,
    forgeries: dict[str, tuple[Sequence[str | Path], Path]],
    desk_rule: ApplicationRule,
    programs: Path,
    station_of: Callable[..., Station],
) -> None:
    command, folder = forgeries[name]
    forger = desktop.spawn(command, folder=folder, stdin=subprocess.PIPE, environment={"PWD": str(folder)})
    hand.find("Desk")
    genuine: list[subprocess.Popen[bytes]] = []

    def open_genuine() -> subprocess.Popen[bytes]:
        genuine.append(desktop.spawn([SYSTEM_PYTHON, programs / "desk.py"], stdin=subprocess.PIPE))
        return genuine[0]

    foreign, seen = film_beside(station_of(), desk_rule, open_genuine)
    desktop.end(forger)
    desktop.end(genuine[0])
    assert foreign == 0
    assert seen > 40_000


def test_a_relative_name_counts_from_the_folder_it_was_started_in(
    desktop: Desktop,
    hand: WindowHand,
    desk_rule: ApplicationRule,
    programs: Path,
    station_of: Callable[..., Station],
) -> None:
    here = {"PWD": str(programs)}
    process = desktop.spawn(
        [SYSTEM_PYTHON, "desk.py"], folder=programs, stdin=subprocess.PIPE, environment=here
    )
    hand.find("Desk")
    station = station_of()
    station.start(desk_rule)
    station.wait_shot("the window", lambda shot: not shot.card)
    station.stop()
    desktop.end(process)


def test_a_forged_net_wm_pid_gives_no_pixel(
    desk: subprocess.Popen[bytes],
    hand: WindowHand,
    desk_rule: ApplicationRule,
    station_of: Callable[..., Station],
) -> None:
    foreign = hand.red_window(100, 100, 480, 360, managed=True)
    hand.set_words(foreign, "_NET_WM_PID", "CARDINAL", desk.pid)
    hand.set_text(foreign, "WM_CLASS", "desk\0Desk\0")
    hand.set_text(foreign, "WM_NAME", "Desk")
    station = station_of()
    station.start(desk_rule)
    station.wait_later(0.3)
    hand.iconify(hand.find("Desk", pid=desk.pid))
    station.wait_shot("the card", lambda shot: shot.card)
    station.wait_later(0.3)
    station.stop()
    hand.destroy(foreign)
    film = [image for _, image in images(station.shots)]
    assert max(red(image) for image in film) == 0
    assert near(film[0], BLUE) > 40_000


@pytest.mark.parametrize(
    "change",
    [
        {"executable": "/usr/bin/perl"},
        {"wm_class": "Other"},
        {"wm_class": "other/Desk"},
        {"title": "^Customer"},
        {"sha256": "0" * 64},
        {"main_program": "/usr/bin/env"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_the_rule_is_needed(
    change: dict[str, Any],
    desk: subprocess.Popen[bytes],
    desk_rule: ApplicationRule,
    station_of: Callable[..., Station],
) -> None:
    station = station_of()
    station.start(replace(desk_rule, **change))
    station.wait_later(0.2)
    station.stop()
    assert all(shot.card for shot in station.shots)


def test_a_program_its_user_can_change_gives_no_pixel(
    desktop: Desktop, hand: WindowHand, home: Path, programs: Path, station_of: Callable[..., Station]
) -> None:
    private = own(desktop, programs / "desk.py", home / "desk.py")
    process = desktop.spawn([SYSTEM_PYTHON, private, *RED], stdin=subprocess.PIPE)
    hand.find("Desk")
    station = station_of()
    station.start(ApplicationRule("desk", str(SYSTEM_PYTHON), str(private), "Desk", None, None))
    station.wait_later(0.2)
    station.stop()
    desktop.end(process)
    assert all(shot.card for shot in station.shots)


def test_only_the_app_mode_window_of_a_browser_is_filmed(
    desktop: Desktop, hand: WindowHand, station_of: Callable[..., Station]
) -> None:
    """P5: an ordinary window of the same process, and an app window of another profile, give no pixel."""
    with contextlib.ExitStack() as stack:
        application = stack.enter_context(chromium(desktop))
        address = application.rule.main_program
        [profile] = [word for word in application.command if str(word).startswith("--user-data-dir=")]
        first = application.open(desktop)
        stack.callback(desktop.end, first)
        hand.find(application.find)
        ordinary = desktop.spawn([CHROMIUM, *CHROMIUM_OPTIONS, profile, f"{address}red"])
        stack.callback(desktop.end, ordinary)
        hand.find("Chromium-browser", title="Private - Chromium")
        other = (f"--user-data-dir={desktop.user.pw_dir}/other-profile", f"--app={address}red")
        second = desktop.spawn([CHROMIUM, *CHROMIUM_OPTIONS, *other])
        stack.callback(shutil.rmtree, f"{desktop.user.pw_dir}/other-profile", True)
        stack.callback(desktop.end, second)
        hand.find("Chromium-browser", title="Private")
        station = station_of()
        station.start(application.rule)
        station.wait_later(1.0)
        station.stop()
        film = [image for _, image in images(station.shots)]
        assert max(red(image) for image in film) == 0
        assert near(film[-1], BLUE) > 40_000
