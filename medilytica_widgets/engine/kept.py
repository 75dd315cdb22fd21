"""How many values each kind of layer keeps for the backward pass: what a forecast of memory is made of.

The counts are those of torch's own operations, measured layer by layer; no torch is needed for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..network.analysis import LayerRow
from ..network.kinds import checked
from ..network.parts import Shape, size_of
from ..network.spec import Layer

_ACTIVATION = {"none": 1, "relu": 1, "tanh": 1, "sigmoid": 1}
"""What a layer and its activation keep, in outputs; activations not named keep input and output."""

_BY_KIND = {"dropout": 2, "embedding": 2, "pooling": 2, "sequence": 0, "reshape": 0, "flatten": 0}
_BY_KIND |= dict.fromkeys(
    ("batch_norm", "layer_norm", "group_norm", "tokens", "pool_tokens", "global_pooling", "transpose", "add"), 1
)
_BY_KIND["concatenate"] = 1
"""The same of kinds without anything inside: dropout keeps its mask beside the output."""

_RECURRENT = {"gru": (8, 3), "lstm": (16, 4)}
"""In values for each unit and token: what gates and states keep, and what one of them needs for a moment."""

_UNKNOWN_KIND = 4
"""For a kind of layer that has no line here."""


class Values(NamedTuple):
    """Of one row: what is kept for backward, and the widest tensor that is there for a moment (with its gradient)."""

    kept: int
    widest: int


def values_of(layer: Layer, row: LayerRow, index: int, n_features: int, *, device: str, value_bytes: int) -> Values:
    """Return what one row keeps in a layer.

    Parameters
    ----------
    layer : Layer
    row : LayerRow
        Of the analysis, with all shapes.
    index : int
        Of the layer, for messages.
    n_features : int
        Width of the network's input.
    device : str
        "cpu", "cuda" or "mps".
    value_bytes : int
        Of an activation.
    """
    _, options = checked(layer.kind, layer.options, index)
    came = [shape or (n_features,) for shape in row.input_shapes] or [(n_features,)]
    width = size_of(row.output_shape or (n_features,))
    if layer.kind in ("linear", "conv1d", "conv2d"):
        return Values(_ACTIVATION.get(options["activation"], 2) * width, width)
    if layer.kind == "activation":
        return Values(_ACTIVATION.get(options["name"], 2) * width, width)
    if layer.kind == "residual":
        return _residual(options, came[0])
    if layer.kind == "transformer_block":
        return _transformer(options, came[0], device, value_bytes)
    if layer.kind == "attention":
        return _attention(options, came, device, value_bytes)
    if layer.kind in _RECURRENT:
        return _recurrent(layer.kind, options, came[0])
    if layer.kind == "torch":
        squares = _foreign_squares(options, came)
        return Values(_UNKNOWN_KIND * width + 3 * squares, max(width, squares))
    return Values(_BY_KIND.get(layer.kind, _UNKNOWN_KIND) * width, width)


def _inner(options: Mapping[str, Any]) -> int:
    """Return what the activation between two linear layers keeps, in its outputs, with the dropout after it."""
    return 3 if options["p"] else _ACTIVATION.get(options["activation"], 2)


def _residual(options: Mapping[str, Any], shape: Shape) -> Values:
    width, tokens = size_of(shape), size_of(shape[:-1])
    inner = tokens * int(options["units"])
    around = 1 + bool(options["p"]) + (options["normalisation"] != "none")
    return Values(_inner(options) * inner + around * width, max(width, inner))


def _transformer(options: Mapping[str, Any], shape: Shape, device: str, value_bytes: int) -> Values:
    tokens, width = shape[0], size_of(shape)
    inner = tokens * int(options["units"])
    # two norms, query, key, value, what was gathered, both sums; the masks of two dropouts
    kept = (8 + 2 * bool(options["p"])) * width + 4 * tokens + _inner(options) * inner
    scores = _scores(options, shape, shape, device, value_bytes)
    return Values(kept + scores, max(width, inner, scores))


def _attention(options: Mapping[str, Any], shapes: Sequence[Shape], device: str, value_bytes: int) -> Values:
    asking, source = shapes[0], shapes[-1]
    width, other = size_of(asking), source[0] * asking[1]
    scores = _scores(options, asking, source, device, value_bytes)
    # query, what was gathered and the output; key and value
    return Values(3 * width + 2 * other + scores, max(2 * width, 2 * other, scores))


def _scores(options: Mapping[str, Any], asking: Shape, source: Shape, device: str, value_bytes: int) -> int:
    """Return what the scores of each token for each other keep.

    torch's fused attention (`torch.nn.functional.scaled_dot_product_attention`) keeps one number for each token and
    head, and never the square of the tokens. It serves the processor, and CUDA where a head's width is a multiple of
    16 bytes; what it does not serve keeps the square.
    """
    heads, tokens = int(options["heads"]), asking[0]
    fused = device == "cpu" or (device == "cuda" and asking[1] // heads * value_bytes % 16 == 0)
    return heads * tokens * (1 if fused else source[0])


_ATTENTIVE = {"MultiheadAttention": "num_heads", "TransformerEncoderLayer": "nhead", "TransformerDecoderLayer": "nhead"}


def _foreign_squares(options: Mapping[str, Any], shapes: Sequence[Shape]) -> int:
    """Return the square of tokens of a class of torch's own: with its dropout or its weights asked for, it is kept."""
    name = _ATTENTIVE.get(str(options["class_"]))
    heads = (options["arguments"] or {}).get(name) if name else None
    if not isinstance(heads, int) or len(shapes[0]) < 2:
        return 0
    return max(heads, 0) * shapes[0][0] * shapes[-1][0]


def _recurrent(kind: str, options: Mapping[str, Any], shape: Shape) -> Values:
    kept, widest = _RECURRENT[kind]
    directions = 2 if options["bidirectional"] else 1
    unit = shape[0] * int(options["units"]) * directions
    return Values(kept * unit * int(options["layers"]), widest * unit)
