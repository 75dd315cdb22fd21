"""The losses that a head may have: what its outputs mean, how wrong each row is, and what is predicted from them.

Only calculating a loss loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ParameterError, SpecError, TargetError, hint
from ..parameters import OWN_FIRST, Parameter, ParameterTable
from . import loss_functions as functions
from .loss_functions import SOURCES, Meaning, predicted

if TYPE_CHECKING:
    from torch import Tensor

CUSTOM = "custom:"
"""What the id of a registered loss begins with."""

TASKS = ("classification", "regression")

_CLASSES = ("classification",)
_NUMBER = ("regression",)


@dataclass(frozen=True)
class Loss:
    """One loss.

    Parameters
    ----------
    id, name, help : str
        For specs, for a person, and one or two sentences on what it does and when to take it.
    tasks : tuple of str
        Of "classification" and "regression", those that it serves.
    meaning : {"logits", "logit", "value", "log_rate"}
        Of the outputs, see `Meaning`.
    per_row : callable
        ``(outputs, targets, options) -> losses``: tensors of shape (rows, outputs), (rows,) and (rows,). Targets are
        int64 classes or float32 numbers. Only where ``weighs`` is True it reads ``options["class_weights"]`` and
        ``options["label_smoothing"]``, beside its own options, and returns losses that are weighted already.
    parameters : ParameterTable
        Its options.
    scaled : bool
        Whether numbers reach it at mean 0 and spread 1 (over the training rows), or in their own units.
    squared : bool
        Whether it is the negative logarithm of a normal distribution, up to factors; see `uncertainty_factor`.
    weighs : bool
        See ``per_row``.
    lines : callable, optional
        ``(name, options) -> lines`` of a function of that name for scripts, of a registered loss; imports come first.
    """

    id: str
    name: str
    help: str
    tasks: tuple[str, ...]
    meaning: Meaning
    per_row: Callable[[Tensor, Tensor, Mapping[str, Any]], Tensor]
    parameters: ParameterTable = ParameterTable(())
    scaled: bool = True
    squared: bool = False
    weighs: bool = False
    lines: Callable[[str, Mapping[str, Any]], list[str]] | None = None

    @property
    def custom(self) -> bool:
        """Whether it was registered by `register_loss`."""
        return self.id.startswith(CUSTOM)

    def meaning_for(self, task: str) -> Meaning:
        """Return what the outputs mean; a registered loss of classes reads logits."""
        return "logits" if self.custom and task == "classification" else self.meaning

    def outputs(self, task: str, n_classes: int) -> int:
        """Return how many outputs a head with this loss has."""
        return n_classes if self.meaning_for(task) == "logits" else 1

    def validate(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options, the given ones validated.

        Raises
        ------
        ParameterError
            For an option that does not exist or a value that is not allowed.
        """
        for name in options:
            if name not in self.parameters:
                known = hint(str(name), self.parameters) if self.parameters else "It has no options; leave it out."
                raise ParameterError(f"The loss {self.id!r} has no option {name!r}. {known}", str(name))
        return self.parameters.validate(options)

    def source(self, name: str, options: Mapping[str, Any]) -> list[str]:
        """Return Python lines that define the function ``name(outputs, targets)``, the losses of the rows.

        They may use ``torch``, and ``torch.nn.functional`` as ``functional``. Label smoothing and the weights of
        classes are not part of them.

        Raises
        ------
        SpecError
            For a registered loss whose source cannot be had.
        """
        if self.lines is not None:
            return self.lines(name, self.validate(options))
        body = SOURCES[self.id].format(**self.validate(options))
        return [f"def {name}(outputs, targets):", *(f"    {line}" for line in body.splitlines())]

    def to_json(self) -> dict[str, Any]:
        """Return what a form needs."""
        return {
            "loss": self.id,
            "name": self.name,
            "tasks": list(self.tasks),
            "parameters": self.parameters.to_json(),
            "help": self.help,
        }


def _option(id: str, default: float, low: float, high: float, help: str, **more: Any) -> ParameterTable:
    return ParameterTable((Parameter(id, "float", default, low=low, high=high, help=help, **more),))


