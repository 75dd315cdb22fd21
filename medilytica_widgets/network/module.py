"""The torch module of a stack, and its source."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .analysis import require
from .kinds import checked
from .spec import Head, Layer

if TYPE_CHECKING:
    import torch


def _parts(layers: Sequence[Layer], n_inputs: int, head: Head, n_outputs: int) -> list[tuple[str, str]]:
    """Return (class of torch.nn, arguments as source) of every module, the head's last."""
    require(layers, n_inputs, head, n_outputs)
    parts: list[tuple[str, str]] = []
    features = n_inputs
    for index, layer in enumerate(layers):
        entry, options = checked(layer.kind, layer.options, index)
        parts += entry.modules(options, features)
        features = entry.outputs(options, features)
    return [*parts, ("Linear", f"{features}, {n_outputs}")]


def build(layers: Sequence[Layer], n_inputs: int, head: Head, n_outputs: int, seed: int) -> torch.nn.Sequential:
    """Build the network: the stack, then one linear layer to the outputs.

    Parameters
    ----------
    layers : sequence of Layer
    n_inputs : int
    head : Head
    n_outputs : int
        Classes (the outputs are logits), or 1 for regression.
    seed : int
        Of the initial weights, drawn as torch's own initialisation does (uniform in ±1/√inputs for
        weights and biases). No global random state is read or changed. After
        ``torch.manual_seed(seed)`` the lines of `source_lines` make bit for bit the same weights.

    Returns
    -------
    torch.nn.Sequential
        On the CPU, float32, in training mode; input (rows, n_inputs), output (rows, n_outputs).

    Raises
    ------
    ShapeError
        For a stack that does not connect; its ``layer`` is the index of the failing one.
    """
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)
    modules: list[nn.Module] = []
    for name, source in _parts(layers, n_inputs, head, n_outputs):
        arguments: tuple[Any, ...] = ast.literal_eval(f"({source},)") if source else ()
        if name != "Linear":
            modules.append(getattr(nn, name)(*arguments))
            continue
        # made on the meta device, because torch's own initialisation draws from the global generator; and not by
        # Module.to_empty, which imports half of torch's compiler
        inputs, outputs = arguments
        linear = nn.Linear(inputs, outputs, device="meta")
        linear.weight = nn.Parameter(torch.empty(outputs, inputs))
        linear.bias = nn.Parameter(torch.empty(outputs))
        nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(inputs)
        with torch.no_grad():
            linear.bias.uniform_(-bound, bound, generator=generator)
        modules.append(linear)
    return nn.Sequential(*modules)


def source_lines(layers: Sequence[Layer], n_inputs: int, head: Head, n_outputs: int) -> list[str]:
    """Return Python lines that define ``model``, the same modules as `build` makes.

    The first line is the import, the second is blank.

    Raises
    ------
    ShapeError
        For a stack that does not connect.
    """
    parts = _parts(layers, n_inputs, head, n_outputs)
    return [
        "from torch import nn",
        "",
        "model = nn.Sequential(",
        *(f"    nn.{name}({arguments})," for name, arguments in parts),
        ")",
    ]
