"""Whether somebody else wrote into the catalogue. It knows a file and its head, nothing of what stands in it."""

from __future__ import annotations

import os

from sqlalchemy import Engine, text

from pbx_bridge.catalogue.database import told


class Watch:
    """A connection of its own; ask it from one thread at a time."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine, self._where = engine, where
        self._file = self._identity()
        self._connection = engine.connect()
        self._seen = self._version()

    def changed(self) -> bool:
        """Whether anybody else wrote since the last question. Where the database cannot tell, always true.

        A file put in the place of the old one (a backup) is a change, and is what everybody reads from then on.
        """
        file = self._identity()
        with told(self._where):
            if file != self._file:
                self._connection.close()
                self._engine.dispose()
                self._connection, self._seen = self._engine.connect(), None
                self._file = file
            seen = self._version()
        changed = seen is None or seen != self._seen
        self._seen = seen
        return changed

    def close(self) -> None:
        self._connection.close()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._where)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _version(self) -> int | None:
        if self._engine.dialect.name != "sqlite":
            return None
        try:
            found: int = self._connection.scalar(text("PRAGMA data_version"))
        finally:
            self._connection.rollback()
        return found
