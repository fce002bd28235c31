"""A real Asterisk for each test: it boots in half a second, and nothing of one test is left for the next."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.asterisk.line import Line
from tests.rig.asterisk import Asterisk


@pytest.fixture
async def pbx() -> AsyncIterator[Asterisk]:
    async with Asterisk() as asterisk:
        yield asterisk


@pytest.fixture
async def line(pbx: Asterisk) -> AsyncIterator[Line]:
    async with Line(pbx) as connected:
        yield connected
