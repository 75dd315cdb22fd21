"""Stored models that somebody changed: refused, or asked for numbers without harm; the process lives on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.data import load_dataset, prepare, split
from medilytica_widgets.engine import EstimatorPredictor, store_predictor
from medilytica_widgets.engine.storage import dump_estimator, load_estimator
from medilytica_widgets.errors import ModelFileError

ROOT = Path(__file__).resolve().parents[2]
TIMES = 4
SMALL = {"n_estimators": 3, "iterations": 3, "max_iter": 3, "folds": 2}
LONG = {"nmf", "ica", "svm_linear", "tsne", "logistic_regression", "gaussian_mixture"}
"""Those whose iterations must suffice."""


def stored(folder: Path, without: tuple[str, ...] = ()) -> list[str]:
    """Fit every estimator and put down what it is stored as."""
    names = []
    tables = {task: load_dataset("diabetes" if task == "regression" else "iris") for task in algorithms.base.TASKS}
    for entry in algorithms.list():
        if entry.engine != "estimator" or entry.id in ("tsne", *without):
            continue
        for task in sorted(entry.tasks):
            made = prepare(tables[task], split(tables[task]))
            X, y = made.X_train[:60], made.y_train[:60]
            wanted = {n: v for n, v in SMALL.items() if n in entry.parameters and entry.id not in LONG}
            n_classes = 1 if task == "regression" else 3
            if task == "regression":
                wanted = {name: value for name, value in wanted.items() if name != "folds"}
            estimator = entry.build(wanted, task, X.shape[1], n_classes, 0).fit(X, y)
            if task == "clustering" and not hasattr(estimator, "predict"):
                estimator.training_rows_ = X
            _, content, facts = store_predictor(EstimatorPredictor(estimator, task, X.shape[1], n_classes))
            name = f"{entry.id}-{task}"
            (folder / f"{name}.bin").write_bytes(content)
            (folder / f"{name}.json").write_text(json.dumps(facts))
            np.save(folder / f"{name}.rows.npy", made.X_test[:20])
            names.append(name)
    return names


def storm(folder: Path, seed: int, times: int, timeout: float) -> dict[str, int]:
    """Return how many forged models ended in which way."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.engine.forging", str(folder), str(seed), str(times)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"ended by {done.returncode} after: {lines[-1:]}\n{done.stderr[-3000:]}"
    # an answer that is no number is worthless and does no harm: only what it is asked at loading must be numbers
    harmless = ("", "refused", "answered", "raised", "endless")
    wrong = [line for line in lines if line.partition(" -> ")[2] not in harmless]
    assert not wrong, "\n".join(wrong[:20])
    ends: dict[str, int] = json.loads(lines[-1])
    return ends


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:n_quantiles:UserWarning")
def test_changed_values_are_refused_or_harmless(tmp_path: Path) -> None:
    # they hold hundreds of trees of other entries, and take long
    names = stored(tmp_path, without=("voting", "stacking"))
    ends = storm(tmp_path, seed=1, times=TIMES, timeout=280)
    assert sum(ends.values()) == TIMES * len(names)
    # both happen: a check that refuses all or nothing would be none
    assert ends["refused"] > 20 and ends["answered"] > 20


def fitted(algorithm: str, **wanted: Any) -> Any:
    """Return an estimator fitted on three kinds of iris, or on a number where it does numbers only."""
    entry = algorithms.get(algorithm)
    task = sorted(entry.tasks)[0]
    table = load_dataset("iris")
    made = prepare(table, split(table))
    return entry.build(wanted, task, 4, 3, 0).fit(made.X_train, made.y_train)


def first_tree(estimator: Any) -> Any:
    return np.ravel(np.asarray(estimator.estimators_, dtype=object))[0]


def child_beyond(e: Any) -> None:
    first_tree(e).tree_.children_left[0] = 10**6


def child_in_a_circle(e: Any) -> None:
    first_tree(e).tree_.children_right[0] = 0


def column_beyond(e: Any) -> None:
    first_tree(e).tree_.feature[0] = 4


def more_nodes_than_stored(e: Any) -> None:
    first_tree(e).tree_.node_count += 10**4


def deeper_than_said(e: Any) -> None:
    first_tree(e).tree_.max_depth = 0


def no_number_of_columns(e: Any) -> None:
    del e.n_features_in_


def tree_of_more_columns(e: Any) -> None:
    e.estimators_[0] = fitted_on(5)


def more_columns_than_trees(e: Any) -> None:
    e.estimators_ = np.hstack([e.estimators_, e.estimators_])


def flagged_columns(e: Any) -> None:
    e.estimators_features_[0] = np.array([True, False, False, False])


def histogram_child_beyond(e: Any) -> None:
    e._predictors[0][0].nodes["left"][0] = 2**31


def histogram_column_beyond(e: Any) -> None:
    e._predictors[0][0].nodes["feature_idx"][0] = -1


