"""A table of any length, page by page."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import traitlets

from ..errors import ColumnNotFoundError, InputError, StateError, WireError, hint
from ..report import Html, card, format_value, grouped, key_values, section, table
from ._base import Answer, BaseWidget, serves

if TYPE_CHECKING:
    import pandas as pd

    from ..data import Column, Dataset
    from ..data.paging import TablePager

#: A page holds at most so many cells, so that a wide table's pages stay small, and always at least a screen of rows.
MOST_CELLS = 100_000
LEAST_ROWS = 50
#: Cells that are looked at for the widths of the columns.
SAMPLED_CELLS = 20_000
LONGEST_SEARCH = 500
LONGEST_CELL = 160
_STATIC_ROWS = 10


class DataGrid(BaseWidget):
    """The rows of a table: scrolled, sorted and searched in the kernel, so that only what is seen travels.

    Each view scrolls, sorts and searches for itself; none of it changes the table or what others see.

    Parameters
    ----------
    data : Dataset or DataFrame
        A DataFrame, or anything else that `load_dataset` reads, is loaded as a dataset first.
    height : int, default 360
        Height of the rows' area in pixels, 120 to 2000.

    Raises
    ------
    InputError
        The height is not in its range.
    """

    ARGUMENTS = ("height",)

    title = traitlets.Unicode(help="The table's name").tag(sync=True)
    total = traitlets.Int(0, help="Rows of the whole table").tag(sync=True)
    columns = traitlets.List(traitlets.Dict(), help="Name, kind, role and width in characters of every column").tag(
        sync=True
    )
    height = traitlets.Int(360).tag(sync=True)

    def __init__(self, data: Dataset | pd.DataFrame, height: int = 360, **kwargs: Any) -> None:
        from ..data import Dataset, load_dataset

        if isinstance(height, bool) or not isinstance(height, int) or not 120 <= height <= 2000:
            raise InputError(f"The height of a DataGrid is 120 to 2000 pixels; {height!r} was given.")
        self.data: Dataset = data if isinstance(data, Dataset) else load_dataset(data)
        self._names = {column.name for column in self.data.columns}
        self._pager: TablePager | None = None
        self._paging = threading.Lock()
        # Set before the comm opens, so that the first message carries the whole state.
        self.title, self.total, self.height = self.data.name, len(self.data), height
        chars = _characters(self.data.frame)
        self.columns = [_told(column, chars[column.name]) for column in self.data.columns]
        super().__init__(**kwargs)

    @serves("grid.rows")
    def _rows(self, body: dict[str, Any]) -> Answer:
        start, count, search = body["start"], body["count"], body["search"]
        most = max(LEAST_ROWS, MOST_CELLS // max(1, len(self._names)))
        if start < 0 or not 0 < count <= most:
            raise WireError(
                f"Rows {start} to {start + count} were asked for; a page has 1 to {most} rows, from row 0 on."
            )
        if len(search) > LONGEST_SEARCH:
            raise InputError(f"The search is {len(search)} characters long; {LONGEST_SEARCH} are the most.")
        for name, _ in body["sort"]:
            if name not in self._names:
                raise ColumnNotFoundError(f"The table has no column {name!r} to sort by. {hint(name, self._names)}")
        sort = [(name, descending) for name, descending in body["sort"]]
        page = self._pages().rows(start, count, sort=sort, search=search)
        return Answer({"start": page.start, "total": page.total, "state": body["state"]}, raw=[page.ipc])

    def _pages(self) -> TablePager:
        with self._paging:
            if self._closed:
                raise StateError("This table view was closed. Run its cell again to see more rows.")
            if self._pager is None:
                self._pager = self.data.pager()
            return self._pager

    def close(self) -> None:
        """Close the view and free its pages. Safe to call twice."""
        if self._closed:
            return
        super().close()
        with self._paging:
            if self._pager is not None:
                self._pager.close()
                self._pager = None

    def static_html(self) -> str:
        """Return the first rows as a table, and the columns that were set aside with the reasons."""
        data = self.data
        shape = f"{grouped(len(data))} rows × {grouped(len(data.columns))} columns"
        parts: list[Html] = [table(data.frame, caption=shape, rows=_STATIC_ROWS)]
        aside = {column.name: column.reason for column in data.columns if column.role == "set_aside"}
        if aside:
            parts.append(card(f"{grouped(len(aside))} set aside", key_values(aside)))
        return section(data.name, *parts, note=f"The target is {data.target}." if data.target else None)


def _told(column: Column, chars: int) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "role": column.role,
        "reason": column.reason,
        "evidence": column.evidence,
        "missing": column.missing,
        "chars": chars,
    }


def _characters(frame: pd.DataFrame) -> dict[str, int]:
    """Return the longest cell of each column, in characters, among rows taken evenly from the table."""
    rows = max(5, SAMPLED_CELLS // max(1, frame.shape[1]))
    sample = frame.iloc[:: max(1, -(-len(frame) // rows))]
    return {
        str(name): max((_length(value) for value in sample.iloc[:, place].tolist()), default=1)
        for place, name in enumerate(frame.columns)
    }


def _length(value: Any) -> int:
    """Return how long a cell is as the browser writes it (``formatShort`` in js/src/ui/cells.ts)."""
    if isinstance(value, int):
        return len(str(value))
    if isinstance(value, float) and 1e6 <= abs(value) < 1e12:
        return len(f"{value:.2f}".rstrip("0").rstrip("."))
    return min(LONGEST_CELL, len(format_value(value)))
