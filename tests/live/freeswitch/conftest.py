"""The house on a FreeSWITCH that somebody else runs; without one named in the environment this set of tests is absent."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.live.conftest import asked_for
from tests.live.lanes import Lanes
from tests.rig.freeswitch import ADDRESS, SECRET, Freeswitch
from tests.rig.install import Installed

ABSENT = not {ADDRESS, SECRET} <= set(os.environ)
WORD = f"tests/live/freeswitch is absent: {ADDRESS} and {SECRET} name no FreeSWITCH (tests/live/freeswitch/README.md)"

if ABSENT:
    collect_ignore_glob = ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ABSENT:
        terminalreporter.write_line(WORD, yellow=True)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def lanes(request: pytest.FixtureRequest, installed: Installed) -> AsyncIterator[Lanes]:
    one = Lanes(installed, Freeswitch.from_environment)
    one.start(asked_for(request, Path(__file__).parent))
    yield one
    await one.close()
