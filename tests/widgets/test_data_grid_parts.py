"""Filters, headers, selection, edits, exports and results of the grid, through its requests."""

from __future__ import annotations

import getpass
import threading
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
    assert (grid.edits[0].who, grid.edits[0].before) == (getpass.getuser(), before["x"][4])
    assert grid.data is not None and grid.data.frame["x"][4] == 9.5 and len(grid.data.spec.edits) == 1
    assert "frame.loc[4, 'x'] = 9.5" in grid.to_code()
    assert "holds numbers" in refused(browser, grid, "grid.edit", row=4, column="x", value="many")
    ask(browser, grid, "grid.undo")
    assert page(browser, grid)["x"].tolist() == before["x"].tolist() and grid.undoable == 0
    assert [edit.undoes for edit in grid.edits] == [None, 0]
    pd.testing.assert_frame_equal(frame, before)


@pytest.fixture
def experiment(frame: pd.DataFrame) -> mw.Experiment:
    return mw.Experiment(mw.load_dataset(frame.assign(y=frame["x"] > 0), "y"), "logistic_regression")


def test_edits_of_an_experiments_table_are_its_own(browser: Any, experiment: mw.Experiment) -> None:
    exp = experiment
    grid, other = DataGrid(exp, editable=True), DataGrid(exp)
    browser.metadata = {"medilytica_user": {"username": "ada", "name": "Ada L."}}
    ask(browser, grid, "grid.edit", row=4, column="x", value="9.5")
    ask(browser, grid, "grid.edit", row=5, column="word", value="")
    assert [(e.row, e.value, e.who) for e in exp.spec.data.edits] == [(4, 9.5, "Ada L."), (5, None, "Ada L.")]
    assert exp.data.frame["x"][4] == 9.5 and exp.can_undo and grid.data is exp.data
    # whoever looks at the same table sees it
    browser.until(lambda: other.revision == 2, 30)
    assert page(browser, other)["x"][4] == 9.5 and (other.undoable, other.editable) == (2, False)
    assert other.last_edit is not None and other.last_edit["who"] == "Ada L."
    assert "editable=True" in refused(browser, other, "grid.edit", row=0, column="x", value="1")
    # the experiment's undo is the grid's, and the grid's a step of the experiment
    exp.undo()
    browser.until(lambda: grid.undoable == 1, 30)
    assert page(browser, grid)["word"][5] == exp.data.frame["word"][5] is not None
    ask(browser, grid, "grid.undo")
    assert exp.spec.data.edits == () and grid.undoable == 0 and "x" not in grid.to_code()
    exp.undo()
    browser.until(lambda: grid.undoable == 1, 30)
    assert page(browser, grid)["x"][4] == 9.5 and "frame.loc[4, 'x'] = 9.5" in grid.to_code()
    assert [(e.column, e.undoes) for e in grid.edits] == [
        ("x", None),
        ("word", None),
        ("word", 1),
        ("x", 0),
        ("x", None),
    ]
    assert "two values" in refused(browser, grid, "grid.edit", row=0, column="y", value="perhaps")
    assert "holds numbers" in refused(browser, grid, "grid.edit", row=0, column="x", value="many")
    # what was edited before is known to a grid that is opened later, and taken back there
    late = DataGrid(exp, editable=True)
    assert page(browser, late)["x"][4] == 9.5 and late.undoable == 1
    ask(browser, late, "grid.undo")
    assert exp.spec.data.edits == ()


def test_other_kinds_of_an_experiments_columns_are_shown(browser: Any, experiment: mw.Experiment) -> None:
    grid = DataGrid(experiment, editable=True)
    ask(browser, grid, "grid.edit", row=4, column="x", value="9.5")
    experiment.set_kinds({"n": "categorical"})
    browser.until(lambda: grid.revision == 2, 30)
    assert [(c["kind"], c["storage"]) for c in grid.columns if c["name"] == "n"] == [("categorical", "text")]
    rows = page(browser, grid)
    assert rows["x"][4] == 9.5 and rows["n"].tolist() == experiment.data.frame["n"].tolist() and grid.undoable == 1
    ask(browser, grid, "grid.edit", row=5, column="n", value="many")
    assert experiment.data.frame["n"][5] == "many"
    experiment.undo()
    experiment.undo()
    browser.until(lambda: next(c for c in grid.columns if c["name"] == "n")["storage"] == "number", 30)
    assert page(browser, grid)["n"].tolist() == experiment.data.frame["n"].tolist() and grid.undoable == 1


def test_a_workbench_edits_its_experiment_and_tells_of_the_edited_table(
    browser: Any, experiment: mw.Experiment
) -> None:
    bench = mw.Workbench(experiment)
    rows = bench._children["rows"]
    assert isinstance(rows, DataGrid) and rows.editable
    before = bench.data
    ask(browser, rows, "grid.edit", row=4, column="n", value="4000")
    browser.until(lambda: bench.data != before, 30)
    assert experiment.data.frame["n"][4] == 4000 and bench.history["undo"] is True


def test_halves_and_many_edits_at_once_reach_a_column_of_whole_numbers(browser: Any, experiment: mw.Experiment) -> None:
    grid = DataGrid(experiment, editable=True)
    base = experiment.data.frame["n"]
    edits = [{"row": k, "column": "n", "value": k + 0.5, "before": int(base[k])} for k in range(20)]
    experiment.set_edits(
        [*edits, {"row": 3, "column": "word", "value": "z", "before": experiment.data.frame["word"][3]}]
    )
    browser.until(lambda: grid.revision == 21, 30)
    rows = page(browser, grid, sort=[["n", False]]).set_index("__row__").sort_index()
    assert rows["n"][:20].tolist() == [k + 0.5 for k in range(20)] and rows["n"][20:].tolist() == base[20:].tolist()
    assert rows["word"][3] == "z"


@pytest.mark.parametrize("lazy", [False, True])
def test_rows_of_a_known_order_do_not_wait_for_the_question_that_is_being_answered(
    browser: Any, frame: pd.DataFrame, tmp_path: Path, lazy: bool
) -> None:
    frame.to_parquet(tmp_path / "a.parquet")
    grid = DataGrid(tmp_path / "a.parquet" if lazy else frame)
    in_order = page(browser, grid, sort=[["x", True]])["x"].tolist()
    held, let_go = threading.Event(), threading.Event()

    def long_question(_: Any) -> None:
        held.set()
        let_go.wait(30)

    holder = threading.Thread(target=grid._pager.ask, args=(long_question,))
    holder.start()
    try:
        assert held.wait(30)
        assert page(browser, grid)["x"].tolist() == frame["x"].tolist()
        assert page(browser, grid, sort=[["x", True]])["x"].tolist() == in_order
        waits = browser.post(grid, "grid.rows", {"start": 0, "count": 5, "state": 0, **PLAIN, "where": "n > 5"})
    finally:
        let_go.set()
        holder.join(30)
    assert browser.answer(grid, waits)[0]["body"]["total"] == int((frame["n"] > 5).sum())


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
    browser.until(lambda: grid._pager._running, 30)
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
