"""Networks as a declared stack of layers: its shapes, its torch module and its source.

Only `build` loads torch.
"""

from .analysis import MAX_PARAMETERS, Analysis, LayerRow, analyse, network_hash
from .kinds import ACTIVATIONS, LAYER_KINDS, LayerKind, layer_kinds
from .module import build, source_lines
from .spec import Head, Layer
from .templates import default_layers, templates

__all__ = [
    "ACTIVATIONS",
    "LAYER_KINDS",
    "MAX_PARAMETERS",
    "Analysis",
    "Head",
    "Layer",
    "LayerKind",
    "LayerRow",
    "analyse",
    "build",
    "default_layers",
    "layer_kinds",
    "network_hash",
    "source_lines",
    "templates",
]
