"""The table of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "medilytica_runs",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True)),
        sa.Column("ended", sa.DateTime(timezone=True)),
        sa.Column("updated", sa.DateTime(timezone=True)),
        sa.Column("seconds", sa.Double()),
        sa.Column("epoch", sa.Double(), nullable=False),
        sa.Column("epochs", sa.BigInteger()),
        sa.Column("spec", sa.Text()),
        sa.Column("metrics", sa.Text()),
        sa.Column("data_hash", sa.Text()),
        sa.Column("versions", sa.Text()),
        sa.Column("host", sa.Text()),
        sa.Column("pid", sa.BigInteger()),
        sa.Column("process_started", sa.Double()),
        sa.Column("folder", sa.Text()),
        sa.Column("path", sa.Text()),
        sa.Column("device", sa.Text()),
        sa.Column("seed", sa.BigInteger()),
        sa.Column("author", sa.Text()),
    )
    op.create_index("medilytica_runs_created", "medilytica_runs", ["created"])
