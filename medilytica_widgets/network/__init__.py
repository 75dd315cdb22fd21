"""Networks as a declared stack of layers: its shapes, its torch module and its source.

What is plain needs no torch; `build`, and the analysis of layers whose shapes torch finds, load it.
"""

# the order of a menu
from . import plain_kinds as plain_kinds, shaped_kinds as shaped_kinds, other_kinds as other_kinds  # isort: skip
from .analysis import MAX_PARAMETERS, Analysis, LayerRow, analyse, batch_normed, network_hash
from .custom_losses import register_loss
from .importing import layers_of
from .kinds import ACTIVATIONS, LAYER_KINDS, LayerKind, layer_kinds
from .losses import LOSSES, Loss, loss_kinds, losses
from .module import build
from .registering import register_layer, unregister_layer
from .source import definition_lines, source_lines
from .spec import INITIALISATIONS, Head, Layer
from .templates import default_layers, templates
from .torch_classes import torch_classes

__all__ = [
    "ACTIVATIONS",
    "INITIALISATIONS",
    "LAYER_KINDS",
    "LOSSES",
    "MAX_PARAMETERS",
    "Analysis",
    "Head",
    "Layer",
    "LayerKind",
    "LayerRow",
    "Loss",
    "analyse",
    "batch_normed",
    "build",
    "default_layers",
    "definition_lines",
    "layer_kinds",
    "layers_of",
    "loss_kinds",
    "losses",
    "network_hash",
    "register_layer",
    "register_loss",
    "source_lines",
    "templates",
    "torch_classes",
    "unregister_layer",
]
