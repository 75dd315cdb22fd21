"""The scikit-learn entries: their stages, their class weights, their scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import make_classification, make_regression

from medilytica_widgets import algorithms
from medilytica_widgets.errors import UnknownParameterError

pytestmark = pytest.mark.filterwarnings("error")

Table = tuple[NDArray[np.float32], NDArray[Any]]


@pytest.fixture(scope="module")
def classes() -> Table:
    x, y = make_classification(
        240, 8, n_informative=5, n_classes=3, weights=[0.6, 0.3, 0.1], class_sep=0.7, random_state=0
    )
    return x.astype(np.float32), y.astype(np.int64)


@pytest.fixture(scope="module")
def numbers() -> Table:
    x, y = make_regression(200, 6, noise=4.0, random_state=0)
    return x.astype(np.float32), y.astype(np.float32)


def _answers(model: Any, x: NDArray[np.float32]) -> NDArray[np.float64]:
    answers = model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)
    return np.asarray(answers)


def _grow(id: str, values: Mapping[str, Any], task: str, x: NDArray[np.float32], y: NDArray[Any]) -> Any:
    algorithm = algorithms.get(id)
    full = algorithm.validate(values)
    estimator = algorithm.build(full, task, x.shape[1], 3, 0)
    assert algorithm.staged == "n_estimators"
    for size in algorithm.stage_sizes(full):
        estimator.set_params(**{algorithm.staged: size}).fit(x, y, **algorithm.fit_arguments(full, y))
        assert np.isfinite(_answers(estimator, x)).all()
    return estimator


VALUES: list[tuple[str, dict[str, Any]]] = [
    ("random_forest", {"n_estimators": 45}),
    ("random_forest", {"n_estimators": 30, "max_depth": 4, "min_samples_leaf": 3, "max_features": "third"}),
    ("random_forest", {"n_estimators": 20, "class_weight": "balanced"}),
    ("gradient_boosting", {"n_estimators": 45}),
    ("gradient_boosting", {"n_estimators": 25, "subsample": 0.6, "max_features": "sqrt", "learning_rate": 0.3}),
    ("gradient_boosting", {"n_estimators": 20, "class_weight": "balanced", "max_depth": None, "subsample": 0.5}),
]


@pytest.mark.parametrize(("id", "values"), VALUES)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_growing_in_stages_is_bit_for_bit_one_fit_and_the_script(
    id: str, values: dict[str, Any], task: str, classes: Table, numbers: Table
) -> None:
    x, y = classes if task == "classification" else numbers
    grown = _answers(_grow(id, values, task, x, y), x)

    algorithm = algorithms.get(id)
    once = algorithm.build(values, task, x.shape[1], 3, 0).set_params(warm_start=False)
    once.fit(x, y, **algorithm.fit_arguments(algorithm.validate(values), y))
    assert np.array_equal(_answers(once, x), grown)

    names = _run(id, values, task, x, y)
    assert np.array_equal(names["probabilities" if task == "classification" else "predicted"], grown)


def _run(id: str, values: dict[str, Any], task: str, x: NDArray[np.float32], y: NDArray[Any]) -> dict[str, Any]:
    lines = algorithms.get(id).code(values, task, 0, n_features=x.shape[1], n_classes=3)
    names: dict[str, Any] = {"X_train": x, "y_train": y, "X_test": x}
    exec("\n".join(lines), names)
    return names


def test_balanced_weights_are_scikit_learns_own(classes: Table) -> None:
    from sklearn.ensemble import RandomForestClassifier

    x, y = classes
    ours = _grow("random_forest", {"n_estimators": 12, "class_weight": "balanced"}, "classification", x, y)
    own = RandomForestClassifier(12, class_weight="balanced", random_state=0).fit(x, y)
    assert np.array_equal(_answers(ours, x), own.predict_proba(x))
    plain = _grow("random_forest", {"n_estimators": 12}, "classification", x, y)
    assert not np.array_equal(_answers(ours, x), _answers(plain, x))


@pytest.mark.parametrize("id", ["logistic_regression", "random_forest", "gradient_boosting"])
def test_balanced_weights_find_more_of_a_rare_class(id: str) -> None:
    x, y = make_classification(600, 6, weights=[0.93], class_sep=0.4, random_state=1)
    found = {}
    for weight in ("none", "balanced"):
        extra = {} if id == "logistic_regression" else {"max_depth": 2, "n_estimators": 20}
        predicted = _run(id, {"class_weight": weight, **extra}, "classification", x.astype(np.float32), y)["predicted"]
        found[weight] = predicted[y == 1].mean()
    assert found["balanced"] > found["none"]


@pytest.mark.parametrize("full", [1, 2, 16, 17, 100, 1000, 10_000])
def test_stages_grow_one_by_one_first_and_end_at_the_full_size(full: int) -> None:
    sizes = algorithms.get("random_forest").stage_sizes({"n_estimators": full})
    assert sizes[-1] == full
    assert sizes[: min(full, 32)] == list(range(1, min(full, 32) + 1))
    assert all(a < b for a, b in zip(sizes, sizes[1:], strict=False))
    # every stage evaluates all that was grown before it: the sum stays a small multiple of the full size
    assert sum(sizes) <= 20 * full


class _Watch:
    """A scikit-learn callback that keeps each iteration's estimator and may raise at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.snapshots: list[Any] = []
        self.stop_at = stop_at

    def setup(self, estimator: Any, context: Any) -> None: ...

    def teardown(self, estimator: Any, context: Any) -> None: ...

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> None:
        if fitted_estimator is not None and context.parent is not None:
            self.snapshots.append(fitted_estimator)
            if len(self.snapshots) == self.stop_at:
                raise InterruptedError


