"""A table of any length, page by page.

What draws it (js/src/widgets/data_grid.tsx and js/src/widgets/grid) is our own windowed DOM table on preact, which the
bundle holds anyway. It was weighed against well-kept libraries by size, accessibility and speed. @lumino/datagrid draws
on a canvas, so that a screen reader meets one picture. regular-table is a DOM table, but a custom element with its own
scroll panes and without the roles of a grid, and its header would have to be painted over with the histograms after
every draw. TanStack's virtual-core gives what js/src/ui/scroller.ts does in 90 lines, except the scrolling in
proportion that ten million rows need where a browser's area ends. So ours is the smallest, a real ARIA grid, and draws
a screen of some 250 cells at a time. Pages come as Arrow IPC and are read by @uwdata/flechette, which is a fraction of
apache-arrow's size and at least as fast at single values.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, TypeGuard

import traitlets

from ..acting import acting_person, local_person
from ..errors import InputError
from ..report import Html, card, format_value, grouped, key_values, section, table
from ..wire import Envelope
from ._base import Answer, serves
from ._grid_exports import Exports
from ._grid_rows import GridRows, view_of
from ._presence import subject_of

if TYPE_CHECKING:
    import pandas as pd

    from ..data import Dataset
    from ..data.cell_edits import Edit, EditLog
    from ..data.grid_table import GridTable
    from ..data.paging import TablePager
    from ..data.selection import Selection
    from ..data.spec import CellEdit
    from ..experiment import Experiment
    from ..run import Run

LONGEST_CELL = 160
_STATIC_ROWS = 10


class DataGrid(GridRows):
    """The rows of a table: scrolled, sorted, searched and filtered in the kernel, so that only what is seen travels.

    Each view scrolls, sorts and filters for itself; none of it changes the table or what others see. Rows that
    somebody selects are `selection`; cells that somebody edits are in `edits`. Of an experiment the edits become a part
    of its specification: its next run learns from them, its undo takes them back, its code replays them. A dataset
    stays as it is, and `data` is the one with the edits.

    Parameters
    ----------
    data : Experiment, Dataset, DataFrame, Arrow table, path or anything else that `load_dataset` reads
        Of an experiment its table, with its edits whoever makes them. A Parquet file or a folder of them is left where
        it is, and only what is seen is read; a DataFrame or Arrow table of more than 200 000 rows is shown as it is;
        anything else is loaded as a dataset first.
    height : int, default 360
        Height of the rows' area in pixels, 120 to 2000.
    editable : bool, default False
        Whether cells can be changed in the browser.
    run : Run, optional
        Show its predictions, how far they are off and the split beside the rows. ``data`` may be None then.

    Raises
    ------
    InputError
        The height is not in its range, a file is to be edited, or the run learned from another table.
    """

    ARGUMENTS = ("height", "editable", "run")

    title = traitlets.Unicode(help="The table's name").tag(sync=True)
    total = traitlets.Int(0, help="Rows of the whole table").tag(sync=True)
    columns = traitlets.List(traitlets.Dict(), help="Name, kind, role and width in characters of every column").tag(
        sync=True
    )
    height = traitlets.Int(360).tag(sync=True)
    editable = traitlets.Bool(False).tag(sync=True)
    excel = traitlets.Bool(False, help="Whether the extra that writes Excel files is there").tag(sync=True)
    revision = traitlets.Int(0, help="Grows with every edit: pages of before are stale").tag(sync=True)
    undoable = traitlets.Int(0, help="Edits that still stand").tag(sync=True)
    last_edit = traitlets.Dict(allow_none=True, default_value=None, help="The latest edit in words").tag(sync=True)

    def __init__(
        self,
        data: Experiment | Dataset | pd.DataFrame | Any = None,
        height: int = 360,
        *,
        editable: bool = False,
        run: Run | None = None,
        **kwargs: Any,
    ) -> None:
        from ..data.exporting import has_excel
        from ..data.grid_table import open_table
        from ..data.paging import TablePager

        if isinstance(height, bool) or not isinstance(height, int) or not 120 <= height <= 2000:
            raise InputError(f"The height of a DataGrid is 120 to 2000 pixels; {height!r} was given.")
        if data is None and run is None:
            raise InputError("A DataGrid shows a table: give it a dataset, a DataFrame or the path of a file.")
        owner = run.experiment if data is None and run is not None else data
        self._experiment: Experiment | None = owner if _is_experiment(owner) else None
        if self._experiment is not None:
            self.subject = subject_of(self._experiment)
        shown = open_table(owner if self._experiment is None else self._experiment.data)
        self._run = run
        shown = self._with_results(shown)
        self._table = shown
        self._data: Dataset | None = shown.data
        self._names = set(shown.relation.names)
        self._pager: TablePager = TablePager(shown.relation)
        self._log: EditLog | None = None
        self._serving_now: Envelope | None = None
        self._selection: Selection | None = None
        self._exports = Exports()
        if editable or self._experiment is not None:
            self._log = self._new_log()
            self.undoable = len(self._log.standing)
        # Set before the comm opens, so that the first message carries the whole state.
        self.title, self.total, self.height = shown.name, shown.relation.rows, height
        self.editable, self.excel = bool(editable), has_excel()
        self.columns = self._told_columns()
        super().__init__(**kwargs)
        if self._experiment is not None:
            self.follow(self._experiment.changed, self.mark)

    # --- for Python ---------------------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        """The rows that somebody selected last; ``.frame()`` reads them. Empty until somebody did."""
        from ..data.selection import Selection

        with self._lock:
            if self._selection is None:
                self._selection = Selection.of(self._pages(), view_of({}), [])
            return self._selection

    @property
    def data(self) -> Dataset | None:
        """The dataset that is shown, with its edits; None for a table that is shown as it lies."""
        return self._data if self._experiment is None else self._experiment.data

    @property
    def edits(self) -> list[Edit]:
        """Every edit so far, oldest first: who, when, before, after. Taking one back is an edit, too."""
        self.update_view()
        return [] if self._log is None else list(self._log.entries)

    def frame(self) -> pd.DataFrame:
        """Return the table as it is now, with its edits and all columns that are shown."""
        from ..data.relation import ArrowRelation

        self.update_view()
        relation = self._pages().relation
        if not isinstance(relation, ArrowRelation):
            raise InputError(
                "This table lies in files that may be larger than the memory. "
                "Select rows, or load it with load_dataset."
            )
        frame: pd.DataFrame = relation.arrow().to_pandas()
        return frame

    def to_code(self, name: str = "frame") -> str:
        """Return Python lines that replay the edits that stand on a DataFrame called ``name``."""
        self.update_view()
        return "" if self._log is None else self._log.to_code(name)

    def update_view(self) -> None:
        """Take over the edits and kinds that the experiment's table has now, whoever gave them."""
        if self._experiment is None or self._log is None or self._closed:
            return
        with self._lock:
            now, shown = self._experiment.data, self._table.data
            if shown is not None and now.spec.kinds != shown.spec.kinds:
                self._reopen(now)
            for edit in self._log.follow(self._experiment.data.spec.edits):
                self._tell(self._log, edit)

    def _reopen(self, data: Dataset) -> None:
        """Show the table with other kinds, which its cells may be read by; the log begins anew with what stands."""
        from ..data.grid_table import open_table

        self._table = self._with_results(open_table(data))
        self._pager.replace(self._table.relation)
        self._log = self._new_log()
        with self.together():
            self.columns = self._told_columns()
            self.undoable = len(self._log.standing)
            self.revision += 1

    def _with_results(self, shown: GridTable) -> GridTable:
        from ._grid_results import beside

        return shown if self._run is None else beside(shown, self._run)

    def _new_log(self) -> EditLog:
        from ..data.cell_edits import EditLog

        shown = self._table
        kinds = {c["name"]: c["kind"] for c in shown.columns if c["role"] != "result"}
        if shown.data is None:
            return EditLog(self._pager, kinds)
        return EditLog(self._pager, kinds, self._keep, shown.data.spec.edits)

    def _told_columns(self) -> list[dict[str, Any]]:
        chars = self._characters()
        return [
            {**column, "chars": chars[column["name"]], "storage": storage}
            for column, storage in zip(self._table.columns, self._table.relation.storages, strict=True)
        ]

    # --- for the browser ----------------------------------------------------------------------------

    @serves("grid.summary")
    def _summary(self, body: dict[str, Any]) -> dict[str, Any]:
        import dataclasses

        return dataclasses.asdict(self._pages().summary(body["column"], self._checked(body)))

    @serves("grid.select")
    def _select(self, body: dict[str, Any]) -> dict[str, Any]:
        from ..data.selection import Selection

        chosen = Selection.of(self._pages(), self._checked(body), body["ranges"])
        with self._lock:
            self._selection = chosen
        return {"count": len(chosen)}

    @serves("grid.edit")
    def _edit(self, body: dict[str, Any]) -> dict[str, Any]:
        log = self._editing()
        self.update_view()
        with self._lock:
            edit = log.set(body["row"], body["column"], body["value"], self._who())
            self._tell(log, edit)
        return {"changed": edit is not None}

    @serves("grid.undo")
    def _undo(self, body: dict[str, Any]) -> dict[str, Any]:
        log = self._editing()
        self.update_view()
        with self._lock:
            edit = log.undo(self._who())
            self._tell(log, edit)
        return {"changed": edit is not None}

    @serves("grid.export")
    def _export(self, body: dict[str, Any]) -> dict[str, Any]:
        pager = self._pages()
        return self._exports.begin(pager.relation, pager.order(self._checked(body)), body["columns"], body["format"])

    @serves("grid.export_read")
    def _export_read(self, body: dict[str, Any]) -> Answer:
        told, content = self._exports.read(body["job"], body["offset"])
        return Answer(told, raw=[content])

    def _editing(self) -> EditLog:
        if self._log is None or not self.editable:
            raise InputError("This table can be read only. DataGrid(data, editable=True) lets its cells be edited.")
        return self._log

    def _who(self) -> str:
        return (acting_person() or local_person()).name

    def _keep(self, row: int, column: str, value: Any, who: str) -> tuple[CellEdit, ...]:
        """Make an edit a part of the experiment's table, or of the dataset's; return all that there are now."""
        if self._experiment is not None:
            self._experiment.edit_cell(row, column, value, who)
        elif self._data is not None:
            self._data = self._data.edited(row, column, value, who)
        return () if self.data is None else self.data.spec.edits

    def _tell(self, log: EditLog, edit: Edit | None) -> None:
        if edit is None:
            return
        with self.together():
            self.revision += 1
            self.undoable = len(log.standing)
            self.last_edit = {
                "row": edit.row,
                "column": edit.column,
                "before": _words(edit.before),
                "after": _words(edit.after),
                "undo": edit.undoes is not None,
                "who": edit.who,
                "when": edit.when,
            }

    def _characters(self) -> dict[str, int]:
        from ..data.grid_table import characters, sampled

        relation = self._table.relation
        # what is opened for it serves the first rows, too
        return characters(self._pager.ask(lambda connection: sampled(relation, connection)), _length)

    def close(self) -> None:
        """Close the view and free its pages. Safe to call twice."""
        if self._closed:
            return
        super().close()
        self._exports.close()
        # a question that is being answered may hold the pager; the page's thread must not wait for it
        threading.Thread(target=self._pager.close, daemon=True).start() if self._serving_now else self._pager.close()

    def static_html(self) -> str:
        """Return the first rows as a table, and the columns that were set aside with the reasons."""
        self.update_view()
        shown = self._table
        shape = f"{grouped(self.total)} rows × {grouped(len(self.columns))} columns"
        parts: list[Html] = [table(self._first(), caption=shape, rows=_STATIC_ROWS)]
        aside = {column["name"]: column["reason"] for column in shown.columns if column["role"] == "set_aside"}
        if aside:
            parts.append(card(f"{grouped(len(aside))} set aside", key_values(aside)))
        return section(shown.name, *parts, note=f"The target is {shown.target}." if shown.target else None)

    def _first(self) -> pd.DataFrame:
        import numpy as np

        frame: pd.DataFrame = self._pager.table(np.arange(min(_STATIC_ROWS, self.total))).to_pandas()
        return frame.iloc[:, 1:]


def _is_experiment(given: Any) -> TypeGuard[Experiment]:
    # a table to look at must not load what trains
    module = sys.modules.get("medilytica_widgets.experiment")
    return module is not None and isinstance(given, module.Experiment)


def _words(value: Any) -> str:
    return "" if value is None else str(value)[:LONGEST_CELL]


def _length(value: Any) -> int:
    """Return how long a cell is as the browser writes it (``formatShort`` in js/src/ui/cells.ts)."""
    if isinstance(value, int):
        return len(str(value))
    if isinstance(value, float) and 1e6 <= abs(value) < 1e12:
        return len(f"{value:.2f}".rstrip("0").rstrip("."))
    return min(LONGEST_CELL, len(format_value(value)))
