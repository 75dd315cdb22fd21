"""Mappings that stay as they are: what a run was started with is nobody's to change."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from ..network.spec import Head, Layer


class Frozen(dict[str, Any]):
    """A dictionary that cannot be changed; ``dict(frozen)`` and `copy.deepcopy` give one that can."""

    def _refuse(self, *given: Any, **named: Any) -> NoReturn:
        raise TypeError(
            "What a run was started with cannot be changed. Take a copy with dict(…); to train with other values set "
            "them in the experiment and train again, or use run.set for those that may change while it trains."
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {name: copy.deepcopy(value, memo) for name, value in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def frozen(values: Mapping[str, Any]) -> Frozen:
    """Return a copy of a mapping, and of those in it, that stays as it is; lists become tuples."""
    return Frozen({str(name): _still(value) for name, value in values.items()})


def frozen_layers(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return copies of layers whose options stay as they are."""
    return tuple(layer.model_copy(update={"options": frozen(layer.options)}) for layer in layers)


def frozen_head(head: Head) -> Head:
    """Return a copy of a head whose options stay as they are."""
    return head.model_copy(update={"options": frozen(head.options)})


def _still(value: Any) -> Any:
    if isinstance(value, Mapping):
        return frozen(value)
    if isinstance(value, (list, tuple)):
        return tuple(_still(item) for item in value)
    return copy.deepcopy(value)
