"""The specification as people edit it: hyperparameters, algorithm, layers, undo and redo."""

from __future__ import annotations

import copy
import threading
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from psygnal import Signal

from . import algorithms, network, presets
from .algorithms._unsupervised import check_target
from .algorithms.base import ARCHITECTURE
from .engine.heads import check_learner
from .errors import ShapeError, StateError, TargetError, UnknownAlgorithmError
from .network import Analysis, Head, Layer
from .network.given import stack_of
from .network_editor import NetworkEditor
from .spec import ExperimentSpec
from .spec_holder import SpecHolder, changed_parts

_UNDO_KEPT = 100
_MERGE_SECONDS = 1.0
FIELDS = ("algorithm", "hyperparameters", "layers", "heads")
"""What undo and redo travel through."""


class SpecEditor(NetworkEditor, SpecHolder):
    """Edits one specification, all or nothing, from any thread.

    `Experiment` derives from it. What a subclass gives: the widths that a network connects
    (`_widths`), and what becomes of a change while a run trains (`_changed_from`).

    Attributes
    ----------
    changed : Signal
        Emits "algorithm", "hyperparameters", "layers", "heads", or "meta" for what else was assigned or undone.
    """

    changed = Signal(str)

    def __init__(self, spec: ExperimentSpec, head: Head | None) -> None:
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
                self._replace("hyperparameters", hyperparameters={})

    def select_algorithm(self, algorithm: str) -> None:
        """Choose an algorithm; what was set for it before comes back.

        Raises
        ------
        UnknownAlgorithmError
            When there is none of that id, or it cannot do the task.
        HeadError
            When it is no network, and there are several heads or one out of the ordinary. What stood before stays.
        """
        with self._lock:
            chosen = available(algorithm, self.target_task)
            if algorithm == self._spec.algorithm:
                return
            check_learner(chosen, self._spec.heads, self._spec.layers)
            self._remembered[self._spec.algorithm] = dict(self._spec.hyperparameters)
            layers = self._spec.layers or (network.default_layers() if chosen.uses_layers else [])
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
        InputError
            For anything but layers.
        StateError
            Where the algorithm has no layers, or they follow from its hyperparameters.
        """
        with self._lock:
            self._check_own_layers()
            stack = stack_of(layers)
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
            stack[index] = layer.with_options(**options)
            self.set_layers(stack, strict=strict, merge=f"layer {index} {sorted(options)}")

    def analysis(self, layers: Sequence[Layer] | None = None) -> Analysis:
        """Return shapes, parameter counts and the first error of a stack (this one's); never raises."""
        with self._lock:
            n_inputs, n_outputs = self._widths()
            heads, outputs = self._outputs(n_outputs)
            return network.analyse(list(self.layers if layers is None else layers), n_inputs, heads, outputs)

    def _outputs(self, n_outputs: int) -> tuple[list[Head], list[int]]:
        """Return the heads that the network is analysed with, and how many outputs each has."""
        return [self._head or Head("regression")], [n_outputs]

    def check_stack(self, layers: Sequence[Layer] | None = None) -> None:
        """Raise `ShapeError` where a stack (this one) cannot be."""
        if layers is None:
            self.algorithm.check_features(self._widths()[0])
        found = self.analysis(layers)
        if found.error is not None:
            raise ShapeError(found.error, found.failing if found.failing is not None else -1)

    def to_layers(self) -> list[Layer]:
        """Turn a network whose layers follow from its hyperparameters into a perceptron of those very layers.

        From then on they are a person's own: they can be added, removed and changed one by one. What the perceptron
        knows of the hyperparameters stays. It is one step of undo; of a perceptron nothing changes.

        Returns
        -------
        list of Layer
            The stack.

        Raises
        ------
        StateError
            Where the algorithm is no network.
        """
        with self._lock:
            chosen = self.algorithm
            if not chosen.has_layers:
                raise StateError(_no_layers(chosen))
            stack = self.layers
            if chosen.network is None:
                return stack
            editable = algorithms.get("mlp")
            # each layer has its dropout; of the perceptron's own parameter it would be one for all
            kept = {
                name: value
                for name, value in self.hyperparameters.items()
                if name in editable.parameters and chosen.parameters[name].group != ARCHITECTURE
            }
            self._remembered[chosen.id] = dict(self._spec.hyperparameters)
            wanted = departures(editable, kept, self.target_task)
            self._replace(None, algorithm=editable.id, hyperparameters=wanted, layers=stack)
            return stack

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

    def _check_task(self, task: str) -> None:
        departures(available(self._spec.algorithm, task), self._spec.hyperparameters, task)

    def _check_own_layers(self) -> None:
        chosen = self.algorithm
        if chosen.network is not None:
            raise StateError(
                f"The layers of {chosen.name} follow from its hyperparameters: change these, or make the "
                "layers your own with to_layers()."
            )
        if not chosen.uses_layers:
            raise StateError(_no_layers(chosen))

    def _check_index(self, index: int) -> None:
        self._check_own_layers()
        if not 0 <= index < len(self._spec.layers):
            raise ShapeError(f"There is no layer {index}; the stack has {len(self._spec.layers)}.", index)

    def _replace(self, part: str | None, merge: str | None = None, author: str | None = None, **fields: Any) -> None:
        """Put a changed specification in place; ``part`` None tells of all that changed."""
        before = self._spec
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


def _no_layers(chosen: algorithms.Algorithm) -> str:
    return f"{chosen.name} has no layers. Take a neural network, for example 'deep_mlp'."


def full_values(spec: ExperimentSpec) -> dict[str, Any]:
    """Return every hyperparameter's value of a specification, by id."""
    return algorithms.validate(spec.algorithm, spec.hyperparameters)


def departures(algorithm: algorithms.Algorithm, values: Mapping[str, Any], task: str | None) -> dict[str, Any]:
    """Return the values, validated for the task that a target asks for, that differ from the algorithm's defaults."""
    full = algorithms.validate(algorithm.id, values, algorithm.task_for(task))
    defaults = algorithm.parameters.defaults()
    return {name: value for name, value in full.items() if value != defaults[name]}


def available(algorithm: str, task: str | None) -> algorithms.Algorithm:
    """Return the registry entry; ``task`` is what the target asks for, None where the table has none.

    Raises
    ------
    TargetError
        When it looks at the target and there is none.
    UnknownAlgorithmError
        When there is none of that id, or it cannot do the task.
    """
    chosen = algorithms.get(algorithm)
    if task is None and chosen.task_for(None) is None:
        raise TargetError(
            f"{chosen.name} learns a target, and the table has no target. Load it with load_dataset(…, target=…), or "
            "take an algorithm that needs none, for example 'kmeans'."
        )
    check_target(chosen, task)
    if reason := chosen.unavailable(task):
        raise UnknownAlgorithmError(reason)
    return chosen
