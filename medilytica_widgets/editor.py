"""The specification as people edit it: hyperparameters, algorithm, preparation, undo and redo."""

from __future__ import annotations

import copy
import threading
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from psygnal import Signal

from . import algorithms, network, presets
from .acting import acting_person
from .engine.heads import check_learner
from .layer_editor import LayerEditor
from .network import Head, Layer
from .preparation_editor import PreparationEditor
from .spec import ExperimentSpec
from .spec_holder import SpecHolder, Travels, changed_parts
from .spec_values import available, departures, full_values

_UNDO_KEPT = 100
_MERGE_SECONDS = 1.0
FIELDS = ("algorithm", "hyperparameters", "layers", "heads")
"""What undo and redo travel through."""


class SpecEditor(LayerEditor, PreparationEditor, SpecHolder):
    """Edits one specification, all or nothing, from any thread.

    `Experiment` derives from it. What a subclass gives: the widths that a network connects
    (`_widths`), and what becomes of a change while a run trains (`_changed_from`).

    Attributes
    ----------
    changed : Signal
        Emits "algorithm", "hyperparameters", "layers", "heads", or "meta" for what else was changed: split, steps of
        the preprocessing, and what was assigned or undone.
    """

    changed = Signal(str)

    def __init__(self, spec: ExperimentSpec, head: Head | None) -> None:
        self._lock = threading.RLock()
        self._spec = spec
        self._head = head
        # what was set for another algorithm is found again on the way back
        self._remembered: dict[str, dict[str, Any]] = {}
        # who keeps the changes instead, where several people edit
        self._elsewhere: Travels | None = None
        self._undo: list[ExperimentSpec] = []
        self._redo: list[ExperimentSpec] = []
        self._merge: str | None = None
        self._merged_at = 0.0

    # --- what stands ----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._spec.name

    @property
    def description(self) -> str:
        """What the experiment is about, in its author's words."""
        return self._spec.description

    @property
    def seed(self) -> int:
        """The seed of split, weights and order."""
        return self._spec.seed

    @property
    def target_task(self) -> str | None:
        """What the target asks for: "classification" or "regression"; None where the table has none."""
        return self._head.task if self._head is not None else None

    @property
    def task(self) -> str:
        """What the algorithm does: what the target asks for, or "clustering", "anomaly" or "transform"."""
        return str(self.algorithm.task_for(self.target_task))

    @property
    def head(self) -> Head | None:
        """What the network's last features are turned into; None where the table has no target."""
        return copy.deepcopy(self._head)

    @property
    def layers(self) -> list[Layer]:
        """The network's stack: a person's, or what follows from the hyperparameters (see `to_layers`)."""
        if self.algorithm.network is None:
            return copy.deepcopy(self._spec.layers)
        with self._lock:
            return self._spec.stack(self._widths()[0])

    @property
    def algorithm(self) -> algorithms.Algorithm:
        """The chosen algorithm's registry entry."""
        return algorithms.get(self._spec.algorithm)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Every hyperparameter's value, by id."""
        return copy.deepcopy(full_values(self._spec))

    # --- hyperparameters and algorithm --------------------------------------------------------------

    def set(self, name: str, value: Any, author: str | None = None) -> Any:
        """Set one hyperparameter and return it as the parameter's own type.

        One that can change while training is posted to the run that is going on; any other counts from
        the next run.

        Raises
        ------
        UnknownParameterError, ParameterError
            The value that stood before stays.
        """
        with self._lock:
            algorithm = self.algorithm
            value = algorithm.parameters[name].validate(value)
            full = self.hyperparameters
            if value == full[name] and type(value) is type(full[name]):
                return value
            self._replace(
                "hyperparameters",
                hyperparameters=departures(algorithm, {**full, name: value}, self.target_task),
                merge=f"set {name}",
                author=author,
            )
        return value

    def set_many(self, values: Mapping[str, Any], author: str | None = None) -> dict[str, Any]:
        """Set several hyperparameters, all or none, as one step of undo.

        Parameters
        ----------
        values : mapping
            By parameter id; what is left out stays. They are checked together, so that two may change that only fit
            each other.
        author : str, optional

        Returns
        -------
        dict
            The values given, as the parameters' own types.

        Raises
        ------
        UnknownParameterError, ParameterError
            Nothing was changed.
        """
        with self._lock:
            algorithm = self.algorithm
            checked = {name: algorithm.parameters[name].validate(value) for name, value in values.items()}
            wanted = departures(algorithm, {**self.hyperparameters, **checked}, self.target_task)
            if wanted != self._spec.hyperparameters:
                self._replace("hyperparameters", hyperparameters=wanted, author=author)
        return checked

    def apply_preset(self, name: str, author: str | None = None) -> dict[str, Any]:
        """Set what a preset of the algorithm says, as one step of undo, and return what it set.

        One of the package ("fast", "accurate", "regularised") decides the hyperparameters that any of them names and
        leaves the others; one that a person saved (`medilytica_widgets.presets`) decides all of them.

        Raises
        ------
        InputError
            When there is none of that name for the algorithm; it names the nearest. Nothing was changed.
        """
        with self._lock:
            return self.set_many(presets.find(name, self._spec.algorithm, self.task).values, author)

    def reset(self, name: str | None = None) -> None:
        """Bring one hyperparameter, or all of them, back to the default."""
        with self._lock:
            if name is not None:
                self.set(name, self.algorithm.parameters[name].default)
            elif self._spec.hyperparameters:
                departures(self.algorithm, {}, self.target_task)
                self._replace("hyperparameters", hyperparameters={})

    def select_algorithm(self, algorithm: str) -> None:
        """Choose an algorithm; what was set for it before comes back.

        Raises
        ------
        UnknownAlgorithmError
            When there is none of that id, or it cannot do the task.
        HeadError
            When it is no network, and there are several heads or one out of the ordinary.
        ParameterError, SpecError
            When somebody registered it and its constructor raises. What stood before stays.
        """
        with self._lock:
            chosen = available(algorithm, self.target_task)
            if algorithm == self._spec.algorithm:
                return
            check_learner(chosen, self._spec.heads, self._spec.layers)
            values = departures(chosen, self._remembered.get(algorithm, {}), self.target_task)
            self._remembered[self._spec.algorithm] = dict(self._spec.hyperparameters)
            layers = self._spec.layers or (network.default_layers() if chosen.uses_layers else [])
            self._replace("algorithm", algorithm=algorithm, hyperparameters=values, layers=layers)
        self.changed.emit("hyperparameters")
        self.changed.emit("layers")

    # --- undo and redo ------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back; in a shared workspace, one of whoever asks."""
        return self._elsewhere.can_undo if self._elsewhere is not None else bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is a taken-back change to bring back."""
        return self._elsewhere.can_redo if self._elsewhere is not None else bool(self._redo)

    def undo(self) -> None:
        """Take back the last change; nothing when there is none.

        In a shared workspace it is the last change of whoever asks: other people's stay.
        """
        if self._elsewhere is not None:
            self._elsewhere.undo()
        else:
            self._travel(self._undo, self._redo)

    def redo(self) -> None:
        """Bring back what `undo` took back; nothing when there is none."""
        if self._elsewhere is not None:
            self._elsewhere.redo()
        else:
            self._travel(self._redo, self._undo)

    # --- what a subclass gives ------------------------------------------------------------------------

    @abstractmethod
    def _changed_from(self, before: ExperimentSpec, author: str | None) -> None:
        """Act on a changed specification, under the lock, before anybody is told."""

    # --- inside -----------------------------------------------------------------------------------------

    def _check_task(self, task: str) -> None:
        departures(available(self._spec.algorithm, task), self._spec.hyperparameters, task)

    def _replace(self, part: str | None, merge: str | None = None, author: str | None = None, **fields: Any) -> None:
        """Put a changed specification in place; ``part`` None tells of all that changed."""
        before = self._spec
        person = acting_person()
        author = author or (person.name if person is not None else None)
        now = time.monotonic()
        # the many steps of one drag, or of one number typed, are one change
        if merge is None or merge != self._merge or now - self._merged_at > _MERGE_SECONDS or not self._undo:
            self._undo.append(before)
            del self._undo[:-_UNDO_KEPT]
        self._merge, self._merged_at = merge, now
        self._redo.clear()
        # what a person still holds, and could change in place, stays theirs
        self._spec = before.model_copy(update=copy.deepcopy(fields))
        self._head = self._spec.heads[0] if self._spec.heads else None
        self._changed_from(before, author)
        for name in (part,) if part else changed_parts(before, self._spec, FIELDS):
            self.changed.emit(name)

    def _travel(self, source: list[ExperimentSpec], target: list[ExperimentSpec]) -> None:
        with self._lock:
            if not source:
                return
            before = self._spec
            target.append(before)
            self._spec = source.pop()
            self._head = self._spec.heads[0] if self._spec.heads else None
            self._merge = None
            self._changed_from(before, None)
            after = self._spec
        for part in changed_parts(before, after, FIELDS):
            self.changed.emit(part)
