"""What the losses calculate, row by row, and what is predicted from a head's outputs. Calling one loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from torch import Tensor

Meaning = Literal["logits", "logit", "value", "log_rate"]
"""What a head's outputs are: logits of all classes, the second of two classes' logit, a number, a count's logarithm."""

Options = Mapping[str, Any]


def predicted(meaning: Meaning, outputs: ArrayLike) -> NDArray[np.float64]:
    """Return what outputs say.

    Parameters
    ----------
    meaning : {"logits", "logit", "value", "log_rate"}
    outputs : array-like of shape (rows, outputs)

    Returns
    -------
    ndarray of float64
        Probabilities of shape (rows, classes) for logits, (rows, 2) for one logit; else shape (rows,), the number (in
        the units in which the loss saw its target) or the expected count.
    """
    values = np.asarray(outputs, dtype=np.float64)
    if meaning == "logits":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)
    if meaning == "logit":
        # of the two forms each is exact where the other would overflow
        small = np.exp(-np.abs(values[:, 0]))
        second = np.where(values[:, 0] >= 0, 1 / (1 + small), small / (1 + small))
        return np.stack((1 - second, second), axis=1)
    if meaning == "log_rate":
        return np.asarray(np.exp(values[:, 0]), dtype=np.float64)
    return np.array(values[:, 0])


# outputs of shape (rows, outputs) and targets of shape (rows,) give losses of shape (rows,)


def cross_entropy(outputs: Tensor, targets: Tensor, options: Options) -> Tensor:
    """Return cross entropies, weighted and smoothed where the options say so."""
    from torch.nn import functional

    return functional.cross_entropy(
        outputs,
        targets,
        weight=options.get("class_weights"),
        label_smoothing=float(options.get("label_smoothing") or 0.0),
        reduction="none",
    )


def binary_cross_entropy(outputs: Tensor, targets: Tensor, options: Options) -> Tensor:
    """Return cross entropies of the second class's logit."""
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype), reduction="none")


def focal(outputs: Tensor, targets: Tensor, options: Options) -> Tensor:
    """Return cross entropies times (1 - p)^gamma, p the right class's probability."""
    right = outputs.log_softmax(1).gather(1, targets[:, None])[:, 0]
    # at a probability of 1 the slope of the power would be infinite for gamma below 1
    unsure: Tensor = (-right.expm1()).clamp_min(1e-12) ** options["gamma"]
    return -unsure * right


def mse(outputs: Tensor, targets: Tensor, options: Options) -> Tensor:
    """Return squared errors."""
    return (outputs[:, 0] - targets).square()


def mae(outputs: Tensor, targets: Tensor, options: Options) -> Tensor:
    """Return absolute errors."""
    return (outputs[:, 0] - targets).abs()


def huber(outputs: Tensor, targets: Tensor, options: Options) -> Tensor:
    """Return half the squared errors, and absolute ones beyond delta."""
    from torch.nn import functional

    return functional.huber_loss(outputs[:, 0], targets, reduction="none", delta=options["delta"])


def quantile(outputs: Tensor, targets: Tensor, options: Options) -> Tensor:
    """Return errors, those of predictions that are too low times q, the others times 1 - q."""
    import torch

    below = targets - outputs[:, 0]
    return torch.maximum(options["quantile"] * below, (options["quantile"] - 1) * below)


def poisson(outputs: Tensor, targets: Tensor, options: Options) -> Tensor:
    """Return negative log likelihoods of counts, without the part that only the target decides."""
    from torch.nn import functional

    return functional.poisson_nll_loss(outputs[:, 0], targets, log_input=True, full=False, reduction="none")


# the same as the body of a function in a script, which may use torch, and torch.nn.functional as functional

SOURCES: dict[str, str] = {
    "cross_entropy": 'return functional.cross_entropy(outputs, targets, reduction="none")',
    "binary_cross_entropy": (
        "logits = outputs[:, 0]\n"
        "truth = targets.to(logits.dtype)\n"
        'return functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")'
    ),
    "focal": (
        "right = outputs.log_softmax(1).gather(1, targets[:, None])[:, 0]\n"
        "return -((-right.expm1()).clamp_min(1e-12) ** {gamma!r}) * right"
    ),
    "mse": "return (outputs[:, 0] - targets).square()",
    "mae": "return (outputs[:, 0] - targets).abs()",
    "huber": 'return functional.huber_loss(outputs[:, 0], targets, reduction="none", delta={delta!r})',
    "quantile": (
        "below = targets - outputs[:, 0]\nreturn torch.maximum({quantile!r} * below, ({quantile!r} - 1) * below)"
    ),
    "poisson": (
        "log_rate = outputs[:, 0]\n"
        'return functional.poisson_nll_loss(log_rate, targets, log_input=True, full=False, reduction="none")'
    ),
}
