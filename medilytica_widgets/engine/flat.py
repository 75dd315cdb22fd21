"""A network whose trainable parameters, gradients and optimizer values each lie in one flat buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..algorithms.own import options_of, own_optimizer
from .held import copied, finite
from .own_optimizer import OwnOptimizer
from .stepping import SLOTS, FlatState, StepSettings


@dataclass(frozen=True)
class Span:
    """Where a parameter lies in the flat buffer."""

    name: str
    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    def of(self, flat: Tensor) -> Tensor:
        """Return the parameter as a view of a flat buffer."""
        return flat[self.start : self.start + self.size].view(self.shape)


class FlatModel:
    """Binds a module's parameters to one buffer: the optimizer then needs one call, and all paths see the same values.

    Parameters
    ----------
    module : nn.Module
        On its device. Its trainable parameters become views of `state`.
    optimizer : str
        An id of `medilytica_widgets.engine.stepping.SLOTS`.
    momentum : float
        At 0, sgd keeps nothing for the weights.
    values : mapping, optional
        All hyperparameters, for the arguments of a registered optimizer.

    Attributes
    ----------
    own : OwnOptimizer or None
        The optimizer that somebody registered, where it is one.
    """

    def __init__(
        self, module: nn.Module, optimizer: str, momentum: float, values: Mapping[str, Any] | None = None
    ) -> None:
        self.module = module
        trainable = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        spans, start = [], 0
        for name, parameter in trainable:
            spans.append(Span(name, start, tuple(parameter.shape)))
            start += parameter.numel()
        self.spans = tuple(spans)
        weights = torch.cat([p.detach().reshape(-1) for _, p in trainable])
        gradient = torch.zeros_like(weights)
        entry = own_optimizer(optimizer)
        slots = () if entry is not None or optimizer == "sgd" and momentum == 0.0 else SLOTS[optimizer]
        self.state = FlatState(weights, gradient, {name: torch.zeros_like(weights) for name in slots})
        for span, (_, parameter) in zip(spans, trainable, strict=True):
            parameter.data = span.of(weights)
            parameter.grad = span.of(gradient)
        self.own = None
        if entry is not None:
            places = [(parameter, span.start) for span, (_, parameter) in zip(spans, trainable, strict=True)]
            self.own = OwnOptimizer(entry, options_of(entry, values or {}), self.state, places)
        # such as batch normalisation's running statistics, which layers change in place; and what is frozen
        self.buffers: dict[str, Tensor] = dict(module.named_buffers())
        self.buffers |= {name: p.data for name, p in module.named_parameters() if not p.requires_grad}
        self.on_cpu = weights.device.type == "cpu"

    def bind_gradients(self) -> None:
        """Make the parameters' gradients views of the flat buffer again, after something else had replaced them."""
        trainable = (p for p in self.module.parameters() if p.requires_grad)
        for span, parameter in zip(self.spans, trainable, strict=True):
            parameter.grad = span.of(self.state.gradient)

    def copy(self) -> Weights:
        """Return the weights and buffers as they are, copied."""
        flat = self.state.weights
        own = torch.from_numpy(copied(flat.numpy())) if self.on_cpu else flat.clone()
        return Weights(own, self.spans, {name: b.detach().clone() for name, b in self.buffers.items()})

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put values into the parameters and buffers, by name."""
        with torch.no_grad():
            for span in self.spans:
                span.of(self.state.weights).copy_(weights[span.name])
            for name, buffer in self.buffers.items():
                buffer.copy_(weights[name])


def adjust(matrices: Sequence[tuple[Tensor, Tensor]], gradient: Tensor, settings: StepSettings) -> None:
    """Add the penalties' gradients, then clip; see `medilytica_widgets.engine.stepping.StepSettings`.

    The penalties' values are not part of the reported loss.

    Parameters
    ----------
    matrices : sequence of (Tensor, Tensor)
        The parameters with more than one dimension and their gradients, views of the flat buffers.
    gradient : Tensor
        All of it, changed in place.
    settings : StepSettings
    """
    if settings.l1 or settings.l2:
        for weight, own in matrices:
            if settings.l2:
                own.add_(weight, alpha=2.0 * settings.l2)
            if settings.l1:
                own.add_(weight.sign(), alpha=settings.l1)
    if settings.clip_value is not None:
        gradient.clamp_(-settings.clip_value, settings.clip_value)
    if settings.clip_norm is not None:
        # as torch.nn.utils.clip_grad_norm_, without its passes over single tensors
        factor = settings.clip_norm / (torch.linalg.vector_norm(gradient) + 1e-6)
        gradient.mul_(factor.clamp_(max=1.0))


@dataclass(frozen=True)
class Weights:
    """A copy of a network's values, cut into tensors only when somebody asks."""

    flat: Tensor
    spans: tuple[Span, ...]
    buffers: dict[str, Tensor]

    def named(self) -> dict[str, Tensor]:
        """Return parameters and buffers by name, as ``module.state_dict()`` has them."""
        return {**{span.name: span.of(self.flat) for span in self.spans}, **self.buffers}

    def finite(self) -> bool:
        """Whether every value is a number."""
        flat = self.flat
        sound = finite(flat.numpy()) if flat.device.type == "cpu" else bool(flat.isfinite().all())
        return sound and all(bool(b.isfinite().all()) for b in self.buffers.values() if b.is_floating_point())
