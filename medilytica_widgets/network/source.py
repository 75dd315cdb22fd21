"""The Python source of a stack: the same modules as `build` makes, without this package."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

from .analysis import Heads, Outputs
from .parts import Part
from .resolved import Resolved, Step, resolve
from .spec import Layer

_WIDTH = 120


def source_lines(layers: Sequence[Layer], n_inputs: int, head: Heads, n_outputs: Outputs) -> list[str]:
    """Return Python lines that define ``model``, the same modules as `build` makes.

    The imports come first, then a blank line: ``from torch import nn``, and ``import torch`` before it where it is
    needed. Then classes that torch lacks, then the model: an ``nn.Sequential`` where every layer takes the one
    before, otherwise a class ``Network`` with its ``forward``. Initialisation and freezing follow as code. After
    ``torch.manual_seed(seed)`` they make the weights of `build`.

    Raises
    ------
    ShapeError
        For a stack that does not connect.
    """
    lines = definition_lines(layers, n_inputs, head, n_outputs)
    needs_torch = any("torch." in line for line in lines)
    return [*(["import torch"] if needs_torch else []), "from torch import nn", "", *lines]


def definition_lines(layers: Sequence[Layer], n_inputs: int, head: Heads, n_outputs: Outputs) -> list[str]:
    """Return the lines of `source_lines` without the imports and the blank line after them.

    They use ``torch`` and ``nn``, and begin with a blank line where a class comes first.

    Raises
    ------
    ShapeError
        For a stack that does not connect.
    """
    resolved = resolve(layers, n_inputs, head, n_outputs)
    blocks = _block_lines(resolved)
    model = _chain_lines(resolved) if resolved.chain else _graph_lines(resolved)
    spaced = ["", *blocks] if blocks or not resolved.chain else []
    return [*spaced, *model, *_prepare_lines(resolved)]


def _chain_lines(resolved: Resolved) -> list[str]:
    parts = [part for step in (*resolved.steps, *resolved.heads) for part in step.parts]
    return ["model = nn.Sequential(", *(f"    {part.source()}," for part in parts), ")"]


def _graph_lines(resolved: Resolved) -> list[str]:
    several = len(resolved.heads) > 1
    returned = f"tuple[{', '.join(['torch.Tensor'] * len(resolved.heads))}]" if several else "torch.Tensor"
    lines = [
        "class Network(nn.Module):",
        '    """The layers by name, and how they feed each other."""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
    ]
    for step in (*resolved.steps, *resolved.heads):
        if not _inline(step):
            lines += _assigned(step)
    lines += ["", f"    def forward(self, x: torch.Tensor) -> {returned}:"]
    names = {-1: "x", **{index: step.name for index, step in enumerate(resolved.steps)}}
    for step in resolved.steps:
        lines.append(f"        {step.name} = {_call(step, [names[source] for source in step.sources])}")
    outputs = [f"self.{step.name}({names[step.sources[0]]})" for step in resolved.heads]
    lines.append(f"        return {', '.join(outputs)}")
    return [*lines, "", "", "model = Network()"]


def _assigned(step: Step) -> list[str]:
    start = f"        self.{step.name} = "
    if len(step.parts) == 1:
        return [start + step.parts[0].source()]
    one = f"{start}nn.Sequential({', '.join(part.source() for part in step.parts)})"
    if len(one) <= _WIDTH:
        return [one]
    return [f"{start}nn.Sequential(", *(f"            {part.source()}," for part in step.parts), "        )"]


def _inline(step: Step) -> bool:
    """Say whether a step is an expression rather than a module."""
    return len(step.parts) == 1 and step.parts[0].home == "blocks" and step.parts[0].cls in ("Add", "Concatenate")


def _call(step: Step, inputs: Sequence[str]) -> str:
    if not _inline(step):
        return f"self.{step.name}({', '.join(inputs)})"
    part = step.parts[0]
    if part.cls == "Add":
        return " + ".join(inputs)
    return f"torch.cat(({', '.join(inputs)}), dim={part.args[0]})"


def _prepare_lines(resolved: Resolved) -> Iterator[str]:
    for step, at in zip(resolved.steps, resolved.first_parts, strict=False):
        modules = [f"model[{at + i}]" for i in range(len(step.parts))] if resolved.chain else [f"model.{step.name}"]
        for module in modules:
            if step.init:
                yield f"for name, parameter in {module}.named_parameters():"
                yield '    if "bias" in name:'
                yield "        nn.init.zeros_(parameter)"
                yield "    elif parameter.dim() > 1:"
                yield f"        nn.init.{step.init}_(parameter)"
            if step.frozen and not _inline(step):
                yield f"{module}.requires_grad_(False)"


# -- classes that torch lacks


def _block_lines(resolved: Resolved) -> list[str]:
    """Return the source of every class of ours that the network uses, two blank lines after each."""
    used: dict[tuple[str, str], None] = {}
    for step in (*resolved.steps, *resolved.heads):
        for part in step.parts:
            if not (_inline(step) and not resolved.chain):
                used.update(dict.fromkeys(_ours(part)))
    return [line for home, cls in used for line in (*_class_lines(home, cls), "", "")]


def _ours(part: Part) -> Iterator[tuple[str, str]]:
    if part.first:
        yield "blocks", "FirstOutput"
    if part.home != "nn":
        yield part.home, part.cls
    for value in (*part.args, *(value for _, value in part.keywords)):
        if isinstance(value, Part):
            yield from _ours(value)


def _class_lines(home: str, cls: str) -> list[str]:
    if home == "registered":
        from .registering import registered_source

        return registered_source(cls)
    return list(_own_lines(cls))


@functools.cache
def _own_lines(cls: str) -> tuple[str, ...]:
    import inspect

    from . import blocks

    # for the type checker of this package only
    text = re.sub(r"  # type: ignore\[[a-z-]+\]", "", inspect.getsource(getattr(blocks, cls)))
    return tuple(text.rstrip().splitlines())
