"""The heads of a network as a training needs them: resolved, checked against the rows, and as plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..algorithms.base import SUPERVISED
from ..errors import HeadError, ShapeError, SpecError
from ..network.analysis import analyse
from ..network.losses import Loss, Meaning, check_target, default_loss, find_loss, uncertainty_factor
from ..network.spec import Head, Layer

if TYPE_CHECKING:
    from ..algorithms import Algorithm
    from ..data import Prepared

OWN = "target"
"""The name of a single head that has none; nobody sees it."""


@dataclass(frozen=True, eq=False)
class HeadPlan:
    """One head of a job.

    Parameters
    ----------
    head : Head
        With its name and target filled in.
    loss : Loss
    options : mapping
        All options of the loss.
    classes : tuple of str
        Empty for numbers.
    mean, std : float
        By which numbers are scaled before the loss sees them.
    """

    head: Head
    loss: Loss
    options: Mapping[str, Any]
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @property
    def name(self) -> str:
        """Unique among the heads."""
        return self.head.name

    @property
    def task(self) -> str:
        """Either "classification" or "regression"."""
        return str(self.head.task)

    @property
    def n_classes(self) -> int:
        """Number of classes; 1 for numbers."""
        return len(self.classes) if self.task == "classification" else 1

    @property
    def n_outputs(self) -> int:
        """Outputs of its linear layer."""
        return self.loss.outputs(self.task, self.n_classes)

    @property
    def meaning(self) -> Meaning:
        """What the outputs are."""
        return self.loss.meaning_for(self.task)

    @property
    def uncertain(self) -> bool:
        """Whether its weight is learned."""
        return self.head.weight == "uncertainty"

    @property
    def metric(self) -> str:
        """The readable metric beside the loss."""
        return "accuracy" if self.task == "classification" else "mean_absolute_error"

    def metric_value(self, total: float, rows: float) -> float:
        """Return the metric for a sum of hits (or of absolute errors) over some rows, in the target's own units."""
        return math.nan if not rows else total / rows if self.task == "classification" else total / rows * self.std

    def factor(self, log_variance: float = 0.0) -> float:
        """Return what its loss is multiplied with; for a learned weight, at that logarithm of its variance."""
        if self.uncertain:
            return uncertainty_factor(self.loss) * math.exp(-log_variance)
        return float(self.head.weight)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `from_json`."""
        return {"head": self.head.to_json(), "classes": list(self.classes), "mean": self.mean, "std": self.std}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> HeadPlan:
        """Return the plan that `to_json` gave.

        Raises
        ------
        SpecError
            For a loss that is not known here.
        KeyError, TypeError, ValueError
            For anything else.
        """
        head = Head(**plain["head"])
        loss = find_loss(head.loss, head.task)
        given = plain["classes"]
        if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
            raise ValueError("the classes of a head are no list of names")
        if bool(given) != (head.task == "classification"):
            raise ValueError(f"the head {head.name!r} learns {head.task} and has {len(given)} classes")
        options = loss.validate(head.options)
        mean, std = float(plain["mean"]), float(plain["std"])
        check_scale(mean, std)
        return cls(head, loss, options, tuple(given), mean, std)


def check_scale(mean: float, std: float) -> None:
    """Raise where a target cannot have been scaled so.

    Raises
    ------
    ValueError
    """
    if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
        raise ValueError(f"a target of mean {mean} and spread {std} cannot be")


def named_heads(heads: Sequence[Head], own: str = "") -> list[Head]:
    """Return heads with name and target filled in.

    Parameters
    ----------
    heads : sequence of Head
    own : str
        The data set's target, for heads that name none.
    """
    found = []
    for head in heads:
        target = head.target or own
        found.append(head.model_copy(update={"name": head.name or _identifier(target), "target": target}))
    return found


def check_names(heads: Sequence[Head]) -> None:
    """Raise where named heads cannot be told apart.

    Raises
    ------
    HeadError
        For a name that is no name, two of one name, or two that learn the same with the same loss.
    """
    for index, head in enumerate(heads):
        if not (head.name.isascii() and head.name.isidentifier()):
            raise HeadError(
                f"A head is called {head.name!r}, and columns of tables shall begin with it: take letters, digits and "
                "underscores, beginning with a letter.",
                index,
                "name",
                _identifier(head.name),
            )
        for other in heads[:index]:
            if other.name == head.name:
                raise HeadError(
                    f"Two heads are called {head.name!r}; metrics and curves stand under the head's name, so give "
                    'each its own: Head(…, name="…").',
                    index,
                    "name",
                )
            if _learns(other) == _learns(head):
                raise HeadError(
                    f"The heads {other.name!r} and {head.name!r} learn the same: {head.target or 'the target'!r} as "
                    f"{head.task}, with one loss. Leave one out, or give it another target, loss or option.",
                    index,
                    "target",
                )


def _identifier(text: str) -> str:
    """Return a text as a name that Python knows."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    return name if name.isidentifier() else f"{OWN}_{name}".rstrip("_")


