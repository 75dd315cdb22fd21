"""What a loop and the trainer that hosts it know of each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .checkpoints import TrainingState
from .log import TrainingLog
from .predictors import Predictor
from .states import Unit
from .weight_sheet import SheetBook

Point = Literal["batch", "validation", "epoch"]
"""Where a loop stands when it asks for commands: after some batches, amid a validation pass, after a history row."""


class StopRequested(Exception):
    """Raised in the training thread to leave the loop; it never leaves the trainer."""


class Host(Protocol):
    """The trainer, as a loop sees it. Everything is called on the training thread."""

    def checkpoint(self, point: Point) -> None:
        """Carry out posted commands: may block while paused, call `Loop.set`, take a snapshot.

        Raises
        ------
        StopRequested
            If the run is to stop.
        """
        ...

    def stepping(self) -> Unit | None:
        """Return what the person asked for before the next pause; None while the run trains freely."""
        ...

    def next_stop(self, epoch: int) -> int | None:
        """Return the next whole epoch after which `checkpoint` must be called; None where any will do."""
        ...

    def kept_between(self, first: int, last: int) -> list[int]:
        """Return the epochs after ``first`` and before ``last`` whose states are to be kept."""
        ...

    def keep(self, state: TrainingState) -> None:
        """Take such a state; the loop stands at that epoch's end, and all its rows are written."""
        ...

    def advance(self, epoch: float, step: int) -> None:
        """Say how far the training is."""
        ...

    def row(self, values: Mapping[str, float]) -> None:
        """Write a history row."""
        ...

    def note(self, sentence: str) -> None:
        """Leave a remark for the person."""
        ...

    @property
    def waiting(self) -> NDArray[np.int64]:
        """One number, not 0 while `checkpoint` has something to carry out."""
        ...

    @property
    def measured(self) -> Path | None:
        """The file that keeps what was measured on this machine, if there is one."""
        ...

    @property
    def sheet_every(self) -> int | None:
        """The least number of batches between two weight sheets; None for none."""
        ...

    @property
    def log(self) -> TrainingLog:
        """The run's log."""
        ...

    @property
    def sheets(self) -> SheetBook:
        """The run's weight sheets."""
        ...


class Loop(Protocol):
    """A way to train. Constructed and used on the training thread only."""

    device: str

    @property
    def path(self) -> str:
        """The name of what carries out the steps."""
        ...

    def run(self) -> None:
        """Train to the end, calling `Host.checkpoint` at least every 50 ms where the work can be divided."""
        ...

    def set(self, name: str, value: Any) -> None:
        """Change a live hyperparameter; it holds from the next step on."""
        ...

    def snapshot(self, version: int) -> Predictor | None:
        """Return the model as it is; None when nothing is learned yet or it is not finite."""
        ...

    def final(self, version: int) -> Predictor | None:
        """Return the model to keep; None when nothing was learned.

        Raises
        ------
        DivergenceError
            If it is not finite.
        """
        ...

    def state(self) -> TrainingState | None:
        """Return everything from which another loop of the same job goes on; None where there is nothing yet."""
        ...
