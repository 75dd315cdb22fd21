"""What alembic runs: the steps, on the connection and in the transaction that `database` gives it."""

from __future__ import annotations

from alembic import context

from medilytica_widgets.store.schema import VERSION_TABLE, metadata

# SQLite undoes a change of the schema with its transaction as PostgreSQL does, which alembic does not count on.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
