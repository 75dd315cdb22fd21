"""torch's own optimizers over the flat buffer, with the counters that all paths share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .stepping import SLOTS, FlatState, StepSettings


class FlatOptimizer:
    """One call of a fused optimizer changes all weights.

    Parameters
    ----------
    state : FlatState
        Weights, gradient and slots stay where they are; other paths may change them between two chunks.
    settings : StepSettings
        ``optimizer`` is fixed from here on.
    """

    def __init__(self, state: FlatState, settings: StepSettings) -> None:
        self._state = state
        flat = nn.Parameter(state.weights)
        flat.grad = state.gradient
        name, device = settings.optimizer, state.weights.device
        fused = device.type != "mps"
        optimizer: torch.optim.Optimizer
        if name == "sgd":
            optimizer = torch.optim.SGD([flat], lr=1.0, momentum=settings.momentum, fused=fused)
        elif name == "rmsprop":
            optimizer = torch.optim.RMSprop([flat], lr=1.0)
        elif name == "nadam":
            optimizer = torch.optim.NAdam([flat], lr=1.0)
        else:
            kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
            optimizer = kind([flat], lr=1.0, fused=fused)
        if name != "sgd" or settings.momentum != 0.0:
            for slot in SLOTS[name]:
                state.slots.setdefault(slot, torch.zeros_like(state.weights))
        kept: dict[str, Tensor] = dict(state.slots)
        if name != "sgd":
            on = device if name in ("adam", "adamw") and fused else torch.device("cpu")
            kept["step"] = torch.tensor(float(state.step), dtype=torch.float32, device=on)
        if name == "nadam":
            kept["mu_product"] = torch.tensor(state.mu_product, dtype=torch.float64)
        optimizer.state[flat] = kept
        self._optimizer, self._kept = optimizer, kept

    def begin(self, settings: StepSettings) -> None:
        """Take over settings and counters, before a chunk."""
        group = self._optimizer.param_groups[0]
        group["weight_decay"] = settings.weight_decay
        if settings.optimizer == "sgd":
            group["momentum"], group["nesterov"] = settings.momentum, settings.nesterov
            if settings.momentum != 0.0 and "momentum_buffer" not in self._kept:
                buffer = self._state.slots.setdefault("momentum_buffer", torch.zeros_like(self._state.weights))
                self._kept["momentum_buffer"] = buffer
        if "step" in self._kept:
            self._kept["step"].fill_(float(self._state.step))
        if "mu_product" in self._kept:
            self._kept["mu_product"].fill_(self._state.mu_product)

    def step(self, rate: float) -> None:
        """Change the weights by the gradient that is there."""
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.step()
        self._state.step += 1

    def end(self) -> None:
        """Hand the counters back, after a chunk."""
        if "mu_product" in self._kept:
            self._state.mu_product = float(self._kept["mu_product"])
