"""The table of an experiment: a change of its cells or of its columns' kinds is one of the specification."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from .acting import acting_person, local_person
from .data import CellEdit, Dataset, DataSpec
from .data.edits import edited, told
from .data.spec import Kind
from .errors import SpecError
from .experiment_runs import ExperimentRuns
from .spec import ExperimentSpec

#: Tables with other kinds of columns that are kept for undo; they share what is the same.
_TABLES_KEPT = 4


def _key(spec: DataSpec) -> tuple[tuple[str, Kind], ...]:
    return tuple(sorted(spec.kinds.items()))


class TableEditor(ExperimentRuns):
    """The part of a `medilytica_widgets.Experiment` that changes cells of its table, and what its columns are."""

    _table_ahead: Dataset | None = None
    # the tables of the kinds that there were: words that became numbers are not found again in these
    _tables: dict[tuple[tuple[str, Kind], ...], Dataset] | None = None

    def edit_cell(self, row: int, column: str, value: Any, author: str | None = None) -> None:
        """Change one cell of the table, as one step of undo. It counts from the next run.

        The edit is kept in the specification beside what the cell held when the table was loaded: a table that holds
        something else there refuses it. A cell that is given back what it held is edited no longer.

        Parameters
        ----------
        row : int
            Its number in the table, from 0 on.
        column : str
        value : int, float, str, datetime or None
            None makes the cell missing.
        author : str, optional
            The name of the person who changes it.

        Raises
        ------
        ColumnNotFoundError, InputError
            There is no such cell, or its column does not take the value.
        SpecError, HeadError, ShapeError
            What the experiment learns could not be learned from the table any more. Nothing was changed.
        """
        with self._lock:
            who = author or (acting_person() or local_person()).name
            self._take(edited(self.data, row, column, value, who), author)

    def set_edits(self, edits: Iterable[CellEdit | Mapping[str, Any]], author: str | None = None) -> None:
        """Put other edits of cells in place of all that there are, as one step of undo.

        Parameters
        ----------
        edits : sequence of CellEdit or dict
        author : str, optional

        Raises
        ------
        SpecError, DataError
            They are no edits, or were made in another table. Nothing was changed.
        """
        with self._lock:
            self._take(edits, author)

    def set_kinds(self, kinds: Mapping[str, Kind | None], author: str | None = None) -> None:
        """Give columns of the table other kinds, as one step of undo. It counts from the next run.

        Parameters
        ----------
        kinds : dict of str to str or None
            As of `Dataset.with_kinds`: None goes back to what is detected, and columns left out keep what they have.
        author : str, optional

        Raises
        ------
        ColumnNotFoundError, DataError
            There is no such column, or its values do not fit the kind.
        SpecError, HeadError, ShapeError
            What the experiment learns could not be learned from the table any more. Nothing was changed.
        """
        with self._lock:
            now = self.data
            table = now.with_kinds(kinds)
            if table.spec.kinds == now.spec.kinds:
                return
            if now.reading.fingerprint and table.spec.fingerprint != now.spec.fingerprint:
                raise SpecError(
                    f"{now.name!r} was read again for this kind, and its content has changed since the experiment was "
                    "made. Load it anew, and make an experiment of it."
                )
            self._check_table(table)
            self._table_ahead = table
            self._replace("data", data=table.spec, author=author)

    def _table_of(self, wanted: DataSpec) -> Dataset:
        """Return the table with the kinds and the edits of a specification."""
        table = self.data
        if wanted.kinds != table.spec.kinds:
            known = self._tables.get(_key(wanted)) if self._tables is not None else None
            changed: dict[str, Kind | None] = dict.fromkeys(n for n in table.spec.kinds if n not in wanted.kinds)
            changed.update({n: k for n, k in wanted.kinds.items() if table.spec.kinds.get(n) != k})
            table = known if known is not None else table.with_edits(()).with_kinds(changed)
        return table.with_edits(wanted.edits)

    def _remember_table(self) -> None:
        if self._tables is None:
            self._tables = {}
        self._tables[_key(self.data.spec)] = self.data
        for old in list(self._tables)[:-_TABLES_KEPT]:
            del self._tables[old]

    def _take(self, edits: Iterable[CellEdit | Mapping[str, Any]], author: str | None) -> None:
        table = self.data.with_edits(edits)
        if table is self.data:
            return
        self._check_table(table)
        self._table_ahead = table
        self._replace("data", data=table.spec, author=author)

    def _check_table(self, table: Dataset) -> None:
        """Refuse a table of which the experiment could not be made; one of the same columns and classes always can."""
        now = self.data
        touched = {edit.column for edit in (*now.spec.edits, *table.spec.edits)}
        if (
            [(c.name, c.kind, c.role) for c in table.columns] == [(c.name, c.kind, c.role) for c in now.columns]
            and table.task == now.task
            and (now.target not in touched or table.classes == now.classes)
        ):
            return
        self._made_of(self._spec.model_copy(update={"data": table.spec}), table)

    @abstractmethod
    def _made_of(self, spec: ExperimentSpec, table: Dataset) -> None:
        """Raise where no experiment can be made of a specification and its table."""

    @abstractmethod
    def _forget_prepared(self) -> None:
        """Have the table divided and prepared anew."""

    def _changed_from(self, before: ExperimentSpec, author: str | None) -> None:
        wanted, was = self._spec.data, self.data
        edits = wanted.edits
        if (edits, wanted.kinds) != (was.spec.edits, was.spec.kinds):
            ahead, self._table_ahead = self._table_ahead, None
            if wanted.kinds != was.spec.kinds:
                self._remember_table()
            fits = ahead is not None and (ahead.spec.edits, ahead.spec.kinds) == (edits, wanted.kinds)
            self.data = ahead if fits and ahead is not None else self._table_of(wanted)
            self._forget_prepared()
            for what in told(was.spec.edits, edits):
                self._note("rows", what, author)
            for name in sorted({*was.spec.kinds, *wanted.kinds}):
                if was.spec.kinds.get(name) != wanted.kinds.get(name):
                    self._note("rows", f"{name} is {self.data.column(name).kind}", author)
        super()._changed_from(before, author)
