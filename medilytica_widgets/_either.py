"""A name that is a method of objects and another function of their class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class either:
    """Binds one function on objects and another one on the class.

    Parameters
    ----------
    on_object : callable
        A function whose first argument is the object.
    on_class : callable or staticmethod
        What the class answers with; its documentation is shown for both.
    """

    def __init__(self, on_object: Callable[..., Any], on_class: Callable[..., Any]) -> None:
        self._on_object = on_object
        # in a class body a staticmethod is still the wrapper
        self._on_class = getattr(on_class, "__func__", on_class)
        self.__doc__ = self._on_class.__doc__

    def __get__(self, instance: object | None, owner: type) -> Callable[..., Any]:
        if instance is None:
            return self._on_class
        bound: Callable[..., Any] = self._on_object.__get__(instance, owner)
        return bound
