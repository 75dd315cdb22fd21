"""Writing what a view shows to a file, piece by piece, while somebody looks at how far it is."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import CancelledRequest, ColumnNotFoundError, InputError, MedilyticaError, MissingExtraError, hint
from .relation import Relation

ExportFormat = Literal["csv", "parquet", "xlsx"]
#: Rows of one piece, and the rows of an Excel sheet, its header not counted.
PIECE = 50_000
MOST_XLSX_ROWS = 1_048_575


class Export:
    """One table on its way into a temporary file, on a thread of its own.

    Parameters
    ----------
    relation : Relation
    order : ndarray of int, optional
        The rows by number; None for all in the table's order.
    columns : list of str
        In the order of the file.
    format : {"csv", "parquet", "xlsx"}

    Raises
    ------
    ColumnNotFoundError, InputError, MissingExtraError
        Before anything is written.
    """

    def __init__(
        self, relation: Relation, order: NDArray[Any] | None, columns: Sequence[str], format: ExportFormat
    ) -> None:
        if format not in get_args(ExportFormat):
            raise InputError(f"A table is exported as csv, parquet or xlsx; {format!r} was asked for.")
        for name in columns:
            if name not in relation.names:
                raise ColumnNotFoundError(f"The table has no column {name!r} to export. {hint(name, relation.names)}")
        if not columns:
            raise InputError("All columns are hidden: there is nothing to export. Show one first.")
        self.total = relation.rows if order is None else len(order)
        if format == "xlsx":
            _check_xlsx(self.total)
        self.format = format
        self.done = 0
        self.touched = time.monotonic()
        self.error: MedilyticaError | None = None
        self._relation, self._order, self._columns = relation, order, list(columns)
        self._folder = tempfile.TemporaryDirectory(prefix="medilytica-export-")
        self.path = Path(self._folder.name) / f"table.{format}"
        self._finished = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="medilytica-export", daemon=True)

    def start(self) -> Export:
        """Begin writing and return at once."""
        self._thread.start()
        return self

    @property
    def ready(self) -> bool:
        """Whether the file is complete."""
        return self._finished.is_set() and self.error is None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False when it did not come in time."""
        return self._finished.wait(timeout)

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes of the complete file."""
        self.touched = time.monotonic()
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(count)

    def close(self) -> None:
        """Stop writing and delete the file; may be called twice."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(30)
        self._folder.cleanup()

    def _work(self) -> None:
        try:
            with contextlib.closing(self._relation.connect()) as connection:
                write = {"csv": self._csv, "parquet": self._parquet, "xlsx": self._xlsx}[self.format]
                write(self._pieces(connection))
        except MedilyticaError as error:
            self.error = error
        except OSError as error:
            self.error = InputError(f"The file could not be written: {error.strerror or error}. Is the disk full?")
        except Exception as error:
            self.error = InputError(f"The export failed: {error}")
        finally:
            self._finished.set()

    def _pieces(self, connection: Any) -> Iterator[pa.Table]:
        for start in range(0, max(1, self.total), PIECE):
            if self._stopped.is_set():
                raise CancelledRequest("The export was cancelled.")
            if self._order is None:
                part = self._relation.slice(connection, start, PIECE)
            else:
                part = self._relation.take(connection, np.asarray(self._order[start : start + PIECE]))
            yield part.select(self._columns)
            self.done = min(self.total, start + PIECE)

    def _csv(self, pieces: Iterator[pa.Table]) -> None:
        first = next(pieces)
        with pyarrow.csv.CSVWriter(self.path, first.schema) as writer:
            writer.write_table(first)
            for piece in pieces:
                writer.write_table(piece)

    def _parquet(self, pieces: Iterator[pa.Table]) -> None:
        first = next(pieces)
        with pq.ParquetWriter(self.path, first.schema) as writer:
            writer.write_table(first)
            for piece in pieces:
                writer.write_table(piece)

    def _xlsx(self, pieces: Iterator[pa.Table]) -> None:
        # without type information
        openpyxl: Any = importlib.import_module("openpyxl")
        writer: Any = importlib.import_module("openpyxl.worksheet._writer")

        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("table")
        # its own place is the system's temporary folder, where what is cancelled would stay as long as the kernel lives
        place = str(self.path.with_suffix(".xml"))
        writer.ALL_TEMP_FILES.append(place)
        sheet._writer = writer.WorksheetWriter(sheet, place)
        sheet._writer.write_top()

        def cell(value: Any) -> Any:
            if not isinstance(value, str):
                return value
            made = openpyxl.cell.WriteOnlyCell(sheet, openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", value)[:32_767])
            # a text that begins with = stays a text
            made.data_type = "s"
            return made

        try:
            sheet.append([cell(name) for name in self._columns])
            for piece in pieces:
                for row in zip(*(column.to_pylist() for column in piece.columns), strict=True):
                    sheet.append([cell(value) for value in row])
            book.save(self.path)
        except BaseException:
            # what was written so far is closed before it is deleted
            with contextlib.suppress(Exception):
                sheet.close()
            raise
        finally:
            with contextlib.suppress(ValueError):
                writer.ALL_TEMP_FILES.remove(place)


def has_excel() -> bool:
    """Return whether the extra that writes Excel files is there."""
    return importlib.util.find_spec("openpyxl") is not None


def _check_xlsx(rows: int) -> None:
    if not has_excel():
        raise MissingExtraError(
            "Excel files need openpyxl: pip install 'medilytica-widgets[excel]'. CSV and Parquet need nothing."
        )
    if rows > MOST_XLSX_ROWS:
        raise InputError(
            f"An Excel sheet holds {MOST_XLSX_ROWS:,} rows; these are {rows:,}. Filter them, or take CSV or Parquet."
        )
