"""Each option of the perceptron's script against the documented formulas, written out in numpy.

The network is softmax or linear regression, so that its gradient fits into three lines of float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from medilytica_widgets import algorithms
from medilytica_widgets.algorithms import Plateau, balanced_weights, rate_factors
from medilytica_widgets.network import Head, build

pytestmark = pytest.mark.filterwarnings("error")

Floats = NDArray[np.float64]
CLASSES = 4
SEED = 3


def _tables(task: str) -> dict[str, Any]:
    """Return three unequal classes, a fourth without a training row, or numbers; 54, 18 and 18 rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3)).astype(np.float32)
    y: NDArray[Any] = np.digitize(x[:, 0] + 0.3 * rng.normal(size=90), [-0.8, 0.9])
    y[60:62] = 3
    if task == "regression":
        y = (1000 + 50 * x[:, 0] + 20 * x[:, 1] ** 2).astype(np.float32)
    names: dict[str, Any] = {}
    for name, part in zip(("train", "validation", "test"), np.split(np.arange(90), [54, 72]), strict=True):
        names[f"X_{name}"], names[f"y_{name}"] = x[part], y[part]
    return names


def _script(values: dict[str, Any], task: str) -> Floats:
    """Run the script; return probabilities, or predictions."""
    classes = CLASSES if task == "classification" else 1
    names = _tables(task)
    lines = algorithms.get("mlp").code(values, task, SEED, n_features=3, n_classes=classes)
    with torch.random.fork_rng():
        exec("\n".join(lines), names)
    return np.asarray(names["probabilities" if task == "classification" else "predicted"])


class ByHand:
    """The same training in float64: every formula from its paper or torch's documentation, nothing from torch."""

    def __init__(self, values: dict[str, Any], task: str) -> None:
        self.v = algorithms.validate("mlp", values, task)
        self.task, tables = task, _tables(task)
        classes = CLASSES if task == "classification" else 1
        start = build([], 3, Head(task), classes, seed=SEED)
        self.p = [p.detach().numpy().astype(np.float64) for p in start.parameters()]
        self.x, self.x_val, self.x_test = (
            tables[f"X_{part}"].astype(np.float64) for part in ("train", "validation", "test")
        )
        y, y_val = tables["y_train"], tables["y_validation"]
        if task == "classification":
            # the targets as distributions, smoothed, and each row's weight
            self.weights = np.ones(classes)
            if self.v["class_weight"] == "balanced":
                self.weights[:3] = compute_class_weight("balanced", classes=np.arange(3), y=y)
            part = self.v["label_smoothing"]
            self.t, self.t_val = ((1 - part) * np.eye(classes)[of] + part / classes for of in (y, y_val))
            self.w, self.w_val = self.weights[y], self.weights[y_val]
        else:
            self.mean, self.std = y.astype(np.float64).mean(), y.astype(np.float64).std()
            self.t, self.t_val = ((of.astype(np.float64)[:, None] - self.mean) / self.std for of in (y, y_val))
            self.w, self.w_val = np.ones(len(y)), np.ones(len(y_val))
        self.kept: dict[str, list[Floats]] = {}
        self.steps, self.product = 0, 1.0

    def outputs(self, x: Floats) -> Floats:
        out = x @ self.p[0].T + self.p[1]
        if self.task == "regression":
            return np.asarray(out)
        powers = np.exp(out)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def validation_loss(self) -> float:
        out = self.outputs(self.x_val)
        if self.task == "regression":
            return float(((out - self.t_val) ** 2).mean())
        # of class c, -w_c log p_c counts by its part of the target; the mean is over the rows' own weights
        return float(-(self.weights * self.t_val * np.log(out)).sum() / self.w_val.sum())

    def gradient(self, rows: NDArray[np.int64]) -> list[Floats]:
        out, t = self.outputs(self.x[rows]), self.t[rows]
        if self.task == "regression":
            error = 2 * (out - t) / len(rows)
        else:
            weighted = self.weights * t
            error = (out * weighted.sum(axis=1, keepdims=True) - weighted) / self.w[rows].sum()
        slope = error.T @ self.x[rows] + self.v["l1"] * np.sign(self.p[0]) + 2 * self.v["l2"] * self.p[0]
        found = [slope, error.sum(axis=0)]
        if (limit := self.v["clip_value"]) is not None:
            found = [np.clip(g, -limit, limit) for g in found]
        if (limit := self.v["clip_norm"]) is not None:
            norm = np.sqrt(sum(float((g**2).sum()) for g in found))
            found = [g * min(1.0, limit / (norm + 1e-6)) for g in found]
        return found

    def slot(self, name: str, new: Callable[[Floats, Floats], Floats], gradients: list[Floats]) -> list[Floats]:
        old = self.kept.get(name) or [np.zeros_like(g) for g in gradients]
        self.kept[name] = [new(o, g) for o, g in zip(old, gradients, strict=True)]
        return self.kept[name]

    def step(self, gradients: list[Floats], rate: float) -> None:
        v, name, decay = self.v, self.v["optimizer"], self.v["weight_decay"]
        self.steps += 1
        if name == "adamw":
            self.p = [p * (1 - rate * decay) for p in self.p]
        else:
            gradients = [g + decay * p for g, p in zip(gradients, self.p, strict=True)]
        if name == "sgd":
            moves = self.slot("v", lambda o, g: v["momentum"] * o + g, gradients)
            if v["nesterov"]:
                moves = [g + v["momentum"] * m for g, m in zip(gradients, moves, strict=True)]
        elif name == "rmsprop":
            squares = self.slot("s", lambda o, g: 0.99 * o + 0.01 * g * g, gradients)
            moves = [g / (np.sqrt(s) + 1e-8) for g, s in zip(gradients, squares, strict=True)]
        else:
            n = self.steps
            means = self.slot("m", lambda o, g: 0.9 * o + 0.1 * g, gradients)
            squares = self.slot("s", lambda o, g: 0.999 * o + 0.001 * g * g, gradients)
            roots = [np.sqrt(s / (1 - 0.999**n)) + 1e-8 for s in squares]
            if name == "nadam":
                now, coming = (0.9 * (1 - 0.5 * 0.96 ** (k * 0.004)) for k in (n, n + 1))
                self.product *= now
                means = [
                    (1 - now) / (1 - self.product) * g + coming / (1 - self.product * coming) * m
                    for g, m in zip(gradients, means, strict=True)
                ]
            else:
                means = [m / (1 - 0.9**n) for m in means]
            moves = [m / r for m, r in zip(means, roots, strict=True)]
        self.p = [p - rate * move for p, move in zip(self.p, moves, strict=True)]

    def train(self) -> Floats:
        v, n = self.v, len(self.x)
        generator = torch.Generator().manual_seed(SEED + 1)
        plateau, size = Plateau(v["plateau_patience"]), v["batch_size"] * v["accumulation"]
        for epoch in range(v["epochs"]):
            order = torch.randperm(n, generator=generator).numpy()
            starts = np.arange(0, n, size)
            factors = rate_factors(v["schedule"], epoch, v["epochs"], starts / n, v["warmup"])
            for start, factor in zip(starts, factors, strict=True):
                rate = v["learning_rate"] * factor * plateau.factor
                self.step(self.gradient(order[start : start + size]), rate)
            if v["schedule"] == "plateau":
                plateau.saw(self.validation_loss())
        out = self.outputs(self.x_test)
        return out if self.task == "classification" else out[:, 0] * self.std + self.mean


