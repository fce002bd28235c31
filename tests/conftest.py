"""What all tests share: the product installed as a site would have it."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.rig.install import Installed, install, install_base

# A loaded machine is slow, not wrong: what a test promises about time it measures itself.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def installed() -> Installed:
    """Server and workstation programs, root's, readable by every user."""
    return install()


@pytest.fixture(scope="session")
def trainer_machine() -> Installed:
    """The base install: what a trainer has."""
    return install_base()
