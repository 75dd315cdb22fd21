"""Ways to divide rows: whole groups, by time, as a column says, and folds; each the same in a program."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import medilytica_widgets as mw
from medilytica_widgets.data import Split, load_dataset, prepare, split
from medilytica_widgets.data.layout import read_view
from medilytica_widgets.data.plan import DEFAULT
from medilytica_widgets.data.source_code import load_lines, prepare_lines
from medilytica_widgets.errors import ColumnNotFoundError, DataError, SpecError
from medilytica_widgets.spec import load_spec

WAYS: dict[str, dict[str, Any]] = {
    "random": {"method": "random"},
    "stratified": {"method": "stratified"},
    "grouped by words": {"method": "grouped", "column": "patient"},
    "grouped by numbers": {"method": "grouped", "column": "room"},
    "time": {"method": "time", "column": "seen"},
    "time in numbers": {"method": "time", "column": "age"},
    "column": {"method": "column", "column": "part"},
    "column without validation": {"method": "column", "column": "half"},
    "kfold": {"method": "kfold", "folds": 4, "fold": 3},
    "kfold by group": {"method": "group_kfold", "column": "patient", "folds": 4, "fold": 2},
    "kfold by numbers": {"method": "group_kfold", "column": "room"},
}


def table(rows: int = 180) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame(
        {
            "age": rng.integers(20, 90, rows),
            "dose": rng.normal(10, 3, rows),
            "patient": [f"P{k}" for k in rng.integers(0, 40, rows)],
            "room": rng.integers(100, 130, rows).astype(float),
            "seen": pd.Timestamp("2020-03-01") + pd.to_timedelta(rng.integers(0, 500, rows), unit="h"),
            "part": rng.choice(["Train", "valid", "TEST"], rows, p=[0.6, 0.2, 0.2]),
            "half": rng.choice(["training", "test"], rows),
            "ill": rng.choice(["no", "yes"], rows),
        }
    )
    made.loc[::19, ["patient", "room", "part", "half"]] = None
    made.loc[::23, "seen"] = pd.NaT
    made.loc[::31, "ill"] = None
    return made


def parts_of(rows: Split) -> list[Any]:
    return [rows.train, rows.validation, rows.test]


@pytest.mark.parametrize("way", WAYS)
def test_a_way_is_the_same_in_a_program(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = table()
    frame.to_csv("table.csv", index=False)
    data = load_dataset("table.csv", "ill")
    rows = split(data, seed=7, **WAYS[way])
    every = np.concatenate(parts_of(rows))
    assert len(set(every)) == len(every) and min(map(len, parts_of(rows))) > 5
    assert frame["ill"].iloc[every].notna().all()
    ready = prepare(data, rows)
    lines = [*load_lines(data.spec, read_view(data, DEFAULT, rows)), *prepare_lines(data, rows)]
    names: dict[str, Any] = {}
    exec(compile("\n".join(lines), "script", "exec"), names)
    for part in ("train", "validation", "test"):
        assert np.array_equal(names[part], getattr(rows, part))
        assert np.array_equal(names[f"X_{part}"], getattr(ready, f"X_{part}"))
        assert np.array_equal(names[f"y_{part}"], getattr(ready, f"y_{part}"))


@pytest.mark.parametrize("way", ["grouped by words", "time", "column without validation", "kfold", "kfold by group"])
def test_an_experiment_keeps_its_way(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table().to_csv("table.csv", index=False)
    data = load_dataset("table.csv", "ill")
    exp = mw.Experiment(data, "logistic_regression", seed=7, split=WAYS[way])
    plain = exp.spec.to_json()
    assert plain["split"] == {"validation": 0.16, "test": 0.2, **WAYS[way]}
    assert mw.Experiment.from_spec(json.loads(json.dumps(plain)), data).spec == exp.spec
    wanted = split(data, seed=7, **WAYS[way])
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(exp.prepared().split, part), getattr(wanted, part))
    run = exp.train(wait=True, worker="thread")
    found = run.evaluate().metrics
    assert mw.Model.of_run(run).evaluate(data).metrics == found
    for style in ("script", "sklearn"):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(run.to_code(style), "script", "exec"), {"__name__": "script"})
        printed = {name: float(value) for name, value in map(str.split, out.getvalue().splitlines())}
        assert printed == pytest.approx(found, abs=1e-6), style
    # another way is another table of rows
    exp.spec = {**plain, "split": {"validation": 0.16, "test": 0.2}}
    assert not np.array_equal(exp.prepared().split.test, wanted.test)
    exp.undo()
    assert np.array_equal(exp.prepared().split.test, wanted.test)


def test_a_split_by_chance_is_written_as_it_always_was() -> None:
    data = load_dataset(table(), "ill")
    exp = mw.Experiment(data, "logistic_regression")
    assert exp.spec.to_json()["split"] == {"validation": 0.16, "test": 0.2}
    assert load_spec({"version": 2, "data": data.spec.model_dump(), "split": {"test": 0.3}}).split.method == "auto"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 40), st.floats(0.1, 0.4), st.floats(0.1, 0.4))
def test_no_group_is_in_two_parts(seed: int, groups: int, test: float, validation: float) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=120), "who": rng.integers(0, groups, 120), "y": ["u", "v"] * 60})
    frame["who"] = frame["who"].where(rng.random(120) > 0.1)
    rows = split(load_dataset(frame, "y"), seed=seed, test=test, validation=validation, method="grouped", column="who")
    there = [set(frame["who"].iloc[part].fillna(-1)) for part in parts_of(rows)]
    assert all(there) and not there[0] & there[1] and not there[0] & there[2] and not there[1] & there[2]
    assert sorted(np.concatenate(parts_of(rows))) == list(range(120))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 40), st.integers(2, 5), st.floats(0.1, 0.3))
def test_folds_of_groups_divide_no_group(seed: int, groups: int, folds: int, validation: float) -> None:
    rng = np.random.default_rng(seed)
    who = np.where(rng.random(120) > 0.1, rng.integers(0, groups, 120), -1)
    frame = pd.DataFrame({"x": rng.normal(size=120), "who": pd.Series(who).replace(-1, np.nan), "y": ["u", "v"] * 60})
    data = load_dataset(frame, "y")
    way = {"method": "group_kfold", "column": "who", "folds": folds}
    found = [split(data, seed=seed, validation=validation, fold=fold, **way) for fold in range(folds)]
    for rows in found:
        there = [set(who[part]) for part in parts_of(rows)]
        assert all(there) and not there[0] & there[1] and not there[0] & there[2] and not there[1] & there[2]
        assert sorted(np.concatenate(parts_of(rows))) == list(range(120))
    # each row, and so each group, is tested once
    assert sorted(np.concatenate([rows.test for rows in found])) == list(range(120))


def test_a_group_that_tells_the_target_cannot_leak_through_folds() -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 6)
    # all that is known of the target is who it is: each person has noise of their own, and one answer
    frame = pd.DataFrame({"face": rng.normal(size=40)[who] + rng.normal(0, 1e-4, 240), "who": who.astype(float)})
    frame["ill"] = np.where(rng.random(40)[who] > 0.5, "yes", "no")
    data = load_dataset(frame, "ill")

    def tested(method: str, **more: Any) -> float:
        scores = []
        for fold in range(4):
            exp = mw.Experiment(
                data, "knn", {"n_neighbors": 1}, split={"method": method, "folds": 4, "fold": fold, **more}
            )
            ready = exp.prepared()
            assert (method == "kfold") == any(name.startswith("who") for name in ready.feature_names)
            nearest = np.abs(ready.X_test[:, :1] - ready.X_train[:, 0]).argmin(axis=1)
            scores.append(float(np.mean(ready.y_train[nearest] == ready.y_test)))
        return float(np.mean(scores))

    assert tested("kfold") > 0.95
    assert tested("group_kfold", column="who") < 0.75


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 200))
def test_what_is_tested_on_comes_after_what_was_trained_on(seed: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    when = pd.Timestamp("2019-01-01") + pd.to_timedelta(rng.integers(0, days, 150), unit="D")
    assume(when.nunique() > 15)
    data = load_dataset(pd.DataFrame({"x": rng.normal(size=150), "when": when, "y": rng.normal(size=150)}), "y")
    rows = split(data, seed=seed, method="time", column="when")
    train, validation, test = (pd.Series(when).iloc[part] for part in parts_of(rows))
    # rows of one day stay together
    assert train.max() < validation.min() and validation.max() < test.min()
    assert len(train) + len(validation) + len(test) == 150


def test_folds_share_no_row_and_leave_none_out() -> None:
    data = load_dataset(table(), "ill")
    folds = [split(data, seed=3, method="kfold", folds=5, fold=fold) for fold in range(5)]
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == sorted(np.flatnonzero(table()["ill"].notna()))
    for fold in folds:
        assert fold.stratified and not set(fold.test) & (set(fold.train) | set(fold.validation))
        share = (table()["ill"].iloc[fold.test] == "yes").mean()
        assert share == pytest.approx((table()["ill"].dropna() == "yes").mean(), abs=0.03)


def test_a_column_that_says_which_row_is_for_what() -> None:
    frame = table()
    data = load_dataset(frame, "ill")
    rows = split(data, method="column", column="part")
    for part, word in (("train", "Train"), ("validation", "valid"), ("test", "TEST")):
        assert set(frame["part"].iloc[getattr(rows, part)]) == {word}
    assert "without a word in 'part' left out" in rows.notes[1]
    # it decides, and so is nothing to learn from
    assert not any(name.startswith("part") for name in prepare(data, rows).feature_names)
    drawn = split(data, method="column", column="half")
    assert set(frame["half"].iloc[np.concatenate([drawn.train, drawn.validation])]) == {"training"}
    assert "names no validation rows" in drawn.notes[-1]


def test_groups_are_no_feature_and_a_time_is() -> None:
    data = load_dataset(table(), "ill")
    assert "seen" in prepare(data, split(data, method="time", column="seen")).feature_names
    names = prepare(data, split(data, method="grouped", column="patient")).feature_names
    assert not any(name.startswith("patient") for name in names)


@pytest.mark.parametrize(
    ("way", "error", "words"),
    [
        ({"method": "groups"}, SpecError, "no split 'groups'.*'grouped'"),
        ({"method": "grouped"}, SpecError, "name of the column that tells the groups"),
        ({"method": "random", "column": "patient"}, SpecError, "looks at no column"),
        ({"method": "kfold", "folds": 1}, SpecError, "2 folds or more"),
        ({"method": "kfold", "folds": 3, "fold": 3}, SpecError, "no fold 3; they are counted from 0 to 2"),
        ({"method": "grouped", "column": "pateint"}, ColumnNotFoundError, "'patient'"),
        ({"method": "grouped", "column": "ill"}, SpecError, "which is the target"),
        ({"method": "time", "column": "patient"}, DataError, "no order in time"),
        ({"method": "time", "column": "sex"}, DataError, "too few different values"),
        ({"method": "grouped", "column": "sex"}, DataError, "2 groups among the rows"),
        ({"method": "column", "column": "patient"}, DataError, "is no part. Its words are train"),
        ({"method": "column", "column": "odd"}, DataError, "names no row for test"),
        ({"method": "kfold", "folds": 200}, DataError, "cannot be divided so"),
        ({"method": "group_kfold"}, SpecError, "name of the column that tells the groups"),
        ({"method": "group_kfold", "column": "pateint"}, ColumnNotFoundError, "'patient'"),
        ({"method": "group_kfold", "column": "sex", "folds": 3}, DataError, "2 groups among the rows.*3 folds"),
        ({"method": "group_kfold", "column": "patient", "folds": 2, "validation": 0.5}, DataError, "smaller share"),
        ({"method": "group_kfold", "column": "patient", "fold": 5}, SpecError, "no fold 5"),
    ],
)
def test_ways_that_cannot_be(way: dict[str, Any], error: type[Exception], words: str) -> None:
    frame = table().assign(sex=[0, 1] * 90, odd=["train", "val"] * 90)
    data = load_dataset(frame, "ill", roles={"odd": "feature"})
    with pytest.raises(error, match=words):
        split(data, **way)


def test_a_specification_with_a_way_that_cannot_be_is_refused_at_once() -> None:
    data = load_dataset(table(), "ill")
    with pytest.raises(SpecError, match=r"split.*name of the column"):
        mw.Experiment(data, "logistic_regression", split={"method": "time"})
    with pytest.raises(SpecError, match=r"'split\.colunm'.*'column'"):
        mw.Experiment(data, "logistic_regression", split={"method": "time", "colunm": "seen"})
    with pytest.raises(SpecError, match="no classes"):
        split(load_dataset(table(), "dose"), method="stratified")
    with pytest.raises(DataError, match="cannot be divided so"):
        split(load_dataset(table().assign(ill=["once", *["no", "yes"] * 89, "no"]), "ill"), method="stratified")
