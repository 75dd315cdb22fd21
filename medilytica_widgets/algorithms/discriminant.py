"""Linear and quadratic discriminant analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import ParameterError
from ..parameters import Parameter, ParameterTable
from . import _shared
from ._estimator_code import estimator_entry
from .calls import Call

_CATEGORY = ("Linear models",)
_CLASSIFICATION = frozenset({"classification"})


def _shrinkage(values: Mapping[str, Any]) -> Any:
    return "auto" if values["shrinkage"] == "auto" else values["shrinkage_amount"]


def _lda(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments: dict[str, Any] = {"solver": "svd"}
    if values["shrinkage"] != "none":
        arguments = {"solver": "lsqr", "shrinkage": _shrinkage(values)}
    return Call("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", arguments)


def _qda(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    # without shrinkage scikit-learn refuses features that depend on each other, as those of a category always do;
    # tol decides about that refusal only, and float32 rows need no finer one
    arguments = {"solver": "eigen", "shrinkage": _shrinkage(values), "tol": 1e-9}
    return Call("sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis", arguments)


def _two_rows_a_class(values: Mapping[str, Any], y: NDArray[Any]) -> None:
    if _shared.smallest_class(y) < 2:
        raise ParameterError(
            "A class has one training row only, and quadratic discriminant analysis needs at least two of each to "
            "learn its spread. Give more such rows, or take linear discriminant analysis.",
            "shrinkage",
        )


def _amount(low: float, default: float) -> Parameter:
    return Parameter(
        "shrinkage_amount",
        "float",
        default,
        low=low,
        high=1.0,
        label="amount of shrinkage",
        only_if=("shrinkage", "set"),
        help=(
            "How far the covariance is drawn towards that of features that vary alike and independently: near 0 as "
            "the rows have it, 1 all the way. Larger values are steadier with few rows and blur what is there."
        ),
    )


LDA = estimator_entry(
    recipe=_lda,
    id="lda",
    name="Linear discriminant analysis",
    category=_CATEGORY,
    tasks=_CLASSIFICATION,
    summary=(
        "Takes each class for a bell-shaped cloud around its mean, all clouds of one shape, and gives each row the "
        "probability of each class under that picture. The boundaries between classes are straight. Nothing is "
        "iterated: means and one covariance are computed, and that is the model."
    ),
    when=(
        "As a baseline beside logistic regression, above all with few rows and several classes; with shrinkage also "
        "where there are more features than rows."
    ),
    when_not=(
        "When features are far from the bell curve, as counts and rare categories are, when there are strong outliers, "
        "or when the classes spread differently: logistic regression asks for none of this. It draws no curves."
    ),
    references=(
        "Fisher (1936), The use of multiple measurements in taxonomic problems, doi:10.1111/j.1469-1809.1936.tb02137.x",
        "Ledoit and Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices, "
        "doi:10.1016/S0047-259X(03)00096-4",
        _shared.SCIKIT + "lda_qda.html",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "shrinkage",
                "choice",
                "none",
                choices=("none", "auto", "set"),
                help=(
                    "Whether the covariance is drawn towards a simpler one, which steadies it when rows are few: none, "
                    "auto (the amount that Ledoit and Wolf derive from the rows), or set by hand."
                ),
            ),
            _amount(0.0, 0.1),
        )
    ),
)

QDA = estimator_entry(
    recipe=_qda,
    id="qda",
    name="Quadratic discriminant analysis",
    category=_CATEGORY,
    tasks=_CLASSIFICATION,
    summary=(
        "Takes each class for a bell-shaped cloud with a mean and a shape of its own, and gives each row the "
        "probability of each class under that picture. The boundaries are curves of second degree: ellipses, "
        "parabolas, hyperbolas. Each covariance is shrunk a little, so that features that depend on each other do no "
        "harm."
    ),
    when=(
        "When the classes are roughly bell-shaped but spread differently, with a good number of rows in each and not "
        "too many features."
    ),
    when_not=(
        "With many features or small classes: it learns a whole covariance for each class, and its probabilities "
        "become far too sure. Linear discriminant analysis or logistic regression are safer there."
    ),
    references=(
        "Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, section 4.3",
        "Friedman (1989), Regularized discriminant analysis, doi:10.1080/01621459.1989.10478752",
        _shared.SCIKIT + "lda_qda.html",
    ),
    parameters=ParameterTable(
        (
            Parameter(
                "shrinkage",
                "choice",
                "set",
                choices=("auto", "set"),
                help=(
                    "How the amount of shrinkage is chosen: auto (the amount that Ledoit and Wolf derive from the "
                    "rows of each class), or set by hand."
                ),
            ),
            _amount(1e-3, 0.01),
        )
    ),
    row_checks=(_two_rows_a_class,),
)
