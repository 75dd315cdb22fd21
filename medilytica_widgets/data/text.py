"""Text tables: the encoding, the delimiter, comment lines, the header; all detected and all said."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..errors import DataError, EmptyTableError
from .lines import Marks, comment_rows, odd_line
from .numerals import Style, may_differ, plain_numbers
from .read_options import BLANKS, ReadOptions
from .text_about import described
from .text_guess import NUMBER, above, decode, delimiter_of, is_data, is_header, logical, stray_quotes

_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "upright strokes", BLANKS: "blanks"}
_DETECTED = ReadOptions()


@dataclass(frozen=True)
class TextFormat:
    """How a text table is read again.

    Attributes
    ----------
    encoding : str
    marks : Marks
        Its signs.
    skip_rows : int
        Comment and empty lines above the table, and rows above the names.
    header : bool
        Whether the first line after them holds names (given ``names`` replace them).
    plain_header : bool
        Whether the header line's cells are the names as they stand.
    width : int
        How many columns to read where rows end with one delimiter too many; 0 elsewhere.
    comments : tuple of int
        Comment lines between the rows, counted from 0 as pandas skips them.
    styles : tuple of Style
        The columns whose numbers have a decimal comma or separated thousands.
    about : dict of str to str
        What comment lines say of columns, by name.
    decimal : {".", ","}, optional
        Where a person named it.
    """

    encoding: str
    marks: Marks
    skip_rows: int
    header: bool
    plain_header: bool = True
    width: int = 0
    comments: tuple[int, ...] = ()
    styles: tuple[Style, ...] = ()
    about: dict[str, str] = field(default_factory=dict)
    decimal: str | None = None

    @property
    def delimiter(self) -> str:
        """What divides cells; a regular expression for blanks."""
        return self.marks.delimiter

    @property
    def quoted(self) -> bool:
        """Whether marks enclose cells."""
        return bool(self.marks.quotechar)


def read_text(
    content: bytes,
    shown: str,
    tabs: bool,
    names: Sequence[str] | None,
    missing: Sequence[str] = ("", "NA", "?"),
    options: ReadOptions = _DETECTED,
) -> tuple[pd.DataFrame, list[Any], TextFormat, list[str]]:
    """Read a delimited text; all cells stay text.

    Parameters
    ----------
    content : bytes
    shown : str
        The file's name for messages.
    tabs : bool
        Whether the name promises tabs.
    names : list of str, optional
    missing : list of str
        Cells that mean "no value".
    options : ReadOptions
        What a person said of the file; the rest is detected.

    Returns
    -------
    frame : DataFrame of str
    columns : list
        Names as they stand in the file, or ``names``.
    form : TextFormat
    notes : list of str
        What was detected that a person should know.
    """
    text, encoding = decode(content, shown, options.encoding)
    notes: list[str] = []
    if options.encoding is None and encoding not in ("utf-8", "utf-8-sig"):
        guess = (
            " It is the usual one when UTF-8 does not fit; check letters with accents."
            if "16" not in encoding and "32" not in encoding
            else ""
        )
        notes.append(f"The file is read as {encoding}.{guess}")
    head = text[:200_000]
    marks, skip, lines = _marks(text, shown, tabs, options)
    on_top = logical(head)[:skip]
    if names is None and options.header == "auto" and marks.comment and on_top and lines:
        if on_top[-1].strip() and is_header(on_top[-1], lines[0], marks):
            skip -= 1
            notes.append("The column names stand in the last comment line.")
    if not marks.quotechar and options.quotechar is None:
        notes.append("Quotation marks are part of the text; they do not enclose cells in this file.")
    comments = comment_rows(text, marks, skip)
    rows, trailing = _rows(text, marks, skip, shown, comments)
    columns, header = _header(rows, names, shown, marks.comment, options.header)
    plain = header and columns == list(rows.iloc[0])
    if options.delimiter is None and marks.delimiter not in (",", "\t" if tabs else ","):
        notes.append(f"Cells are divided by {_DELIMITER_NAMES[marks.delimiter]}.")
    if skip and len(on_top) == skip and not isinstance(options.header, int):
        notes.append(f"{skip} comment or empty line{'s' if skip > 1 else ''} above the table skipped.")
    if comments:
        notes.append(f"{len(comments)} comment line{'s' if len(comments) > 1 else ''} between the rows skipped.")
    if header and names is None and options.header == "auto" and is_data(rows):
        header, plain = False, False
        columns = _numbered(rows)
        notes.append(
            "The first line holds data, not names: the file counts as one without a header, and its columns are called "
            "'column 1', 'column 2', …. Give their names with names=[…]."
        )
    if header:
        rows = rows.iloc[1:].reset_index(drop=True)
        numbers = sum(bool(NUMBER.match(str(c).strip())) for c in columns)
        if names is None and options.header == "auto" and numbers * 2 > len(columns):
            notes.append("The names in the first line are numbers. If the file has no header, give names=[…].")
    if not len(rows):
        raise EmptyTableError(f"{shown!r} has column names but no rows below them.")
    differs = options.decimal is not None or may_differ(text, marks.delimiter)
    rows, styles, said = plain_numbers(rows, marks.delimiter, missing, options.decimal) if differs else (rows, (), [])
    about = described(on_top[:skip], marks.comment, columns)
    form = TextFormat(encoding, marks, skip, header, plain, trailing, comments, styles, about, options.decimal)
    return rows, columns, form, [*notes, *said]


def _marks(text: str, shown: str, tabs: bool, options: ReadOptions) -> tuple[Marks, int, list[str]]:
    """Return a table's signs, how many lines stand above it, and some lines of it."""
    sign = "#" if options.comment is None else options.comment
    further = options.header if isinstance(options.header, int) else 0
    skip, lines = above(text, sign, further)
    if not lines and further:
        raise EmptyTableError(f"{shown!r} has no row {further} that could hold the names; header=… counts from 0.")
    if not lines:
        raise EmptyTableError(f"{shown!r} holds only comment lines: there is no table below them.")
    seen = [line for line in lines if not (sign and line.startswith(sign))] or lines
    delimiter = options.delimiter or delimiter_of(seen, tabs, options.quotechar)
    quotechar = options.quotechar
    if quotechar is None:
        quotechar = "" if delimiter == "\t" and stray_quotes(lines) else '"'
    return Marks(delimiter, quotechar, sign, options.comment is not None), skip, lines


