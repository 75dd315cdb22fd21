"""The layer kinds: their table, their menu, and the check of a layer's arguments, without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, ShapeError, SpecError, hint
from ..parameters import OWN_FIRST, Menu, Parameter, ParameterTable
from .parts import Misfit, Part, Shape, json_value, plain_value

# name -> (class of torch.nn, arguments)
ACTIVATIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "none": ("Identity", ()),
    "relu": ("ReLU", ()),
    "leaky_relu": ("LeakyReLU", (0.01,)),
    "gelu": ("GELU", ()),
    "silu": ("SiLU", ()),
    "tanh": ("Tanh", ()),
    "sigmoid": ("Sigmoid", ()),
    "elu": ("ELU", ()),
    "prelu": ("PReLU", ()),
    "mish": ("Mish", ()),
}

ACTIVATION_HELP = (
    "What each sum is bent by; without one, two linear layers are no more than one. relu is fast and a safe choice; "
    "gelu, silu and mish are smooth and often a little better; prelu learns the slope below 0; tanh and sigmoid stay "
    "within bounds and learn slowly in deep stacks."
)

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Counts:
    """Numbers of trainable values and their tensors, and of values that are kept but not trained (in bytes)."""

    parameters: int
    buffer_bytes: int = 0
    tensors: int = 0


@dataclass(frozen=True)
class OwnActivation:
    """An activation that somebody registered: its class, and what that learns and keeps."""

    cls: str
    counts: Counts


OWN_ACTIVATIONS: dict[str, OwnActivation] = {}
ACTIVATION_MENU = Menu(ACTIVATIONS, OWN_ACTIVATIONS)
"""Every activation by its id; all choices of one read it."""
MAX_UNITS = 65536


@dataclass(frozen=True)
class Plain:
    """The arithmetic of a kind whose shapes and counts need no torch.

    Parameters
    ----------
    outputs : callable
        ``(options, features) -> features``: the size of the dimension on which it acts.
    counts : callable
        ``(options, features) -> Counts``.
    axis : {0, -1}
        The dimension on which it acts; the others stay.
    """

    outputs: Callable[[Options, int], int]
    counts: Callable[[Options, int], Counts]
    axis: int = -1


@dataclass(frozen=True)
class LayerKind:
    """One kind of layer.

    Parameters
    ----------
    id, name, help : str
        For specs, for a person, and one or two sentences on what it does.
    parameters : ParameterTable
        Its arguments.
    parts : callable
        ``(options, input shapes) -> [Part, …]``: the modules that it is made of, in order; only the first takes
        several inputs. It raises `Misfit` where the shapes do not fit.
    plain : Plain, optional
        Where its shapes and counts follow without torch; otherwise they are found on the meta device.
    takes : (int, int or None)
        The least and the most inputs; None for any number.
    group : str
        The heading under which a menu shows it.
    open : bool
        Whether it stands for any class of torch.nn, named by the option ``class_``, with ``arguments`` by name.
    """

    id: str
    name: str
    help: str
    parameters: ParameterTable
    parts: Callable[[Options, tuple[Shape, ...]], list[Part]]
    plain: Plain | None = None
    takes: tuple[int, int | None] = (1, 1)
    group: str = "Basic"
    open: bool = False

    def outputs(self, options: Options, features: int) -> int:
        """Return the width of a plain kind's output."""
        assert self.plain is not None
        return self.plain.outputs(options, features)

    def counts(self, options: Options, features: int) -> Counts:
        """Return the numbers of a plain kind's values."""
        assert self.plain is not None
        return self.plain.counts(options, features)


LAYER_KINDS: dict[str, LayerKind] = {}
"""Every kind by its id, in the order of a menu."""


def add_kind(kind: LayerKind) -> None:
    """Put a kind into the table.

    Raises
    ------
    SpecError
        Where there is one of that id.
    """
    if kind.id in LAYER_KINDS:
        raise SpecError(f"There is a layer kind {kind.id!r} already; give yours another id.")
    LAYER_KINDS[kind.id] = kind


