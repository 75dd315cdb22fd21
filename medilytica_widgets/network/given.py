"""Lists of layers and heads as a person hands them over: what else came is said in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import InputError
from .spec import Head, Layer

_LAYERS = 'layers takes a list of Layer objects, for example [mw.Layer("linear", units=64)]'
_HEADS = 'heads takes Head objects in a list, for example [mw.Head("classification")]'


def stack_of(given: Any) -> list[Layer]:
    """Return layers as a list.

    Raises
    ------
    InputError
        For anything but layers, with what to write in its place.
    """
    found = _items(given, Layer, _LAYERS, _module_said)
    for index, layer in enumerate(found):
        if not isinstance(layer, Layer):
            said = _module_said(layer)
            if isinstance(layer, str):
                said = f"Write mw.Layer({layer!r}), with its options as keywords."
            raise InputError(f"{_LAYERS}; at place {index} stands {_shown(layer)}. {said}".rstrip())
    return found


def heads_of(given: Any) -> list[Head]:
    """Return heads as a list.

    Raises
    ------
    InputError
        For anything but heads, with what to write in its place.
    """
    found = _items(given, Head, _HEADS)
    for index, head in enumerate(found):
        if not isinstance(head, Head):
            said = f" Write mw.Head({head!r})." if head in ("classification", "regression") else ""
            raise InputError(f"{_HEADS}; at place {index} stands {_shown(head)}.{said}")
    return found


def _items(given: Any, kind: type, wanted: str, said: Any = None) -> list[Any]:
    if isinstance(given, kind):
        raise InputError(f"{wanted}; a single {kind.__name__} came. Put it in a list: [{kind.__name__.lower()}].")
    more = said(given) if said is not None else ""
    if more or isinstance(given, (str, bytes, dict)) or not isinstance(given, Iterable):
        raise InputError(f"{wanted}; {_shown(given)} came. {more}".rstrip())
    return list(given)


def _module_said(given: Any) -> str:
    """Say how a torch module becomes layers, without loading torch; an empty string for anything else."""
    if not (hasattr(given, "state_dict") and hasattr(given, "forward")):
        return ""
    return "The layers of a torch module are taken by mw.LayerBuilder(exp).load(module), or network.layers_of(module)."


def _shown(given: Any) -> str:
    if given is None or isinstance(given, (str, int, float)):
        return repr(given)
    return f"a {type(given).__name__}"
