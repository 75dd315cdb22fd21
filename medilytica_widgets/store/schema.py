"""The table of runs, made from the table of fields. Loads SQLAlchemy; `database` does so when it opens a store."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from .record import FIELDS, REQUIRED

REVISIONS = ("0001", "0002")
"""The migrations in ``migrations/versions``, oldest first; a test compares the two."""

TABLE = "medilytica_runs"
# Not alembic's own name for it: the database may serve other applications that migrate with alembic too.
VERSION_TABLE = "medilytica_version"

_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "text": sa.Text(),
    "whole": sa.BigInteger(),
    "number": sa.Double(),
    "time": sa.DateTime(timezone=True),
    "json": sa.Text(),
}

metadata = sa.MetaData()
runs = sa.Table(
    TABLE,
    metadata,
    *(
        sa.Column(
            name,
            sa.String(12) if name == "id" else _TYPES[kind],
            primary_key=name == "id",
            nullable=name not in REQUIRED,
        )
        for name, kind in FIELDS.items()
    ),
    sa.Index(f"{TABLE}_created", "created"),
    sa.Index(f"{TABLE}_parent", "parent"),
)
