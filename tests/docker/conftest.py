"""One engine and one project for all tests of docker/, brought up once; what it took stands in the summary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.engine import Engine
from tests.docker.project import IMAGES, Project
from tests.figures import FIGURES


@pytest.fixture(scope="package")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="package")
def project(engine: Engine) -> Iterator[Project]:
    """Built; `exit_code` brings it up and says how the call ended. Everything is taken down afterwards."""
    project = Project(engine)
    project.down()  # a run that was killed may have left something
    project.build()
    try:
        yield project
    finally:
        project.down()
        project.tidy()
        FIGURES.update({f"docker: {what}": f"{took_s} s" for what, took_s in project.took_s.items()})
        for image in IMAGES:
            size = int(engine.inspect(image)[0]["Size"])
            FIGURES[f"docker: {image}"] = f"{size / 1e6:.0f} MB"


@pytest.fixture(scope="package")
def exit_code(project: Project) -> int:
    """Of the first call."""
    return project.up()
