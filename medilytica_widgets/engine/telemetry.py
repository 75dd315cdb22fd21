"""What a run writes down: columns that only grow, and marks for changes made while it trained."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StateError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Mark:
    """A hyperparameter that was changed while the run trained.

    Parameters
    ----------
    epoch : float
        Where the run was, in epochs.
    step : int
        Optimizer steps done before the change; it holds from the next step on.
    name : str
        The parameter.
    before, after : object
        Its values.
    author : str or None
        Who changed it, when known.
    time : float
        Seconds since 1970.
    """

    epoch: float
    step: int
    name: str
    before: Any
    after: Any
    author: str | None
    time: float


METRIC = {
    "classification": "accuracy",
    "regression": "mean_absolute_error",
    "clustering": "silhouette",
    "anomaly": "part_flagged",
    "transform": "explained_variance",
}
"""The readable metric of each task's history."""


def history_columns(task: str, heads: Sequence[tuple[str, str]] = ()) -> tuple[str, ...]:
    """Return a run's history columns: the losses, one readable metric, the learning rate and the times.

    Parameters
    ----------
    task : str
        Of the first head.
    heads : sequence of (str, str)
        Name and metric of each head, where there are several: each gets losses, its metric and its weight.
    """
    more = [
        column
        for name, own in heads
        for column in (
            f"train_{name}_loss",
            f"val_{name}_loss",
            f"train_{name}_{own}",
            f"val_{name}_{own}",
            f"weight_{name}",
        )
    ]
    metric = METRIC[task]
    return (
        "epoch",
        "train_loss",
        "val_loss",
        f"train_{metric}",
        f"val_{metric}",
        "learning_rate",
        "seconds",
        "samples_per_second",
        *more,
    )


class Telemetry:
    """Columns of float64 that only grow; one thread appends, any thread reads.

    A reader keeps the cursor of its last reading and receives only what is new, so that an update
    costs what is new and a late reader gets everything once.

    Parameters
    ----------
    columns : sequence of str
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._lock = threading.Lock()
        self._rows: NDArray[np.float64] = np.empty((len(self._columns), 64), dtype=np.float64)
        self._count = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The names, in order."""
        return self._columns

    def __len__(self) -> int:
        return self._count

    def append(self, row: Mapping[str, float]) -> int:
        """Add a row and return how many there are now; a column that is not given becomes NaN.

        Raises
        ------
        StateError
            For a column that does not exist.
        """
        unknown = row.keys() - set(self._columns)
        if unknown:
            raise StateError(f"Telemetry has no column {sorted(unknown)[0]!r}; it has {', '.join(self._columns)}.")
        values = [float(row.get(name, np.nan)) for name in self._columns]
        with self._lock:
            if self._count == self._rows.shape[1]:
                grown = np.empty((len(self._columns), 2 * self._count), dtype=np.float64)
                grown[:, : self._count] = self._rows
                self._rows = grown
            self._rows[:, self._count] = values
            self._count += 1
            return self._count

    def read(self, cursor: int = 0) -> tuple[dict[str, NDArray[np.float64]], int]:
        """Return the rows from ``cursor`` on and the cursor for the next reading.

        Parameters
        ----------
        cursor : int
            0 for everything; past the end gives no rows.

        Returns
        -------
        dict of str to ndarray of float64
            Every column, copied.
        int
        """
        with self._lock:
            start = min(max(int(cursor), 0), self._count)
            block = self._rows[:, start : self._count].copy()
            return {name: block[i] for i, name in enumerate(self._columns)}, self._count

    def frame(self) -> pd.DataFrame:
        """Return all rows as a DataFrame, one row per epoch (or stage); ``epoch`` is int64."""
        import pandas as pd

        rows, _ = self.read()
        frame = pd.DataFrame(rows, columns=list(self._columns))
        if "epoch" in frame:
            frame["epoch"] = frame["epoch"].astype(np.int64)
        return frame
