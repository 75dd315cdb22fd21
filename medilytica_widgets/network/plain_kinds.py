"""Kinds whose shapes follow by simple arithmetic: an analysis of these never loads torch."""

from __future__ import annotations

from ..parameters import Parameter, ParameterTable
from .kinds import (
    MAX_UNITS,
    Counts,
    LayerKind,
    Options,
    Plain,
    activation_counts,
    activation_parameter,
    activation_part,
    add_kind,
    bent,
)
from .parts import Misfit, Part, Shape, torch_part


def units_parameter(help: str, default: int = 64, id: str = "units") -> Parameter:
    """Return the parameter of a width."""
    return Parameter(id, "int", default, low=1, high=MAX_UNITS, scale="log", unit="units", help=help)


def dropout_parameter(default: float = 0.1) -> Parameter:
    """Return the parameter of a part that is dropped."""
    return Parameter(
        "p",
        "float",
        default,
        low=0.0,
        high=0.95,
        label="dropped part",
        help=(
            "The part of the inputs that is dropped. Larger values guard more against overfitting "
            "and slow the learning; 0.1 to 0.5 is usual."
        ),
    )


def _same(options: Options, features: int) -> int:
    return features


def _linear_counts(options: Options, features: int) -> Counts:
    more = activation_counts(options["activation"])
    return Counts((features + 1) * int(options["units"]) + more.parameters, more.buffer_bytes, 2 + more.tensors)


def _batch_norm(options: Options, shapes: tuple[Shape, ...]) -> list[Part]:
    (shape,) = shapes
    if len(shape) > 3:
        raise Misfit(f"it got {shape}; it needs at most (channels, height, width). Put a flatten or reshape before it.")
    return [torch_part("BatchNorm2d" if len(shape) == 3 else "BatchNorm1d", shape[0])]


add_kind(
    LayerKind(
        "linear",
        "Linear",
        "Each unit weighs all inputs and adds them up; an activation follows. The workhorse of a perceptron.",
        ParameterTable(
            (
                units_parameter(
                    "The width of the layer. More units can learn finer structure, and cost time and the "
                    "danger of overfitting."
                ),
                activation_parameter(),
            )
        ),
        lambda options, shapes: bent(torch_part("Linear", shapes[0][-1], options["units"]), options["activation"]),
        Plain(lambda options, features: int(options["units"]), _linear_counts),
    )
)
add_kind(
    LayerKind(
        "dropout",
        "Dropout",
        "Sets random inputs to 0 while training, so that no unit can lean on a single other one. It is off when "
        "predicting.",
        ParameterTable((dropout_parameter(),)),
        lambda options, shapes: [torch_part("Dropout", float(options["p"]))],
        Plain(_same, lambda options, features: Counts(0)),
    )
)
add_kind(
    LayerKind(
        "batch_norm",
        "Batch normalisation",
        "Scales every feature to mean 0 and spread 1 over the batch, then by two learned numbers. It steadies deep "
        "stacks; batches of only a few rows make it noisy, and small differences in rounding grow in it.",
        ParameterTable(()),
        _batch_norm,
        # weight and bias are trained; running mean, running variance (float32) and a count (int64) are kept
        Plain(_same, lambda options, features: Counts(2 * features, buffer_bytes=8 * features + 8, tensors=2), axis=0),
    )
)
add_kind(
    LayerKind(
        "layer_norm",
        "Layer normalisation",
        "Scales the features of each row to mean 0 and spread 1, then by two learned numbers for each feature. It "
        "does not depend on the batch.",
        ParameterTable(()),
        lambda options, shapes: [torch_part("LayerNorm", shapes[0][-1])],
        Plain(_same, lambda options, features: Counts(2 * features, tensors=2)),
    )
)
add_kind(
    LayerKind(
        "activation",
        "Activation",
        "Bends each feature by itself, for example after a normalisation.",
        ParameterTable((activation_parameter("name"),)),
        lambda options, shapes: [activation_part(options["name"])],
        Plain(_same, lambda options, features: activation_counts(options["name"])),
    )
)
