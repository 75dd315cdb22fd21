"""A table that DuckDB can ask and that gives any of its rows: Arrow columns, or Parquet files left where they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import DataError, EmptyTableError, MissingFileError
from .cleaning import ROW, tidy_names


class Relation(ABC):
    """Columns with names, and rows with numbers from 0 on.

    Attributes
    ----------
    names : list of str
        Different from each other, and none of them the row number's.
    types : list of DataType
        What the pages hold: numbers, truth values, dates or text.
    rows : int
    """

    names: list[str]
    types: list[pa.DataType]
    rows: int

    @property
    def storages(self) -> list[str]:
        """What each column holds: "number", "datetime", "bool" or "text"."""
        return [storage_of(kind) for kind in self.types]

    @abstractmethod
    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection, cut off from files and networks, with a view ``source``.

        Its columns are row_number, c0, c1 and so on.
        """

    @abstractmethod
    def slice(self, connection: duckdb.DuckDBPyConnection, start: int, count: int) -> pa.Table:
        """Return rows in the table's own order, by name, the row number in front."""

    @abstractmethod
    def take(self, connection: duckdb.DuckDBPyConnection, rows: NDArray[np.integer[Any]]) -> pa.Table:
        """Return the rows of these numbers, in their order; the same columns."""


def storage_of(kind: pa.DataType) -> str:
    """Return what an Arrow type is to a filter: "number", "datetime", "bool" or "text"."""
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_temporal(kind):
        return "datetime"
    return "number" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "text"


def locked_connection(files: Sequence[str] = ()) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in memory that reads these files and nothing else, and whose settings cannot be changed back."""
    connection = duckdb.connect(":memory:")
    # DuckDB's progress bar would print into the notebook
    connection.execute("set enable_progress_bar=false")
    connection.execute("set autoinstall_known_extensions=false")
    connection.execute("set autoload_known_extensions=false")
    connection.execute("set python_enable_replacements=false")
    connection.execute("set temp_directory=''")
    connection.execute("set allowed_paths=?", [list(files)])
    return connection


def lock(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Shut files and networks off; what was registered or allowed before stays."""
    connection.execute("set enable_external_access=false")
    connection.execute("set lock_configuration=true")
    return connection


class ArrowRelation(Relation):
    """A table in memory.

    Parameters
    ----------
    table : Table
        Any Arrow table; what no cell can show as number, date or truth value becomes text.
    """

    def __init__(self, table: pa.Table) -> None:
        self.names = tidy_names(table.column_names)[0]
        columns = [_plain(column) for column in table.columns]
        self.rows = table.num_rows
        numbers = pa.array(np.arange(self.rows, dtype=np.int64))
        self._table = pa.Table.from_arrays([numbers, *columns], names=[ROW, *self.names])
        self.types = [column.type for column in columns]

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> ArrowRelation:
        """Return a frame's columns; numbers are not copied."""
        names = [str(name) for name in frame.columns]
        arrays = [_from_pandas(frame.iloc[:, place]) for place in range(frame.shape[1])]
        return cls(pa.Table.from_arrays(arrays, names=names))

    def connect(self) -> duckdb.DuckDBPyConnection:
        """See `Relation.connect`."""
        connection = locked_connection()
        renamed = self._table.rename_columns(["row_number", *(f"c{k}" for k in range(len(self.names)))])
        connection.register("source", renamed)
        return lock(connection)

    def slice(self, connection: duckdb.DuckDBPyConnection, start: int, count: int) -> pa.Table:
        """See `Relation.slice`."""
        return self._table.slice(min(start, self.rows), count)

    def take(self, connection: duckdb.DuckDBPyConnection, rows: NDArray[np.integer[Any]]) -> pa.Table:
        """See `Relation.take`."""
        return self._table.take(pa.array(rows))

    def widened(self, names: Sequence[str], columns: Sequence[pa.Array]) -> ArrowRelation:
        """Return the table with further columns behind its own; the others are shared."""
        table = self._table.drop_columns([ROW])
        return ArrowRelation(
            pa.Table.from_arrays([*table.columns, *columns], names=[*self.names, *(str(name) for name in names)])
        )

    def arrow(self) -> pa.Table:
        """Return all columns, without the row number."""
        return self._table.drop_columns([ROW])

    def cell(self, row: int, column: str) -> Any:
        """Return one cell as Python has it; None where it is missing."""
        return self._table.column(column)[row].as_py()

    def changed(self, row: int, column: str, value: Any) -> ArrowRelation:
        """Return the table with another value in one cell; the other columns are shared."""
        place = self._table.column_names.index(column)
        if _is_half(self._table.column(place).type, value):
            return self.with_cells([(row, column, value)])
        old = self._table.column(place)
        kind = old.type
        new = pa.array([value], type=kind)
        chunks = [*old.slice(0, row).chunks, new, *old.slice(row + 1).chunks]
        column_now = pa.chunked_array(chunks, type=kind)
        # many small pieces make every later page slow
        if column_now.num_chunks > 16:
            column_now = column_now.combine_chunks()
        other = object.__new__(ArrowRelation)
        other.names, other.types, other.rows = self.names, self.types, self.rows
        other._table = self._table.set_column(place, column, column_now)
        return other

    def with_cells(self, cells: Sequence[tuple[int, str, Any]]) -> ArrowRelation:
        """Return the table with other values in some cells; columns without one are shared.

        Whole numbers become floats where one of the values is a half.
        """
        if len(cells) == 1 and not _is_half(self.types[self.names.index(cells[0][1])], cells[0][2]):
            return self.changed(*cells[0])
        by_column: dict[str, dict[int, Any]] = {}
        for row, column, value in cells:
            by_column.setdefault(column, {})[row] = value
        other = object.__new__(ArrowRelation)
        other.names, other.types, other.rows, table = self.names, list(self.types), self.rows, self._table
        for column, values in by_column.items():
            place = self.names.index(column)
            kind = self.types[place]
            if any(_is_half(kind, value) for value in values.values()):
                kind = pa.float64()
            rows = np.array(sorted(values), dtype=np.int64)
            mask = np.zeros(self.rows, dtype=bool)
            mask[rows] = True
            old = table.column(place + 1).combine_chunks().cast(kind)
            new = pc.replace_with_mask(old, pa.array(mask), pa.array([values[int(row)] for row in rows], type=kind))
            table = table.set_column(place + 1, column, new)
            other.types[place] = kind
        other._table = table
        return other


