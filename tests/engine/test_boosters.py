"""Models of boosting libraries in files: the same answers, and damaged ones refused before a library sees them."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.data import load_dataset, prepare, split
from medilytica_widgets.engine import boosters
from medilytica_widgets.engine.storage import dump_estimator, load_estimator
from medilytica_widgets.errors import ModelFileError

LIBRARIES = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
    for name in ("xgboost", "lightgbm", "catboost")
]
TABLES = {"iris": 3, "breast_cancer": 2, "diabetes": 1}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_restored_model_answers_the_same(library: str, table: str) -> None:
    data = load_dataset(table)
    made = prepare(data, split(data))
    entry, n = algorithms.get(library), TABLES[table]
    few = {"iterations" if library == "catboost" else "n_estimators": 6}
    task = "regression" if n == 1 else "classification"
    estimator = entry.build(few, task, made.X_train.shape[1], n, 2).fit(made.X_train, made.y_train)
    content = dump_estimator(estimator)
    again = load_estimator(content, made.X_train.shape[1])
    assert dump_estimator(again) == content
    ask = "predict" if n == 1 else "predict_proba"
    np.testing.assert_allclose(getattr(again, ask)(made.X_test), getattr(estimator, ask)(made.X_test), rtol=1e-12)


XGBOOST: dict[str, Any] = {
    "left_children": [1, -1, 3, -1, -1],
    "right_children": [2, -1, 4, -1, -1],
    "split_indices": [0, 0, 3, 0, 0],
    "split_type": [0] * 5,
    "split_conditions": [0.5, 1.0, 0.25, -1.0, 2.0],
    "base_weights": [0.0] * 5,
    "loss_changes": [1.0] * 5,
    "sum_hessian": [9.0] * 5,
    "default_left": [0] * 5,
}
LIGHTGBM = {
    "num_leaves": "3",
    "num_cat": "0",
    "split_feature": "0 3",
    "split_gain": "2 1",
    "threshold": "0.5 0.25",
    "decision_type": "2 2",
    "left_child": "1 -1",
    "right_child": "-2 -3",
    "leaf_value": "0.1 0.2 0.3",
    "leaf_weight": "3 3 3",
    "leaf_count": "3 3 3",
    "internal_value": "0 0",
    "internal_weight": "9 6",
    "internal_count": "9 6",
    "is_linear": "0",
}
CATBOOST: dict[str, Any] = {
    "splits": [{"border": 0.5, "float_feature_index": 0, "split_index": 0, "split_type": "FloatFeature"}],
    "leaf_values": [0.1, 0.2],
    "leaf_weights": [3, 4],
}


def xgboost_tree(**changed: Any) -> Any:
    return boosters._xgboost_tree({**XGBOOST, **changed}, 4, 0)


def lightgbm_tree(**changed: str) -> Any:
    return boosters._lightgbm_tree("\n".join(f"{k}={v}" for k, v in {**LIGHTGBM, **changed}.items()), 4)


def catboost_tree(**changed: Any) -> Any:
    return boosters._catboost_tree({**CATBOOST, **changed}, [(0, 0.5), (1, 0.1)], 1)


def test_sound_trees_come_through_as_they_were() -> None:
    assert {name: xgboost_tree()[name] for name in XGBOOST} == XGBOOST
    assert dict(line.split("=") for line in lightgbm_tree() if not line.startswith("shrinkage")) == LIGHTGBM
    assert catboost_tree() == CATBOOST


@pytest.mark.parametrize(
    ("tree", "changed"),
    [
        (xgboost_tree, {"left_children": [1, -1, 10**6, -1, -1]}),
        (xgboost_tree, {"left_children": [1, -1, 0, -1, -1]}),
        (xgboost_tree, {"split_indices": [0, 0, 4, 0, 0]}),
        (xgboost_tree, {"split_type": [0, 0, 1, 0, 0]}),
        (xgboost_tree, {"split_conditions": [0.5, 1.0]}),
        (xgboost_tree, {"base_weights": [float("nan")] * 5}),
        (lightgbm_tree, {"left_child": "0 -1"}),
        (lightgbm_tree, {"left_child": "1 -4"}),
        (lightgbm_tree, {"split_feature": "0 4"}),
        (lightgbm_tree, {"threshold": "0.5"}),
        (lightgbm_tree, {"decision_type": "2 3"}),
        (lightgbm_tree, {"num_leaves": "300"}),
        (lightgbm_tree, {"num_cat": "1"}),
        (catboost_tree, {"leaf_values": [0.1]}),
        (catboost_tree, {"splits": [{**CATBOOST["splits"][0], "split_index": 2}]}),
        (catboost_tree, {"splits": [{**CATBOOST["splits"][0], "float_feature_index": 1}]}),
        (catboost_tree, {"splits": CATBOOST["splits"] * 17}),
    ],
)
def test_a_damaged_tree_is_refused(tree: Any, changed: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        tree(**changed)


@pytest.mark.parametrize(
    "plain",
    [
        {"library": "os", "n_features": 4, "classes": None, "model": "system"},
        {"library": "xgboost", "n_features": 5, "classes": None, "model": "{}"},
        {"library": "xgboost", "n_features": 4, "classes": ["a", "b"], "model": "{}"},
        {"library": "catboost", "n_features": 4, "classes": None, "model": "nothing"},
    ],
)
def test_a_damaged_file_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        load_estimator(boosters._MARK + json.dumps(plain).encode(), 4)
