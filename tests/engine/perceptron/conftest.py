"""The same small trainings by every path and by torch's own modules, autograd and optimizers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from medilytica_widgets.engine.perceptron import compiler, plan_of
from medilytica_widgets.engine.perceptron.compiled import CompiledPath
from medilytica_widgets.engine.perceptron.written import WrittenPath
from medilytica_widgets.engine.stepping import SLOTS, FlatState, Objective, StepSettings
from medilytica_widgets.engine.torch_model import seed_dropout
from medilytica_widgets.network import Head, Layer, build

MASKS = 99
"""Seed of dropout's masks."""


@dataclass
class Case:
    """A training: network, data, loss and the settings of its steps."""

    layers: tuple[Layer, ...] = (Layer("linear", units=16, activation="relu"), Layer("linear", units=12))
    features: int = 6
    outputs: int = 3
    task: str = "classification"
    rows: int = 203
    rows_val: int = 61
    dtype: torch.dtype = torch.float64
    class_weights: Any = None
    smoothing: float = 0.0
    settings: StepSettings = field(default_factory=lambda: StepSettings(32))
    rate: float = 1e-2
    seed: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.head = Head(self.task)
        kind = np.dtype(str(self.dtype).removeprefix("torch."))
        X = rng.normal(size=(self.rows + self.rows_val, self.features)).astype(kind)
        if self.task == "classification":
            y = rng.integers(0, self.outputs, len(X))
            y[: self.rows] = np.where(X[: self.rows, 0] > 0.5, 0, y[: self.rows])
        else:
            y = (X[:, 0] * 2 + rng.normal(size=len(X))).astype(kind)
        self.data = X[: self.rows], y[: self.rows], X[self.rows :], y[self.rows :]
        n_classes = self.outputs if self.task == "classification" else 0
        self.objective = Objective(n_classes, self.class_weights, self.smoothing)

    def module(self) -> torch.nn.Sequential:
        return build(self.layers, self.features, self.head, self.outputs, seed=self.seed).to(self.dtype)

    def state(self) -> FlatState:
        weights = torch.cat([p.detach().reshape(-1) for p in self.module().parameters()])
        slots = {name: torch.zeros_like(weights) for name in SLOTS[self.settings.optimizer]}
        return FlatState(weights, torch.zeros_like(weights), slots)

    def path(self, name: str, waiting: np.ndarray | None = None) -> Any:
        plan = plan_of(self.layers, self.features, self.head, self.outputs)
        assert plan is not None
        state, masks = self.state(), torch.Generator().manual_seed(MASKS)
        if name == "written":
            made: Any = WrittenPath(plan, state, self.objective, *self.data, masks)
        else:
            if name == "compiled":
                compiler.compile_for(state.weights.numpy().dtype)
            made = CompiledPath(plan, state, self.objective, *self.data, masks, waiting=waiting, twin=name == "twin")
        made.state = state
        return made

    def orders(self, steps: int) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the orders of the epochs, and how many of each one's batches are wanted."""
        rng, per_epoch = np.random.default_rng(self.seed + 1), -(-self.rows // self.settings.batch_size)
        while steps > 0:
            yield rng.permutation(self.rows), min(steps, per_epoch)
            steps -= per_epoch

    def rates(self, steps: int) -> np.ndarray:
        return self.rate * (1.0 + 0.5 * np.sin(np.arange(steps)))


def run_path(path: Any, case: Case, steps: int, chunk: int = 7) -> list[tuple[float, float]]:
    """Carry out steps in chunks; return each epoch's sums of loss and hits."""
    rates, at, sums = case.rates(steps), 0, []
    for order, wanted in case.orders(steps):
        loss = hits = 0.0
        done, left = 0, wanted
        while left:
            batches = min(chunk, left)
            done, _, loss, hits = path.train(order, done, batches, rates[at:], case.settings, loss, hits)
            at, left = at + batches, left - batches
        sums.append((loss, hits))
    return sums


@contextlib.contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    """Within it NAdam keeps its product of momentum factors in this dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def reference(
    case: Case, steps: int, *, backwards: bool = False
) -> tuple[torch.nn.Sequential, list[tuple[float, float]]]:
    """Train torch's module with torch's optimizer; ``backwards`` takes the rows of each batch in reverse."""
    module, settings = case.module(), case.settings
    for layer, p in zip(seed_dropout(module, torch.Generator().manual_seed(MASKS)), settings.dropout, strict=True):
        layer.p = p
    X, y = torch.from_numpy(case.data[0]), torch.from_numpy(case.data[1])
    decay = {"lr": case.rate, "weight_decay": settings.weight_decay}
    parameters = list(module.parameters())
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
        "nadam": torch.optim.NAdam,
    }
    if settings.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            parameters, momentum=settings.momentum, nesterov=settings.nesterov, **decay
        )
    else:
        optimizer = kinds[settings.optimizer](parameters, **decay)
    rates, at, sums = case.rates(steps), 0, []
    with _default(case.dtype):
        for order, wanted in case.orders(steps):
            total = hits = 0.0
            for k in range(wanted):
                rows = order[k * settings.batch_size : (k + 1) * settings.batch_size]
                rows = torch.from_numpy(rows[::-1].copy() if backwards else rows)
                out = module(X[rows])
                loss = _loss(case, out, y[rows])
                optimizer.zero_grad()
                loss.backward()
                _finish(parameters, settings)
                for group in optimizer.param_groups:
                    group["lr"] = rates[at]
                optimizer.step()
                total += loss.item() * len(rows)
                hits += _hits(case, out, y[rows])
                at += 1
            sums.append((total, hits))
    return module, sums


def _loss(case: Case, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if case.task == "regression":
        return torch.nn.functional.mse_loss(out[:, 0], y)
    weight = None if case.class_weights is None else torch.from_numpy(case.class_weights).to(case.dtype)
    return torch.nn.functional.cross_entropy(out, y, weight=weight, label_smoothing=case.smoothing)


def _hits(case: Case, out: torch.Tensor, y: torch.Tensor) -> float:
    if case.task == "regression":
        return float((out.detach()[:, 0] - y).abs().sum())
    return float((out.argmax(1) == y).sum())


def _finish(parameters: list[torch.nn.Parameter], settings: StepSettings) -> None:
    for parameter in parameters:
        assert parameter.grad is not None
        if parameter.dim() > 1:
            parameter.grad += 2 * settings.l2 * parameter.detach() + settings.l1 * parameter.detach().sign()
    if settings.clip_value is not None:
        torch.nn.utils.clip_grad_value_(parameters, settings.clip_value)
    if settings.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)


def flat(module: torch.nn.Module) -> np.ndarray:
    """Return a module's weights in one array."""
    return torch.cat([p.detach().reshape(-1) for p in module.parameters()]).numpy()


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread() -> Iterator[None]:
    """These networks are so small that a second thread would only wait."""
    torch.get_num_threads()
    with threadpool_limits(limits=1, user_api="openmp"):
        yield


@pytest.fixture(scope="session")
def case() -> type[Case]:
    return Case


@pytest.fixture(scope="session")
def train_path() -> Callable[..., list[tuple[float, float]]]:
    return run_path


@pytest.fixture(scope="session")
def train_reference() -> Callable[..., tuple[torch.nn.Sequential, list[tuple[float, float]]]]:
    return reference


@pytest.fixture(scope="session")
def flatten() -> Callable[[torch.nn.Module], np.ndarray]:
    return flat


@pytest.fixture(scope="session")
def evaluate_reference() -> Callable[..., tuple[float, float]]:
    def evaluate(case: Case, module: torch.nn.Module, start: int, end: int) -> tuple[float, float]:
        X, y = torch.from_numpy(case.data[2])[start:end], torch.from_numpy(case.data[3])[start:end]
        with torch.no_grad():
            out = module.eval()(X)
            return float(_loss(case, out, y)) * len(X), _hits(case, out, y)

    return evaluate
