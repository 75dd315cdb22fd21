"""Random forest and extra trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from . import _shared, _trees
from ._estimator_code import estimator_entry
from .calls import Call

_MAX_FEATURES: dict[str, Any] = {"sqrt": "sqrt", "log2": "log2", "third": 1 / 3, "half": 0.5, "all": 1.0}


def _recipe(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    kind = "RandomForestClassifier" if task == "classification" else "RandomForestRegressor"
    return Call(f"sklearn.ensemble.{kind}", _arguments(values, seed))


def _extra(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    kind = "ExtraTreesClassifier" if task == "classification" else "ExtraTreesRegressor"
    return Call(f"sklearn.ensemble.{kind}", {**_arguments(values, seed), "bootstrap": values["bootstrap"]})


def _arguments(values: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {
        "n_estimators": values["n_estimators"],
        "max_depth": values["max_depth"],
        "min_samples_leaf": values["min_samples_leaf"],
        "max_features": _MAX_FEATURES[values["max_features"]],
        "random_state": seed,
    }


def _grown(features: str) -> tuple[Parameter, ...]:
    """Return what both forests have: how many trees, how large, and what a split may choose from, with its help."""
    return (
        _trees.n_estimators(
            100,
            "How many trees are averaged. More give steadier predictions and cost time and memory in proportion; "
            "past a few hundred little changes.",
        ),
        _trees.max_depth(
            "How many questions a tree may ask in a row. Off lets trees grow until their leaves are pure; a "
            "small depth makes a smaller, smoother model."
        ),
        _trees.min_samples_leaf(
            "How many training rows each leaf must hold. Larger values smooth the predictions and guard against "
            "noise; 1 lets a tree fit single rows."
        ),
        Parameter(
            "max_features",
            "choice",
            "sqrt",
            choices=tuple(_MAX_FEATURES),
            label="features per split",
            help=features,
        ),
    )


RANDOM_FOREST = estimator_entry(
    recipe=_recipe,
    id="random_forest",
    name="Random forest",
    category=("Trees and ensembles",),
    tasks=frozenset({"classification", "regression"}),
    summary=(
        "Grows many decision trees, each on its own random sample of the rows, and lets each split see only a random "
        "part of the features. The trees' answers are averaged, which cancels much of what each learned by chance."
    ),
    when=(
        "As a strong answer with next to no tuning: it takes features of any scale, outliers and features that only "
        "matter together, and more trees never hurt the accuracy."
    ),
    when_not=(
        "When a small model or instant predictions are wanted, when a regression must go beyond the values it has "
        "seen (it cannot), or when the last bit of accuracy counts: tuned gradient boosting is usually ahead."
    ),
    references=(
        "Breiman (2001), Random forests, Machine Learning 45, doi:10.1023/A:1010933404324",
        "https://scikit-learn.org/stable/modules/ensemble.html#random-forests",
    ),
    parameters=ParameterTable(
        (
            *_grown(
                "How many features a split may choose from: their square root, their binary logarithm, or a part "
                "of them. Fewer make the trees more different from each other; more help when few features "
                "matter. For regression, third or all often do better."
            ),
            _trees.class_weight(),
        )
    ),
    staged="n_estimators",
    balances=True,
    presets={
        "fast": {"n_estimators": 30, "max_depth": 12},
        "accurate": {"n_estimators": 500},
        "regularised": {"n_estimators": 200, "max_depth": 8, "min_samples_leaf": 5},
    },
)

EXTRA_TREES = estimator_entry(
    recipe=_extra,
    id="extra_trees",
    name="Extra trees",
    category=("Trees and ensembles",),
    tasks=_shared.BOTH,
    summary=(
        "A forest whose trees are even more random (extremely randomised trees): for each feature that a split looks "
        "at, the threshold is drawn at random and only the best of these draws is taken. Each tree sees all rows. "
        "Single trees become worse, their average smoother and often better."
    ),
    when=(
        "Beside or in place of a random forest, above all with noisy features: it trains faster, because no threshold "
        "is searched for, and its answer changes more smoothly from row to row."
    ),
    when_not=(
        "When most features do not matter, so that random thresholds waste splits; when a small model is wanted, for "
        "its trees are larger than a random forest's; or when a regression must go beyond the values it has seen."
    ),
    references=(
        "Geurts, Ernst and Wehenkel (2006), Extremely randomized trees, doi:10.1007/s10994-006-6226-1",
        _shared.SCIKIT + "ensemble.html#extremely-randomized-trees",
    ),
    parameters=ParameterTable(
        (
            *_grown(
                "For how many features a split draws a threshold: their square root, their binary logarithm, or a "
                "part of them. Fewer make the trees more different; more help when few features matter. For "
                "regression, all often does better."
            ),
            _trees.class_weight(_shared.CLASSES),
            Parameter(
                "bootstrap",
                "bool",
                False,
                label="draw rows",
                group="Sampling",
                help=(
                    "Whether each tree sees its own random sample of the rows, as in a random forest, in place of all "
                    "of them. On makes the trees more different and each a little worse."
                ),
            ),
        )
    ),
    staged="n_estimators",
    balances=True,
    presets={
        "fast": {"n_estimators": 30, "max_depth": 12},
        "accurate": {"n_estimators": 500},
        "regularised": {"n_estimators": 200, "max_depth": 10, "min_samples_leaf": 5},
    },
)