LOSSES: dict[str, Loss] = {
    loss.id: loss
    for loss in (
        Loss(
            "cross_entropy",
            "Cross entropy",
            "The usual loss for classes: the less probability the true class was given, the more it costs.",
            _CLASSES,
            "logits",
            functions.cross_entropy,
            weighs=True,
        ),
        Loss(
            "binary_cross_entropy",
            "Binary cross entropy",
            "Cross entropy for two classes with a single output, the logit of the second class: half as many weights "
            "in the head, and otherwise much the same.",
            _CLASSES,
            "logit",
            functions.binary_cross_entropy,
        ),
        Loss(
            "focal",
            "Focal",
            "Cross entropy that counts rows which are answered well already for less, so that a rare or difficult "
            "class is not drowned by many easy rows (Lin et al. 2017, https://arxiv.org/abs/1708.02002).",
            _CLASSES,
            "logits",
            functions.focal,
            _option(
                "gamma",
                2.0,
                0.0,
                10.0,
                "How little the easy rows count: at 0 as much as any other, at 2 next to nothing. Large values look at "
                "the hardest rows only, wrong labels among them.",
            ),
        ),
        Loss(
            "mse",
            "Mean squared error",
            "The usual loss for numbers: an error twice as large costs four times as much, so outliers weigh heavily. "
            "The network learns the mean.",
            _NUMBER,
            "value",
            functions.mse,
            squared=True,
        ),
        Loss(
            "mae",
            "Mean absolute error",
            "Each error costs its size, so outliers weigh less; the network learns the median.",
            _NUMBER,
            "value",
            functions.mae,
        ),
        Loss(
            "huber",
            "Huber",
            "Squared for small errors and absolute for large ones: smooth, and little moved by outliers (Huber 1964, "
            "https://doi.org/10.1214/aoms/1177703732).",
            _NUMBER,
            "value",
            functions.huber,
            _option(
                "delta",
                1.0,
                1e-3,
                100.0,
                "The error, in standard deviations of the target, from which on it counts as large. Smaller values "
                "guard more against outliers.",
                scale="log",
                unit="standard deviations",
            ),
            squared=True,
        ),
        Loss(
            "quantile",
            "Quantile",
            "The network learns a bound below which a given part of the values lies, for example nine in ten (Koenker "
            "and Bassett 1978, https://doi.org/10.2307/1913643).",
            _NUMBER,
            "value",
            functions.quantile,
            _option(
                "quantile", 0.5, 0.01, 0.99, "The part of the values that lies below the answer; 0.5 is the median."
            ),
        ),
        Loss(
            "poisson",
            "Poisson",
            "For counts, 0 or more, such as admissions in a week: the answer is the expected count and never negative. "
            "Errors of large counts weigh less.",
            _NUMBER,
            "log_rate",
            functions.poisson,
            scaled=False,
        ),
    )
}
"""Every loss by its id, registered ones too."""


def losses(task: str | None = None) -> list[Loss]:
    """Return the losses in the order of a menu, registered ones last; of one task, if it is given."""
    return [loss for loss in LOSSES.values() if task is None or task in loss.tasks]


def losses_of(task: str) -> tuple[str, ...]:
    """Return the ids of the losses that serve a task, its own first."""
    return tuple(loss.id for loss in losses(task))


def loss_kinds(task: str | None = None) -> list[dict[str, Any]]:
    """Return the losses as plain values: ``{"loss", "name", "tasks", "parameters", "help"}``."""
    return [loss.to_json() for loss in losses(task)]


def default_loss(task: str) -> Loss:
    """Return the loss of a head that names none: cross entropy, or the mean squared error."""
    return LOSSES["cross_entropy" if task == "classification" else "mse"]


def find_loss(name: str, task: str) -> Loss:
    """Return the loss of that id for a task; the task's default for an empty one.

    Raises
    ------
    SpecError
        If there is no such loss, or it does not serve the task.
    """
    if not name:
        return default_loss(task)
    loss = LOSSES.get(name)
    if loss is None:
        if name.startswith(CUSTOM):
            known = [i for i in LOSSES if i.startswith(CUSTOM)]
            tail = hint(name, known, otherwise=OWN_FIRST) if known else OWN_FIRST
            raise SpecError(f"No loss is registered as {name.removeprefix(CUSTOM)!r}. {tail}")
        raise SpecError(f"There is no loss {name!r}. {hint(name, LOSSES)}")
    if task not in loss.tasks:
        there = ", ".join(map(repr, losses_of(task)))
        raise SpecError(f"The loss {name!r} is for {' and '.join(loss.tasks)}, not for {task}; that has {there}.")
    return loss


def uncertainty_factor(loss: Loss) -> float:
    """Return a in the term ``a·exp(-s)·loss + s/2`` of a head that is weighted by its uncertainty.

    ``s`` is the logarithm of the head's noise variance, learned with the weights. For squared errors a is one half,
    for the others one (Kendall, Gal and Cipolla 2018, "Multi-task learning using uncertainty to weigh losses for
    scene geometry and semantics", https://arxiv.org/abs/1705.07115, equations 7 and 10).
    """
    return 0.5 if loss.squared else 1.0


def check_target(loss: Loss, column: str, n_classes: int, values: ArrayLike) -> None:
    """Raise where a loss cannot learn a target.

    Parameters
    ----------
    loss : Loss
    column : str
        For the message.
    n_classes : int
        1 for numbers.
    values : array-like
        The known values in the target's own units; read for counts only.

    Raises
    ------
    TargetError
    """
    if loss.meaning == "logit" and n_classes != 2:
        raise TargetError(
            f"The loss {loss.id!r} tells two classes apart, but {column!r} has {n_classes}. Take 'cross_entropy'."
        )
    if loss.meaning == "log_rate":
        numbers = np.asarray(values, dtype=np.float64)
        lowest = float(np.nanmin(numbers)) if numbers.size else 0.0
        if lowest < 0:
            raise TargetError(
                f"The loss {loss.id!r} is for counts, 0 or more, but {column!r} goes down to {lowest:g}. "
                "Take 'mse', 'mae' or 'huber'."
            )


__all__ = [
    "CUSTOM",
    "LOSSES",
    "Loss",
    "Meaning",
    "check_target",
    "default_loss",
    "find_loss",
    "loss_kinds",
    "losses",
    "losses_of",
    "predicted",
    "uncertainty_factor",
]
