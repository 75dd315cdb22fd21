"""A stack as the modules it stands for: what `build` makes and `source_lines` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .analysis import Heads, Outputs, require, several
from .kinds import checked
from .measure import measure
from .parts import Part, torch_part
from .spec import Layer
from .wiring import wire

_TAKEN = ("x", "self", "torch", "nn", "model", "head", "parameter", "name", "super", "training", "tuple")


@dataclass(frozen=True)
class Step:
    """One layer or head.

    Parameters
    ----------
    name : str
        Of its module in the network, and of its output in a script.
    parts : tuple of Part
    sources : tuple of int
        The steps that it takes; -1 for the input.
    init : str
    frozen : bool
    """

    name: str
    parts: tuple[Part, ...]
    sources: tuple[int, ...]
    init: str = ""
    frozen: bool = False


@dataclass(frozen=True)
class Resolved:
    """All steps of a network, and whether each takes the one before.

    Parameters
    ----------
    steps : tuple of Step
        Of the layers.
    heads : tuple of Step
    chain : bool
        Whether it is a plain row of modules with one head at its end.
    """

    steps: tuple[Step, ...]
    heads: tuple[Step, ...]
    chain: bool

    @property
    def first_parts(self) -> tuple[int, ...]:
        """Of a chain, where the modules of each step begin."""
        at, found = 0, []
        for step in (*self.steps, *self.heads):
            found.append(at)
            at += len(step.parts)
        return tuple(found)


def resolve(layers: Sequence[Layer], n_inputs: int, head: Heads, n_outputs: Outputs) -> Resolved:
    """Return the modules of a stack.

    Raises
    ------
    ShapeError
        For a stack that does not connect.
    """
    analysis = require(layers, n_inputs, head, n_outputs)
    heads, outputs = several(head, n_outputs)
    wiring = wire(layers, heads)
    # in a chain the modules have numbers; names would ask torch what is taken
    reserved = set() if wiring.chain else _methods()
    taken: set[str] = set(reserved)
    named = {index: _free(layer.name, taken) for index, layer in enumerate(layers) if layer.name}
    steps: list[Step] = []
    for index, (layer, row) in enumerate(zip(layers, analysis.rows, strict=True)):
        entry, options = checked(layer.kind, layer.options, index)
        came = tuple(shape for shape in row.input_shapes if shape is not None)
        parts = tuple(entry.parts(options, came))
        if entry.plain is None:
            parts = measure(parts, came).parts
        name = named[index] if index in named else _free(f"{layer.kind}_{index + 1}", taken)
        steps.append(Step(name, parts, row.sources, layer.init, layer.frozen))
    made: list[Step] = []
    for one, row, count in zip(heads, analysis.heads, outputs, strict=True):
        assert row.input_shape is not None  # require found it
        name = "head" if len(heads) == 1 else _free(f"head_{one.name}", taken)
        made.append(Step(name, (torch_part("Linear", row.input_shape[0], count),), row.sources))
    return Resolved(tuple(steps), tuple(made), wiring.chain)


def _free(name: str, taken: set[str]) -> str:
    """Return the name, changed where something else has it; and add it to ``taken``."""
    if name in taken or name.startswith("_"):
        name = f"{name.strip('_')}_layer"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _methods() -> set[str]:
    """Return what a module's attributes cannot be called."""
    from torch import nn

    return {*dir(nn.Module), *_TAKEN}