class ParquetRelation(Relation):
    """One Parquet file or a folder of them; only what is asked for is read.

    Parameters
    ----------
    path : path
        A file, or a folder whose ``.parquet`` files have the same columns; they follow each other by name.

    Raises
    ------
    MissingFileError, EmptyTableError, DataError
    """

    def __init__(self, path: str | Path) -> None:
        given = Path(path).expanduser()
        if not given.exists():
            raise MissingFileError(f"There is no file or folder {str(path)!r}.")
        self.files = sorted(given.rglob("*.parquet")) if given.is_dir() else [given]
        if not self.files:
            raise EmptyTableError(f"The folder {str(path)!r} holds no .parquet file.")
        opened = [_opened(file) for file in self.files]
        schema = opened[0][0]
        for file, (other, _) in zip(self.files, opened, strict=True):
            if other.names != schema.names or other.types != schema.types:
                raise DataError(
                    f"{file.name!r} has other columns than {self.files[0].name!r}. "
                    "Files of one folder must have the same columns, in the same order and of the same types."
                )
        if len(set(schema.names)) != len(schema.names):
            raise DataError(f"{self.files[0].name!r} has two columns of one name. Load it with load_dataset instead.")
        self._stored = list(schema.names)
        self.names = tidy_names(self._stored)[0]
        self.types = [_page_type(kind) for kind in schema.types]
        counts = [rows for _, rows in opened]
        self._begins = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.rows = int(self._begins[-1])
        if not self.rows or not self.names:
            raise EmptyTableError(f"The table {str(path)!r} has no {'rows' if self.names else 'columns'}.")
        self._casts = [_sql_cast(kind) for kind in schema.types]
        self._columns = ", ".join(
            f"{cast.format(_quoted(stored))} as c{k}"
            for k, (stored, cast) in enumerate(zip(self._stored, self._casts, strict=True))
        )

    def connect(self) -> duckdb.DuckDBPyConnection:
        """See `Relation.connect`."""
        connection = locked_connection([str(file.resolve()) for file in self.files])
        files = ", ".join(_text(str(file.resolve())) for file in self.files)
        number = "file_row_number"
        if len(self.files) > 1:
            number = (
                f"([{', '.join(str(begin) for begin in self._begins[:-1])}])[file_index::bigint + 1] + file_row_number"
            )
        kind = "integer" if self.rows < 2**31 else "bigint"
        connection.execute(
            f"create view source as select cast({number} as {kind}) as row_number, {self._columns} "
            f"from read_parquet([{files}], hive_partitioning=false, union_by_name=false)"
        )
        return lock(connection)

    def slice(self, connection: duckdb.DuckDBPyConnection, start: int, count: int) -> pa.Table:
        """See `Relation.slice`."""
        end = min(self.rows, start + count)
        touched = [
            file for file in range(len(self.files)) if self._begins[file] < end and self._begins[file + 1] > start
        ]
        parts = [
            self._read(connection, file, f"between {start - b} and {end - 1 - b}") for file, b in self._with(touched)
        ]
        return self._named(pa.concat_tables(parts)) if parts else self._empty()

    def take(self, connection: duckdb.DuckDBPyConnection, rows: NDArray[np.integer[Any]]) -> pa.Table:
        """See `Relation.take`."""
        if not len(rows):
            return self._empty()
        parts = []
        files = np.searchsorted(self._begins, rows, side="right") - 1
        for file, begin in self._with([int(file) for file in np.unique(files)]):
            wanted = ", ".join(str(int(row) - begin) for row in rows[files == file])
            parts.append(self._read(connection, file, f"in ({wanted})"))
        found = self._named(pa.concat_tables(parts))
        numbers = np.asarray(found[ROW])
        order = np.argsort(numbers, kind="stable")
        return found.take(pa.array(order[np.searchsorted(numbers[order], rows)]))

    def _with(self, files: list[int]) -> list[tuple[int, int]]:
        return [(file, int(self._begins[file])) for file in files]

    def _read(self, connection: duckdb.DuckDBPyConnection, file: int, which: str) -> pa.Table:
        # a filter on the number alone skips whole row groups and decodes the other columns only where it holds
        query = (
            f"select cast(file_row_number + {self._begins[file]} as bigint) as row_number, {self._columns} "
            f"from read_parquet({_text(str(self.files[file].resolve()))}, hive_partitioning=false) "
            f"where file_row_number {which} order by row_number"
        )
        return connection.sql(query).to_arrow_table()

    def _named(self, table: pa.Table) -> pa.Table:
        columns = [_cast(column, kind) for column, kind in zip(table.columns[1:], self.types, strict=True)]
        return pa.Table.from_arrays([table.column(0).cast(pa.int64()), *columns], names=[ROW, *self.names])

    def _empty(self) -> pa.Table:
        kinds = [pa.int64(), *self.types]
        return pa.table([pa.array([], type=kind) for kind in kinds], names=[ROW, *self.names])