def test_logistic_regression_shows_each_iteration_and_can_be_stopped(classes: Table) -> None:
    x, y = classes
    algorithm = algorithms.get("logistic_regression")
    full = algorithm.validate({"C": 10})
    assert algorithm.staged == "callback"
    assert algorithm.stage_sizes(full) == [full["max_iter"]]

    plain = algorithm.build(full, "classification", 8, 3, 0).fit(x, y)
    watch = _Watch()
    watched = algorithm.build(full, "classification", 8, 3, 0).set_callbacks(watch).fit(x, y)
    assert np.array_equal(watched.coef_, plain.coef_)
    assert len(watch.snapshots) == watched.n_iter_[0] > 5
    assert np.array_equal(watch.snapshots[-1].predict_proba(x), plain.predict_proba(x))

    stopped = _Watch(stop_at=3)
    with pytest.raises(InterruptedError):
        algorithm.build(full, "classification", 8, 3, 0).set_callbacks(stopped).fit(x, y)
    assert np.array_equal(stopped.snapshots[-1].predict_proba(x), watch.snapshots[2].predict_proba(x))


def test_a_smaller_c_holds_the_weights_closer_to_zero(classes: Table) -> None:
    x, y = classes
    norms = [
        np.abs(_run("logistic_regression", {"C": c}, "classification", x, y)["model"].coef_).sum()
        for c in (0.01, 1, 100)
    ]
    assert norms == sorted(norms)
    assert norms[0] < norms[2] / 2


def test_the_scripts_of_logistic_regression_are_its_estimator(classes: Table) -> None:
    x, y = classes
    names = _run("logistic_regression", {"class_weight": "balanced", "C": 0.3}, "classification", x, y)
    built = algorithms.get("logistic_regression").build(
        {"class_weight": "balanced", "C": 0.3}, "classification", 8, 3, 0
    )
    assert np.array_equal(names["probabilities"], built.fit(x, y).predict_proba(x))
    assert names["predicted"].dtype == np.int64


def test_building_refuses_unknown_values() -> None:
    with pytest.raises(UnknownParameterError):
        algorithms.get("random_forest").build({"trees": 3}, "classification", 3, 2, 0)
