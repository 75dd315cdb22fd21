"""Hyperparameters of networks whose layers follow from them: the architecture's own, and the training's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import ParameterError
from ..network.kinds import activation_parameter
from ..parameters import Parameter, ParameterTable
from .base import ARCHITECTURE
from .perceptron_parameters import PARAMETERS as TRAINING

_FIRST = 3
"""Learning rate, batch size and epochs stand before the architecture."""

_NORMS = {
    "layer": "'layer' steadies the numbers within each row and does not depend on the batch",
    "batch": "'batch' steadies each number over the rows of a batch, which needs batches of a fair size",
    "group": "'group' steadies the numbers of each row over all channels and does not depend on the batch",
    "none": "'none' leaves them, which is enough for shallow networks",
}


def whole(id: str, default: int, low: int, high: int, help: str, **more: Any) -> Parameter:
    """Return a whole number of the architecture, on a logarithmic scale."""
    return Parameter(id, "int", default, low=low, high=high, scale="log", group=ARCHITECTURE, help=help, **more)


def choice(id: str, default: str, choices: tuple[str, ...], help: str, **more: Any) -> Parameter:
    """Return a choice of the architecture."""
    return Parameter(id, "choice", default, choices=choices, group=ARCHITECTURE, help=help, **more)


def switch(id: str, default: bool, help: str, **more: Any) -> Parameter:
    """Return a switch of the architecture."""
    return Parameter(id, "bool", default, group=ARCHITECTURE, help=help, **more)


def activation(default: str = "relu") -> Parameter:
    """Return the choice of what bends the sums."""
    return replace(activation_parameter(default=default), group=ARCHITECTURE)


def normalisation(default: str, choices: tuple[str, ...]) -> Parameter:
    """Return the choice of what steadies the numbers between layers."""
    words = "; ".join(_NORMS[name] for name in choices)
    help = f"What steadies the numbers between the layers, so that deep stacks learn: {words}. {default!r} is usual."
    return choice("normalisation", default, choices, help)


def expansion(default: float, what: str) -> Parameter:
    """Return the factor between the width of a block and the width inside of it."""
    return Parameter(
        "expansion",
        "float",
        default,
        low=0.1,
        high=16.0,
        scale="log",
        group=ARCHITECTURE,
        label="width inside a block",
        help=f"How many times as wide as {what} a block is inside. More can learn more and cost more; 1 to 4 is usual.",
    )


def table(
    *architecture: Parameter, learning_rate: float | None = None, dropout: float = 0.1, where: str
) -> ParameterTable:
    """Return the table: what the architecture is made of, and how it is trained.

    Parameters
    ----------
    *architecture : Parameter
    learning_rate : float, optional
        The default, where it is not the perceptron's.
    dropout : float
        The default of ``dropout``, which here is a number always: the layers are made with it.
    where : str
        Where in the network it drops, to end a sentence.
    """
    parts = replace(
        TRAINING["dropout"],
        default=dropout,
        optional=False,
        group=ARCHITECTURE,
        label="dropout",
        help=(
            f"The part of the numbers that is set to 0 at random {where}, while the network trains. Larger values "
            "guard more against overfitting and slow the learning. 0 is none; 0.1 to 0.5 is usual."
        ),
    )
    shared = [p for p in TRAINING.parameters if p.id != parts.id]
    if learning_rate is not None:
        shared = [replace(p, default=learning_rate) if p.id == "learning_rate" else p for p in shared]
    return ParameterTable((*shared[:_FIRST], *architecture, parts, *shared[_FIRST:]))


def check_divides(width: str, heads: str) -> Callable[[Mapping[str, Any]], None]:
    """Return a check that one hyperparameter is divisible by another."""

    def check(values: Mapping[str, Any]) -> None:
        size, parts = int(values[width]), int(values[heads])
        if size % parts:
            below, above = size - size % parts, size - size % parts + parts
            near = below if below and size - below <= above - size else above
            raise ParameterError(
                f"{width} is {size}, which {parts} {heads} cannot share evenly. Take {width}={near}, or another number "
                f"of {heads}.",
                width,
                near,
            )

    return check


def check_odd(name: str) -> Callable[[Mapping[str, Any]], None]:
    """Return a check that a hyperparameter is an odd number."""

    def check(values: Mapping[str, Any]) -> None:
        size = int(values[name])
        if size % 2 == 0:
            raise ParameterError(
                f"{name} is {size}; it takes an odd number, so that the window has a middle. Take {size + 1}.",
                name,
                size + 1,
            )

    return check
