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
    undecayed : int
        So many of the last values are left out of weight decay.
    """

    def __init__(self, state: FlatState, settings: StepSettings, undecayed: int = 0) -> None:
        self._state = state
        # one piece, or two where weight decay tells them apart
        first = len(state.weights) - undecayed
        cuts = [slice(0, first), slice(first, None)] if undecayed else [slice(None)]
        pieces = [nn.Parameter(state.weights[cut]) for cut in cuts]
        for piece, cut in zip(pieces, cuts, strict=True):
            piece.grad = state.gradient[cut]
        groups = [{"params": [piece]} for piece in pieces]
        name, device = settings.optimizer, state.weights.device
        fused = device.type != "mps"
        optimizer: torch.optim.Optimizer
        if name == "sgd":
            optimizer = torch.optim.SGD(groups, lr=1.0, momentum=settings.momentum, fused=fused)
        elif name == "rmsprop":
            optimizer = torch.optim.RMSprop(groups, lr=1.0)
        elif name == "nadam":
            optimizer = torch.optim.NAdam(groups, lr=1.0)
        else:
            kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
            optimizer = kind(groups, lr=1.0, fused=fused)
        if name != "sgd" or settings.momentum != 0.0:
            for slot in SLOTS[name]:
                state.slots.setdefault(slot, torch.zeros_like(state.weights))
        self._kept: list[dict[str, Tensor]] = []
        for piece, cut in zip(pieces, cuts, strict=True):
            kept = {slot: values[cut] for slot, values in state.slots.items()}
            if name != "sgd":
                on = device if name in ("adam", "adamw") and fused else torch.device("cpu")
                kept["step"] = torch.tensor(float(state.step), dtype=torch.float32, device=on)
            if name == "nadam":
                kept["mu_product"] = torch.tensor(state.mu_product, dtype=torch.float64)
            optimizer.state[piece] = kept
            self._kept.append(kept)
        self._optimizer, self._cuts = optimizer, cuts

    def begin(self, settings: StepSettings) -> None:
        """Take over settings and counters, before a chunk."""
        self._optimizer.param_groups[0]["weight_decay"] = settings.weight_decay
        for group in self._optimizer.param_groups[1:]:
            group["weight_decay"] = 0.0
        for group, kept, cut in zip(self._optimizer.param_groups, self._kept, self._cuts, strict=True):
            if settings.optimizer == "sgd":
                group["momentum"], group["nesterov"] = settings.momentum, settings.nesterov
                if settings.momentum != 0.0 and "momentum_buffer" not in kept:
                    buffer = self._state.slots.setdefault("momentum_buffer", torch.zeros_like(self._state.weights))
                    kept["momentum_buffer"] = buffer[cut]
            if "step" in kept:
                kept["step"].fill_(float(self._state.step))
            if "mu_product" in kept:
                kept["mu_product"].fill_(self._state.mu_product)

    def step(self, rate: float) -> None:
        """Change the weights by the gradient that is there."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._state.step += 1

    def end(self) -> None:
        """Hand the counters back, after a chunk."""
        if "mu_product" in self._kept[0]:
            self._state.mu_product = float(self._kept[0]["mu_product"])
