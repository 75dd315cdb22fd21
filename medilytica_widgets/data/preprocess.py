"""From clean columns to the matrix an algorithm learns from, fitted on the training rows only."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ..errors import ColumnNotFoundError, DataError, ModelFileError, hint
from .cleaning import Storage, as_frame, labels, read_as, tidy_names
from .dataset import Dataset, class_names, target_of
from .spec import Task
from .splits import Split

#: A missing category is a category of its own.
MISSING = "(missing)"
#: The most categories of one column that get a column of their own; rarer ones share one.
MAX_CATEGORIES = 50


class UnreadableWarning(UserWarning):
    """New rows hold cells that cannot be read as their column's kind; they count as missing."""


Block = Literal["numbers", "flags", "categories"]
#: SimpleImputer remembers its dtype; skops stores that as an empty array, and does not trust it by default.
TRUSTED = ["numpy.dtype"]
#: Scaled numbers end at five standard deviations: a heavy tail, or a slip of the unit in a new row, must not carry
#: a network's loss away. On the Kepler sample the lowest validation loss of the perceptron falls from 0.66 to 0.62.
LIMIT = 5.0


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


class Preprocessor:
    """Turns tables into float32 matrices, the way it was fitted on the training rows.

    Attributes
    ----------
    inputs : list of str
        The columns it reads; others are ignored, in any order.
    feature_names : list of str
        Names of the matrix's columns: ``age``, ``sex=Male``.
    """

    def __init__(self, plan: list[Input], missing: list[str], transformer: ColumnTransformer) -> None:
        self._plan = plan
        self._missing = missing
        self._transformer = transformer
        self.inputs = [column.name for column in plan]
        self.feature_names = self._feature_names()

    @classmethod
    def fit(cls, data: Dataset, rows: NDArray[np.int64]) -> Preprocessor:
        """Learn medians, scales and categories from these rows of a dataset.

        Raises
        ------
        DataError
            No column is left to learn from.
        """
        plan = [_input(data, column.name, column.kind == "binary") for column in data.features]
        if not plan:
            aside = "; ".join(f"{name!r}: {reason}" for name, reason in list(data.set_aside.items())[:5])
            raise DataError(
                "No column is left to learn from. "
                + (f"Set aside: {aside}. " if aside else "The table has only its target. ")
                + 'Give one back with roles={"column": "feature"}.'
            )
        transformer = make_transformer(
            [p.name for p in plan if p.block == "numbers"],
            [p.name for p in plan if p.block == "flags"],
            [p.name for p in plan if p.block == "categories"],
        )
        transformer.fit(_clean_table(data, plan).iloc[rows])
        return cls(plan, list(data.spec.missing), transformer)

    def transform(self, frame: pd.DataFrame | Mapping[str, Any]) -> NDArray[np.float32]:
        """Return the matrix of a table's rows.

        Cells are read as when the table was loaded: blanks stripped, missing tokens and numbers
        in text understood. A cell that cannot be read as its column's kind counts as missing.

        Parameters
        ----------
        frame : DataFrame or mapping
            With at least the columns of `inputs`, in any order. A mapping of columns to values, or
            to one value each for one row, is taken too.

        Returns
        -------
        ndarray of float32, shape (rows, len(feature_names)), C-contiguous

        Raises
        ------
        ColumnNotFoundError
            Columns are absent; all of them are named.
        DataError
            A column of numbers or dates holds none.
        """
        if not isinstance(frame, pd.DataFrame):
            frame = pd.DataFrame({k: v if pd.api.types.is_list_like(v) else [v] for k, v in frame.items()})
        table = _table(frame, self._plan, self._missing)
        if len(table) == 0:
            return np.empty((0, len(self.feature_names)), dtype=np.float32)
        matrix = self._transformer.transform(table)
        return _float32(matrix)

    def transform_rows(self, data: Dataset, *parts: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """Return the matrix of each part's rows of the dataset it was fitted on; quicker than `transform`."""
        table = _clean_table(data, self._plan)
        return [_float32(self._transformer.transform(table.iloc[rows])) for rows in parts]

    def numeric_scales(self) -> dict[str, dict[str, float]]:
        """Return ``{"median", "mean", "scale"}`` of each column of numbers, in its own units."""
        names = [p.name for p in self._plan if p.block == "numbers"]
        if not names:
            return {}
        imputer, scaler = (step for _, step in self._transformer.named_transformers_["numbers"].steps)
        return {
            name: {
                "median": float(imputer.statistics_[i]),
                "mean": float(scaler.mean_[i]),
                "scale": float(scaler.scale_[i]),
            }
            for i, name in enumerate(names)
        }

    def save_parts(self) -> tuple[bytes, dict[str, Any]]:
        """Return the fitted transformer in skops' format, and the rest as plain JSON."""
        import skops.io

        plan = [{"name": p.name, "storage": p.storage, "format": p.format, "block": p.block} for p in self._plan]
        return bytes(skops.io.dumps(self._transformer)), {"version": 1, "inputs": plan, "missing": list(self._missing)}

    @classmethod
    def from_parts(cls, transformer: bytes, plan: Mapping[str, Any]) -> Preprocessor:
        """Bring back what `save_parts` returned; nothing in it is executed.

        Raises
        ------
        ModelFileError
            The parts are damaged or hold foreign types.
        """
        import skops.io

        try:
            if foreign := set(skops.io.get_untrusted_types(data=transformer)) - set(TRUSTED):
                raise ModelFileError(f"The preprocessing holds types never written here: {sorted(foreign)}.")
            inputs = [Input(str(p["name"]), p["storage"], str(p["format"]), p["block"]) for p in plan["inputs"]]
            return cls(inputs, [str(m) for m in plan["missing"]], skops.io.loads(transformer, trusted=TRUSTED))
        except ModelFileError:
            raise
        except Exception as error:  # a damaged zip, JSON or schema each raise their own kind
            raise ModelFileError(f"The stored preprocessing cannot be read: {error}.") from error

    def _feature_names(self) -> list[str]:
        names: list[str] = []
        for block, transformer, columns in self._transformer.transformers_:
            if block == "remainder":
                continue
            if block == "numbers":
                names += [str(c) for c in columns]
                continue
            for position, column in enumerate(columns):
                rare = transformer.infrequent_categories_[position]
                rare_set = set() if rare is None else {_shown(v) for v in rare}
                kept = [_shown(v) for v in transformer.categories_[position] if _shown(v) not in rare_set]
                names += [f"{column}={v}" for v in kept] + ([f"{column}=(rare)"] if rare_set else [])
        return names


def make_transformer(numbers: list[str], flags: list[str], categories: list[str]) -> ColumnTransformer:
    """Return the unfitted preprocessing; `source_code.prepare_lines` prints the same one."""
    one_hot = {"max_categories": MAX_CATEGORIES, "handle_unknown": "infrequent_if_exist", "sparse_output": False}
    blocks: list[tuple[str, Any, list[str]]] = []
    if numbers:
        scaled = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        blocks.append(("numbers", scaled, numbers))
    if flags:
        blocks.append(("flags", OneHotEncoder(**one_hot), flags))
    if categories:
        blocks.append(("categories", OneHotEncoder(**one_hot), categories))
    return ColumnTransformer(blocks)


def _input(data: Dataset, name: str, binary: bool) -> Input:
    cells = data.cells[name]
    if cells.storage == "text":
        return Input(name, "text", "", "categories")
    return Input(name, cells.storage, cells.format, "flags" if binary and cells.storage == "number" else "numbers")


def _table(frame: pd.DataFrame, plan: list[Input], missing: list[str]) -> pd.DataFrame:
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


def _clean_table(data: Dataset, plan: list[Input]) -> pd.DataFrame:
    return _ready(plan, [data.cells[column.name].values for column in plan])


def _float32(matrix: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.clip(matrix, -LIMIT, LIMIT), dtype=np.float32)


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


def _shown(value: object) -> str:
    word = labels(np.array([value]), "number")[0] if isinstance(value, (float, np.floating)) else str(value)
    return MISSING if word is None else str(word)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything an algorithm needs: matrices and targets of the three parts.

    Attributes
    ----------
    X_train, X_validation, X_test : ndarray of float32, shape (rows, features), C-contiguous
    y_train, y_validation, y_test : ndarray
        int64 positions in ``classes``, or float32 in the target's own units.
    feature_names : list of str
        Names of the matrices' columns.
    classes : list of str
        Empty for regression.
    task : {"classification", "regression"}
    preprocessor : Preprocessor
        Fitted on the training rows.
    split : Split
    """

    X_train: NDArray[np.float32]
    X_validation: NDArray[np.float32]
    X_test: NDArray[np.float32]
    y_train: NDArray[Any]
    y_validation: NDArray[Any]
    y_test: NDArray[Any]
    feature_names: list[str]
    classes: list[str]
    task: Task
    preprocessor: Preprocessor
    split: Split = field(repr=False)


def prepare(data: Dataset, split: Split, task: Task | None = None) -> Prepared:
    """Fit the preprocessing on the training rows and apply it to all three parts.

    Parameters
    ----------
    data : Dataset
    split : Split
        Of the same dataset and task.
    task : {"classification", "regression"}, optional
        A head's task; the table's own when None.

    Raises
    ------
    DataError
        No column is left to learn from.
    TargetError
        The target does not fit the task.
    """
    chosen: Task = task or data.task or "classification"
    y, _ = target_of(data, chosen)
    y = y.astype(np.int64 if chosen == "classification" else np.float32)
    preprocessor = Preprocessor.fit(data, split.train)
    train, validation, test = preprocessor.transform_rows(data, split.train, split.validation, split.test)
    return Prepared(
        train,
        validation,
        test,
        y[split.train],
        y[split.validation],
        y[split.test],
        preprocessor.feature_names,
        class_names(data) if chosen == "classification" else [],
        chosen,
        preprocessor,
        split,
    )
