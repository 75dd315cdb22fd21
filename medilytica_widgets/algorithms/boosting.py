"""Gradient boosting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from . import _trees
from ._estimator_code import estimator_entry
from .calls import Call

_MAX_FEATURES: dict[str, Any] = {"all": None, "half": 0.5, "third": 1 / 3, "sqrt": "sqrt", "log2": "log2"}


def _arguments(values: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {
        "n_estimators": values["n_estimators"],
        "learning_rate": values["learning_rate"],
        "max_depth": values["max_depth"],
        "min_samples_leaf": values["min_samples_leaf"],
        "subsample": values["subsample"],
        "max_features": _MAX_FEATURES[values["max_features"]],
        "random_state": seed,
    }


def _recipe(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    kind = "GradientBoostingClassifier" if task == "classification" else "GradientBoostingRegressor"
    return Call(f"sklearn.ensemble.{kind}", _arguments(values, seed))


GRADIENT_BOOSTING = estimator_entry(
    recipe=_recipe,
    id="gradient_boosting",
    name="Gradient boosting",
    category=("Trees and ensembles",),
    tasks=frozenset({"classification", "regression"}),
    summary=(
        "Adds small decision trees one after another; each is fitted to what the sum of those before still gets "
        "wrong (the gradient of the loss), and its answer is added in part, by the learning rate."
    ),
    when=(
        "When accuracy on a table of mixed columns is what counts and there are up to some ten thousand rows: on such "
        "tables boosted trees are usually the best there is."
    ),
    when_not=(
        "On tables of many ten thousands of rows, where histogram gradient boosting is far faster; with very noisy "
        "labels, which it keeps chasing; or when no time is left to watch for overfitting: too many rounds make it "
        "worse, unlike a forest."
    ),
    references=(
        "Friedman (2001), Greedy function approximation: a gradient boosting machine, doi:10.1214/aos/1013203451",
        "Friedman (2002), Stochastic gradient boosting, doi:10.1016/S0167-9473(01)00065-2",
        "https://scikit-learn.org/stable/modules/ensemble.html#gradient-boosting",
    ),
    parameters=ParameterTable(
        (
            _trees.n_estimators(
                100,
                "How many rounds; each adds one tree (one for each class when there are more than two). More fit the "
                "training rows ever closer: watch for the validation loss to rise, and lower the learning rate.",
            ),
            _trees.learning_rate(0.1),
            Parameter(
                "max_depth",
                "int",
                3,
                low=1,
                high=64,
                unit="levels",
                label="greatest depth",
                optional=True,
                help=(
                    "How many questions a tree may ask in a row, and so how many features can act together. 2 to 6 "
                    "are usual; off grows full trees, which overfit."
                ),
            ),
            _trees.min_samples_leaf(
                "How many training rows each leaf must hold. Larger values guard against noise; 1 lets a tree fit "
                "single rows."
            ),
            Parameter(
                "subsample",
                "float",
                1.0,
                low=0.01,
                high=1.0,
                label="rows per tree",
                help=(
                    "The part of the training rows, drawn anew, that each tree sees. Below 1 it trains faster and "
                    "often generalises better; very small values make the curve restless."
                ),
            ),
            Parameter(
                "max_features",
                "choice",
                "all",
                choices=tuple(_MAX_FEATURES),
                label="features per split",
                help=(
                    "How many features a split may choose from: all, a part of them, their square root or binary "
                    "logarithm. Fewer train faster and make the trees more different from each other."
                ),
            ),
            _trees.class_weight(),
        )
    ),
    staged="n_estimators",
    balances=True,
    presets={
        "fast": {"n_estimators": 50, "learning_rate": 0.2, "subsample": 0.5},
        "accurate": {"n_estimators": 500, "learning_rate": 0.03, "max_depth": 4, "subsample": 0.7},
        "regularised": {
            "n_estimators": 200,
            "learning_rate": 0.05,
            "max_depth": 2,
            "min_samples_leaf": 20,
            "subsample": 0.5,
        },
    },
)
