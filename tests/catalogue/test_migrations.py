"""The tables of the code and those the migrations make are the same, and nothing in them is SQLite's own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from pbx_bridge.catalogue.catalogue import Catalogue, Entered
from pbx_bridge.catalogue.database import FILE, HEAD, in_memory
from pbx_bridge.catalogue.migrations import settings
from pbx_bridge.catalogue.tables import Base
from pbx_bridge.errors import OperatorError
from pbx_bridge.training.plans import Trainer


def test_the_migrations_make_what_the_code_reads() -> None:
    with in_memory().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert ScriptDirectory.from_config(settings(connection)).get_heads() == [HEAD]


def test_postgresql_could_have_these_tables() -> None:
    for table in Base.metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


def test_an_older_file_is_looked_at_as_it_is(tmp_path: Path) -> None:
    """A look and a dry run leave it as it was; the first real opening brings it up to this version."""
    _older(tmp_path)
    before = (tmp_path / FILE).read_bytes()
    looked = Catalogue.open(tmp_path, dry_run=True)
    assert [(trainer.id, trainer.review_minutes_per_week) for trainer in looked.trainers()] == [("bruno", 60)]
    assert looked.entered() == (Entered("old", "", None),)
    with looked.change(dry_run=True) as change:
        change.add_trainer(Trainer("berta", 30))
    looked.close()
    assert (tmp_path / FILE).read_bytes() == before
    Catalogue.open(tmp_path).close()
    assert (tmp_path / FILE).read_bytes() != before
    again = Catalogue.open(tmp_path, dry_run=True)
    assert again.entered() == (Entered("old", "", None),)
    again.close()


def test_a_newer_file_is_refused_in_a_dry_run_too(tmp_path: Path) -> None:
    _older(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    for dry_run in (True, False):
        with pytest.raises(OperatorError, match="newer"):
            Catalogue.open(tmp_path, dry_run=dry_run)


def _older(folder: Path) -> None:
    """A catalogue as the first version left it, with one plan."""
    Catalogue.open(folder).close()
    (folder / FILE).unlink()
    engine = create_engine(f"sqlite:///{folder / FILE}")
    with engine.begin() as connection:
        command.upgrade(settings(connection), "0001")
        for statement in (
            "INSERT INTO trainees VALUES ('alice', '', 'alice')",
            "INSERT INTO trainers VALUES ('bruno', 60)",
            "INSERT INTO plans VALUES ('old', 'alice', 'new-in-post', 'bruno', 'carla', '2026-11-01', '2026-12-01', NULL, "
            "0.05, 2, 20)",
        ):
            connection.execute(text(statement))
    engine.dispose()
