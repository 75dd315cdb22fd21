"""What a model answers over two columns, the others held: prepared once, then one prediction a frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data import Dataset, Preprocessor, Split, target_of
from ..engine.predictors import Predictor
from ..errors import ColumnNotFoundError, InputError, hint

MOST_POINTS = 400
MOST_CELLS = 16_000_000
"""Prepared grids up to so many numbers (64 MB) are kept; larger ones are put together in parts for each frame."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Boundary:
    """One picture of a model over two columns.

    Attributes
    ----------
    x, y : str
        The columns.
    x_range, y_range : (float, float)
        Limits in the columns' own units.
    x_log, y_log : bool
        Whether the pixels are evenly spaced in the logarithm.
    classes : ndarray of uint8, shape (height, width)
        The most likely class; the top row is the highest y. All 0 for regression. A class past the
        255th is shown as the 255th.
    confidence : ndarray of uint8, shape (height, width)
        Its probability times 255; for regression the predicted value, from 0 at ``value_range[0]`` to 255.
    points : dict of str to ndarray
        Rows within the limits, at most 400: ``x``, ``y`` (float64), ``label`` (int64), ``wrong`` (bool; the
        model's answer for the row as it is, with nothing held); for regression also ``value`` (float64).
    held : dict of str to object
        The value each other column has in the whole picture.
    held_sentence : str
        The same in words; empty where there is no other column.
    value_range : (float, float) or None
        Regression only.
    epoch : float
    version : int
        Of the predictor.
    """

    x: str
    y: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_log: bool
    y_log: bool
    classes: Bytes
    confidence: Bytes
    points: dict[str, NDArray[Any]]
    held: dict[str, Any]
    held_sentence: str
    value_range: tuple[float, float] | None = None
    epoch: float = 0.0
    version: int = 0


