"""Train, validation and test rows: drawn by chance, whole groups, by time, as a column says, or as a fold of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, StratifiedKFold, train_test_split

from ..errors import ColumnNotFoundError, DataError, SpecError, hint
from .dataset import Dataset
from .spec import Task
from .target import target_of

Rows = NDArray[np.int64]
Method = Literal["auto", "random", "stratified", "grouped", "time", "column", "kfold", "group_kfold"]
METHODS: tuple[str, ...] = get_args(Method)
COLUMN_MEANS = {
    "grouped": "tells the groups",
    "time": "tells the time",
    "column": "says train, validation or test",
    "group_kfold": "tells the groups",
}
"""What the column of a way says, for the ways that look at one."""
FOLDED = ("kfold", "group_kfold")
"""The ways that test on one of several folds."""
PART_WORDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "holdout"),
}
"""What a column may call the three parts, in any case of letters."""


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
    method : {"random", "grouped", "time", "column", "kfold", "group_kfold"}
        How it was made; "random" with ``stratified`` for the ones drawn by chance.
    column : str
        The column that decided; empty where none did.
    folds, fold : int
        Of how many folds which one is the test part.
    shares : tuple of float
        Of test and validation, as they were asked for.
    drawn : bool
        Whether the validation rows were drawn from the train ones, where a column names none.
    """

    train: Rows
    validation: Rows
    test: Rows
    seed: int = 0
    stratified: bool = False
    notes: list[str] = field(default_factory=list)
    method: str = "random"
    column: str = ""
    folds: int = 0
    fold: int = 0
    shares: tuple[float, float] = (0.20, 0.16)
    drawn: bool = False

    @property
    def reserved(self) -> frozenset[str]:
        """Columns that decide which rows are for what, and so are no features; a time may be one all the same."""
        return reserved(self.method, self.column)


def reserved(method: str, column: str) -> frozenset[str]:
    """Return the columns that decide which rows are for what, and so are no features; a time may still be one."""
    return frozenset({column}) if column and method != "time" else frozenset()


def check_way(method: str, column: str, folds: int, fold: int) -> None:
    """Refuse a way of dividing rows that cannot be.

    Raises
    ------
    SpecError
        For an unknown method, a column that is missing or has no use, or a fold that there is not.
    """
    if method not in METHODS:
        raise SpecError(f"There is no split {method!r}. {hint(str(method), METHODS)}")
    if method in COLUMN_MEANS and not column:
        raise SpecError(f"The split {method!r} needs the name of the column that {COLUMN_MEANS[method]}: column=….")
    if column and method not in COLUMN_MEANS:
        raise SpecError(f"The split {method!r} looks at no column; leave column={column!r} out, or take 'grouped'.")
    if folds < 2:
        raise SpecError(f"A k-fold split has 2 folds or more; folds={folds} came.")
    if not 0 <= fold < folds:
        raise SpecError(f"Of {folds} folds there is no fold {fold}; they are counted from 0 to {folds - 1}.")


def check_shares(test: float, validation: float) -> None:
    """Raise `SpecError` where shares leave no rows for one of the parts."""
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise SpecError(
            f"The shares test={test} and validation={validation} leave no rows for one of the parts. "
            "Each is between 0 and 1, and together they are less than 1."
        )


