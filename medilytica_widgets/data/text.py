"""Text tables: the encoding, the delimiter, comment lines, the header; all detected and all said."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import DataError, EmptyTableError, EncodingError
from .lines import comment_rows, odd_line
from .numerals import Style, may_differ, plain_numbers

_DELIMITERS = (",", ";", "\t", "|")
#: What an encoding's guess may hold of control characters before the file counts as binary.
_CONTROL_SHARE = 0.02
#: So many rows, and of wide tables columns, are compared with the first row.
_HEAD_ROWS, _HEAD_COLUMNS = 2_000, 64
#: Byte order marks and the encodings that they say.
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "upright strokes", r"\s+": "blanks"}
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


@dataclass(frozen=True)
class TextFormat:
    """How a text table is read again.

    Attributes
    ----------
    encoding : str
    delimiter : str
        A regular expression for columns separated by blanks.
    skip_rows : int
        Comment and empty lines above the table.
    header : bool
        Whether the first line after them holds names (given ``names`` replace them).
    quoted : bool
        Whether quotation marks enclose cells.
    plain_header : bool
        Whether the header line's cells are the names as they stand.
    width : int
        How many columns to read where rows end with one delimiter too many; 0 elsewhere.
    comments : tuple of int
        Comment lines between the rows, counted from 0 as pandas skips them.
    styles : tuple of Style
        The columns whose numbers have a decimal comma or separated thousands.
    """

    encoding: str
    delimiter: str
    skip_rows: int
    header: bool
    quoted: bool
    plain_header: bool = True
    width: int = 0
    comments: tuple[int, ...] = ()
    styles: tuple[Style, ...] = ()


def decode(content: bytes, shown: str) -> tuple[str, str]:
    """Return the text and the name of its encoding.

    Raises
    ------
    EncodingError
        The bytes are no text in any encoding tried.
    """
    for mark, encoding in BOMS:
        if content.startswith(mark):
            try:
                return content.decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise EncodingError(
                    f"{shown!r} begins as {encoding.upper()} text but breaks at byte {error.start:,}. "
                    "It is damaged or cut off; save it again as UTF-8."
                ) from None
    zero = content.find(0)
    if zero >= 0:
        raise EncodingError(
            f"{shown!r} is not a text table: it holds a zero byte at position {zero:,}. It may be compressed, a "
            "spreadsheet, or UTF-16 without its mark; save it as CSV in UTF-8."
        )
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        controls = len(re.findall(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]", text))
        if controls <= _CONTROL_SHARE * len(text):
            return text, encoding
    raise EncodingError(
        f"{shown!r} is not text in any encoding known here (UTF-8, UTF-16, Windows-1252, Latin-1). "
        "Check that it is a table, and save it as CSV in UTF-8."
    )


def read_text(
    content: bytes, shown: str, tabs: bool, names: Sequence[str] | None, missing: Sequence[str] = ("", "NA", "?")
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

    Returns
    -------
    frame : DataFrame of str
    columns : list
        Names as they stand in the file, or ``names``.
    form : TextFormat
    notes : list of str
        What was detected that a person should know.
    """
    text, encoding = decode(content, shown)
    notes: list[str] = []
    if encoding not in ("utf-8", "utf-8-sig"):
        guess = (
            " It is the usual one when UTF-8 does not fit; check letters with accents."
            if "16" not in encoding and "32" not in encoding
            else ""
        )
        notes.append(f"The file is read as {encoding}.{guess}")
    head = text[:200_000]
    skip, lines = _above(text)
    if not lines:
        raise EmptyTableError(f"{shown!r} holds only comment lines: there is no table below them.")
    delimiter = _delimiter([line for line in lines if not line.startswith("#")] or lines, tabs)
    above = _logical(head)[:skip]
    if names is None and above and _is_header(above[-1], lines[0], delimiter):
        skip -= 1
        lines.insert(0, above[-1])
        notes.append("The column names stand in the last comment line.")
    quoted = not (delimiter == "\t" and _stray_quotes(lines))
    if not quoted:
        notes.append("Quotation marks are part of the text; they do not enclose cells in this file.")
    comments = comment_rows(text, delimiter, skip, quoted)
    rows, trailing = _rows(text, delimiter, skip, quoted, shown, comments)
    columns, header = _header(rows, names, shown)
    plain = header and columns == list(rows.iloc[0])
    if delimiter not in (",", "\t" if tabs else ","):
        notes.append(f"Cells are divided by {_DELIMITER_NAMES[delimiter]}.")
    if skip and len(above) == skip:
        notes.append(f"{skip} comment or empty line{'s' if skip > 1 else ''} above the table skipped.")
    if comments:
        notes.append(f"{len(comments)} comment line{'s' if len(comments) > 1 else ''} between the rows skipped.")
    if header and names is None and _is_data(rows):
        header, plain = False, False
        columns = [f"column {position}" for position in range(1, rows.shape[1] + 1)]
        notes.append(
            "The first line holds data, not names: the file counts as one without a header, and its columns are called "
            "'column 1', 'column 2', …. Give their names with names=[…]."
        )
    if header:
        rows = rows.iloc[1:].reset_index(drop=True)
        if names is None and sum(bool(_NUMBER.match(str(c).strip())) for c in columns) * 2 > len(columns):
            notes.append("The names in the first line are numbers. If the file has no header, give names=[…].")
    if not len(rows):
        raise EmptyTableError(f"{shown!r} has column names but no rows below them.")
    differs = may_differ(text, delimiter)
    rows, styles, said = plain_numbers(rows, delimiter, missing) if differs else (rows, (), [])
    form = TextFormat(encoding, delimiter, skip, header, quoted, plain, trailing, comments, styles)
    return rows, columns, form, [*notes, *said]


