"""Layers and activations of one's own: registered once, they are in menus, specifications and scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..errors import SpecError
from ..parameters import Parameter, ParameterTable
from ..registered import Entry, printed, text_of
from .kinds import ACTIVATIONS, LAYER_KINDS, OWN_ACTIVATIONS, Counts, LayerKind, Options, OwnActivation, add_kind
from .measure import forget
from .parts import Part, Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

_CLASSES: dict[str, type] = {}
_SOURCES: dict[str, Callable[[], list[str]]] = {}
_IDS: dict[str, str] = {}

OWN_GROUP = "Your own"
"""The heading of a menu."""

C = TypeVar("C", bound=type)


def register_layer(
    id: str,
    *,
    help: str,
    name: str = "",
    parameters: Sequence[Parameter] = (),
    takes: tuple[int, int | None] = (1, 1),
    sized: bool | Literal["features"] = True,
) -> Callable[[C], C]:
    """Return a decorator that makes a layer kind of an ``nn.Module``.

    Parameters
    ----------
    id : str
        For specifications, a name as Python knows them.
    help : str
        One or two sentences for a person.
    name : str
        For a person; the id with spaces when empty.
    parameters : sequence of Parameter
        Keyword arguments of the class.
    takes : (int, int or None)
        The least and the most inputs of its ``forward``.
    sized : bool or "features"
        Whether the class is called with the shape of each input first, without the batch, as tuples of int; or with
        the last size of the first one.

    Raises
    ------
    SpecError
        For an id that one of this package's own kinds has. One's own is replaced, so that a notebook's cell can run
        twice.

    Examples
    --------
    >>> @register_layer("scale", help="Multiplies each feature by a learned number.")
    ... class Scale(nn.Module):
    ...     def __init__(self, shape):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(torch.ones(shape))
    ...     def forward(self, x):
    ...         return x * self.factor
    """
    if not id.isidentifier():
        raise SpecError(f"A layer kind's id is {id!r}; take letters, digits and underscores.")

    def decorate(cls: C) -> C:
        entry = Entry("layer", id, name, help, cls, text=text_of(cls))
        install_layer(entry, ParameterTable(tuple(parameters)), takes, sized)
        return cls

    return decorate


def install_layer(
    entry: Entry, table: ParameterTable, takes: tuple[int, int | None], sized: bool | Literal["features"]
) -> None:
    """Put a registered class among the layer kinds; see `register_layer`."""
    cls, id = entry.object, entry.id
    _check_class(cls.__name__, id)
    kind = LayerKind(
        id,
        entry.name or id.replace("_", " ").capitalize(),
        entry.help,
        table,
        lambda options, shapes: [_part(cls.__name__, options, shapes, sized)],
        takes=takes,
        group=OWN_GROUP,
    )
    if id in _IDS:
        # in its place, so that the menu keeps its order
        _drop(_IDS[id])
        LAYER_KINDS[id] = kind
    else:
        add_kind(kind)
    _IDS[id] = cls.__name__
    _CLASSES[cls.__name__] = cls
    _SOURCES[cls.__name__] = lambda: printed(entry)
    forget()


def unregister_layer(id: str) -> None:
    """Take a layer kind of one's own out of the table again; nothing where there is none."""
    cls = _IDS.pop(id, None)
    if cls is not None:
        LAYER_KINDS.pop(id, None)
        _drop(cls)
        forget()


def install_activation(entry: Entry) -> None:
    """Put a function of a tensor, or a class of modules, among the activations.

    Raises
    ------
    SpecError
        Where it does not give back a tensor of the shape it gets, mixes the rows, or raises.
    """
    module: type[nn.Module]
    if isinstance(entry.object, type):
        module, name = entry.object, entry.called
        source = lambda: printed(entry)  # noqa: E731
    else:
        name = f"{''.join(part[:1].upper() + part[1:] for part in entry.id.split('_'))}Activation"
        module = _module_of(entry.object, name)
        source = lambda: _function_source(entry, name)  # noqa: E731
    _check_class(name, f"activation {entry.id}")
    counts = _try_activation(entry, module)
    before = OWN_ACTIVATIONS.get(entry.id)
    if before is not None:
        _drop(before.cls)
    OWN_ACTIVATIONS[entry.id] = OwnActivation(name, counts)
    _IDS[f"activation {entry.id}"] = name
    _CLASSES[name] = module
    _SOURCES[name] = source
    forget()