def split(
    data: Dataset,
    *,
    seed: int = 0,
    test: float = 0.20,
    validation: float = 0.16,
    task: Task | None = None,
    method: str = "auto",
    column: str = "",
    folds: int = 5,
    fold: int = 0,
) -> Split:
    """Divide the rows whose target is present, or all rows of a table without a target.

    Parameters
    ----------
    data : Dataset
    seed : int
        The same seed gives the same parts.
    test, validation : float
        Shares of all rows with a target.
    task : {"classification", "regression"}, optional
        A head's task; the table's own when None.
    method : {"auto", "random", "stratified", "grouped", "time", "column", "kfold", "group_kfold"}
        "auto" and "random" draw by chance (scikit-learn's `train_test_split`, twice: first the test part, then the
        validation part of what is left); "auto" has the classes in every part in the same proportions where that can
        be, "stratified" refuses where it cannot. "grouped" never divides rows with the same value of ``column``;
        rows without one are a group. "time" trains on the earliest rows and tests on the latest; rows of one time
        stay together. "column" does as ``column`` says: train, validation, test; without validation rows these are
        drawn from the train ones. "kfold" tests on one of ``folds`` equal parts, and draws the validation rows from
        the others. "group_kfold" does so with whole groups of ``column`` (scikit-learn's `GroupKFold`): no group is in
        two parts, and each is in the test part of one fold.
    column : str
    folds, fold : int
        How many parts, and which of them (from 0) is tested on; the folds of one seed share no test row.

    Raises
    ------
    SpecError
        Shares that leave a part empty, or a way that cannot be.
    ColumnNotFoundError
        The column is not there.
    DataError
        Too few rows, groups or times for three parts, or a column that does not say which row is for what.
    """
    check_way(method, column, folds, fold)
    check_shares(test, validation)
    if data.target is None and task is None:
        y: NDArray[Any] = np.zeros(len(data))
        present = np.ones(len(data), dtype=bool)
    else:
        y, present = target_of(data, task)
    rows = np.flatnonzero(present).astype(np.int64)
    notes: list[str] = []
    absent = len(y) - len(rows)
    if absent:
        notes.append(f"{absent:,} row{'s' if absent > 1 else ''} without a target left out.")
    sizes = max(1, round(len(rows) * test)), max(1, round(len(rows) * validation))
    if len(rows) - sum(sizes) < 1:
        having = " with a target" if data.target is not None else ""
        raise DataError(
            f"{len(rows)} row{'s' if len(rows) != 1 else ''}{having} cannot be divided into train, validation and test "
            "parts. At least 3 are needed."
        )
    classes = (task or data.task) == "classification"
    if method == "grouped":
        parts = _grouped(data, column, rows, (test, validation), seed)
        return Split(*parts, seed, False, notes, method, column, shares=(test, validation))
    if method == "group_kfold":
        parts = _folded_groups(data, column, rows, validation, seed, folds, fold)
        return Split(*parts, seed, False, notes, method, column, folds, fold, shares=(test, validation))
    if method == "time":
        return Split(*_by_time(data, column, rows, sizes, notes), seed, False, notes, method, column)
    if method == "column":
        return _as_said(data, column, rows, y if classes else None, validation, seed, notes)
    if method == "stratified" and not classes:
        raise SpecError("A stratified split has every class in every part, and there are no classes. Take 'random'.")
    ways = [False] if method == "random" or not classes else [True] if method == "stratified" else [True, False]
    for stratified in ways:
        try:
            if method == "kfold":
                parts = _folded(rows, y, sizes[1], seed, stratified, folds, fold)
            else:
                parts = _divide(rows, y, sizes, seed, stratified)
        except ValueError as error:
            if stratified == ways[-1]:
                raise DataError(f"The rows cannot be divided so: {error}") from error
            notes.append("Some classes have too few rows to be divided evenly; the rows are divided at random.")
            continue
        if method == "kfold":
            return Split(*parts, seed, stratified, notes, method, "", folds, fold)
        return Split(*parts, seed, stratified, notes)
    raise AssertionError("one of the ways returns or raises")


def _divide(
    rows: Rows, y: NDArray[np.float64 | np.int64], sizes: tuple[int, int], seed: int, stratified: bool
) -> tuple[Rows, Rows, Rows]:
    rest, test = train_test_split(rows, test_size=sizes[0], random_state=seed, stratify=y[rows] if stratified else None)
    return (*_held_out(rest, y, sizes[1], seed, stratified), test)


def _held_out(rest: Rows, y: NDArray[Any], size: int, seed: int, stratified: bool) -> tuple[Rows, Rows]:
    train, validation = train_test_split(
        rest, test_size=size, random_state=seed, stratify=y[rest] if stratified else None
    )
    return train, validation


def _folded(
    rows: Rows, y: NDArray[Any], size: int, seed: int, stratified: bool, folds: int, fold: int
) -> tuple[Rows, Rows, Rows]:
    kind = StratifiedKFold if stratified else KFold
    if stratified and np.unique(y[rows], return_counts=True)[1].min() < folds:
        raise ValueError(f"a class has fewer than {folds} rows")
    others, tested = list(kind(folds, shuffle=True, random_state=seed).split(rows, y[rows]))[fold]
    return (*_held_out(rows[others], y, size, seed, stratified), rows[tested])


def check_column(data: Dataset, column: str) -> None:
    """Make sure that a split can look at a column.

    Raises
    ------
    ColumnNotFoundError
        It is not there; the nearest name is told.
    SpecError
        It is the target.
    """
    if column not in data.cells:
        raise ColumnNotFoundError(f"The split looks at the column {column!r}. {hint(column, list(data.cells))}")
    if column == data.target:
        raise SpecError(f"The split looks at the column {column!r}, which is the target. Take another column.")


def _cells(data: Dataset, column: str) -> pd.Series[Any]:
    check_column(data, column)
    values = data.cells[column].values
    return pd.Series(values, dtype=values.dtype)


def group_codes(column: pd.Series[Any]) -> NDArray[np.int64]:
    """Return a number for each row's group, in the order in which groups appear; rows without a value are one."""
    return np.asarray(pd.factorize(column, use_na_sentinel=False)[0], dtype=np.int64)