def _logical(text: str) -> list[str]:
    return re.split(r"\r\n|\n|\r", text)


def _above(text: str) -> tuple[int, list[str]]:
    """Count comment and empty lines on top; return up to 200 lines after them, without empty ones."""
    skip = 0
    start = 0
    for match in re.finditer(r"\r\n|\n|\r|$", text):
        line = text[start : match.start()].strip().lstrip("\ufeff")
        if line and not line.startswith("#"):
            break
        skip += 1
        start = match.end()
        if start >= len(text):
            break
    lines = [line for line in _logical(text[start : start + 400_000])[:200] if line.strip()]
    return skip, lines


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == r"\s+":
        return line.split()
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def _delimiter(lines: list[str], tabs: bool) -> str:
    if tabs and any("\t" in line for line in lines):
        return "\t"
    best = (",", 1.0)
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        score = width * (count / sum(widths.values())) ** 2 if width > 1 else 0.0
        if score > best[1]:
            best = (delimiter, score)
    if best[1] > 1.0:
        return best[0]
    blank = [line.split() for line in lines]
    if len(blank[-1]) > 1 and len({len(row) for row in blank}) == 1 and all(map(_NUMBER.match, blank[-1])):
        return r"\s+"
    return ","


def _is_header(comment: str, first: str, delimiter: str) -> bool:
    """Tell whether a comment line holds the names: as many cells as the first row, no numbers, and numbers below."""
    names = [c.strip() for c in _cells(comment.strip().lstrip("#").strip(), delimiter)]
    cells = [c.strip() for c in _cells(first, delimiter)]
    return (
        len(names) > 1
        and len(names) == len(cells)
        and all(names)
        and not any(map(_NUMBER.match, names))
        and any(map(_NUMBER.match, cells))
    )


