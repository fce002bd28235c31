"""Persons, their devices, applications, plans, booked slots, and which recordings hold whose call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trainees",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("member", sa.String(128), nullable=False),
        sa.Column("login", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trainees"),
    )
    op.create_table(
        "trainers",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("review_minutes_per_week", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trainers"),
    )
    op.create_table(
        "applications",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("executable", sa.String(1024), nullable=False),
        sa.Column("main_program", sa.String(1024), nullable=True),
        sa.Column("wm_class", sa.String(128), nullable=False),
        sa.Column("title", sa.String(256), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_applications"),
    )
    op.create_table(
        "endpoints",
        sa.Column("trainee", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(128), nullable=False),
        sa.ForeignKeyConstraint(["trainee"], ["trainees.id"], name="fk_endpoints_trainee"),
        sa.PrimaryKeyConstraint("trainee", "position", name="pk_endpoints"),
    )
    op.create_table(
        "masks",
        sa.Column("application", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("x", sa.Integer(), nullable=False),
        sa.Column("y", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["applications.name"], name="fk_masks_application"),
        sa.PrimaryKeyConstraint("application", "position", name="pk_masks"),
    )
    op.create_table(
        "pause_titles",
        sa.Column("application", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("pattern", sa.String(256), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["applications.name"], name="fk_pause_titles_application"),
        sa.PrimaryKeyConstraint("application", "position", name="pk_pause_titles"),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("trainee", sa.String(64), nullable=False),
        sa.Column("need", sa.String(32), nullable=False),
        sa.Column("trainer", sa.String(64), nullable=False),
        sa.Column("approver", sa.String(64), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.Column("recordings_per_week", sa.Integer(), nullable=False),
        sa.Column("minutes_per_week", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["trainee"], ["trainees.id"], name="fk_plans_trainee"),
        sa.ForeignKeyConstraint(["trainer"], ["trainers.id"], name="fk_plans_trainer"),
        sa.PrimaryKeyConstraint("id", name="pk_plans"),
    )
    op.create_table(
        "plan_applications",
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("application", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["plan"], ["plans.id"], name="fk_plan_applications_plan"),
        sa.ForeignKeyConstraint(
            ["application"], ["applications.name"], name="fk_plan_applications_application"
        ),
        sa.PrimaryKeyConstraint("plan", "application", name="pk_plan_applications"),
    )
    op.create_table(
        "slots",
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("start_unix", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_unix", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["plan"], ["plans.id"], name="fk_slots_plan"),
        sa.PrimaryKeyConstraint("plan", "start_unix", name="pk_slots"),
    )
    op.create_table(
        "recordings",
        sa.Column("recording", sa.String(26), nullable=False),
        sa.Column("party", sa.String(64), nullable=False),
        sa.Column("trainee", sa.String(64), nullable=False),
        sa.Column("call", sa.String(64), nullable=False),
        sa.Column("customer", sa.String(64), nullable=False),
        sa.Column("started_unix", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recording", "party", name="pk_recordings"),
    )
    op.create_index("ix_recordings_trainee", "recordings", ["trainee"])
    op.create_index("ix_recordings_party", "recordings", ["party"])
    op.create_index("ix_recordings_customer", "recordings", ["customer", "started_unix"])


def downgrade() -> None:
    """There is no older layout; a backup is the way back."""
    raise NotImplementedError
