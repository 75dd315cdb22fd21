"""Train, validation and test rows: seeded, and stratified for classification."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ..errors import DataError, SpecError
from .dataset import Dataset
from .spec import Task
from .target import target_of

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows of a dataset's frame are for what; no row is in two parts.

    Attributes
    ----------
    train, validation, test : ndarray of int64
        Positions in ``data.frame``.
    seed : int
    stratified : bool
        Whether every part has the classes in the same proportions.
    notes : list of str
        What a person should know: rows left out, classes too small to stratify.
    """

    train: Rows
    validation: Rows
    test: Rows
    seed: int = 0
    stratified: bool = False
    notes: list[str] = field(default_factory=list)


def split(
    data: Dataset, *, seed: int = 0, test: float = 0.20, validation: float = 0.16, task: Task | None = None
) -> Split:
    """Divide the rows whose target is present, or all rows of a table without a target.

    scikit-learn's `train_test_split` is applied twice with ``random_state=seed``: first the test
    part is taken off, then the validation part from what is left.

    Parameters
    ----------
    data : Dataset
    seed : int
        The same seed gives the same parts.
    test, validation : float
        Shares of all rows with a target.
    task : {"classification", "regression"}, optional
        A head's task; the table's own when None.

    Raises
    ------
    SpecError
        Shares that leave a part empty.
    DataError
        Too few rows for three parts.
    """
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise SpecError(
            f"The shares test={test} and validation={validation} leave no rows for one of the parts. "
            "Each is between 0 and 1, and together they are less than 1."
        )
    if data.target is None and task is None:
        y: NDArray[Any] = np.zeros(len(data))
        present = np.ones(len(data), dtype=bool)
    else:
        y, present = target_of(data, task)
    rows = np.flatnonzero(present).astype(np.int64)
    sizes = max(1, round(len(rows) * test)), max(1, round(len(rows) * validation))
    if len(rows) - sum(sizes) < 1:
        having = " with a target" if data.target is not None else ""
        raise DataError(
            f"{len(rows)} row{'s' if len(rows) != 1 else ''}{having} cannot be divided into train, validation and test "
            "parts. At least 3 are needed."
        )
    notes: list[str] = []
    absent = len(y) - len(rows)
    if absent:
        notes.append(f"{absent:,} row{'s' if absent > 1 else ''} without a target left out.")
    stratified = (task or data.task) == "classification"
    if stratified:
        try:
            return Split(*_divide(rows, y, sizes, seed, True), seed, True, notes)
        except ValueError:
            notes.append("Some classes have too few rows to be divided evenly; the rows are divided at random.")
    return Split(*_divide(rows, y, sizes, seed, False), seed, False, notes)


def _divide(
    rows: Rows, y: NDArray[np.float64 | np.int64], sizes: tuple[int, int], seed: int, stratified: bool
) -> tuple[Rows, Rows, Rows]:
    rest, test = train_test_split(rows, test_size=sizes[0], random_state=seed, stratify=y[rows] if stratified else None)
    train, validation = train_test_split(
        rest, test_size=sizes[1], random_state=seed, stratify=y[rest] if stratified else None
    )
    return train, validation, test
