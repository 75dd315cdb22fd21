"""The network's stack as people edit it: layers put in, taken out, moved, changed and looked at."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from . import algorithms, network
from .algorithms.base import ARCHITECTURE
from .errors import ShapeError, StateError
from .network import Analysis, Head, Layer
from .network.given import stack_of
from .network_editor import NetworkEditor
from .spec_values import departures


class LayerEditor(NetworkEditor):
    """The part of `SpecEditor` that shapes the stack."""

    _head: Head | None
    _remembered: dict[str, dict[str, Any]]

    @property
    @abstractmethod
    def algorithm(self) -> algorithms.Algorithm:
        """The chosen algorithm's registry entry."""

    @property
    @abstractmethod
    def hyperparameters(self) -> dict[str, Any]:
        """Every hyperparameter's value, by id."""

    @property
    @abstractmethod
    def target_task(self) -> str | None:
        """What the target asks for."""

    @abstractmethod
    def _widths(self) -> tuple[int, int]:
        """Return the number of input features and of outputs."""

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


def _no_layers(chosen: algorithms.Algorithm) -> str:
    return f"{chosen.name} has no layers. Take a neural network, for example 'deep_mlp'."