class BoundaryGrid:
    """The pixels of a boundary, prepared once; `frame` then costs one prediction.

    Parameters
    ----------
    preprocessor : Preprocessor
    data : Dataset
    x, y : str
        Numeric features.
    resolution : (int, int)
        Width and height in pixels.
    held : mapping, optional
        Values of other columns; the rest are held at their median (numbers, dates) or most frequent value.
    split : Split, optional
        Limits and held values come from its training rows and points from its test rows; from all rows when None.

    Raises
    ------
    ColumnNotFoundError
        If a column does not exist or is not used by the model.
    InputError
        If x and y are one column, one is not numeric, or it has no values.
    """

    def __init__(
        self,
        preprocessor: Preprocessor,
        data: Dataset,
        x: str,
        y: str,
        resolution: tuple[int, int] = (160, 120),
        held: Mapping[str, Any] | None = None,
        split: Split | None = None,
    ) -> None:
        self.x, self.y = x, y
        self._width, self._height = (int(side) for side in resolution)
        if self._width < 2 or self._height < 2:
            raise InputError(f"The resolution is {resolution}; a picture needs at least 2 by 2 pixels.")
        _check_columns(preprocessor, data, x, y, held or {})
        self._preprocessor, self._data = preprocessor, data
        self._all = np.arange(len(data)) if split is None else split.train
        self._shown = np.arange(len(data)) if split is None else split.test
        rows = data.frame.iloc[self._all]
        self._x_axis = _Axis(rows[x], x, self._width)
        self._y_axis = _Axis(rows[y], y, self._height)
        others = [name for name in preprocessor.inputs if name not in (x, y)]
        typical = {name: _typical(rows[name], data.column(name).kind) for name in others}
        self._values: dict[str, Any] = {**typical, **(held or {})}
        self.held = {name: _plain(value) for name, value in self._values.items()}
        self.held_sentence = _sentence(others, {n: data.column(n).kind for n in others}, dict(held or {}))
        self._prepare()
        self._points: tuple[str, dict[str, NDArray[Any]], NDArray[np.float32]] | None = None
        self._value_range: tuple[float, float] | None = None

    def frame(self, predictor: Predictor) -> Boundary:
        """Return the picture of a model; any thread."""
        scores, values = [], []
        for rows in self._parts():
            if predictor.task == "classification":
                scores.append(predictor.predict_proba(rows))
            else:
                values.append(np.asarray(predictor.predict(rows), dtype=np.float64))
        shape = (self._height, self._width)
        points, prepared = self._points_of(predictor.task)
        value_range = None
        if predictor.task == "classification":
            table = np.concatenate(scores)
            classes = np.minimum(table.argmax(axis=1), 255).astype(np.uint8).reshape(shape)
            confidence = np.rint(255 * table.max(axis=1)).astype(np.uint8).reshape(shape)
            wrong = predictor.predict(prepared) != points["label"]
        else:
            value_range = self._values_shown()
            low, high = value_range
            scaled = np.clip((np.concatenate(values) - low) / (high - low), 0, 1)
            classes = np.zeros(shape, dtype=np.uint8)
            confidence = np.rint(255 * scaled).astype(np.uint8).reshape(shape)
            wrong = np.zeros(len(prepared), dtype=bool)
        return Boundary(
            self.x,
            self.y,
            self._x_axis.limits,
            self._y_axis.limits,
            self._x_axis.log,
            self._y_axis.log,
            classes,
            confidence,
            {**points, "wrong": wrong},
            dict(self.held),
            self.held_sentence,
            value_range,
            predictor.epoch,
            predictor.version,
        )

    # -- the prepared pixels

    def _prepare(self) -> None:
        """Prepare one row for each x, one for each y, and one with both in the middle.

        Each prepared feature comes from one column, so the pixels are put together from these; the corners are
        prepared in full as well, and should they differ, so is every pixel.
        """
        x, y = self._x_axis.pixels, self._y_axis.pixels[::-1]
        middle = (x[len(x) // 2], y[len(y) // 2])
        xs = np.concatenate([x, np.full(len(y) + 1, middle[0])])
        ys = np.concatenate([np.full(len(x), middle[1]), y, [middle[1]]])
        table = self._transform(xs, ys)
        self._by_x, self._by_y, self._base = table[: len(x)], table[len(x) : -1], table[-1]
        self._x_features = np.flatnonzero((self._by_x != self._base).any(axis=0))
        self._y_features = np.flatnonzero((self._by_y != self._base).any(axis=0))
        self._whole: NDArray[np.float32] | None = None
        corners = self._transform(x[[0, -1, 0, -1]], y[[0, 0, -1, -1]])
        joined = np.concatenate([self._join(0, 1)[[0, -1]], self._join(self._height - 1, self._height)[[0, -1]]])
        if not np.array_equal(corners, joined):
            self._whole = self._transform(np.tile(x, len(y)), np.repeat(y, len(x)))
        elif self._width * self._height * len(self._base) <= MOST_CELLS:
            self._whole = self._join(0, self._height)

    def _join(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the prepared pixels of the picture's lines ``start`` to ``stop``."""
        block = np.empty((stop - start, self._width, len(self._base)), dtype=np.float32)
        block[:] = self._base
        block[:, :, self._x_features] = self._by_x[None][:, :, self._x_features]
        block[:, :, self._y_features] = self._by_y[start:stop, None][:, :, self._y_features]
        return block.reshape(-1, len(self._base))

    def _parts(self) -> Iterator[NDArray[np.float32]]:
        if self._whole is not None:
            yield self._whole
            return
        lines = max(1, MOST_CELLS // (self._width * len(self._base)))
        for start in range(0, self._height, lines):
            yield self._join(start, min(start + lines, self._height))

    def _transform(self, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float32]:
        columns: dict[str, Any] = {}
        for name in self._preprocessor.inputs:
            if name == self.x:
                columns[name] = xs
            elif name == self.y:
                columns[name] = ys
            else:
                columns[name] = pd.Series([self._values[name]] * len(xs), dtype=self._dtype(name))
        return self._preprocessor.transform(pd.DataFrame(columns))

    def _dtype(self, name: str) -> Any:
        kind = self._data.frame[name].dtype
        # a value by hand may be of another type than the column's, which the preprocessor reads all the same
        return "float64" if kind.kind in "iu" and not isinstance(self._values[name], str) else object

    # -- the rows that are drawn on top

    def _points_of(self, task: str) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
        """Return the rows to draw without ``wrong``, and the same rows prepared; kept after the first time."""
        if self._points is None or self._points[0] != task:
            y, known = target_of(self._data, "regression" if task == "regression" else "classification")
            frame = self._data.frame
            at = {"x": frame[self.x].to_numpy(dtype=np.float64), "y": frame[self.y].to_numpy(dtype=np.float64)}
            rows = self._shown[known[self._shown]]
            inside = self._x_axis.inside(at["x"][rows]) & self._y_axis.inside(at["y"][rows])
            rows = rows[inside]
            if len(rows) > MOST_POINTS:
                rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))
            points: dict[str, NDArray[Any]] = {name: values[rows] for name, values in at.items()}
            if task == "regression":
                points |= {"label": np.zeros(len(rows), dtype=np.int64), "value": y[rows].astype(np.float64)}
            else:
                points["label"] = y[rows].astype(np.int64)
            prepared = self._preprocessor.transform(frame.iloc[rows])
            self._points = (task, points, prepared)
        return self._points[1], self._points[2]

    def _values_shown(self) -> tuple[float, float]:
        """Return the middle 98 % of the target: one scale for all frames of a run."""
        if self._value_range is None:
            y, known = target_of(self._data, "regression")
            values = y[self._all][known[self._all]]
            low, high = (float(v) for v in np.quantile(values, (0.01, 0.99)))
            self._value_range = (low, high) if high > low else (low - 0.5, low + 0.5)
        return self._value_range


def boundary(
    preprocessor: Preprocessor,
    predictor: Predictor,
    data: Dataset,
    x: str,
    y: str,
    resolution: tuple[int, int] = (160, 120),
    held: Mapping[str, Any] | None = None,
    split: Split | None = None,
) -> Boundary:
    """Return one picture of a model over two columns; for several, keep a `BoundaryGrid`.

    Parameters and errors are those of `BoundaryGrid` and `BoundaryGrid.frame`.
    """
    return BoundaryGrid(preprocessor, data, x, y, resolution, held, split).frame(predictor)


class _Axis:
    """Limits and pixel centres of one column: the middle 98 % of its values and a margin of 5 %."""

    def __init__(self, values: pd.Series[Any], name: str, pixels: int) -> None:
        numbers = values.to_numpy(dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers) == 0:
            raise InputError(f"The column {name!r} has no values to draw over; choose another one.")
        low, high = (float(v) for v in np.quantile(numbers, (0.01, 0.99)))
        if low == high:
            low, high = float(numbers.min()), float(numbers.max())
        self.log = float(numbers.min()) > 0 and high / low > 100
        if self.log:
            low, high = math.log10(low), math.log10(high)
        margin = 0.05 * (high - low) if high > low else max(0.5, 0.05 * abs(low))
        low, high = low - margin, high + margin
        centres = low + (np.arange(pixels) + 0.5) / pixels * (high - low)
        self.pixels: NDArray[np.float64] = 10.0**centres if self.log else centres
        self.limits = (10.0**low, 10.0**high) if self.log else (low, high)

    def inside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which values can be drawn."""
        # missing values compare as False
        return np.asarray((values >= self.limits[0]) & (values <= self.limits[1]), dtype=bool)


def _check_columns(preprocessor: Preprocessor, data: Dataset, x: str, y: str, held: Mapping[str, Any]) -> None:
    known = preprocessor.inputs
    for name in (x, y, *held):
        if name not in known:
            raise ColumnNotFoundError(f"The model does not use a column {name!r}. {hint(name, known)}")
    if x == y:
        raise InputError(f"Both axes are {x!r}; choose two different columns.")
    for name in (x, y):
        if data.column(name).kind != "numeric":
            kind = data.column(name).kind
            raise InputError(f"The column {name!r} is {kind}; a boundary is drawn over two numeric columns.")
    for name in held:
        if name in (x, y):
            raise InputError(f"The column {name!r} is an axis, so it cannot be held at a value.")


def _typical(values: pd.Series[Any], kind: str) -> Any:
    present = values.dropna()
    if len(present) == 0:
        return None
    return present.median() if kind in ("numeric", "datetime") else present.mode().iloc[0]


def _plain(value: Any) -> Any:
    """Return a held value as JSON can say it."""
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        return str(pd.Timestamp(value).isoformat())
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _sentence(others: list[str], kinds: Mapping[str, str], by_hand: Mapping[str, Any]) -> str:
    rest = [name for name in others if name not in by_hand]
    middle = {kinds[name] in ("numeric", "datetime") for name in rest}
    given = ", ".join(f"{name} = {_plain(value)}" for name, value in by_hand.items())
    if not rest:
        return f"Held: {given}." if given else ""
    how = "median or most frequent value"
    if len(middle) == 1:
        how = "median" if middle == {True} else "most frequent value"
    start = f"Held: {given}; all others" if given else "All others held"
    return f"{start} at their {how}."
