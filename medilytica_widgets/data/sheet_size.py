"""How large the table of a sheet is, before it is read: two cells in far corners make a file of a few hundred bytes.

The reader lays a sheet out as a full rectangle, and ends the process where that does not fit. Sheets of .ods it
limits itself, and .xls has no room for more than 16 million cells.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from ..errors import DataError
from .sampling import budget

#: What a cell takes while it is read, in bytes.
_CELL_BYTES = 64
_STEP = 4 << 20
#: A place as "XFD1048576" may lie across two pieces.
_OVERLAP = 32
#: As nearly all programs write it, which is found quickly, and as XML allows it.
_USUAL, _ALLOWED = rb'r="', rb"\br\s*=\s*[\"']"
_UNUSUAL = (b"r='", b"= ", b" =", b"=\n", b"\n=", b"=\t", b"\t=", b"=\r", b"\r=")
_MOST_CELLS = 1 << 34


def check_sheets(content: bytes, shown: str) -> None:
    """Raise `DataError` for an .xlsx file with a sheet whose rectangle does not fit into memory."""
    most = budget() // _CELL_BYTES
    if most >= _MOST_CELLS:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".xml") and "sheets/" in entry.filename:
                    _check(archive, entry, shown, most)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"{shown!r} is damaged or cut off: {error}. Save the sheet as CSV and load that, or save the spreadsheet "
            "again."
        ) from None


def _check(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, shown: str, most: int) -> None:
    digits, columns = 1, 1
    for piece in _pieces(archive, entry):
        place = _place(piece)
        while digits < 7 and re.search(place + rb"[A-Za-z]{0,3}\d{%d}" % (digits + 1), piece):
            digits += 1
        columns = max(columns, *map(_number, set(re.findall(place + rb"([A-Za-z]{1,3})\d", piece))), 0)
    rows = 10**digits - 1
    if rows * columns > most:
        # exactly, which takes longer
        rows = max(
            int(row)
            for piece in _pieces(archive, entry)
            for row in (*re.findall(_place(piece) + rb"[A-Za-z]{0,3}(\d{%d})" % digits, piece), b"1")
        )
    if rows * columns > most:
        raise DataError(
            f"{shown!r} has a sheet whose cells lie so far apart that its table has {rows:,} rows × {columns:,} "
            "columns, which does not fit into memory. Delete the cells that stand by themselves, or save the part that "
            "is meant as CSV and load that."
        )


def _place(piece: bytes) -> bytes:
    return _ALLOWED if any(mark in piece for mark in _UNUSUAL) else _USUAL


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    rest = b""
    with archive.open(entry) as file:
        while piece := file.read(_STEP):
            piece = rest + piece
            yield piece
            rest = piece[-_OVERLAP:]


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
