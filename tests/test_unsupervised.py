"""Experiments of clusterings, anomaly detectors and transformations, with and without a target in the table."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.engine import Job, Trainer
from medilytica_widgets.errors import ColumnNotFoundError, DataError, ParameterError, StateError, TargetError
from medilytica_widgets.metrics import METRICS, names

UNSUPERVISED = [entry.id for entry in mw.algorithms.list_() if entry.tasks & {"clustering", "anomaly", "transform"}]
METRIC = {"clustering": "silhouette", "anomaly": "part_flagged", "transform": "explained_variance"}


@pytest.fixture(scope="module")
def iris() -> mw.Dataset:
    return mw.load_dataset("iris")


@pytest.fixture(scope="module")
def wards() -> pd.DataFrame:
    """Numbers, words, gaps, a number of two values and no target."""
    rng = np.random.default_rng(0)
    n = 150
    frame = pd.DataFrame(
        {
            "age": rng.normal(60, 10, n).round(1),
            "dose": 10 ** rng.uniform(-1, 3, n),
            "ward": rng.choice(["north", "south", "west"], n, p=[0.2, 0.5, 0.3]),
            "smoker": rng.integers(0, 2, n),
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[::11, "ward"] = None
    return frame


def trained(data: mw.Dataset, algorithm: str, **more: Any) -> mw.Run:
    return mw.Experiment(data, algorithm=algorithm, **more).train(wait=True, worker="thread")


def printed(code: str) -> dict[str, float]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "script", "exec"), {"__name__": "script"})
    return {name: float(value) for name, value in (line.split() for line in out.getvalue().splitlines())}


def check_whole_life(data: mw.Dataset, algorithm: str, path: Path) -> None:
    """Train, evaluate, predict, save, load and print one algorithm; everything says the same."""
    run = trained(data, algorithm)
    task = run.task
    assert run.status == "finished" and run.experiment.task == task in mw.algorithms.get(algorithm).tasks
    assert {f"train_{METRIC[task]}", f"val_{METRIC[task]}", "train_loss"} <= set(run.history.columns)
    assert len(run.history) >= 1
    found = run.evaluate()
    assert set(found.metrics) <= set(names(task)) and found.metrics
    assert all(np.isfinite(value) and name in METRICS for name, value in found.metrics.items())
    model = mw.load_model(run.save(path))
    assert model.task == task
    assert model.evaluate(data).metrics == found.metrics
    rows = data.frame.head(5)
    if algorithm == "tsne":
        with pytest.raises(StateError, match="PCA"):
            run.predict(rows)
    else:
        answer = run.predict(rows)
        assert len(answer) == 5 and answer.index.equals(rows.index)
        pd.testing.assert_frame_equal(model.predict(rows), answer)
        assert run.predict(rows.iloc[:0]).shape == (0, answer.shape[1])
    script = printed(run.to_code())
    assert set(script) == set(found.metrics)
    assert script == pytest.approx(found.metrics, abs=1e-9)


@pytest.mark.parametrize("algorithm", UNSUPERVISED)
def test_the_whole_life_of_an_algorithm(algorithm: str, iris: mw.Dataset, tmp_path: Path) -> None:
    check_whole_life(iris, algorithm, tmp_path / "model.mw")


@pytest.mark.parametrize(
    "algorithm", ["kmeans", "agglomerative", "isolation_forest", "pca", "tsne", "frequency_encoder"]
)
def test_a_table_without_a_target(
    algorithm: str, wards: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wards.to_csv("table.csv", index=False)
    data = mw.load_dataset(wards)
    assert data.target is None
    check_whole_life(data, algorithm, tmp_path / "model.mw")


def test_a_supervised_algorithm_asks_for_the_target(wards: pd.DataFrame) -> None:
    data = mw.load_dataset(wards)
    for algorithm in ("mlp", "random_forest"):
        with pytest.raises(TargetError, match="has no target"):
            mw.Experiment(data, algorithm=algorithm)
    exp = mw.Experiment(data, algorithm="kmeans")
    with pytest.raises(TargetError, match="has no target"):
        exp.select_algorithm("logistic_regression")
    with pytest.raises(TargetError, match="looks at the target"):
        exp.select_algorithm("select_k_best")
    assert exp.spec.algorithm == "kmeans" and exp.spec.heads == []
    assert mw.Experiment.from_spec(exp.spec.to_json(), data).spec == exp.spec


def test_the_target_is_left_aside_and_compared_with_only(iris: mw.Dataset) -> None:
    with_target = trained(iris, "kmeans")
    bare = mw.load_dataset(iris.frame.drop(columns=[str(iris.target)]))
    assert set(with_target.evaluate().metrics) - set(trained(bare, "kmeans").evaluate().metrics) == {
        "adjusted_rand",
        "normalized_mutual_information",
    }


@pytest.mark.parametrize("algorithm", ["kmeans", "isolation_forest", "pca"])
def test_no_fit_looks_at_the_target(algorithm: str, iris: mw.Dataset) -> None:
    prepared = mw.Experiment(iris, algorithm=algorithm).prepared()
    other = dataclasses.replace(prepared, y_train=np.random.default_rng(0).permutation(prepared.y_train))
    answers = []
    for rows in (prepared, other):
        trainer = Trainer(Job(mw.algorithms.get(algorithm), {}, rows))
        trainer.start()
        trainer.wait(60)
        answers.append(trainer.predictor().predict(rows.X_test))
        trainer.close()
    assert np.array_equal(*answers)


def test_an_algorithm_can_be_changed_and_the_task_with_it(iris: mw.Dataset) -> None:
    exp = mw.Experiment(iris, algorithm="logistic_regression")
    assert exp.task == "classification"
    exp.select_algorithm("kmeans")
    assert exp.task == "clustering" and exp.target_task == "classification"
    exp.set("n_clusters", 4)
    exp.select_algorithm("mlp")
    assert exp.task == "classification" and exp.layers
    exp.undo()
    assert exp.task == "clustering" and exp.hyperparameters["n_clusters"] == 4


def test_the_rarer_class_is_the_unusual_one() -> None:
    rng = np.random.default_rng(0)
    sick = rng.random(300) < 0.1
    frame = pd.DataFrame(rng.normal(0, 1, (300, 3)) + 6 * sick[:, None], columns=list("abc"))
    # the rarer class comes first by the alphabet
    frame["state"] = np.where(sick, "ailing", "well")
    found = trained(mw.load_dataset(frame, "state"), "isolation_forest").evaluate()
    assert found.metrics["roc_auc"] > 0.95 and found.metrics["average_precision"] > 0.8
    assert "'ailing'" in found.remark and "larger score means more unusual" in found.remark


def test_what_anomaly_detectors_answer(iris: mw.Dataset) -> None:
    run = trained(iris, "isolation_forest", hyperparameters={"contamination": 0.1})
    answer = run.predict(iris.frame)
    assert list(answer.columns) == ["anomaly", "score"] and answer["anomaly"].dtype == bool
    assert answer.loc[answer["anomaly"], "score"].min() >= answer.loc[~answer["anomaly"], "score"].max()


def test_what_clusterings_answer(iris: mw.Dataset) -> None:
    answer = trained(iris, "gaussian_mixture").predict(iris.frame)
    assert list(answer.columns) == ["cluster", "probability_0", "probability_1", "probability_2"]
    assert answer["cluster"].dtype == np.int64
    shares = answer.iloc[:, 1:].to_numpy()
    assert np.array_equal(shares.argmax(axis=1), answer["cluster"]) and np.allclose(shares.sum(axis=1), 1)
    assert list(trained(iris, "kmeans").predict(iris.frame).columns) == ["cluster"]
    for algorithm, word in (("dbscan", "core row"), ("agglomerative", "nearest training row")):
        assert word in trained(iris, algorithm).evaluate().remark


def test_what_transformations_answer(iris: mw.Dataset) -> None:
    assert list(trained(iris, "pca").predict(iris.frame).columns) == ["component_1", "component_2"]
    names_after = list(trained(iris, "select_from_model").predict(iris.frame).columns)
    assert set(names_after) < {column.name for column in iris.features}
    with pytest.raises(ColumnNotFoundError):
        trained(iris, "pca").predict(iris.frame.iloc[:, 1:])


def test_a_training_process_does_the_same(iris: mw.Dataset) -> None:
    here = trained(iris, "dbscan")
    there = mw.Experiment(iris, algorithm="dbscan").train(wait=True, worker="process")
    assert there.evaluate().metrics == here.evaluate().metrics


@pytest.mark.parametrize(
    ("algorithm", "values"),
    [("kmeans", {"n_clusters": 100}), ("pca", {"n_components": 5}), ("local_outlier_factor", {"n_neighbors": 5000})],
)
def test_more_than_the_table_has(algorithm: str, values: dict[str, int], iris: mw.Dataset) -> None:
    exp = mw.Experiment(iris, algorithm=algorithm, hyperparameters=values)
    with pytest.raises(ParameterError, match=r"take at most \d+\."):
        exp.train(wait=True, worker="thread")
    assert exp.runs == []


def test_a_fit_that_cannot_be_is_told_in_a_sentence(iris: mw.Dataset) -> None:
    exp = mw.Experiment(iris, algorithm="variance_threshold", hyperparameters={"threshold": 50.0})
    with pytest.raises(DataError, match="Variance threshold cannot be fitted on these rows: No feature"):
        exp.train(wait=True, worker="thread")


def test_columns_that_never_change_and_columns_without_values() -> None:
    b = np.random.default_rng(0).normal(size=60)
    frame = pd.DataFrame({"a": [1.0] * 60, "b": b, "c": [None] * 60, "d": np.arange(60.0) % 7})
    for algorithm in ("kmeans", "pca", "robust_scaler", "discretizer"):
        run = trained(mw.load_dataset(frame), algorithm)
        assert run.prepared.feature_names == ["b", "d"] and run.evaluate().metrics
    with pytest.raises(DataError, match="No column is left"):
        trained(mw.load_dataset(frame[["a", "c"]]), "kmeans")


def test_the_widgets_show_something(iris: mw.Dataset, wards: pd.DataFrame) -> None:
    for data in (iris, mw.load_dataset(wards)):
        for algorithm in ("kmeans", "isolation_forest", "pca", "tsne"):
            exp = mw.Experiment(data, algorithm=algorithm)
            exp.train(wait=True, worker="thread")
            sentence = exp.run.evaluate().sentence if exp.run else ""
            assert sentence.split(".")[0] in mw.PerformanceDashboard(exp).static_html()
            assert "leaves a target aside" in mw.DecisionBoundary(exp).static_html()
            assert "Curves" in mw.MetricPlots(exp).static_html()
            for widget in (mw.AlgorithmBrowser, mw.HyperparameterPanel, mw.RunControls, mw.TrainingLog):
                assert exp.algorithm.name in widget(exp).static_html() or widget in (mw.RunControls, mw.TrainingLog)
