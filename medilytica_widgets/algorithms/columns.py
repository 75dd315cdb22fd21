"""Encoders and imputers: how the table's own columns become numbers without gaps.

They act on the raw columns, before everything else, in place of the default: one column for each category, and gaps
filled with the median.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ..parameters import Parameter, ParameterTable
from ._preparing import choice, iterations, tolerance
from ._unsupervised import Experimental, Needs, entry, transform_lines
from .base import Algorithm
from .calls import Call

_TASK = frozenset({"transform"})
FREQUENCY = "frequency_encoder"
_ENCODING = "https://scikit-learn.org/stable/modules/preprocessing.html#"
_FILLING = "https://scikit-learn.org/stable/modules/impute.html#"


def _nothing(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    # as an algorithm of its own, all of it happens in the table's preparation
    return Call("sklearn.preprocessing.FunctionTransformer")


def _scaled(call: Call) -> Call:
    """Return a call whose numbers are brought to the scale of the other columns."""
    scaler = Call("sklearn.preprocessing.StandardScaler")
    return Call("sklearn.pipeline.make_pipeline", positional=(call, scaler))


def _one_hot(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    arguments: dict[str, Any] = {"max_categories": values["max_categories"]}
    if values["min_rows"] > 1:
        arguments["min_frequency"] = values["min_rows"]
    return Call(
        "sklearn.preprocessing.OneHotEncoder",
        {**arguments, "handle_unknown": "infrequent_if_exist", "sparse_output": False},
    )


def _ordinal(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    arguments = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    return _scaled(Call("sklearn.preprocessing.OrdinalEncoder", arguments))


def _target(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    kind = "continuous" if regression else "binary" if n_classes == 2 else "multiclass"
    arguments: dict[str, Any] = {
        "target_type": kind,
        "smooth": "auto" if values["smooth"] is None else values["smooth"],
    }
    if tuple(int(part) for part in version("scikit-learn").split(".")[:2]) < (1, 9):
        arguments |= {"cv": values["cv"], "random_state": seed}
    else:
        kind = "KFold" if regression else "StratifiedKFold"
        drawn = {"n_splits": values["cv"], "shuffle": True, "random_state": seed}
        arguments["cv"] = Call(f"sklearn.model_selection.{kind}", drawn)
    return _scaled(Call("sklearn.preprocessing.TargetEncoder", arguments))


def _frequency(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    # the shares are counted before; they are numbers like any other by then
    return Call("sklearn.preprocessing.StandardScaler")


def _simple(strategy: str) -> Any:
    def recipe(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
        filled = Call("sklearn.impute.SimpleImputer", {"strategy": strategy, "keep_empty_features": True})
        return _scaled(filled)

    return recipe


def _knn(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    arguments = {"n_neighbors": values["n_neighbors"], "weights": values["weights"], "keep_empty_features": True}
    # distances need columns of one scale
    scaler = Call("sklearn.preprocessing.StandardScaler")
    return Call("sklearn.pipeline.make_pipeline", positional=(scaler, Call("sklearn.impute.KNNImputer", arguments)))


def _iterative(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    names = ("max_iter", "tol", "n_nearest_features")
    filler = Experimental(
        "sklearn.impute.IterativeImputer",
        {**{name: values[name] for name in names}, "keep_empty_features": True, "random_state": seed},
        enabled_by="sklearn.experimental.enable_iterative_imputer",
    )
    scaler = Call("sklearn.preprocessing.StandardScaler")
    return Call("sklearn.pipeline.make_pipeline", positional=(scaler, filler))


def _encoder(id: str, name: str, guide: str, parameters: tuple[Parameter, ...] = (), **about: Any) -> Algorithm:
    target = about.pop("target", False)
    return entry(
        id=id,
        name=name,
        category=("Preprocessing", "Encoding"),
        tasks=_TASK,
        references=(_ENCODING + guide,),
        parameters=ParameterTable(parameters),
        recipe=_nothing,
        lines=transform_lines,
        needs=Needs(target=target),
        **about,
    )


def _imputer(id: str, name: str, guide: str, parameters: tuple[Parameter, ...] = (), **about: Any) -> Algorithm:
    return entry(
        id=id,
        name=name,
        category=("Preprocessing", "Missing values"),
        tasks=_TASK,
        references=(_FILLING + guide,),
        parameters=ParameterTable(parameters),
        recipe=_nothing,
        lines=transform_lines,
        **about,
    )


ONE_HOT_ENCODER = _encoder(
    "one_hot_encoder",
    "One-hot encoder",
    "encoding-categorical-features",
    (
        Parameter(
            "max_categories",
            "int",
            50,
            low=2,
            high=1000,
            scale="log",
            unit="columns",
            label="most columns",
            help="How many columns one column may become; its rarer categories then share one.",
        ),
        Parameter(
            "min_rows",
            "int",
            1,
            low=1,
            high=10_000,
            scale="log",
            unit="rows",
            label="least rows of a category",
            help="Categories with fewer training rows share one column.",
        ),
    ),
    summary="Makes a column of 0 and 1 for each category; this is what a table gets without any step.",
    when="For columns of up to some dozen categories, which have no order.",
    when_not="For columns of very many categories: it makes the table wide. Target or frequency encoding stay narrow.",
)

ORDINAL_ENCODER = _encoder(
    "ordinal_encoder",
    "Ordinal encoder",
    "encoding-categorical-features",
    summary=(
        "Replaces categories by numbers in the order of the alphabet, brought to the scale of the other columns. A "
        "category not seen in training comes before all others."
    ),
    when="Before trees, which can take any order apart again, or when categories sort by their names (stage 1, 2, 3).",
    when_not="Before linear models, distances and networks, when the order means nothing: they take it at its word.",
)

TARGET_ENCODER = _encoder(
    "target_encoder",
    "Target encoder",
    "target-encoder",
    (
        Parameter(
            "smooth",
            "float",
            None,
            low=0.0,
            high=10_000.0,
            scale="log",
            smallest=0.01,
            optional=True,
            label="smoothing",
            help=(
                "How strongly the average of a rare category is drawn towards the average of all rows; off lets the "
                "spread within the categories decide."
            ),
        ),
        Parameter(
            "cv",
            "int",
            5,
            low=2,
            high=20,
            unit="parts",
            label="parts",
            help=(
                "A training row is encoded with averages from which its own part of the rows was left out, so that "
                "its answer does not leak into its column. This is the number of parts."
            ),
        ),
    ),
    summary=(
        "Replaces each category by the average of the target over its training rows (for several classes, one column "
        "each), brought to the scale of the other columns."
    ),
    when="For columns of very many categories, such as postcodes or diagnoses, when categories differ in the target.",
    when_not="With few rows in each category, where averages are mostly chance, or without a target.",
    target=True,
)

FREQUENCY_ENCODER = _encoder(
    FREQUENCY,
    "Frequency encoder",
    "encoding-categorical-features",
    summary=(
        "Replaces each category by its share of the training rows, brought to the scale of the other columns. A "
        "category not seen in training has the share 0."
    ),
    when="For columns of very many categories, when being common or rare is what matters.",
    when_not="When categories of about the same share should be told apart: they become the same number.",
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

COLUMNS = (
    ONE_HOT_ENCODER,
    ORDINAL_ENCODER,
    TARGET_ENCODER,
    FREQUENCY_ENCODER,
    MEAN_IMPUTER,
    MEDIAN_IMPUTER,
    KNN_IMPUTER,
    ITERATIVE_IMPUTER,
)
"""All of them, in the order of a list."""

ENCODERS = {
    "one_hot_encoder": _one_hot,
    "ordinal_encoder": _ordinal,
    "target_encoder": _target,
    FREQUENCY: _frequency,
}
"""How the columns of categories are treated, by id: ``(values, n_classes, regression, seed) -> Call``."""

IMPUTERS = {
    "mean_imputer": _simple("mean"),
    "median_imputer": _simple("median"),
    "knn_imputer": _knn,
    "iterative_imputer": _iterative,
}
"""How the columns of numbers are filled and scaled, by id: ``(values, n_classes, regression, seed) -> Call``."""
