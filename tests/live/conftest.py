"""The houses all live tests share: built with the first scene, gone with the last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

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
    all_of_them = Lanes(installed)
    all_of_them.start(asked_for(request, Path(__file__).parent))
    yield all_of_them
    await all_of_them.close()


def asked_for(request: pytest.FixtureRequest, folder: Path) -> list[Callable[..., Any]]:
    """The tests of this very folder that were selected."""
    return [
        item.function
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path.parent == folder
    ]
