"""The torch module of a stack, with its seeded weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .analysis import Heads, Outputs
from .parts import Part
from .resolved import Resolved, Step, resolve
from .spec import Layer

if TYPE_CHECKING:
    import torch
    from torch import nn


def build(
    layers: Sequence[Layer],
    n_inputs: int,
    head: Heads,
    n_outputs: Outputs,
    seed: int,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """Build the network: the stack, then one linear layer to the outputs of each head.

    Parameters
    ----------
    layers : sequence of Layer
    n_inputs : int
    head : Head or sequence of Head
    n_outputs : int or sequence of int
        Classes (the outputs are logits), or 1 for regression; of each head.
    seed : int
        Of the initial weights, drawn as torch's own initialisation does (of linear layers uniform in ±1/√inputs for
        weights and biases), and then anew for layers with ``init``. No global random state is read or changed. After
        ``torch.manual_seed(seed)`` the lines of `source_lines` make bit for bit the same weights.
    generator : torch.Generator, optional
        Seeded and used for the weights; afterwards it stands where torch's own does after those lines.

    Returns
    -------
    torch.nn.Sequential
        Where every layer takes the one before; otherwise a `graph_module.Network` whose modules bear the names of
        their layers. On the CPU, float32, in training mode; input (rows, n_inputs), output (rows, n_outputs), and a
        tuple of such where several heads were given. Weights of frozen layers have no gradient.

    Raises
    ------
    ShapeError
        For a stack that does not connect; its ``layer`` is the index of the failing one.
    """
    import torch
    from torch import nn

    resolved = resolve(layers, n_inputs, head, n_outputs)
    generator = torch.Generator() if generator is None else generator
    generator.manual_seed(seed)
    made = [[_made(part, generator) for part in step.parts] for step in (*resolved.steps, *resolved.heads)]
    for step, modules in zip(resolved.steps, made, strict=False):
        _prepare(step, modules, generator)
    if resolved.chain:
        return nn.Sequential(*(module for modules in made for module in modules))
    return _graph(resolved, made)


def _graph(resolved: Resolved, made: Sequence[Sequence[nn.Module]]) -> nn.Module:
    from torch import nn

    from .graph_module import Network

    ready = [modules[0] if len(modules) == 1 else nn.Sequential(*modules) for modules in made]
    steps = [(step.name, module, step.sources) for step, module in zip(resolved.steps, ready, strict=False)]
    heads = [
        (step.name, module, step.sources[0])
        for step, module in zip(resolved.heads, ready[len(resolved.steps) :], strict=True)
    ]
    return Network(steps, heads)


def _made(part: Part, generator: torch.Generator) -> nn.Module:
    import torch
    from torch import nn

    if (part.home, part.cls) != ("nn", "Linear") or part.keywords:
        if not _draws(part):
            return part.make()
        from .seeding import DrawsFrom

        with DrawsFrom(generator):
            return part.make()
    # made on the meta device, because torch's own initialisation draws from the global generator; and not by
    # Module.to_empty, which imports half of torch's compiler
    inputs, outputs = part.args
    linear = nn.Linear(inputs, outputs, device="meta")
    linear.weight = nn.Parameter(torch.empty(outputs, inputs))
    linear.bias = nn.Parameter(torch.empty(outputs))
    nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5), generator=generator)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        linear.bias.uniform_(-bound, bound, generator=generator)
    return linear


_DRAW_NOTHING = frozenset(
    {"Identity", "ReLU", "LeakyReLU", "GELU", "SiLU", "Tanh", "Sigmoid", "ELU", "PReLU", "Mish"}
    | {"Dropout", "BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm", "Flatten", "Unflatten"}
)


def _draws(part: Part) -> bool:
    return part.home != "nn" or part.cls not in _DRAW_NOTHING


def _prepare(step: Step, modules: Sequence[nn.Module], generator: torch.Generator) -> None:
    """Draw the weights of a step as its layer asks, and freeze them."""
    from torch import nn

    if step.init:
        draw = getattr(nn.init, f"{step.init}_")
        for module in modules:
            for name, parameter in module.named_parameters():
                if "bias" in name:
                    nn.init.zeros_(parameter)
                elif parameter.dim() > 1:
                    draw(parameter, generator=generator)
    if step.frozen:
        for module in modules:
            module.requires_grad_(False)
