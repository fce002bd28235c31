"""What all tests share: the product installed as a site would have it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.rig.install import Installed, install, install_base

TESTS = Path(__file__).resolve().parent

# A loaded machine is slow, not wrong: what a test promises about time it measures itself.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

IN_REAL_TIME = re.compile(
    r"(live|faults|capture|docker|bridge)/|asterisk/test_(live_|dialplan|ami_fences|watchdog)|stations/test_(cut|conversation|autostart|resume)"
    r"|freeswitch/test_tap|trainer/test_play|media/test_browser|portal/.*browser"
)
"""Tests with real calls, screens and deadlines. One worker plays them all; the other yields the processor to it."""
YIELDS = 10


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return OneKeepsTime(config, log)


class OneKeepsTime(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives one worker all that keeps real time, the other test after test of the rest.

    xdist's own groups are names appended to a test's, which pytest 9.2 no longer lets it write: all tests were dealt out
    then, and two demos ran at once.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0].removeprefix("tests/")
        return "in real time" if IN_REAL_TIME.match(path) else nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m in_real_time` and its opposite choose a half."""
    for item in items:
        if _in_real_time(item):
            item.add_marker(pytest.mark.in_real_time)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Beside a worker that keeps real time, everything else and what it starts is nicer."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.setpriority(os.PRIO_PROCESS, 0, 0 if _in_real_time(item) else YIELDS)
    return (yield)


def _in_real_time(item: pytest.Item) -> bool:
    return bool(IN_REAL_TIME.match(item.path.relative_to(TESTS).as_posix()))


@pytest.fixture(scope="session")
def installed() -> Installed:
    """Server and workstation programs, root's, readable by every user."""
    return install()


@pytest.fixture(scope="session")
def trainer_machine() -> Installed:
    """The base install: what a trainer has."""
    return install_base()
