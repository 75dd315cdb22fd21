"""Estimators that people register: of every task, with progress, and refused where their constructor raises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, RegressorMixin, TransformerMixin
from sklearn.tree import DecisionTreeRegressor

import medilytica_widgets as mw
from medilytica_widgets import registered
from medilytica_widgets.errors import MedilyticaError, ParameterError, SpecError, TargetError
from tests.code_trials import Interpreter


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    for entry in registered.entries("algorithm"):
        mw.register.remove("algorithm", entry.id)


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    with Interpreter() as process:
        yield process


@pytest.fixture(scope="module")
def moons() -> mw.Dataset:
    return mw.load_dataset("moons")


def trained(experiment: mw.Experiment) -> mw.Run:
    return experiment.train(wait=False, worker="thread").wait(60)


# -- a constructor that raises


class OddNeighbours(ClassifierMixin, BaseEstimator):
    """Takes the classes of an odd number of neighbours."""

    made = 0

    def __init__(self, neighbours: int = 3, power: float = 2.0) -> None:
        type(self).made += 1
        if neighbours % 2 == 0:
            raise ValueError("neighbours has to be odd")
        if power > neighbours:
            raise RuntimeError("it would take too long")
        self.neighbours = neighbours
        self.power = power

    def fit(self, X: Any, y: Any) -> OddNeighbours:
        self.rows_, self.y_, self.classes_ = X, y, np.unique(y)
        return self

    def predict_proba(self, X: Any) -> Any:
        near = (np.abs(X[:, None] - self.rows_) ** self.power).sum(2).argsort(1)[:, : self.neighbours]
        return np.stack([(self.y_[near] == c).mean(1) for c in self.classes_], 1)

    def predict(self, X: Any) -> Any:
        return self.classes_[self.predict_proba(X).argmax(1)]


def test_values_with_which_a_constructor_raises_are_refused_at_once(moons: mw.Dataset) -> None:
    mw.register.algorithm("odd")(OddNeighbours)
    exp = mw.Experiment(moons, algorithm="odd", hyperparameters={"neighbours": 5})
    before = exp.spec
    told: list[str] = []
    exp.changed.connect(told.append)
    said = r"OddNeighbours \('odd'\) cannot be made with neighbours=4, power=2.0: ValueError: neighbours has to be odd"
    plain = {**before.to_json(), "hyperparameters": {"neighbours": 4}}

    def assign() -> None:
        exp.spec = plain  # type: ignore[assignment]

    for attempt in (
        lambda: exp.set("neighbours", 4),
        lambda: exp.set_many({"neighbours": 4}),
        lambda: exp.apply_parameters({"neighbours": 4}),
        assign,
        lambda: mw.Experiment(moons, algorithm="odd", hyperparameters={"neighbours": 4}),
        lambda: mw.Experiment.from_spec(plain, moons),
    ):
        with pytest.raises(ParameterError, match=said) as caught:
            attempt()
        assert caught.value.parameter == "neighbours"
    with pytest.raises(ParameterError, match="RuntimeError: it would take too long"):
        exp.set("power", 9.0)
    assert exp.spec == before and not exp.can_undo and told == [] and exp.runs == []
    assert exp.set_many({"neighbours": 11, "power": 9.0}) == {"neighbours": 11, "power": 9.0}
    made = OddNeighbours.made
    for _ in range(5):
        exp.reset("power")
        exp.set("power", 9.0)
    assert OddNeighbours.made <= made + 1  # known values are not tried again
    assert trained(exp).evaluate().metrics["accuracy"] > 0.7


def test_an_algorithm_that_cannot_be_made_is_not_chosen(moons: mw.Dataset) -> None:
    @mw.register.algorithm("broken", tasks="classification")
    class Broken(OddNeighbours):
        def __init__(self, path: float = 0.0) -> None:
            raise OSError("no such file")

    @mw.register.algorithm("empty", tasks=["classification", "regression"])
    def empty(values: Any) -> Any:
        return DecisionTreeRegressor()

    exp = mw.Experiment(moons, hyperparameters={"epochs": 7})
    before = exp.spec
    with pytest.raises(MedilyticaError, match=r"cannot be made with path=0.0: OSError: no such file\. Set other"):
        exp.select_algorithm("broken")
    # of numbers it would do
    with pytest.raises(SpecError, match="gives a DecisionTreeRegressor without predict_proba; classification needs"):
        exp.select_algorithm("empty")
    assert exp.spec == before and not exp.can_undo
    for name in ("broken", "empty"):
        with pytest.raises(MedilyticaError):
            mw.Experiment(moons, algorithm=name)
        with pytest.raises(MedilyticaError):
            exp.apply_parameters({"algorithm": name})
    assert exp.spec == before
    assert mw.Experiment(mw.load_dataset("diabetes"), algorithm="empty").algorithm.id == "empty"


def test_defaults_that_cannot_be_made_are_not_reset_to(moons: mw.Dataset) -> None:
    @mw.register.algorithm("needs_more")
    class NeedsMore(OddNeighbours):
        def __init__(self, neighbours: int = 2, power: float = 2.0) -> None:
            super().__init__(neighbours, power)

    exp = mw.Experiment(moons, algorithm="needs_more", hyperparameters={"neighbours": 3})
    for attempt in (exp.reset, lambda: exp.reset("neighbours")):
        with pytest.raises(ParameterError, match="neighbours has to be odd"):
            attempt()
    assert exp.hyperparameters["neighbours"] == 3


def test_options_with_which_an_optimizer_raises_are_refused_at_once(moons: mw.Dataset) -> None:
    import torch

    @mw.register.optimizer("careful")
    class Careful(torch.optim.SGD):
        def __init__(self, params: Any, lr: float = 0.1, beta: float = 0.5) -> None:
            if beta >= 1:
                raise ValueError(f"Invalid beta: {beta}")
            super().__init__(params, lr=lr, momentum=beta)

    try:
        exp = mw.Experiment(moons, hyperparameters={"optimizer": "careful"})
        before = exp.spec
        with pytest.raises(
            ParameterError, match=r"Careful \('careful'\) cannot be made with beta=1.5: ValueError"
        ) as at:
            exp.set("careful_beta", 1.5)
        assert at.value.parameter == "careful_beta" and exp.spec == before
        assert exp.set("careful_beta", 0.75) == 0.75
    finally:
        mw.register.remove("optimizer", "careful")


# -- tasks without a target


class Halves(ClusterMixin, BaseEstimator):
    """Cuts the rows at the median of one column."""

    def __init__(self, column: int = 0) -> None:
        self.column = column

    def fit(self, X: Any, y: Any = None) -> Halves:
        self.cut_ = float(np.median(X[:, self.column]))
        return self

    def predict(self, X: Any) -> Any:
        return (X[:, self.column] > self.cut_).astype(np.int64)


class FarOut:
    """Calls rows unusual that are far from the mean."""

    def __init__(self, part: float = 0.1) -> None:
        self.part = part

    def fit(self, X: Any) -> None:
        self.mean_ = X.mean(axis=0)
        self.far_ = float(np.quantile(-self.score_samples(X), 1 - self.part))

    def score_samples(self, X: Any) -> Any:
        return -np.abs(X - self.mean_).sum(axis=1)

    def predict(self, X: Any) -> Any:
        return np.where(-self.score_samples(X) > self.far_, -1, 1)


class Lean(TransformerMixin, BaseEstimator):
    """Turns the columns by random numbers that do not mix more than asked for."""

    def __init__(self, width: int = 2, seed: int = 0) -> None:
        self.width = width
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Lean:
        self.turn_ = np.random.default_rng(self.seed).normal(size=(X.shape[1], self.width)).astype(np.float32)
        return self

    def transform(self, X: Any) -> Any:
        return X @ self.turn_


WITHOUT = {"clustering": (Halves, {}), "anomaly": (FarOut, {"tasks": "anomaly"}), "transform": (Lean, {})}


@pytest.mark.parametrize("task", WITHOUT)
def test_an_estimator_without_a_target_fits_is_measured_printed_and_kept(
    task: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    given, more = WITHOUT[task]
    mw.register.algorithm("mine", **more)(given)
    assert [a.id for a in mw.algorithms.list(task=task)][-1] == "mine"
    data = mw.load_dataset("wine")
    exp = mw.Experiment(data, algorithm="mine", seed=4)
    assert exp.task == task
    run = trained(exp)
    prepared = exp.prepared()
    bare = given(seed=4) if given is Lean else given()
    bare.fit(prepared.X_train)
    frame = data.frame.head(12)
    rows, found = run.preprocessor.transform(frame), run.predict(frame)
    if task == "clustering":
        assert found.iloc[:, 0].astype(int).tolist() == bare.predict(rows).tolist()
    elif task == "anomaly":
        assert found.select_dtypes("bool").iloc[:, 0].tolist() == (bare.predict(rows) == -1).tolist()
    else:
        np.testing.assert_array_equal(found.to_numpy(np.float32), bare.transform(rows))
    metrics = run.evaluate().metrics
    for style in ("script", "sklearn"):
        source = exp.to_code(style)
        assert interpreter.metrics(source, tmp_path) == pytest.approx(metrics, rel=1e-9), style
    pd.testing.assert_frame_equal(mw.load_model(run.save(tmp_path / "own.mw")).predict(frame), found)
    mw.register.remove("algorithm", "mine")
    assert "mine" not in [a.id for a in mw.algorithms.list(task=task)]


def test_a_transformation_stands_before_an_algorithm(interpreter: Interpreter, tmp_path: Path) -> None:
    mw.register.algorithm("lean")(Lean)
    steps = [mw.Step("lean", width=5)]
    exp = mw.Experiment(mw.load_dataset("wine"), algorithm="random_forest", preprocessing=steps, seed=1)
    assert exp.prepared().X_train.shape[1] == 5
    metrics = trained(exp).evaluate().metrics
    for style in ("script", "sklearn"):
        source = exp.to_code(style)
        assert "class Lean" in source
        assert interpreter.metrics(source, tmp_path) == pytest.approx(metrics, rel=1e-6), style


def test_a_step_whose_constructor_raises_is_refused_when_it_is_given(moons: mw.Dataset) -> None:
    @mw.register.algorithm("narrow")
    class Narrow(Lean):
        def __init__(self, width: int = 2) -> None:
            if width > 9:
                raise ValueError("width is at most 9")
            super().__init__(width)

    with pytest.raises(ParameterError, match="width is at most 9"):
        mw.Experiment(moons, preprocessing=[mw.Step("narrow", width=10)])
    assert mw.Experiment(moons, preprocessing=[mw.Step("narrow", width=9)]).spec.preprocessing[0].id == "narrow"


def test_a_fit_that_asks_for_a_target_needs_one(moons: mw.Dataset) -> None:
    @mw.register.algorithm("by_class")
    class ByClass(TransformerMixin, BaseEstimator):
        def fit(self, X: Any, y: Any) -> ByClass:
            self.means_ = np.stack([X[y == c].mean(axis=0) for c in np.unique(y)])
            return self

        def transform(self, X: Any) -> Any:
            return X @ self.means_.T

    exp = mw.Experiment(moons, algorithm="by_class")
    found = trained(exp).predict(moons.frame.head(3))
    assert found.shape[1] == 2
    assert "model.fit(X_train, y_train)" in exp.to_code()
    with pytest.raises(TargetError, match="looks at the target"):
        mw.Experiment(mw.load_dataset(moons.frame[["x", "y"]]), algorithm="by_class")


# -- progress


class Committee(RegressorMixin, BaseEstimator):
    """The mean of trees, each of rows drawn with its own number as the seed."""

    def __init__(self, n_estimators: int = 12, warm_start: bool = False, random_state: int = 0) -> None:
        self.n_estimators = n_estimators
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Committee:
        trees = self.trees_ if self.warm_start and hasattr(self, "trees_") else []
        self.trees_ = list(trees)
        for number in range(len(trees), self.n_estimators):
            rows = np.random.default_rng(self.random_state + number).integers(0, len(X), len(X))
            tree = DecisionTreeRegressor(max_depth=4, random_state=number)
            self.trees_.append(tree.fit(X[rows], y[rows]))
        return self

    def predict(self, X: Any) -> Any:
        return np.mean([tree.predict(X) for tree in self.trees_], axis=0)


class Rosenblatt(ClassifierMixin, BaseEstimator):
    """A straight line that is moved by every row on its wrong side."""

    def __init__(self, epochs: int = 6, rate: float = 0.1) -> None:
        self.epochs = epochs
        self.rate = rate

    def partial_fit(self, X: Any, y: Any, classes: Any) -> Rosenblatt:
        if not hasattr(self, "weights_"):
            self.classes_ = np.asarray(classes)
            self.weights_ = [np.zeros(X.shape[1] + 1)]
        for row, label in zip(X, y, strict=True):
            wrong = label - (self._sums(row[None])[0] > 0)
            self.weights_[0] += self.rate * wrong * np.append(row, 1.0)  # in place
        return self

    def _sums(self, X: Any) -> Any:
        return X @ self.weights_[0][:-1] + self.weights_[0][-1]

    def predict_proba(self, X: Any) -> Any:
        share = 1 / (1 + np.exp(-self._sums(X)))
        return np.stack([1 - share, share], axis=1)

    def predict(self, X: Any) -> Any:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_an_estimator_that_grows_shows_its_stages(interpreter: Interpreter, tmp_path: Path) -> None:
    mw.register.algorithm("committee")(Committee)
    assert [p["id"] for p in mw.algorithms.describe("committee")["parameters"]] == ["n_estimators"]
    exp = mw.Experiment(mw.load_dataset("diabetes"), algorithm="committee", seed=3)
    run = trained(exp)
    assert run.path == "staged"
    assert run.history.epoch.tolist() == [float(n) for n in range(1, 13)]
    assert run.history.train_loss.iloc[-1] < run.history.train_loss.iloc[0]
    prepared = exp.prepared()
    bare = Committee(random_state=3).fit(prepared.X_train, prepared.y_train)
    np.testing.assert_array_equal(run.predictor().predict(prepared.X_test), bare.predict(prepared.X_test))
    assert interpreter.metrics(exp.to_code(), tmp_path) == pytest.approx(run.evaluate().metrics, rel=1e-9)


def test_passes_over_the_rows_are_stages_and_go_on_after_a_stop(
    moons: mw.Dataset, interpreter: Interpreter, tmp_path: Path
) -> None:
    mw.register.algorithm("rosenblatt")(Rosenblatt)
    exp = mw.Experiment(moons, algorithm="rosenblatt", seed=3)
    run = trained(exp)
    assert run.path == "staged" and len(run.history) == 6
    prepared = exp.prepared()
    bare = Rosenblatt()
    losses = []
    for _ in range(6):
        bare.partial_fit(prepared.X_train, prepared.y_train, classes=np.arange(2))
        given = bare.predict_proba(prepared.X_train)[np.arange(len(prepared.y_train)), prepared.y_train]
        losses.append(float(-np.log(given).mean()))
    np.testing.assert_allclose(run.history.train_loss, losses, rtol=1e-9)
    np.testing.assert_array_equal(run.predictor().predict_proba(prepared.X_test), bare.predict_proba(prepared.X_test))
    for style in ("script", "sklearn"):
        source = exp.to_code(style)
        assert "for _ in range(6):" in source
        assert interpreter.metrics(source, tmp_path) == pytest.approx(run.evaluate().metrics, rel=1e-9)

    exp.set("epochs", 150)
    halted = exp.train(wait=False, worker="thread")
    halted.telemetry_advanced.connect(lambda count: halted.stop())
    halted.wait(60)
    assert 1 <= len(halted.history) < 150
    again = mw.Run.resume(halted.id, wait=False).wait(60)
    assert again.history.epoch.tolist() == [float(n) for n in range(1, 151)]
    whole = trained(exp)
    np.testing.assert_array_equal(again.history.train_loss, whole.history.train_loss)


def test_a_class_with_both_has_a_fit_of_one_go_where_nothing_counts_the_steps(moons: mw.Dataset) -> None:
    mw.register.algorithm("odd")(OddNeighbours)
    assert mw.algorithms.get("odd").staged is None
    with pytest.raises(SpecError, match="no fit"):
        mw.register.algorithm("uncounted", parameters=[mw.Parameter("rate", "float", 0.1)])(Rosenblatt)
