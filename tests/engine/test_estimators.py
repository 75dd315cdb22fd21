"""scikit-learn's estimators behind the same interface."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import GaussianNB

from medilytica_widgets import algorithms
from medilytica_widgets.algorithms import Algorithm
from medilytica_widgets.data import Prepared
from medilytica_widgets.engine import Job, Trainer
from medilytica_widgets.engine.keeper import Keeping
from medilytica_widgets.engine.run_folder import read_latest
from medilytica_widgets.errors import ParameterError, TrainingError
from medilytica_widgets.metrics import compute
from medilytica_widgets.parameters import ParameterTable

Make = Callable[..., Trainer]
Until = Callable[..., None]
QUICK: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 12},
    "gradient_boosting": {"n_estimators": 12, "subsample": 0.7},
    "logistic_regression": {},
}


def single(builder: Callable[..., Any], **more: Any) -> Algorithm:
    """Return an entry for an estimator that is fitted at once."""
    return Algorithm(
        id="plain", name="Plain", category=("Test",), tasks=frozenset({"classification"}), summary="", when="",
        when_not="", references=(), parameters=ParameterTable(()), engine="estimator", coder=lambda request: [],
        builder=lambda values, task, n_features, n_classes, seed: builder(), **more,
    )  # fmt: skip


@pytest.mark.parametrize("algorithm", QUICK)
@pytest.mark.parametrize("weight", ["none", "balanced"])
def test_in_stages_it_becomes_what_one_fit_makes(make: Make, iris: Prepared, algorithm: str, weight: str) -> None:
    trainer = make(iris, algorithm, class_weight=weight, **QUICK[algorithm])
    trainer.start()
    trainer.wait(60)
    entry = algorithms.get(algorithm)
    whole = entry.build(trainer.job.values, "classification", 4, 3, 0)
    whole.fit(iris.X_train, iris.y_train, **entry.fit_arguments(trainer.job.values, iris.y_train))
    answer = trainer.predictor().predict_proba(iris.X_test)
    np.testing.assert_allclose(answer, whole.predict_proba(iris.X_test), atol=1e-6)
    assert trainer.path == "staged"


@pytest.mark.parametrize("algorithm", ["random_forest", "gradient_boosting"])
def test_a_history_row_for_each_stage_says_what_the_model_did(make: Make, iris: Prepared, algorithm: str) -> None:
    trainer = make(iris, algorithm, n_estimators=20)
    trainer.start()
    trainer.wait(60)
    frame = trainer.telemetry.frame()
    assert frame["epoch"].tolist() == trainer.job.algorithm.stage_sizes(trainer.job.values)
    predictor = trainer.predictor()
    for short, X, y in (("train", iris.X_train, iris.y_train), ("val", iris.X_validation, iris.y_validation)):
        found = compute("classification", y, predictor.predict(X), predictor.predict_proba(X), 3)
        assert frame[f"{short}_loss"].iloc[-1] == pytest.approx(found["log_loss"], abs=1e-9)
        assert frame[f"{short}_accuracy"].iloc[-1] == found["accuracy"]
    assert trainer.progress()["epochs"] == 20


@pytest.mark.parametrize("algorithm", ["random_forest", "gradient_boosting"])
def test_regression_reports_scaled_loss_and_error_in_units(make: Make, diabetes: Prepared, algorithm: str) -> None:
    trainer = make(diabetes, algorithm, n_estimators=10)
    trainer.start()
    trainer.wait(60)
    row = trainer.telemetry.frame().iloc[-1]
    error = trainer.predictor().predict(diabetes.X_validation) - diabetes.y_validation
    assert row["val_mean_absolute_error"] == pytest.approx(np.abs(error).mean(), rel=1e-6)
    assert row["val_loss"] == pytest.approx((error**2).mean() / np.var(diabetes.y_train, dtype=np.float64), rel=1e-6)


@pytest.mark.parametrize("algorithm", QUICK)
def test_it_pauses_and_stops_between_stages(make: Make, iris: Prepared, until: Until, algorithm: str) -> None:
    trainer = make(iris, algorithm)
    trainer.step("epoch")
    until(lambda: trainer.status == "paused")
    assert len(trainer.telemetry) == 1
    first = trainer.predictor()
    answer = first.predict_proba(iris.X_test)
    trainer.step("epoch")
    until(lambda: trainer.status == "paused" and len(trainer.telemetry) == 2)
    np.testing.assert_array_equal(first.predict_proba(iris.X_test), answer)
    assert not np.array_equal(trainer.predictor().predict_proba(iris.X_test), answer)
    trainer.stop()
    trainer.wait(60)
    assert (trainer.status, len(trainer.telemetry), trainer.predictor().epoch) == ("stopped", 2, 2.0)


def test_iterations_that_run_out_are_said_without_a_warning(make: Make, iris: Prepared) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer = make(iris, "logistic_regression", max_iter=4)
        trainer.start()
        trainer.wait(60)
    assert len(trainer.telemetry) == 4
    assert any("max_iter" in note for note in trainer.notes)
    whole = algorithms.get("logistic_regression").build({"max_iter": 4}, "classification", 4, 3, 0)
    with pytest.warns(UserWarning, match="converge"):
        whole.fit(iris.X_train, iris.y_train)
    np.testing.assert_allclose(
        trainer.predictor().predict_proba(iris.X_test), whole.predict_proba(iris.X_test), atol=1e-6
    )


def test_one_fit_makes_one_row(make: Make, iris: Prepared) -> None:
    trainer = make(iris, single(GaussianNB))
    trainer.start()
    trainer.wait(60)
    assert (trainer.path, trainer.telemetry.frame()["epoch"].tolist()) == ("single", [1])
    expected = GaussianNB().fit(iris.X_train, iris.y_train).predict_proba(iris.X_test)
    np.testing.assert_allclose(trainer.predictor().predict_proba(iris.X_test), expected, atol=1e-6)


def test_a_stop_during_one_fit_is_honoured_right_after_it(make: Make, iris: Prepared, until: Until) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(GaussianNB):  # type: ignore[misc]
        def fit(self, X: Any, y: Any) -> Slow:
            entered.set()
            leave.wait(30)
            return super().fit(X, y)  # type: ignore[no-any-return]

    trainer = make(iris, single(Slow))
    trainer.start()
    assert entered.wait(30)
    trainer.stop()
    assert trainer.status == "running"
    leave.set()
    trainer.wait(30)
    assert trainer.status == "stopped"
    assert trainer.predictor().predict(iris.X_test).shape == iris.y_test.shape


def test_an_estimators_error_is_told_in_our_words(make: Make, iris: Prepared) -> None:
    class Broken(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, X: Any, y: Any) -> None:
            raise ValueError("the matrix is singular\nand more")

    trainer = make(iris, single(Broken))
    trainer.start()
    with pytest.raises(TrainingError, match=r"Plain stopped at epoch 1: the matrix is singular\.$") as caught:
        trainer.wait(60)
    assert isinstance(caught.value.__cause__, ValueError)
    assert trainer.status == "failed"


@pytest.mark.parametrize("algorithm", QUICK)
def test_a_class_without_training_rows_has_probability_zero(make: Make, iris: Prepared, algorithm: str) -> None:
    kept = iris.y_train != 1
    trainer = make(replace(iris, X_train=iris.X_train[kept], y_train=iris.y_train[kept]), algorithm, **QUICK[algorithm])
    trainer.start()
    trainer.wait(60)
    answer = trainer.predictor().predict_proba(iris.X_test)
    assert answer.shape == (len(iris.X_test), 3)
    assert (answer[:, 1] == 0).all()
    assert set(trainer.predictor().predict(iris.X_test)) <= {0, 2}


def test_nothing_can_change_in_the_middle_of_a_fit(make: Make, iris: Prepared) -> None:
    trainer = make(iris, "gradient_boosting")
    with pytest.raises(ParameterError, match="next run"):
        trainer.set("learning_rate", 0.2)


@pytest.mark.parametrize("algorithm", ["logistic_regression", single(GaussianNB)], ids=["watched", "at once"])
def test_a_whole_fit_is_not_done_again_when_resumed(iris: Prepared, tmp_path: Path, algorithm: Any) -> None:
    found = algorithms.get(algorithm) if isinstance(algorithm, str) else algorithm
    whole = Trainer(Job(found, {}, iris), Keeping(tmp_path))
    whole.start()
    whole.wait(60)
    state = read_latest(tmp_path)
    assert state is not None
    again = Trainer(whole.job, resume=state[1])
    again.start()
    again.wait(60)
    assert (again.status, again.path, again.best_epoch) == ("finished", whole.path, whole.best_epoch)
    assert again.telemetry.frame().equals(whole.telemetry.frame())
    np.testing.assert_array_equal(
        again.predictor().predict_proba(iris.X_test), whole.predictor().predict_proba(iris.X_test)
    )


def test_a_fit_that_was_paused_at_its_end_is_whole(iris: Prepared, tmp_path: Path, until: Until) -> None:
    paused = Trainer(Job(single(GaussianNB), {}, iris), Keeping(tmp_path))
    paused.step("epoch")
    until(lambda: paused.status == "paused")
    paused.close()
    state = read_latest(tmp_path)
    assert state is not None
    again = Trainer(paused.job, resume=state[1])
    again.start()
    again.wait(60)
    assert (again.status, again.telemetry.frame()["epoch"].tolist()) == ("finished", [1])
