"""A loaded table: clean columns with kinds and roles, and what a person should know about it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import ValidationError

from ..errors import (
    ColumnNotFoundError,
    DataError,
    EmptyTableError,
    SpecError,
    hint,
)
from .by_hand import checked_kinds, read_kind, with_kind
from .cleaning import Cells, as_frame, clean, content_hash, tidy_names
from .edits import edited, laid_over, with_these
from .hints import hints_of, paired, stated
from .kinds import Column, detect
from .reading import Reading
from .sources import read
from .spec import FRAME, CellEdit, DataSpec, Kind, Task
from .target import class_names, task_of
from .text_guess import header_hint
from .wish import Progress, Wish

if TYPE_CHECKING:
    from .paging import TablePager
    from .quality import Quality
    from .splits import Split

#: From this many columns on, loading warns about memory.
WIDE = 5_000


class MemoryWarning(UserWarning):
    """The table is so wide that training on all of its columns may not fit into memory."""


class Dataset:
    """A table with clean columns, their kinds and roles. Made by `load_dataset`; it never changes.

    Attributes
    ----------
    name : str
        For display.
    spec : DataSpec
        How to load it again.
    frame : DataFrame
        All columns, clean: numbers as int64 or float64 (missing is NaN), dates as
        datetime64[us], anything else as object columns of str with None. Rows are numbered
        from 0. Do not write into it.
    cells, loaded : dict of str to Cells
        The columns by name, with and without the cells that were edited by hand.
    columns : list of Column
    notes : list of str
        What was detected or changed while loading.
    task : {"classification", "regression"} or None
        None without a target.
    """

    def __init__(
        self,
        reading: Reading,
        spec: DataSpec,
        known: Mapping[str, Cells] | None = None,
        found: Mapping[str, Column] | None = None,
    ) -> None:
        self.reading = reading
        self.notes: list[str] = list(reading.notes)
        if reading.frame.shape[1] == 0 or len(reading.frame) == 0:
            what = "rows" if reading.frame.shape[1] else "columns"
            raise EmptyTableError(f"The table {reading.name or spec.source!r} has no {what}: there is nothing to load.")
        names, self.renamed = tidy_names(reading.columns)
        if len(names) >= WIDE:
            self._warn_wide(len(names), len(reading.frame), spec.name or reading.name)
        self.cells: dict[str, Cells] = {}
        for position, column in enumerate(names):
            if known is not None and column in known:
                self.cells[column] = known[column]
                continue
            raw = reading.frame.iloc[:, position]
            self.cells[column] = clean(raw, spec.missing)
            if column in spec.kinds:
                self.cells[column] = read_kind(column, raw, self.cells[column], spec.kinds[column], spec.missing)
        self.name = spec.name or reading.name or "table"
        # the same cells are not hashed again at every edit
        fingerprint = reading.fingerprint or ("" if found is None else spec.fingerprint) or content_hash(self.cells)
        self.spec = spec.model_copy(update={"fingerprint": fingerprint})
        self._edited = laid_over(self.cells, spec.edits, spec.missing)
        self.loaded: Mapping[str, Cells] = dict(self.cells)
        self.cells.update(self._edited)
        self.frame = as_frame({c: cells.values for c, cells in self.cells.items()})
        # the raw table is not needed any more, and it is as large as the clean one
        reading.frame = reading.frame.iloc[:0]
        self.target: str | None = self._find_target(names)
        self._check_names(names)
        known_columns = found or {}
        self._found = {n: known_columns.get(n) or self._detected(n, cells) for n, cells in self.cells.items()}
        self.columns: list[Column] = [self._with_role(column) for column in paired(list(self._found.values()))]
        self._by_name = {c.name: c for c in self.columns}
        self.notes += list(self.renamed.values())[:20]
        self.task: Task | None = self._find_task()
        self._note_cells()
        self._lock = threading.Lock()
        self._quality: Quality | None = None

    @classmethod
    def from_spec(
        cls, spec: DataSpec | Mapping[str, Any], connection: Any = None, progress: Progress = None
    ) -> Dataset:
        """Load the table that a spec describes.

        Parameters
        ----------
        spec : DataSpec or dict
        connection : optional
            Of a table that came from SQL, where the query runs now. A spec holds no password and no live connection.
        progress : callable or False, optional
            As of `load_dataset`.

        Raises
        ------
        SpecError
            Unknown fields, or the table was given in memory or over a live connection and has to be given again.
        """
        if not isinstance(spec, DataSpec):
            try:
                spec = DataSpec.model_validate(dict(spec))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise SpecError(f"The data spec's {where!r} is not right: {first['msg']}.") from None
        if connection is not None and spec.sql is None:
            raise SpecError("connection=… is given, but the spec's table did not come from SQL. Leave it out.")
        if spec.source == FRAME and connection is None:
            if spec.sql is not None:
                raise SpecError(
                    f"The table {spec.name or 'of this spec'!r} came over a live connection, which a spec cannot hold. "
                    "Give one again: Dataset.from_spec(spec, connection=…)."
                )
            raise SpecError(
                f"The table {spec.name or 'of this spec'!r} was given in memory and is not stored in the spec. "
                "Load it again with load_dataset(frame, …) and give that dataset."
            )
        try:
            data = cls(read(spec.source, Wish.of(spec, connection, progress)), spec)
        except DataError as error:
            if spec.sql is None or connection is not None or "://" not in spec.source:
                raise
            raise DataError(
                f"{error.message} A spec keeps the database's address without its password; if it asks for one, give "
                "the connection again: Dataset.from_spec(spec, connection=…)."
            ) from None
        if spec.fingerprint and spec.fingerprint != data.spec.fingerprint:
            data.notes.append("The content has changed since this spec was written; results may differ.")
        return data

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        target = f", target={self.target!r}" if self.target else ""
        return f"<Dataset {self.name!r}: {len(self):,} rows, {len(self.columns):,} columns{target}>"

    def column(self, name: str) -> Column:
        """Return one column.

        Raises
        ------
        ColumnNotFoundError
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise ColumnNotFoundError(f"There is no column {name!r}. {hint(name, self._by_name)}") from None

    def with_kinds(self, kinds: Mapping[str, Kind | None]) -> Dataset:
        """Return the same table with other column kinds; this one stays as it is.

        Parameters
        ----------
        kinds : dict of str to str or None
            The kind of each column by hand; None goes back to what is detected. Columns left out keep what they have.

        Returns
        -------
        Dataset
            Where numbers or dates become words, a table from a file or an address is read again, so that they are as
            they were written there.

        Raises
        ------
        ColumnNotFoundError, DataError
            There is no such column, or its values do not fit the kind; names the column and some of its values.
        """
        for name in kinds:
            self.column(name)
        given = checked_kinds({name: kind for name, kind in kinds.items() if kind is not None})
        kept = {name: kind for name, kind in self.spec.kinds.items() if name not in kinds}
        # without a fingerprint of the raw content there is only that of the cells, which the kinds change
        changed = {"kinds": {**kept, **given}, "fingerprint": self.reading.fingerprint}
        spec = self.spec.model_copy(update={**changed, "edits": ()})
        # a query is not run again: its connection may be gone
        again = spec.source != FRAME and spec.sql is None
        if again and any(self._needs_words(name, kinds[name]) for name in kinds):
            data = Dataset.from_spec(spec)
        else:
            known = {name: cells for name, cells in self.loaded.items() if name not in kinds}
            data = Dataset(replace(self.reading, frame=self.loaded_frame()), spec, known)
        for name in self._edited:
            if data.cells[name].storage != self.cells[name].storage:
                raise DataError(
                    f"Cells of {name!r} were edited as what it is now, {self.column(name).kind}. Take these edits back "
                    "before its kind is changed."
                )
        return data.with_edits(self.spec.edits)

    def with_edits(self, edits: Iterable[CellEdit | Mapping[str, Any]]) -> Dataset:
        """Return the same table with these cells changed by hand, in place of those changed before.

        Parameters
        ----------
        edits : sequence of CellEdit or dict
            ``row, column, value, before, who, when``, see `CellEdit`; an empty one gives the table as it was loaded.

        Raises
        ------
        ColumnNotFoundError, DataError, SpecError
            They were made in another table, or a column does not take a value; this one stays as it is.
        """
        spec = with_these(self.spec, edits)
        if spec.edits == self.spec.edits:
            return self
        touched = {edit.column for edit in (*self.spec.edits, *spec.edits)}
        found = {name: column for name, column in self._found.items() if name not in touched}
        return Dataset(replace(self.reading, frame=self.loaded_frame()), spec, self.loaded, found)

    def edited(self, row: int, column: str, value: Any, who: str = "") -> Dataset:
        """Return the same table with one cell changed.

        Parameters
        ----------
        row : int
            From 0 on.
        column : str
        value : int, float, str, datetime or None
            None makes the cell missing.
        who : str, optional
            The name of the person who changes it.

        Raises
        ------
        ColumnNotFoundError, InputError
            There is no such cell, or its column does not take the value.
        """
        return self.with_edits(edited(self, row, column, value, who))

    def loaded_frame(self) -> pd.DataFrame:
        """Return `frame` without the edits. Do not write into it."""
        if not self._edited:
            return self.frame
        return as_frame({name: cells.values for name, cells in self.loaded.items()})

    def _needs_words(self, name: str, kind: Kind | None) -> bool:
        read = self.cells[name].storage != "text"
        return read and (kind in ("categorical", "text") or (kind is None and name in self.spec.kinds))

    @property
    def features(self) -> list[Column]:
        """The columns to learn from."""
        return [c for c in self.columns if c.role == "feature"]

    @property
    def set_aside(self) -> dict[str, str]:
        """Columns that are not learned from, and why."""
        return {c.name: c.reason for c in self.columns if c.role == "set_aside"}

    @cached_property
    def classes(self) -> list[str]:
        """The target's values as text, in order (numbers by size); empty unless the task is classification."""
        return class_names(self) if self.task == "classification" else []

    def quality(self, parts: Split | None = None) -> Quality:
        """Return what may be wrong with the table; computed once.

        Parameters
        ----------
        parts : Split, optional
            A division of the rows that is looked at for rows on both sides; the default one of seed 0 when None.
        """
        from .quality import assess

        if parts is not None:
            return assess(self, parts)
        with self._lock:
            if self._quality is None:
                self._quality = assess(self)
            return self._quality

    def summary(self) -> dict[str, Any]:
        """Return a JSON-able picture of the table for a card: sizes, task, features with histograms, notes."""
        from .summary import summarise

        return summarise(self)

    def pager(self) -> TablePager:
        """Return a new pager over all columns; close it when it is no longer needed."""
        from .paging import TablePager

        return TablePager(self.frame)

    def _warn_wide(self, columns: int, rows: int, name: str) -> None:
        size = columns * rows * 8 / 1e6
        message = (
            f"{name!r} has {columns:,} columns: the clean table takes about {size:,.0f} MB, and a network's first "
            f"layer needs a weight for every column and unit. Set columns aside with exclude=[…] if memory runs short."
        )
        self.notes.append(message)
        warnings.warn(message, MemoryWarning, stacklevel=4)

    def _find_target(self, names: list[str]) -> str | None:
        by_hand = [c for c, role in self.spec.roles.items() if role == "target"]
        wanted = {c for c in (*by_hand, self.spec.target) if c is not None}
        if len(wanted) > 1:
            raise DataError(f"A table has one target, but {' and '.join(map(repr, sorted(wanted)))} were given.")
        if not wanted:
            return None
        target = wanted.pop()
        if target not in self.cells:
            raise ColumnNotFoundError(
                f"The target {target!r} is not a column of the table. {hint(target, names)}{header_hint(names)}"
            )
        if target in self.spec.exclude or self.spec.roles.get(target, "target") != "target":
            raise DataError(f"{target!r} is the target, so it cannot be set aside or be a feature too.")
        return target

    def _check_names(self, names: list[str]) -> None:
        for what, given in (
            ("exclude", self.spec.exclude),
            ("roles", self.spec.roles),
            ("kinds", self.spec.kinds),
        ):
            for column in given:
                if column not in self.cells:
                    raise ColumnNotFoundError(
                        f"{what} names {column!r}, which is not a column of the table. {hint(column, names)}"
                    )

    def _detected(self, name: str, cells: Cells) -> Column:
        column = detect(name, cells)
        if name in self.spec.kinds:
            column = with_kind(column, self.spec.kinds[name], cells)
        text = self.reading.text
        return stated(replace(column, hints=hints_of(column, cells)), text.about.get(name, "") if text else "")

    def _with_role(self, column: Column) -> Column:
        if column.name == self.target:
            return replace(column, role="target")
        by_hand = self.spec.roles.get(column.name)
        if column.name in self.spec.exclude or by_hand == "set_aside":
            return replace(column, role="set_aside", reason="excluded by hand")
        if by_hand == "feature":
            if column.kind == "empty":
                raise DataError(f"{column.name!r} cannot be a feature: no cell of it has a value.")
            return column
        reason = {
            "empty": "empty: no cell has a value",
            "constant": f"constant: {column.evidence}",
            "identifier": f"identifier: {column.evidence}",
            "text": "free text: read by the step 'tfidf' alone",
        }.get(column.kind)
        return column if reason is None else replace(column, role="set_aside", reason=reason)

    def _find_task(self) -> Task | None:
        return None if self.target is None else task_of(self.column(self.target), self.cells[self.target], len(self))

    def _note_cells(self) -> None:
        if self.spec.edits:
            self.notes.append(f"{len(self.spec.edits):,} cells were edited by hand.")
        for name, cells in self.cells.items():
            if cells.lost:
                what = "numbers" if cells.storage == "number" else "dates"
                self.notes.append(f"{name!r}: {cells.lost:,} cells are no {what} and count as missing.")
            if cells.infinite:
                self.notes.append(f"{name!r}: {cells.infinite:,} infinite values (or beyond 1e150) count as missing.")
