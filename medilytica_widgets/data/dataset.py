"""A loaded table: clean columns with kinds and roles, and what a person should know about it."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from pydantic import ValidationError

from ..errors import (
    ColumnNotFoundError,
    DataError,
    EmptyTableError,
    SpecError,
    check_kwargs,
    hint,
)
from ..registered import find
from .builtin import BUILTIN
from .cleaning import Cells, as_frame, clean, tidy_names
from .kinds import Column, detect
from .sources import Reading, read
from .spec import FRAME, DataSpec, Role, Task
from .target import class_names, task_of
from .text import header_hint

if TYPE_CHECKING:
    from .paging import TablePager
    from .quality import Quality

#: From this many columns on, loading warns about memory.
WIDE = 5_000


class MemoryWarning(UserWarning):
    """The table is so wide that training on all of its columns may not fit into memory."""


def load_dataset(
    source: Any,
    target: str | None = None,
    *,
    names: Sequence[str] | None = None,
    exclude: Iterable[str] | str = (),
    roles: Mapping[str, Role] | None = None,
    missing: Iterable[str] = ("", "NA", "?"),
    name: str | None = None,
    **unknown: Any,
) -> Dataset:
    """Load a table and find out what its columns are.

    Parameters
    ----------
    source : path, str, DataFrame or Arrow table
        A path or an http(s) address of a text table (delimiter, encoding and ``#`` comment lines
        on top are detected), a Parquet or JSON file; a pandas DataFrame; a pyarrow Table; or the name of a
        built-in table: "kepler", "spiral", "moons", "circles", "xor", "breast_cancer", "iris",
        "wine", "diabetes"; or the id of a registered one.
    target : str, optional
        The column to predict. Built-in tables know theirs.
    names : list of str, optional
        Column names for a file without a header line.
    exclude : list of str
        Columns to set aside.
    roles : dict of str to {"feature", "target", "set_aside"}
        Roles by hand; they win over what is detected.
    missing : list of str
        Cell contents that mean "no value", after blanks around them are stripped.
    name : str, optional
        A name for display.
    **unknown
        The options of a registered table; no other keyword argument is taken.

    Returns
    -------
    Dataset

    Raises
    ------
    MissingFileError, EmptyTableError, EncodingError, ColumnNotFoundError, TargetError, DataError
    UnknownArgumentError
        For a keyword argument that does not exist.

    Warns
    -----
    MemoryWarning
        For a table of 5 000 columns or more.
    """
    own = find("dataset", source)
    known = ("source", "target", "names", "exclude", "roles", "missing", "name", *(own.parameters if own else ()))
    check_kwargs("load_dataset", {key: value for key, value in unknown.items() if key not in known}, known)
    reading = read(source, names, unknown)
    if target is None and "target" not in (roles or {}).values() and reading.source in BUILTIN:
        target = BUILTIN[reading.source]
    if target is None and "target" not in (roles or {}).values() and own is not None and reading.form == "own":
        target = own.facts.get("target")
    spec = DataSpec(
        source=reading.source,
        target=target,
        names=None if names is None else [str(n) for n in names],
        exclude=[exclude] if isinstance(exclude, str) else [str(e) for e in exclude],
        roles=_checked_roles(roles),
        missing=[missing] if isinstance(missing, str) else [str(m) for m in missing],
        name=name,
        options=reading.options,
    )
    return Dataset(reading, spec)


def _checked_roles(roles: Mapping[str, Role] | None) -> dict[str, Role]:
    for column, role in (roles or {}).items():
        if role not in get_args(Role):
            raise DataError(
                f"The role of {column!r} is {role!r}; it is 'feature', 'target' or 'set_aside'. "
                f"{hint(str(role), get_args(Role))}"
            )
    return {str(column): role for column, role in (roles or {}).items()}


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
    columns : list of Column
    notes : list of str
        What was detected or changed while loading.
    task : {"classification", "regression"} or None
        None without a target.
    """

    def __init__(self, reading: Reading, spec: DataSpec) -> None:
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
            self.cells[column] = clean(reading.frame.iloc[:, position], spec.missing)
        self.frame = as_frame({c: cells.values for c, cells in self.cells.items()})
        self.name = spec.name or reading.name or "table"
        self.spec = spec.model_copy(update={"fingerprint": reading.fingerprint or self._content_hash()})
        # the raw table is not needed any more, and it is as large as the clean one
        reading.frame = reading.frame.iloc[:0]
        self.target: str | None = self._find_target(names)
        self._check_names(names)
        self.columns: list[Column] = [self._with_role(detect(c, cells)) for c, cells in self.cells.items()]
        self._by_name = {c.name: c for c in self.columns}
        self.notes += list(self.renamed.values())[:20]
        self.task: Task | None = self._find_task()
        self._note_cells()
        self._lock = threading.Lock()
        self._quality: Quality | None = None

    @classmethod
    def from_spec(cls, spec: DataSpec | Mapping[str, Any]) -> Dataset:
        """Load the table that a spec describes.

        Raises
        ------
        SpecError
            Unknown fields, or the table was given in memory and has to be given again.
        """
        if not isinstance(spec, DataSpec):
            try:
                spec = DataSpec.model_validate(dict(spec))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise SpecError(f"The data spec's {where!r} is not right: {first['msg']}.") from None
        if spec.source == FRAME:
            raise SpecError(
                f"The table {spec.name or 'of this spec'!r} was given in memory and is not stored in the spec. "
                "Load it again with load_dataset(frame, …) and give that dataset."
            )
        data = cls(read(spec.source, spec.names, spec.options), spec)
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

    def quality(self) -> Quality:
        """Return what may be wrong with the table; computed once."""
        from .quality import assess

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

    def _content_hash(self) -> str:
        digest = hashlib.sha256()
        for name, cells in self.cells.items():
            digest.update(f"{name}\0{cells.values.dtype}\0".encode("utf-8", "replace"))
            values = cells.values
            if values.dtype == object:
                digest.update(
                    pd.util.hash_array(
                        np.array([v if v is not None else "\0" for v in values], dtype=object), categorize=True
                    ).tobytes()
                )
            else:
                digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

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
        for what, given in (("exclude", self.spec.exclude), ("roles", self.spec.roles)):
            for column in given:
                if column not in self.cells:
                    raise ColumnNotFoundError(
                        f"{what} names {column!r}, which is not a column of the table. {hint(column, names)}"
                    )

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
            "text": "free text: algorithms for tables do not use it yet",
        }.get(column.kind)
        return column if reason is None else replace(column, role="set_aside", reason=reason)

    def _find_task(self) -> Task | None:
        return None if self.target is None else task_of(self.column(self.target), self.cells[self.target], len(self))

    def _note_cells(self) -> None:
        for name, cells in self.cells.items():
            if cells.lost:
                what = "numbers" if cells.storage == "number" else "dates"
                self.notes.append(f"{name!r}: {cells.lost:,} cells are no {what} and count as missing.")
            if cells.infinite:
                self.notes.append(f"{name!r}: {cells.infinite:,} infinite values (or beyond 1e150) count as missing.")
