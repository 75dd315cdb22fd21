"""The column that is learned: its task, its classes and its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import TargetError
from .cleaning import FEW_VALUES, Cells, labels
from .kinds import Column
from .spec import Task

if TYPE_CHECKING:
    from .dataset import Dataset

MOST_CLASSES = 1_000
"""More classes than this are no classification that a table of this kind can teach."""


def task_of(column: Column, cells: Cells, rows: int) -> Task:
    """Return what a target of a table with so many rows asks for.

    Raises
    ------
    TargetError
        Where nothing can be learned of it: no values, one only, dates, or free text.
    """
    if column.kind == "empty":
        raise TargetError(f"The target {column.name!r} has no values: all {rows:,} are missing.")
    if column.distinct == 1:
        only = labels(cells.values, cells.storage)
        value = next(v for v in only if v is not None)
        raise TargetError(
            f"The target {column.name!r} has one class only, {value!r}. There is nothing to tell "
            "apart; choose another target."
        )
    if cells.storage == "datetime" and column.kind != "binary":
        raise TargetError(
            f"The target {column.name!r} holds dates, which cannot be predicted. Turn them into "
            "numbers (for example days until an event) first."
        )
    if cells.storage == "text":
        present = rows - column.missing
        if column.distinct > FEW_VALUES and column.distinct > min(MOST_CLASSES, present // 2):
            raise TargetError(
                f"The target {column.name!r} has {column.distinct:,} different texts in {present:,} rows, too many "
                "to be classes. Choose another target or group its values."
            )
        return "classification"
    values = cells.values[~np.isnan(cells.values)] if cells.storage == "number" else cells.values
    whole = cells.storage == "number" and bool(np.all(values == np.trunc(values)))
    return "classification" if column.distinct == 2 or (whole and column.distinct <= FEW_VALUES) else "regression"


def class_names(data: Dataset, column: str | None = None) -> list[str]:
    """Return the target's values (or another column's) as text, numbers in the order of their size, whatever the task.

    Raises
    ------
    TargetError
        There is no target, or it has more than 1 000 values.
    """
    target = _column_of(data, column)
    distinct, cells = data.column(target).distinct, data.cells[target]
    if distinct > MOST_CLASSES:
        raise TargetError(
            f"The target {target!r} has {distinct:,} different values, too "
            "many to be classes. Predict it as a number: a regression head."
        )
    if cells.storage == "text":
        return sorted({str(v) for v in cells.values if v is not None})
    unique = np.unique(cells.values)
    unique = unique[~pd.isna(unique)]
    return [str(word) for word in labels(unique, cells.storage)]


def target_of(
    data: Dataset, task: Task | None = None, column: str | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the target of every row and whether it is present.

    Parameters
    ----------
    data : Dataset
    task : str, optional
        The head's task; the table's own when None.
    column : str, optional
        Another column than the table's target, with its ``task``.

    Returns
    -------
    y : ndarray
        int64 positions in the classes (-1 for missing), or float64 (NaN for missing).
    present : ndarray of bool

    Raises
    ------
    TargetError
        There is no target, or it does not fit the task.
    """
    target = _column_of(data, column)
    cells = data.cells[target]
    if (task or data.task) == "regression":
        if cells.storage != "number":
            raise TargetError(
                f"The target {target!r} holds {'dates' if cells.storage == 'datetime' else 'text'}, "
                "not numbers, so regression cannot predict it. Use a classification head."
            )
        values = cells.values.astype(np.float64)
        if np.nanmax(np.abs(values)) > np.finfo(np.float32).max:
            raise TargetError(
                f"The target {target!r} holds numbers larger than 32 bits can express. Use another "
                "unit, or its logarithm."
            )
        return values, ~np.isnan(values)
    index = {name: i for i, name in enumerate(class_names(data, target))}
    codes = np.array([index.get(word, -1) for word in labels(cells.values, cells.storage)], dtype=np.int64)
    return codes, codes >= 0


def _column_of(data: Dataset, column: str | None) -> str:
    target = data.target if column is None else column
    if target is None:
        raise TargetError('The table has no target. Give one: load_dataset(source, target="…").')
    return target
