"""An optimizer that somebody registered, on the network's real parameters: each tensor of each layer on its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..algorithms.own import decays
from ..errors import CheckpointError, TrainingError
from ..registered import Entry
from .stepping import OWN, FlatState, StepSettings


class OwnOptimizer:
    """Changes the weights by a registered `torch.optim.Optimizer`; it has the methods of `FlatOptimizer`.

    The parameters that it gets are views of the flat buffer. It has to change them in place, as torch's own do; where
    it puts other tensors in their place, the values are copied back.

    Parameters
    ----------
    entry : Entry
        Of the class.
    options : mapping
        Its arguments beside parameters, ``lr`` and ``weight_decay``.
    state : FlatState
    places : sequence of (Parameter, int)
        The parameters, and where each begins in the flat buffer.
    """

    def __init__(
        self,
        entry: Entry,
        options: Mapping[str, Any],
        state: FlatState,
        places: Sequence[tuple[nn.Parameter, int]],
    ) -> None:
        self._entry, self._options, self._state, self._places = entry, dict(options), state, list(places)
        self._optimizer: torch.optim.Optimizer | None = None
        self._loaded: tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]] | None = None

    def begun(self, undecayed: int = 0) -> OwnOptimizer:
        """Make the optimizer at the first call, or go on with it; ``undecayed`` as of `FlatOptimizer`."""
        if self._optimizer is None:
            first = len(self._state.weights) - undecayed
            parts = [[p for p, at in self._places if at < first], [p for p, at in self._places if at >= first]]
            groups = [{"params": part} for part in parts if part]
            decay = {"weight_decay": 0.0} if decays(self._entry) else {}
            self._optimizer = self._entry.object(groups, lr=1.0, **self._options, **decay)
            if self._loaded is not None:
                self._put(*self._loaded)
                self._loaded = None
        return self

    def begin(self, settings: StepSettings) -> None:
        """Take over settings, before a chunk."""
        for index, group in enumerate(self._made.param_groups):
            if "weight_decay" in group:
                group["weight_decay"] = settings.weight_decay if index == 0 else 0.0

    def step(self, rate: float) -> None:
        """Change the weights by the gradient that is there."""
        optimizer = self._made
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        self._state.step += 1
        weights, gradient = self._state.weights, self._state.gradient
        for parameter, at in self._places:
            own = weights[at : at + parameter.numel()].view(parameter.shape)
            if parameter.data_ptr() != own.data_ptr():
                own.copy_(parameter.detach())
                parameter.data = own
            if parameter.grad is None:
                parameter.grad = gradient[at : at + parameter.numel()].view(parameter.shape)

    def end(self) -> None:
        """Nothing: its counters are its own."""

    # -- checkpoints

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return everything that it keeps: plain values, and tensors by name, copied.

        Raises
        ------
        CheckpointError
            Where it keeps what is neither a tensor nor a plain value.
        """
        tensors: dict[str, NDArray[Any]] = {}
        if self._optimizer is None:
            return {}, tensors
        groups = [{k: v for k, v in group.items() if k != "params"} for group in self._optimizer.param_groups]
        kept = [self._optimizer.state.get(parameter, {}) for parameter, _ in self._places]
        return {"groups": self._plain(groups, tensors), "kept": self._plain(kept, tensors)}, tensors

    def load(self, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, bit for bit."""
        if self._optimizer is None:
            self._loaded = facts, tensors
        else:
            self._put(facts, tensors)

    def _put(self, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
        try:
            for group, saved in zip(self._made.param_groups, self._back(facts["groups"], tensors), strict=True):
                group.update(saved)
            for (parameter, _), kept in zip(self._places, self._back(facts["kept"], tensors), strict=True):
                if kept:
                    self._made.state[parameter] = kept
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"The checkpoint is not one of the optimizer {self._entry.id!r} ({error}); take an earlier one."
            ) from error

    @property
    def _made(self) -> torch.optim.Optimizer:
        if self._optimizer is None:
            raise TrainingError("The optimizer was not begun.")
        return self._optimizer

    def _plain(self, value: Any, tensors: dict[str, NDArray[Any]]) -> Any:
        """Return a value as JSON holds it; tensors go apart, each under a name."""
        if isinstance(value, Tensor):
            name = f"{OWN}{len(tensors)}"
            tensors[name] = np.array(value.detach().cpu().contiguous().numpy())
            return {"tensor": name, "here": value.device == self._state.weights.device}
        if isinstance(value, dict) and all(isinstance(key, (str, int)) for key in value):
            return {"pairs": [[key, self._plain(item, tensors)] for key, item in value.items()]}
        if isinstance(value, (list, tuple)):
            return {type(value).__name__: [self._plain(item, tensors) for item in value]}
        if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
            return value
        raise CheckpointError(
            f"The optimizer {self._entry.id!r} keeps a {type(value).__name__}, which a checkpoint cannot hold; keep "
            "tensors, numbers, text, or lists and dicts of these."
        )

    def _back(self, plain: Any, tensors: Mapping[str, NDArray[Any]]) -> Any:
        if not isinstance(plain, dict):
            return plain
        if "tensor" in plain:
            value = torch.from_numpy(np.array(tensors[plain["tensor"]]))
            return value.to(self._state.weights.device) if plain["here"] else value
        if "pairs" in plain:
            return {key: self._back(item, tensors) for key, item in plain["pairs"]}
        ((kind, items),) = plain.items()
        found = [self._back(item, tensors) for item in items]
        return tuple(found) if kind == "tuple" else found
