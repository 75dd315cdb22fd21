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

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import traitlets

from ..errors import CancelledRequest, ColumnNotFoundError, InputError, StateError, WireError, hint
from ..report import Html, card, format_value, grouped, key_values, section, table
from ..wire import Envelope
from ._base import Answer, BaseWidget, serves
from ._grid_exports import Exports

if TYPE_CHECKING:
    import pandas as pd

    from ..data import Dataset
    from ..data.cell_edits import Edit, EditLog
    from ..data.filters import View
    from ..data.paging import TablePager
    from ..data.selection import Selection
    from ..run import Run

#: A page holds at most so many cells, so that a wide table's pages stay small, and always at least a screen of rows.
MOST_CELLS = 100_000
LEAST_ROWS = 50
LONGEST_SEARCH = 500
MOST_FILTERS = 200
LONGEST_CELL = 160
_STATIC_ROWS = 10


class DataGrid(BaseWidget):
    """The rows of a table: scrolled, sorted, searched and filtered in the kernel, so that only what is seen travels.

    Each view scrolls, sorts and filters for itself; none of it changes the table or what others see. Rows that
    somebody selects are `selection`; cells that somebody edits are in `edits`, and the given table stays as it was.

    Parameters
    ----------
    data : Dataset, DataFrame, Arrow table, path or anything else that `load_dataset` reads
        A Parquet file or a folder of them is left where it is, and only what is seen is read; a DataFrame or Arrow
        table of more than 200 000 rows is shown as it is; anything else is loaded as a dataset first.
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
        data: Dataset | pd.DataFrame | Any = None,
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
        shown = open_table(data if data is not None or run is None else run.experiment.data)
        if run is not None:
            from ._grid_results import beside

            shown = beside(shown, run)
        self._table = shown
        self.data: Dataset | None = shown.data
        self._names = set(shown.relation.names)
        self._pager: TablePager = TablePager(shown.relation)
        self._log: EditLog | None = None
        self._serving_now: Envelope | None = None
        self._selection: Selection | None = None
        self._exports = Exports()
        if editable:
            from ..data.cell_edits import EditLog

            self._log = EditLog(self._pager, {c["name"]: c["kind"] for c in shown.columns if c["role"] != "result"})
        # Set before the comm opens, so that the first message carries the whole state.
        self.title, self.total, self.height = shown.name, shown.relation.rows, height
        self.editable, self.excel = bool(editable), has_excel()
        chars = self._characters()
        self.columns = [
            {**column, "chars": chars[column["name"]], "storage": storage}
            for column, storage in zip(shown.columns, shown.relation.storages, strict=True)
        ]
        super().__init__(**kwargs)

    # --- for Python ---------------------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        """The rows that somebody selected last; ``.frame()`` reads them. Empty until somebody did."""
        from ..data.selection import Selection

        with self._lock:
            if self._selection is None:
                self._selection = Selection.of(self._pages(), _view({}), [])
            return self._selection

    @property
    def edits(self) -> list[Edit]:
        """Every edit so far, oldest first: who, when, before, after. Taking one back is an edit, too."""
        return [] if self._log is None else list(self._log.entries)

    def frame(self) -> pd.DataFrame:
        """Return the table as it is now, with its edits and all columns that are shown."""
        from ..data.relation import ArrowRelation

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
        return "" if self._log is None else self._log.to_code(name)

    # --- for the browser ----------------------------------------------------------------------------

    @serves("grid.rows")
    def _rows(self, body: dict[str, Any]) -> Answer:
        start, count = body["start"], body["count"]
        most = max(LEAST_ROWS, MOST_CELLS // max(1, len(self._names)))
        if start < 0 or not 0 < count <= most:
            raise WireError(
                f"Rows {start} to {start + count} were asked for; a page has 1 to {most} rows, from row 0 on."
            )
        view = self._checked(body)
        try:
            page = self._pages().rows(start, count, view.sort, view.search, view.filters, view.where)
        except CancelledRequest:
            now = self._serving_now
            if self._closed or (now is not None and self._waiting.get((now["client"], now["id"]))):
                raise
            # it was the question before that should have ended, and it had just been answered
            page = self._pages().rows(start, count, view.sort, view.search, view.filters, view.where)
        return Answer({"start": page.start, "total": page.total, "state": body["state"]}, raw=[page.ipc])

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
        with self._lock:
            edit = log.set(body["row"], body["column"], body["value"], self._who())
            self._tell(log, edit)
        return {"changed": edit is not None}

    @serves("grid.undo")
    def _undo(self, body: dict[str, Any]) -> dict[str, Any]:
        log = self._editing()
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

    def _serve(self, request: Envelope, buffers: list[Any]) -> None:
        self._serving_now = request
        try:
            super()._serve(request, buffers)
        finally:
            self._serving_now = None

    def _handle_custom_msg(self, content: Any, buffers: list[Any]) -> None:
        super()._handle_custom_msg(content, buffers)
        # a sorting that nobody waits for any more must not hold up the newer one
        now = self._serving_now
        if now is not None and isinstance(content, dict) and content.get("kind") == "cancel":
            body = content.get("body")
            if isinstance(body, dict) and (content.get("client"), body.get("id")) == (now["client"], now["id"]):
                self._pager.interrupt()

    def _checked(self, body: dict[str, Any]) -> View:
        """Return the view of a request, whose columns the table must have."""
        if len(body["search"]) > LONGEST_SEARCH:
            raise InputError(f"The search is {len(body['search'])} characters long; {LONGEST_SEARCH} are the most.")
        if len(body["filters"]) > MOST_FILTERS:
            raise InputError(f"{len(body['filters'])} filters were given; {MOST_FILTERS} are the most.")
        for name, _ in body.get("sort", ()):
            if name not in self._names:
                raise ColumnNotFoundError(f"The table has no column {name!r} to sort by. {hint(name, self._names)}")
        return _view(body)

    def _pages(self) -> TablePager:
        if self._closed:
            raise StateError("This table view was closed. Run its cell again to see more rows.")
        return self._pager

    def _editing(self) -> EditLog:
        if self._log is None:
            raise InputError("This table can be read only. DataGrid(data, editable=True) lets its cells be edited.")
        return self._log

    def _who(self) -> str:
        # the page's own id, until a shared session's server says who sits there
        return self._serving_now["client"] if self._serving_now is not None else ""

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
        with contextlib.closing(relation.connect()) as connection:
            return characters(sampled(relation, connection), _length)

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


def _view(body: dict[str, Any]) -> View:
    from ..data.filters import View

    sort = [(name, down) for name, down in body.get("sort", ())]
    return View.of(sort, body.get("search", ""), body.get("filters", ()), body.get("where", ""))


def _words(value: Any) -> str:
    return "" if value is None else str(value)[:LONGEST_CELL]


def _length(value: Any) -> int:
    """Return how long a cell is as the browser writes it (``formatShort`` in js/src/ui/cells.ts)."""
    if isinstance(value, int):
        return len(str(value))
    if isinstance(value, float) and 1e6 <= abs(value) < 1e12:
        return len(f"{value:.2f}".rstrip("0").rstrip("."))
    return min(LONGEST_CELL, len(format_value(value)))
