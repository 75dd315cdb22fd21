"""Imputers: how the gaps of a table's columns are filled, in place of the median."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from ._preparing import choice, iterations, switch, tolerance
from ._unsupervised import Experimental, entry, transform_lines
from .base import Algorithm
from .calls import Call
from .columns import TASK, nothing, scaled

_FILLING = "https://scikit-learn.org/stable/modules/impute.html#"
_INDICATOR = switch(
    "indicator",
    False,
    "Whether each column that has gaps among the training rows gets a column beside it that tells where they were. "
    "Worth it when a gap itself says something, as a test that nobody thought needed.",
    label="tell where gaps were",
)


def _gaps(values: Mapping[str, Any]) -> dict[str, Any]:
    # without the switch the call is the one that older programs print
    return {"keep_empty_features": True, **({"add_indicator": True} if values["indicator"] else {})}


def _simple(strategy: str) -> Any:
    def recipe(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
        filled = Call("sklearn.impute.SimpleImputer", {"strategy": strategy, **_gaps(values)})
        return scaled(filled)

    return recipe


def _constant(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    arguments = {"strategy": "constant", "fill_value": values["value"], **_gaps(values)}
    return scaled(Call("sklearn.impute.SimpleImputer", arguments))


def _knn(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    arguments = {"n_neighbors": values["n_neighbors"], "weights": values["weights"], **_gaps(values)}
    # distances need columns of one scale
    scaler = Call("sklearn.preprocessing.StandardScaler")
    return Call("sklearn.pipeline.make_pipeline", positional=(scaler, Call("sklearn.impute.KNNImputer", arguments)))


def _iterative(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    names = ("max_iter", "tol", "n_nearest_features")
    filler = Experimental(
        "sklearn.impute.IterativeImputer",
        {**{name: values[name] for name in names}, **_gaps(values), "random_state": seed},
        enabled_by="sklearn.experimental.enable_iterative_imputer",
    )
    scaler = Call("sklearn.preprocessing.StandardScaler")
    return Call("sklearn.pipeline.make_pipeline", positional=(scaler, filler))


def _imputer(id: str, name: str, guide: str, parameters: tuple[Parameter, ...] = (), **about: Any) -> Algorithm:
    return entry(
        id=id,
        name=name,
        category=("Preprocessing", "Missing values"),
        tasks=TASK,
        references=(_FILLING + guide,),
        parameters=ParameterTable((*parameters, _INDICATOR)),
        recipe=nothing,
        lines=transform_lines,
        **about,
    )


MEAN_IMPUTER = _imputer(
    "mean_imputer",
    "Mean imputer",
    "univariate-feature-imputation",
    summary="Fills the gaps of a column of numbers with its average over the training rows.",
    when="When few values are missing, by chance, and columns are about bell-shaped.",
    when_not="With extreme values, which move the average: the median does not follow them.",
)

MEDIAN_IMPUTER = _imputer(
    "median_imputer",
    "Median imputer",
    "univariate-feature-imputation",
    summary=(
        "Fills the gaps of a column of numbers with its median over the training rows; this is what a table gets "
        "without any step."
    ),
    when="As a rule: it is quick, and extreme values do not move it.",
    when_not="When other columns tell what is missing: neighbours or regression fill gaps closer.",
)

MODE_IMPUTER = _imputer(
    "mode_imputer",
    "Mode imputer",
    "univariate-feature-imputation",
    summary=(
        "Fills the gaps of a column with the value that its training rows have most often; of columns of categories "
        "too, whose gaps would else be a category of their own."
    ),
    when="For categories and for numbers of few values, when few are missing.",
    when_not="When a gap itself says something: without this step it is a category that an algorithm can learn from.",
)

CONSTANT_IMPUTER = _imputer(
    "constant_imputer",
    "Constant imputer",
    "univariate-feature-imputation",
    (
        Parameter(
            "value",
            "float",
            0.0,
            low=-1e12,
            high=1e12,
            help="What stands in each gap, in the column's own units.",
        ),
    ),
    summary="Fills the gaps of a column of numbers with one value.",
    when="When a gap has a meaning that is a number: no purchase is 0 purchases.",
    when_not="When the value is far from the others only to mark the gap: tell where gaps were with the indicator.",
)

KNN_IMPUTER = _imputer(
    "knn_imputer",
    "Nearest-neighbours imputer",
    "nearest-neighbors-imputation",
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
            help="How many similar rows are averaged. More give steadier, flatter values.",
        ),
        choice(
            "weights",
            "uniform",
            ("uniform", "distance"),
            "Whether all neighbours count the same, or nearer ones more.",
        ),
    ),
    summary="Fills a gap with the average of the rows that are most alike in the columns that are there.",
    when="When columns of numbers go together, on up to some ten thousand rows.",
    when_not="On large tables: each row with a gap is compared with all training rows.",
)

ITERATIVE_IMPUTER = _imputer(
    "iterative_imputer",
    "Regression imputer",
    "multivariate-feature-imputation",
    (
        iterations(10, "How often all columns are gone through, each filled anew from the others."),
        tolerance(1e-3, "It ends when no value moves by more than this, in standard deviations."),
        Parameter(
            "n_nearest_features",
            "int",
            None,
            low=1,
            high=1000,
            scale="log",
            optional=True,
            unit="columns",
            label="columns looked at",
            help="From how many other columns a gap is filled; off takes all. Fewer are quicker on wide tables.",
        ),
    ),
    summary="Predicts the gaps of each column of numbers from the others by regression, in several rounds.",
    when="When columns of numbers go together and much is missing.",
    when_not="On wide tables, where it takes long, or when gaps themselves tell something.",
)

IMPUTING = (MEAN_IMPUTER, MEDIAN_IMPUTER, MODE_IMPUTER, CONSTANT_IMPUTER, KNN_IMPUTER, ITERATIVE_IMPUTER)
"""All of them, in the order of a list."""

IMPUTERS = {
    "mean_imputer": _simple("mean"),
    "median_imputer": _simple("median"),
    "mode_imputer": _simple("most_frequent"),
    "constant_imputer": _constant,
    "knn_imputer": _knn,
    "iterative_imputer": _iterative,
}
"""How columns of numbers are filled and scaled, by id: ``(values, n_classes, regression, seed) -> Call``."""


def word_filler(id: str, missing: str) -> Call | None:
    """Return what an imputer does to columns of categories whose gaps hold a word; None where it leaves them."""
    if id != "mode_imputer":
        return None
    return Call("sklearn.impute.SimpleImputer", {"missing_values": missing, "strategy": "most_frequent"})
