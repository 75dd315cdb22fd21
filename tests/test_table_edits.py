"""Cells changed by hand are a part of what an experiment learns: kept in its spec, undone, replayed, refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import medilytica_widgets as mw
from medilytica_widgets.acting import Person, acting, local_person
from medilytica_widgets.data import CellEdit, Dataset, DataSpec
from medilytica_widgets.errors import ColumnNotFoundError, DataError, InputError, SpecError
from medilytica_widgets.tables import keep_table, load_table

ROWS = 120


def made() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    number = rng.normal(size=ROWS).round(3)
    return pd.DataFrame(
        {
            "number": [None if k % 11 == 0 else v for k, v in enumerate(number)],
            "whole": rng.integers(0, 90, ROWS),
            "word": rng.choice(["red", "green", "blue"], ROWS),
            "day": pd.date_range("2021-03-01", periods=ROWS, freq="37h").strftime("%Y-%m-%d %H:%M"),
            "y": np.where(number + rng.normal(size=ROWS) / 2 > 0, "yes", "no"),
        }
    )


def experiment(data: Dataset | None = None, **options: Any) -> mw.Experiment:
    table = data if data is not None else mw.load_dataset(made(), "y")
    return mw.Experiment(table, "logistic_regression", **options)


cells = st.one_of(
    st.tuples(st.just("number"), st.one_of(st.none(), st.floats(-9, 9, allow_nan=False))),
    st.tuples(st.just("whole"), st.one_of(st.none(), st.integers(-5, 99))),
    st.tuples(st.just("word"), st.sampled_from([None, "red", " pink ", "NA"])),
    st.tuples(st.just("day"), st.sampled_from([None, "2020-02-29", "2022-01-01T10:30:00+02:00"])),
)
steps = st.one_of(
    st.tuples(st.just("edit"), st.integers(0, ROWS - 1), cells),
    st.tuples(st.just("undo"), st.none(), st.none()),
    st.tuples(st.just("redo"), st.none(), st.none()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=1, max_size=10))
def test_any_sequence_of_edits_undos_and_redos_is_what_pandas_says(todo: list[Any]) -> None:
    exp = experiment()
    past: list[pd.DataFrame] = []
    future: list[pd.DataFrame] = []
    want = exp.data.frame.astype({"whole": object})
    for what, row, cell in todo:
        if what == "undo":
            exp.undo()
            if past:
                future.append(want)
                want = past.pop()
        elif what == "redo":
            exp.redo()
            if future:
                past.append(want)
                want = future.pop()
        else:
            column, value = cell
            exp.edit_cell(row, column, value)
            after = want.copy()
            if isinstance(value, str):
                value = {" pink ": "pink", "NA": None}.get(value, value)
            if column == "day" and value is not None:
                value = pd.Timestamp(value)
                value = value if value.tz is None else value.tz_convert("UTC").tz_localize(None)
            after.loc[row, column] = value
            if not same(after, want):
                past.append(want)
                future.clear()
                want = after
    assert same(exp.data.frame, want)
    again = Dataset.with_edits(
        mw.load_dataset(made(), "y"), json.loads(json.dumps(exp.spec.to_json()))["data"].get("edits", [])
    )
    pd.testing.assert_frame_equal(again.frame, exp.data.frame)
    assert again.spec == exp.spec.data and again.columns == exp.data.columns
    assert ("edits" in exp.spec.to_json()["data"]) == (not same(want, made_clean()))


def made_clean() -> pd.DataFrame:
    return mw.load_dataset(made(), "y").frame


def same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    return all(
        [None if pd.isna(v) else v for v in a[name]] == [None if pd.isna(v) else v for v in b[name]]
        for name in b.columns
    )


def test_the_next_run_learns_from_the_edits_and_the_earlier_one_keeps_its_table() -> None:
    exp = experiment()
    first = exp.train().wait()
    before, told = exp.prepared(), exp.spec.data.content
    row = int(before.split.train[0])
    exp.edit_cell(row, "whole", 4_000_000, author="Ada")
    second = exp.train().wait()
    assert not np.array_equal(exp.prepared().X_train, before.X_train) and exp.spec.data.content != told
    assert exp.spec.data.fingerprint == first.data.spec.fingerprint
    assert (first.data.frame["whole"][row], second.data.frame["whole"][row]) == (made()["whole"][row], 4_000_000)
    assert first.to_code() != second.to_code() and "Ada" in second.to_code()
    assert {
        "when": "rows",
        "who": "Ada",
        "what": f"whole in row {row}: {made()['whole'][row]} → 4000000",
    } in exp.activity
    exp.undo()
    assert exp.spec.data.content == told and np.array_equal(exp.prepared().X_train, before.X_train)


@pytest.mark.parametrize("style", ["script", "sklearn"])
@pytest.mark.parametrize("kept", ["file", "memory"])
def test_the_printed_script_prepares_the_same_table(tmp_path: Path, kept: str, style: Any) -> None:
    made().to_csv(tmp_path / "table.csv", index=False)
    data = mw.load_dataset(tmp_path / "table.csv" if kept == "file" else made(), "y")
    exp = experiment(data)
    plain = exp.train().wait().evaluate().metrics
    rows = exp.prepared().split.train[:20]
    for k, row in enumerate(rows):
        name = ("number", "whole", "word", "day", "y")[k % 5]
        value = (55.5, None if k == 1 else 7, 'hostile "\n#', "1999-12-31 23:59", "no")[k % 5]
        exp.edit_cell(int(row), name, value, author="A\nB\u2028C")
    run = exp.train().wait()
    metrics = run.evaluate().metrics
    (tmp_path / "script.py").write_text(run.to_code(style), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "script.py"], capture_output=True, text=True, timeout=240, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    said = {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}
    assert said == pytest.approx({name: metrics[name] for name in said}, abs=1e-9) and metrics != plain
    if kept == "file":
        again = mw.Experiment.from_spec(json.loads(json.dumps(exp.spec.to_json())))
        pd.testing.assert_frame_equal(again.data.frame, exp.data.frame)
        assert again.to_code() == exp.to_code()


def test_edits_of_a_table_that_has_changed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    made().to_csv(path, index=False)
    exp = experiment(mw.load_dataset(path, "y"))
    exp.edit_cell(3, "whole", 1000)
    exp.edit_cell(ROWS - 1, "word", "pink")
    plain = exp.spec.to_json()
    made().drop(index=0).to_csv(path, index=False)
    with pytest.raises(
        DataError, match=r"(?s)Row 3 of 'whole' holds .* and it was edited where it held .*pop\('edits'\)"
    ):
        mw.Experiment.from_spec(plain)
    now = made()
    now.loc[0, "number"] = 5.5
    now.iloc[:-1].to_csv(path, index=False)
    with pytest.raises(DataError, match=f"Row {ROWS - 1} of 'word' was edited, and the table has rows 0 to {ROWS - 2}"):
        mw.Experiment.from_spec(plain)
    now.rename(columns={"word": "words"}).to_csv(path, index=False)
    with pytest.raises(ColumnNotFoundError, match=r"'word' was edited.*Did you mean 'words'"):
        mw.Experiment.from_spec(plain)
    # other cells may have changed: the edits still say what they said
    now.to_csv(path, index=False)
    assert mw.Experiment.from_spec(plain).data.frame["whole"][3] == 1000
    plain["data"].pop("edits")
    assert mw.Experiment.from_spec(plain).data.frame["whole"][3] == made()["whole"][3]


@pytest.mark.parametrize(
    ("row", "column", "value", "said"),
    [
        (0, "gone", 1, "no column 'gone' to edit"),
        (ROWS, "whole", 1, "no row 120"),
        (-1, "whole", 1, "no row -1"),
        (0, "whole", "many", "'whole' holds numbers; 'many' is none"),
        (0, "whole", True, "'whole' holds numbers; True is none"),
        (0, "number", 1e200, "holds numbers up to 1e"),
        (0, "day", "soon", "'day' holds dates; 'soon' is none"),
        (0, "word", ["a"], "holds text"),
        (0, "word", "x" * 10_001, "does not take this value"),
    ],
)
def test_what_a_column_does_not_take_changes_nothing(row: int, column: str, value: Any, said: str) -> None:
    exp = experiment()
    before = exp.spec
    with pytest.raises(InputError, match=said):
        exp.edit_cell(row, column, value)
    assert exp.spec == before and not exp.can_undo


def test_an_edit_after_which_nothing_could_be_learned_is_refused() -> None:
    frame = made()
    frame["only"] = ["a"] + ["b"] * (ROWS - 1)
    frame["y"] = np.arange(ROWS) % 20
    exp = mw.Experiment(mw.load_dataset(frame, "y"), "logistic_regression")
    before = exp.spec
    with pytest.raises(SpecError, match="many values"):
        # the twenty-first value makes a measurement of the target
        exp.edit_cell(0, "y", 0.5)
    assert exp.spec == before and exp.data.task == "classification"
    # a feature of one value only is set aside, which the experiment can live with
    exp.edit_cell(0, "only", "b")
    assert "only" in exp.data.set_aside and "only" not in exp.prepared().feature_names
    exp.undo()
    assert exp.data.set_aside == {}


def test_edits_are_plain_data_that_a_document_can_carry() -> None:
    exp = experiment()
    with acting(Person("ada", "Ada L.")):
        exp.edit_cell(2, "whole", 5)
    exp.edit_cell(1, "word", "pink")
    assert [edit.who for edit in exp.spec.data.edits] == [local_person().name, "Ada L."]
    kept = {edit.key: json.loads(edit.model_dump_json()) for edit in exp.spec.data.edits}
    assert list(kept) == ["1:word", "2:whole"] and kept["2:whole"]["when"].endswith("+00:00")
    # a document that knows floats only, and no order
    kept["2:whole"] |= {"row": 2.0, "value": 5.0, "before": float(kept["2:whole"]["before"])}
    plain = exp.spec.to_json()
    plain["data"]["edits"] = dict(reversed(list(kept.items())))
    other = experiment()
    other.spec = plain
    assert other.data.frame["whole"].dtype == np.int64
    pd.testing.assert_frame_equal(other.data.frame, exp.data.frame)
    other.undo()
    assert other.data.spec.edits == () and other.spec == experiment().spec
    other.set_edits(kept.values(), author="Bo")
    assert other.data.frame["word"][1] == "pink"
    with pytest.raises(SpecError, match="a cell has two edits"):
        other.set_edits([kept["1:word"], kept["1:word"]])
    with pytest.raises(DataError, match="it was edited where it held"):
        other.set_edits([{**kept["1:word"], "before": "mauve"}])
    assert other.data.frame["word"][1] == "pink"
    # what it held is no edit
    other.edit_cell(1, "word", made()["word"][1])
    assert [edit.key for edit in other.spec.data.edits] == ["2:whole"]
    assert DataSpec(source="iris", edits=(CellEdit(row=0, column="a"),)).model_dump(mode="json")["edits"][0]["row"] == 0


def test_a_table_in_memory_is_kept_as_it_was_loaded() -> None:
    exp = experiment()
    exp.edit_cell(4, "whole", 777)
    assert keep_table(exp.data) == ""
    again = load_table(exp.spec.data)
    pd.testing.assert_frame_equal(again.frame, exp.data.frame)
    assert again.spec.fingerprint == exp.spec.data.fingerprint and again.with_edits([]).frame["whole"][4] != 777


def test_other_kinds_keep_the_edits() -> None:
    exp = experiment()
    exp.edit_cell(4, "whole", 777)
    exp.edit_cell(5, "word", "pink")
    data = exp.data.with_kinds({"word": "identifier"})
    assert (
        data.column("word").kind == "identifier" and data.frame["word"][5] == "pink" and data.frame["whole"][4] == 777
    )
    with pytest.raises(DataError, match="Take these edits back before its kind is changed"):
        exp.data.with_kinds({"whole": "categorical"})


def test_an_edit_while_a_run_trains_waits_for_the_next_one() -> None:
    exp = mw.Experiment(mw.load_dataset(made(), "y"), "mlp", {"epochs": 1_000_000})
    run = exp.train()
    try:
        exp.edit_cell(4, "whole", 777)
        assert exp.pending() == {"data": True}
        exp.undo()
        assert exp.pending() == {}
    finally:
        run.stop()
        run.wait(60)
