"""What a loop and the trainer that hosts it know of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from .predictors import Predictor

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

    def one_batch(self) -> bool:
        """Whether the next chunk is to be a single batch."""
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


class Loop(Protocol):
    """A way to train. Constructed and used on the training thread only."""

    path: str
    device: str

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
