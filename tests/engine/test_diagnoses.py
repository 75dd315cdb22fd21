"""Diagnoses: healthy trainings raise no warning, and each sick one raises the right one."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from medilytica_widgets.data import load_dataset, prepare, split
from medilytica_widgets.engine.activations import collect_activations, stuck_shares
from medilytica_widgets.engine.ailments import Diagnosis, LayerNote, Watch, layer_notes, prior_loss
from medilytica_widgets.engine.diagnoses import Doctor
from medilytica_widgets.engine.weight_sheet import COLUMNS, Layout, WeightSheet, sheet
from medilytica_widgets.errors import InputError
from medilytica_widgets.network import Head, Layer, build

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9),
}
TOO_LARGE = {"diverging_loss", "exploding_gradients", "large_updates"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small layers gain nothing from several threads, which would spin where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def mlp(*units: int, activation: str = "relu") -> list[Layer]:
    return [Layer("linear", units=n, activation=activation) for n in units]


@cache
def table(name: str) -> tuple[list[np.ndarray], int]:
    """Return the training and validation rows and targets of a built-in table, and its classes."""
    data = load_dataset(name)
    made = prepare(data, split(data))
    y, y_val = made.y_train, made.y_validation
    if not made.classes:
        y, y_val = ((part - made.y_train.mean()) / made.y_train.std() for part in (y, y_val))
    return [made.X_train, y, made.X_validation, y_val], len(made.classes)


def train(
    data: tuple[list[np.ndarray], int],
    layers: list[Layer],
    *,
    optimizer: str = "adam",
    learning_rate: float = 1e-3,
    epochs: int = 25,
    batch_size: int = 32,
    every: int = 10,
    spoil: Callable[[nn.Sequential], None] = lambda model: None,
    rates: Mapping[int, float] | None = None,
    **settings: Any,
) -> list[Diagnosis]:
    """Train by the textbook loop, a sheet every few batches and a row every epoch; return all diagnoses."""
    (X, y, X_val, y_val), classes = data[0], data[1]
    model = build(layers, X.shape[1], Head("classification" if classes else "regression"), classes or 1, seed=0)
    spoil(model)
    parameters = list(model.parameters())
    layout = Layout([name for name, _ in model.named_parameters()], [p.shape for p in parameters])
    steps = OPTIMIZERS[optimizer](parameters, lr=learning_rate)
    doctor = Doctor(layer_notes(layers, X.shape[1], classes or 1), prior_loss=prior_loss(y, classes))
    X, X_val = torch.tensor(X), torch.tensor(X_val)
    kind = torch.int64 if classes else torch.float32
    y, y_val = torch.tensor(y, dtype=kind), torch.tensor(y_val, dtype=kind)
    order, step, found = torch.Generator().manual_seed(1), 0, []

    def loss_of(rows: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        out = model(rows)
        return functional.cross_entropy(out, target) if classes else functional.mse_loss(out[:, 0], target)

    def flat(tensors: list[torch.Tensor]) -> np.ndarray:
        return torch.cat([t.detach().reshape(-1) for t in tensors]).numpy()

    for epoch in range(epochs):
        if rates and epoch in rates:
            learning_rate = steps.param_groups[0]["lr"] = rates[epoch]
        values = {"learning_rate": learning_rate, "optimizer": optimizer, "batch_size": batch_size} | settings
        total = 0.0
        for rows in torch.randperm(len(X), generator=order).split(batch_size):
            loss = loss_of(X[rows], y[rows])
            steps.zero_grad()
            loss.backward()
            before = flat(parameters)
            steps.step()
            step += 1
            total += loss.item() * len(rows)
            if step % every == 0:
                stuck = stuck_shares(collect_activations(model, X[:256]), len(parameters))
                gradient = flat([p.grad for p in parameters if p.grad is not None])
                found += doctor.sheet(sheet(layout, flat(parameters), gradient, before, stuck, step=step), values)
        model.eval()
        with torch.no_grad():
            val_loss = loss_of(X_val, y_val).item()
        model.train()
        row = {"epoch": epoch + 1.0, "train_loss": total / len(X), "val_loss": val_loss, "learning_rate": learning_rate}
        found += doctor.row(row, values)
        if not math.isfinite(total):
            break
    return found


def warnings(found: list[Diagnosis]) -> set[str]:
    return {d.kind for d in found if d.level != "info"}


# -- healthy


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("name", ["iris", "breast_cancer", "moons", "diabetes", "wine"])
def test_a_healthy_training_raises_no_warning(name: str, optimizer: str) -> None:
    rate = 1e-2 if optimizer == "sgd" else 1e-3
    for layers in (
        mlp(16),
        mlp(64, 64),
        mlp(32, 32, 32, 32),
        mlp(32, 32, activation="tanh"),
        mlp(16, activation="gelu"),
    ):
        found = train(table(name), layers, optimizer=optimizer, learning_rate=rate)
        assert not warnings(found), (len(layers), found)


@pytest.mark.parametrize("rate", [1e-3, 1e-2])
def test_a_healthy_training_on_a_larger_table_raises_no_warning(rate: float) -> None:
    found = train(table("kepler"), mlp(64, 64), learning_rate=rate, batch_size=64, epochs=6, every=50)
    assert found == []


@pytest.mark.parametrize("layer", [Layer("batch_norm"), Layer("layer_norm"), Layer("dropout", p=0.3)])
def test_normalisation_and_dropout_are_healthy(layer: Layer) -> None:
    layers = [Layer("linear", units=32, activation="none"), layer, Layer("activation", name="relu"), *mlp(16)]
    assert not warnings(train(table("breast_cancer"), layers, epochs=15))


# -- sick


def test_twenty_sigmoid_layers_let_the_gradient_vanish() -> None:
    found = train(table("breast_cancer"), mlp(*[16] * 20, activation="sigmoid"))
    assert [d.kind for d in found] == ["vanishing_gradients"]
    assert "layer 1 (16 units, sigmoid)" in found[0].message and "output layer (2 outputs)" in found[0].message
    assert "instead of sigmoid" in found[0].advice


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "iris"])
def test_a_learning_rate_of_10_makes_the_loss_run_away(name: str) -> None:
    found = train(table(name), mlp(32, 32), optimizer="sgd", learning_rate=10.0, epochs=20)
    kinds = warnings(found)
    # such steps also kill units
    assert kinds & TOO_LARGE and kinds <= TOO_LARGE | {"dead_units"}
    first = next(d for d in found if d.kind in TOO_LARGE)
    assert "now 10, for example to 1" in first.advice


@pytest.mark.parametrize(("rate", "kind"), [(0.4, "exploding_gradients"), (0.05, "large_updates")])
def test_an_explosion_within_an_epoch_is_told_once_and_before_the_epoch_ends(rate: float, kind: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 30)).astype(np.float32)
    y = (X @ rng.normal(size=30) / 30**0.5).astype(np.float32)
    found = train(([X, y, X[:100], y[:100]], 0), [], optimizer="sgd", learning_rate=rate, batch_size=8, epochs=1)
    assert [d.kind for d in found] == [kind]
    assert f"now {rate:g}, for example to {rate / 10:g}" in found[0].advice


def test_biases_pushed_to_minus_10_kill_the_units() -> None:
    def push(model: nn.Sequential) -> None:
        model[0].bias.data.fill_(-10.0)

    found = train(table("breast_cancer"), mlp(32, 32), spoil=push)
    assert [(d.kind, d.level) for d in found] == [("dead_units", "warning")]
    assert "layer 1 (32 units, relu), 100%" in found[0].message


def test_tanh_units_far_out_are_saturated() -> None:
    def push(model: nn.Sequential) -> None:
        model[0].bias.data.fill_(12.0)
        model[0].weight.data.mul_(0.1)

    found = train(table("moons"), mlp(32, 32, activation="tanh"), spoil=push)
    assert warnings(found) == {"saturated_units"}
    assert "layer 1 (32 units, tanh)" in found[0].message


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_a_learning_rate_of_1e_7_is_too_small(name: str, optimizer: str) -> None:
    found = train(table(name), mlp(32, 32), optimizer=optimizer, learning_rate=1e-7)
    assert [d.kind for d in found] == ["small_updates"]
    assert "now 1e-07, for example to 0.00" in found[0].advice


@pytest.mark.parametrize(("patience", "level"), [(None, "warning"), (50, "info")])
def test_noise_learned_by_heart_is_overfitting(patience: int | None, level: str) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(230, 10)).astype(np.float32), rng.integers(0, 2, 230)
    data = [X[:30], y[:30], X[30:], y[30:]]
    found = train((data, 2), mlp(64, 64), batch_size=8, epochs=60, patience=patience)
    assert [(d.kind, d.level) for d in found] == [("overfitting", level)]
    assert "patience" in found[0].advice.lower() and "dropout" in found[0].advice


def test_a_target_without_any_pattern_is_not_learned() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 5)).astype(np.float32), rng.integers(0, 2, 2000)
    found = train(([X, y, X[:200], y[:200]], 2), [], epochs=25)
    assert [d.kind for d in found] == ["no_learning"]
    assert "0.693" in found[0].message


def test_a_line_through_a_spiral_comes_to_a_standstill() -> None:
    found = train(table("spiral"), [], learning_rate=1e-2, epochs=40)
    assert [(d.kind, d.level) for d in found] == [("plateau", "info")]


# -- once, and when it is over


def test_what_is_over_is_told_too() -> None:
    found = train(table("breast_cancer"), mlp(32, 32), learning_rate=1e-7, rates={10: 1e-3}, epochs=30)
    assert [(d.kind, d.level) for d in found] == [("small_updates", "warning"), ("small_updates", "info")]
    assert found[1].advice == ""


def test_a_watch_waits_tells_once_and_needs_a_while_to_be_over() -> None:
    watch = Watch(raise_after=3, clear_after=2)
    bad, between, fine = (1, False), (0, False), (0, True)
    looks = [bad, bad, between, bad, bad, bad, bad, fine, between, fine, fine, bad, bad, bad]
    assert [watch.look(*look) for look in looks] == [
        "", "", "", "", "", "told", "", "", "", "", "over", "", "", "told",
    ]  # fmt: skip
    assert watch.look(2, False) == "told" and watch.look(1, False) == ""
    assert Watch(3, 2).look(1, False, at_once=True) == "told"


def _sheet(**columns: list[float]) -> WeightSheet:
    values = np.array([columns.get(name, [0.01] * 4) for name in COLUMNS], dtype=np.float64)
    return WeightSheet(("0.weight", "0.bias", "2.weight", "2.bias"), ((8, 4), (8,), (2, 8), (2,)), values)


def test_dead_units_that_a_network_is_born_with_are_mentioned_and_those_that_died_are_warned_of() -> None:
    def doctor_sees(*shares: float) -> list[tuple[str, str]]:
        doctor = Doctor(layer_notes(mlp(8), 4, 2))
        return [
            (d.kind, d.level) for s in shares for d in doctor.sheet(_sheet(dead=[s, 0, 0, 0], saturated=[0] * 4), {})
        ]

    assert doctor_sees(0.25, 0.25, 0.25) == []
    assert doctor_sees(0.6, 0.6, 0.6) == [("dead_units", "info")]
    assert doctor_sees(0.1, 0.6, 0.6) == [("dead_units", "warning")]
    assert doctor_sees(0.6, 0.6, 0.95, 0.95) == [("dead_units", "info"), ("dead_units", "warning")]


@pytest.mark.filterwarnings("error")
def test_a_sheet_that_is_not_finite_is_told_at_once() -> None:
    doctor = Doctor(layer_notes(mlp(8), 4, 2))
    bad = _sheet(**{name: [math.nan, math.inf, math.nan, math.nan] for name in COLUMNS})
    assert [d.kind for d in doctor.sheet(bad, {})] == ["exploding_gradients"]
    assert doctor.sheet(bad, {}) == []
    assert Doctor().row({"epoch": 1, "train_loss": math.nan}, {})[0].kind == "diverging_loss"


def test_a_network_without_notes_is_told_of_by_its_parameters() -> None:
    doctor = Doctor()
    sick = _sheet(gradient_norm=[1e-9, 1.0, 1.0, 1.0], dead=[0] * 4, saturated=[0] * 4)
    found = [d for _ in range(5) for d in doctor.sheet(sick, {})]
    assert "parameter '0.weight'" in found[0].message


# -- parts


def test_layers_are_counted_as_in_the_stack() -> None:
    layers = [
        Layer("linear", units=8, activation="none"), Layer("batch_norm"), Layer("activation", name="tanh"),
        Layer("dropout", p=0.1), Layer("linear", units=1),
    ]  # fmt: skip
    assert layer_notes(layers, 4, 1) == (
        LayerNote(0, "layer 1 (8 units, tanh)", "tanh"),
        LayerNote(4, "layer 5 (1 unit, relu)", "relu"),
        LayerNote(6, "the output layer (1 output)", ""),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [1.0, 3.0, 0.5]])
def test_the_prior_loss_is_the_lowest_that_a_constant_answer_reaches(
    weights: list[float] | None, smoothing: float
) -> None:
    y = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    scale = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    search = torch.optim.LBFGS([logits], max_iter=100, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def loss() -> torch.Tensor:
        search.zero_grad()
        value = functional.cross_entropy(logits.expand(100, 3), y, weight=scale, label_smoothing=smoothing)
        value.backward()
        return value

    search.step(loss)
    assert prior_loss(y.numpy(), 3, weights, smoothing) == pytest.approx(loss().item(), rel=1e-6)


def test_the_prior_loss_of_a_scaled_target_is_1_and_of_one_class_0() -> None:
    assert prior_loss([], 0) == 1.0
    assert prior_loss([1, 1], 2) == 0.0


def test_the_state_goes_through_json_and_the_doctor_goes_on() -> None:
    first, second = (Doctor(layer_notes(mlp(8), 4, 2), prior_loss=0.69) for _ in range(2))
    sick = _sheet(gradient_norm=[1e-9, 1.0, 1.0, 1.0], dead=[0] * 4, saturated=[0] * 4)
    told = []
    for i in range(12):
        told += first.sheet(dataclasses.replace(sick, step=i), {}) + first.row({"epoch": i, "train_loss": 0.7}, {})
        second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
        assert second.state() == first.state()
        first, second = second, first
    assert [d.kind for d in told] == ["vanishing_gradients"]
    assert first.present == ("vanishing_gradients",)


def test_a_damaged_state_is_said_and_changes_nothing() -> None:
    doctor = Doctor()
    doctor.row({"epoch": 1, "train_loss": 0.5}, {})
    before = doctor.state()
    for damaged in ({}, {"course": {"rows": 1}, "watches": {}}, {**before, "watches": {"plateau": {"x": 1}}}):
        with pytest.raises(InputError, match="cannot be read"):
            doctor.restore(damaged)
    assert doctor.state() == before