def histogram_of_categories(e: Any) -> None:
    e._predictors[0][0].nodes["is_categorical"][0] = 1


def neighbour_of_no_class(e: Any) -> None:
    e._y[0] = 10**9


def fewer_neighbours_than_said(e: Any) -> None:
    e._fit_X = e._fit_X[:2]


def neighbours_in_a_tree(e: Any) -> None:
    e._fit_method = "kd_tree"


def narrower_centres(e: Any) -> None:
    e.cluster_centers_ = np.ascontiguousarray(e.cluster_centers_[:, :1])


def fewer_coefficients(e: Any) -> None:
    e._dual_coef_ = e._dual_coef_[:1]


def narrower_vectors(e: Any) -> None:
    e.support_vectors_ = np.ascontiguousarray(e.support_vectors_[:, :1])


def vectors_of_no_class(e: Any) -> None:
    e._n_support = e._n_support + np.array([10**6, -(10**6), 0], dtype=np.int32)


def kernel_by_places(e: Any) -> None:
    e.kernel = "precomputed"


def endless_weights(e: Any) -> None:
    e.coef_[0, 0] = np.nan


def sparse_weights(e: Any) -> None:
    from scipy.sparse import csr_matrix

    e.coef_ = csr_matrix(e.coef_)
    e.coef_.indices[0] = 10**6


def random_numbers_beyond(e: Any) -> None:
    state = np.random.RandomState(0)
    said = state.get_state(legacy=False)
    said["state"]["pos"] = 10**9
    state.set_state(said)
    e.random_state = state


def a_million_threads(e: Any) -> None:
    e.n_jobs = 10**6


def fitted_on(width: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier().fit(np.eye(width), np.arange(width) % 3)


FORGERIES: list[tuple[str, dict[str, Any], Callable[[Any], None]]] = [
    *(
        (algorithm, {"n_estimators": 3}, forgery)
        for algorithm in ("random_forest", "gradient_boosting", "bagging", "isolation_forest", "adaboost")
        for forgery in (child_beyond, child_in_a_circle, column_beyond, more_nodes_than_stored, deeper_than_said)
    ),
    ("random_forest", {"n_estimators": 3}, no_number_of_columns),
    ("random_forest", {"n_estimators": 3}, tree_of_more_columns),
    ("random_forest", {"n_estimators": 3}, a_million_threads),
    ("random_forest", {"n_estimators": 3}, random_numbers_beyond),
    ("gradient_boosting", {"n_estimators": 3}, more_columns_than_trees),
    ("isolation_forest", {"n_estimators": 3}, flagged_columns),
    ("bagging", {"n_estimators": 3, "max_features": 0.6}, flagged_columns),
    ("hist_gradient_boosting", {"max_iter": 3}, histogram_child_beyond),
    ("hist_gradient_boosting", {"max_iter": 3}, histogram_column_beyond),
    ("hist_gradient_boosting", {"max_iter": 3}, histogram_of_categories),
    ("knn", {}, neighbour_of_no_class),
    ("knn", {}, fewer_neighbours_than_said),
    ("knn", {}, neighbours_in_a_tree),
    ("local_outlier_factor", {}, fewer_neighbours_than_said),
    ("kmeans", {}, narrower_centres),
    ("one_class_svm", {}, narrower_vectors),
    ("one_class_svm", {}, kernel_by_places),
    ("logistic_regression", {}, endless_weights),
    ("logistic_regression", {}, sparse_weights),
]


@pytest.mark.parametrize(("algorithm", "wanted", "forgery"), FORGERIES)
def test_what_compiled_code_would_follow_is_refused(
    algorithm: str, wanted: dict[str, Any], forgery: Callable[[Any], None]
) -> None:
    estimator = fitted(algorithm, **wanted)
    assert load_estimator(dump_estimator(estimator), 4) is not None
    forgery(estimator)
    with pytest.raises(ModelFileError):
        load_estimator(dump_estimator(estimator), 4)


@pytest.mark.parametrize("forgery", [fewer_coefficients, narrower_vectors, vectors_of_no_class, kernel_by_places])
def test_a_forged_support_vector_machine_is_refused(forgery: Callable[[Any], None]) -> None:
    estimator = fitted("svm")
    machine = estimator.calibrated_classifiers_[0].estimator
    forgery(machine)
    with pytest.raises(ModelFileError, match="support vector machine"):
        load_estimator(dump_estimator(estimator), 4)


def test_a_model_of_another_width_is_refused() -> None:
    with pytest.raises(ModelFileError, match="4 columns, but the model has 5"):
        load_estimator(dump_estimator(fitted("logistic_regression")), 5)


def test_a_part_of_the_columns_for_each_member_is_kept() -> None:
    estimator = fitted("bagging", n_estimators=5, max_features=0.6)
    again = load_estimator(dump_estimator(estimator), 4)
    rows = np.random.default_rng(0).normal(size=(20, 4))
    np.testing.assert_array_equal(again.predict_proba(rows), estimator.predict_proba(rows))
