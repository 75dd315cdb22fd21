"""Columns made from columns, and the choice of those that are worth keeping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parameters import Parameter, ParameterTable
from ._preparing import choice, switch
from ._unsupervised import Needs, Reference, entry, supervised_transform_lines, transform_lines
from .base import Algorithm
from .calls import Call

_GUIDE = "https://scikit-learn.org/stable/modules/"


def _entry(
    id: str, name: str, part: str, recipe: Any, guide: str, parameters: tuple[Parameter, ...], **about: Any
) -> Algorithm:
    target = about.pop("target", False)
    return entry(
        id=id,
        name=name,
        category=("Preprocessing", part),
        tasks=frozenset({"transform"}),
        references=(_GUIDE + guide,),
        parameters=ParameterTable(parameters),
        recipe=recipe,
        lines=supervised_transform_lines if target else transform_lines,
        needs=Needs(target=target),
        **about,
    )


def _polynomial(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {"degree": values["degree"], "interaction_only": values["interaction_only"], "include_bias": False}
    return Call("sklearn.preprocessing.PolynomialFeatures", arguments)


def _bins(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments: dict[str, Any] = {
        "n_bins": values["n_bins"],
        "encode": {"flags": "onehot-dense", "numbers": "ordinal"}[values["encode"]],
        "strategy": values["strategy"],
        "subsample": None,
        "random_state": seed,
    }
    if values["strategy"] == "quantile":
        arguments["quantile_method"] = "averaged_inverted_cdf"
    return Call("sklearn.preprocessing.KBinsDiscretizer", arguments)


def _variance(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call("sklearn.feature_selection.VarianceThreshold", {"threshold": values["threshold"]})


def _best(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    room = "sklearn.feature_selection"
    if values["score"] == "f_test":
        score: Call = Reference(f"{room}.{'f_classif' if n_classes > 1 else 'f_regression'}")
    else:
        kind = Reference(f"{room}.{'mutual_info_classif' if n_classes > 1 else 'mutual_info_regression'}")
        score = Call("functools.partial", {"random_state": seed}, (kind,))
    return Call(f"{room}.SelectKBest", {"score_func": score, "k": min(values["k"], n_features)})


def _weigher(values: Mapping[str, Any], n_classes: int) -> Call:
    if n_classes > 1:
        return Call("sklearn.linear_model.LogisticRegression", {"C": values["C"], "max_iter": 1000})
    return Call("sklearn.linear_model.Ridge", {"alpha": 1.0 / values["C"]})


def _by_weight(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {"estimator": _weigher(values, n_classes), "threshold": values["threshold"]}
    return Call("sklearn.feature_selection.SelectFromModel", arguments)


def _elimination(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    return Call(
        "sklearn.feature_selection.RFE",
        {
            "estimator": _weigher(values, n_classes),
            "n_features_to_select": min(values["k"], n_features),
            "step": values["step"],
        },
    )


def _kept(default: int) -> Parameter:
    return Parameter(
        "k",
        "int",
        default,
        low=1,
        high=10_000,
        scale="log",
        unit="columns",
        label="columns to keep",
        help="How many columns stay at most; a table with fewer keeps all of them.",
    )


_STRENGTH = Parameter(
    "C",
    "float",
    1.0,
    low=1e-6,
    high=1e6,
    scale="log",
    label="C (inverse of the penalty)",
    help="The inverse strength of the linear model's penalty. Smaller values hold the weights closer together.",
)

POLYNOMIAL_FEATURES = _entry(
    "polynomial_features",
    "Polynomial features",
    "New columns",
    _polynomial,
    "preprocessing.html#polynomial-features",
    (
        Parameter(
            "degree",
            "int",
            2,
            low=1,
            high=5,
            help=(
                "How many columns are multiplied at most. The number of new columns grows quickly: 20 columns give 230 "
                "of degree 2 and 1 770 of degree 3."
            ),
        ),
        switch(
            "interaction_only",
            False,
            "Whether only products of different columns are made, no squares.",
            label="products only",
        ),
    ),
    summary="Adds the squares of columns and the products of each two (or more) to the table.",
    when="Before a linear model, when columns matter together or along curves, and there are up to some dozen columns.",
    when_not="With many columns, and before trees and networks, which find such structure by themselves.",
)

DISCRETIZER = _entry(
    "discretizer",
    "Discretiser (bins)",
    "New columns",
    _bins,
    "preprocessing.html#k-bins-discretization",
    (
        Parameter("n_bins", "int", 5, low=2, high=1000, scale="log", unit="bins", label="bins", help="Bins a column."),
        choice(
            "strategy",
            "quantile",
            ("quantile", "uniform", "kmeans"),
            "Where bins begin and end: with equally many rows in each, equally wide, or around the centres of k-means.",
            label="borders",
        ),
        choice(
            "encode",
            "flags",
            ("flags", "numbers"),
            "Whether each bin becomes a column of 0 and 1, or each value the number of its bin.",
            label="result",
        ),
    ),
    summary="Divides each column into bins and replaces values by the bin that they fall into.",
    when="Before a linear model, when a column's effect goes up and down, or when small differences are only noise.",
    when_not="Before trees, which find their own borders: what lies within a bin can no longer be told apart.",
)

VARIANCE_THRESHOLD = _entry(
    "variance_threshold",
    "Variance threshold",
    "Selection",
    _variance,
    "feature_selection.html#removing-features-with-low-variance",
    (
        Parameter(
            "threshold",
            "float",
            0.0,
            low=0.0,
            high=100.0,
            scale="log",
            smallest=1e-4,
            help=(
                "Columns whose variance is not larger than this go. 0 takes out constant ones only; numbers are "
                "standardised before and have about 1, a flag that is set in 1 % of the rows has 0.01."
            ),
        ),
    ),
    summary="Takes out columns that hardly differ between rows.",
    when="On wide tables with many rare categories, as a first quick clearing.",
    when_not="When a rare flag may be just what matters: it does not look at the target.",
)

SELECT_K_BEST = _entry(
    "select_k_best",
    "Select k best",
    "Selection",
    _best,
    "feature_selection.html#univariate-feature-selection",
    (
        _kept(10),
        choice(
            "score",
            "f_test",
            ("f_test", "mutual_information"),
            "How a column's worth is measured: the F-test sees straight relations and is quick, mutual information "
            "sees any relation and needs more rows.",
        ),
    ),
    summary="Keeps the columns that tell most about the target, each looked at on its own.",
    when="On wide tables, to take out what has nothing to do with the target.",
    when_not="When columns matter only together, or say the same thing: it looks at one at a time and keeps copies.",
    target=True,
)

SELECT_FROM_MODEL = _entry(
    "select_from_model",
    "Select by weight",
    "Selection",
    _by_weight,
    "feature_selection.html#feature-selection-using-selectfrommodel",
    (
        _STRENGTH,
        choice(
            "threshold",
            "mean",
            ("mean", "median", "0.5*mean", "1.5*mean"),
            "How large a weight must be to stay, against the average (or the middle) of all weights.",
        ),
    ),
    summary="Fits a linear model (logistic or ridge) to the target once and keeps the columns of large weight.",
    when="On wide tables, when columns should be judged together and quickly.",
    when_not="When the target follows curves or products of columns: a linear model does not see them.",
    target=True,
)

RECURSIVE_ELIMINATION = _entry(
    "recursive_elimination",
    "Recursive feature elimination",
    "Selection",
    _elimination,
    "feature_selection.html#recursive-feature-elimination",
    (
        _kept(10),
        Parameter(
            "step",
            "float",
            0.1,
            low=0.01,
            high=0.9,
            label="taken out at once",
            help="Which part of the columns goes in each round. Smaller parts choose with more care and take longer.",
        ),
        _STRENGTH,
    ),
    summary="Fits a linear model, takes out the columns of smallest weight, and repeats until few are left.",
    when="When columns should be judged together and say partly the same: what is left is weighed anew each round.",
    when_not="On very wide tables, where the many fits take long, or when relations are not straight.",
    target=True,
)

FEATURES = (
    POLYNOMIAL_FEATURES,
    DISCRETIZER,
    VARIANCE_THRESHOLD,
    SELECT_K_BEST,
    SELECT_FROM_MODEL,
    RECURSIVE_ELIMINATION,
)
