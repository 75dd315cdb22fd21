"""What a column's header shows: a histogram or the most frequent values, of the whole table and of the rows left."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import duckdb

BINS = 20
TOP = 6
LONGEST_VALUE = 80
#: Numbers with so few different values are shown as categories.
FEW = 6
#: From so many different values on, where nearly every row has its own, the most frequent ones are found approximately.
MANY = 20_000
_FACTS = ("count", "missing", "min", "max", "mean", "std", "distinct")


@dataclass
class ColumnSummary:
    """A column's distribution.

    Attributes
    ----------
    kind : {"histogram", "top", "empty"}
    edges : list of float
        Of a histogram's bars, one more than there are bars; dates as epoch milliseconds.
    values : list
        The most frequent values of the whole table; texts are cut.
    all, here : list of int
        Rows of each bar or value: of the whole table, and where the other columns' filters hold.
    other_all, other_here : int
        Rows with a value that is not among ``values``.
    facts : dict
        Of the rows where all filters hold: count, missing, min, max, mean, std, distinct (about). Mean and std
        of numbers only.
    """

    kind: Literal["histogram", "top", "empty"]
    edges: list[float] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    all: list[int] = field(default_factory=list)
    here: list[int] = field(default_factory=list)
    other_all: int = 0
    other_here: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Whole:
    """What stays the same whatever is filtered."""

    kind: Literal["histogram", "top", "empty"]
    low: float
    width: float
    values: tuple[Any, ...]
    counts: tuple[int, ...]
    other: int
    facts: dict[str, Any]


Where = tuple[str, list[Any]]


def summarise_column(
    connection: duckdb.DuckDBPyConnection,
    cell: str,
    storage: str,
    here: Where | None,
    full: Where | None,
    known: Whole | None,
) -> tuple[ColumnSummary, Whole]:
    """Return a column's summary and what to give as ``known`` the next time.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With the view ``source``.
    cell, storage : str
        The column's SQL, and "number", "datetime", "bool" or "text".
    here, full : (str, list) or None
        The condition of the other columns' filters, and of all filters; None where nothing is left out.
    known : Whole, optional
    """
    number = f"epoch_ms({cell})" if storage == "datetime" else cell
    whole = known or _whole(connection, cell, number, storage)
    facts = whole.facts if full is None else _facts(connection, cell, number, storage, full)
    if whole.kind == "empty":
        return ColumnSummary("empty", facts=facts), whole
    if whole.kind == "histogram":
        edges = [whole.low + whole.width * k for k in range(BINS + 1)]
        counts = list(whole.counts)
        now = counts if here is None else _bars(connection, number, whole.low, whole.width, here)
        return ColumnSummary("histogram", edges=edges, all=counts, here=now, facts=facts), whole
    now, other = list(whole.counts), whole.other
    if here is not None:
        now, other = _of_values(connection, cell, whole.values, here)
    values = [value[:LONGEST_VALUE] if isinstance(value, str) else _json(value) for value in whole.values]
    return (
        ColumnSummary(
            "top",
            values=values,
            all=list(whole.counts),
            here=now,
            other_all=whole.other,
            other_here=other,
            facts=facts,
        ),
        whole,
    )


def _whole(connection: duckdb.DuckDBPyConnection, cell: str, number: str, storage: str) -> Whole:
    nothing: Where = ("", [])
    facts = _facts(connection, cell, number, storage, nothing)
    if not facts["count"]:
        return Whole("empty", 0, 0, (), (), 0, facts)
    low, high = facts["min"], facts["max"]
    measured = storage in ("number", "datetime") and facts["distinct"] > FEW
    if measured and math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low) and high > low:
        # one bar more would begin at the highest value, so the last one holds it as well
        width = (high - low) / BINS
        return Whole("histogram", low, width, (), tuple(_bars(connection, number, low, width, nothing)), 0, facts)
    if facts["distinct"] > MANY and facts["distinct"] > facts["count"] / 10:
        return _of_many(connection, cell, facts)
    rows = connection.execute(
        f"select {cell} as v, count(*) as n from source where {cell} is not null "
        f"group by v order by n desc, v limit {TOP}"
    ).fetchall()
    values, counts = tuple(row[0] for row in rows), tuple(int(row[1]) for row in rows)
    return Whole("top", 0, 0, values, counts, facts["count"] - sum(counts), facts)


def _of_many(connection: duckdb.DuckDBPyConnection, cell: str, facts: dict[str, Any]) -> Whole:
    """Return the top of a column of which nearly every row is different, in little memory.

    To count millions of texts exactly takes hundreds of megabytes. What holds a share of the rows that could be seen is
    among the candidates of the space-saving summary (Metwally and others, 2005), whose rows are then counted.
    """
    row = connection.execute(f"select approx_top_k({cell}, {TOP * 2}) from source where {cell} is not null").fetchone()
    candidates = tuple(row[0]) if row and row[0] else ()
    counts, _ = _of_values(connection, cell, candidates, ("", []))
    ordered = sorted(zip(candidates, counts, strict=True), key=lambda one: (-one[1], one[0]))[:TOP]
    kept = tuple(count for _, count in ordered)
    return Whole("top", 0, 0, tuple(value for value, _ in ordered), kept, facts["count"] - sum(kept), facts)


def _facts(connection: duckdb.DuckDBPyConnection, cell: str, number: str, storage: str, where: Where) -> dict[str, Any]:
    measured = storage in ("number", "datetime")
    ends = f"min({number}), max({number})" if measured else "null, null"
    moments = f"avg({number}::double), stddev_samp({number}::double)" if storage == "number" else "null, null"
    query = (
        f"select count({cell}), count(*) - count({cell}), {ends}, {moments}, approx_count_distinct({cell}) from source"
    )
    try:
        row = connection.execute(query + where[0], where[1]).fetchone()
    except duckdb.OutOfRangeException:
        # the deviation of very large numbers has no float
        row = connection.execute(query.replace(moments, "null, null") + where[0], where[1]).fetchone()
    return dict(zip(_FACTS, (_json(value) for value in row or ()), strict=True))


def _bars(connection: duckdb.DuckDBPyConnection, number: str, low: float, width: float, where: Where) -> list[int]:
    present = f"{where[0]} and {number} is not null" if where[0] else f" where {number} is not null"
    rows = connection.execute(
        f"select greatest(0, least(floor(({number}::double - ?) / ?), {BINS - 1}))::integer as bar, count(*) "
        f"from source{present} group by bar",
        [low, width, *where[1]],
    ).fetchall()
    counts = dict(rows)
    return [int(counts.get(k, 0)) for k in range(BINS)]


def _of_values(
    connection: duckdb.DuckDBPyConnection, cell: str, values: tuple[Any, ...], where: Where
) -> tuple[list[int], int]:
    row = connection.execute(
        f"select {', '.join([f'count(*) filter ({cell} = ?)'] * len(values))}, count({cell}) from source{where[0]}",
        [*values, *where[1]],
    ).fetchone()
    counts = [int(count) for count in row or ()]
    return counts[:-1], counts[-1] - sum(counts[:-1])


def _json(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (int, str, bool)) else str(value)