BASE = {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.8, "epochs": 7, "batch_size": 16}
PULLED = {"l1": 0.02, "l2": 0.03, "weight_decay": 0.05}
OPTIONS: dict[str, dict[str, Any]] = {
    **{f"{name} schedule": {"schedule": name, **PULLED, "clip_norm": 0.2} for name in algorithms.SCHEDULES},
    **{
        f"{name} optimizer": {"optimizer": name, "learning_rate": 0.02, **PULLED}
        for name in algorithms.parameters("mlp")["optimizer"].choices
    },
    "nesterov": {"nesterov": True, **PULLED},
    "plateau that halves": {"schedule": "plateau", "plateau_patience": 1, "learning_rate": 1.5, "epochs": 12},
    "plateau after warm-up": {"schedule": "plateau", "plateau_patience": 2, "learning_rate": 1.5, "warmup": 1.3},
    "warm-up": {"warmup": 2.5},
    "warm-up longer than the run": {"warmup": 100.0},
    "warm-up of a schedule": {"warmup": 2.5, "schedule": "cosine"},
    "warm-up of one cycle": {"warmup": 1.5, "schedule": "one_cycle"},
    "clip value": {"clip_value": 0.03, **PULLED},
    "clip both": {"clip_value": 0.05, "clip_norm": 0.08, **PULLED},
    "accumulation": {"accumulation": 2, **PULLED},
    "accumulation of more than there is": {"accumulation": 50, "clip_norm": 0.1, **PULLED},
    "accumulation and one cycle": {"accumulation": 3, "batch_size": 5, "schedule": "one_cycle"},
}
OF_CLASSES: dict[str, dict[str, Any]] = {
    "balanced": {"class_weight": "balanced"},
    "smoothing": {"label_smoothing": 0.2},
    "both": {"class_weight": "balanced", "label_smoothing": 0.3},
    "both in parts": {"class_weight": "balanced", "label_smoothing": 0.3, "accumulation": 2, **PULLED},
    "both on a plateau": {
        "class_weight": "balanced", "label_smoothing": 0.1, "schedule": "plateau", "plateau_patience": 1,
        "learning_rate": 1.5, "epochs": 12,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", [*OPTIONS, *OF_CLASSES])
def test_classification_is_as_documented(name: str) -> None:
    values = {**BASE, **(OPTIONS | OF_CLASSES)[name]}
    found = _script(values, "classification")
    np.testing.assert_allclose(found, ByHand(values, "classification").train(), atol=5e-6)
    # an option that changed nothing would pass by itself
    if values != BASE and name not in ("constant schedule", "sgd optimizer"):
        assert np.abs(found - _script(BASE, "classification")).max() > 1e-4


@pytest.mark.parametrize("name", OPTIONS)
def test_regression_is_as_documented(name: str) -> None:
    # a step of 1.5 would blow up a squared loss
    values = {**BASE, **OPTIONS[name]}
    values["learning_rate"] = min(values["learning_rate"], 0.3)
    expected = ByHand(values, "regression").train()
    np.testing.assert_allclose(_script(values, "regression"), expected, rtol=2e-6)


def test_the_plateau_cases_do_halve() -> None:
    for name in ("plateau that halves", "both on a plateau"):
        values = {**BASE, **(OPTIONS | OF_CLASSES)[name]}
        never = {**values, "plateau_patience": 1000}
        found, other = _script(values, "classification"), _script(never, "classification")
        assert np.abs(found - other).max() > 1e-3, name


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 9),
    st.integers(2, 9),
    st.sampled_from(["sgd", "adam"]),
    st.sampled_from([{}, *OF_CLASSES.values()]),
    st.sampled_from([{}, PULLED, {"schedule": "one_cycle", "warmup": 1.5}]),
)
def test_k_batches_of_b_rows_are_one_batch_of_k_times_b(
    rows: int, batches: int, optimizer: str, of_classes: dict[str, Any], more: dict[str, Any]
) -> None:
    values = {**BASE, **of_classes, **more, "optimizer": optimizer, "learning_rate": 0.02, "epochs": 3}
    parts = _script({**values, "batch_size": rows, "accumulation": batches}, "classification")
    whole = _script({**values, "batch_size": rows * batches, "accumulation": 1}, "classification")
    np.testing.assert_allclose(parts, whole, atol=2e-5)


