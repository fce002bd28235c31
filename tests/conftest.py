"""What all tests share: the product installed as a site would have it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.figures import FIGURES
from tests.rig.install import Installed, install, install_base
from tests.shares import BY_THE_CLOCK, NICE, Processor, lane_of, turn_of

TESTS = Path(__file__).resolve().parent

# A loaded machine is slow, not wrong: what a test promises about time it measures itself.
settings.register_profile("any-machine", deadline=None)
# The same examples each time: what is refused there is what changed. Everybody else's runs look for new ones.
settings.register_profile("integration", deadline=None, derandomize=True)
settings.load_profile("integration" if os.environ.get("CI") else "any-machine")

PROCESSOR = Processor() if "PYTEST_XDIST_WORKER" in os.environ else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return LaneScheduling(config, log)


class LaneScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each lane to one worker, and the rest file by file to whoever is free, all in the order of collection.

    xdist's own groups are names appended to a test's, which pytest 9.2 no longer lets it write: all tests were dealt out
    then, and two demos ran at once.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return lane_of(path.removeprefix("tests/")) or path

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forgets what is done: xdist would count all of it anew after each test."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """`-m in_real_time` and its opposite choose a half; what takes longest comes first."""
    for item in items:
        if lane_of(_path(item)):
            item.add_marker(pytest.mark.in_real_time)
    yield
    items.sort(key=lambda item: turn_of(_path(item)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Beside a worker whose tests are judged by the clock, everything else stands back."""
    if PROCESSOR is not None:
        if BY_THE_CLOCK.match(_path(item)):
            PROCESSOR.take()
        else:
            PROCESSOR.give_way(0 if lane_of(_path(item)) else NICE)
    return (yield)


def _path(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).as_posix()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = FIGURES


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    FIGURES.update(getattr(node, "workeroutput", {}).get("figures", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, figure in FIGURES.items():
        terminalreporter.write_line(f"{what}: {figure}")


@pytest.fixture(scope="session")
def installed() -> Installed:
    """Server and workstation programs, root's, readable by every user."""
    return install()


@pytest.fixture(scope="session")
def trainer_machine() -> Installed:
    """The base install: what a trainer has."""
    return install_base()
