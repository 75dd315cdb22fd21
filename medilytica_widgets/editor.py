"""The specification as people edit it: hyperparameters, algorithm, layers, undo and redo."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from psygnal import Signal

from . import algorithms, network
from .errors import ShapeError, UnknownAlgorithmError
from .network import Analysis, Head, Layer
from .spec import ExperimentSpec

_UNDO_KEPT = 100
_MERGE_SECONDS = 1.0
FIELDS = ("algorithm", "hyperparameters", "layers")
"""What undo and redo travel through."""


class SpecEditor(ABC):
    """Edits one specification, all or nothing, from any thread.

    `Experiment` derives from it. What a subclass gives: the widths that a network connects
    (`_widths`), and what becomes of a change while a run trains (`_changed_from`).

    Attributes
    ----------
    changed : Signal
        Emits "algorithm", "hyperparameters" or "layers".
    """

    changed = Signal(str)

    def __init__(self, spec: ExperimentSpec, head: Head) -> None:
        self._lock = threading.RLock()
        self._spec = spec
        self._head = head
        # what was set for another algorithm is found again on the way back
        self._remembered: dict[str, dict[str, Any]] = {}
        self._undo: list[ExperimentSpec] = []
        self._redo: list[ExperimentSpec] = []
        self._merge: str | None = None
        self._merged_at = 0.0

    # --- what stands ----------------------------------------------------------------------------------

    @property
    def spec(self) -> ExperimentSpec:
        """The specification as it stands; immutable."""
        return self._spec

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
    def task(self) -> str:
        """Either "classification" or "regression"."""
        return self._head.task

    @property
    def head(self) -> Head:
        """What the network's last features are turned into."""
        return self._head

    @property
    def layers(self) -> list[Layer]:
        """The network's stack."""
        return list(self._spec.layers)

    @property
    def algorithm(self) -> algorithms.Algorithm:
        """The chosen algorithm's registry entry."""
        return algorithms.get(self._spec.algorithm)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Every hyperparameter's value, by id."""
        return full_values(self._spec)

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
                hyperparameters=departures(algorithm, {**full, name: value}, self.task),
                merge=f"set {name}",
                author=author,
            )
        return value

    def reset(self, name: str | None = None) -> None:
        """Bring one hyperparameter, or all of them, back to the default."""
        with self._lock:
            if name is not None:
                self.set(name, self.algorithm.parameters[name].default)
            elif self._spec.hyperparameters:
                self._replace("hyperparameters", hyperparameters={})

    def select_algorithm(self, algorithm: str) -> None:
        """Choose an algorithm; what was set for it before comes back.

        Raises
        ------
        UnknownAlgorithmError
            When there is none of that id, or it cannot do the task.
        """
        with self._lock:
            chosen = available(algorithm, self.task)
            if algorithm == self._spec.algorithm:
                return
            self._remembered[self._spec.algorithm] = dict(self._spec.hyperparameters)
            layers = self.layers or (network.default_layers() if chosen.uses_layers else [])
            self._replace(
                "algorithm", algorithm=algorithm, hyperparameters=self._remembered.get(algorithm, {}), layers=layers
            )
        self.changed.emit("hyperparameters")
        self.changed.emit("layers")

    # --- layers -----------------------------------------------------------------------------------------

    def set_layers(self, layers: Sequence[Layer], *, strict: bool = True, merge: str | None = None) -> None:
        """Replace the stack.

        Parameters
        ----------
        layers : sequence of Layer
        strict : bool
            When False, a stack that cannot be is kept as a draft: `analysis` names its failing layer and
            `train` refuses it. Editors use this, so that a person can pass through a wrong stack.
        merge : str, optional
            Changes of the same name that follow each other closely are one step of undo.

        Raises
        ------
        ShapeError
            When strict; the stack that stood before stays.
        """
        with self._lock:
            stack = list(layers)
            if strict:
                self.check_stack(stack)
            if stack != self.layers:
                self._replace("layers", layers=stack, merge=merge)

    def add_layer(self, index: int, layer: Layer, *, strict: bool = True) -> None:
        """Insert a layer before position ``index``."""
        with self._lock:
            stack = self.layers
            if not 0 <= index <= len(stack):
                raise ShapeError(f"A layer can be inserted at 0 to {len(stack)}, not at {index}.", index)
            self.set_layers([*stack[:index], layer, *stack[index:]], strict=strict)

    def remove_layer(self, index: int, *, strict: bool = True) -> None:
        """Remove the layer at ``index``."""
        with self._lock:
            self._check_index(index)
            stack = self.layers
            self.set_layers(stack[:index] + stack[index + 1 :], strict=strict)

    def move_layer(self, index: int, to: int, *, strict: bool = True) -> None:
        """Move the layer at ``index`` so that it stands at ``to``."""
        with self._lock:
            self._check_index(index)
            self._check_index(to)
            stack = self.layers
            stack.insert(to, stack.pop(index))
            self.set_layers(stack, strict=strict)

    def update_layer(self, index: int, *, strict: bool = True, **options: Any) -> None:
        """Change options of the layer at ``index``; the others stay."""
        with self._lock:
            self._check_index(index)
            stack = self.layers
            layer = stack[index]
            stack[index] = Layer.model_validate({"kind": layer.kind, "options": {**layer.options, **options}})
            self.set_layers(stack, strict=strict, merge=f"layer {index} {sorted(options)}")

    def analysis(self, layers: Sequence[Layer] | None = None) -> Analysis:
        """Return shapes, parameter counts and the first error of a stack (this one's); never raises."""
        with self._lock:
            n_inputs, n_outputs = self._widths()
            return network.analyse(list(self.layers if layers is None else layers), n_inputs, self._head, n_outputs)

    def check_stack(self, layers: Sequence[Layer] | None = None) -> None:
        """Raise `ShapeError` where a stack (this one) cannot be."""
        found = self.analysis(layers)
        if found.error is not None:
            raise ShapeError(found.error, found.failing if found.failing is not None else -1)

    # --- undo and redo ------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is a taken-back change to bring back."""
        return bool(self._redo)

    def undo(self) -> None:
        """Take back the last change of algorithm, hyperparameters or layers; nothing when there is none."""
        self._travel(self._undo, self._redo)

    def redo(self) -> None:
        """Bring back what `undo` took back; nothing when there is none."""
        self._travel(self._redo, self._undo)

    # --- what a subclass gives ------------------------------------------------------------------------

    @abstractmethod
    def _widths(self) -> tuple[int, int]:
        """Return the number of input features and of outputs."""

    @abstractmethod
    def _changed_from(self, before: ExperimentSpec, author: str | None) -> None:
        """Act on a changed specification, under the lock, before anybody is told."""

    # --- inside -----------------------------------------------------------------------------------------

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self._spec.layers):
            raise ShapeError(f"There is no layer {index}; the stack has {len(self._spec.layers)}.", index)

    def _replace(self, part: str | None, merge: str | None = None, author: str | None = None, **fields: Any) -> None:
        """Put a changed specification in place; ``part`` None tells of every part."""
        before = self._spec
        now = time.monotonic()
        # the many steps of one drag, or of one number typed, are one change
        if merge is None or merge != self._merge or now - self._merged_at > _MERGE_SECONDS or not self._undo:
            self._undo.append(before)
            del self._undo[:-_UNDO_KEPT]
        self._merge, self._merged_at = merge, now
        self._redo.clear()
        self._spec = before.model_copy(update=fields)
        self._changed_from(before, author)
        for name in (part,) if part else FIELDS:
            self.changed.emit(name)

    def _travel(self, source: list[ExperimentSpec], target: list[ExperimentSpec]) -> None:
        with self._lock:
            if not source:
                return
            before = self._spec
            target.append(before)
            self._spec = source.pop()
            self._merge = None
            self._changed_from(before, None)
        for part in FIELDS:
            if getattr(before, part) != getattr(self._spec, part):
                self.changed.emit(part)


def full_values(spec: ExperimentSpec) -> dict[str, Any]:
    """Return every hyperparameter's value of a specification, by id."""
    return algorithms.validate(spec.algorithm, spec.hyperparameters)


def departures(algorithm: algorithms.Algorithm, values: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return the values, validated for the task, that differ from the algorithm's defaults."""
    full = algorithms.validate(algorithm.id, values, task)
    defaults = algorithm.parameters.defaults()
    return {name: value for name, value in full.items() if value != defaults[name]}


def available(algorithm: str, task: str) -> algorithms.Algorithm:
    """Return the registry entry.

    Raises
    ------
    UnknownAlgorithmError
        When there is none of that id, or it cannot do the task.
    """
    chosen = algorithms.get(algorithm)
    if reason := chosen.unavailable(task):
        raise UnknownAlgorithmError(reason)
    return chosen
