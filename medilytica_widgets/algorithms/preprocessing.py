"""Scalers: the prepared columns brought to another scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError
from ..parameters import Parameter, ParameterTable
from ._preparing import choice, switch
from ._unsupervised import entry, transform_lines
from .base import Algorithm
from .calls import Call

_BEFORE = "It acts on the prepared table: numbers are standardised and cut off at five standard deviations already."


def _plain(name: str, *arguments: str) -> Any:
    def recipe(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
        return Call(f"sklearn.preprocessing.{name}", {key: values[key] for key in arguments})

    return recipe


def _range(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {"feature_range": (values["lowest"], values["highest"]), "clip": values["clip"]}
    return Call("sklearn.preprocessing.MinMaxScaler", arguments)


def _robust(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    tail = values["tail"]
    arguments = {
        "with_centering": values["with_centering"],
        "with_scaling": values["with_scaling"],
        "quantile_range": (tail, 100.0 - tail),
    }
    return Call("sklearn.preprocessing.RobustScaler", arguments)


def _quantile(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    names = ("n_quantiles", "output_distribution")
    return Call(
        "sklearn.preprocessing.QuantileTransformer",
        {**{name: values[name] for name in names}, "subsample": None, "random_state": seed},
    )


def _power(values: Mapping[str, Any], task: str, n_features: int, n_classes: int, seed: int) -> Call:
    arguments = {"method": "yeo-johnson", "standardize": values["standardize"]}
    return Call("sklearn.preprocessing.PowerTransformer", arguments)


def _scaler(id: str, name: str, recipe: Any, anchor: str, parameters: tuple[Parameter, ...], **about: Any) -> Algorithm:
    return entry(
        id=id,
        name=name,
        category=("Preprocessing", "Scaling"),
        tasks=frozenset({"transform"}),
        references=(f"https://scikit-learn.org/stable/modules/preprocessing.html#{anchor}",),
        parameters=ParameterTable(parameters),
        recipe=recipe,
        lines=transform_lines,
        **about,
    )


def _check_range(values: Mapping[str, Any]) -> None:
    if values["lowest"] >= values["highest"]:
        raise ParameterError(
            f"lowest is {values['lowest']:g} and highest is {values['highest']:g}; the lowest value must be smaller "
            "than the highest.",
            "lowest",
            values["highest"] - 1,
        )


STANDARD_SCALER = _scaler(
    "standard_scaler",
    "Standard scaler",
    _plain("StandardScaler", "with_mean", "with_std"),
    "standardization-or-mean-removal-and-variance-scaling",
    (
        switch("with_mean", True, "Whether the average is taken off each column.", label="centre"),
        switch("with_std", True, "Whether each column is divided by its standard deviation.", label="scale"),
    ),
    summary="Brings each column to an average of 0 and a standard deviation of 1.",
    when=f"After steps that changed the columns' scales, or to scale flags and categories too. {_BEFORE}",
    when_not="When a few extreme values decide the spread: the robust scaler does not see them.",
)

MIN_MAX_SCALER = _scaler(
    "min_max_scaler",
    "Min-max scaler",
    _range,
    "scaling-features-to-a-range",
    (
        Parameter("lowest", "float", 0.0, low=-1000.0, high=1000.0, help="What the smallest value becomes."),
        Parameter("highest", "float", 1.0, low=-1000.0, high=1000.0, help="What the largest value becomes."),
        switch("clip", True, "Whether new rows beyond what was seen end at the limits as well."),
    ),
    summary="Moves and stretches each column so that its training rows lie between two values, 0 and 1 as a rule.",
    when=f"For algorithms that need numbers in a fixed range or none below 0. {_BEFORE}",
    when_not="When one extreme value would press all others together.",
    checks=(_check_range,),
)

MAX_ABS_SCALER = _scaler(
    "max_abs_scaler",
    "Max-abs scaler",
    _plain("MaxAbsScaler"),
    "scaling-features-to-a-range",
    (),
    summary="Divides each column by its largest size, so that it lies between -1 and 1 and zero stays zero.",
    when=f"When zero means something, as for flags and counts. {_BEFORE}",
    when_not="When one extreme value would press all others together.",
)

ROBUST_SCALER = _scaler(
    "robust_scaler",
    "Robust scaler",
    _robust,
    "scaling-data-with-outliers",
    (
        Parameter(
            "tail",
            "float",
            25.0,
            low=0.0,
            high=49.0,
            unit="%",
            label="left out at each end",
            help="How much of the smallest and of the largest values does not count for the spread.",
        ),
        switch("with_centering", True, "Whether the median is taken off each column.", label="centre"),
        switch("with_scaling", True, "Whether each column is divided by that spread.", label="scale"),
    ),
    summary="Takes off the median and divides by the spread of the middle half, which extreme values do not move.",
    when=f"When columns hold extreme values that are real. {_BEFORE}",
    when_not="On columns of mostly one value: their middle half has no spread, and they are left as they are.",
)

QUANTILE_TRANSFORMER = _scaler(
    "quantile_transformer",
    "Quantile scaler",
    _quantile,
    "mapping-to-a-uniform-distribution",
    (
        Parameter(
            "n_quantiles",
            "int",
            100,
            low=2,
            high=10_000,
            scale="log",
            label="quantiles",
            help="How finely a column's distribution is described; at most the number of training rows is used.",
        ),
        choice(
            "output_distribution",
            "normal",
            ("normal", "uniform"),
            "Whether the result is bell-shaped or spread evenly between 0 and 1.",
            label="result",
        ),
    ),
    summary="Replaces values by their rank among the training rows, so that every column has the same distribution.",
    when=f"When columns are very skewed or have long tails and only the order of the values matters. {_BEFORE}",
    when_not="When distances between values mean something: ranks forget them.",
)

POWER_TRANSFORMER = _scaler(
    "power_transformer",
    "Power scaler (Yeo-Johnson)",
    _power,
    "mapping-to-a-gaussian-distribution",
    (switch("standardize", True, "Whether the result is brought to an average of 0 and a spread of 1."),),
    summary="Bends each column by a power, chosen so that the training rows become as bell-shaped as they can.",
    when=f"Before linear models or distances, with skewed columns. {_BEFORE}",
    when_not="For trees, which only look at the order of values.",
)

NORMALIZER = _scaler(
    "normalizer",
    "Normaliser",
    _plain("Normalizer", "norm"),
    "normalization",
    (
        choice(
            "norm", "l2", ("l2", "l1", "max"), "How the length of a row is measured: by squares, sizes or the largest."
        ),
    ),
    summary="Divides each row by its length, so that only the proportions between its columns are left.",
    when="When the direction of a row says more than its size, as for shares or word counts.",
    when_not="When the size matters too, which is so for most tables of measurements.",
)

SCALERS = (
    STANDARD_SCALER,
    MIN_MAX_SCALER,
    MAX_ABS_SCALER,
    ROBUST_SCALER,
    QUANTILE_TRANSFORMER,
    POWER_TRANSFORMER,
    NORMALIZER,
)
