"""Filters, headers, selection, edits, exports and results of the grid, through its requests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import medilytica_widgets as mw
from medilytica_widgets.errors import InputError, MissingFileError
from medilytica_widgets.widgets.data_grid import DataGrid

ROWS = 300
PLAIN: dict[str, Any] = {"sort": [], "search": "", "filters": [], "where": ""}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {"x": rng.normal(size=ROWS).round(3), "n": rng.integers(0, 40, ROWS), "word": rng.choice(["a", "b", "c"], ROWS)}
    )


def ask(browser: Any, grid: DataGrid, kind: str, **body: Any) -> tuple[dict[str, Any], list[bytes]]:
    envelope, buffers = browser.ask(grid, kind, body)
    assert envelope["kind"] == f"{kind}.result", envelope["body"]
    return envelope["body"], buffers


def refused(browser: Any, grid: DataGrid, kind: str, **body: Any) -> str:
    envelope, _ = browser.ask(grid, kind, body)
    assert envelope["kind"] == f"{kind}.error"
    return str(envelope["body"]["message"])


def page(browser: Any, grid: DataGrid, count: int = ROWS, **view: Any) -> pd.DataFrame:
    _, [raw] = ask(browser, grid, "grid.rows", start=0, count=count, state=0, **{**PLAIN, **view})
    return pa.ipc.open_stream(raw).read_all().to_pandas()


def test_filters_and_a_condition_narrow_the_rows(browser: Any, frame: pd.DataFrame) -> None:
    grid = DataGrid(frame)
    rows = page(
        browser,
        grid,
        filters=[{"column": "x", "kind": "range", "low": 0, "high": None}],
        where="n < 20 and word <> 'a'",
    )
    want = frame[(frame["x"] >= 0) & (frame["n"] < 20) & (frame["word"] != "a")]
    assert rows["__row__"].tolist() == want.index.tolist()
    view = {**PLAIN, "start": 0, "count": 1, "state": 0}
    assert "Did you mean 'word'" in refused(browser, grid, "grid.rows", **{**view, "where": "wrod = 'a'"})
    assert "nothing else" in refused(browser, grid, "grid.rows", **{**view, "where": "n in (select 1)"})
    assert "200 are the most" in refused(browser, grid, "grid.rows", **{**view, "filters": [{}] * 201})


def test_a_header_is_told_its_distribution(browser: Any, frame: pd.DataFrame) -> None:
    grid = DataGrid(frame)
    where = {"search": "", "filters": [{"column": "word", "kind": "set", "values": ["a"]}], "where": ""}
    told, _ = ask(browser, grid, "grid.summary", column="x", **where)
    assert told["kind"] == "histogram" and sum(told["all"]) == ROWS
    assert sum(told["here"]) == int((frame["word"] == "a").sum()) == told["facts"]["count"]
    own, _ = ask(browser, grid, "grid.summary", column="word", **where)
    assert own["here"] == own["all"] and own["facts"]["count"] == sum(told["here"])


def test_selected_rows_are_the_selection(browser: Any, frame: pd.DataFrame) -> None:
    grid = DataGrid(frame)
    assert len(grid.selection) == 0
    told, _ = ask(browser, grid, "grid.select", ranges=[[0, 3], [298, 300]], **{**PLAIN, "sort": [["x", True]]})
    want = frame.sort_values("x", ascending=False, kind="stable").iloc[[0, 1, 2, 298, 299]]
    assert told == {"count": 5} and grid.selection.rows.tolist() == want.index.tolist()
    assert grid.selection.frame()["x"].tolist() == want["x"].tolist()


def test_edits_reach_every_browser_and_the_given_table_stays(browser: Any, frame: pd.DataFrame) -> None:
    before = frame.copy()
    grid = DataGrid(frame, editable=True)
    ask(browser, grid, "grid.edit", row=4, column="x", value="9.5")
    assert {"revision": 1, "undoable": 1}.items() <= browser.updates(grid)[-1].items()
    assert page(browser, grid)["x"][4] == 9.5 and grid.frame()["x"][4] == 9.5
    assert (grid.edits[0].who, grid.edits[0].before) == ("page", before["x"][4])
    assert "frame.loc[4, 'x'] = 9.5" in grid.to_code()
    assert "holds numbers" in refused(browser, grid, "grid.edit", row=4, column="x", value="many")
    ask(browser, grid, "grid.undo")
    assert page(browser, grid)["x"].tolist() == before["x"].tolist() and grid.undoable == 0
    assert [edit.undoes for edit in grid.edits] == [None, 0]
    pd.testing.assert_frame_equal(frame, before)


def test_a_table_is_read_only_unless_it_is_said(browser: Any, frame: pd.DataFrame) -> None:
    grid = DataGrid(frame)
    assert "editable=True" in refused(browser, grid, "grid.edit", row=0, column="x", value="1")
    assert "editable=True" in refused(browser, grid, "grid.undo")


def test_an_export_is_fetched_in_pieces(browser: Any, frame: pd.DataFrame) -> None:
    grid = DataGrid(frame)
    view = {**PLAIN, "sort": [["n", False]]}
    begun, _ = ask(browser, grid, "grid.export", format="csv", columns=["n", "x"], **view)
    content, told = b"", {"size": 1}
    end = time.monotonic() + 30
    while len(content) < told["size"] and time.monotonic() < end:
        told, [raw] = ask(browser, grid, "grid.export_read", job=begun["job"], offset=len(content))
        content += raw
        told["size"] = told["size"] or 1
    lines = content.decode().splitlines()
    want = frame.sort_values("n", kind="stable")
    assert lines[0] == '"n","x"' and [int(line.split(",")[0]) for line in lines[1:]] == want["n"].tolist()
    assert "is no more" in refused(browser, grid, "grid.export_read", job=begun["job"], offset=0)
    assert "csv, parquet or xlsx" in refused(browser, grid, "grid.export", format="exe", columns=["n"], **view)


def test_a_parquet_file_is_shown_where_it_lies(browser: Any, frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    frame.to_parquet(path)
    grid = DataGrid(path)
    assert grid.data is None and (grid.total, grid.title) == (ROWS, "it's.parquet")
    assert page(browser, grid, sort=[["x", False]])["x"].tolist() == sorted(frame["x"])
    assert [column["missing"] for column in grid.columns] == [None, None, None]
    assert [column["kind"] for column in grid.columns] == ["numeric", "numeric", "text"]
    with pytest.raises(InputError, match="Select rows"):
        grid.frame()
    with pytest.raises(InputError, match="cannot be edited"):
        DataGrid(path, editable=True)
    with pytest.raises(MissingFileError):
        DataGrid(tmp_path / "gone.parquet")


def test_a_long_frame_is_shown_without_a_look_at_all_of_it(browser: Any) -> None:
    long = pd.DataFrame({"a": np.arange(250_000), "b": np.where(np.arange(250_000) % 3, 1.5, np.nan)})
    grid = DataGrid(long)
    assert grid.data is None and grid.total == 250_000
    rows = page(browser, grid, count=10, where="b is null", sort=[["a", True]])
    assert rows["a"].tolist() == [249_999 - 3 * k for k in range(10)]


def test_nothing_to_show_is_refused(browser: Any) -> None:
    with pytest.raises(InputError, match="shows a table"):
        DataGrid()


def test_a_newer_question_ends_the_running_one(browser: Any) -> None:
    words = pd.DataFrame({"w": pd.Series([f"{k} {'abcdefghij' * 40}" for k in range(40_000)], dtype=object)})
    grid = DataGrid(pa.Table.from_pandas(pd.concat([words] * 6, ignore_index=True)))
    slow = {**PLAIN, "start": 0, "count": 10, "state": 0, "where": "levenshtein(w, reverse(w)) > 1e9"}
    first = browser.post(grid, "grid.rows", slow)
    browser.until(lambda: grid._pager._running)
    started = time.monotonic()
    browser.post(grid, "cancel", {"id": first})
    second = browser.post(grid, "grid.rows", {**slow, "where": ""})
    envelope, _ = browser.answer(grid, second, timeout=20)
    assert envelope["kind"] == "grid.rows.result" and time.monotonic() - started < 10
    assert browser.answer(grid, first)[0]["kind"] == "grid.rows.cancelled"


@pytest.mark.parametrize(("name", "result"), [("iris", "correct"), ("diabetes", "residual")])
def test_what_a_run_says_stands_beside_the_rows(browser: Any, name: str, result: str) -> None:
    run = mw.Experiment(mw.load_dataset(name), hyperparameters={"epochs": 2}).train().wait()
    grid = DataGrid(run=run)
    data = run.experiment.data
    rows = page(browser, grid, count=len(data))
    found = run.predict(data.frame)
    assert rows["prediction"].tolist() == found["prediction"].tolist()
    assert [list(rows["split"]).count(part) for part in ("train", "validation", "test")] == [
        len(getattr(run.prepared.split, part)) for part in ("train", "validation", "test")
    ]
    target = data.frame[data.target]
    if result == "residual":
        assert rows["residual"].tolist() == pytest.approx((target - found["prediction"]).tolist())
    else:
        assert rows["correct"].mean() == pytest.approx((target == found["prediction"]).mean())
    assert {c["name"] for c in grid.columns if c["role"] == "result"} >= {"split", "prediction", result}
    with pytest.raises(InputError, match="this is another one"):
        DataGrid(pd.DataFrame({"a": [1, 2]}), run=run)
