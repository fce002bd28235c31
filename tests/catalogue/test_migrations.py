"""The tables of the code and those the migrations make are the same, and nothing in them is SQLite's own."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from pbx_bridge.catalogue.database import HEAD, in_memory
from pbx_bridge.catalogue.migrations import settings
from pbx_bridge.catalogue.tables import Base


def test_the_migrations_make_what_the_code_reads() -> None:
    with in_memory().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert ScriptDirectory.from_config(settings(connection)).get_heads() == [HEAD]


def test_postgresql_could_have_these_tables() -> None:
    for table in Base.metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
