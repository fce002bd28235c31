"""The leak tests can fail: capturers made deliberately leaky are caught by the same count of red pixels."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.capture.applications import bare
from tests.capture.filming import Station, worst_red
from tests.rig.desktop import Desktop
from tests.rig.install import Installed
from tests.rig.window_hand import WindowHand

LEAK = 10_000
"""Red pixels a real leak shows at least; the foreign window is many times larger."""


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """No window manager: there the server fills a new pixmap with what covers the window."""
    with Desktop(window_manager=False) as started:
        yield started


@pytest.mark.parametrize("weakness", ["trust", "region", "identity", ""])
def test_a_leaky_capturer_is_caught(
    weakness: str,
    desktop: Desktop,
    hand: WindowHand,
    installed: Installed,
    programs: Path,
    station_of: Callable[..., Station],
) -> None:
    application = bare(programs, installed)
    process = application.open(desktop)
    window = hand.find(application.find)
    x, y, width, height = hand.place(window)
    foreign = hand.red_window(x + width // 3, y + 20, width // 2, height - 40, managed=weakness == "identity")
    os.killpg(process.pid, signal.SIGSTOP)
    station = station_of(weaken=weakness)
    station.start(application.rule)
    station.wait_later(0.3)
    station.stop()
    os.killpg(process.pid, signal.SIGCONT)
    hand.destroy(foreign)
    desktop.end(process)
    found = worst_red(station.shots)
    assert found > LEAK if weakness else found == 0
