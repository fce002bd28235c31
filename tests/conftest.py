"""What all tests share: the product installed as a site would have it."""

from __future__ import annotations

import pytest

from tests.rig.install import Installed, install, install_base


@pytest.fixture(scope="session")
def installed() -> Installed:
    """Server and workstation programs, root's, readable by every user."""
    return install()


@pytest.fixture(scope="session")
def trainer_machine() -> Installed:
    """The base install: what a trainer has."""
    return install_base()
