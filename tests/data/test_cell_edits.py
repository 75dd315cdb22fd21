"""Edits and exports of a table: after any sequence the cells are what pandas says, and files hold what is shown."""

from __future__ import annotations

import datetime
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.data.cell_edits import EditLog
from medilytica_widgets.data.exporting import Export
from medilytica_widgets.data.filters import View
from medilytica_widgets.data.paging import TablePager
from medilytica_widgets.data.relation import ArrowRelation, ParquetRelation
from medilytica_widgets.data.selection import Selection
from medilytica_widgets.errors import CancelledRequest, ColumnNotFoundError, InputError

ROWS = 40
KINDS = {"f": "numeric", "i": "numeric", "t": "categorical", "d": "datetime", "b": "binary", "id": "identifier"}


def made() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "f": [None if k % 7 == 0 else k / 4 for k in range(ROWS)],
            "i": np.arange(ROWS) % 5,
            "t": pd.Series([["x", "yy", None][k % 3] for k in range(ROWS)], dtype=object),
            "d": pd.date_range("2021-01-01", periods=ROWS).astype("datetime64[us]"),
            "b": pd.Series([["no", "yes"][k % 2] for k in range(ROWS)], dtype=object),
            "id": [f"row {k}" for k in range(ROWS)],
        }
    )


def cells(pager: TablePager, **view: Any) -> pd.DataFrame:
    page = pager.rows(0, ROWS, **view)
    frame: pd.DataFrame = pa.ipc.open_stream(page.ipc).read_all().to_pandas()
    return frame.set_index("__row__")


def same(got: pd.DataFrame, want: pd.DataFrame) -> None:
    assert got.index.tolist() == want.index.tolist()
    for name in want.columns:
        assert [None if pd.isna(v) else v for v in got[name]] == [None if pd.isna(v) else v for v in want[name]], name


typed = st.one_of(
    st.tuples(st.just("f"), st.one_of(st.none(), st.floats(-5, 20, allow_nan=False).map(repr))),
    st.tuples(st.just("i"), st.integers(-3, 9).map(str)),
    st.tuples(st.just("t"), st.sampled_from([None, "x", "zz", "a\tb", "☃"])),
    st.tuples(st.just("d"), st.sampled_from([None, "2020-05-05", "2022-01-01 10:30"])),
    st.tuples(st.just("b"), st.sampled_from(["yes", "no"])),
)
steps = st.one_of(
    st.tuples(st.just("edit"), st.integers(0, ROWS - 1), typed),
    st.tuples(st.just("undo"), st.none(), st.none()),
    st.tuples(st.just("look"), st.sampled_from(["f", "i", "t", "d"]), st.booleans()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, min_size=1, max_size=12))
def test_any_sequence_of_edits_undos_and_looks_is_what_pandas_says(todo: list[Any]) -> None:
    want, past = made(), []
    with TablePager(made()) as pager:
        log = EditLog(pager, KINDS)
        for what, a, b in todo:
            if what == "edit":
                column, text = b
                value = {"f": float, "i": int, "d": pd.Timestamp}.get(column, str)(text) if text is not None else None
                if log.set(a, column, text, "Ada") is not None:
                    past.append(want.copy())
                    want.loc[a, column] = value
            elif what == "undo":
                assert (log.undo("Ada") is None) == (not past)
                want = past.pop() if past else want
            else:
                view = {"sort": [(a, b)], "filters": [{"column": "b", "kind": "set", "values": ["yes"]}]}
                kept = want[want["b"] == "yes"]
                same(cells(pager, **view), kept.sort_values(a, ascending=not b, kind="stable", na_position="last"))
        same(cells(pager), want)
        replayed = made()
        exec(log.to_code("frame"), {"frame": replayed, "nan": float("nan")})
        same(cells(pager), replayed)


@pytest.mark.parametrize(
    ("row", "column", "text", "said"),
    [
        (0, "f", "1,5", "'f' holds numbers; '1,5' is none. A decimal point is a dot"),
        (0, "f", "inf", "not finite"),
        (0, "i", "1.5", "whole numbers"),
        (0, "i", "9" * 30, "out of its range"),
        (0, "d", "soon", "holds dates"),
        (0, "b", "maybe", "has two values, 'no' and 'yes'; 'maybe' is neither"),
        (0, "id", "row 7", "another row is called 'row 7' already"),
        (0, "gone", "1", "no column 'gone' to edit"),
        (ROWS, "f", "1", "no row 40"),
        (0, "t", "x" * 10_001, "10,000 are the most"),
    ],
)
def test_what_a_column_does_not_take_is_refused_and_nothing_changes(
    row: int, column: str, text: str, said: str
) -> None:
    with TablePager(made()) as pager:
        log = EditLog(pager, KINDS)
        with pytest.raises(InputError, match=said):
            log.set(row, column, text, "Ada")
        assert log.entries == []
        same(cells(pager), made())


