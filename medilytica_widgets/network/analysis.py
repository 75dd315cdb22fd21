"""Shapes and counts of a stack of layers, at once and without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ShapeError
from .kinds import LAYER_KINDS, checked, layer_title
from .spec import Head, Layer

# 2 GB of weights, 8 GB with gradients and Adam's two moments: beyond, a kernel dies instead of raising
MAX_PARAMETERS = 500_000_000

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer of an analysed stack.

    Attributes
    ----------
    kind, name : str
        The kind's id, and its name for a person.
    input_shape, output_shape : tuple of int or None
        Without the batch dimension; None where an error before it leaves it open.
    parameters : int
        Trainable values.
    bytes : int
        Memory of parameters and buffers as float32 (and batch normalisation's int64 count).
    error : str
        What is wrong with this layer; empty where nothing is.
    """

    kind: str
    name: str
    input_shape: Shape | None
    output_shape: Shape | None
    parameters: int
    bytes: int
    error: str = ""


@dataclass(frozen=True)
class Analysis:
    """Shapes and counts of a stack with its head.

    Attributes
    ----------
    rows : tuple of LayerRow
        One for each layer, in order.
    head : LayerRow
        The linear layer that makes the outputs.
    total_parameters, total_bytes : int
        Sums over all rows and the head that could be counted.
    error : str or None
        The first error.
    failing : int or None
        The index of the layer with the first error, from 0; -1 for the head.
    """

    rows: tuple[LayerRow, ...]
    head: LayerRow
    total_parameters: int
    total_bytes: int
    error: str | None = None
    failing: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plain form; shapes become lists."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def _row(layer: Layer, index: int, features: int | None, before: int) -> LayerRow:
    kind = LAYER_KINDS.get(layer.kind)
    name = kind.name if kind is not None else layer.kind
    shape = None if features is None else (features,)
    try:
        entry, options = checked(layer.kind, layer.options, index)
    except ShapeError as error:
        return LayerRow(layer.kind, name, shape, None, 0, 0, error.message)
    if features is None:
        # a linear layer says its width whatever comes in, so that later layers can still be judged
        output = (entry.outputs(options, 0),) if layer.kind == "linear" else None
        return LayerRow(layer.kind, name, None, output, 0, 0)
    counts = entry.counts(options, features)
    error_text = _too_large(layer_title(index, layer.kind), counts.parameters, before)
    return LayerRow(
        layer.kind,
        name,
        shape,
        (entry.outputs(options, features),),
        counts.parameters,
        4 * counts.parameters + counts.buffer_bytes,
        error_text,
    )


def _too_large(title: str, parameters: int, before: int) -> str:
    total = parameters + before
    if total <= MAX_PARAMETERS or before > MAX_PARAMETERS:
        return ""
    return (
        f"{title}: the network would reach {total:,} parameters ({4 * total / 1e9:.1f} GB); "
        f"at most {MAX_PARAMETERS:,} are allowed. Give this layer, or the one before it, fewer units."
    )


def analyse(layers: Sequence[Layer], n_inputs: int, head: Head, n_outputs: int) -> Analysis:
    """Follow the shapes through a stack; errors stand in the result and are never raised.

    Parameters
    ----------
    layers : sequence of Layer
        The hidden stack, without the head.
    n_inputs : int
        Columns of the prepared table.
    head : Head
    n_outputs : int
        Classes, or 1 for regression.

    Returns
    -------
    Analysis
        Its numbers are those of the module that `build` makes.
    """
    features: int | None = n_inputs if n_inputs >= 1 else None
    total = 0
    rows: list[LayerRow] = []
    for index, layer in enumerate(layers):
        row = _row(layer, index, features, total)
        rows.append(row)
        total += row.parameters
        features = None if row.output_shape is None else row.output_shape[0]
    head_row = _head_row(features, n_inputs, head, n_outputs, total)
    failing = next((i for i, row in enumerate(rows) if row.error), -1 if head_row.error else None)
    if n_inputs < 1:
        failing = -1
    error = None if failing is None else (head_row if failing == -1 else rows[failing]).error
    return Analysis(
        tuple(rows),
        head_row,
        total + head_row.parameters,
        sum(row.bytes for row in rows) + head_row.bytes,
        error,
        failing,
    )


def _head_row(features: int | None, n_inputs: int, head: Head, n_outputs: int, before: int) -> LayerRow:
    name = "Classes" if head.task == "classification" else "Prediction"
    parameters = 0 if features is None or n_outputs < 1 else (features + 1) * n_outputs
    error = _too_large(f"In the head ({head.task})", parameters, before)
    if n_inputs < 1:
        error = f"The network has {n_inputs} inputs; it needs at least one feature column."
    elif head.task == "regression" and n_outputs != 1:
        error = f"In the head (regression): {n_outputs} outputs were asked for; it makes 1."
    elif head.task == "classification" and n_outputs < 2:
        error = f"In the head (classification): {n_outputs} outputs were asked for; it needs at least 2 classes."
    return LayerRow(
        "linear",
        name,
        None if features is None else (features,),
        (n_outputs,) if n_outputs >= 1 else None,
        parameters,
        4 * parameters,
        error,
    )


def require(layers: Sequence[Layer], n_inputs: int, head: Head, n_outputs: int) -> Analysis:
    """Return the analysis of a stack that connects.

    Raises
    ------
    ShapeError
        With the first error and the index of its layer.
    """
    analysis = analyse(layers, n_inputs, head, n_outputs)
    if analysis.error is not None and analysis.failing is not None:
        raise ShapeError(analysis.error, analysis.failing)
    return analysis


def network_hash(layers: Sequence[Layer], n_inputs: int, head: Head, n_outputs: int) -> str:
    """Return the SHA-256 (hex) of a network: equal for stacks that build the same modules.

    Arguments left at their default count as written out. It stands for the architecture, not for
    the weights.

    Raises
    ------
    ShapeError
        For a stack that does not connect.
    """
    require(layers, n_inputs, head, n_outputs)
    plain = {
        "layers": [[layer.kind, checked(layer.kind, layer.options, i)[1]] for i, layer in enumerate(layers)],
        "inputs": n_inputs,
        "head": head.to_json(),
        "outputs": n_outputs,
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
