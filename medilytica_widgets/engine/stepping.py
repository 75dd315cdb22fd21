"""What the training loop and its paths share: the flat state, the settings of a step, and a path's contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

SLOTS: dict[str, tuple[str, ...]] = {
    "sgd": ("momentum_buffer",),
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "rmsprop": ("square_avg",),
    "nadam": ("exp_avg", "exp_avg_sq"),
}
"""Of each optimizer, the values it keeps for every weight, by torch's own names."""

OWN = "own."
"""What the names of the tensors that a registered optimizer keeps begin with in a checkpoint."""


@dataclass
class FlatState:
    """Everything that a step changes, each kind in one flat buffer that all paths share.

    Parameters
    ----------
    weights, gradient : Tensor of shape (n,)
        All trainable parameters in the order of ``module.parameters()``, and the gradient of the last step
        (penalties added and clipped, as the optimizer took it).
    slots : dict of str to Tensor of shape (n,)
        What the optimizer keeps, see `SLOTS`; zeros at the start.
    step : int
        Optimizer steps done.
    mu_product : float
        NAdam's running product of momentum factors.
    """

    weights: Tensor
    gradient: Tensor
    slots: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    mu_product: float = 1.0


@dataclass(frozen=True)
class Objective:
    """The loss; it does not change while a run trains.

    Parameters
    ----------
    n_classes : int
        0 for regression (mean squared error), else cross entropy of logits.
    class_weights : ndarray of float32, shape (n_classes,), optional
        As ``torch.nn.functional.cross_entropy(weight=…)``: the mean is divided by the weights' sum.
    label_smoothing : float
        As of the same function.
    """

    n_classes: int
    class_weights: NDArray[np.float32] | None = None
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class StepSettings:
    """What may change between two steps, beside the learning rate.

    ``l1`` and ``l2`` add ``l1·sign(w) + 2·l2·w`` to the gradients of parameters with more than one dimension;
    then ``clip_value`` clamps each gradient, then ``clip_norm`` scales all as `torch.nn.utils.clip_grad_norm_`
    does; the optimizer applies ``weight_decay`` itself. ``dropout`` holds the dropped part of every dropout layer.
    ``part_rows`` bounds the rows of one forward pass, where gradients are to be accumulated; a path that needs no
    such bound may ignore it, for the result is the same.
    """

    batch_size: int
    optimizer: str = "adam"
    weight_decay: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    clip_norm: float | None = None
    clip_value: float | None = None
    dropout: tuple[float, ...] = ()
    part_rows: int | None = None


class Totals(NamedTuple):
    """Where a chunk ended, and sums that were continued batch by batch.

    ``done`` is where in the epoch's order the chunk ended, ``rows`` how many rows it used. ``loss`` is the sum of
    (mean loss of a batch · its rows) and ``hits`` the right answers, or the absolute errors of the scaled target;
    both go on from what was given to `Path.train`, one batch after the other in float64, so that they do not
    depend on how an epoch was cut into chunks.
    """

    done: int
    rows: int
    loss: float
    hits: float


@dataclass(frozen=True, eq=False)
class EpochState:
    """What changed up to an epoch's end, copied.

    Parameters
    ----------
    weights : ndarray of shape (size,)
    slots : dict of str to ndarray of shape (size,)
    order_state : ndarray of uint8
        Of the generator from which the next epoch's order is drawn.
    step : int
    mu_product : float
    """

    weights: NDArray[Any]
    slots: dict[str, NDArray[Any]]
    order_state: NDArray[np.uint8]
    step: int
    mu_product: float


class Path(Protocol):
    """One way to carry out steps. All paths work on the same `FlatState` and give the same result."""

    name: str
    threads: int

    def train(
        self,
        order: NDArray[np.int64],
        start: int,
        batches: int,
        rates: NDArray[np.float64],
        settings: StepSettings,
        loss: float = 0.0,
        hits: float = 0.0,
    ) -> Totals:
        """Carry out up to ``batches`` steps on ``order[start:]``; ``rates[k]`` is the k-th step's learning rate.

        ``loss`` and ``hits`` are the epoch's sums so far.
        """
        ...

    def evaluate(self, start: int, end: int) -> tuple[float, float]:
        """Return the sums of loss and hits over validation rows ``start`` to ``end``, in evaluation mode."""
        ...
