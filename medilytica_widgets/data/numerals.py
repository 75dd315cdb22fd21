"""Numbers in a text table written with a decimal comma or with thousands set apart: found, said, and put plainly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .cleaning import NUMERIC_SHARE, text_cells

_BLANKS = (" ", "\u00a0", "\u202f")
_APOSTROPHES = ("'", "\u2019")
_NUMBERISH = re.compile(r"^[+-]?[\d.,'\u2019 \u00a0\u202f]+([eE][+-]?\d+)?$")
#: So many cells decide whether a column is looked at whole.
_SAMPLE = 500


@dataclass(frozen=True)
class Style:
    """How one column's numbers are written.

    Attributes
    ----------
    column : int
        The column's position.
    thousands : str
        What stands between groups of three digits; empty for nothing.
    decimal : {".", ","}
    """

    column: int
    thousands: str
    decimal: str


@dataclass
class _Column:
    position: int
    cells: Any
    found: list[tuple[str, str]]
    points: bool


def _pattern(thousands: str, decimal: str) -> str:
    groups = rf"(\d+|[1-9]\d{{0,2}}({re.escape(thousands)}\d{{3}})+)" if thousands else r"\d+"
    point = re.escape(decimal)
    return rf"^[+-]?({groups}({point}\d*)?|{point}\d+)([eE][+-]?\d+)?$"


def _share(cells: Any, thousands: str, decimal: str) -> float:
    present = len(cells) - cells.null_count
    count = pc.sum(pc.match_substring_regex(cells, _pattern(thousands, decimal))).as_py() or 0
    return float(count / max(1, present))


def may_differ(text: str, delimiter: str) -> bool:
    """Tell by the text alone whether some number may have a decimal comma or separated thousands."""
    if any(mark in text for mark in (*_BLANKS[1:], *_APOSTROPHES)):
        return True
    if re.search(r" \d{3}", text):
        return True
    if delimiter != ",":
        return "," in text
    return re.search(r'"\s*[+-]?[\d.]{0,20},\d', text) is not None


def plain_numbers(
    rows: pd.DataFrame, delimiter: str, missing: Sequence[str], decimal: str | None = None
) -> tuple[pd.DataFrame, tuple[Style, ...], list[str]]:
    """Write numbers with a decimal point and without separators.

    ``1,234`` alone can be read in two ways. Other columns of the file decide, and where none does, a file whose cells
    are divided by commas or tabs means a thousand, and one divided by semicolons a decimal comma.

    Parameters
    ----------
    rows : DataFrame of str
    delimiter : str
    missing : list of str
        Cells that mean "no value".
    decimal : {".", ","}, optional
        What stands before the decimals, where a person named it.

    Returns
    -------
    rows : DataFrame of str
    styles : tuple of Style
        The columns that were written otherwise.
    notes : list of str
    """
    seen = [column for column in (_look(rows, at, missing) for at in range(rows.shape[1])) if column is not None]
    commas = any(column.found == [("", ",")] or any(f[0] == "." for f in column.found) for column in seen)
    points = any(column.points or column.found == [(",", ".")] for column in seen)
    styles: list[Style] = []
    for column in seen:
        style = _chosen(column, commas, points, delimiter) if decimal is None else _told(column, decimal)
        if style is not None:
            styles.append(Style(column.position, *style))
    if not styles:
        return rows, (), []
    rows = rows.copy(deep=False)
    for each in styles:
        rows.isetitem(each.column, _rewritten(rows.iloc[:, each.column], each).array)
    return rows, tuple(styles), _said(styles)


def _look(rows: pd.DataFrame, position: int, missing: Sequence[str]) -> _Column | None:
    """Return a column of numbers and the styles that fit it; None for other columns."""
    head = text_cells(rows.iloc[:_SAMPLE, position], missing).drop_null().to_pylist()
    if not head or not all(map(_NUMBERISH.match, head)):
        return None
    cells = text_cells(rows.iloc[:, position], missing)

    def holds(mark: str) -> bool:
        return bool(pc.any(pc.match_substring(cells, mark)).as_py())

    comma, point = holds(","), holds(".")
    gaps = [mark for mark in (*_BLANKS, *_APOSTROPHES) if holds(mark)]
    if not comma and not gaps:
        # "1.234" is a number as it stands; it may be a thousand where other columns have decimal commas
        grouped = point and _share(cells, ".", ",") >= NUMERIC_SHARE and not _beyond(cells)
        return _Column(position, cells, [(".", ",")] if grouped and _many(cells) else [], point and not grouped)
    wanted = [("", ","), (",", "."), (".", ","), *((gap, mark) for gap in gaps for mark in ",.")]
    plain = _share(cells, "", ".")
    shares = {(t, d): _share(cells, t, d) for t, d in wanted}
    best = max(shares.values())
    # a few thousands among many small numbers are reason enough
    if plain >= best:
        return _Column(position, cells, [], plain >= NUMERIC_SHARE)
    found = [style for style, share in shares.items() if share == best and share >= NUMERIC_SHARE]
    if ("", ",") in found:
        # without groups is the simpler reading of the two decimal commas
        found = [each for each in found if each != (".", ",")]
    for gap in gaps:
        both = [(gap, ","), (gap, ".")]
        if all(each in found for each in both):
            found.remove(both[0] if not comma else both[1])
        if gap == " " and not _varied(cells):
            found = [each for each in found if each[0] != " "]
    return _Column(position, cells, found, False) if found else None


def _many(cells: Any) -> bool:
    """Tell whether some number has two groups and more, which no decimal point explains."""
    return bool(pc.any(pc.match_substring_regex(cells, r"\.\d{3}\.\d{3}")).as_py())


def _beyond(cells: Any) -> bool:
    """Tell whether some whole number of four digits stands without a separator."""
    return bool(pc.any(pc.match_substring_regex(cells, r"^[+-]?\d{4,}")).as_py())


def _varied(cells: Any) -> bool:
    """Tell whether the numbers have different counts of blanks; codes as 123 456 have all the same."""
    blanks = pc.count_substring(cells, " ")
    least = pc.min_max(blanks).as_py()
    return bool(least["min"] != least["max"])


def _chosen(column: _Column, commas: bool, points: bool, delimiter: str) -> tuple[str, str] | None:
    if not column.found:
        # only groups of three after points: thousands, if the file writes decimal commas and nowhere points
        grouped = commas and not points and not column.points and _share(column.cells, ".", ",") >= NUMERIC_SHARE
        has_points = bool(pc.any(pc.match_substring(column.cells, ".")).as_py())
        return (".", ",") if grouped and has_points else None
    if len(column.found) > 1 and ("", ",") in column.found and (",", ".") in column.found:
        decimal = commas and not points if commas != points else delimiter == ";"
        return ("", ",") if decimal else (",", ".")
    return column.found[0]


def _told(column: _Column, decimal: str) -> tuple[str, str] | None:
    """Return how the numbers are written where a person named what stands before the decimals."""
    cells = column.cells
    plain = _share(cells, "", ".")
    marks = ["", "." if decimal == "," else ",", *_APOSTROPHES, *_BLANKS[1:], *(_BLANKS[:1] if _varied(cells) else ())]
    shares = {mark: _share(cells, mark, decimal) for mark in marks}
    best = max(shares, key=lambda mark: shares[mark])
    if shares[best] < NUMERIC_SHARE:
        return None
    if shares[best] > plain:
        return best, decimal
    # after a decimal comma "1.234" is a thousand, though it is a number as it stands
    return (".", ",") if decimal == "," and shares["."] >= plain and _grouped(cells) else None


def _grouped(cells: Any) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, r"\d\.\d{3}\b")).as_py())


def _rewritten(series: pd.Series[Any], style: Style) -> pd.Series[Any]:
    cells = pc.utf8_trim_whitespace(pa.array(series, type=pa.string(), from_pandas=True))
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    plain = pc.replace_substring(cells, style.thousands, "") if style.thousands else cells
    if style.decimal == ",":
        plain = pc.replace_substring(plain, ",", ".")
    fits = pc.match_substring_regex(cells, _pattern(style.thousands, style.decimal))
    return pd.Series(pc.if_else(fits, plain, cells).to_pandas().to_numpy(), index=series.index, dtype=series.dtype)


def _said(styles: Sequence[Style]) -> list[str]:
    notes: list[str] = []
    count = sum(style.decimal == "," for style in styles)
    if count:
        notes.append(f"{_columns(count)} numbers with a decimal comma, which are read as such.")
    marks = {",": "a comma", ".": "a point", "'": "an apostrophe", "\u2019": "an apostrophe"}
    for mark in dict.fromkeys(style.thousands for style in styles if style.thousands):
        count = sum(style.thousands == mark for style in styles)
        notes.append(f"{_columns(count)} numbers with {marks.get(mark, 'a blank')} between thousands.")
    return notes


def _columns(count: int) -> str:
    return "1 column holds" if count == 1 else f"{count} columns hold"


def plain_lines(styles: Sequence[Style]) -> list[str]:
    """Return lines of a script that do the same to ``frame``, whose cells are text."""
    lines: list[str] = []
    for mark, decimal in dict.fromkeys((style.thousands, style.decimal) for style in styles):
        columns = [style.column for style in styles if (style.thousands, style.decimal) == (mark, decimal)]
        change = f".str.replace({mark!r}, '', regex=False)".replace("''", '""') if mark else ""
        change += '.str.replace(",", ".", regex=False)' if decimal == "," else ""
        lines += [
            "# numbers with " + ("a decimal comma" if decimal == "," else "separated thousands"),
            f"for position in {columns}:",
            f"    frame.isetitem(position, frame.iloc[:, position]{change})",
        ]
    return lines
