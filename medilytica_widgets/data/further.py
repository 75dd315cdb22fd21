"""Targets beside the data set's own: what the other heads of a network learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TargetError
from .cleaning import FEW_VALUES
from .dataset import Dataset
from .spec import Task
from .splits import Split
from .target import class_names, target_of

#: The parts of a split, in order.
PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class FurtherTarget:
    """One column that a head learns, divided as the table is.

    Attributes
    ----------
    column : str
    task : {"classification", "regression"}
    train, validation, test : ndarray
        int64 positions in ``classes``, -1 where a cell has no value; or float32 in the column's own units, NaN there.
    classes : tuple of str
        Empty for regression.
    mean, std : float
        Of the known training rows' numbers, in float64, by which they are scaled; 0 and 1 for classification.
    """

    column: str
    task: Task
    train: NDArray[Any]
    validation: NDArray[Any]
    test: NDArray[Any]
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    def part(self, name: str) -> NDArray[Any]:
        """Return "train", "validation" or "test"."""
        array: NDArray[Any] = getattr(self, name)
        return array

    def known(self, name: str) -> NDArray[np.bool_]:
        """Return which rows of a part have a value."""
        values = self.part(name)
        return np.asarray(values >= 0 if self.task == "classification" else ~np.isnan(values))


def further_targets(data: Dataset, split: Split, wanted: Mapping[str, tuple[str, Task]]) -> Mapping[str, FurtherTarget]:
    """Return further targets, each under the name it was asked for by; the mapping cannot be changed.

    Rows that lack one of them stay in the split: whoever trains leaves them out of that head's loss only.

    Parameters
    ----------
    data : Dataset
    split : Split
    wanted : mapping of str to (column, task)

    Raises
    ------
    ColumnNotFoundError
        For a column that is not there.
    TargetError
        For one that cannot be learned as that.
    """
    return MappingProxyType({name: _target(data, split, column, task) for name, (column, task) in wanted.items()})


def check_further(data: Dataset, column: str, task: Task) -> None:
    """Raise where a column cannot be learned by a further head; see `further_targets`."""
    known = data.column(column)
    if known.distinct < 2:
        only = "no value at all" if known.distinct == 0 else "the same value in every row"
        raise TargetError(f"A head cannot learn {column!r}: it has {only}. Choose another column.")
    numbers = data.cells[column].storage == "number"
    if task == "classification" and numbers and known.distinct > FEW_VALUES:
        raise TargetError(
            f"A head asks for the classes of {column!r}, which holds {known.distinct:,} different numbers. "
            "Use Head('regression', …), or bin the column first."
        )
    target_of(data, task, column)


def _target(data: Dataset, split: Split, column: str, task: Task) -> FurtherTarget:
    check_further(data, column, task)
    values, present = target_of(data, task, column)
    if not present[split.train].any():
        raise TargetError(f"No training row has a value of {column!r}, so no head can learn it.")
    values = values.astype(np.int64 if task == "classification" else np.float32)
    train, validation, test = (values[getattr(split, name)] for name in PARTS)
    if task == "classification":
        return FurtherTarget(column, task, train, validation, test, classes=tuple(class_names(data, column)))
    mean, std = scale_of(train)
    return FurtherTarget(column, task, train, validation, test, mean=mean, std=std)


def scale_of(numbers: NDArray[Any]) -> tuple[float, float]:
    """Return mean and spread of the known ones, in float64; a spread of 0 counts as 1."""
    known = np.asarray(numbers, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()), float(known.std()) or 1.0
