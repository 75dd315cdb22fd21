"""Rows of the table: how what is posted merges, and the statements that write and read them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .frame import Filter
from .liveness import LIVE
from .record import FIELDS, RunRecord, to_row
from .writer import Backlog

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

SHORT = ("spec", "versions")
"""What a list of runs does without."""

Entry = tuple[bool, dict[str, Any]]
"""Whether it is a whole record, and the fields."""


def merge(backlog: Backlog, item: tuple[str, RunRecord | None, dict[str, Any]]) -> None:
    """Work what was posted into the entry of its run; a whole record takes the place of what was there."""
    run_id, record, changes = item
    now = datetime.now(UTC)
    if record is not None:
        backlog.pop(run_id, None)
        backlog[run_id] = (True, row_of(record) | to_row(changes) | {"updated": now})
        return
    whole, row = backlog.get(run_id, (False, {}))
    backlog[run_id] = (whole, row | to_row(changes) | {"updated": now})


def row_of(record: RunRecord) -> dict[str, Any]:
    """Return a record as the database stores it."""
    return to_row({name: getattr(record, name) for name in FIELDS})


def write(connection: Connection, entries: Iterable[tuple[str, Entry]]) -> None:
    """Write merged entries; a change of a run that is not there changes nothing."""
    from sqlalchemy import bindparam

    from .schema import runs

    whole = []
    for run_id, (is_whole, row) in entries:
        if is_whole:
            whole.append(row)
        else:
            update = runs.update().where(runs.c.id == bindparam("_id")).values({name: bindparam(name) for name in row})
            connection.execute(update, {"_id": run_id, **row})
    insert(connection, whole)


def insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Write whole rows, in the places of those with the same ids."""
    from sqlalchemy.dialects import postgresql, sqlite

    from .schema import runs

    if not rows:
        return
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(runs)
    others = {name: statement.excluded[name] for name in FIELDS if name != "id"}
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=others), rows)


def select(wanted: Filter, short: bool) -> Select[Any]:
    """Return the query for what a filter asks for, as far as the database can tell, oldest first."""
    import sqlalchemy as sa

    from .schema import runs

    columns = [column for column in runs.c if not (short and column.name in SHORT)]
    query = sa.select(*columns).order_by(runs.c.created, runs.c.number, runs.c.id)
    if wanted.status is not None:
        # a run that says it trains may be anything as read
        query = query.where(runs.c.status.in_(sorted(wanted.status | set(LIVE))))
    if wanted.algorithm is not None:
        query = query.where(runs.c.algorithm.in_(sorted(wanted.algorithm)))
    if wanted.experiment is not None:
        query = query.where(runs.c.experiment.in_(sorted(wanted.experiment)))
    if wanted.since is not None:
        query = query.where(runs.c.created >= wanted.since)
    return query
