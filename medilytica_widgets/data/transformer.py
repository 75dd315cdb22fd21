"""The transformer of a table's columns: what each block of a layout is built of, and the names of what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .cleaning import labels
from .inputs import MISSING
from .layout import Block

#: The most categories of one column that get a column of their own; rarer ones share one.
MAX_CATEGORIES = 50
DATE_PARTS: Mapping[str, str] = {
    "year": "{moments}.dt.year",
    "month": "{moments}.dt.month",
    "day": "{moments}.dt.day",
    "weekday": "{moments}.dt.day_of_week",
    "hour": "{moments}.dt.hour",
    "month sin": "np.sin(2 * np.pi * {moments}.dt.month / 12)",
    "month cos": "np.cos(2 * np.pi * {moments}.dt.month / 12)",
    "weekday sin": "np.sin(2 * np.pi * {moments}.dt.day_of_week / 7)",
    "weekday cos": "np.cos(2 * np.pi * {moments}.dt.day_of_week / 7)",
    "hour sin": "np.sin(2 * np.pi * {moments}.dt.hour / 24)",
    "hour cos": "np.cos(2 * np.pi * {moments}.dt.hour / 24)",
    "days": "{days}",
}
"""The parts of a date, each as the source of a script; `expanded` calculates the same."""


def make_transformer(blocks: Sequence[Block]) -> ColumnTransformer:
    """Return the unfitted preprocessing; `source_code.prepare_lines` prints the same one."""
    made: list[tuple[str, Any, list[str] | str]] = []
    for block in blocks:
        one: Any
        if block.maker is not None:
            one = block.maker.build()
        elif block.treated == "numbers":
            one = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        else:
            one = OneHotEncoder(
                max_categories=MAX_CATEGORIES, handle_unknown="infrequent_if_exist", sparse_output=False
            )
        if block.filler is not None:
            one = make_pipeline(block.filler.build(), one)
        made.append((block.name, one, block.columns[0] if block.single else block.columns))
    if any(block.single for block in blocks):
        # words make wide, sparse tables; what comes after takes dense ones
        return ColumnTransformer(made, sparse_threshold=0)
    return ColumnTransformer(made)


def expanded(table: pd.DataFrame, dates: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return a table with the parts of its dates as new columns of numbers; its dates are days since 1970."""
    if not dates:
        return table
    new: dict[str, NDArray[np.float64]] = {}
    for name, parts in dates.items():
        days = table[name]
        # through seconds: the hour of a day's fraction would be one too low by rounding
        moments = pd.Series((days * 86400).round().to_numpy().astype("datetime64[s]"), index=days.index).dt
        values = {
            "year": moments.year,
            "month": moments.month,
            "day": moments.day,
            "weekday": moments.day_of_week,
            "hour": moments.hour,
        }
        around = {"month": 12, "weekday": 7, "hour": 24}
        for column, part in parts.items():
            of, _, way = part.partition(" ")
            found: Any
            if part == "days":
                found = days
            elif way:
                found = (np.sin if way == "sin" else np.cos)(2 * np.pi * values[of] / around[of])
            else:
                found = values[of]
            new[column] = np.asarray(found, dtype=np.float64)
    return table.assign(**new)


def names_of(
    transformer: ColumnTransformer, dates: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[list[str], list[str]]:
    """Return the names of the columns that a fitted transformer gives, and the table's column that each came from."""
    names: list[str] = []
    sources: list[str] = []
    for block, fitted, given in transformer.transformers_:
        if block == "remainder":
            continue
        columns = [given] if isinstance(given, str) else [str(column) for column in given]
        for column, found in _of_block(fitted, columns):
            names.append(found)
            sources.append(column)
    parts = {new: column for column, made in (dates or {}).items() for new in made}
    return names, [parts.get(source, source) for source in sources]


def _of_block(fitted: Any, columns: Sequence[str]) -> list[tuple[str, str]]:
    steps = [step for _, step in fitted.steps] if hasattr(fitted, "steps") else [fitted]
    if isinstance(steps[-1], OneHotEncoder):
        return [(columns[place], name) for place, name in _one_hot_names(steps[-1], columns)]
    if isinstance(steps[-1], TfidfVectorizer):
        return [(columns[0], f"{columns[0]}: {word}") for word in steps[-1].get_feature_names_out()]
    if isinstance(steps[-1], HashingVectorizer):
        return [(columns[0], f"{columns[0]} #{number}") for number in range(1, steps[-1].n_features + 1)]
    filler = next((step for step in steps if hasattr(step, "add_indicator")), None)
    if filler is not None:
        gaps = [columns[place] for place in filler.indicator_.features_] if filler.add_indicator else []
        return [*((name, name) for name in columns), *((name, f"{name}={MISSING}") for name in gaps)]
    found = [str(name) for name in fitted.get_feature_names_out(np.asarray(columns, dtype=object))]
    times = max(1, len(found) // max(1, len(columns)))
    return [(columns[min(place // times, len(columns) - 1)], name) for place, name in enumerate(found)]


def _one_hot_names(encoder: OneHotEncoder, columns: Sequence[str]) -> list[tuple[int, str]]:
    names: list[tuple[int, str]] = []
    for place, column in enumerate(columns):
        rare = encoder.infrequent_categories_[place]
        rare_set = set() if rare is None else {_shown(value) for value in rare}
        kept = [_shown(value) for value in encoder.categories_[place] if _shown(value) not in rare_set]
        names += [(place, f"{column}={value}") for value in kept]
        names += [(place, f"{column}=(rare)")] if rare_set else []
    return names


def _shown(value: object) -> str:
    word = labels(np.array([value]), "number")[0] if isinstance(value, (float, np.floating)) else str(value)
    return MISSING if word is None else str(word)