def _stray_quotes(lines: list[str]) -> bool:
    """Tell whether some cell begins with a quotation mark and does not end with one, or the other way round."""
    if len({line.count("\t") for line in lines}) > 1:
        # a cell of several lines: its marks enclose it
        return False
    for line in lines:
        for cell in line.split("\t"):
            inner = cell.strip()
            if '"' in inner and (inner.count('"') % 2 or not (inner.startswith('"') and inner.endswith('"'))):
                return True
    return False


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
    comments = comment_rows(text, form.delimiter, skip, form.quoted)
    try:
        rows, _ = _rows(text, form.delimiter, skip, form.quoted, shown, comments, line)
    except EmptyTableError:
        return pd.DataFrame(columns=range(width), dtype=str)
    if form.width and rows.shape[1] == width + 1 and bool((rows.iloc[:, width] == "").all()):
        rows = rows.iloc[:, :width]
    if rows.shape[1] != width:
        odd = odd_line(text, form.delimiter, skip, form.quoted, comments, width) or (1, rows.shape[1])
        raise _ragged(shown, width, (odd[0] + line, odd[1]))
    return rows


def _rows(
    text: str, delimiter: str, skip: int, quoted: bool, shown: str, comments: tuple[int, ...], before: int = 0
) -> tuple[pd.DataFrame, int]:
    options: dict[str, Any] = {
        "sep": delimiter,
        "skiprows": [*range(skip), *comments] if comments else skip,
        "header": None,
        "dtype": str,
        "keep_default_na": False,
        "na_filter": False,
        "skipinitialspace": True,
        "quoting": csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
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
            odd = odd_line(text, delimiter, skip, quoted, comments, width) or (line, seen)
            raise _ragged(shown, width, (odd[0] + before, odd[1])) from None
        return wide, width
    last = rows.iloc[:, -1]
    if rows.shape[1] > 1 and delimiter != r"\s+" and bool((last == "").any()):
        # an empty last cell may be one that is not there: pandas does not tell
        odd_one = odd_line(text, delimiter, skip, quoted, comments, rows.shape[1])
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


def _header(rows: pd.DataFrame, names: Sequence[str] | None, shown: str) -> tuple[list[Any], bool]:
    first = [str(cell).strip() for cell in rows.iloc[0]]
    if first:
        first[0] = first[0].lstrip("\ufeff").lstrip("#").strip()
    if names is None:
        return first, True
    wanted = [str(name).strip() for name in names]
    if len(wanted) != rows.shape[1]:
        raise DataError(
            f"{shown!r} has {rows.shape[1]} columns, but names=… gives {len(wanted)}. Give one name for each column."
        )
    return wanted, first == wanted


def _is_data(rows: pd.DataFrame) -> bool:
    """Tell whether the first row is one of the table's rows rather than its names."""
    if len(rows) < 3:
        return False
    first = [str(cell).strip() for cell in rows.iloc[0]]
    # a word that stands in its own column again and again is a value; a header repeated further down is none
    below = [[str(cell).strip() for cell in row] for row in rows.iloc[1:_HEAD_ROWS, :_HEAD_COLUMNS].to_numpy(object)]
    if first[:_HEAD_COLUMNS] not in below:
        for position, cell in enumerate(first[:_HEAD_COLUMNS]):
            if cell and not _NUMBER.match(cell):
                again = sum(row[position] == cell for row in below)
                if again >= max(3, len(below) // 20):
                    return True
    numbers = [cell for cell in first if _NUMBER.match(cell)]
    if len(numbers) * 2 <= len(first):
        return False
    # years and other whole numbers that count up are names of columns
    if len(numbers) > 1 and all(cell.isdigit() for cell in numbers):
        steps = {int(b) - int(a) for a, b in itertools.pairwise(numbers)}
        if len(steps) == 1 and steps.pop() > 0:
            return False
    return True


def header_hint(names: Sequence[str]) -> str:
    """Say what to do where the names look like the cells of a first row."""
    if names and all(name == f"column {position}" for position, name in enumerate(names, start=1)):
        return " The first line seems to hold data, not names: give them with names=[…]."
    cells = sum(name.replace(".", "", 1).replace("-", "", 1).split(" (")[0].isdigit() for name in names)
    if cells < max(2, len(names) / 3):
        return ""
    return " The first line seems to hold data, not names: give them with names=[…]."
