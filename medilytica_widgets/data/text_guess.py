"""What a text table seems to be: its encoding, its delimiter, where its names stand."""

from __future__ import annotations

import codecs
import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..errors import EncodingError
from .lines import Marks
from .read_options import BLANKS

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
NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


def decode(content: bytes, shown: str, named: str | None = None) -> tuple[str, str]:
    """Return the text and the name of its encoding.

    Parameters
    ----------
    content : bytes
    shown : str
        The file's name for messages.
    named : str, optional
        The encoding, where a person named it.

    Raises
    ------
    EncodingError
        The bytes are no text in any encoding tried.
    """
    if named is not None:
        return _as_named(content, shown, named)
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


def _as_named(content: bytes, shown: str, named: str) -> tuple[str, str]:
    encoding = "utf-8-sig" if named == "utf-8" and content.startswith(codecs.BOM_UTF8) else named
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        place = f" at byte {error.start:,}" if isinstance(error, UnicodeDecodeError) else ""
        raise EncodingError(
            f"{shown!r} is no {named} text: it breaks{place}. Give another encoding=…, or leave it out: then it "
            "is found."
        ) from None
    zero = text.find("\0")
    if zero >= 0:
        raise EncodingError(
            f"{shown!r} holds a zero at character {zero:,} when it is read as {named}, so it is no text table in it. "
            "Give another encoding=…, or leave it out to have it found."
        )
    return text, encoding


def logical(text: str) -> list[str]:
    """Return the lines of a text, whichever way they end."""
    return re.split(r"\r\n|\n|\r", text)


def above(text: str, sign: str = "#", rows: int = 0) -> tuple[int, list[str]]:
    """Count comment and empty lines on top, and so many rows; return up to 200 lines after them, without empty ones."""
    skip = 0
    start = 0
    for match in re.finditer(r"\r\n|\n|\r|$", text):
        line = text[start : match.start()].strip().lstrip("\ufeff")
        if line and not (sign and line.startswith(sign)):
            if not rows:
                break
            rows -= 1
        skip += 1
        start = match.end()
        if start >= len(text):
            break
    lines = [line for line in logical(text[start : start + 400_000])[:200] if line.strip()]
    return skip, lines


def _cells(line: str, marks: Marks) -> list[str]:
    if marks.delimiter == BLANKS:
        return line.split()
    quoting: Any = {"quotechar": marks.quotechar} if marks.quotechar else {"quoting": csv.QUOTE_NONE}
    return next(csv.reader([line], delimiter=marks.delimiter, skipinitialspace=True, **quoting), [])


def delimiter_of(lines: list[str], tabs: bool, quotechar: str | None = None) -> str:
    """Return the delimiter that divides most lines alike."""
    quoting: Any = {"quoting": csv.QUOTE_NONE} if quotechar == "" else {"quotechar": quotechar or '"'}
    if tabs and any("\t" in line for line in lines):
        return "\t"
    best = (",", 1.0)
    for delimiter in _DELIMITERS:
        widths = Counter(
            len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True, **quoting) if row
        )
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        score = width * (count / sum(widths.values())) ** 2 if width > 1 else 0.0
        if score > best[1]:
            best = (delimiter, score)
    if best[1] > 1.0:
        return best[0]
    blank = [line.split() for line in lines]
    if len(blank[-1]) > 1 and len({len(row) for row in blank}) == 1 and all(map(NUMBER.match, blank[-1])):
        return BLANKS
    return ","


def is_header(comment: str, first: str, marks: Marks) -> bool:
    """Tell whether a comment line holds the names: as many cells as the first row, no numbers, and numbers below."""
    names = [c.strip() for c in _cells(comment.strip().lstrip(marks.comment).strip(), marks)]
    cells = [c.strip() for c in _cells(first, marks)]
    return (
        len(names) > 1
        and len(names) == len(cells)
        and all(names)
        and not any(map(NUMBER.match, names))
        and any(map(NUMBER.match, cells))
    )


def stray_quotes(lines: list[str]) -> bool:
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


def is_data(rows: pd.DataFrame) -> bool:
    """Tell whether the first row is one of the table's rows rather than its names."""
    if len(rows) < 3:
        return False
    first = [str(cell).strip() for cell in rows.iloc[0]]
    # a word that stands in its own column again and again is a value; a header repeated further down is none
    below = [[str(cell).strip() for cell in row] for row in rows.iloc[1:_HEAD_ROWS, :_HEAD_COLUMNS].to_numpy(object)]
    if first[:_HEAD_COLUMNS] not in below:
        for position, cell in enumerate(first[:_HEAD_COLUMNS]):
            if cell and not NUMBER.match(cell):
                again = sum(row[position] == cell for row in below)
                if again >= max(3, len(below) // 20):
                    return True
    numbers = [cell for cell in first if NUMBER.match(cell)]
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
