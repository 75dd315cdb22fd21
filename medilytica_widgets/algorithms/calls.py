"""A constructor's call as data: built into an object and printed as source from one description."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import MissingExtraError

WIDTH = 100
"""Characters up to which a call stands on one line."""


@dataclass(frozen=True)
class Call:
    """A class of an installed package and the arguments it is made with.

    Parameters
    ----------
    path : str
        Module and class, for example ``"sklearn.linear_model.Ridge"``.
    arguments : mapping
        Keyword arguments: numbers, strings, None, lists, tuples and dicts of these, and other calls.
    positional : sequence
        Arguments before them.

    Examples
    --------
    >>> Call("sklearn.linear_model.Ridge", {"alpha": 0.5}).source()
    'Ridge(alpha=0.5)'
    """

    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    positional: Sequence[Any] = ()

    @property
    def name(self) -> str:
        """The class's name."""
        return self.path.rpartition(".")[2]

    def build(self) -> Any:
        """Return the object.

        Raises
        ------
        MissingExtraError
            Where the package is not installed.
        """
        module, _, name = self.path.rpartition(".")
        try:
            kind = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            package = module.partition(".")[0]
            raise MissingExtraError(f"{package} is not installed; install it with: pip install {package}") from error
        named = {key: _built(value) for key, value in self.arguments.items()}
        return kind(*(_built(value) for value in self.positional), **named)

    def imports(self) -> list[str]:
        """Return the import lines of this call and those within, each once."""
        found: dict[str, None] = {}
        for call in self._calls():
            found.update(dict.fromkeys(call._own_imports()))
        return list(found)

    def definitions(self) -> list[str]:
        """Return what a script has to define before the call, of it and those within: source of several lines each."""
        return list(dict.fromkeys(text for call in self._calls() for text in call._own_definitions()))

    def source(self, indent: int = 0, used: int = 0) -> str:
        """Return the call as formatted source; a long one has an argument a line.

        Parameters
        ----------
        indent : int
            Blanks before the line that it stands on.
        used : int
            Further characters before it on that line.
        """
        parts = [("", value) for value in self.positional]
        parts += [(f"{key}=", value) for key, value in self.arguments.items()]
        return _listed(f"{self.name}(", parts, ")", indent, used)

    def _own_imports(self) -> list[str]:
        """Return the import lines of this call alone."""
        module, _, name = self.path.rpartition(".")
        return [f"from {module} import {name}"]

    def _own_definitions(self) -> list[str]:
        """Return the definitions that this call alone needs; a class of an installed package needs none."""
        return []

    def _calls(self) -> Iterator[Call]:
        yield self
        for value in (*self.positional, *self.arguments.values()):
            yield from _calls_in(value)


def _calls_in(value: Any) -> Iterator[Call]:
    if isinstance(value, Call):
        yield from value._calls()
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _calls_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _calls_in(item)


def _built(value: Any) -> Any:
    if isinstance(value, Call):
        return value.build()
    if isinstance(value, (list, tuple)):
        return type(value)(_built(item) for item in value)
    if isinstance(value, dict):
        return {key: _built(item) for key, item in value.items()}
    return value


def _source(value: Any, indent: int = 0, used: int = 0) -> str:
    if isinstance(value, Call):
        return value.source(indent, used)
    if isinstance(value, str):
        return f'"{value}"' if value.isprintable() and not set(value) & set('"\\') else repr(value)
    if isinstance(value, list):
        return _listed("[", [("", item) for item in value], "]", indent, used)
    if isinstance(value, tuple):
        return _listed("(", [("", item) for item in value], ",)" if len(value) == 1 else ")", indent, used)
    if isinstance(value, dict):
        return _listed("{", [(f"{_source(key)}: ", item) for key, item in value.items()], "}", indent, used)
    return repr(value)


def _listed(opening: str, parts: Sequence[tuple[str, Any]], closing: str, indent: int, used: int) -> str:
    """Return parts, each with what stands before it, on one line where they fit, else on one line each."""
    line = opening + ", ".join(before + _source(value) for before, value in parts) + closing
    if not parts or (indent + used + len(line) <= WIDTH and "\n" not in line):
        return line
    pad = " " * (indent + 4)
    lines = [f"{pad}{before}{_source(value, indent + 4, len(before) + 1)}," for before, value in parts]
    return "\n".join((opening, *lines, " " * indent + closing.lstrip(",")))
