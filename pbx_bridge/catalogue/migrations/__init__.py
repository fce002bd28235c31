"""Alembic's migrations of the catalogue, one file each in `versions`; they are never changed once released."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from sqlalchemy import Connection


def settings(connection: Connection) -> Config:
    """Alembic's configuration: these migrations, on this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
