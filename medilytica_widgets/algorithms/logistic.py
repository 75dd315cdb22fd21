"""Logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from . import _shared
from ._estimator_code import estimator_entry
from .calls import Call


def _recipe(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {
        "C": values["C"],
        "class_weight": _shared.weight_of(values),
        "tol": values["tol"],
        "max_iter": values["max_iter"],
        "random_state": seed,
    }
    if values["penalty"] != "l2":
        # the one solver of scikit-learn that has the L1 penalty for any number of classes
        arguments["solver"] = "saga"
        arguments["l1_ratio"] = 1.0 if values["penalty"] == "l1" else values["l1_ratio"]
    return Call("sklearn.linear_model.LogisticRegression", arguments)


LOGISTIC_REGRESSION = estimator_entry(
    recipe=_recipe,
    id="logistic_regression",
    name="Logistic regression",
    category=("Linear models",),
    tasks=frozenset({"classification"}),
    summary=(
        "Weighs the features, adds them up, and turns the sum into a probability for each class. The weights minimise "
        "the log loss plus a penalty on their squares (L2), their absolute values (L1), or both. With more than two "
        "classes it is multinomial (softmax)."
    ),
    when=(
        "As the first thing to try on any table: it trains in moments, its weights can be read, its probabilities "
        "are usually well calibrated, and with few rows or many features it is hard to beat."
    ),
    when_not=(
        "When classes are separated by curves, or features matter only together: it draws straight boundaries. "
        "Tree ensembles and networks find such structure by themselves."
    ),
    references=(
        "Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, section 4.4",
        "Defazio, Bach and Lacoste-Julien (2014), SAGA: a fast incremental gradient method, arXiv:1407.0202",
        _shared.SCIKIT + "linear_model.html#logistic-regression",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "C",
                "float",
                1.0,
                low=1e-6,
                high=1e6,
                scale="log",
                label="C (inverse of the penalty)",
                help=(
                    "The inverse strength of the penalty. Smaller values hold the weights closer to 0 and guard "
                    "against overfitting; larger values follow the training rows more closely."
                ),
            ),
            Parameter(
                "penalty",
                "choice",
                "l2",
                choices=("l2", "l1", "elasticnet"),
                help=(
                    "What is penalised: l2, the squares of the weights, which keeps all features; l1, their absolute "
                    "values, which sets many weights to exactly 0 and so chooses features; elasticnet, both. l1 and "
                    "elasticnet take another solver, which is slower and shows no progress."
                ),
            ),
            Parameter(
                "l1_ratio",
                "float",
                0.5,
                low=0.0,
                high=1.0,
                label="share of L1",
                only_if=("penalty", "elasticnet"),
                help=(
                    "How elasticnet shares the penalty out: 1 is l1, 0 is l2. Larger values set more weights to 0; "
                    "smaller ones keep correlated features together."
                ),
            ),
            _shared.class_weight(),
            _shared.max_iter(1000, group=""),
            _shared.tol(
                1e-4,
                "The solver stops when no component of the gradient (for l1 and elasticnet: no weight's relative "
                "change) is larger than this. Smaller values cost iterations and rarely change a prediction.",
                group="",
            ),
        )
    ),
    staged="callback",
    presets={
        "fast": {"max_iter": 200, "tol": 1e-3},
        "accurate": {"max_iter": 10_000, "tol": 1e-6},
        "regularised": {"C": 0.1},
    },
)