def activation_parameter(id: str = "activation", default: str = "relu") -> Parameter:
    """Return the parameter that chooses an activation."""
    return Parameter(id, "choice", default, choices=ACTIVATION_MENU, help=ACTIVATION_HELP)


def activation_part(name: str) -> Part:
    """Return the module of an activation."""
    if name in OWN_ACTIVATIONS:
        return Part(OWN_ACTIVATIONS[name].cls, home="registered", foreign=True)
    cls, args = ACTIVATIONS[name]
    return Part(cls, args)


def activation_counts(name: str) -> Counts:
    """Return the numbers of an activation's values."""
    if name in OWN_ACTIVATIONS:
        return OWN_ACTIVATIONS[name].counts
    return Counts(1, tensors=1) if name == "prelu" else Counts(0)


def bent(part: Part, activation: str) -> list[Part]:
    """Return a module with its activation after it."""
    return [part] if activation == "none" else [part, activation_part(activation)]


def layer_kinds() -> list[dict[str, Any]]:
    """Return the kinds as plain values, in the order of a menu.

    Returns
    -------
    list of dict
        ``{"kind", "name", "parameters", "help", "group", "takes", "open"}``; ``takes`` is the least and the most
        inputs (None for any number).
    """
    return [
        {
            "kind": k.id,
            "name": k.name,
            "parameters": k.parameters.to_json(),
            "help": k.help,
            "group": k.group,
            "takes": list(k.takes),
            "open": k.open,
        }
        for k in LAYER_KINDS.values()
    ]


def layer_title(index: int, kind: str, name: str = "") -> str:
    """Return the beginning of a message about a layer, which is counted from 1, as a person does."""
    return f"In layer {index + 1} ({kind}{f', {name!r}' if name else ''})"


def checked(kind: str, options: Options, index: int, name: str = "") -> tuple[LayerKind, dict[str, Any]]:
    """Return the kind and all of its arguments, the given ones validated.

    ``identity`` and None are accepted for the activation ``none``.

    Parameters
    ----------
    kind, options
        Of the layer.
    index : int
        Its place in the stack, from 0; for messages.
    name : str
        Its name, for messages.

    Raises
    ------
    ShapeError
        For an unknown kind, an unknown argument or a value that is not allowed.
    """
    title = layer_title(index, kind, name)
    entry = LAYER_KINDS.get(kind)
    if entry is None:
        known = hint(kind, LAYER_KINDS, otherwise=OWN_FIRST)
        raise ShapeError(f"{title}: there is no layer of this kind. {known}", index)
    if entry.open:
        try:
            return entry, _open_options(options)
        except Misfit as error:
            raise ShapeError(f"{title}: {error}", index) from None
    given = dict(options)
    for option, parameter in entry.parameters.items():
        value = given.get(option, "")
        if parameter.choices is ACTIVATION_MENU and (value is None or isinstance(value, str) and value == "identity"):
            given[option] = "none"
    for option in given:
        if option not in entry.parameters:
            if not entry.parameters:
                raise ShapeError(f"{title}: it takes no arguments, but {option!r} was given; take it out.", index)
            raise ShapeError(f"{title}: it takes no argument {option!r}. {hint(str(option), entry.parameters)}", index)
    try:
        return entry, entry.parameters.validate(given)
    except ParameterError as error:
        raise ShapeError(f"{title}: {error.message}", index) from None


def _open_options(options: Options) -> dict[str, Any]:
    for option in options:
        if option not in ("class_", "arguments"):
            raise Misfit(f"it takes class_ and arguments, not {option!r}; arguments of the class stand in arguments.")
    class_, arguments = options.get("class_"), options.get("arguments", {})
    if not isinstance(class_, str) or not class_:
        raise Misfit("it needs the name of a class of torch.nn in class_, for example 'GLU'.")
    if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
        raise Misfit("its arguments are values by name, for example {'dim': 1}.")
    for name, value in arguments.items():
        try:
            plain_value(value)
        except TypeError:
            raise Misfit(
                f"the argument {name!r} is {value!r:.60}; it takes numbers, text, True, False, None, or lists of these."
            ) from None
    return {"class_": class_, "arguments": json_value(arguments)}
