"""Bodies of the requests about the rows of a table; `messages` holds the contract."""

from __future__ import annotations

from typing import Any, TypedDict


class GridRows(TypedDict):
    """Rows ``start`` to ``start + count`` of the table as sorted, searched and filtered.

    ``sort`` is a list of ``[column, descending]``, ``filters`` a list of objects as `data.filters.Filter`
    has fields, ``where`` an SQL condition typed by hand or an empty text. ``state`` comes back unchanged,
    so that a view can drop pages of an earlier sorting.
    """

    start: int
    count: int
    sort: list[tuple[str, bool]]
    search: str
    filters: list[dict[str, Any]]
    where: str
    state: int


class GridSummary(TypedDict):
    """A column's distribution in the whole table and in the rows that the others' filters leave."""

    column: str
    search: str
    filters: list[dict[str, Any]]
    where: str


class GridSelect(TypedDict):
    """Select the rows at positions ``[start, end)`` of a view, in place of those selected before."""

    ranges: list[tuple[int, int]]
    sort: list[tuple[str, bool]]
    search: str
    filters: list[dict[str, Any]]
    where: str


class GridEdit(TypedDict):
    """Set a cell to what was typed; None makes it missing."""

    row: int
    column: str
    value: str | None


class GridExport(TypedDict):
    """Begin to write a view to a file: "csv", "parquet" or "xlsx"."""

    format: str
    columns: list[str]
    sort: list[tuple[str, bool]]
    search: str
    filters: list[dict[str, Any]]
    where: str


class GridExportRead(TypedDict):
    """How far an export is, and its bytes from ``offset`` on once it is complete; below 0 cancels it."""

    job: int
    offset: int
