"""Modules as data: a class and its arguments, which build, print and compare without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]
"""The sizes of one row, without the batch: (features,), (channels, length), (tokens, width), …"""


class Misfit(Exception):
    """What a layer got does not fit; the message says what it got, what it needs and what to do."""


@dataclass(frozen=True, eq=False)
class Part:
    """A constructor call of one module.

    Parts are equal where they print the same.

    Parameters
    ----------
    cls : str
        A class of ``torch.nn`` by its name, one of `medilytica_widgets.network.blocks`, or a registered one.
    args : tuple
        Positional arguments: plain values, or parts.
    keywords : tuple of (str, value)
        Named arguments of the same kinds.
    home : {"nn", "blocks", "registered"}
        Where the class is found.
    first : bool
        Whether the module returns several things, of which the first goes on.
    foreign : bool
        Whether a person named the class: nobody knows what it does with the rows of a batch.
    """

    cls: str
    args: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()
    home: str = "nn"
    first: bool = False
    foreign: bool = False

    def source(self) -> str:
        """Return the call as it stands in a script."""
        named = [f"{name}={_text(value)}" for name, value in self.keywords]
        arguments = ", ".join([*(_text(value) for value in self.args), *named])
        call = f"{'nn.' if self.home == 'nn' else ''}{self.cls}({arguments})"
        return f"FirstOutput({call})" if self.first else call

    def make(self) -> nn.Module:
        """Return the module; its weights are drawn from the generator that is in force."""
        from torch import nn

        from . import blocks

        if self.home == "registered":
            from .registering import registered_class

            kind: Any = registered_class(self.cls)
        else:
            kind = getattr(nn if self.home == "nn" else blocks, self.cls)
        args = [_value(value) for value in self.args]
        module: nn.Module = kind(*args, **{name: _value(value) for name, value in self.keywords})
        return blocks.FirstOutput(module) if self.first else module

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and (self.home, self.source()) == (other.home, other.source())

    def __hash__(self) -> int:
        return hash((self.home, self.source()))


def _value(value: Any) -> Any:
    return value.make() if isinstance(value, Part) else value


def _text(value: Any) -> str:
    """Return a value as it stands in source, text in double quotes."""
    if isinstance(value, Part):
        return value.source()
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def block(cls: str, *args: Any, **keywords: Any) -> Part:
    """Return a call of a class of `medilytica_widgets.network.blocks`."""
    return Part(cls, args, tuple(keywords.items()), "blocks")


def torch_part(cls: str, *args: Any, **keywords: Any) -> Part:
    """Return a call of a class of ``torch.nn``."""
    return Part(cls, args, tuple(keywords.items()))


def size_of(shape: Shape) -> int:
    """Return how many values one row of a shape holds."""
    return math.prod(shape)


def plain_value(value: Any) -> Any:
    """Return a value that JSON can hold, lists as tuples.

    Raises
    ------
    TypeError
        For anything but None, truth values, finite numbers, text and lists of these.
    """
    if isinstance(value, (list, tuple)):
        return tuple(plain_value(item) for item in value)
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    raise TypeError(f"{value!r} is no plain value")


def json_value(value: Any) -> Any:
    """Return a value as JSON gives it back: tuples become lists."""
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): json_value(item) for name, item in value.items()}
    return value
