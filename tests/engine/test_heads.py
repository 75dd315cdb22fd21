"""Networks with several heads: losses, masks, learned weights, and what a step may do."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from medilytica_widgets import algorithms
from medilytica_widgets.algorithms import balanced_weights
from medilytica_widgets.engine import Job, Trainer
from medilytica_widgets.engine.flat_optimizer import FlatOptimizer
from medilytica_widgets.engine.heads_model import BALANCE, build_headed
from medilytica_widgets.engine.stepping import FlatState, StepSettings
from medilytica_widgets.network import Head, Layer
from tests.engine.heads_table import (
    COUNT,
    KIND,
    LAYERS,
    MAIN,
    SIZE,
    assert_same,
    final,
    further_target,
    history,
    job,
    rows,
)

# -- one head


def test_one_plain_head_stays_on_the_fast_path_bit_for_bit(train: Callable[..., Trainer]) -> None:
    data = rows()
    values = {"epochs": 3, "batch_size": 32}
    usual = train(Job(algorithms.get("mlp"), values, data, layers=LAYERS, seed=3))  # type: ignore[arg-type]
    for heads in ([Head("classification")], [Head("classification", name="grade", loss="cross_entropy")]):
        same = train(Job(algorithms.get("mlp"), values, data, layers=LAYERS, heads=heads, seed=3))  # type: ignore[arg-type]
        assert same.path == usual.path == "compiled"
        assert same.job.heads == ()
        assert_same(usual, same)


def test_a_head_with_binary_cross_entropy_learns_as_two_logits_do(train: Callable[..., Trainer]) -> None:
    data = rows(missing=False)
    data.y_train, data.y_validation, data.y_test = (
        data.further["kind"].part(p) for p in ("train", "validation", "test")
    )
    data.classes, data.further = ["no", "yes"], {}
    values = {"epochs": 30, "batch_size": 32}
    trainer = train(job([Head("classification", loss="binary_cross_entropy")], data, **values))
    assert trainer.path == "general"
    scores = trainer.predictor().predict_proba(data.X_test)
    assert scores.shape == (40, 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    assert (trainer.predictor().predict(data.X_test) == data.y_test).mean() > 0.85
    # one head has no columns of its own
    assert "train_target_loss" not in trainer.telemetry.columns


# -- the loss of several


def by_hand(
    given: Job, epochs: int, rate: float, *, batch: int, balanced: bool
) -> tuple[dict[str, torch.Tensor], float]:
    """Train with plain stochastic gradient descent, written out with torch; return the weights and the last loss."""
    plans = given.head_plans
    assert plans is not None
    model = build_headed(given.layers, given.n_features, plans, given.seed)
    shuffle = torch.Generator().manual_seed(given.seed + 1)
    data: Any = given.prepared
    X, grade = torch.from_numpy(data.X_train), torch.from_numpy(data.y_train)
    size = torch.from_numpy((data.further["size"].train - plans[1].mean) / plans[1].std).float()
    kind = torch.from_numpy(data.further["kind"].train)
    weights = torch.from_numpy(balanced_weights(data.y_train, 3)) if balanced else None
    known_kind = data.further["kind"].train
    kinds = torch.from_numpy(balanced_weights(known_kind[known_kind >= 0], 2)) if balanced else torch.ones(2)
    last = 0.0
    for _ in range(epochs):
        order = torch.randperm(len(X), generator=shuffle)
        total = 0.0
        for part in order.split(batch):
            out = model(X[part])
            loss = functional.cross_entropy(out[:, :3], grade[part], weight=weights)
            has_size, has_kind = ~torch.isnan(size[part]), kind[part] >= 0
            s = model.balance.log_variance[0]
            mean = functional.mse_loss(out[:, 3][has_size], size[part][has_size])
            loss = loss + 0.5 * torch.exp(-s) * mean + 0.5 * s
            each = functional.binary_cross_entropy_with_logits(
                out[:, 4][has_kind], kind[part][has_kind].float(), reduction="none"
            )
            w = kinds[kind[part][has_kind]]
            loss = loss + 0.25 * (each * w).sum() / w.sum()
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= rate * parameter.grad
            total += float(loss.detach()) * len(part)
        last = total / len(X)
    return model.state_dict(), last


@pytest.mark.parametrize("balanced", [False, True])
def test_a_run_does_what_the_same_torch_code_does(train: Callable[..., Trainer], balanced: bool) -> None:
    heads = (MAIN, SIZE.model_copy(update={"weight": "uncertainty"}), KIND.model_copy(update={"weight": 0.25}))
    values = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "learning_rate": 0.05,
        "class_weight": "balanced" if balanced else "none",
        "epochs": 3,
    }
    given = job(heads, **values)
    trainer = train(given)
    weights, loss = by_hand(given, 3, 0.05, batch=32, balanced=balanced)
    found = final(trainer)
    assert list(found) == list(weights)
    for name, values_there in weights.items():
        torch.testing.assert_close(found[name], values_there, rtol=2e-4, atol=2e-6, msg=name)
    assert trainer.telemetry.frame()["train_loss"].iloc[-1] == pytest.approx(loss, rel=1e-5)
    assert float(found[f"{BALANCE}log_variance"]) != 0.0


def test_histories_are_those_of_the_known_rows(train: Callable[..., Trainer]) -> None:
    data = rows()
    trainer = train(job((MAIN, SIZE, KIND, COUNT), data))
    predictor, last = trainer.predictor(), trainer.telemetry.frame().iloc[-1]
    size, kind = data.further["size"], data.further["kind"]
    known = ~np.isnan(size.validation)
    assert 0 < known.sum() < len(known)
    guess = predictor.further["size"].predict(data.X_validation)[known]
    error = guess - size.validation[known]
    assert last["val_size_mean_absolute_error"] == pytest.approx(np.abs(error).mean(), rel=1e-4)
    assert last["val_size_loss"] == pytest.approx(((error / size.std) ** 2).mean(), rel=1e-4)
    there = kind.validation >= 0
    scores = predictor.further["kind"].predict_proba(data.X_validation)[there]
    truth = kind.validation[there]
    assert last["val_kind_accuracy"] == pytest.approx((scores.argmax(axis=1) == truth).mean())
    assert last["val_kind_loss"] == pytest.approx(-np.log(scores[np.arange(len(truth)), truth]).mean(), rel=1e-4)
    rates, counts = predictor.further["count"].predict(data.X_validation), data.further["count"].validation
    assert (rates > 0).all()
    assert last["val_count_loss"] == pytest.approx((rates - counts * np.log(rates)).mean(), rel=1e-3)
    parts = [last[f"val_{name}_loss"] for name in ("grade", "size", "kind", "count")]
    assert last["val_loss"] == pytest.approx(sum(parts), rel=1e-5)
    assert last["val_accuracy"] == last["val_grade_accuracy"]
    assert last["train_grade_accuracy"] == last["train_accuracy"]


def test_a_row_without_a_target_has_no_part_in_that_heads_loss(train: Callable[..., Trainer]) -> None:
    data = rows()
    first = train(job(data=data))
    # a head of which no row of a batch knows anything is left out of the step
    few = copy.copy(data)
    size = few.further["size"].train.copy()
    size[5:] = np.nan
    mean, std = float(size[:5][~np.isnan(size[:5])].mean()), 1.0
    few.further = {**data.further, "size": dataclasses.replace(data.further["size"], train=size, mean=mean, std=std)}
    second = train(job(data=few, batch_size=4))
    frame = second.telemetry.frame()
    assert np.isfinite(frame[["train_loss", "train_size_loss", "val_size_loss"]]).all(axis=None)
    # values that stand for "no value" reach no weight
    assert all(torch.isfinite(value).all() for value in final(first).values())
    nothing = dataclasses.replace(data.further["size"], validation=np.full(40, np.nan, np.float32))
    blind = copy.copy(data)
    blind.further = {**data.further, "size": nothing}
    third = train(job(data=blind)).telemetry.frame()
    assert third["val_size_loss"].isna().all() and np.isfinite(third["val_loss"]).all()


def test_a_noisier_head_learns_a_lower_weight(train: Callable[..., Trainer]) -> None:
    rng = np.random.default_rng(2)
    data = rows(400, missing=False, noise=0.05)
    noise = {part: rng.standard_normal(len(getattr(data, f"X_{part}"))).astype(np.float32) for part in
             ("train", "validation", "test")}  # fmt: skip
    data.further["noise"] = further_target("noise", "regression", (), 0.0, 1.0, noise)
    clean = {part: getattr(data, f"X_{part}")[:, 0].copy() for part in noise}
    data.further["clean"] = further_target("clean", "regression", (), 0.0, 1.0, clean)
    heads = [MAIN, *(Head("regression", name=n, target=n, weight="uncertainty") for n in ("noise", "clean"))]
    trainer = train(job(heads, data, epochs=60, batch_size=64, learning_rate=0.01))
    last = trainer.telemetry.frame().iloc[-1]
    assert last["weight_clean"] > 5 * last["weight_noise"]
    assert last["weight_grade"] == 1.0
    # an uncertainty is the spread of what is left: exp(s) comes near to the loss
    assert last["weight_noise"] == pytest.approx(0.5 / last["train_noise_loss"], rel=0.4)


def test_parts_of_a_batch_add_up_to_the_whole(train: Callable[..., Trainer]) -> None:
    heads = (MAIN, SIZE.model_copy(update={"weight": "uncertainty"}), KIND)
    data = rows()
    more = {"class_weight": "balanced", "label_smoothing": 0.1, "epochs": 3, "optimizer": "sgd", "l2": 1e-3}
    whole = train(job(heads, data, batch_size=64, **more))
    parts = train(job(heads, data, batch_size=16, accumulation=4, **more))
    for name, value in final(whole).items():
        torch.testing.assert_close(final(parts)[name], value, rtol=1e-4, atol=1e-6, msg=name)
    for column in ("train_loss", "train_size_loss", "train_kind_accuracy", "val_loss"):
        np.testing.assert_allclose(history(whole)[column], history(parts)[column], rtol=1e-4, err_msg=column)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "nadam"])
def test_weight_decay_leaves_learned_weights_alone(optimizer: str) -> None:
    def steps(undecayed: int, decay: float) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        state = FlatState(torch.randn(10, generator=generator), torch.zeros(10))
        settings = StepSettings(8, optimizer=optimizer, weight_decay=decay)
        made = FlatOptimizer(state, settings, undecayed)
        for _ in range(4):
            made.begin(settings)
            state.gradient.copy_(torch.randn(10, generator=generator))
            made.step(0.05)
            made.end()
        return state.weights

    plain, decayed, spared = steps(0, 0.0), steps(0, 0.3), steps(3, 0.3)
    close = {"rtol": 1e-6, "atol": 1e-7}
    torch.testing.assert_close(steps(3, 0.0), plain, **close)
    torch.testing.assert_close(spared[:7], decayed[:7], **close)
    torch.testing.assert_close(spared[7:], plain[7:], **close)
    assert (decayed[7:] - plain[7:]).abs().min() > 1e-4


@pytest.mark.parametrize("heads", [(MAIN, SIZE), (MAIN, SIZE, KIND, COUNT)])
def test_everything_a_step_may_do_works_with_heads(train: Callable[..., Trainer], heads: tuple[Head, ...]) -> None:
    layers = (*LAYERS, Layer("batch_norm"), Layer("dropout", p=0.2))
    values = {
        "precision": "mixed",
        "clip_norm": 1.0,
        "l1": 1e-4,
        "l2": 1e-4,
        "weight_decay": 1e-3,
        "patience": 3,
        "schedule": "cosine",
        "epochs": 12,
    }
    trainer = train(job(heads, layers=layers, **values))
    frame = trainer.telemetry.frame()
    assert np.isfinite(frame["val_loss"]).all()
    assert frame["train_loss"].iloc[-1] < frame["train_loss"].iloc[0]
    # patience looks at the sum over all heads
    assert trainer.best_epoch == frame["epoch"][frame["val_loss"].idxmin()]
    assert trainer.predictor().epoch == trainer.best_epoch
