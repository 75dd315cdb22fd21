"""Filters of a table as plain data: checked first, then written as SQL whose names and values are all our own."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from ..errors import ColumnNotFoundError, InputError, hint

FilterKind = Literal["range", "set", "contains", "regex", "null", "not_null"]
Sort = Sequence[tuple[str, bool]]
Scalar = str | int | float | bool | None

#: A set holds at most so many values, and a text at most so many characters.
MOST_VALUES = 1_000
LONGEST_TEXT = 500
_FIELDS: dict[str, tuple[str, ...]] = {
    "range": ("low", "high", "open_end"),
    "set": ("values", "exclude"),
    "contains": ("text", "case"),
    "regex": ("text", "case"),
    "null": (),
    "not_null": (),
}


@dataclass(frozen=True)
class Filter:
    """What the cells of one column must be like.

    Attributes
    ----------
    column : str
    kind : {"range", "set", "contains", "regex", "null", "not_null"}
    low, high : int, float, str or None
        Of a range: numbers, or dates as ISO text; None leaves that end open. Both belong to the range.
    open_end : bool
        ``high`` does not belong to the range, as in a bar of a histogram.
    values : tuple
        Of a set; None in it stands for a missing cell.
    exclude : bool
        Keep the rows that are not in the set.
    text : str
        What a cell's text contains, or a regular expression (RE2's syntax) that is found in it.
    case : bool
        Upper and lower case differ.
    """

    column: str
    kind: FilterKind
    low: int | float | str | None = None
    high: int | float | str | None = None
    open_end: bool = False
    values: tuple[Scalar, ...] = ()
    exclude: bool = False
    text: str = ""
    case: bool = False

    @classmethod
    def from_plain(cls, given: Mapping[str, Any] | Filter) -> Filter:
        """Return the filter that a dict describes.

        Raises
        ------
        InputError
            Names the column and what is wrong.
        """
        if isinstance(given, Filter):
            return given
        column, kind = given.get("column"), given.get("kind")
        if not isinstance(column, str):
            raise InputError("A filter must name its column.")
        if not isinstance(kind, str) or kind not in _FIELDS:
            raise InputError(f"The filter of {column!r} is of kind {kind!r}. {hint(str(kind), _FIELDS)}")
        for field in given:
            if field not in ("column", "kind", *_FIELDS[kind]):
                raise InputError(
                    f"A {kind} filter of {column!r} has no field {field!r}. {hint(str(field), _FIELDS[kind])}"
                )
        fields = {name: given[name] for name in _FIELDS[kind] if name in given}
        for name in ("open_end", "exclude", "case"):
            if not isinstance(fields.get(name, False), bool):
                raise InputError(f"{name!r} of the filter of {column!r} is true or false; {fields[name]!r} came.")
        if kind == "range":
            for name in ("low", "high"):
                _check_bound(column, fields.get(name))
        elif kind == "set":
            fields["values"] = _checked_values(column, fields.get("values"))
        elif kind in ("contains", "regex"):
            text = fields.get("text")
            if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
                raise InputError(f"The filter of {column!r} needs a text of 1 to {LONGEST_TEXT} characters.")
            if kind == "regex":
                _check_pattern(column, text)
        return cls(column, kind, **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class View:
    """How a table is looked at: in which order, and which of its rows."""

    sort: tuple[tuple[str, bool], ...] = ()
    search: str = ""
    filters: tuple[Filter, ...] = ()
    where: str = ""

    @classmethod
    def of(
        cls,
        sort: Sort = (),
        search: str = "",
        filters: Iterable[Filter | Mapping[str, Any]] = (),
        where: str = "",
    ) -> View:
        """Return a view of plain data, checked but for the columns' names."""
        ordered = tuple((str(name), bool(down)) for name, down in sort)
        return cls(ordered, search.strip(), tuple(Filter.from_plain(one) for one in filters), where.strip())

    @property
    def narrows(self) -> bool:
        """Whether some rows may be left out."""
        return bool(self.search or self.filters or self.where)

    def without(self, column: str) -> View:
        """Return the view without the filters of one column."""
        return View(self.sort, self.search, tuple(f for f in self.filters if f.column != column), self.where)


