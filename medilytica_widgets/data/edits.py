"""Cells that were changed by hand, as part of a table: laid over what was loaded, and refused where they do not fit."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from ..errors import ColumnNotFoundError, DataError, InputError, SpecError, hint
from .cleaning import LARGEST, Cells, labels
from .spec import CellEdit, DataSpec, Scalar

if TYPE_CHECKING:
    from .dataset import Dataset

_ADVICE = (
    "The table is not the one that was edited. Load that one again, or leave the edits out: "
    "spec['data'].pop('edits') of the specification as plain data."
)


def with_these(spec: DataSpec, edits: Iterable[CellEdit | Mapping[str, Any]]) -> DataSpec:
    """Return a spec with these edits in place of its own.

    Raises
    ------
    SpecError
        They are no edits, or there are two of one cell.
    """
    given = [edit if isinstance(edit, CellEdit) else dict(edit) for edit in edits]
    plain = {name: getattr(spec, name) for name in DataSpec.model_fields}
    try:
        return DataSpec.model_validate({**plain, "edits": given})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"The edits of the table are not right: {where}: {first['msg']}.") from None


def laid_over(cells: Mapping[str, Cells], edits: Sequence[CellEdit], missing: Sequence[str]) -> dict[str, Cells]:
    """Return the columns of which cells were edited, with their edits.

    Parameters
    ----------
    cells : dict of str to Cells
        The columns as they were loaded.
    edits : sequence of CellEdit
    missing : sequence of str
        Words that mean "no value".

    Raises
    ------
    ColumnNotFoundError, DataError
        An edit's column or row is not there, the cell holds another value than it was edited from, or the column does
        not take the new one. Nothing is changed.
    """
    by_column: dict[str, list[CellEdit]] = {}
    for edit in edits:
        by_column.setdefault(edit.column, []).append(edit)
    return {name: _column(name, cells, own, missing) for name, own in by_column.items()}


def edited(data: Dataset, row: int, column: str, value: Any, who: str = "") -> tuple[CellEdit, ...]:
    """Return a table's edits after one more; the same where nothing changes.

    A cell that is given the value that it was loaded with is no longer edited.

    Raises
    ------
    ColumnNotFoundError, InputError
        There is no such cell, or its column does not take the value.
    """
    if column not in data.cells:
        raise ColumnNotFoundError(f"The table has no column {column!r} to edit. {hint(column, data.cells)}")
    if isinstance(row, bool) or not isinstance(row, (int, np.integer)) or not 0 <= row < len(data):
        raise InputError(f"The table has no row {row!r}: its rows are 0 to {len(data) - 1}.")
    row, cells = int(row), data.loaded[column]
    try:
        after = _read(column, value, cells, data.spec.missing)
    except DataError as error:
        raise InputError(error.message) from None
    if _same(after, plain_cell(data.cells[column], row)):
        return data.spec.edits
    others = tuple(edit for edit in data.spec.edits if (edit.row, edit.column) != (row, column))
    before = plain_cell(cells, row)
    if _same(after, before):
        return others
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        return (*others, CellEdit(row=row, column=column, value=after, before=before, who=who[:200], when=when))
    except ValidationError as error:
        raise InputError(f"{column!r} does not take this value: {error.errors()[0]['msg']}.") from None


def plain_cell(cells: Cells, row: int) -> Scalar:
    """Return a cell as a specification writes it."""
    value = cells.values[row]
    if cells.storage == "text":
        return None if value is None else str(value)
    if cells.storage == "datetime":
        return None if np.isnat(value) else str(value.astype(datetime.datetime).isoformat())
    if np.isnan(value):
        return None
    return int(value) if cells.values.dtype == np.int64 else float(value)


def edit_lines(data: Dataset, names: Sequence[str]) -> list[str]:
    """Return lines of a script that lay the edits of some columns over ``frame``, whose cells are clean.

    Numbers are numbers there, dates are days since 1970, and anything else is text.
    """
    own = [edit for edit in data.spec.edits if edit.column in names]
    if not own:
        return []
    lines = ["", "# cells that were changed by hand: row, column, value"]
    halves = {edit.column for edit in own if data.cells[edit.column].storage == "number"}
    for name in sorted(halves):
        if data.cells[name].values.dtype != np.int64:
            lines.append(f"frame[{_literal(name)}] = frame[{_literal(name)}].astype(np.float64)")
    lines.append("edits = [")
    for edit in own:
        stored = plain_cell(data.cells[edit.column], edit.row)
        value = "np.nan" if stored is None else _literal(stored) if isinstance(stored, str) else repr(stored)
        if data.cells[edit.column].storage == "datetime" and stored is not None:
            value = f"(pd.Timestamp({value}) - pd.Timestamp(0)) / pd.Timedelta(days=1)"
        who = " ".join(f"{edit.who}, {edit.when}".split())
        was = _literal(edit.before) if isinstance(edit.before, str) else repr(edit.before)
        lines.append(f"    ({edit.row}, {_literal(edit.column)}, {value}),  # {who}; before: {_short(was)}")
    return [*lines, "]", "for row, name, value in edits:", "    frame.loc[row, name] = value"]


def _column(name: str, cells: Mapping[str, Cells], edits: Sequence[CellEdit], missing: Sequence[str]) -> Cells:
    if name not in cells:
        raise ColumnNotFoundError(
            f"A cell of {name!r} was edited, which is not a column of the table. {hint(name, cells)} {_ADVICE}"
        )
    own = cells[name]
    rows, values = [], []
    for edit in edits:
        if edit.row >= len(own.values):
            raise DataError(
                f"Row {edit.row} of {name!r} was edited, and the table has rows 0 to {len(own.values) - 1}. {_ADVICE}"
            )
        there = plain_cell(own, edit.row)
        if not _same(there, edit.before):
            raise DataError(
                f"Row {edit.row} of {name!r} holds {_words(there)}, and it was edited where it held "
                f"{_words(edit.before)}. {_ADVICE}"
            )
        rows.append(edit.row)
        values.append(_read(name, edit.value, own, missing))
    return replace(own, values=_filled(own, rows, values), **_fewer_odd(own, rows))


def _filled(cells: Cells, rows: Sequence[int], values: Sequence[Scalar]) -> Any:
    if cells.storage == "text":
        filled = cells.values.copy()
        for row, value in zip(rows, values, strict=True):
            filled[row] = value
        return filled
    if cells.storage == "datetime":
        filled = cells.values.copy()
        dates = [np.datetime64("NaT") if value is None else np.datetime64(str(value), "us") for value in values]
        filled[list(rows)] = np.array(dates, dtype="datetime64[us]")
        return filled
    whole = cells.values.dtype == np.int64 and all(_is_whole(value) for value in values)
    filled = cells.values.astype(np.int64 if whole else np.float64)
    filled[list(rows)] = [np.nan if value is None else int(value) if whole else float(value) for value in values]
    return filled


def _is_whole(value: Any) -> bool:
    if value is None or not (isinstance(value, int) or float(value).is_integer()):
        return False
    return -(2**63) <= int(value) < 2**63


def _fewer_odd(cells: Cells, rows: Sequence[int]) -> dict[str, Any]:
    odd = cells.odd[~np.isin(cells.odd, rows)]
    return {"odd": odd, "lost": max(0, cells.lost - (len(cells.odd) - len(odd)))}


def _read(name: str, value: Any, cells: Cells, missing: Sequence[str]) -> Scalar:
    """Return a new value as the column stores it; the same words as when a table is loaded mean "missing"."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if cells.storage == "text":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = labels(np.array([value], dtype=np.float64), "number")[0]
        if not isinstance(value, str):
            raise DataError(f"{name!r} holds text; {_words(value)} is none.")
        word = value.replace("\0", "").encode("utf-8", "replace").decode().strip()
        return None if word in {"", *(token.strip() for token in missing)} else word
    if cells.storage == "datetime":
        return _date(name, value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"{name!r} holds numbers; {_words(value)} is none.")
    if abs(value) > LARGEST:
        raise DataError(f"{name!r} holds numbers up to {LARGEST:g}; {_words(value)} is beyond them.")
    # a document that knows no whole numbers brings them back as 3.0
    return int(value) if cells.values.dtype == np.int64 and _is_whole(value) else value


