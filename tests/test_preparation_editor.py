"""The split and the steps of an experiment, changed from Python: at once, all or nothing, undoable, said early."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.data import load_dataset
from medilytica_widgets.errors import (
    ColumnNotFoundError,
    DataError,
    InputError,
    ParameterError,
    ShapeError,
    SpecError,
    UnknownArgumentError,
)


def people(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame(
        {
            "age": rng.normal(60, 10, rows).round(1),
            "dose": rng.uniform(0.1, 30, rows).round(2),
            "ward": rng.choice(["north", "south", "west"], rows),
            "patient": [f"P{k}" for k in rng.integers(0, 40, rows)],
            "seen": pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 400, rows), unit="D"),
            "sex": rng.integers(0, 2, rows),
        }
    )
    made["ill"] = np.where(made["age"] + made["dose"] > 75, "yes", "no")
    return made


def experiment(algorithm: str = "logistic_regression", **more: Any) -> mw.Experiment:
    return mw.Experiment(load_dataset(people(), "ill"), algorithm, **more)


def test_another_way_to_divide_the_rows_is_one_step_of_undo() -> None:
    exp = experiment()
    told: list[str] = []
    exp.changed.connect(told.append)
    before = exp.prepared().split.test
    found = exp.set_split("grouped", column="patient", author="somebody")
    assert found == exp.split == exp.spec.split and (found.method, found.column) == ("grouped", "patient")
    rows = exp.prepared().split
    assert not set(people()["patient"].iloc[rows.test]) & set(people()["patient"].iloc[rows.train])
    assert told == ["meta"] and "patient" not in exp.prepared().preprocessor.inputs
    # what the new way has a use for stays, what it has none for goes
    assert exp.set_split("group_kfold", folds=4, fold=3, validation=0.2).column == "patient"
    assert exp.set_split("time", column="seen").arguments() == {
        "method": "time",
        "column": "seen",
        "validation": 0.2,
        "test": 0.2,
        "folds": 5,
        "fold": 0,
    }
    assert exp.set_split("random", test=0.1).model_dump() == {"validation": 0.2, "test": 0.1, "method": "random"}
    for _ in range(4):
        exp.undo()
    assert not exp.can_undo and np.array_equal(exp.prepared().split.test, before)
    exp.redo()
    assert exp.split.method == "grouped"


def test_the_same_split_again_changes_nothing() -> None:
    exp = experiment()
    exp.set_split("auto", validation=0.16)
    exp.set_split()
    assert not exp.can_undo


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"method": "group"}, SpecError, "'grouped'"),
        ({"method": "grouped"}, SpecError, "name of the column that tells the groups"),
        ({"method": "grouped", "column": "pateint"}, ColumnNotFoundError, "Did you mean 'patient'"),
        ({"method": "time", "column": "ill"}, SpecError, "which is the target"),
        ({"method": "grouped", "column": "sex"}, DataError, "2 groups"),
        ({"method": "group_kfold", "column": "ward", "folds": 7}, DataError, "3 groups"),
        ({"column": "patient"}, SpecError, "looks at no column"),
        ({"test": 0.6, "validation": 0.5}, SpecError, "leave no rows"),
        ({"test": 1.5}, SpecError, "test"),
        ({"method": "kfold", "folds": "many"}, SpecError, "folds"),
        ({"metod": "kfold"}, UnknownArgumentError, "'method'"),
    ],
)
def test_a_split_that_cannot_be_is_refused_and_the_old_one_stays(
    given: dict[str, Any], error: type[Exception], words: str
) -> None:
    exp = experiment()
    with pytest.raises(error, match=words):
        exp.set_split(**given)
    assert exp.split.method == "auto" and not exp.can_undo


@pytest.mark.parametrize("algorithm", ["logistic_regression", "mlp"])
def test_a_wrong_column_is_told_by_the_constructor(algorithm: str) -> None:
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'age'"):
        experiment(algorithm, preprocessing=[mw.Step("robust_scaler", columns=["agee"])])
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'patient'"):
        experiment(algorithm, split={"method": "group_kfold", "column": "patients"})
    # the column that tells the groups is nothing to learn from
    steps = [mw.Step("target_encoder", columns=["patient"])]
    with pytest.raises(SpecError, match=r"'patient'.*decides which rows are for what"):
        experiment(algorithm, preprocessing=steps, split={"method": "grouped", "column": "patient"})
    exp = experiment(algorithm, preprocessing=steps)
    with pytest.raises(SpecError, match=r"'patient'.*decides which rows are for what"):
        exp.set_split("grouped", column="patient")
    plain = exp.spec.to_json()
    plain["preprocessing"][0]["columns"] = ["pat"]
    with pytest.raises(ColumnNotFoundError, match="patient"):
        exp.spec = plain
    assert exp.split.method == "auto" and not exp.can_undo


def test_steps_are_put_in_moved_changed_and_taken_out() -> None:
    exp = experiment()
    exp.add_step("pca")
    exp.add_step(mw.Step("robust_scaler", columns=["age"]), 0)
    exp.move_step(0, 1)
    exp.update_step(0, n_components=3)
    exp.update_step(1, columns=["age", "dose"])
    assert exp.preprocessing == [mw.Step("pca", n_components=3), mw.Step("robust_scaler", columns=["age", "dose"])]
    exp.update_step(1, kind="numeric")
    assert exp.preprocessing[1] == mw.Step("robust_scaler", kind="numeric")
    exp.remove_step(0)
    assert exp.prepared().preprocessor.widths[-1] == len(exp.prepared().feature_names)
    # a copy is handed out
    exp.preprocessing[0].options["scaling"] = 3
    exp.preprocessing.clear()
    assert exp.preprocessing == [mw.Step("robust_scaler", kind="numeric")]
    for _ in range(7):
        exp.undo()
    assert exp.preprocessing == [] and not exp.can_undo


def test_many_values_of_one_option_are_one_step_of_undo() -> None:
    exp = experiment(preprocessing=["pca"])
    for count in (3, 4, 5):
        exp.update_step(0, n_components=count)
    exp.undo()
    assert exp.preprocessing == [mw.Step("pca")]


def test_steps_that_cannot_be_are_refused_and_the_old_ones_stay() -> None:
    exp = experiment(preprocessing=["pca"])
    with pytest.raises(ParameterError, match="n_components"):
        exp.update_step(0, n_components=0)
    with pytest.raises(ColumnNotFoundError, match="'dose'"):
        exp.update_step(0, columns="doses")
    with pytest.raises(SpecError, match="not for both"):
        exp.update_step(0, columns=["age"], kind="numeric")
    with pytest.raises(SpecError, match="no step 1; they are counted from 0 to 0"):
        exp.move_step(0, 1)
    with pytest.raises(SpecError, match="at 0 to 1, not at 2"):
        exp.add_step("robust_scaler", 2)
    with pytest.raises(InputError, match="whole number"):
        exp.remove_step("pca")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="both fill the gaps"):
        exp.set_preprocessing(["mean_imputer", "knn_imputer"])
    assert exp.preprocessing == [mw.Step("pca")] and not exp.can_undo


def test_a_network_that_does_not_suit_the_columns_is_refused_unless_it_is_a_draft() -> None:
    layers = [mw.Layer("reshape", channels=1, height=3, width=2), mw.Layer("flatten"), mw.Layer("linear", units=4)]
    frame = people()[["age", "dose", "ward", "sex", "ill"]].astype({"sex": float})
    frame["sex"] = np.arange(len(frame)) * 0.37
    exp = mw.Experiment(load_dataset(frame, "ill"), "mlp", layers=layers)
    before = exp.prepared()
    assert before.X_train.shape[1] == 6
    with pytest.raises(ShapeError):
        exp.add_step(mw.Step("pca", n_components=5))
    assert exp.preprocessing == [] and exp.prepared() is before
    exp.add_step(mw.Step("pca", n_components=5), strict=False)
    assert exp.analysis().error is not None
    # one that suits it is fitted once: what was looked at is what the run gets
    exp.update_step(0, n_components=6)
    assert exp.analysis().error is None
