"""Edits of single cells: checked against the column's kind, undone one by one, kept in a log that can be replayed."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from ..errors import ColumnNotFoundError, InputError, hint
from .filters import Filter, View
from .paging import TablePager
from .relation import ArrowRelation, storage_of
from .spec import LONGEST_CELL, CellEdit

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


@dataclass(frozen=True)
class Edit:
    """One change of one cell.

    Attributes
    ----------
    row : int
        Number of the row in the table.
    column : str
    before, after : int, float, bool, str, datetime or None
        None stands for a missing cell.
    who : str
    when : float
        Seconds since 1970.
    undoes : int or None
        Place in the log of the edit that this one takes back.
    """

    row: int
    column: str
    before: Any
    after: Any
    who: str
    when: float
    undoes: int | None = None


class EditLog:
    """The edits of a pager's table, oldest first; taking one back is an entry of its own.

    Where the table is a dataset's, the edits are kept there (``commit``), and the log follows them, whoever makes them.

    Parameters
    ----------
    pager : TablePager
        Of a table in memory.
    kinds : dict of str to str
        The kind of every column.
    commit : callable, optional
        Takes row, column, value and who, keeps the edit, and returns all that are kept now. Without it the edits live
        in the pager's table alone.
    kept : sequence of CellEdit
        Those that the table was opened with; its cells hold them.

    Raises
    ------
    InputError
        The table lies in files, which are never changed.
    """

    def __init__(
        self,
        pager: TablePager,
        kinds: Mapping[str, str],
        commit: Callable[[int, str, Any, str], Iterable[CellEdit]] | None = None,
        kept: Iterable[CellEdit] = (),
    ) -> None:
        if not isinstance(pager.relation, ArrowRelation):
            raise InputError(
                "A Parquet file is shown as it lies on the disk and cannot be edited. Load it with load_dataset."
            )
        self._pager = pager
        self._kinds = dict(kinds)
        self._commit = commit
        self._kept = {edit.key: edit for edit in kept}
        self.entries: list[Edit] = [self._entry(edit, edit.before, edit.value) for edit in self._kept.values()]
        self._open: list[int] = list(range(len(self.entries)))

    def set(self, row: int, column: str, text: str | None, who: str) -> Edit | None:
        """Set a cell to what was typed; None or an empty text makes it missing. Returns None where nothing changed.

        Raises
        ------
        ColumnNotFoundError, InputError
            There is no such cell, or its column does not take the value; nothing was changed.
        """
        relation = self._relation()
        if column not in self._kinds:
            raise ColumnNotFoundError(f"The table has no column {column!r} to edit. {hint(column, self._kinds)}")
        if not 0 <= row < relation.rows:
            raise InputError(f"The table has no row {row}: its rows are 0 to {relation.rows - 1}.")
        after = read_cell(column, text, self._kind_of(column))
        before = relation.cell(row, column)
        if before == after or (isinstance(before, float) and math.isnan(before) and after is None):
            return None
        self._check_kind(column, after)
        if self._commit is not None:
            self.follow(self._commit(row, column, after, who), who)
            # blanks around a text are nothing, and so is a word that means "missing" where it is missing already
            return self.entries[-1] if relation is not self._relation() else None
        edit = Edit(row, column, before, after, who, time.time())
        self._apply(edit)
        self._open.append(len(self.entries) - 1)
        return edit

    def follow(self, kept: Iterable[CellEdit], who: str = "") -> list[Edit]:
        """Bring table and log to the edits that are kept now, and return what that changed.

        Parameters
        ----------
        kept : sequence of CellEdit
        who : str
            Who took those back that are kept no longer.
        """
        was, self._kept = self._kept, {edit.key: edit for edit in kept}
        new: list[Edit] = []
        for key in dict.fromkeys([*was, *self._kept]):
            one = self._kept.get(key) or was[key]
            before = was[key].value if key in was else one.before
            after = self._kept[key].value if key in self._kept else one.before
            if before == after:
                continue
            edit = self._entry(one, before, after)
            if key not in self._kept:
                edit = replace(edit, who=who, when=time.time())
            new.append(self._closing(edit))
        if new:
            self._pager.replace(self._relation().with_cells([(edit.row, edit.column, edit.after) for edit in new]))
        return new

    def undo(self, who: str) -> Edit | None:
        """Take the latest edit back that still stands; None where there is none."""
        if not self._open:
            return None
        place = self._open[-1]
        last = self.entries[place]
        if self._commit is not None:
            self.follow(self._commit(last.row, last.column, last.before, who), who)
            return self.entries[-1]
        edit = Edit(last.row, last.column, last.after, last.before, who, time.time(), undoes=place)
        self._apply(edit)
        self._open.pop()
        return edit

    @property
    def standing(self) -> list[Edit]:
        """The edits that were not taken back, oldest first."""
        return [self.entries[place] for place in self._open]

    def to_code(self, name: str = "frame") -> str:
        """Return Python lines that replay the standing edits on a DataFrame whose rows are numbered from 0 on."""
        lines = []
        for edit in self.standing:
            when = datetime.datetime.fromtimestamp(edit.when, datetime.UTC).isoformat(timespec="seconds")
            value = f'"{edit.after.isoformat()}"' if isinstance(edit.after, datetime.datetime) else repr(edit.after)
            who = " ".join(edit.who.split())
            lines.append(
                f"{name}.loc[{edit.row}, {edit.column!r}] = {value}  # {when}, {who}; before: {_short(edit.before)}"
            )
        return "\n".join(lines)

    def _relation(self) -> ArrowRelation:
        relation = self._pager.relation
        assert isinstance(relation, ArrowRelation)
        return relation

    def _apply(self, edit: Edit) -> None:
        self._pager.replace(self._relation().changed(edit.row, edit.column, edit.after))
        self.entries.append(edit)

    def _entry(self, edit: CellEdit, before: Any, after: Any) -> Edit:
        """Return a kept edit as the log tells it, with values as the table has them."""
        when = datetime.datetime.fromisoformat(edit.when).timestamp() if edit.when else time.time()
        dates = storage_of(self._kind_of(edit.column)) == "datetime"
        values = [datetime.datetime.fromisoformat(v) if dates and v is not None else v for v in (before, after)]
        return Edit(edit.row, edit.column, values[0], values[1], edit.who, when)

    def _closing(self, edit: Edit) -> Edit:
        """Write an edit down; one that brings back what the latest of its cell replaced takes that one back."""
        latest = next(
            (
                p
                for p in reversed(self._open)
                if self.entries[p].row == edit.row and self.entries[p].column == edit.column
            ),
            None,
        )
        if latest is not None and self.entries[latest].before == edit.after:
            self._open.remove(latest)
            edit = replace(edit, undoes=latest)
        else:
            self._open.append(len(self.entries))
        self.entries.append(edit)
        return edit

    def _kind_of(self, column: str) -> pa.DataType:
        relation = self._relation()
        return relation.types[relation.names.index(column)]

    def _check_kind(self, column: str, after: Any) -> None:
        kind = self._kinds[column]
        if after is None or kind not in ("binary", "identifier"):
            return
        if kind == "identifier":
            asked = after.isoformat() if isinstance(after, datetime.datetime) else after
            if self._pager.count(View(filters=(Filter(column, "set", values=(asked,)),))):
                raise InputError(f"{column!r} names the rows, and another row is called {_short(after)} already.")
            return
        known = self._pager.summary(column).values
        if len(known) >= 2 and after not in known:
            raise InputError(
                f"{column!r} has two values, {' and '.join(map(_short, known[:2]))}; {_short(after)} is neither."
            )


def read_cell(column: str, text: str | None, kind: pa.DataType) -> Any:
    """Return what was typed as a value of the column's type; None for a missing one.

    Raises
    ------
    InputError
        Names the column and says what it takes.
    """
    storage = storage_of(kind)
    if text is None or (not text.strip() and storage != "text") or text == "":
        return None
    if len(text) > LONGEST_CELL:
        raise InputError(f"The value is {len(text):,} characters long; {LONGEST_CELL:,} are the most.")
    word = text.strip()
    if storage == "text":
        return text.replace("\0", "")
    if storage == "bool":
        if word.lower() not in (*_TRUE, *_FALSE):
            raise InputError(f"{column!r} holds true and false; {_short(word)} is neither.")
        return word.lower() in _TRUE
    if storage == "datetime":
        try:
            read = datetime.datetime.fromisoformat(word)
        except ValueError:
            raise InputError(
                f"{column!r} holds dates; {_short(word)} is none. Write it like 2024-05-31 or 2024-05-31 14:30."
            ) from None
        return read if read.tzinfo is None else read.astimezone(datetime.UTC).replace(tzinfo=None)
    return _read_number(column, word, kind)


def _read_number(column: str, word: str, kind: pa.DataType) -> int | float:
    try:
        number: int | float = int(word) if pa.types.is_integer(kind) else float(word)
    except ValueError:
        what = "whole numbers" if pa.types.is_integer(kind) else "numbers"
        raise InputError(f"{column!r} holds {what}; {_short(word)} is none. A decimal point is a dot.") from None
    if isinstance(number, float) and not math.isfinite(number):
        raise InputError(
            f"{column!r} holds numbers; {_short(word)} is not finite. Leave the cell empty where none is known."
        )
    try:
        pa.scalar(number, type=kind)
    except (pa.ArrowInvalid, OverflowError):
        raise InputError(f"{column!r} holds {kind}; {_short(word)} is out of its range.") from None
    return number


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, datetime.datetime) else value.isoformat(sep=" ")
    return text if len(text) <= 60 else f"{text[:59]}…"
