"""The parameters of a notebook that papermill runs: which there are, and whether what was given is allowed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..errors import UnknownParameterError, nearest_name
from ..parameters import ParameterTable
from .mode import is_headless

UNKNOWN = object()
"""Stands for a default that is computed, so that only the notebook itself can tell it."""

# what papermill writes on top of the cell it puts in, papermill/translators.py
_INJECTED = "# Parameters\n"


def check_parameters(given: Mapping[str, Any], table: ParameterTable, extra: Iterable[str] = ()) -> dict[str, Any]:
    """Return the values given for parameters of a table, each as its own type.

    Parameters
    ----------
    given : mapping of str to object
    table : ParameterTable
    extra : iterable of str
        Other names that are allowed; their values are neither checked nor returned.

    Raises
    ------
    UnknownParameterError
        A name is neither in the table nor in ``extra``; the message says which, the nearest right one, and all that
        are allowed.
    ParameterError
        A value is of the wrong type or out of range; the message says what is allowed.
    """
    others = list(extra)
    for name in given:
        if name not in table and name not in others:
            raise _unknown(name, [*others, *table], "Allowed")
    return {name: table[name].validate(value) for name, value in given.items() if name in table}


def _unknown(name: str, known: Sequence[str], says: str) -> UnknownParameterError:
    near = nearest_name(name, known)
    guess = f" Did you mean {near!r}?" if near is not None else ""
    return UnknownParameterError(
        f"There is no parameter {name!r}.{guess} {says}: {', '.join(known) or 'none'}.", name, near
    )


def declared_parameters(source: str) -> dict[str, Any]:
    """Return the names that a ``parameters`` cell assigns, with their defaults.

    A default that is no literal is `UNKNOWN`. A cell that is no Python (it holds a magic) declares what its other
    lines assign.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!", "?"))]
        try:
            tree = ast.parse("\n".join(lines))
        except SyntaxError:
            return {}
    return {name: _literal(value) for node in tree.body for name, value in _assigned(node)}


def _assigned(node: ast.stmt) -> list[tuple[str, ast.expr | None]]:
    if isinstance(node, ast.Assign):
        return [(t.id, node.value) for t in node.targets if isinstance(t, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [(node.target.id, node.value)]
    return []


def _literal(value: ast.expr | None) -> Any:
    try:
        return UNKNOWN if value is None else ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return UNKNOWN


def check_names(given: Iterable[str], declared: Iterable[str]) -> None:
    """Raise `UnknownParameterError` for the first name that the notebook's ``parameters`` cell does not assign."""
    names = list(declared)
    for name in given:
        if name not in names:
            raise _unknown(name, names, "The notebook's parameters cell takes")


def check_notebook(given: Mapping[str, Any], declared: Mapping[str, Any] | None) -> None:
    """Check parameters before any cell runs.

    Names must be assigned in the ``parameters`` cell. Where that cell names an ``algorithm``, values of its
    parameters must be allowed by its table.

    Parameters
    ----------
    given : mapping of str to object
        What is to be put in.
    declared : mapping of str to object, or None
        From `declared_parameters`; None for a notebook that has no such cell.

    Raises
    ------
    UnknownParameterError, ParameterError, UnknownAlgorithmError
        The message says which is wrong and what is allowed.
    """
    if not given:
        return
    if declared is None:
        raise UnknownParameterError(
            f"The notebook has no cell tagged 'parameters', so it cannot take {next(iter(given))!r}. Tag the cell that "
            "assigns its settings with 'parameters'.",
            next(iter(given)),
        )
    check_names(given, declared)
    algorithm = {**declared, **given}.get("algorithm")
    if isinstance(algorithm, str):
        from .. import algorithms

        table = algorithms.parameters(algorithm)
        check_parameters({name: value for name, value in given.items() if name in table}, table)


def injected_parameters() -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return what papermill put into this kernel's notebook and what its ``parameters`` cell assigns.

    Papermill only logs a warning of a name that the cell does not assign; the notebook can ask here. The injected
    cell is recognised by the comment that papermill writes on top of it and by standing right after a cell that
    does nothing but assign.

    Returns
    -------
    (given, declared) or None
        None where papermill put nothing in, and outside IPython.
    """
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    # a person's own cells may begin with the same comment
    if not is_headless():
        return None
    cells: list[str] = list(shell.user_ns.get("In", ())) if shell is not None else []
    for before, cell in reversed(list(pairwise(cells))):
        if cell.startswith(_INJECTED) and _only_assigns(before):
            return declared_parameters(cell), declared_parameters(before)
    return None


def _only_assigns(source: str) -> bool:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    plain = (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) for n in body if not _assigned(n))
    return bool(declared_parameters(source)) and all(plain)


def check_injected(table: ParameterTable | None = None) -> None:
    """Check what papermill put into this kernel's notebook; do nothing where it put nothing in.

    Parameters
    ----------
    table : ParameterTable, optional
        Values of its parameters are checked too.

    Raises
    ------
    UnknownParameterError, ParameterError
        As for `check_notebook`.
    """
    found = injected_parameters()
    if found is None:
        return
    given, declared = found
    check_names(given, declared)
    if table is not None:
        known = {name: value for name, value in given.items() if name in table and value is not UNKNOWN}
        check_parameters(known, table)
