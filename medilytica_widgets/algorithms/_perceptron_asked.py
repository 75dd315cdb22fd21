"""What of a multilayer perceptron's script is there at all: it depends on values, changes and layers."""

from __future__ import annotations

from ._dropouts import dropped_parts
from .base import CodeRequest

SWITCHED = ("weight_decay", "l1", "l2", "clip_value", "clip_norm", "patience")
"""Parameters that may be off."""


def acts(request: CodeRequest, name: str) -> bool:
    """Say whether changes of a parameter have an effect: not where it was off and stayed off."""
    if name == "dropout":
        return bool(dropped_parts(request.layers))
    return name not in SWITCHED or used(request, name)


def used(request: CodeRequest, name: str) -> bool:
    """Say whether a parameter that is off at first is on, or is turned on while the run trains."""
    return bool(request.values[name]) or any(change[1] == name and change[2] for change in request.changes)


def changed(request: CodeRequest, name: str) -> bool:
    """Say whether a parameter was changed while the run trained."""
    return any(change[1] == name for change in request.changes)


def by_step(request: CodeRequest) -> bool:
    """Say whether the learning rate changes within an epoch by itself."""
    return bool(request.values["schedule"] == "one_cycle" or request.values["warmup"] > 0)


def validates(request: CodeRequest) -> bool:
    """Say whether the training looks at the loss of the validation rows."""
    return request.values["patience"] is not None or request.values["schedule"] == "plateau"


def balances(request: CodeRequest) -> bool:
    """Say whether every class weighs the same, however many rows it has."""
    return request.task == "classification" and request.values["class_weight"] == "balanced"
