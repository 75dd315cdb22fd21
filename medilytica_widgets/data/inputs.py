"""A table's columns as the preprocessing takes them: numbers, or words without gaps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import ColumnNotFoundError, DataError, hint
from .cleaning import Storage, as_frame, read_as, tidy_names
from .dataset import Dataset

#: A missing category is a category of its own.
MISSING = "(missing)"


class UnreadableWarning(UserWarning):
    """New rows hold cells that cannot be read as their column's kind; they count as missing."""


Block = Literal["numbers", "flags", "categories"]


@dataclass(frozen=True)
class Input:
    """One column that the preprocessor reads.

    Attributes
    ----------
    name : str
    storage : {"number", "datetime", "text"}
        How its cells are read.
    format : str
        How its dates are written.
    block : {"numbers", "flags", "categories"}
        Numbers (and dates, as days since 1970) are imputed by the median, scaled to mean 0 and
        variance 1, and clipped to one million standard deviations. Flags (two numbers) and
        categories are one-hot encoded; missing is a category of its own, a value not seen in
        training is all zeros or joins the rare ones.
    """

    name: str
    storage: Storage
    format: str
    block: Block


def input_of(data: Dataset, name: str, binary: bool) -> Input:
    """Return how a column of a dataset is read; ``binary`` says whether it has two values."""
    cells = data.cells[name]
    if cells.storage == "text":
        return Input(name, "text", "", "categories")
    return Input(name, cells.storage, cells.format, "flags" if binary and cells.storage == "number" else "numbers")


def read_table(frame: pd.DataFrame, plan: list[Input], missing: list[str]) -> pd.DataFrame:
    """Return the plan's columns, read and ready for the transformer: float64, or object of str."""
    names, _ = tidy_names(frame.columns)
    where = {name: position for position, name in enumerate(names)}
    absent = [column.name for column in plan if column.name not in where]
    if absent:
        shown = ", ".join(repr(name) for name in absent[:10]) + (", …" if len(absent) > 10 else "")
        one = len(absent) == 1
        raise ColumnNotFoundError(
            f"The table lacks {'the column' if one else f'{len(absent)} columns'} that the model needs: {shown}. "
            + (hint(absent[0], names) if one else "Add them; cells may be empty.")
        )
    columns: list[NDArray[Any]] = []
    for column in plan:
        series = frame.iloc[:, where[column.name]]
        columns.append(read_as(series, column.storage, column.format, missing))
        _check_readable(column, series, columns[-1], missing)
    return _ready(plan, columns)


def _ready(plan: list[Input], columns: list[NDArray[Any]]) -> pd.DataFrame:
    """Return clean columns as the transformer takes them: dates as days, missing words as a word."""
    numbers = [
        _days(values) if column.storage == "datetime" else values.astype(np.float64, copy=False)
        for column, values in zip(plan, columns, strict=True)
        if column.storage != "text"
    ]
    words = {
        column.name: pd.Series(values, dtype=object).fillna(MISSING).to_numpy()
        for column, values in zip(plan, columns, strict=True)
        if column.storage == "text"
    }
    if not numbers:
        return as_frame(words)
    # one block of numbers: a frame of ten thousand separate columns takes seconds to divide
    block = pd.DataFrame(np.column_stack(numbers), columns=[c.name for c in plan if c.storage != "text"])
    return pd.concat([block, as_frame(words)], axis=1) if words else block


def clean_table(data: Dataset, plan: list[Input]) -> pd.DataFrame:
    """Return the plan's columns of all rows of a dataset, ready for the transformer."""
    return _ready(plan, [data.cells[column.name].values for column in plan])


def shares_of(table: pd.DataFrame, names: list[str]) -> dict[str, dict[str, float]]:
    """Return of each of these columns of categories the share of the rows that each one has."""
    return {
        name: {str(word): float(share) for word, share in counts.items()}
        for name in names
        for counts in (table[name].value_counts(normalize=True),)
    }


def shared(table: pd.DataFrame, shares: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Return a table with categories replaced by their shares; one without a share has 0."""
    if not shares:
        return table
    return table.assign(
        **{name: table[name].map(found).astype(np.float64).fillna(0.0) for name, found in shares.items()}
    )


def _days(values: NDArray[Any]) -> NDArray[np.float64]:
    days = values.astype("datetime64[us]").astype(np.int64) / 86_400_000_000
    return np.where(np.isnat(values), np.nan, days)


def _check_readable(column: Input, series: pd.Series[Any], values: NDArray[Any], missing: list[str]) -> None:
    absent = np.asarray(pd.isna(values))
    if column.storage == "text" or not absent.any():
        return
    present = [word for word in read_as(series[absent], "text", "", missing) if word is not None]
    # a number that counts as infinite is one all the same
    wrong = [word for word in present if column.storage == "datetime" or not _is_number(word)]
    what = "a number" if column.storage == "number" else "a date"
    if wrong and absent.all():
        raise DataError(f"The column {column.name!r} needs {what} in each row, but holds {wrong[0][:40]!r}.")
    if present:
        # blamed on whoever called Run.predict or Model.predict
        cells = "cell" if len(present) == 1 else "cells"
        warnings.warn(
            f"The column {column.name!r} holds {len(present):,} {cells} that cannot be used as {what}, for example "
            f"{present[0][:40]!r}; counted as missing.",
            UnreadableWarning,
            stacklevel=6,
        )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
