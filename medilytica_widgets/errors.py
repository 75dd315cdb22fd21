"""Every exception the package raises on purpose, one line of meaning each.

A message says what happened, to which column, layer or file, and what to do next. Errors that
come from what a person typed also derive from the built-in exception a script would expect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class MedilyticaError(Exception):
    """Root of the tree: catch this to catch everything the package raises on purpose."""

    @property
    def message(self) -> str:
        """The sentence for the person, without Python's decoration."""
        return str(self.args[0]) if self.args else self.__class__.__name__


class InputError(MedilyticaError, ValueError):
    """Something a person gave is wrong; nothing was changed."""


class DataError(InputError):
    """A table cannot be used as it is."""


class MissingFileError(DataError, FileNotFoundError):
    """The file named as a data source does not exist."""


class EmptyTableError(DataError):
    """The source holds no rows, or no columns that can be used."""


class EncodingError(DataError):
    """No known text encoding decodes the file."""


class ColumnNotFoundError(DataError):
    """A named column is not in the table."""


class TargetError(DataError):
    """The target cannot be learned: absent, of one class, or all missing."""


class ParameterError(InputError):
    """A hyperparameter's value is of the wrong type or outside its range.

    Attributes
    ----------
    parameter : str
        The id of the parameter.
    nearest : object
        The nearest allowed value, or None where there is none to name.
    """

    def __init__(self, message: str, parameter: str = "", nearest: Any = None) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.nearest = nearest


class UnknownParameterError(ParameterError):
    """A hyperparameter of that name does not exist for this algorithm."""


class UnknownAlgorithmError(InputError):
    """No algorithm of that id is registered, or it cannot do the task."""


class UnknownArgumentError(InputError, TypeError):
    """A keyword argument that does not exist was given."""


class ShapeError(InputError):
    """A stack of layers cannot connect.

    Attributes
    ----------
    layer : int
        Index of the failing layer in the stack, from 0; -1 stands for the head.
    """

    def __init__(self, message: str, layer: int = -1) -> None:
        super().__init__(message)
        self.layer = layer


class HeadError(InputError):
    """A head of a network cannot be: its layer, target, loss or weight is wrong.

    Attributes
    ----------
    head : int
        Index of the head, from 0; -1 where it is none in particular.
    parameter : str
        The field that is wrong, for example ``target`` or ``options.delta``.
    nearest : object
        The nearest value that is right, or None where there is none to name.
    """

    def __init__(self, message: str, head: int = -1, parameter: str = "", nearest: Any = None) -> None:
        super().__init__(message)
        self.head = head
        self.parameter = parameter
        self.nearest = nearest


class SpecError(InputError):
    """A specification holds unknown fields or values that do not fit together."""


class ModelFileError(InputError):
    """A file is not a model saved by this package, or it is damaged."""


class CheckpointError(InputError):
    """A checkpoint is damaged, foreign, or does not belong to this run."""


class StateError(MedilyticaError, RuntimeError):
    """The object is not in a state where this can be asked of it."""


class TrainingError(MedilyticaError, RuntimeError):
    """A run ended as failed."""


class DivergenceError(TrainingError):
    """The loss became NaN or infinite."""


class OutOfMemoryError(TrainingError, MemoryError):
    """The device's memory did not suffice."""


class WaitTimeout(MedilyticaError, TimeoutError):
    """The run was still training when the time given to wait was over."""


class WireError(MedilyticaError):
    """A message between the browser and the kernel breaks the contract."""


class CancelledRequest(MedilyticaError):
    """The browser withdrew a request before it was answered."""


class WorkspaceError(InputError):
    """A shared workspace's document or file cannot be read, or cannot be changed as was asked."""


class MissingExtraError(MedilyticaError, ImportError):
    """A feature needs an optional dependency that is not installed."""


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, or None when none is close."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return close[0] if close else None


def hint(name: str, known: Iterable[str], limit: int = 12, otherwise: str = "") -> str:
    """Return the closing sentence of an unknown-name message: the nearest name, or what there is.

    ``otherwise`` is said as well where no name is near. An empty name, which stands for a default, is left out.
    """
    names = [str(k) for k in known if str(k)]
    near = nearest_name(name, names)
    if near is not None:
        return f"Did you mean {near!r}?"
    shown = ", ".join(names[:limit])
    return f"Known: {shown}{', …' if len(names) > limit else ''}. {otherwise}".rstrip()


def check_kwargs(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise `UnknownArgumentError` naming the nearest right argument for the first unknown one."""
    allowed = list(known)
    for name in given:
        if name not in allowed:
            raise UnknownArgumentError(f"{owner} takes no argument {name!r}. {hint(name, allowed)}")