def test_the_log_says_who_when_before_and_after() -> None:
    with TablePager(made()) as pager:
        log = EditLog(pager, KINDS)
        assert log.set(1, "i", "1", "Ada") is None
        log.set(1, "i", "4", "Ada")
        log.set(2, "d", "2020-02-29T12:00:00+02:00", "Bo")
        log.undo("Cy")
    told = [(e.row, e.column, e.before, e.after, e.who, e.undoes) for e in log.entries]
    noon, old = datetime.datetime(2020, 2, 29, 10), datetime.datetime(2021, 1, 3)
    assert told == [(1, "i", 1, 4, "Ada", None), (2, "d", old, noon, "Bo", None), (2, "d", noon, old, "Cy", 1)]
    assert all(e.when > 1e9 for e in log.entries) and [e.column for e in log.standing] == ["i"]
    assert log.to_code().startswith("frame.loc[1, 'i'] = 4  # ") and "Ada; before: 1" in log.to_code()


def test_files_are_never_edited(tmp_path: Path) -> None:
    made().to_parquet(tmp_path / "a.parquet")
    with (
        TablePager(ParquetRelation(tmp_path / "a.parquet")) as pager,
        pytest.raises(InputError, match="cannot be edited"),
    ):
        EditLog(pager, KINDS)


def test_a_selection_is_lazy_and_gives_the_rows_in_their_order() -> None:
    frame = made()
    with TablePager(frame) as pager:
        view = View.of([("f", True)])
        chosen = Selection.of(pager, view, [(0, 2), (1, 4), (38, 99)])
        want = frame.sort_values("f", ascending=False, kind="stable", na_position="last").iloc[[0, 1, 2, 3, 38, 39]]
        assert len(chosen) == 6 and chosen.rows.tolist() == want.index.tolist()
        same(chosen.frame(), want)
        assert len(Selection.of(pager, view, [])) == 0
        with pytest.raises(InputError, match="cannot be chosen"):
            Selection.of(pager, view, [(3, 1)])


@pytest.mark.parametrize("format", ["csv", "parquet", "xlsx"])
@pytest.mark.parametrize("lazy", [False, True])
def test_an_export_holds_what_is_shown(tmp_path: Path, format: Any, lazy: bool) -> None:
    if format == "xlsx":
        pytest.importorskip("openpyxl")
    frame = made()
    frame.loc[3, "t"] = "=1+1"
    frame.to_parquet(tmp_path / "a.parquet")
    relation = ParquetRelation(tmp_path / "a.parquet") if lazy else ArrowRelation.of_frame(frame)
    order = np.array([3, 39, 0], dtype=np.int32)
    export = Export(relation, order, ["t", "f"], format).start()
    assert export.wait(30) and export.ready and (export.done, export.total) == (3, 3)
    path = export.path
    if format == "csv":
        got = pyarrow.csv.read_csv(
            path, convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True)
        ).to_pandas()
    else:
        got = pq.read_table(path).to_pandas() if format == "parquet" else pd.read_excel(path, engine="openpyxl")
    want = frame.loc[[3, 39, 0], ["t", "f"]].reset_index(drop=True)
    assert got["f"].tolist()[:2] == want["f"].tolist()[:2] and pd.isna(got["f"][2])
    assert got["t"].tolist() == want["t"].tolist()
    assert export.read(0, 4) == path.read_bytes()[:4]
    export.close()
    export.close()
    assert not path.exists()


def test_an_export_that_is_stopped_leaves_nothing() -> None:
    big = ArrowRelation.of_frame(pd.DataFrame({"a": np.arange(2_000_000)}))
    export = Export(big, np.arange(2_000_000)[::-1], ["a"], "csv").start()
    export.close()
    assert export.wait(0) and isinstance(export.error, CancelledRequest) and not export.path.exists()


def test_an_excel_export_that_is_stopped_leaves_nothing_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    big = ArrowRelation.of_frame(pd.DataFrame({"a": np.arange(500_000), "b": "=cmd"}))
    export = Export(big, None, ["a", "b"], "xlsx").start()
    end = time.monotonic() + 60
    while not export.done and time.monotonic() < end:
        export.wait(0.01)
    assert 0 < export.done < export.total
    export.close()
    assert export.wait(0) and isinstance(export.error, CancelledRequest) and list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_says_why() -> None:
    relation = ArrowRelation.of_frame(made())
    with pytest.raises(ColumnNotFoundError, match="to export"):
        Export(relation, None, ["gone"], "csv")
    with pytest.raises(InputError, match="csv, parquet or xlsx"):
        Export(relation, None, ["f"], "pdf")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="All columns are hidden"):
        Export(relation, None, [], "csv")