def condition(filters: Iterable[Filter], cells: Mapping[str, tuple[str, str]]) -> tuple[str, list[Any]]:
    """Return filters as an SQL condition and its parameters; an empty text where there are none.

    Parameters
    ----------
    filters : iterable of Filter
    cells : dict of str to (str, str)
        For every column the SQL of its cell, in which no name of the user's stands, and its storage:
        "number", "datetime", "bool" or "text".

    Raises
    ------
    ColumnNotFoundError, InputError
    """
    parts: list[str] = []
    values: list[Any] = []
    for one in filters:
        if one.column not in cells:
            raise ColumnNotFoundError(f"The table has no column {one.column!r} to filter by. {hint(one.column, cells)}")
        sql, storage = cells[one.column]
        parts.append(_written(one, sql, storage, values))
    return " and ".join(f"({part})" for part in parts), values


def _written(one: Filter, sql: str, storage: str, values: list[Any]) -> str:
    if one.kind == "null":
        return f"{sql} is null"
    if one.kind == "not_null":
        return f"{sql} is not null"
    if one.kind == "range":
        parts = [f"{sql} is not null"]
        for bound, sign in ((one.low, ">="), (one.high, "<" if one.open_end else "<=")):
            if bound is not None:
                values.append(_as_stored(one.column, bound, storage))
                parts.append(f"{sql} {sign} ?")
        return " and ".join(parts)
    if one.kind == "set":
        present = [_as_stored(one.column, value, storage) for value in one.values if value is not None]
        values += present
        parts = [f"{sql} in ({', '.join('?' * len(present))})"] if present else []
        if None in one.values:
            parts.append(f"{sql} is null")
        inside = f"coalesce({' or '.join(parts) or 'false'}, false)"
        return f"not {inside}" if one.exclude else inside
    values.append(one.text if one.case or one.kind == "regex" else one.text.lower())
    text = f"cast({sql} as varchar)"
    if one.kind == "regex":
        return f"regexp_matches({text}, ?, '{'c' if one.case else 'i'}')"
    return f"contains({text if one.case else f'lower({text})'}, ?)"


def _as_stored(column: str, value: Scalar, storage: str) -> Any:
    if storage == "datetime" and isinstance(value, str):
        try:
            read = datetime.datetime.fromisoformat(value)
        except ValueError:
            raise InputError(
                f"{value!r} is no date for {column!r}. Write it like 2024-05-31 or 2024-05-31 14:30."
            ) from None
        return read if read.tzinfo is None else read.astimezone(datetime.UTC).replace(tzinfo=None)
    right = {
        "number": isinstance(value, (int, float)),
        "bool": isinstance(value, bool),
        "text": isinstance(value, str),
    }.get(storage, False)
    if not right:
        words = {"number": "numbers", "datetime": "dates", "bool": "true and false", "text": "text"}[storage]
        raise InputError(f"{column!r} holds {words}; the filter compares it with {value!r}.")
    return value


def _check_bound(column: str, bound: Any) -> None:
    good = bound is None or (isinstance(bound, (int, float, str)) and not isinstance(bound, bool))
    if not good or (isinstance(bound, float) and math.isnan(bound)) or (isinstance(bound, str) and len(bound) > 64):
        raise InputError(f"An end of the range of {column!r} is a number or a date; {str(bound)[:80]!r} came.")


def _checked_values(column: str, values: Any) -> tuple[Scalar, ...]:
    if not isinstance(values, (list, tuple)) or len(values) > MOST_VALUES:
        raise InputError(f"The filter of {column!r} needs a list of at most {MOST_VALUES:,} values.")
    for value in values:
        if not (value is None or isinstance(value, (str, int, float, bool))):
            raise InputError(f"The filter of {column!r} takes texts and numbers; a {type(value).__name__} came.")
    return tuple(values)


def _check_pattern(column: str, text: str) -> None:
    try:
        duckdb.execute("select regexp_matches('', ?)", [text]).fetchone()
    except duckdb.Error as error:
        said = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
        raise InputError(f"The filter of {column!r} is no regular expression: {said}.") from None
