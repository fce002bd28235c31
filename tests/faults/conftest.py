"""One house for all faults, from the first test to the last: whoever comes next finds a house that went through them."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.archive.disk import SmallDisk, small_disk
from tests.faults.house import FaultHouse
from tests.figures import FIGURES
from tests.rig.cable import Cable, laid
from tests.rig.install import Installed

DISK_MEBIBYTES = 96


@pytest.fixture(scope="package")
def disk() -> Iterator[SmallDisk]:
    with tempfile.TemporaryDirectory(prefix="pbxb-faults-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        with small_disk(Path(folder), DISK_MEBIBYTES) as mounted:
            yield mounted


@pytest.fixture(scope="package")
def cable() -> Iterator[Cable]:
    with laid() as found:
        yield found


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def faulty_house(installed: Installed, disk: SmallDisk, cable: Cable) -> AsyncIterator[FaultHouse]:
    async with FaultHouse(installed, disk, cable) as house:
        yield house
    FIGURES.update({name: f"{seconds * 1000:.0f} ms lost" for name, seconds in house.losses.items()})


@pytest_asyncio.fixture(loop_scope="package")
async def house(faulty_house: FaultHouse) -> AsyncIterator[FaultHouse]:
    await faulty_house.repair()
    async with faulty_house.scene():
        yield faulty_house
        faulty_house.answered_once()
