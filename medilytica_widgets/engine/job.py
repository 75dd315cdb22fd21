"""Everything that one training needs to know, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..algorithms._unsupervised import check_table, check_target
from ..algorithms.base import SUPERVISED
from ..errors import ParameterError, SpecError, TargetError, UnknownAlgorithmError
from ..network.analysis import batch_normed
from ..network.spec import Head, Layer
from .frozen import frozen, frozen_head, frozen_layers
from .heads import HeadPlan, are_plain, check_learner, check_names, check_places, named_heads, plans_of

if TYPE_CHECKING:
    from ..algorithms import Algorithm
    from ..data import Prepared

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, eq=False)
class Job:
    """One training: the algorithm, its values, the network and the prepared rows.

    Values, layers and heads are copies that stay as they are, whatever becomes of those that were given.

    Parameters
    ----------
    algorithm : Algorithm
    values : mapping
        Hyperparameters; missing ones are filled with their default.
    prepared : Prepared
        Arrays of the three splits. They are read, never changed, and must not be changed while a run trains.
    layers : sequence of Layer
        The hidden stack, of algorithms that use layers; where they follow from the values they are made here.
    head : Head, optional
        The prepared rows' task when None. Of several heads, the first.
    seed : int
    device : {"auto", "cpu", "cuda", "mps"}
        Where a network trains; "auto" takes an accelerator where one pays.
    heads : sequence of Head
        All heads of a network; the first learns the rows' own target, the others what the rows hold under their
        names. Empty afterwards where there is one that says no more than its task.

    Raises
    ------
    UnknownParameterError, ParameterError
        For values that are not allowed.
    UnknownAlgorithmError
        When the algorithm cannot do the task.
    SpecError
        When the head's task is not the data's, or for an unknown device.
    HeadError, TargetError, ShapeError
        For heads that cannot be.
    """

    algorithm: Algorithm
    values: Mapping[str, Any]
    prepared: Prepared
    layers: Sequence[Layer] = ()
    head: Head | None = None
    seed: int = 0
    device: str = "auto"
    heads: Sequence[Head] = ()

    def __post_init__(self) -> None:
        if self.prepared.task is None and self.algorithm.task_for(None) is None:
            raise TargetError(f"{self.algorithm.name} learns a target, and the table has none.")
        if self.task not in SUPERVISED:
            self._check_without_target()
            return
        reason = self.algorithm.unavailable(self.task)
        if reason:
            raise UnknownAlgorithmError(reason)
        object.__setattr__(self, "values", frozen(self.algorithm.validate(self.values, self.task)))
        self.algorithm.check_features(self.n_features)
        object.__setattr__(self, "layers", frozen_layers(self._stack()))
        head = self.head if self.head is not None else self.heads[0] if self.heads else Head(self.task)
        heads = list(self.heads) or [head]
        # one plain head needs no more than its task
        object.__setattr__(self, "heads", self._named(heads))
        check_names(self.heads)
        head = self.heads[0] if self.heads else head
        if head.task != self.task:
            raise SpecError(f"The head does {head.task}, but the target asks for {self.task}: Head({self.task!r}).")
        if self.device not in DEVICES:
            raise SpecError(f"The device is {self.device!r}; it is one of {', '.join(DEVICES)}.")
        object.__setattr__(self, "head", frozen_head(head))
        self.check(self.values)
        self._check_heads()

    def _check_heads(self) -> None:
        object.__setattr__(self, "_plans", None)
        if not self.heads:
            return
        check_learner(self.algorithm, self.heads, self.layers)
        plans = plans_of(self.heads, self.prepared)
        check_places(plans, self.layers, self.n_features)
        plans = [dataclasses.replace(plan, options=frozen(plan.options)) for plan in plans]
        object.__setattr__(self, "_plans", plans)

    def _stack(self) -> Sequence[Layer]:
        return self.algorithm.stack(self.values, self.n_features, self.layers)

    def _named(self, heads: Sequence[Head]) -> tuple[Head, ...]:
        return () if are_plain(heads, self.layers) else tuple(frozen_head(head) for head in named_heads(heads))

    @property
    def head_plans(self) -> list[HeadPlan] | None:
        """What the engine needs of each head; None where there is a plain one only."""
        plans: list[HeadPlan] | None = self.__dict__.get("_plans")
        return None if plans is None else list(plans)

    @property
    def task(self) -> str:
        """Return what is done: what the prepared rows' target asks for, or the algorithm's own task."""
        return str(self.algorithm.task_for(self.prepared.task))

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return int(self.prepared.X_train.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of the target's classes; 1 where there are none, as for regression."""
        return len(self.prepared.classes) or 1

    @property
    def samples_per_epoch(self) -> int:
        """Training rows."""
        return int(self.prepared.X_train.shape[0])

    def _check_without_target(self) -> None:
        """Make sure of what stands for an algorithm that leaves a target aside: it has no heads and no layers."""
        if self.device not in DEVICES:
            raise SpecError(f"The device is {self.device!r}; it is one of {', '.join(DEVICES)}.")
        object.__setattr__(self, "head", None)
        object.__setattr__(self, "heads", ())
        object.__setattr__(self, "layers", ())
        object.__setattr__(self, "_plans", None)
        object.__setattr__(self, "values", frozen(self.algorithm.validate(self.values, self.task)))
        check_target(self.algorithm, self.prepared.task)
        check_table(self.algorithm, self.values, self.samples_per_epoch, self.n_features)

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise `ParameterError` where values do not fit together or do not fit the network."""
        for check in self.algorithm.checks:
            check(values)
        for row_check in self.algorithm.row_checks if self.task in SUPERVISED else ():
            row_check(values, self.prepared.y_train)
        normed = self.algorithm.engine == "torch" and batch_normed(self.layers)
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
