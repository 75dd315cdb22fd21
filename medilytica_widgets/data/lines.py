"""The lines of a text table, one by one: which is too long, which are comments, which has another number of cells."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from .read_options import BLANKS

#: A longer line is no row of a table, in bytes.
LONGEST_LINE = 64 << 20


class Marks(NamedTuple):
    """The signs of a text table.

    Attributes
    ----------
    delimiter : str
        A regular expression for columns separated by blanks.
    quotechar : str
        Encloses cells; empty where nothing does.
    comment : str
        Begins a comment line; empty where there are none.
    always : bool
        Whether each line that begins so is a comment, even one with as many cells as the table.
    """

    delimiter: str
    quotechar: str = '"'
    comment: str = "#"
    always: bool = False


def check_lines(block: bytes, shown: str) -> None:
    """Raise `DataError` for a line longer than `LONGEST_LINE`; it may reach beyond the block."""
    start = 0
    while len(block) - start > LONGEST_LINE:
        end = max(block.rfind(mark, start, start + LONGEST_LINE) for mark in (b"\n", b"\r"))
        if end < 0:
            # counting before the place is cheap: it is counted once, for the message
            line = block.count(b"\n", 0, start) + 1
            raise DataError(
                f"{shown!r}: line {line:,} is longer than {LONGEST_LINE >> 20:,} MB, so it is no row of a table. Check "
                "that the file is a table, and that its lines end with a line feed."
            )
        start = end + 1


def comment_rows(text: str, marks: Marks, skip: int) -> tuple[int, ...]:
    """Return the comment lines below the top, counted from 0.

    Unless a person named the sign, one that has as many cells as the table is a row. A cell in quotation marks counts
    as one line however many it spans, as pandas counts.
    """
    sign = marks.comment
    if not sign or (f"\n{sign}" not in text and f"\r{sign}" not in text):
        return ()
    if marks.delimiter == BLANKS:
        rows = [line.split() for line in io.StringIO(text, newline=None)]
    else:
        try:
            rows = list(_reader(text, marks))
        except csv.Error:
            return ()
    width = 0 if marks.always else len(rows[skip]) if len(rows) > skip else 0
    return tuple(
        position
        for position, row in enumerate(rows[skip + 1 :], start=skip + 1)
        if row and row[0].startswith(sign) and len(row) != width
    )


def odd_line(text: str, marks: Marks, skip: int, comments: tuple[int, ...], width: int) -> tuple[int, int] | None:
    """Return the number, from 1, of the first line that has not ``width`` cells, and its cells; None if all have."""
    if marks.delimiter == BLANKS:
        return None
    if not comments and "\r" not in text and not (marks.quotechar and marks.quotechar in text):
        return _counted(text, marks.delimiter, skip, width)
    reader = _reader(text, marks)
    passed = set(comments)
    end = 0
    try:
        for position, row in enumerate(reader):
            line, end = end + 1, reader.line_num
            blank = not row or (len(row) == 1 and not row[0].strip())
            if position >= skip and position not in passed and not blank and len(row) != width:
                return line, len(row)
    except csv.Error:
        pass
    return None


def _reader(text: str, marks: Marks) -> csv._reader:  # type: ignore[name-defined]
    stream = io.StringIO(text, newline=None)
    if marks.quotechar:
        return csv.reader(stream, delimiter=marks.delimiter, quotechar=marks.quotechar, skipinitialspace=True)
    return csv.reader(stream, delimiter=marks.delimiter, skipinitialspace=True, quoting=csv.QUOTE_NONE)


def _counted(text: str, delimiter: str, skip: int, width: int) -> tuple[int, int] | None:
    """Find the line by counting delimiters, where no cell is quoted."""
    content = text.encode("utf-8", "surrogatepass")
    array = np.frombuffer(content, dtype=np.uint8)
    ends = np.flatnonzero(array == 10)
    if not content.endswith(b"\n"):
        ends = np.append(ends, len(array))
    marks = np.flatnonzero(array == ord(delimiter))
    counts = np.diff(np.searchsorted(marks, ends), prepend=0)
    for line in np.flatnonzero(counts != width - 1):
        start = int(ends[line - 1]) + 1 if line else 0
        if line >= skip and content[start : ends[line]].strip():
            return int(line) + 1, int(counts[line]) + 1
    return None
