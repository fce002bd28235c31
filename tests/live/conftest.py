"""The houses all live tests share: built with the first scene, gone with the last."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.lanes import Lanes
from tests.rig.install import Installed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The scenes last and together: their calls stand still while a test runs on another event loop."""
    items.sort(key=_is_scene)
    for item in filter(_is_scene, items):
        item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)


def _is_scene(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "function", None), "scene")


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def lanes(request: pytest.FixtureRequest, installed: Installed) -> AsyncIterator[Lanes]:
    both = Lanes(installed)
    both.start([item.function for item in request.session.items if isinstance(item, pytest.Function)])
    yield both
    await both.close()
