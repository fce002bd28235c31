"""Run by Alembic: every migration in the one transaction of the connection it was given."""

from __future__ import annotations

from alembic import context

from pbx_bridge.catalogue.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
