"""What goes into a network's activations, and which units are stuck there."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

FLAT: dict[str, tuple[float, float]] = {
    "relu": (0.0, math.inf),
    "elu": (-6.91, math.inf),
    "gelu": (-3.81, math.inf),
    "silu": (-8.99, math.inf),
    "tanh": (-4.15, 4.15),
    "sigmoid": (-6.91, 6.91),
}
"""Of each activation, the inputs up to which and from which on its slope stays below 1e-3. The others have no such."""

BOUNDED = frozenset({"tanh", "sigmoid"})
"""Activations that are flat on both sides: their stuck units count as saturated, the others' as dead."""

_MODULES = {"ReLU": "relu", "ELU": "elu", "GELU": "gelu", "SiLU": "silu", "Tanh": "tanh", "Sigmoid": "sigmoid"}


class Activation(NamedTuple):
    """What went into an activation: its name, the index of the linear parameter before it, (rows, units) values."""

    parameter: int
    name: str
    inputs: NDArray[np.float32]


class _Enough(Exception):
    """Leaves a forward pass whose end nobody needs."""


def stuck_shares(
    activations: Sequence[Activation], n_parameters: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each parameter the share of dead and of saturated units; NaN where that does not apply.

    A unit is stuck if for every row its activation's slope is below 1e-3, so that next to nothing can change the
    weights before it. It is told from the inputs of the activation (see `FLAT`), the only side from which gelu and
    silu can be judged. Stuck units of relu, elu, gelu and silu are dead, those of tanh and sigmoid saturated.
    """
    dead, saturated = np.full(n_parameters, np.nan), np.full(n_parameters, np.nan)
    for index, name, inputs in activations:
        if name not in FLAT or not inputs.size:
            continue
        low, high = FLAT[name]
        stuck = inputs.max(axis=0) <= low
        if name in BOUNDED:
            # a unit may also be low for some rows and high for the others
            stuck = ((inputs <= low) | (inputs >= high)).all(axis=0)
        (saturated if name in BOUNDED else dead)[index] = stuck.mean()
    return dead, saturated


def collect_activations(module: nn.Module, rows: Tensor) -> list[Activation]:
    """Return what goes into each activation of a network that follows a linear layer in a row of modules.

    The rows pass once, up to the last of these activations, without gradients and in evaluation mode, so no generator
    is used and no running statistic changes; afterwards every module is in the mode it was in. Call it on the thread
    that trains.

    Parameters
    ----------
    module : nn.Module
    rows : Tensor of shape (rows, features)
        On the module's device. Some 256 will do.

    Returns
    -------
    list of Activation
        ``parameter`` is the index of the linear layer's weight among the trainable ones of ``module.parameters()``;
        the inputs are copies on the CPU.
    """
    import torch

    modes = [(part, part.training) for part in module.modules()]
    places = {id(p): k for k, p in enumerate(p for p in module.parameters() if p.requires_grad)}
    found: list[Activation] = []
    hooks = []
    left: set[nn.Module] = set()

    def watch(part: nn.Module, linear: int, name: str) -> None:
        def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            if given[0].dim() == 2:
                found.append(Activation(linear, name, given[0].float().cpu().numpy().copy()))
            left.discard(part)
            if not left:
                raise _Enough

        left.add(part)
        hooks.append(part.register_forward_pre_hook(note))

    for row in module.modules():
        linear = -1
        for part in row if isinstance(row, torch.nn.Sequential) else ():
            name = _MODULES.get(type(part).__name__)
            if name is not None and linear >= 0:
                watch(part, linear, name)
            if isinstance(part, torch.nn.Linear):
                linear = places.get(id(part.weight), -1)
    if not hooks:
        return []
    try:
        module.eval()
        with torch.no_grad(), contextlib.suppress(_Enough):
            module(rows)
    finally:
        for hook in hooks:
            hook.remove()
        for part, training in modes:
            part.training = training
    return found
