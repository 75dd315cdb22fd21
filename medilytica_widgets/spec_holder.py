"""A specification that can be read, replaced as a whole, and compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from .spec import ExperimentSpec
from .spec_diff import Differences, compare, specification

if TYPE_CHECKING:
    from threading import RLock


class Travels(Protocol):
    """Takes back changes and brings them back, for whoever asks."""

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""

    @property
    def can_redo(self) -> bool:
        """Whether there is one to bring back."""

    def undo(self) -> None:
        """Take the last one back."""

    def redo(self) -> None:
        """Bring back what was taken back last."""


class SpecHolder(ABC):
    """The part of `SpecEditor` that deals with the specification as one thing."""

    _lock: RLock
    _spec: ExperimentSpec
    _remembered: dict[str, dict[str, Any]]

    @property
    def spec(self) -> ExperimentSpec:
        """The specification as it stands: a copy, so that a change in it changes nothing here.

        Assign another one, or plain data of this version or an older one, to replace it as a whole: it is checked
        first, and is one step of undo.

        Raises
        ------
        SpecError
            For unknown fields, a newer version, or a specification of another table.
        UnknownAlgorithmError, ParameterError, ShapeError, HeadError
            For an algorithm, a hyperparameter, a layer or a head that cannot be. What stood before stays.
        """
        return self._spec.model_copy(deep=True)

    @spec.setter
    def spec(self, given: dict[str, Any] | ExperimentSpec) -> None:
        with self._lock:
            before, wanted = self._spec, self._checked(given)
            if wanted == before:
                return
            if wanted.algorithm != before.algorithm:
                self._remembered[before.algorithm] = dict(before.hyperparameters)
            self._replace(None, **{name: getattr(wanted, name) for name in ExperimentSpec.model_fields})

    def diff(self, other: Any) -> Differences:
        """Return what differs, field by field, from this specification to another one.

        Hyperparameters are compared as they count, defaults included, where the algorithm is the same. Layers and
        heads are matched in their order, so that one put between is one difference.

        Parameters
        ----------
        other : Experiment, Run, ExperimentSpec or dict
            A run stands for the specification that it began with.

        Returns
        -------
        Differences
            A sequence of `Difference` (``path``, ``before``, ``after``); a table where it is displayed.

        Raises
        ------
        SpecError, InputError
            For what is no specification and has none.
        """
        return compare(self._spec, specification(other))

    @abstractmethod
    def _checked(self, given: dict[str, Any] | ExperimentSpec) -> ExperimentSpec:
        """Return a specification that can be, from the one given; raise where it cannot."""

    @abstractmethod
    def _replace(
        self, part: str | None, merge: str | None = None, author: str | None = None, **fields: Any
    ) -> None: ...


def changed_parts(before: ExperimentSpec, after: ExperimentSpec, parts: tuple[str, ...]) -> list[str]:
    """Return which parts differ; "meta" stands for any other field.

    With another algorithm come other hyperparameters and perhaps layers, even where what was set is the same.
    """
    differ = [name for name in ExperimentSpec.model_fields if getattr(before, name) != getattr(after, name)]
    told = [part for part in parts if part in differ or ("algorithm" in differ and part != "heads")]
    return [*told, "meta"] if set(differ) - set(parts) else told
