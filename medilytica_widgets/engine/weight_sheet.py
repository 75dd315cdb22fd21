"""Weight sheets: a network's parameters and gradients at a moment, the history of that, and what it may cost.

The statistics are numpy on the flat buffers of a run, in few large calls: each may release the interpreter's
lock, and getting it back costs milliseconds while the main thread is busy.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("mean", "std", "min", "max", "norm", "gradient_norm", "update_ratio", "dead", "saturated")
"""What a sheet says of every parameter, in order."""

LIMIT = 512
"""Sheets that a book keeps."""


class Layout:
    """Where each parameter lies in the flat buffers.

    Parameters
    ----------
    names : sequence of str
    shapes : sequence of sequence of int
        In the order of the buffers; every parameter holds at least one value.
    """

    def __init__(self, names: Sequence[str], shapes: Sequence[Sequence[int]]) -> None:
        self.names = tuple(names)
        self.shapes = tuple(tuple(int(n) for n in shape) for shape in shapes)
        self.sizes: NDArray[np.int64] = np.array([math.prod(shape) for shape in self.shapes], dtype=np.int64)
        if len(self.names) != len(self.shapes) or not len(self.names) or self.sizes.min() < 1:
            raise InputError(
                f"A weight sheet needs a name and a shape for each parameter, none of them empty; got "
                f"{len(self.names)} names and the shapes {list(self.shapes)}."
            )
        ends = np.cumsum(self.sizes)
        self.total = int(ends[-1])
        self.offsets: NDArray[np.int64] = ends - self.sizes


@dataclass(frozen=True, eq=False)
class WeightSheet:
    """Statistics of every parameter at one moment, by columns.

    Parameters
    ----------
    names : tuple of str
        The parameters, in the order of the module.
    shapes : tuple of tuple of int
    values : ndarray of float64, shape (len(COLUMNS), len(names))
        See `column` for what they mean.
    epoch : float
    step : int
        Optimizer steps done.
    time : float
        Seconds since 1970.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    values: NDArray[np.float64]
    epoch: float = 0.0
    step: int = 0
    time: float = 0.0

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one column, a value for each parameter.

        ``mean``, ``std``, ``min``, ``max`` and ``norm`` (Euclidean) are the weights'; ``gradient_norm`` is that of
        the gradient which the optimizer took; ``update_ratio`` is the norm of the last step's change over the norm
        before it; ``dead`` and ``saturated`` are shares of stuck units, see `activations`. NaN where one does not
        apply.
        """
        if name not in COLUMNS:
            raise InputError(f"A weight sheet has no column {name!r}; it has {', '.join(COLUMNS)}.")
        row: NDArray[np.float64] = self.values[COLUMNS.index(name)]
        return row

    def frame(self) -> pd.DataFrame:
        """Return the sheet as a DataFrame, one row a parameter."""
        import pandas as pd

        columns = {name: self.values[i] for i, name in enumerate(COLUMNS)}
        shapes = [" × ".join(str(n) for n in shape) for shape in self.shapes]
        return pd.DataFrame({"parameter": list(self.names), "shape": shapes, **columns})

    def to_json(self) -> dict[str, Any]:
        """Return plain values; what JSON has no number for stands as "nan", "inf" or "-inf"."""
        columns = {
            name: [v if math.isfinite(v) else str(v) for v in row]
            for name, row in zip(COLUMNS, self.values.tolist(), strict=True)
        }
        return {
            "names": list(self.names),
            "shapes": [list(shape) for shape in self.shapes],
            "epoch": self.epoch,
            "step": self.step,
            "time": self.time,
            **columns,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WeightSheet:
        """Return the sheet that `to_json` gave.

        Raises
        ------
        InputError
            If the values are not those of a sheet.
        """
        try:
            names = tuple(str(name) for name in values["names"])
            shapes = tuple(tuple(int(n) for n in shape) for shape in values["shapes"])
            columns = np.array([[float(v) for v in values[name]] for name in COLUMNS], dtype=np.float64)
            if columns.shape != (len(COLUMNS), len(names)) or len(shapes) != len(names):
                raise ValueError("its columns differ in length")
            return cls(names, shapes, columns, float(values["epoch"]), int(values["step"]), float(values["time"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"This is no weight sheet ({type(error).__name__}: {error}); give what WeightSheet.to_json returned."
            ) from error


def sheet(
    layout: Layout,
    weights: ArrayLike,
    gradient: ArrayLike,
    before: ArrayLike | None = None,
    stuck: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    *,
    epoch: float = 0.0,
    step: int = 0,
    time: float = 0.0,
) -> WeightSheet:
    """Measure every parameter.

    Sums are taken in float64, so that squares of float32 values neither overflow nor get lost. NaN and infinite
    values come through into the statistics of their parameter only.

    Parameters
    ----------
    layout : Layout
    weights, gradient : array of float32, shape (layout.total,)
        The flat buffers of a run.
    before : array of float32, shape (layout.total,), optional
        The weights before the last step; without them ``update_ratio`` is NaN.
    stuck : pair of ndarray, optional
        What `medilytica_widgets.engine.activations.stuck_shares` gave: dead and saturated.
    epoch, step, time
        As of `WeightSheet`.

    Raises
    ------
    InputError
        If a buffer has another size.
    """
    w = _flat(layout, "weights", weights)
    g = _flat(layout, "gradient", gradient)
    values = np.full((len(COLUMNS), len(layout.names)), np.nan)
    at, sizes = layout.offsets, layout.sizes
    scratch = np.empty(layout.total)

    def sums() -> NDArray[np.float64]:
        return np.asarray(np.add.reduceat(scratch, at))

    def square_sums(buffer: NDArray[Any] | None = None) -> NDArray[np.float64]:
        # one copy and then float64 throughout is faster than ufuncs that convert on their way
        if buffer is not None:
            np.copyto(scratch, buffer)
        np.square(scratch, out=scratch)
        return sums()

    with np.errstate(all="ignore"):
        np.copyto(scratch, w)
        mean = sums() / sizes
        total = square_sums()
        values[0] = mean
        values[1] = np.sqrt(np.maximum(total / sizes - mean * mean, 0.0))
        values[2] = np.minimum.reduceat(w, at)
        values[3] = np.maximum.reduceat(w, at)
        values[4] = np.sqrt(total)
        values[5] = np.sqrt(square_sums(g))
        if before is not None:
            b = _flat(layout, "before", before)
            change = square_sums(w - b)
            values[6] = np.sqrt(change / square_sums(b))
            # a parameter that was 0 and still is has not changed
            values[6][change == 0.0] = 0.0
    if stuck is not None:
        values[7], values[8] = stuck
    return WeightSheet(layout.names, layout.shapes, values, float(epoch), int(step), float(time))


def _flat(layout: Layout, name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (layout.total,):
        raise InputError(
            f"The {name} of a weight sheet have the shape {array.shape}, and the parameters {layout.total} values in "
            "all; give the flat buffer that the parameters are views of."
        )
    return array


class SheetBook:
    """The last sheet of a run and a thinned history; any thread adds, any thread reads.

    When the history is full, every second sheet of it goes and from then on only every second is kept, so that it
    always covers the whole course evenly. The last sheet can always be read.

    Parameters
    ----------
    limit : int
        Sheets in the history, at least 2.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        if limit < 2:
            raise InputError(f"A book cannot keep {limit} sheets; give it a limit of 2 or more.")
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: list[tuple[int, WeightSheet]] = []
        self._last: tuple[int, WeightSheet] | None = None
        self._count = 0
        self._stride = 1

    def __len__(self) -> int:
        """Sheets that were ever added."""
        return self._count

    @property
    def latest(self) -> WeightSheet | None:
        """The last sheet; None before the first."""
        last = self._last
        return None if last is None else last[1]

    def add(self, sheet: WeightSheet) -> int:
        """Add a sheet and return how many there have been."""
        with self._lock:
            self._last = (self._count, sheet)
            if self._count % self._stride == 0:
                self._kept.append(self._last)
                if len(self._kept) > self._limit:
                    self._kept = self._kept[::2]
                    self._stride *= 2
            self._count += 1
            return self._count

    def read(self, cursor: int = 0) -> tuple[list[WeightSheet], int]:
        """Return the sheets from ``cursor`` on that are kept, the last one among them, and the next cursor.

        Parameters
        ----------
        cursor : int
            0 for everything; past the end gives no sheets.
        """
        with self._lock:
            start = min(max(int(cursor), 0), self._count)
            # the kept ones stand a stride apart, from 0
            found = [sheet for _, sheet in self._kept[-(-start // self._stride) :]]
            if self._last is not None and self._last[0] >= start and (not found or found[-1] is not self._last[1]):
                found.append(self._last[1])
            return found, self._count

    def export(self) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
        """Return everything for a checkpoint: arrays by name, and plain values."""
        with self._lock:
            sheets = [sheet for _, sheet in self._kept]
            if self._last is not None and (not sheets or sheets[-1] is not self._last[1]):
                sheets.append(self._last[1])
            facts = {"count": self._count, "stride": self._stride, "kept": len(self._kept)}
        if not sheets:
            return {}, facts
        first = sheets[0]
        arrays = {
            "values": np.stack([sheet.values for sheet in sheets]),
            "places": np.array([(sheet.epoch, sheet.step, sheet.time) for sheet in sheets], dtype=np.float64),
        }
        return arrays, facts | {"names": list(first.names), "shapes": [list(shape) for shape in first.shapes]}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], limit: int = LIMIT) -> SheetBook:
        """Return the book that `export` gave.

        Raises
        ------
        InputError
            If they are not those of a book.
        """
        book = cls(limit)
        try:
            book._count, book._stride, kept = int(facts["count"]), int(facts["stride"]), int(facts["kept"])
            if not book._count:
                return book
            names = tuple(str(name) for name in facts["names"])
            shapes = tuple(tuple(int(n) for n in shape) for shape in facts["shapes"])
            values, places = arrays["values"], arrays["places"]
            if values.shape != (len(places), len(COLUMNS), len(names)) or not 1 <= kept <= len(places):
                raise ValueError("the arrays do not fit together")
            sheets = [
                WeightSheet(names, shapes, np.array(v, dtype=np.float64), float(p[0]), int(p[1]), float(p[2]))
                for v, p in zip(values, places, strict=True)
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"The weight sheets cannot be read ({type(error).__name__}: {error}); the file was damaged or written "
                "by something else. Leave them out, or take an earlier checkpoint."
            ) from error
        book._kept = [(i * book._stride, sheet) for i, sheet in enumerate(sheets[:kept])]
        book._last = (book._count - 1, sheets[-1])
        return book


class Budget:
    """Says when a sheet may be made, so that sheets never slow a run noticeably.

    Parameters
    ----------
    every : int or None
        Batches from one sheet to the next, at least; None for no sheets at all.
    step : int
        Where the run begins; a resumed one not at 0.
    share : float
        The part of the time that sheets may take: after one that took t seconds, t / share pass.
    per_second : float
        Sheets a second, at most.
    """

    def __init__(self, every: int | None = 50, step: int = 0, *, share: float = 0.01, per_second: float = 20.0) -> None:
        if every is not None and every < 1:
            raise InputError(f"Weight sheets cannot be made every {every} batches; give 1 or more, or None for none.")
        self.every = every
        self._share, self._spacing = share, 1.0 / per_second
        self._last = step
        self._not_before = -math.inf

    def due(self, step: int, now: float) -> bool:
        """Return whether a sheet may be made after ``step`` steps, at ``now`` seconds of `time.perf_counter`."""
        return self.every is not None and step - self._last >= self.every and now >= self._not_before

    def next_step(self, step: int) -> int:
        """Return the first step, not before ``step``, after which enough batches are done for a sheet."""
        return sys.maxsize if self.every is None else max(step, self._last + self.every)

    def made(self, step: int, started: float, ended: float) -> None:
        """Note that a sheet was made after ``step`` steps, and when that began and ended."""
        self._last = step
        self._not_before = max(started + self._spacing, ended + (ended - started) / self._share)
