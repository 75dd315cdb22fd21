"""Bodies of the requests that build a network: its layers and heads."""

from __future__ import annotations

from typing import Any, TypedDict, Union


class LayerAdd(TypedDict):
    """Insert a layer before position ``index``."""

    index: int
    layer: dict[str, Any]


class LayerRemove(TypedDict):
    """Remove the layer at ``index``."""

    index: int


class LayerMove(TypedDict):
    """Move the layer at ``index`` so that it stands at ``to``."""

    index: int
    to: int


class LayerUpdate(TypedDict):
    """Change options of the layer at ``index``; the others stay."""

    index: int
    options: dict[str, Any]


class LayersTemplate(TypedDict):
    """Replace the stack by a named template."""

    name: str


class LayerDuplicate(TypedDict):
    """Put a copy of the layer at ``index`` behind it."""

    index: int


class LayerConfigure(TypedDict):
    """Change what every kind of layer has: ``name``, ``init`` or ``frozen``; those left out stay."""

    index: int
    fields: dict[str, Any]


class LayerConnect(TypedDict):
    """Let the layer at ``index`` take input from ``source``, or no longer.

    ``source`` is the place of an earlier layer, -1 for the network's input, or a name.
    """

    index: int
    source: Union[int, str]  # noqa: UP007 - read at run time by `_fits`
    connected: bool


class LayersReplace(TypedDict):
    """Replace the stack by layers in their plain form."""

    layers: list[dict[str, Any]]


class LayerSignature(TypedDict):
    """What the constructor of a class of torch.nn takes."""

    name: str


class HeadAdd(TypedDict):
    """Add a head; what is left out is chosen so that it can be."""

    head: dict[str, Any]


class HeadAt(TypedDict):
    """Duplicate or remove the head at ``index``."""

    index: int


class HeadUpdate(TypedDict):
    """Change fields of the head at ``index``; the others stay, as far as they fit."""

    index: int
    fields: dict[str, Any]
