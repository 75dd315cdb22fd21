"""Random forest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from . import _trees
from ._estimator_code import estimator_lines
from .base import Algorithm, CodeRequest

_MAX_FEATURES: dict[str, Any] = {"sqrt": "sqrt", "log2": "log2", "third": 1 / 3, "half": 0.5, "all": 1.0}


def _arguments(values: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {
        "n_estimators": values["n_estimators"],
        "max_depth": values["max_depth"],
        "min_samples_leaf": values["min_samples_leaf"],
        "max_features": _MAX_FEATURES[values["max_features"]],
        "random_state": seed,
    }


def _build(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if task == "classification" else RandomForestRegressor
    return kind(**_arguments(values, seed), warm_start=True)


def _code(request: CodeRequest) -> list[str]:
    kind = "RandomForestClassifier" if request.task == "classification" else "RandomForestRegressor"
    balance = request.task == "classification" and request.values["class_weight"] == "balanced"
    return estimator_lines(
        "sklearn.ensemble", kind, _arguments(request.values, request.seed), request.task, balance=balance
    )


RANDOM_FOREST = Algorithm(
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
            _trees.n_estimators(
                100,
                "How many trees are averaged. More give steadier predictions and cost time and memory in proportion; "
                "past a few hundred little changes.",
            ),
            Parameter(
                "max_depth",
                "int",
                None,
                low=1,
                high=1000,
                scale="log",
                unit="levels",
                label="greatest depth",
                optional=True,
                help=(
                    "How many questions a tree may ask in a row. Off lets trees grow until their leaves are pure; a "
                    "small depth makes a smaller, smoother model."
                ),
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
                help=(
                    "How many features a split may choose from: their square root, their binary logarithm, or a part "
                    "of them. Fewer make the trees more different from each other; more help when few features "
                    "matter. For regression, third or all often do better."
                ),
            ),
            _trees.class_weight(),
        )
    ),
    engine="estimator",
    builder=_build,
    coder=_code,
    staged="n_estimators",
    balances=True,
)
