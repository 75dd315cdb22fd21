"""The layer kinds: documentation, arguments, shapes and counts, without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, ShapeError, hint
from ..parameters import Parameter, ParameterTable

# name -> (class of torch.nn, arguments as they stand in source)
ACTIVATIONS: dict[str, tuple[str, str]] = {
    "none": ("Identity", ""),
    "relu": ("ReLU", ""),
    "leaky_relu": ("LeakyReLU", "0.01"),
    "gelu": ("GELU", ""),
    "silu": ("SiLU", ""),
    "tanh": ("Tanh", ""),
    "sigmoid": ("Sigmoid", ""),
    "elu": ("ELU", ""),
}
MAX_UNITS = 65536

_ACTIVATION_HELP = (
    "What each sum is bent by; without one, two linear layers are no more than one. relu is fast and a safe choice; "
    "gelu and silu are smooth and often a little better; tanh and sigmoid stay within bounds and learn slowly in deep "
    "stacks."
)


@dataclass(frozen=True)
class Counts:
    """Numbers of trainable values, and of values that are kept but not trained (with their bytes)."""

    parameters: int
    buffer_bytes: int = 0


@dataclass(frozen=True)
class LayerKind:
    """One kind of layer.

    Parameters
    ----------
    id, name, help : str
        For specs, for a person, and one or two sentences on what it does.
    parameters : ParameterTable
        Its arguments.
    outputs : callable
        ``(options, features) -> features``: the width of its output.
    counts : callable
        ``(options, features) -> Counts``.
    modules : callable
        ``(options, features) -> [(class of torch.nn, arguments as source), …]``: what it is made of.
    """

    id: str
    name: str
    help: str
    parameters: ParameterTable
    outputs: Callable[[Mapping[str, Any], int], int]
    counts: Callable[[Mapping[str, Any], int], Counts]
    modules: Callable[[Mapping[str, Any], int], list[tuple[str, str]]]


def _same(options: Mapping[str, Any], features: int) -> int:
    return features


def _nothing(options: Mapping[str, Any], features: int) -> Counts:
    return Counts(0)


def _linear_modules(options: Mapping[str, Any], features: int) -> list[tuple[str, str]]:
    modules = [("Linear", f"{features}, {options['units']}")]
    if options["activation"] != "none":
        modules.append(ACTIVATIONS[options["activation"]])
    return modules


LAYER_KINDS: dict[str, LayerKind] = {
    kind.id: kind
    for kind in (
        LayerKind(
            "linear",
            "Linear",
            "Each unit weighs all inputs and adds them up; an activation follows. The workhorse of a perceptron.",
            ParameterTable(
                (
                    Parameter(
                        "units",
                        "int",
                        64,
                        low=1,
                        high=MAX_UNITS,
                        scale="log",
                        unit="units",
                        help=(
                            "The width of the layer. More units can learn finer structure, and cost time and the "
                            "danger of overfitting."
                        ),
                    ),
                    Parameter("activation", "choice", "relu", choices=tuple(ACTIVATIONS), help=_ACTIVATION_HELP),
                )
            ),
            outputs=lambda options, features: int(options["units"]),
            counts=lambda options, features: Counts((features + 1) * int(options["units"])),
            modules=_linear_modules,
        ),
        LayerKind(
            "dropout",
            "Dropout",
            "Sets random inputs to 0 while training, so that no unit can lean on a single other one. It is off when "
            "predicting.",
            ParameterTable(
                (
                    Parameter(
                        "p",
                        "float",
                        0.1,
                        low=0.0,
                        high=0.95,
                        label="dropped part",
                        help=(
                            "The part of the inputs that is dropped. Larger values guard more against overfitting "
                            "and slow the learning; 0.1 to 0.5 is usual."
                        ),
                    ),
                )
            ),
            outputs=_same,
            counts=_nothing,
            modules=lambda options, features: [("Dropout", repr(float(options["p"])))],
        ),
        LayerKind(
            "batch_norm",
            "Batch normalisation",
            "Scales every feature to mean 0 and spread 1 over the batch, then by two learned numbers. It steadies deep "
            "stacks; batches of only a few rows make it noisy, and small differences in rounding grow in it.",
            ParameterTable(()),
            outputs=_same,
            # weight and bias are trained; running mean, running variance (float32) and a count (int64) are kept
            counts=lambda options, features: Counts(2 * features, buffer_bytes=8 * features + 8),
            modules=lambda options, features: [("BatchNorm1d", str(features))],
        ),
        LayerKind(
            "layer_norm",
            "Layer normalisation",
            "Scales the features of each row to mean 0 and spread 1, then by two learned numbers for each feature. It "
            "does not depend on the batch.",
            ParameterTable(()),
            outputs=_same,
            counts=lambda options, features: Counts(2 * features),
            modules=lambda options, features: [("LayerNorm", str(features))],
        ),
        LayerKind(
            "activation",
            "Activation",
            "Bends each feature by itself, for example after a normalisation.",
            ParameterTable((Parameter("name", "choice", "relu", choices=tuple(ACTIVATIONS), help=_ACTIVATION_HELP),)),
            outputs=_same,
            counts=_nothing,
            modules=lambda options, features: [ACTIVATIONS[options["name"]]],
        ),
    )
}


def layer_kinds() -> list[dict[str, Any]]:
    """Return the kinds as plain values: ``{"kind", "name", "parameters", "help"}``, in the order of a menu."""
    return [
        {"kind": k.id, "name": k.name, "parameters": k.parameters.to_json(), "help": k.help}
        for k in LAYER_KINDS.values()
    ]


def layer_title(index: int, kind: str) -> str:
    """Return the beginning of a message about a layer, which is counted from 1, as a person does."""
    return f"In layer {index + 1} ({kind})"


def checked(kind: str, options: Mapping[str, Any], index: int) -> tuple[LayerKind, dict[str, Any]]:
    """Return the kind and all of its arguments, the given ones validated.

    ``identity`` and None are accepted for the activation ``none``.

    Raises
    ------
    ShapeError
        For an unknown kind, an unknown argument or a value that is not allowed.
    """
    title = layer_title(index, kind)
    entry = LAYER_KINDS.get(kind)
    if entry is None:
        raise ShapeError(f"{title}: there is no layer of this kind. {hint(kind, LAYER_KINDS)}", index)
    given = dict(options)
    for name, parameter in entry.parameters.items():
        value = given.get(name, "")
        if parameter.choices == tuple(ACTIVATIONS) and (
            value is None or isinstance(value, str) and value == "identity"
        ):
            given[name] = "none"
    for name in given:
        if name not in entry.parameters:
            if not entry.parameters:
                raise ShapeError(f"{title}: it takes no arguments, but {name!r} was given; take it out.", index)
            raise ShapeError(f"{title}: it takes no argument {name!r}. {hint(str(name), entry.parameters)}", index)
    try:
        return entry, entry.parameters.validate(given)
    except ParameterError as error:
        raise ShapeError(f"{title}: {error.message}", index) from None
