"""Everything that one training needs to know, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError, SpecError, UnknownAlgorithmError
from ..network.spec import Head, Layer

if TYPE_CHECKING:
    from ..algorithms import Algorithm
    from ..data import Prepared

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, eq=False)
class Job:
    """One training: the algorithm, its values, the network and the prepared rows.

    Parameters
    ----------
    algorithm : Algorithm
    values : mapping
        Hyperparameters; missing ones are filled with their default.
    prepared : Prepared
        Arrays of the three splits. They are read, never changed, and must not be changed while a run trains.
    layers : sequence of Layer
        The hidden stack, of algorithms that use layers.
    head : Head, optional
        The prepared rows' task when None.
    seed : int
    device : {"auto", "cpu", "cuda", "mps"}
        Where a network trains; "auto" takes an accelerator where one pays.

    Raises
    ------
    UnknownParameterError, ParameterError
        For values that are not allowed.
    UnknownAlgorithmError
        When the algorithm cannot do the task.
    SpecError
        When the head's task is not the data's, or for an unknown device.
    """

    algorithm: Algorithm
    values: Mapping[str, Any]
    prepared: Prepared
    layers: Sequence[Layer] = ()
    head: Head | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        reason = self.algorithm.unavailable(self.task)
        if reason:
            raise UnknownAlgorithmError(reason)
        head = self.head if self.head is not None else Head(self.task)
        if head.task != self.task:
            raise SpecError(f"The head does {head.task}, but the target asks for {self.task}: Head({self.task!r}).")
        if self.device not in DEVICES:
            raise SpecError(f"The device is {self.device!r}; it is one of {', '.join(DEVICES)}.")
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "values", self.algorithm.validate(self.values, self.task))
        self.check(self.values)

    @property
    def task(self) -> str:
        """Return the prepared rows' task: "classification" or "regression"."""
        return str(self.prepared.task)

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return int(self.prepared.X_train.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes; 1 for regression."""
        return len(self.prepared.classes) if self.task == "classification" else 1

    @property
    def samples_per_epoch(self) -> int:
        """Training rows."""
        return int(self.prepared.X_train.shape[0])

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise `ParameterError` where values do not fit together or do not fit the network."""
        for check in self.algorithm.checks:
            check(values)
        normed = self.algorithm.engine == "torch" and any(layer.kind == "batch_norm" for layer in self.layers)
        if normed and values.get("batch_size") == 1:
            raise ParameterError(
                "batch_size is 1, but batch normalisation needs at least 2 rows in a batch; "
                "raise batch_size or take layer_norm in its place.",
                "batch_size",
                2,
            )
        if normed and self.samples_per_epoch == 1:
            raise SpecError(
                "There is one training row only, but batch normalisation needs at least 2 in a batch; take "
                "layer_norm in its place, or a table with more rows."
            )