def _bfloat16_softmax(values: dict[str, Any]) -> Floats:
    """Return the probabilities after training with rounding written out: products in bfloat16, all else in float32."""
    tables = _tables("classification")
    x, y = torch.as_tensor(tables["X_train"]), torch.as_tensor(tables["y_train"])
    weight, bias = (
        p.detach().requires_grad_() for p in build([], 3, Head("classification"), CLASSES, SEED).parameters()
    )
    generator = torch.Generator().manual_seed(SEED + 1)
    for _ in range(values["epochs"]):
        for rows in torch.randperm(len(x), generator=generator).split(values["batch_size"]):
            out = functional.linear(x[rows].bfloat16(), weight.bfloat16(), bias.bfloat16())
            loss = functional.cross_entropy(out.float(), y[rows])
            for p, g in zip((weight, bias), torch.autograd.grad(loss, (weight, bias)), strict=True):
                p.data -= values["learning_rate"] * g
    with torch.no_grad():
        return functional.linear(torch.as_tensor(tables["X_test"]), weight, bias).double().softmax(1).numpy()


def test_mixed_precision_rounds_products_to_bfloat16_and_nothing_else() -> None:
    values = {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0, "epochs": 5, "batch_size": 16}
    mixed = _script({**values, "precision": "mixed"}, "classification")
    np.testing.assert_allclose(mixed, _bfloat16_softmax(values), atol=1e-6)
    full = _script({**values, "precision": "float32"}, "classification")
    assert 1e-5 < np.abs(mixed - full).max() < 2e-2
    assert np.array_equal(_script({**values, "precision": "auto"}, "classification"), full)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(7, 9))
def test_balanced_weights_are_scikit_learns_and_1_where_a_class_has_no_row(labels: list[int], classes: int) -> None:
    y = np.asarray(labels)
    found = balanced_weights(y, classes)
    present = np.unique(y)
    expected = np.ones(classes)
    expected[present] = compute_class_weight("balanced", classes=present, y=y)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    assert found[y].mean() == pytest.approx(1.0, rel=1e-5)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
def test_the_script_weighs_the_classes_to_the_last_bit(labels: list[int]) -> None:
    lines = algorithms.get("mlp").code(
        {"class_weight": "balanced"}, "classification", 0, n_features=3, n_classes=8
    )  # fmt: skip
    start = next(i for i, line in enumerate(lines) if line.startswith("counts = "))
    names: dict[str, Any] = {"torch": torch, "targets": torch.tensor(labels)}
    exec("\n".join(lines[start : start + 3]), names)
    np.testing.assert_array_equal(names["class_weights"].numpy(), balanced_weights(np.asarray(labels), 8))
