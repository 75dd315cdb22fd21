"""Encoders: how a table's own columns of categories become numbers, in place of one column for each category."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ..parameters import Parameter, ParameterTable
from ._preparing import switch
from ._unsupervised import Needs, entry, transform_lines
from .base import Algorithm
from .calls import Call

TASK = frozenset({"transform"})
FREQUENCY = "frequency_encoder"
HASHING = "hashing_encoder"
WHOLE = r"(?s).+"
"""The pattern of a whole cell."""
_ENCODING = "https://scikit-learn.org/stable/modules/preprocessing.html#"
_HASHING = "https://scikit-learn.org/stable/modules/feature_extraction.html#feature-hashing"


def nothing(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    """Return a transformer that changes nothing: as an algorithm of its own, all happens in the preparation."""
    return Call("sklearn.preprocessing.FunctionTransformer")


def scaled(call: Call) -> Call:
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
    return scaled(Call("sklearn.preprocessing.OrdinalEncoder", arguments))


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
    return scaled(Call("sklearn.preprocessing.TargetEncoder", arguments))


def _frequency(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    # the shares are counted before; they are numbers like any other by then
    return Call("sklearn.preprocessing.StandardScaler")


def _hashed(values: Mapping[str, Any], n_classes: int, regression: bool, seed: int) -> Call:
    # each cell is one word, whatever is in it
    arguments = {
        "n_features": values["n_columns"],
        "alternate_sign": values["signed"],
        "lowercase": False,
        "token_pattern": WHOLE,
        "norm": None,
    }
    return Call("sklearn.feature_extraction.text.HashingVectorizer", arguments)


def _encoder(id: str, name: str, guide: str, parameters: tuple[Parameter, ...] = (), **about: Any) -> Algorithm:
    target = about.pop("target", False)
    return entry(
        id=id,
        name=name,
        category=("Preprocessing", "Encoding"),
        tasks=TASK,
        references=(_ENCODING + guide if guide else _HASHING,),
        parameters=ParameterTable(parameters),
        recipe=nothing,
        lines=transform_lines,
        needs=Needs(target=target),
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

HASHING_ENCODER = _encoder(
    "hashing_encoder",
    "Hashing encoder",
    "",
    (
        Parameter(
            "n_columns",
            "int",
            16,
            low=2,
            high=4096,
            scale="log",
            unit="columns",
            label="new columns",
            help="How many columns each column becomes. With fewer, more categories share one.",
        ),
        switch(
            "signed",
            True,
            "Whether a category counts as +1 or -1 in its column, so that those that share one do not add up.",
            label="plus or minus",
        ),
    ),
    summary=(
        "Puts each category into one of a fixed number of columns by a hash of its letters (MurmurHash3). Nothing is "
        "learned, and a category not seen in training has its place too."
    ),
    when="For columns of thousands of categories, of which new ones keep coming: codes, addresses, user agents.",
    when_not="When columns are to be understood: categories share one by chance, and it has no name.",
)

ENCODING = (
    ONE_HOT_ENCODER,
    ORDINAL_ENCODER,
    TARGET_ENCODER,
    FREQUENCY_ENCODER,
    HASHING_ENCODER,
)
"""All of them, in the order of a list."""

ENCODERS = {
    "one_hot_encoder": _one_hot,
    "ordinal_encoder": _ordinal,
    "target_encoder": _target,
    FREQUENCY: _frequency,
    HASHING: _hashed,
}
"""How the columns of categories are treated, by id: ``(values, n_classes, regression, seed) -> Call``."""
