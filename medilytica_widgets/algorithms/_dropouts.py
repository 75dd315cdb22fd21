"""The dropout that stands in a stack of layers."""

from __future__ import annotations

from collections.abc import Sequence

from ..network import Layer
from ..network.kinds import checked

_DROPPING = ("dropout", "residual", "transformer_block")
"""Kinds that are or hold an ``nn.Dropout``, whose part is their option ``p``."""
_TORCHS_OWN = 0.5


def dropped_parts(layers: Sequence[Layer]) -> set[float]:
    """Return the parts that the ``nn.Dropout`` layers of a stack drop; empty where there are none.

    Raises
    ------
    ShapeError
        For a layer whose options are not allowed.
    """
    found: set[float] = set()
    for index, layer in enumerate(layers):
        if layer.kind in _DROPPING:
            found.add(float(checked(layer.kind, layer.options, index)[1]["p"]))
        elif layer.kind == "torch" and layer.options.get("class_") == "Dropout":
            found.add(float(layer.options.get("arguments", {}).get("p", _TORCHS_OWN)))
    return found