def _grouped(data: Dataset, column: str, rows: Rows, shares: tuple[float, float], seed: int) -> tuple[Rows, Rows, Rows]:
    groups = group_codes(_cells(data, column))
    there = len(np.unique(groups[rows]))
    test, validation = shares
    try:
        kept, tested = next(GroupShuffleSplit(1, test_size=test, random_state=seed).split(rows, groups=groups[rows]))
        rest = rows[kept]
        # of what is left the validation rows are a larger share
        draw = GroupShuffleSplit(1, test_size=validation / (1 - test), random_state=seed)
        train, held = next(draw.split(rest, groups=groups[rest]))
    except ValueError as error:
        raise DataError(
            f"{column!r} has {there} group{'s' if there != 1 else ''} among the rows, which cannot be divided into "
            f"train, validation and test parts with test={test:g} and validation={validation:g}. Whole groups go into "
            "one part: take larger shares or another split."
        ) from error
    return rest[train], rest[held], rows[tested]


def _folded_groups(
    data: Dataset, column: str, rows: Rows, validation: float, seed: int, folds: int, fold: int
) -> tuple[Rows, Rows, Rows]:
    groups = group_codes(_cells(data, column))
    there = len(np.unique(groups[rows]))
    try:
        draw = GroupKFold(folds, shuffle=True, random_state=seed)
        kept, tested = list(draw.split(rows, groups=groups[rows]))[fold]
        rest = rows[kept]
        # whole groups again, or the validation rows would be known from training
        held_out = GroupShuffleSplit(1, test_size=_share_of_rest(validation, folds), random_state=seed)
        train, held = next(held_out.split(rest, groups=groups[rest]))
    except ValueError as error:
        raise DataError(
            f"{column!r} has {there} group{'s' if there != 1 else ''} among the rows, which cannot be divided into "
            f"{folds} folds of whole groups with validation={validation:g} of the rows from the other folds. Take "
            "fewer folds, a smaller share or another split."
        ) from error
    return rest[train], rest[held], rows[tested]


def _share_of_rest(validation: float, folds: int) -> float:
    """Return the share of the rows outside one fold that is so large a share of all rows."""
    return validation / (1 - 1 / folds)


def _by_time(
    data: Dataset, column: str, rows: Rows, sizes: tuple[int, int], notes: list[str]
) -> tuple[Rows, Rows, Rows]:
    cells = _cells(data, column)
    if data.cells[column].storage == "text":
        raise DataError(f"{column!r} holds words, which have no order in time. Take a column of dates or numbers.")
    known = rows[cells.iloc[rows].notna().to_numpy()]
    if len(known) < len(rows):
        notes.append(f"{len(rows) - len(known):,} rows without a value in {column!r} left out.")
    order = known[np.argsort(cells.iloc[known].to_numpy(), kind="stable")]
    times = cells.iloc[order].to_numpy()
    first_test = max(0, len(order) - sizes[0])
    # rows of one time stay together, in the later part
    second = int(np.searchsorted(times, times[first_test], "left")) if len(order) else 0
    first = int(np.searchsorted(times, times[second - sizes[1]], "left")) if second > sizes[1] else 0
    if not 0 < first < second < len(order):
        raise DataError(
            f"{column!r} has too few different values to train on the earliest rows, validate on later ones and test "
            "on the latest. Take another column, or the split 'random'."
        )
    return order[:first], order[first:second], order[second:]


def _as_said(
    data: Dataset, column: str, rows: Rows, y: NDArray[Any] | None, share: float, seed: int, notes: list[str]
) -> Split:
    said = _cells(data, column).iloc[rows]
    words = said.astype(str).str.lower().where(said.notna(), None)
    known = {word: part for part, names in PART_WORDS.items() for word in names}
    odd = [str(word) for word in words.dropna().unique() if word not in known]
    if odd:
        raise DataError(
            f"{column!r} holds {odd[0][:40]!r}, which is no part. Its words are train, validation and test; take the "
            "split 'grouped' where they are groups."
        )
    parts = {part: rows[words.isin(names).to_numpy()] for part, names in PART_WORDS.items()}
    absent = int(words.isna().sum())
    if absent:
        notes.append(f"{absent:,} rows without a word in {column!r} left out.")
    drawn = len(parts["validation"]) == 0
    if drawn and len(parts["train"]) > 1:
        size = max(1, round(len(parts["train"]) * share))
        parts["train"], parts["validation"] = _held_out(parts["train"], np.zeros(len(data)), size, seed, False)
        notes.append(f"{column!r} names no validation rows; {size:,} of the train rows are drawn for it.")
    empty = next((part for part in PART_WORDS if not len(parts[part])), None)
    if empty is not None:
        raise DataError(f"{column!r} names no row for {empty}. Each of train and test needs rows of its own.")
    return Split(parts["train"], parts["validation"], parts["test"], seed, False, notes, "column", column, drawn=drawn)