def _date(name: str, value: Any) -> Scalar:
    try:
        read = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise DataError(
            f"{name!r} holds dates; {_words(value)} is none. Write it like 2024-05-31 or 2024-05-31 14:30."
        ) from None
    read = read if read.tzinfo is None else read.astimezone(datetime.UTC).replace(tzinfo=None)
    return datetime.datetime(*read.timetuple()[:6], read.microsecond).isoformat()


def _same(a: Any, b: Any) -> bool:
    # 1 and True are equal in Python, and different cells
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _words(value: Any) -> str:
    return "no value" if value is None else _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _literal(value: str) -> str:
    # JSON's escapes are Python's too, and keep a hostile text on one line
    return json.dumps(value, ensure_ascii=not value.isprintable())


def told(before: Sequence[CellEdit], after: Sequence[CellEdit]) -> list[str]:
    """Return what differs between two states of a table's edits, in words; of many edits how many they are."""
    was, now = {edit.key: edit for edit in before}, {edit.key: edit for edit in after}
    lines = []
    for key in dict.fromkeys([*was, *now]):
        old, new = was.get(key), now.get(key)
        one = old or new
        assert one is not None
        from_, to = old.value if old else one.before, new.value if new else one.before
        if not _same(from_, to):
            lines.append(f"{one.column} in row {one.row}: {_words(from_)} → {_words(to)}")
    return lines if len(lines) <= 3 else [f"{len(lines):,} cells were changed"]