def more_rows(text: str, form: TextFormat, width: int, shown: str, line: int, first: bool) -> pd.DataFrame:
    """Read a part of a table whose form is known; the part ends where a row ends.

    Parameters
    ----------
    text : str
    form : TextFormat
    width : int
        How many columns there are.
    shown : str
    line : int
        How many lines came before.
    first : bool
        Whether the part holds the top.
    """
    skip = form.skip_rows if first else 0
    comments = comment_rows(text, form.marks, skip)
    try:
        rows, _ = _rows(text, form.marks, skip, shown, comments, line)
    except EmptyTableError:
        return pd.DataFrame(columns=range(width), dtype=str)
    if form.width and rows.shape[1] == width + 1 and bool((rows.iloc[:, width] == "").all()):
        rows = rows.iloc[:, :width]
    if rows.shape[1] != width:
        odd = odd_line(text, form.marks, skip, comments, width) or (1, rows.shape[1])
        raise _ragged(shown, width, (odd[0] + line, odd[1]))
    return rows


def _rows(
    text: str, marks: Marks, skip: int, shown: str, comments: tuple[int, ...], before: int = 0
) -> tuple[pd.DataFrame, int]:
    options: dict[str, Any] = {
        "sep": marks.delimiter,
        "skiprows": [*range(skip), *comments] if comments else skip,
        "header": None,
        "dtype": str,
        "keep_default_na": False,
        "na_filter": False,
        "skipinitialspace": True,
        "quoting": csv.QUOTE_MINIMAL if marks.quotechar else csv.QUOTE_NONE,
        "quotechar": marks.quotechar or '"',
        "encoding_errors": "strict",
        "low_memory": False,
    }
    try:
        rows: pd.DataFrame = pd.read_csv(io.StringIO(text), **options)
    except pd.errors.EmptyDataError:
        raise EmptyTableError(f"{shown!r} has no columns: there is nothing to load.") from None
    except pd.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found is None:
            raise DataError(f"{shown!r} cannot be read as a table: {_reason(error)}.") from None
        width, line, seen = (int(g) for g in found.groups())
        wide = _trailing(text, options, width) if seen == width + 1 else None
        if wide is None:
            odd = odd_line(text, marks, skip, comments, width) or (line, seen)
            raise _ragged(shown, width, (odd[0] + before, odd[1])) from None
        return wide, width
    last = rows.iloc[:, -1]
    if rows.shape[1] > 1 and marks.delimiter != BLANKS and bool((last == "").any()):
        # an empty last cell may be one that is not there: pandas does not tell
        odd_one = odd_line(text, marks, skip, comments, rows.shape[1])
        if odd_one is not None:
            raise _ragged(shown, rows.shape[1], (odd_one[0] + before, odd_one[1]))
    return rows, 0


def _ragged(shown: str, width: int, odd: tuple[int, int]) -> DataError:
    line, seen = odd
    what = f"{shown!r}: line {line} has {seen} cell{'' if seen == 1 else 's'} where {width} are expected. "
    if seen < width:
        return DataError(what + "Cells without a value need their delimiters too; repair that line.")
    return DataError(what + "Put quotation marks around cells that hold the delimiter, or repair that line.")


def _trailing(text: str, options: dict[str, Any], width: int) -> pd.DataFrame | None:
    """Read rows that end with one delimiter too many, if that last cell is empty everywhere."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            wide = pd.read_csv(io.StringIO(text), names=list(range(width + 1)), index_col=False, **options)
    except pd.errors.ParserError:
        return None
    last = wide[width]
    return wide.drop(columns=width) if (last.isna() | (last == "")).all() else None


def _reason(error: Exception) -> str:
    return str(error).replace("Error tokenizing data. C error: ", "").strip().rstrip(".")


def _header(
    rows: pd.DataFrame, names: Sequence[str] | None, shown: str, sign: str, row: int | str | None
) -> tuple[list[Any], bool]:
    first = [str(cell).strip() for cell in rows.iloc[0]]
    if first:
        first[0] = first[0].lstrip("\ufeff").lstrip(sign).strip() if sign else first[0].lstrip("\ufeff")
    if names is None:
        return (first, True) if row is not None else (_numbered(rows), False)
    wanted = [str(name).strip() for name in names]
    if len(wanted) != rows.shape[1]:
        raise DataError(
            f"{shown!r} has {rows.shape[1]} columns, but names=… gives {len(wanted)}. Give one name for each column."
        )
    return wanted, first == wanted if row == "auto" else row is not None


def _numbered(rows: pd.DataFrame) -> list[Any]:
    return [f"column {position}" for position in range(1, rows.shape[1] + 1)]
