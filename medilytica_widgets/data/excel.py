"""Spreadsheets, read with python-calamine.

It is one compiled file of 1 MB without dependencies under the MIT licence, reads .xlsx, .xls, .xlsb and .ods, knows
merged cells, and takes a tenth of openpyxl's time and memory, which knows .xlsx only. openpyxl is part of the extra
``excel`` too, to write.
"""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, EmptyTableError, MissingExtraError, hint
from .sheet_size import check_sheets
from .unpacking import check_zip

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
#: What a spreadsheet of today becomes under a password: a stream of this name in a file of the old kind.
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def is_workbook(content: bytes, suffix: str) -> bool:
    """Tell by its name or its first bytes whether a file is a spreadsheet."""
    if suffix in SUFFIXES or content.startswith(_OLE):
        return True
    head = content[:4096]
    return head.startswith(b"PK\x03\x04") and (b"xl/" in head or b"[Content_Types].xml" in head)


def read_workbook(
    content: bytes, shown: str, sheet: str | None, named: bool, header: int | Literal["auto"] | None = "auto"
) -> tuple[pd.DataFrame, str, list[str], tuple[str, str]]:
    """Read one sheet; its first row that is not empty holds the names.

    Parameters
    ----------
    content : bytes
    shown : str
        The file's name for messages.
    sheet : str, optional
        The first visible sheet with cells when None.
    named : bool
        Whether the names are given, so that the first row is one of cells.
    header : int or None, optional
        The row of the names, counted from 0 at the first one that is not empty; None where there is none.

    Returns
    -------
    frame : DataFrame
    sheet : str
    notes : list of str
    place : (str, str)
        The row, counted from 0, at which the table begins, and its columns as ``first:end``.

    Raises
    ------
    MissingExtraError, EmptyTableError, DataError
    """
    if content.startswith(_OLE):
        if _ENCRYPTED in content:
            raise _locked(shown)
    else:
        check_zip(content, shown, "Save the sheet as CSV and load that, or save the spreadsheet again.")
        check_sheets(content, shown)
    try:
        import python_calamine as calamine
    except ImportError:
        raise MissingExtraError(
            f"{shown!r} is a spreadsheet, and reading one needs python-calamine. Install the extra: pip install "
            "'medilytica-widgets[excel]'; or save the sheet as CSV and load that."
        ) from None
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        chosen = _sheet(book, shown, sheet)
        page = book.get_sheet_by_name(chosen)
        cells = page.to_python()
        merged = page.merged_cell_ranges or []
        corner = page.start or (0, 0)
    except calamine.PasswordError:
        raise _locked(shown) from None
    except calamine.CalamineError as error:
        raise DataError(
            f"{shown!r} is not a readable spreadsheet: {str(error).rstrip('.')}. Save it again, or as CSV."
        ) from None
    first = next((at for at, row in enumerate(cells) if any(cell != "" for cell in row)), None)
    if first is None:
        raise EmptyTableError(f"The sheet {chosen!r} of {shown!r} is empty: there is nothing to load.")
    further = header if isinstance(header, int) else 0
    if first + further >= len(cells):
        raise EmptyTableError(f"The sheet {chosen!r} of {shown!r} has no row {further}; header=… counts from 0.")
    first += further
    named = named if header == "auto" else header is None
    if not named or header == "auto":
        _check_header(merged, corner[0] + first, shown, chosen)
    notes = [] if sheet is not None or len(book.sheet_names) == 1 else [_said(book.sheet_names, chosen)]
    names, rows = (None, cells[first:]) if named else (cells[first], cells[first + 1 :])
    if not rows:
        raise EmptyTableError(f"The sheet {chosen!r} of {shown!r} has column names but no rows below them.")
    frame = pd.DataFrame(_columns(rows), copy=False)
    frame.columns = pd.Index(range(frame.shape[1]) if names is None else [_name(cell) for cell in names], dtype=object)
    inside = [r for r in merged if r[1][0] > corner[0] + first]
    if inside:
        notes.append(
            f"{len(inside)} merged cells in the sheet {chosen!r}: each counts as its upper left cell, the others as "
            "missing."
        )
    place = (str(corner[0] + first), f"{corner[1]}:{corner[1] + frame.shape[1]}")
    return frame, chosen, notes, place


def _locked(shown: str) -> DataError:
    return DataError(
        f"{shown!r} is protected by a password. Open it, take the password off (File, Info, Protect Workbook), save it "
        "and load it again."
    )


def _said(sheets: list[str], chosen: str) -> str:
    others = ", ".join(repr(name) for name in sheets if name != chosen)
    return f"The sheet {chosen!r} was read; sheet=… reads another of the file: {others}."


def _sheet(book: Any, shown: str, wanted: str | None) -> str:
    names: list[str] = list(book.sheet_names)
    if not names:
        raise EmptyTableError(f"{shown!r} has no sheets.")
    if wanted is None:
        pages = [page.name for page in book.sheets_metadata if str(page.visible).endswith(".Visible")] or names
        return next((name for name in pages if book.get_sheet_by_name(name).height), pages[0])
    if wanted not in names:
        raise DataError(f"{shown!r} has no sheet {wanted!r}. {hint(wanted, names)}")
    return wanted


def _check_header(merged: list[Any], row: int, shown: str, sheet: str) -> None:
    for (top, left), (bottom, right) in merged:
        if top <= row <= bottom and (right > left or bottom > top):
            where = f"{_letters(left)}{top + 1}:{_letters(right)}{bottom + 1}"
            raise DataError(
                f"The sheet {sheet!r} of {shown!r} has merged cells in its header ({where}), so its columns have no "
                "names of their own. Unmerge them, write one name above each column in one row, delete titles above "
                "it, and load the file again."
            )


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _name(cell: Any) -> Any:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return None if cell == "" else str(cell)


def _columns(rows: list[list[Any]]) -> dict[int, pd.Series[Any]]:
    width = max(len(row) for row in rows)
    columns: dict[int, pd.Series[Any]] = {}
    for at in range(width):
        cells = [None if at >= len(row) or row[at] == "" else row[at] for row in rows]
        # a column of one type gets it; words among numbers stay what they are
        column = pd.Series(cells, dtype=object).infer_objects()
        if (
            column.dtype == np.float64
            and len(column)
            and bool((column % 1 == 0).all() and (column.abs() < 2**53).all())
        ):
            # a sheet knows no whole numbers
            column = column.astype(np.int64)
        columns[at] = column
    return columns
