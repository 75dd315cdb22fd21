"""Nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import ParameterError
from ..parameters import Parameter, ParameterTable
from . import _shared
from ._estimator_code import estimator_entry
from .calls import Call


def _recipe(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    kind = "KNeighborsClassifier" if task == "classification" else "KNeighborsRegressor"
    # compared with every row: as exact as a search tree, fast for tables of many columns, and it is stored as plain
    # arrays, where a stored search tree could be forged to point anywhere
    return Call(f"sklearn.neighbors.{kind}", {**values, "algorithm": "brute"})


def _enough_rows(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    if values["n_neighbors"] > len(y):
        raise ParameterError(
            f"n_neighbors is {values['n_neighbors']}, but there are only {len(y)} training rows; take no more of them.",
            "n_neighbors",
            len(y),
        )


KNN = estimator_entry(
    recipe=_recipe,
    id="knn",
    name="k nearest neighbours",
    category=("Neighbours, kernels and Bayes",),
    tasks=_shared.BOTH,
    summary=(
        "Keeps all training rows and answers for a new row by those that are most like it: the classes of its "
        "neighbours vote, their numbers are averaged. It assumes nothing about the shape of what it learns, only that "
        "rows that are close have similar answers."
    ),
    when=(
        "With few, meaningful features and boundaries of any shape, and when an answer should be explained by similar "
        "cases. There is no training to wait for."
    ),
    when_not=(
        "With more than some ten features, where all rows become equally far apart, with features that do not matter, "
        "which count in the distance like the others, or on large tables, where each prediction looks at every row."
    ),
    references=(
        "Cover and Hart (1967), Nearest neighbor pattern classification, doi:10.1109/TIT.1967.1053964",
        _shared.SCIKIT + "neighbors.html",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "n_neighbors",
                "int",
                5,
                low=1,
                high=1000,
                scale="log",
                unit="rows",
                label="neighbours",
                help=(
                    "How many of the most similar training rows answer. Few follow every detail and all noise; many "
                    "smooth the answer until it is the same everywhere."
                ),
            ),
            Parameter(
                "weights",
                "choice",
                "uniform",
                choices=("uniform", "distance"),
                label="say of each neighbour",
                help=(
                    "Whether all neighbours count the same, or nearer ones more (by one over the distance). distance "
                    "makes the number of neighbours matter less, and answers training rows with their own value."
                ),
            ),
            Parameter(
                "metric",
                "choice",
                "euclidean",
                choices=("euclidean", "manhattan", "chebyshev", "cosine"),
                label="distance",
                help=(
                    "How far apart two rows are: euclidean, the straight line; manhattan, the sum over the features, "
                    "which single large differences sway less; chebyshev, the largest difference; cosine, the angle, "
                    "for which only the pattern of the features counts."
                ),
            ),
        )
    ),
    row_checks=(_enough_rows,),
)
