"""The written-out path: torch without autograd, every result in a buffer that is there already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError, StateError
from ..flat import adjust
from ..flat_optimizer import FlatOptimizer
from ..stepping import FlatState, Objective, StepSettings, Totals
from .plan import Plan, Stage

_aten = torch.ops.aten

# in place on the sums; silu and gelu keep the sums, which their derivatives need
_FORWARD: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "relu": lambda z, h: torch.relu_(z),
    "leaky_relu": lambda z, h: torch.nn.functional.leaky_relu_(z, 0.01),
    "tanh": lambda z, h: z.tanh_(),
    "sigmoid": lambda z, h: z.sigmoid_(),
    "elu": lambda z, h: torch.nn.functional.elu_(z),
    "silu": lambda z, h: _aten.silu.out(z, out=h),
    "gelu": lambda z, h: _aten.gelu.out(z, out=h),
}
_KEEPS_SUMS = ("silu", "gelu")
# the gradient in place; ``h`` is the activation's result, or the sums for those that keep them
_BACKWARD: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "relu": lambda g, h: _aten.threshold_backward.grad_input(g, h, 0, grad_input=g),
    "leaky_relu": lambda g, h: _aten.leaky_relu_backward.grad_input(g, h, 0.01, True, grad_input=g),
    "tanh": lambda g, h: _aten.tanh_backward.grad_input(g, h, grad_input=g),
    "sigmoid": lambda g, h: _aten.sigmoid_backward.grad_input(g, h, grad_input=g),
    "elu": lambda g, h: _aten.elu_backward.grad_input(g, 1.0, 1.0, 1.0, True, h, grad_input=g),
    "silu": lambda g, h: _aten.silu_backward.grad_input(g, h, grad_input=g),
    "gelu": lambda g, h: _aten.gelu_backward.grad_input(g, h, grad_input=g),
}


class _Node:
    """A stage with its views of weights and gradient, and its buffers."""

    def __init__(self, stage: Stage, state: FlatState) -> None:
        self.stage = stage
        self.sums = self.values = self.flow = self.source = torch.empty(0)
        if stage.kind == "linear":
            end = stage.bias + stage.outputs
            shape = (stage.outputs, stage.inputs)
            self.weight = state.weights[stage.weight : stage.bias].view(shape)
            self.bias = state.weights[stage.bias : end]
            self.weight_gradient = state.gradient[stage.weight : stage.bias].view(shape)
            self.bias_gradient = state.gradient[stage.bias : end]
            self.transposed = self.weight.t()


class WrittenPath:
    """Trains a plain perceptron with torch's products, see `medilytica_widgets.engine.stepping.Path`.

    Parameters
    ----------
    plan : Plan
    state : FlatState
        On any device; buffers and data go there too.
    objective : Objective
    X, X_val : ndarray or Tensor of shape (n, n_features)
        In the weights' dtype.
    y, y_val : ndarray or Tensor of shape (n,)
        Classes as int64, or numbers in the weights' dtype.
    generator : torch.Generator, optional
        On the same device; draws dropout's masks.
    threads : int
        Recorded only; the caller sets them.

    Raises
    ------
    InputError
        If the weights are not those of the plan.
    """

    name = "written"

    def __init__(
        self,
        plan: Plan,
        state: FlatState,
        objective: Objective,
        X: NDArray[Any] | Tensor,
        y: NDArray[Any] | Tensor,
        X_val: NDArray[Any] | Tensor,
        y_val: NDArray[Any] | Tensor,
        generator: torch.Generator | None = None,
        *,
        threads: int = 1,
    ) -> None:
        if state.weights.numel() != plan.size:
            raise InputError(
                f"The weights are {state.weights.numel()} values and the network has {plan.size}; build it again."
            )
        self.threads = threads
        self._state, self._objective, self._generator = state, objective, generator
        self._device, self._dtype = state.weights.device, state.weights.dtype
        self._X, self._y, self._X_val, self._y_val = (
            torch.as_tensor(values, device=self._device) for values in (X, y, X_val, y_val)
        )
        self._nodes = [_Node(stage, state) for stage in plan.stages]
        linear = [node for node in self._nodes if node.stage.kind == "linear"]
        self._matrices = [(node.weight, node.weight_gradient) for node in linear]
        self._first = next(k for k, stage in enumerate(plan.stages) if stage.kind == "linear")
        given = objective.class_weights
        self._class_weights = None if given is None else torch.as_tensor(given).to(self._device, self._dtype)
        self._weight_total = float(objective.n_classes if given is None else np.asarray(given, np.float64).sum())
        self._rows = self._outputs = self._marks = torch.empty(0)
        self._features, self._capacity = plan.n_features, 0
        self._optimizer: FlatOptimizer | None = None
        self._order: tuple[NDArray[np.int64], Tensor] | None = None
        # MPS has no float64
        wide = torch.float32 if self._device.type == "mps" else torch.float64
        self._totals = torch.zeros(2, dtype=wide, device=self._device)

    @torch.no_grad()
    def train(
        self,
        order: NDArray[np.int64],
        start: int,
        batches: int,
        rates: NDArray[np.float64],
        settings: StepSettings,
        loss: float = 0.0,
        hits: float = 0.0,
    ) -> Totals:
        """Carry out steps without waiting for the device until the last is asked for its sums."""
        n, size, done = len(order), settings.batch_size, start
        if self._generator is None and any(settings.dropout):
            raise StateError("Dropout needs a generator for its masks; give the path one.")
        self._reserve(min(size, n))
        if self._order is None or self._order[0] is not order:
            self._order = (order, torch.from_numpy(np.require(order, np.int64, "W")).to(self._device))
        here, totals = self._order[1], self._totals
        totals[0], totals[1] = loss, hits
        optimizer = self._optimizer = self._optimizer or FlatOptimizer(self._state, settings)
        optimizer.begin(settings)
        for k in range(min(batches, len(rates))):
            if done >= n:
                break
            end = min(done + size, n)
            count = end - done
            rows = here[done:end]
            x = torch.index_select(self._X, 0, rows, out=self._rows[:count])
            y = self._y.index_select(0, rows)
            out = self._forward(x, settings.dropout)
            mean, right = self._loss(out, y, self._nodes[-1].flow[:count])
            totals[0].add_(mean, alpha=count)
            totals[1].add_(right)
            self._backward(x)
            adjust(self._matrices, self._state.gradient, settings)
            optimizer.step(float(rates[k]))
            done = end
        optimizer.end()
        sums = totals.tolist()
        return Totals(done, done - start, sums[0], sums[1])

    @torch.no_grad()
    def evaluate(self, start: int, end: int) -> tuple[float, float]:
        """Return the sums of loss and hits over some validation rows, in evaluation mode."""
        x, y = self._X_val[start:end], self._y_val[start:end]
        if len(x) == 0:
            return 0.0, 0.0
        self._reserve(len(x))
        out = self._forward(x, None)
        mean, right = self._loss(out, y, self._nodes[-1].flow[: len(x)])
        mean_value, right_value = torch.stack((mean.to(self._totals), right.to(self._totals))).tolist()
        return mean_value * len(x), right_value

    # -- one step

    def _reserve(self, rows: int) -> None:
        """Make the buffers large enough for a batch."""
        if rows <= self._capacity:
            return
        self._capacity = rows

        def room(width: int) -> Tensor:
            return torch.empty((rows, width), dtype=self._dtype, device=self._device)

        self._rows = room(self._features)
        for node in self._nodes:
            node.sums, node.flow = room(node.stage.outputs), room(node.stage.outputs)
            node.values = room(node.stage.outputs) if node.stage.activation in _KEEPS_SUMS else node.sums

    def _forward(self, x: Tensor, dropout: tuple[float, ...] | None) -> Tensor:
        """Return the outputs; without ``dropout`` in evaluation mode."""
        rows = len(x)
        for node in self._nodes:
            stage = node.stage
            if stage.kind == "dropout":
                p = dropout[stage.dropout] if dropout is not None else 0.0
                node.flow = node.flow[:0] if p == 0.0 else torch.empty_like(x)
                if p != 0.0:
                    # what goes back through dropout is multiplied by the same mask
                    mask = node.flow.bernoulli_(1.0 - p, generator=self._generator).div_(1.0 - p)
                    x = torch.mul(x, mask, out=node.values[:rows])
                continue
            node.source = x
            sums = torch.addmm(node.bias, x, node.transposed, out=node.sums[:rows])
            x = node.values[:rows]
            if stage.activation != "none":
                _FORWARD[stage.activation](sums, x)
        return x

    def _loss(self, out: Tensor, y: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean loss and hits, and leave the gradient of the outputs in ``flow``."""
        n, classes = len(out), self._objective.n_classes
        if not classes:
            error = out[:, 0] - y
            flow.zero_()
            torch.mul(error, 2.0 / n, out=flow[:, 0])
            return error.square().mean(), error.abs().sum(dtype=self._totals.dtype)
        smoothing, weights = self._objective.label_smoothing, self._class_weights
        logs = torch.log_softmax(out, 1)
        column = y.unsqueeze(1)
        picked = logs.gather(1, column)
        torch.exp(logs, out=flow)
        share = smoothing / classes
        if weights is None:
            mean = -(1.0 - smoothing) / n * picked.sum()
            flow.mul_(1.0 / n)
            part = torch.full_like(picked, -(1.0 - smoothing) / n)
            if smoothing:
                flow.sub_(share / n)
                mean = mean - share / n * logs.sum()
        else:
            own = weights[y].unsqueeze(1)
            over = own.sum()
            mean = -(1.0 - smoothing) * (picked * own).sum() / over
            part = own * ((smoothing - 1.0) / over)
            flow.mul_(-part + share * self._weight_total / over)
            if smoothing:
                flow.sub_(weights * (share / over))
                mean = mean - share * (logs * weights).sum() / over
        flow.scatter_add_(1, column, part)
        return mean, (out.argmax(1) == y).sum()

    def _backward(self, x: Tensor) -> None:
        """Turn the gradient of the outputs into that of the weights."""
        rows = len(x)
        flow = self._nodes[-1].flow[:rows]
        for k in range(len(self._nodes) - 1, self._first - 1, -1):
            node = self._nodes[k]
            if node.stage.kind == "dropout":
                if len(node.flow):
                    flow.mul_(node.flow)
                continue
            activation = node.stage.activation
            if activation != "none":
                _BACKWARD[activation](flow, node.sums[:rows])
            torch.mm(flow.t(), node.source, out=node.weight_gradient)
            torch.sum(flow, 0, out=node.bias_gradient)
            if k > self._first:
                below = next(n for n in self._nodes[k - 1 :: -1] if n.stage.kind == "linear")
                flow = torch.mm(flow, node.weight, out=below.flow[:rows])
