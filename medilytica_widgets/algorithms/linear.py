"""Logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from ._estimator_code import estimator_lines
from .base import Algorithm, CodeRequest


def _arguments(values: Mapping[str, Any], seed: int) -> dict[str, Any]:
    weight = "balanced" if values["class_weight"] == "balanced" else None
    return {
        "C": values["C"],
        "class_weight": weight,
        "tol": values["tol"],
        "max_iter": values["max_iter"],
        "random_state": seed,
    }


def _build(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**_arguments(values, seed))


def _code(request: CodeRequest) -> list[str]:
    arguments = _arguments(request.values, request.seed)
    return estimator_lines("sklearn.linear_model", "LogisticRegression", arguments, request.task, balance=False)


LOGISTIC_REGRESSION = Algorithm(
    id="logistic_regression",
    name="Logistic regression",
    category=("Linear models",),
    tasks=frozenset({"classification"}),
    summary=(
        "Weighs the features, adds them up, and turns the sum into a probability for each class. The weights minimise "
        "the log loss plus a penalty on their squares. With more than two classes it is multinomial (softmax)."
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
        "https://scikit-learn.org/stable/modules/linear_model.html#logistic-regression",
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
                label="C (inverse of the L2 penalty)",
                help=(
                    "The inverse strength of the L2 penalty. Smaller values hold the weights closer to 0 and guard "
                    "against overfitting; larger values follow the training rows more closely."
                ),
            ),
            Parameter(
                "class_weight",
                "choice",
                "none",
                choices=("none", "balanced"),
                help=(
                    "balanced weighs each row by the rarity of its class, so that small classes count as much as "
                    "large ones: more of them are found, at the price of more false alarms and shifted probabilities."
                ),
            ),
            Parameter(
                "max_iter",
                "int",
                1000,
                low=1,
                high=100_000,
                scale="log",
                unit="iterations",
                label="most iterations",
                help="The solver stops here even if it has not converged. Raise it when a run says that it did not.",
            ),
            Parameter(
                "tol",
                "float",
                1e-4,
                low=1e-10,
                high=0.1,
                scale="log",
                label="tolerance",
                help=(
                    "The solver stops when no component of the gradient is larger than this. Smaller values cost "
                    "iterations and rarely change a prediction."
                ),
            ),
        )
    ),
    engine="estimator",
    builder=_build,
    coder=_code,
    staged="callback",
)
