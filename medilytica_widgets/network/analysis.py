"""Shapes and counts of a stack of layers; at once, and without torch for a plain one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import ShapeError
from .kinds import LAYER_KINDS, LayerKind, checked, layer_title
from .losses import LOSSES
from .measure import MAX_VALUES, measure
from .parts import Misfit, Part, Shape, size_of
from .spec import Head, Layer
from .wiring import Wiring, head_title, wire

# 2 GB of weights, 8 GB with gradients and Adam's two moments: beyond, a kernel dies instead of raising
MAX_PARAMETERS = 500_000_000


@dataclass(frozen=True)
class LayerRow:
    """One layer of an analysed stack.

    Attributes
    ----------
    kind, name : str
        The kind's id, and its name for a person.
    input_shape, output_shape : tuple of int or None
        Without the batch dimension; None where an error before it leaves it open. Of several inputs, the first.
    parameters : int
        Values that are learned, or would be if the layer were not frozen.
    bytes : int
        Memory of parameters and buffers as float32 (and batch normalisation's int64 count).
    error : str
        What is wrong with this layer; empty where nothing is.
    label : str
        The layer's own name in the stack.
    sources : tuple of int
        The indices of the layers that it takes, in order; -1 for the network's input.
    input_shapes : tuple of (tuple of int or None)
        What comes over each of these edges.
    trainable : int
        Values that are learned: 0 for a frozen layer.
    tensors : int
        Their tensors, as they stand one after the other in the parameters of the module.
    frozen : bool
        Whether the layer keeps its weights.
    """

    kind: str
    name: str
    input_shape: Shape | None
    output_shape: Shape | None
    parameters: int
    bytes: int
    error: str = ""
    label: str = ""
    sources: tuple[int, ...] = ()
    input_shapes: tuple[Shape | None, ...] = ()
    trainable: int = 0
    tensors: int = 0
    frozen: bool = False


@dataclass(frozen=True)
class Analysis:
    """Shapes and counts of a stack with its head.

    Attributes
    ----------
    rows : tuple of LayerRow
        One for each layer, in order.
    head : LayerRow
        The linear layer that makes the outputs; the first of several.
    total_parameters, total_bytes : int
        Sums over all rows and heads that could be counted.
    error : str or None
        The first error.
    failing : int or None
        The index of the layer with the first error, from 0; -1 for a head.
    heads : tuple of LayerRow
        All heads.
    total_trainable : int
        As ``total_parameters``, without frozen layers.
    """

    rows: tuple[LayerRow, ...]
    head: LayerRow
    total_parameters: int
    total_bytes: int
    error: str | None = None
    failing: int | None = None
    heads: tuple[LayerRow, ...] = ()
    total_trainable: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the plain form; shapes become lists."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


Heads = Head | Sequence[Head]
Outputs = int | Sequence[int]


def several(head: Heads, n_outputs: Outputs) -> tuple[tuple[Head, ...], tuple[int, ...]]:
    """Return heads and their outputs one by one, however many were given.

    Raises
    ------
    ShapeError
        Where their numbers differ, or there is none.
    """
    heads = (head,) if isinstance(head, Head) else tuple(head)
    outputs = (n_outputs,) if isinstance(n_outputs, int) else tuple(n_outputs)
    if len(heads) != len(outputs) or not heads:
        raise ShapeError(f"There are {len(heads)} heads and outputs for {len(outputs)}; each head needs its own.")
    return heads, outputs


def _empty(layer: Layer, kind: LayerKind | None, wiring: Wiring, index: int, shapes: list[Shape | None]) -> LayerRow:
    came = tuple(shapes[source + 1] for source in wiring.sources[index])
    return LayerRow(
        layer.kind,
        kind.name if kind is not None else layer.kind,
        came[0] if came else None,
        None,
        0,
        0,
        label=layer.name,
        sources=wiring.sources[index],
        input_shapes=came,
        frozen=layer.frozen,
    )


def _row(layer: Layer, index: int, wiring: Wiring, shapes: list[Shape | None], before: int | None) -> LayerRow:
    row = _empty(layer, LAYER_KINDS.get(layer.kind), wiring, index, shapes)
    title = layer_title(index, layer.kind, layer.name)
    try:
        entry, options = checked(layer.kind, layer.options, index, layer.name)
    except ShapeError as error:
        return replace(row, error=error.message)
    problem = wiring.errors.get(index, "")
    came = [shape for shape in row.input_shapes if shape is not None]
    if len(came) < len(row.input_shapes) or not came:
        # a linear layer says its width whatever comes in, so that later layers can still be judged
        return replace(row, output_shape=(options["units"],) if layer.kind == "linear" else None, error=problem)
    if problem and len(came) != 1:
        return replace(row, error=problem)
    try:
        parts = entry.parts(options, tuple(came))
        counted = _plain_row(row, entry, options, came[0], parts) or _measured_row(row, parts, came)
        if not problem and layer.init and not counted.parameters:
            raise Misfit(f"it has no weights that init={layer.init!r} could draw; leave init empty.")
    except Misfit as error:
        return replace(row, error=problem or f"{title}: {error}")
    return replace(counted, error=problem or _too_large(title, counted.parameters, before))


def _plain_row(
    row: LayerRow, entry: LayerKind, options: Mapping[str, Any], shape: Shape, parts: Sequence[Part]
) -> LayerRow | None:
    """Return the row of a kind whose numbers need no torch."""
    if entry.plain is None:
        return None
    axis = entry.plain.axis % len(shape)
    counts = entry.plain.counts(options, shape[axis])
    out = (*shape[:axis], entry.plain.outputs(options, shape[axis]), *shape[axis + 1 :])
    if len(shape) > 1 and size_of(out) > MAX_VALUES:
        raise Misfit(f"one row would become {size_of(out):,} values; at most {MAX_VALUES:,} are allowed.")
    return _filled(row, out, counts.parameters, counts.tensors, 4 * counts.parameters + counts.buffer_bytes)


def _measured_row(row: LayerRow, parts: Sequence[Part], came: Sequence[Shape]) -> LayerRow:
    found = measure(parts, came)
    return _filled(row, found.shape, found.parameters, found.tensors, found.bytes)


def _filled(row: LayerRow, output: Shape, parameters: int, tensors: int, size: int) -> LayerRow:
    return replace(
        row,
        output_shape=output,
        parameters=parameters,
        bytes=size,
        trainable=0 if row.frozen else parameters,
        tensors=0 if row.frozen else tensors,
    )


def _too_large(title: str, parameters: int, before: int | None) -> str:
    total = parameters + (before or 0)
    if before is None or total <= MAX_PARAMETERS or before > MAX_PARAMETERS:
        return ""
    return (
        f"{title}: the network would reach {total:,} parameters ({4 * total / 1e9:.1f} GB); "
        f"at most {MAX_PARAMETERS:,} are allowed. Give this layer, or the one before it, fewer units."
    )


def analyse(layers: Sequence[Layer], n_inputs: int, head: Heads, n_outputs: Outputs) -> Analysis:
    """Follow the shapes through a stack; errors stand in the result and are never raised.

    Parameters
    ----------
    layers : sequence of Layer
        The hidden stack, without the head.
    n_inputs : int
        Columns of the prepared table.
    head : Head or sequence of Head
    n_outputs : int or sequence of int
        Classes, or 1 for regression; of each head.

    Returns
    -------
    Analysis
        Its numbers are those of the module that `build` makes. A stack of linear layers, dropout, activations and
        normalisations is analysed without torch.
    """
    return _analysed(layers, n_inputs, head, n_outputs, limited=True)


def _analysed(layers: Sequence[Layer], n_inputs: int, head: Heads, n_outputs: Outputs, *, limited: bool) -> Analysis:
    heads, outputs = several(head, n_outputs)
    wiring = wire(layers, heads)
    shapes: list[Shape | None] = [(n_inputs,) if n_inputs >= 1 else None]
    total = 0
    rows: list[LayerRow] = []
    for index, layer in enumerate(layers):
        row = _row(layer, index, wiring, shapes, total if limited else None)
        rows.append(row)
        total += row.parameters
        shapes.append(row.output_shape)
    head_rows: list[LayerRow] = []
    for place, one, count, problem in zip(wiring.heads, heads, outputs, wiring.head_errors, strict=True):
        shape, before = shapes[place + 1], total if limited else None
        head_rows.append(_head_row(shape, place, n_inputs, one, count, before, problem))
        total += head_rows[-1].parameters
    failing = next((i for i, row in enumerate(rows) if row.error), None)
    head_error = next((row.error for row in head_rows if row.error), "")
    if n_inputs < 1 or (failing is None and head_error):
        failing = -1
    everything = [*rows, *head_rows]
    return Analysis(
        tuple(rows),
        head_rows[0],
        total,
        sum(row.bytes for row in everything),
        None if failing is None else head_error if failing == -1 else rows[failing].error,
        failing,
        tuple(head_rows),
        sum(row.trainable for row in everything),
    )


def _head_row(
    shape: Shape | None, place: int, n_inputs: int, head: Head, n_outputs: int, before: int | None, problem: str
) -> LayerRow:
    title = head_title(head)
    flat = shape is not None and len(shape) == 1
    parameters = (shape[0] + 1) * n_outputs if shape is not None and flat and n_outputs >= 1 else 0
    error = _too_large(title, parameters, before)
    if n_inputs < 1:
        error = f"The network has {n_inputs} inputs; it needs at least one feature column."
    elif problem:
        error = problem
    elif head.task == "regression" and n_outputs != 1:
        error = f"{title}: {n_outputs} outputs were asked for; it makes 1."
    elif head.task == "classification" and n_outputs < 2 and not (n_outputs == 1 and one_output(head)):
        error = f"{title}: {n_outputs} outputs were asked for; it needs at least 2 classes."
    elif shape is not None and not flat:
        error = (
            f"{title}: it got {shape} and needs one row of features. Put a flatten, pool_tokens or global_pooling "
            "layer at the end of the stack."
        )
    return LayerRow(
        "linear",
        "Classes" if head.task == "classification" else "Prediction",
        shape,
        (n_outputs,) if n_outputs >= 1 else None,
        parameters,
        4 * parameters,
        error,
        label=head.name,
        sources=(place,),
        input_shapes=(shape,),
        trainable=parameters,
        tensors=2 if parameters else 0,
    )


def one_output(head: Head) -> bool:
    """Say whether a head tells two classes apart with a single output."""
    found = LOSSES.get(head.loss)
    return found is not None and found.meaning_for(head.task) == "logit"


def require(layers: Sequence[Layer], n_inputs: int, head: Heads, n_outputs: Outputs) -> Analysis:
    """Return the analysis of a stack that connects.

    Raises
    ------
    ShapeError
        With the first error and the index of its layer.
    """
    return _connected(analyse(layers, n_inputs, head, n_outputs))


def _connected(analysis: Analysis) -> Analysis:
    if analysis.error is not None and analysis.failing is not None:
        raise ShapeError(analysis.error, analysis.failing)
    return analysis


def network_hash(layers: Sequence[Layer], n_inputs: int, head: Heads, n_outputs: Outputs) -> str:
    """Return the SHA-256 (hex) of a network: equal for stacks that build the same modules.

    Arguments left at their default count as written out, and names and initialisations do not count. It stands for
    the architecture, not for the weights, and is there for networks too large to be built.

    Raises
    ------
    ShapeError
        For a stack that does not connect.
    """
    _connected(_analysed(layers, n_inputs, head, n_outputs, limited=False))
    heads, outputs = several(head, n_outputs)
    wiring = wire(layers, heads)
    described: list[list[Any]] = []
    for index, layer in enumerate(layers):
        one: list[Any] = [layer.kind, checked(layer.kind, layer.options, index)[1]]
        more: dict[str, Any] = {"inputs": list(wiring.sources[index])} if wiring.sources[index] != (index - 1,) else {}
        if layer.frozen:
            more["frozen"] = True
        described.append([*one, more] if more else one)
    plain_heads = [one.to_json() for one in heads]
    for described_head, place in zip(plain_heads, wiring.heads, strict=True):
        described_head.pop("at", None)
        if place != len(layers) - 1:
            described_head["at"] = place
    plain = {
        "layers": described,
        "inputs": n_inputs,
        "head": plain_heads[0] if len(heads) == 1 else plain_heads,
        "outputs": outputs[0] if len(heads) == 1 else list(outputs),
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def batch_normed(layers: Sequence[Layer]) -> bool:
    """Say whether a layer normalises over the rows of a batch, and so cannot train on a single row."""
    for layer in layers:
        class_ = str(layer.options.get("class_", ""))
        by_option = layer.kind == "residual" and layer.options.get("normalisation") == "batch"
        if layer.kind == "batch_norm" or by_option or (layer.kind == "torch" and "BatchNorm" in class_):
            return True
    return False