def remove_activation(id: str) -> None:
    """Take an activation of one's own out again; nothing where there is none."""
    found = OWN_ACTIVATIONS.pop(id, None)
    _IDS.pop(f"activation {id}", None)
    if found is not None:
        _drop(found.cls)
        forget()


def activation_taken(id: str) -> bool:
    """Whether one of this package's own activations has the id."""
    return id in ACTIVATIONS or id == "identity"


def _module_of(function: Callable[[torch.Tensor], torch.Tensor], name: str) -> type[nn.Module]:
    from torch import nn

    def forward(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return function(x)

    return type(name, (nn.Module,), {"forward": forward, "__doc__": function.__doc__})


def _function_source(entry: Entry, name: str) -> list[str]:
    return [
        *printed(entry),
        "",
        "",
        f"class {name}(nn.Module):",
        f'    """Bends each value by {entry.called}."""',
        "",
        "    def forward(self, x: torch.Tensor) -> torch.Tensor:",
        f"        return {entry.called}(x)",
    ]


def _try_activation(entry: Entry, cls: type[nn.Module]) -> Counts:
    """Call an activation once on a few made-up rows, and count what it learns."""
    import torch

    from .seeding import DrawsFrom

    generator = torch.Generator().manual_seed(0)
    title = f"The activation {entry.id!r}"
    rows = torch.randn(5, 4, generator=generator, requires_grad=True)
    try:
        with DrawsFrom(generator):
            module = cls()
        module.eval()
        whole, alone = module(rows), module(rows[:1])
    except Exception as error:  # whatever a function of somebody else raises
        raise SpecError(f"{title} raised {type(error).__name__}: {str(error)[:300]}.") from error
    if not isinstance(whole, torch.Tensor) or whole.shape != rows.shape:
        got = tuple(whole.shape) if isinstance(whole, torch.Tensor) else type(whole).__name__
        raise SpecError(
            f"{title} made {got} of a tensor of shape {tuple(rows.shape)}; it has to return one of the same shape."
        )
    if not torch.allclose(whole[:1], alone, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise SpecError(f"{title} mixes the rows of the table: the answer for one would depend on the others.")
    if not whole.requires_grad:
        raise SpecError(
            f"{title} has no gradient, so nothing before it can learn. Calculate it with torch's functions, without "
            "detach() or numpy."
        )
    trained = list(module.parameters())
    kept = sum(b.numel() * b.element_size() for b in module.buffers())
    return Counts(sum(p.numel() for p in trained), kept, len(trained))


def _check_class(name: str, id: str) -> None:
    """Raise where a script could not tell two classes apart."""
    from . import blocks

    owner = next((other for other, cls in _IDS.items() if cls == name and other != id), None)
    if owner is not None:
        raise SpecError(f"A class {name} is registered already, for {owner!r}; call this one otherwise.")
    if hasattr(blocks, name):
        raise SpecError(f"Printed scripts have a class {name} of their own; call yours otherwise.")


def _drop(cls: str) -> None:
    _CLASSES.pop(cls, None)
    _SOURCES.pop(cls, None)


def _part(cls: str, options: Options, shapes: tuple[Shape, ...], sized: bool | Literal["features"]) -> Part:
    args: tuple[Any, ...] = (shapes[0][-1],) if sized == "features" else shapes if sized else ()
    return Part(cls, args, tuple(options.items()), "registered", foreign=True)


def registered_class(name: str) -> type:
    """Return the class behind a registered layer or activation."""
    if name not in _CLASSES:
        raise SpecError(
            f"The class {name} is not registered any more; run the cell, or import the module, that does so."
        )
    return _CLASSES[name]


def registered_source(name: str) -> list[str]:
    """Return the class as a script writes it: what it needs from modules, and its own lines.

    Raises
    ------
    SpecError
        Where these cannot be had.
    """
    registered_class(name)
    return _SOURCES[name]()