def _learns(head: Head) -> tuple[Any, ...]:
    loss = find_loss(head.loss, head.task)
    return head.target, head.task, loss.id, sorted(loss.validate(head.options).items())


def are_plain(heads: Sequence[Head], layers: Sequence[Layer]) -> bool:
    """Whether there is one head that is as every head is without anything said: the fast paths serve it."""
    if len(heads) != 1:
        return False
    head = heads[0]
    loss = find_loss(head.loss, head.task)
    last = getattr(layers[-1], "name", "") if layers else ""
    usual = loss is default_loss(head.task) and head.weight == 1.0
    return usual and (not head.at or head.at == last)


def check_learner(algorithm: Algorithm, heads: Sequence[Head], layers: Sequence[Layer]) -> None:
    """Raise where an algorithm that is no network is asked for more than the one plain head of every table.

    What leaves a target aside leaves the heads aside too.

    Raises
    ------
    HeadError
    """
    if not heads or algorithm.engine == "torch" or algorithm.task_for(heads[0].task) not in SUPERVISED:
        return
    if not are_plain(heads, layers):
        raise HeadError(
            f"{algorithm.name} learns one target with its own loss; several heads, and a head with a loss, "
            "weight or layer of its choice, need a neural network: algorithm='mlp'."
        )


def history_heads(heads: Sequence[Head]) -> list[tuple[str, str]]:
    """Return name and readable metric of each head that has curves of its own: of all, where there are several."""
    if len(heads) < 2:
        return []
    return [(h.name, "accuracy" if h.task == "classification" else "mean_absolute_error") for h in heads]


def plans_of(heads: Sequence[Head], data: Prepared) -> list[HeadPlan]:
    """Return the plans of a job's heads.

    Parameters
    ----------
    heads : sequence of Head
        As `named_heads` gives them; the first learns the rows' own target.
    data : Prepared

    Raises
    ------
    SpecError
        For a head whose target was not prepared, or as another task.
    TargetError
        For a target that its loss cannot learn.
    """
    plans = []
    for index, head in enumerate(heads):
        loss = find_loss(head.loss, head.task)
        classes, values = target_rows(data, head, index, "train")
        mean, std = 0.0, 1.0
        if head.task == "regression" and loss.scaled:
            further = _further(data).get(head.name) if index else None
            mean, std = _scale(values) if further is None else (further.mean, further.std)
        known = [target_rows(data, head, index, part)[1] for part in ("train", "validation", "test")]
        check_target(loss, head.target or "the target", max(1, len(classes)), np.concatenate(known))
        plans.append(HeadPlan(head, loss, loss.validate(head.options), classes, mean, std))
    return plans


def target_rows(data: Prepared, head: Head, index: int, part: str) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Return the classes and one part of what a head learns: -1 or NaN where a row has no value."""
    if index == 0:
        return tuple(data.classes) if head.task == "classification" else (), getattr(data, f"y_{part}")
    found = _further(data).get(head.name)
    if found is None or found.task != head.task:
        raise SpecError(
            f"The head {head.name!r} learns {head.target!r} as {head.task}, but the rows were prepared without it. "
            "Prepare them with further={name: (column, task)}."
        )
    return tuple(found.classes), found.part(part)


def _further(data: Prepared) -> Mapping[str, Any]:
    return getattr(data, "further", {}) or {}


def _scale(values: NDArray[Any]) -> tuple[float, float]:
    numbers = np.asarray(values, dtype=np.float64)
    return float(numbers.mean()), float(numbers.std()) or 1.0


def stand_ins(plans: Sequence[HeadPlan]) -> tuple[list[Head], list[int]]:
    """Return heads and numbers of outputs for `medilytica_widgets.network.build`, which asks of classes for two."""
    heads = [
        Head("regression" if plan.n_outputs == 1 else "classification", name=plan.name, at=plan.head.at)
        for plan in plans
    ]
    return heads, [plan.n_outputs for plan in plans]


def check_places(plans: Sequence[HeadPlan], layers: Sequence[Layer], n_features: int) -> None:
    """Raise where heads cannot sit where they are to.

    Raises
    ------
    HeadError
        For a layer that is not there, or one whose output is not one vector a row.
    ShapeError
        For a stack that does not connect.
    """
    found = analyse(layers, n_features, *stand_ins(plans))
    if found.error is not None and found.failing is not None and found.failing >= 0:
        raise ShapeError(found.error, found.failing)
    for index, row in enumerate(found.heads):
        if row.error:
            raise HeadError(row.error, index, "at")
