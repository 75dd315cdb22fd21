"""Pages of a table, sorted and searched by DuckDB; only the rows asked for leave the kernel."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import ColumnNotFoundError, StateError, hint
from .cleaning import ROW

#: Row orders kept: going back to an earlier sorting or search costs nothing.
KEPT_ORDERS = 8

Sort = Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Page:
    """Some rows of a table.

    Attributes
    ----------
    ipc : bytes
        An Arrow IPC stream; its first column, int64 ``__row__``, is the row's number in the table.
    start : int
        Position of the first row in the sorted and searched table.
    total : int
        Rows of the searched table.
    """

    ipc: bytes
    start: int
    total: int


class TablePager:
    """Serves pages of a frame. Any thread may ask; one question is answered at a time.

    Parameters
    ----------
    frame : DataFrame
        Clean columns: numbers, dates, object columns of str.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        arrays = [pa.array(np.arange(len(frame), dtype=np.int64))]
        arrays += [_arrow(frame.iloc[:, i]) for i in range(frame.shape[1])]
        self._names = [str(c) for c in frame.columns]
        self._table = pa.Table.from_arrays(arrays, names=[ROW, *self._names])
        self._orders: OrderedDict[tuple[tuple[tuple[str, bool], ...], str], NDArray[np.int64]] = OrderedDict()
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._closed = False

    @property
    def schema(self) -> list[tuple[str, str]]:
        """Names and Arrow types of the columns, without the row number."""
        return [(field.name, str(field.type)) for field in self._table.schema][1:]

    def rows(self, start: int, count: int, sort: Sort = (), search: str = "") -> Page:
        """Return rows ``start`` to ``start + count`` of the sorted and searched table.

        Missing cells come last in either direction; equal rows keep their order. The search finds
        rows of which any cell contains the words, whatever their case.

        Raises
        ------
        ColumnNotFoundError
            A column to sort by does not exist.
        StateError
            The pager is closed.
        """
        with self._lock:
            if self._closed:
                raise StateError("This table view was closed. Open it again to see more rows.")
            key = (tuple((str(name), bool(down)) for name, down in sort), search.strip())
            start, count = max(0, start), max(0, count)
            if not key[0] and not key[1]:
                total = self._table.num_rows
                part = self._table.slice(min(start, total), count)
            else:
                order = self._order(key)
                total = len(order)
                part = self._table.take(pa.array(order[start : start + count]))
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, part.schema) as writer:
                writer.write_table(part.combine_chunks())
            return Page(sink.getvalue().to_pybytes(), start, total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory; may be called twice."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._orders.clear()
            self._table = self._table.slice(0, 0)

    def _order(self, key: tuple[tuple[tuple[str, bool], ...], str]) -> NDArray[np.int64]:
        if key in self._orders:
            self._orders.move_to_end(key)
            return self._orders[key]
        sort, search = key
        places = {name: position for position, name in enumerate(self._names)}
        for name, _ in sort:
            if name not in places:
                raise ColumnNotFoundError(f"The table has no column {name!r} to sort by. {hint(name, places)}")
        # columns go by position in SQL: DuckDB's names ignore case, and a user's name is never part of a query
        found = ""
        if search:
            cells = (f"contains(lower(cast(c{i} as varchar)), lower($1))" for i in range(len(self._names)))
            found = f" where {' or '.join(cells)}"
        by = "".join(f"c{places[name]} {'desc' if down else 'asc'} nulls last, " for name, down in sort)
        query = f"select row_number from source{found} order by {by}row_number"
        answer = self._connected().execute(query, [search] if search else [])
        order = np.asarray(answer.fetchnumpy()["row_number"], dtype=np.int64)
        self._orders[key] = order
        while len(self._orders) > KEPT_ORDERS:
            self._orders.popitem(last=False)
        return order

    def _connected(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            connection = duckdb.connect(":memory:")
            # DuckDB's progress bar would print into the notebook
            connection.execute("set enable_progress_bar=false")
            names = ["row_number", *(f"c{i}" for i in range(len(self._names)))]
            connection.register("source", self._table.rename_columns(names))
            self._connection = connection
        return self._connection


def _arrow(series: pd.Series[Any]) -> pa.Array:
    kind = pa.string() if series.dtype == object else None
    array = pa.array(series, type=kind, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
