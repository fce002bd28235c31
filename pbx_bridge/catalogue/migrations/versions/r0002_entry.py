"""A plan's entry: what tells it from an earlier plan of the same words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("plans") as plans:
        plans.add_column(sa.Column("entry", sa.String(32), nullable=False, server_default=""))


def downgrade() -> None:
    """There is no way back to an older layout; a backup is one."""
    raise NotImplementedError
