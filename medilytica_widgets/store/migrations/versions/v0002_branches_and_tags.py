"""Which run another was branched from, and the tags that people give."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the two columns."""
    op.add_column("medilytica_runs", sa.Column("parent", sa.Text()))
    op.add_column("medilytica_runs", sa.Column("tags", sa.Text()))
    op.create_index("medilytica_runs_parent", "medilytica_runs", ["parent"])
