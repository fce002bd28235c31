"""The catalogue's file: opened with its rights, brought to this version's layout, its faults said in sentences.

It knows files, connections and migrations, nothing of persons or plans.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from pbx_bridge.errors import OperatorError

FILE = "catalogue.db"
HEAD: Final = "0002"
"""The newest migration: what this program reads and writes."""
WAIT_S = 20
"""How long one writer waits for another: a command holds the file for milliseconds, the largest import for seconds."""
_VERSION = "alembic_version"
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps what it works on in a module of its own."""


def in_memory() -> Engine:
    """A catalogue that is gone with the process: for a dry run where there is no file yet, and for tests."""
    engine = _memory()
    with engine.begin() as connection:
        _upgrade(connection)
    return engine


def _memory() -> Engine:
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": WAIT_S}
    )
    _prepare(engine)
    return engine


def open_file(folder: Path, owner: tuple[int, int] | None, *, dry_run: bool = False) -> Engine:
    """The file in `folder`, made 0600 (the folder 0700) when there is none; `owner` is whose it becomes then.

    An older one is brought to this version; with `dry_run` a copy in memory is, and the file stays as it is.
    Raises: OperatorError when it cannot be opened, is damaged, or was written by a newer version.
    """
    path = folder / FILE
    _make(path, owner)
    address = f"file:{quote(str(path))}?mode=rw"  # never made anew by a connection

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, check_same_thread=False, timeout=WAIT_S)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    _prepare(engine)
    with told(str(path)), engine.connect() as connection:
        found = _version(connection)
    if found != HEAD and dry_run:
        return _brought_up(engine, path)
    if found != HEAD:
        with told(str(path)), engine.execution_options(writes=True).begin() as connection:
            _migrate(connection, path)
    return engine


def _brought_up(older: Engine, path: Path) -> Engine:
    """What `older` holds as this version reads it, in memory."""
    engine = _memory()
    with told(str(path)), older.connect() as source, engine.begin() as connection:
        there, here = source.connection.driver_connection, connection.connection.driver_connection
        assert isinstance(there, sqlite3.Connection)
        assert isinstance(here, sqlite3.Connection)
        there.backup(here)
    older.dispose()
    with told(str(path)), engine.begin() as connection:
        _migrate(connection, path)
    return engine


@contextmanager
def told(where: str) -> Iterator[None]:
    """A database's own words become a sentence for the operator; never a row's content."""
    try:
        yield
    except IntegrityError as error:
        referred = "FOREIGN KEY" in str(error.orig).upper()
        raise OperatorError(
            "the catalogue refused the change: "
            + ("something else still refers to this" if referred else "a value is missing or there twice"),
            where=where,
            do="Remove or end what refers to it first" if referred else "Correct the value",
        ) from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise OperatorError(
            "a value is not text, or a number too large to keep", where=where, do="Correct it"
        ) from error
    except OperationalError as error:
        why = str(error.orig)
        if "locked" in why:
            do = "Another command holds it: try again"
        elif "full" in why:
            do = "Make room on the disk"
        else:
            do = "Check its owner, rights and disk; pbx-bridge doctor"
        raise OperatorError(f"the catalogue cannot be used: {why}", where=where, do=do) from error
    except DatabaseError as error:
        raise OperatorError(
            f"the catalogue is damaged: {error.orig}", where=where, do="Restore it from a backup"
        ) from error


def _make(path: Path, owner: tuple[int, int] | None) -> None:
    folder = path.parent
    try:
        new_folder = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        except FileExistsError:
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        else:
            if owner is not None:
                os.chown(path, *owner)
                if new_folder:
                    os.chown(folder, *owner)
    except PermissionError as error:
        raise OperatorError(
            "this user may not use the catalogue", where=str(path), do="Run the command as root (sudo)"
        ) from error
    except OSError as error:
        raise OperatorError(
            f"cannot open the catalogue: {error.strerror}",
            where=str(path),
            do="Check the folder and its disk",
        ) from error


def _prepare(engine: Engine) -> None:
    """Each transaction is one: SQLite's driver would otherwise begin it only at the first change."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None
        for setting in ("foreign_keys=ON", "secure_delete=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {_VERSION}"))
    return found


def _migrate(connection: Connection, path: Path) -> None:
    found = _version(connection)
    if found is not None and found > HEAD:
        raise OperatorError(
            "the catalogue was written by a newer pbx-bridge",
            where=str(path),
            do="Install that version, or restore a backup from before the update",
        )
    _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    """Alembic is asked only when there is something to do: it costs every command a tenth of a second."""
    from alembic import command

    from pbx_bridge.catalogue.migrations import settings

    with _ONE_AT_A_TIME:
        command.upgrade(settings(connection), "head")