def _opened(file: Path) -> tuple[pa.Schema, int]:
    """Return the schema and the number of rows, which stand at the file's end."""
    try:
        with pq.ParquetFile(file) as opened:
            return opened.schema_arrow, opened.metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        said = str(error).splitlines()[0].rstrip(". ")
        raise DataError(f"{file.name!r} could not be read as Parquet: {said}. Is it complete?") from None


def _is_half(kind: pa.DataType, value: Any) -> bool:
    """Return whether a column of whole numbers cannot hold a value."""
    return pa.types.is_integer(kind) and isinstance(value, float) and not value.is_integer()


def _page_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return kind
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return pa.timestamp("us")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    return pa.string()


def _plain(column: Any) -> Any:
    if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    wanted = _page_type(column.type)
    if wanted == column.type or (pa.types.is_large_string(column.type) and wanted == pa.string()):
        return column
    return _cast(column, wanted)


def _cast(column: Any, wanted: pa.DataType) -> Any:
    if column.type == wanted:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type) and pa.types.is_timestamp(wanted):
        return pc.cast(column, wanted, safe=False)
    try:
        return column.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        words = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(words, type=pa.string())])


def _sql_cast(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return "make_timestamp(epoch_us({}))"
    wanted = _page_type(kind)
    if wanted == pa.string() and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return "cast({} as varchar)"
    if pa.types.is_timestamp(wanted):
        return "cast({} as timestamp)"
    if pa.types.is_floating(wanted):
        # what is not a number counts as missing, wherever the table is looked at
        return f"nullif(cast({{}} as {'double' if wanted == pa.float64() else 'float'}), 'nan')"
    return "{}"


def _from_pandas(series: pd.Series[Any]) -> Any:
    kind = pa.string() if series.dtype == object else None
    try:
        array = pa.array(series, type=kind, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        words = [None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value) for value in series]
        array = pa.array(words, type=pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _quoted(name: str) -> str:
    """Return a stored column's name as SQL; only the view that gives it a position ever holds it."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
