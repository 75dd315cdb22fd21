"""What a plain perceptron is made of, and where its weights lie in the flat buffer. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...network.kinds import checked
from ...network.spec import Head, Layer

ACTIVATION_CODES: dict[str, int] = {
    "none": 0,
    "relu": 1,
    "leaky_relu": 2,
    "silu": 3,
    "tanh": 4,
    "sigmoid": 5,
    "elu": 6,
}
"""The activations that the compiled path serves, by their number in its tables."""

_SERVED = frozenset({*ACTIVATION_CODES, "gelu"})
"""Those that any fast path serves."""


@dataclass(frozen=True)
class Stage:
    """A linear layer with its activation, or a dropout layer.

    Parameters
    ----------
    kind : {"linear", "dropout"}
    inputs, outputs : int
        Widths.
    weight, bias : int
        Where the weights, of shape (outputs, inputs), and the biases begin in the flat buffer; -1 for dropout.
    activation : str
        A name of `medilytica_widgets.network.kinds.ACTIVATIONS`.
    dropout : int
        Which of the network's dropout layers it is; -1 for a linear one.
    """

    kind: Literal["linear", "dropout"]
    inputs: int
    outputs: int
    weight: int = -1
    bias: int = -1
    activation: str = "none"
    dropout: int = -1


@dataclass(frozen=True)
class Plan:
    """The stages of a perceptron in forward order, the head's linear layer last.

    Parameters
    ----------
    stages : tuple of Stage
    n_features, n_outputs : int
    size : int
        Values in the flat buffer.
    """

    stages: tuple[Stage, ...]
    n_features: int
    n_outputs: int
    size: int

    @property
    def paths(self) -> tuple[str, ...]:
        """Names of the paths that serve it: "written", and "compiled" where all activations are in its table."""
        known = all(stage.activation in ACTIVATION_CODES for stage in self.stages)
        return ("compiled", "written") if known else ("written",)

    @property
    def dropouts(self) -> tuple[Stage, ...]:
        """The dropout layers in forward order."""
        return tuple(stage for stage in self.stages if stage.kind == "dropout")


def plan_of(layers: Sequence[Layer], n_features: int, head: Head, n_outputs: int) -> Plan | None:
    """Return the plan of a network, or None where it is no plain perceptron.

    Parameters
    ----------
    layers : sequence of Layer
        A stack that can be built.
    n_features : int
    head : Head
        Both tasks end in one linear layer.
    n_outputs : int

    Returns
    -------
    Plan or None
        None where a layer is neither linear nor dropout, is frozen, says what feeds it, or has an activation that
        learns or is rare. A layer of the kind ``activation`` is part of the linear one right before it, if that has
        none yet.

    Raises
    ------
    ShapeError
        If a layer's arguments are wrong.
    """
    if any(layer.inputs or layer.frozen for layer in layers):
        return None
    stages: list[Stage] = []
    width, at, dropouts = n_features, 0, 0
    described = [(layer.kind, checked(layer.kind, layer.options, k)[1]) for k, layer in enumerate(layers)]
    for kind, options in [*described, ("linear", {"units": n_outputs, "activation": "none"})]:
        if kind == "linear":
            units = int(options["units"])
            bias = at + width * units
            stages.append(Stage("linear", width, units, at, bias, str(options["activation"])))
            width, at = units, bias + units
        elif kind == "dropout":
            stages.append(Stage("dropout", width, width, dropout=dropouts))
            dropouts += 1
        elif kind == "activation" and stages and stages[-1].kind == "linear" and stages[-1].activation == "none":
            last = stages[-1]
            stages[-1] = Stage("linear", last.inputs, last.outputs, last.weight, last.bias, str(options["name"]))
        else:
            return None
    if any(stage.activation not in _SERVED for stage in stages):
        return None
    return Plan(tuple(stages), n_features, n_outputs, at)
