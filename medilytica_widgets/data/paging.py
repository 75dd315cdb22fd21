"""Pages of a table, sorted, searched and filtered by DuckDB; only the rows asked for leave the kernel.

A view (order, search, filters, condition) is worked out once, as a vector of row numbers; a page is a slice of it.
A column goes by its position in SQL: DuckDB's names ignore case, and a user's name is never part of a query.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import CancelledRequest, ColumnNotFoundError, InputError, StateError, hint
from .column_summary import ColumnSummary, summarise_column
from .filters import Filter, Sort, View, condition
from .relation import ArrowRelation, Relation
from .where_text import compile_where

#: Row orders kept, and their bytes at most: going back to an earlier sorting or search costs nothing.
KEPT_ORDERS = 8
KEPT_BYTES = 128 << 20
#: Seconds for one sorting, search, filter or summary.
MOST_SECONDS = 60.0

Filters = Iterable[Filter | Mapping[str, Any]]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Page:
    """Some rows of a table.

    Attributes
    ----------
    ipc : bytes
        An Arrow IPC stream; its first column, int64 ``__row__``, is the row's number in the table.
    start : int
        Position of the first row in the view.
    total : int
        Rows of the view.
    """

    ipc: bytes
    start: int
    total: int


class TablePager:
    """Serves pages of a table. Any thread may ask; one question is answered at a time.

    Parameters
    ----------
    source : DataFrame or Relation
        A DataFrame's columns are clean: numbers, dates, object columns of str.
    seconds : float
        The most time for one question; what takes longer raises.
    """

    def __init__(self, source: pd.DataFrame | Relation, seconds: float = MOST_SECONDS) -> None:
        self.relation = source if isinstance(source, Relation) else ArrowRelation.of_frame(source)
        self.seconds = seconds
        self._orders: OrderedDict[View, NDArray[Any]] = OrderedDict()
        self._conditions: OrderedDict[str, str] = OrderedDict()
        self._cells: dict[str, tuple[str, str]] = {}
        self._whole: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        # reads pages of a known order while the other one answers a question
        self._beside: duckdb.DuckDBPyConnection | None = None
        self._beside_lock = threading.Lock()
        self._running = False
        self._question = 0
        self._idle = threading.Event()
        self._closed = False

    @property
    def schema(self) -> list[tuple[str, str]]:
        """Names and Arrow types of the columns, without the row number."""
        return [(name, str(kind)) for name, kind in zip(self.relation.names, self.relation.types, strict=True)]

    def rows(
        self, start: int, count: int, sort: Sort = (), search: str = "", filters: Filters = (), where: str = ""
    ) -> Page:
        """Return rows ``start`` to ``start + count`` of a view of the table.

        Missing cells come last in either direction; equal rows keep their order. The search finds
        rows of which any cell contains the words, whatever their case.

        Parameters
        ----------
        start, count : int
        sort : list of (column, descending)
        search : str
        filters : list of Filter or dict
            All of them must hold.
        where : str
            One SQL condition, as typed by hand; see `where_text`.

        Raises
        ------
        ColumnNotFoundError, InputError
            A column does not exist, a filter does not fit it, the condition is none, or the question took too long.
        CancelledRequest
            `interrupt` ended it.
        StateError
            The pager is closed.
        """
        view = View.of(sort, search, filters, where)
        start, count = max(0, start), max(0, count)
        table, total = self.ask(lambda connection: self._page(connection, view, start, count))
        return Page(ipc_of(table), start, total)

    def at_once(self, start: int, count: int, view: View) -> Page | None:
        """Return rows of a view whose order is known, without waiting for the question that is being answered.

        None where the order is not known: ask `rows`.
        """
        with self._beside_lock:
            relation, beside, order = self.relation, self._beside, self._orders.get(view)
            if self._closed or beside is None or (order is None and (view.sort or view.narrows)):
                return None
            start, count = max(0, start), max(0, count)
            if order is None:
                return Page(ipc_of(relation.slice(beside, start, count)), start, relation.rows)
            return Page(ipc_of(relation.take(beside, order[start : start + count])), start, len(order))

    def knows(self, view: View) -> bool:
        """Return whether `at_once` has rows of a view."""
        plain = not view.sort and not view.narrows
        return not self._closed and self._beside is not None and (plain or view in self._orders)

    def order(self, view: View) -> NDArray[Any] | None:
        """Return the numbers of a view's rows, in its order; None for the table as it is. Do not write into it."""
        return self.ask(lambda connection: self._order(connection, view))

    def count(self, view: View) -> int:
        """Return how many rows a view has."""
        order = self.order(view)
        return self.relation.rows if order is None else len(order)

    def table(self, rows: NDArray[np.integer[Any]]) -> pa.Table:
        """Return rows by number, with the row number in front."""
        return self.ask(lambda connection: self.relation.take(connection, rows))

    def summary(self, column: str, view: View | None = None) -> ColumnSummary:
        """Return a column's distribution: of the whole table, and of the rows that all other filters leave.

        Raises
        ------
        ColumnNotFoundError, InputError, CancelledRequest, StateError
            As `rows` does.
        """
        asked = view or View()
        return self.ask(lambda connection: self._summary(connection, column, asked))

    def interrupt(self) -> None:
        """End the question that is being answered now; it raises `CancelledRequest`. Any thread, returns at once."""
        if self._running:
            threading.Thread(target=self._end, args=(self._question,), name="medilytica-interrupt", daemon=True).start()

    def _end(self, question: int) -> None:
        # DuckDB forgets an interrupt that comes between two of a question's queries, so it is told until it has ended
        while self._running and self._question == question:
            connection = self._connection
            if connection is not None:
                connection.interrupt()
            self._idle.wait(0.02)

    def replace(self, relation: Relation) -> None:
        """Go on with another table of the same columns."""
        with self._lock:
            self._check_open()
            self._forget()
            with self._beside_lock:
                self.relation = relation

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory; may be called twice."""
        self._closed = True
        self.interrupt()
        with self._lock:
            self._forget()
            # the table itself may be another view's, too
            self.relation = ArrowRelation(pa.table({}))

    def _forget(self) -> None:
        with self._beside_lock:
            if self._connection is not None and self._beside is not None:
                self._beside.close()
                self._connection.close()
                self._connection = self._beside = None
            self._orders.clear()
        self._cells.clear()
        self._whole.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StateError("This table view was closed. Open it again to see more rows.")

    def ask(self, work: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        """Return what ``work`` makes of the pager's connection: alone, in time, and so that another thread can end it.

        Raises
        ------
        InputError, CancelledRequest, StateError
            As `rows` does.
        """
        with self._lock:
            self._check_open()
            if self._connection is None:
                self._connection = self.relation.connect()
                self._beside = self._connection.cursor()
            connection = self._connection
            late = threading.Event()

            def stop() -> None:
                late.set()
                self._end(question)

            self._question = question = self._question + 1
            self._idle.clear()
            self._running = True
            timer = threading.Timer(self.seconds, stop)
            timer.daemon = True
            timer.start()
            try:
                return work(connection)
            except duckdb.InterruptException:
                if late.is_set():
                    raise InputError(
                        f"This took longer than {self.seconds:g} seconds and was stopped. Ask for less: "
                        "fewer columns to sort by, a filter instead of a search."
                    ) from None
                raise CancelledRequest("A newer question took the place of this one.") from None
            except duckdb.OutOfMemoryException:
                raise InputError("The kernel's memory does not suffice for this. Filter the rows first.") from None
            except (duckdb.ConversionException, duckdb.BinderException, duckdb.InvalidInputException) as error:
                raise InputError(_said(error)) from None
            except (duckdb.OutOfRangeException, duckdb.InternalException) as error:
                raise InputError(_said(error)) from None
            finally:
                self._running = False
                self._idle.set()
                timer.cancel()

    def _page(self, connection: duckdb.DuckDBPyConnection, view: View, start: int, count: int) -> tuple[pa.Table, int]:
        order = self._order(connection, view)
        if order is None:
            return self.relation.slice(connection, start, count), self.relation.rows
        return self.relation.take(connection, order[start : start + count]), len(order)

    def _order(self, connection: duckdb.DuckDBPyConnection, view: View) -> NDArray[Any] | None:
        if not view.sort and not view.narrows:
            return None
        if view in self._orders:
            self._orders.move_to_end(view)
            return self._orders[view]
        found, values = self._where(view)
        by = [f"{self._cell(name, 'sort')[0]} {'desc' if down else 'asc'} nulls last" for name, down in view.sort]
        # rows that are only left out keep their order by themselves
        ordered = f" order by {', '.join([*by, 'row_number'])}" if by else ""
        order = np.asarray(
            connection.execute(f"select row_number from source{found}{ordered}", values).fetchnumpy()["row_number"]
        )
        if not by and np.any(order[1:] < order[:-1]):
            order = np.sort(order)
        order = order.astype(np.int32 if self.relation.rows < 2**31 else np.int64, copy=False)
        order.flags.writeable = False
        self._orders[view] = order
        while len(self._orders) > 1 and (
            len(self._orders) > KEPT_ORDERS or sum(kept.nbytes for kept in self._orders.values()) > KEPT_BYTES
        ):
            self._orders.popitem(last=False)
        return order

    def _summary(self, connection: duckdb.DuckDBPyConnection, column: str, view: View) -> ColumnSummary:
        sql, storage = self._cell(column, "look at")
        own = view.without(column)
        here = self._where(own) if own.narrows else None
        full = self._where(view) if view.narrows else None
        summary, self._whole[column] = summarise_column(connection, sql, storage, here, full, self._whole.get(column))
        return summary

    def _where(self, view: View) -> tuple[str, list[Any]]:
        for one in view.filters:
            self._cell(one.column, "filter by")
        filtered, values = condition(view.filters, self._cells)
        parts = [filtered] if filtered else []
        if view.search:
            # numbers and dates are written in small letters, and to make millions of them small takes long
            texts = [
                f"contains({'lower(c{0})' if storage == 'text' else 'cast(c{0} as varchar)'}, lower(?))".format(k)
                for k, storage in enumerate(self.relation.storages)
                if can_hold(storage, view.search)
            ]
            parts.append(f"({' or '.join(texts) or 'false'})")
            values += [view.search] * len(texts)
        if view.where:
            parts.append(self._compiled(view.where))
        return (f" where {' and '.join(parts)}" if parts else ""), values

    def _compiled(self, where: str) -> str:
        if where not in self._conditions:
            cells = {name: f"c{k}" for k, name in enumerate(self.relation.names)}
            self._conditions[where] = compile_where(where, cells, self._connection)
            while len(self._conditions) > KEPT_ORDERS:
                self._conditions.popitem(last=False)
        return self._conditions[where]

    def _cell(self, name: str, purpose: str) -> tuple[str, str]:
        """Return a column's SQL and its storage."""
        if name not in self._cells:
            if name not in self.relation.names:
                raise ColumnNotFoundError(
                    f"The table has no column {name!r} to {purpose}. {hint(name, self.relation.names)}"
                )
            place = self.relation.names.index(name)
            self._cells[name] = (f"c{place}", self.relation.storages[place])
        return self._cells[name]


def can_hold(storage: str, words: str) -> bool:
    """Return whether a cell of this storage, as text, can contain the words: writing millions of numbers takes long."""
    written = {"number": "0123456789.e+-inf", "datetime": "0123456789-:. inf", "bool": "truefals"}.get(storage)
    return written is None or set(words.lower()) <= set(written)


def ipc_of(table: pa.Table) -> bytes:
    """Return a table as an Arrow IPC stream of one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue().to_pybytes())


def _said(error: duckdb.Error) -> str:
    """Return what DuckDB says, without its kind of error and the query, in which columns go by position."""
    first = str(error).splitlines()[0]
    return f"The table could not be asked that: {first.split(': ', 1)[-1].rstrip('.')}."
