"""Which layer feeds which: names, inputs, and what is wrong with them."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import hint
from .kinds import LAYER_KINDS, layer_title
from .spec import INITIALISATIONS, Head, Layer

INPUT = "input"
"""The name of the table's features, where a layer takes them by name."""


@dataclass(frozen=True)
class Wiring:
    """The inputs of every layer and head.

    Attributes
    ----------
    sources : tuple of tuple of int
        For each layer the indices of the layers that it takes, in order; -1 for the features.
    heads : tuple of int
        For each head the index of the layer that it sits on; -1 for the features.
    errors : dict of int to str
        What is wrong with a layer.
    head_errors : tuple of str
        The same of each head; empty where nothing is.
    """

    sources: tuple[tuple[int, ...], ...]
    heads: tuple[int, ...]
    errors: dict[int, str]
    head_errors: tuple[str, ...]

    @property
    def chain(self) -> bool:
        """Whether every layer takes the one before, and the one head the last."""
        straight = all(sources == (index - 1,) for index, sources in enumerate(self.sources))
        return straight and self.heads == (len(self.sources) - 1,)


def wire(layers: Sequence[Layer], heads: Sequence[Head]) -> Wiring:
    """Find the layers behind the names; errors stand in the result."""
    known: dict[str, int] = {}
    all_names = {layer.name for layer in layers if layer.name}
    sources: list[tuple[int, ...]] = []
    errors: dict[int, str] = {}
    for index, layer in enumerate(layers):
        problem = _own_problem(layer, known)
        found: list[int] = []
        for name in layer.inputs:
            if name == INPUT:
                found.append(-1)
            elif name in known:
                found.append(known[name])
            else:
                problem = problem or _unknown(name, known, all_names)
        sources.append(tuple(found) if layer.inputs else (index - 1,))
        problem = problem or _number(layer, len(sources[-1]))
        if problem:
            errors[index] = f"{layer_title(index, layer.kind, layer.name)}: {problem}"
        if layer.name:
            known.setdefault(layer.name, index)
    places, head_errors = _heads(heads, known, len(layers) - 1)
    used = {source for row in sources for source in row} | set(places)
    if not any(head_errors) and not errors:
        for index, layer in enumerate(layers):
            if index not in used:
                errors[index] = (
                    f"{layer_title(index, layer.kind, layer.name)}: nothing takes its output, so it would never "
                    "learn. Name it in the inputs of a later layer, or take it out."
                )
    return Wiring(tuple(sources), places, errors, head_errors)


def _own_problem(layer: Layer, known: dict[str, int]) -> str:
    name = layer.name
    if name == INPUT:
        return "'input' is the name of the table's features; give the layer another."
    if name and not _usable(name):
        return (
            f"the name {name!r} does not do: take letters, digits and underscores, beginning with a letter, at most "
            "60 of them."
        )
    if name in known:
        return f"layer {known[name] + 1} is called {name!r} already; give one of them another name."
    if layer.init and layer.init not in INITIALISATIONS:
        return f"there is no initialisation {layer.init!r}. {hint(layer.init, INITIALISATIONS)}"
    return ""


def _usable(name: str) -> bool:
    return name.isascii() and name.isidentifier() and name[0] != "_" and not keyword.iskeyword(name) and len(name) <= 60


def _unknown(name: str, known: dict[str, int], all_names: set[str]) -> str:
    if name in all_names:
        return f"it takes {name!r}, which does not stand before it; a layer takes earlier ones only."
    return f"it takes {name!r}, but no layer before it has that name. {hint(name, [*known, INPUT])}"


def _number(layer: Layer, count: int) -> str:
    kind = LAYER_KINDS.get(layer.kind)
    if kind is None:
        return ""
    least, most = kind.takes
    if count < least:
        return (
            f"it joins at least {least} inputs and got {count}. Give earlier layers names, and list these in its "
            "inputs; 'input' stands for the table's features."
        )
    if most is not None and count > most:
        return f"it takes {'one input' if most == 1 else f'at most {most} inputs'} and got {count}."
    return ""


def _heads(heads: Sequence[Head], known: dict[str, int], last: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    places, errors = [], []
    names: set[str] = set()
    for head in heads:
        error = ""
        if head.at and head.at != INPUT and head.at not in known:
            error = f"{head_title(head)}: it sits on {head.at!r}, but no layer has that name. {hint(head.at, known)}"
        elif len(heads) > 1 and not head.name:
            error = f"{head_title(head)}: where there are several heads, each needs a name."
        elif head.name in names:
            error = f"{head_title(head)}: two heads have this name; give one of them another."
        elif head.name and not _usable(head.name):
            error = f"{head_title(head)}: the name does not do; take letters, digits and underscores."
        names.add(head.name)
        places.append(last if not head.at else -1 if head.at == INPUT else known.get(head.at, last))
        errors.append(error)
    return tuple(places), tuple(errors)


def head_title(head: Head) -> str:
    """Return the beginning of a message about a head."""
    return f"In the head ({head.task}{f', {head.name!r}' if head.name else ''})"
