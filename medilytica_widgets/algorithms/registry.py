"""The registry: algorithms by id, open to entries from other rooms and other packages."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from ..errors import InputError, SpecError, UnknownAlgorithmError, hint
from ..parameters import OWN_FIRST, ParameterTable
from .base import TASKS, Algorithm
from .external import ABSENT

_entries: dict[str, Algorithm] = {}
_lock = threading.Lock()


def register(algorithm: Algorithm) -> Algorithm:
    """Add an algorithm; it is then in every list, form and script.

    Returns
    -------
    Algorithm
        The one given.

    Raises
    ------
    SpecError
        If the id is taken.
    """
    with _lock:
        if algorithm.id in _entries:
            raise SpecError(
                f"An algorithm with the id {algorithm.id!r} is registered already ({_entries[algorithm.id].name}). "
                "Give the new one another id, or take the old one out with unregister()."
            )
        _entries[algorithm.id] = algorithm
    return algorithm


def replace(algorithm: Algorithm) -> Algorithm:
    """Put an entry in the place of the one with its id, and return it; add it where there is none."""
    with _lock:
        _entries[algorithm.id] = algorithm
    return algorithm


def unregister(id: str) -> Algorithm:
    """Take an algorithm out and return it.

    Raises
    ------
    UnknownAlgorithmError
        If there is none of that id.
    """
    algorithm = get(id)
    with _lock:
        _entries.pop(id, None)
    return algorithm


def get(id: str) -> Algorithm:
    """Return the algorithm of that id.

    Raises
    ------
    UnknownAlgorithmError
        If there is none; the message names the nearest id, or the library to install.
    """
    algorithm = _entries.get(id) if isinstance(id, str) else None
    if algorithm is None:
        library = str(id).lower()
        if library in ABSENT and library not in _entries:
            raise UnknownAlgorithmError(
                f"{library} is not installed; install it with: pip install {library}. Then restart Python."
            )
        known = [*_entries, *(name for name in ABSENT if name not in _entries)]
        raise UnknownAlgorithmError(f"There is no algorithm {id!r}. {hint(str(id), known, otherwise=OWN_FIRST)}")
    return algorithm


def list_(category: str | tuple[str, ...] | None = None, task: str | None = None) -> list[Algorithm]:
    """Return the algorithms in the order of their registration.

    Parameters
    ----------
    category : str or tuple of str, optional
        Only those under this category: any part of the path as a string, or the path's beginning
        as a tuple.
    task : {"classification", "regression", "clustering", "anomaly", "transform"}, optional
        Only those that do the task.

    Raises
    ------
    InputError
        For a task or a category that does not exist; the message names the nearest.
    """
    chosen = list(_entries.values())
    if task is not None and task not in TASKS:
        raise InputError(f"There is no task {task!r}. {hint(str(task), sorted(TASKS))}")
    if category is not None:
        _check_category(category, chosen)
    if isinstance(category, str):
        chosen = [a for a in chosen if category in a.category]
    elif category is not None:
        chosen = [a for a in chosen if a.category[: len(category)] == tuple(category)]
    return [a for a in chosen if task is None or task in a.tasks]


def _check_category(category: str | tuple[str, ...], entries: list[Algorithm]) -> None:
    """Refuse a category that no algorithm stands under."""
    if isinstance(category, str):
        wanted, known = category, list(dict.fromkeys(part for entry in entries for part in entry.category))
        there = wanted in known
    else:
        wanted = " / ".join(map(str, category))
        known = list(dict.fromkeys(" / ".join(e.category[:n]) for e in entries for n in range(1, len(e.category) + 1)))
        there = not category or wanted in known
    if not there:
        # "Trees" is little like "Trees and ensembles" by its letters, and yet meant
        near = [name for name in known if wanted and wanted.casefold() in name.casefold()]
        raise InputError(
            f"There is no category {category!r}. "
            + (f"Did you mean {near[0]!r}?" if near else hint(wanted, known, len(known)))
        )


def describe(id: str) -> dict[str, Any]:
    """Return an algorithm's documentation as plain, JSON-able values."""
    return get(id).describe()


def parameters(id: str) -> ParameterTable:
    """Return an algorithm's parameter table."""
    return get(id).parameters


def validate(id: str, values: Mapping[str, Any] | None = None, task: str | None = None) -> dict[str, Any]:
    """Return all of an algorithm's hyperparameters, the given values checked, the others at their default.

    With ``task`` a value that has no meaning for the task is refused as well.

    Raises
    ------
    UnknownAlgorithmError, UnknownParameterError, ParameterError
        Each names what is wrong and what is allowed.
    """
    return get(id).validate(values, task)
