"""What a registered function or class tells of itself: its arguments as parameters, and whether it works."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from .errors import ParameterError, SpecError, hint
from .parameters import Parameter, ParameterTable
from .registered import Entry, Kind, check_id, text_of


def check_callable(made: Any, title: str) -> None:
    """Raise `SpecError` for what is neither a function nor a class."""
    if not (isinstance(made, type) or inspect.isfunction(made)):
        raise SpecError(f"{title} has to be a function or a class; {made!r:.80} came.")


def arguments_of(made: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the arguments of a function, or of a class's constructor; none where they cannot be known."""
    try:
        return dict(inspect.signature(made).parameters)
    except (TypeError, ValueError):
        return {}


def table_of(
    made: Callable[..., Any],
    given: Sequence[Parameter] | None,
    before: Iterable[str],
    ours: Iterable[str],
    title: str,
) -> ParameterTable:
    """Return the table of a function's or class's own arguments.

    Parameters
    ----------
    given : sequence of Parameter, optional
        Read from the signature when None.
    before, ours : iterable of str
        Arguments that are no parameters: those that come first, and those that the engine gives.

    Raises
    ------
    SpecError
        For an argument of which nobody knows what values it takes, or a parameter that is none.
    """
    arguments, reserved = arguments_of(made), {*before, *ours}
    every = any(a.kind is a.VAR_KEYWORD for a in arguments.values())
    if given is None:
        found = [
            _read(a, _hints(made).get(name, a.annotation), title)
            for name, a in arguments.items()
            if name not in reserved and a.kind not in (a.VAR_KEYWORD, a.VAR_POSITIONAL)
        ]
        return ParameterTable(tuple(found))
    table = ParameterTable(tuple(given))
    for name in table:
        if name in reserved and name != "values":
            raise SpecError(f"{title}: {name} is given by the engine and cannot be a parameter too.")
        if name not in arguments and not every and "values" not in reserved:
            raise SpecError(
                f"{title}: the parameter {name!r} is no argument of {made.__name__}. {hint(name, arguments)}"
            )
    needed = [
        name
        for name, a in arguments.items()
        if a.default is a.empty
        and name not in reserved
        and name not in table
        and a.kind not in (a.VAR_KEYWORD, a.VAR_POSITIONAL)
    ]
    if needed:
        raise SpecError(
            f"{title}: {made.__name__} needs {needed[0]}, which is no parameter; add it, or give it a default."
        )
    return table


def _hints(made: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(made.__init__ if isinstance(made, type) else made)  # type: ignore[misc]
    except Exception:  # annotations may be anything, or be known to a type checker only
        return {}


def _read(argument: inspect.Parameter, annotation: Any, title: str) -> Parameter:
    """Return the parameter that an argument's annotation and default speak of."""
    name, default = argument.name, argument.default
    if default is argument.empty:
        raise SpecError(f"{title}: the argument {name} has no default; give it one, or describe it in parameters=[…].")
    optional = default is None
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        optional = optional or len(inner) < len(typing.get_args(annotation))
        annotation = inner[0] if len(inner) == 1 else None
    label = name.replace("_", " ")
    try:
        if typing.get_origin(annotation) is Literal:
            choices = typing.get_args(annotation)
            if all(isinstance(choice, str) for choice in choices):
                return Parameter(name, "choice", default, choices=choices, label=label, optional=optional)
        # the annotation decides; without one, the default's type
        kind = annotation if annotation in (bool, int, float) else type(default)
        if kind is bool:
            return Parameter(name, "bool", default, label=label, optional=optional)
        if kind is int:
            return Parameter(name, "int", default, label=label, optional=optional)
        if kind is float:
            return Parameter(name, "float", default, label=label, optional=optional)
    except (SpecError, ParameterError) as error:
        raise SpecError(f"{title}: {error.message}") from None
    raise SpecError(
        f"{title}: what values {name} takes cannot be told from {argument}; annotate it with int, float, bool or "
        "Literal['…', …], or describe it in parameters=[mw.Parameter(…)]."
    )


def try_optimizer(made: Any, table: ParameterTable, title: str) -> None:
    """Take one step on a few weights, so that what is wrong shows before a run begins."""
    import torch
    from torch import nn

    weights = nn.Parameter(torch.ones(3, 2))
    bias = nn.Parameter(torch.ones(3))
    for parameter in (weights, bias):
        parameter.grad = torch.full_like(parameter, 0.5)
    try:
        tried = made([{"params": [weights, bias]}], lr=0.1, **table.defaults())
        tried.step()
    except Exception as error:  # whatever a class of somebody else raises
        raise SpecError(
            f"{title} raised {type(error).__name__} in a step on a few weights: {str(error)[:300]}. It is made with "
            "groups of parameters and lr, and step() is called without a closure."
        ) from error
    if any("lr" not in group for group in tried.param_groups):
        raise SpecError(f"{title} keeps no lr in its groups; give it to Optimizer.__init__ among the defaults.")
    if torch.equal(weights.detach(), torch.ones(3, 2)):
        raise SpecError(f"{title} changed nothing in a step; change the parameters in place by their gradients.")


def entry_of(kind: Kind, id: str, name: str, help: str, made: Any, table: ParameterTable, facts: Any = None) -> Entry:
    """Return the entry of a function or class: its name and help from id and docstring where none are given."""
    check_id(kind, id)
    words = help or re.sub(r"\s+", " ", (made.__doc__ or "").split("\n\n")[0]).strip()
    title = name or id.replace("_", " ").capitalize()
    return Entry(
        kind, id, title, words or f"{title}, registered by {made.__module__}.", made, table, text_of(made), facts or {}
    )
