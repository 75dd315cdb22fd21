"""The training loop of networks: the method, its history, and what can go wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from medilytica_widgets import algorithms
from medilytica_widgets.data import Prepared
from medilytica_widgets.engine import Job, Trainer, network_parts
from medilytica_widgets.engine.general import GeneralPath
from medilytica_widgets.engine.perceptron import compiler
from medilytica_widgets.engine.perceptron.compiled import CompiledPath
from medilytica_widgets.engine.torch_loop import COMPILED_CHUNK_SECONDS, CONTENDED_CHUNK_SECONDS
from medilytica_widgets.errors import (
    DivergenceError,
    InputError,
    ParameterError,
    SpecError,
    TrainingError,
    UnknownAlgorithmError,
)
from medilytica_widgets.metrics import compute
from medilytica_widgets.network import Head, Layer

Make = Callable[..., Trainer]
Until = Callable[..., None]
DROPPED = [Layer("linear", units=12), Layer("dropout", p=0.4), Layer("linear", units=6, activation="tanh")]
NORMED = [Layer("linear", units=12, activation="none"), Layer("batch_norm"), Layer("activation", name="relu")]


def finished(trainer: Trainer) -> Trainer:
    trainer.start()
    trainer.wait(60)
    return trainer


def printed(prepared: Prepared, trainer: Trainer) -> dict[str, Any]:
    """Run the script that the algorithm prints for a run and return its names."""
    job = trainer.job
    lines = job.algorithm.code(
        job.values,
        job.task,
        job.seed,
        n_features=job.n_features,
        n_classes=job.n_classes,
        layers=job.layers,
        changes=[(m.step, m.name, m.after) for m in trainer.marks],
    )
    parts = ("X_train", "y_train", "X_validation", "y_validation", "X_test")
    names: dict[str, Any] = {part: getattr(prepared, part) for part in parts}
    with torch.random.fork_rng():
        exec("\n".join(lines), names)
    return names


CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"layers": DROPPED},
    {"layers": DROPPED, "dropout": 0.2},
    {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine"},
    {"optimizer": "sgd", "momentum": 0.5, "schedule": "step", "learning_rate": 0.1},
    {"optimizer": "rmsprop", "schedule": "exponential"},
    {"l1": 0.01, "l2": 0.02, "clip_norm": 0.1},
    {"patience": 2, "epochs": 40, "learning_rate": 0.05},
    # 32 rows in a batch leave one over in the table that this is tried on. The gradient of a bias before a
    # normalisation is 0 up to rounding, which adam would scale up to whole steps
    {"layers": NORMED, "batch_size": 32, "optimizer": "sgd", "learning_rate": 0.05},
]


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda c: ",".join(c) or "defaults")
@pytest.mark.parametrize("table", ["iris", "diabetes"])
def test_it_trains_as_the_printed_script_does(
    make: Make, request: pytest.FixtureRequest, table: str, configuration: dict[str, Any]
) -> None:
    prepared: Prepared = request.getfixturevalue(table)
    rows = 32 * (len(prepared.X_train) // 32 - 1) + 1
    prepared = replace(prepared, X_train=prepared.X_train[:rows], y_train=prepared.y_train[:rows])
    trainer = finished(make(prepared, seed=3, **{"epochs": 5, "batch_size": 16, **configuration}))
    names = printed(prepared, trainer)
    if table == "iris":
        answer = trainer.predictor().predict_proba(prepared.X_test)
        np.testing.assert_allclose(answer, names["probabilities"], atol=2e-4)
    else:
        np.testing.assert_allclose(trainer.predictor().predict(prepared.X_test), names["predicted"], rtol=2e-4)


def test_changes_in_mid_run_act_where_the_script_says(make: Make, iris: Prepared, until: Until) -> None:
    trainer = make(iris, layers=DROPPED, epochs=6, batch_size=16, schedule="exponential")
    changes = [("learning_rate", 0.02), ("batch_size", 9), ("l2", 0.01), ("dropout", 0.1), ("weight_decay", 0.1),
               ("clip_norm", 0.5), ("l1", 0.001), ("dropout", None)]  # fmt: skip
    for number, (name, value) in enumerate(changes, start=1):
        trainer.step("batch")
        until(lambda n=number: trainer.status == "paused" and trainer.progress()["step"] >= n)
        trainer.set(name, value)
        until(lambda n=number: len(trainer.marks) == n)
    trainer.resume()
    trainer.wait(60)
    assert [m.step for m in trainer.marks] == list(range(1, 9))
    answer = trainer.predictor().predict_proba(iris.X_test)
    np.testing.assert_allclose(answer, printed(iris, trainer)["probabilities"], atol=2e-4)


def test_global_random_state_is_neither_read_nor_changed(make: Make, moons: Prepared) -> None:
    answers = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - to see that it stays as it is
        before, ours = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
        trainer = finished(make(moons, layers=DROPPED, epochs=3))
        answers.append(trainer.predictor().predict_proba(moons.X_test))
        assert torch.equal(before, torch.get_rng_state())
        assert np.array_equal(ours, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
    np.testing.assert_array_equal(*answers)


def test_history_is_a_running_mean_and_a_validation_pass(make: Make, iris: Prepared) -> None:
    # so small a learning rate that the network hardly changes within the epoch
    trainer = finished(make(iris, epochs=2, learning_rate=1e-6, batch_size=7))
    row = trainer.telemetry.frame().iloc[-1]
    predictor = trainer.predictor()
    for split in ("train", "validation"):
        X, y = getattr(iris, f"X_{split}"), getattr(iris, f"y_{split}")
        found = compute("classification", y, predictor.predict(X), predictor.predict_proba(X), 3)
        short = "train" if split == "train" else "val"
        assert row[f"{short}_loss"] == pytest.approx(found["log_loss"], abs=1e-4)
        assert row[f"{short}_accuracy"] == pytest.approx(found["accuracy"], abs=0.02)
    assert row["learning_rate"] == pytest.approx(1e-6)
    assert row["samples_per_second"] == pytest.approx(len(iris.X_train) / row["seconds"])


def test_a_regression_learns_scaled_and_answers_in_its_own_units(make: Make, diabetes: Prepared) -> None:
    trainer = finished(make(diabetes, epochs=60))
    frame = trainer.telemetry.frame()
    assert 0.2 < frame["val_loss"].iloc[-1] < 1
    guess = trainer.predictor().predict(diabetes.X_validation)
    off = float(np.abs(guess - diabetes.y_validation).mean())
    assert frame["val_mean_absolute_error"].iloc[-1] == pytest.approx(off, rel=1e-4)
    spread = float(np.var(diabetes.y_train, dtype=np.float64))
    squared = float(((guess - diabetes.y_validation) ** 2).mean()) / spread
    assert frame["val_loss"].iloc[-1] == pytest.approx(squared, rel=1e-4)


def test_patience_stops_and_brings_the_best_weights_back(make: Make, iris: Prepared) -> None:
    trainer = finished(make(iris, epochs=500, patience=5, learning_rate=0.05))
    frame = trainer.telemetry.frame()
    best = int(frame["val_loss"].argmin()) + 1
    assert trainer.status == "finished"
    assert len(frame) == best + 5 < 500
    assert trainer.predictor().epoch == trainer.best_epoch == best
    X, y = iris.X_validation, iris.y_validation
    loss = compute("classification", y, trainer.predictor().predict(X), trainer.predictor().predict_proba(X), 3)
    assert loss["log_loss"] == pytest.approx(frame["val_loss"].min(), rel=1e-4)
    assert any(f"epoch {best}" in note for note in trainer.notes)


def test_without_patience_the_last_weights_stay(make: Make, iris: Prepared) -> None:
    trainer = finished(make(iris, epochs=60, learning_rate=0.3, layers=DROPPED))
    assert trainer.best_epoch is not None and trainer.best_epoch < 60
    assert trainer.predictor().epoch == 60


def test_a_loss_that_is_no_number_ends_the_run_with_advice(make: Make, moons: Prepared) -> None:
    layers = [Layer("linear", units=64, activation="none")] * 6
    trainer = make(moons, layers=layers, learning_rate=10.0, optimizer="sgd", momentum=0.99)
    trainer.start()
    with pytest.raises(DivergenceError, match=r"stopped at epoch \d+: the .* Try a learning rate of 1 or clip_norm 1"):
        trainer.wait(60)
    assert trainer.status == "failed"
    assert trainer.error is not None and "NaN" in str(trainer.error) or "infinite" in str(trainer.error)


def test_what_was_computed_before_a_divergence_stays(make: Make, moons: Prepared, until: Until) -> None:
    layers = [Layer("linear", units=64, activation="none")] * 6
    trainer = make(moons, layers=layers, optimizer="sgd", epochs=1_000_000)
    for _ in range(3):
        trainer.step("epoch")
    until(lambda: trainer.status == "paused" and len(trainer.telemetry) == 3)
    trainer.set("learning_rate", 10.0)
    trainer.resume()
    with pytest.raises(DivergenceError):
        trainer.wait(60)
    frame = trainer.telemetry.frame()
    assert len(frame) >= 3
    assert np.isfinite(frame["train_loss"]).all()
    assert np.isfinite(trainer.predictor().predict_proba(moons.X_test)).all()


def test_without_validation_rows_their_columns_are_nan(make: Make, moons: Prepared) -> None:
    bare = replace(moons, X_validation=moons.X_validation[:0], y_validation=moons.y_validation[:0])
    trainer = finished(make(bare, epochs=3, patience=3))
    assert trainer.telemetry.frame()["val_loss"].isna().all()
    assert trainer.best_epoch == 3


def test_rows_that_are_no_numbers_are_refused_by_name(make: Make, moons: Prepared) -> None:
    X = moons.X_train.copy()
    X[3, 1] = math.inf
    trainer = make(replace(moons, X_train=X))
    trainer.start()
    with pytest.raises(InputError, match=moons.feature_names[1]):
        trainer.wait(60)
    assert trainer.status == "failed"


def test_an_error_of_a_library_becomes_one_of_ours(make: Make, moons: Prepared) -> None:
    X = moons.X_train.copy()
    X[3, 1] = math.inf
    trainer = make(replace(moons, X_train=X), "random_forest")
    trainer.start()
    with pytest.raises(TrainingError, match=r"Random forest stopped at epoch 1: .*infinity") as caught:
        trainer.wait(60)
    assert isinstance(caught.value.__cause__, ValueError)


def test_classes_out_of_range_are_refused(make: Make, moons: Prepared) -> None:
    trainer = make(replace(moons, y_train=moons.y_train + 5))
    trainer.start()
    with pytest.raises(InputError, match="class positions 5 to 6, but there are 2 classes"):
        trainer.wait(60)


def test_arrays_that_may_not_be_written_are_fine(make: Make, moons: Prepared) -> None:
    X = moons.X_train.copy()
    X.flags.writeable = False
    assert finished(make(replace(moons, X_train=X), epochs=1)).status == "finished"


def test_jobs_that_cannot_be_are_refused_at_once(moons: Prepared, diabetes: Prepared) -> None:
    mlp = algorithms.get("mlp")
    with pytest.raises(ParameterError, match="learning_rate"):
        Job(mlp, {"learning_rate": -1}, moons)
    with pytest.raises(ParameterError, match="batch normalisation"):
        Job(mlp, {"batch_size": 1}, moons, layers=NORMED)
    with pytest.raises(SpecError, match="classification"):
        Job(mlp, {}, moons, head=Head("regression"))
    with pytest.raises(SpecError, match="tpu"):
        Job(mlp, {}, moons, device="tpu")
    with pytest.raises(UnknownAlgorithmError, match="classification only"):
        Job(algorithms.get("logistic_regression"), {}, diabetes)


def test_predictors_refuse_rows_of_another_width(make: Make, moons: Prepared, diabetes: Prepared) -> None:
    predictor = finished(make(moons, epochs=1)).predictor()
    with pytest.raises(InputError, match="2 features"):
        predictor.predict(np.zeros((3, 5)))
    assert predictor.predict_proba(np.empty((0, 2))).shape == (0, 2)
    assert predictor.predict(moons.X_test.astype(np.float64)).dtype == np.int64
    np.testing.assert_allclose(predictor.predict_proba(moons.X_test).sum(axis=1), 1, atol=1e-12)


def test_a_run_that_is_over_at_once_is_looked_at_all_the_same(make: Make, iris: Prepared) -> None:
    deep = (Layer("linear", units=16, activation="sigmoid"),) * 12
    trainer = finished(make(iris, layers=deep, epochs=300, batch_size=8))
    told = [entry.kind for entry in trainer.log.read()[0]]
    assert "vanishing_gradients" in told
    latest = trainer.sheets.latest
    assert latest is not None and latest.step == trainer.progress()["step"]
    assert np.isfinite(latest.column("update_ratio")).all()


def test_no_sheets_are_made_where_none_are_wanted(iris: Prepared) -> None:
    trainer = Trainer(
        Job(algorithms.get("mlp"), {"epochs": 50}, iris, layers=(Layer("linear", units=8),)), sheet_every=None
    )
    trainer.start()
    trainer.wait(60)
    assert len(trainer.sheets) == 0


def test_a_row_that_batch_normalisation_leaves_out_is_not_counted(make: Make, moons: Prepared) -> None:
    # 7 steps of 4 rows in parts of 2, then one of 3 rows, of which the last stays out
    few = replace(moons, X_train=moons.X_train[:31], y_train=moons.y_train[:31])
    trainer = finished(make(few, layers=NORMED, epochs=1, batch_size=2, accumulation=2))
    hits = trainer.telemetry.frame()["train_accuracy"].iloc[0] * 30
    assert hits == pytest.approx(round(hits), abs=1e-9)


def test_batches_that_do_not_fit_are_halved_down_to_what_batch_normalisation_can_use(
    make: Make, moons: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    accumulate, tried = GeneralPath._accumulate, []

    def cramped(self: GeneralPath, rows: Any, count: int, part: int, totals: Any) -> int:
        tried.append(part)
        if part > 2:
            raise MemoryError
        return accumulate(self, rows, count, part, totals)

    monkeypatch.setattr(GeneralPath, "_accumulate", cramped)
    trainer = finished(make(moons, layers=NORMED, epochs=1, batch_size=6))
    assert trainer.status == "finished"
    assert tried[:4] == [6, 3, 2, 2]


def test_a_forecast_of_single_rows_is_no_use_to_batch_normalisation(
    make: Make, moons: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_parts, "micro_batch", lambda forecast, rows, free: 1)
    trainer = finished(make(moons, layers=NORMED, epochs=1, batch_size=6))
    assert trainer.status == "finished"
    assert any("parts of 2 rows" in note for note in trainer.notes)


def test_the_general_path_goes_on_where_whole_epochs_do_not_fit(
    make: Make, iris: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finished(make(iris, epochs=100))
    called = []

    def cramped(self: CompiledPath, generator: torch.Generator, *given: Any, **more: Any) -> None:
        called.append(torch.randperm(5, generator=generator))
        raise MemoryError

    monkeypatch.setattr(CompiledPath, "train_epochs", cramped)
    trainer = finished(make(iris, epochs=100))
    assert len(called) == 1
    assert trainer.path == "general"
    answer = trainer.predictor().predict_proba(iris.X_test)
    np.testing.assert_allclose(answer, whole.predictor().predict_proba(iris.X_test), atol=1e-4)


def test_chunks_grow_while_the_main_thread_is_busy_and_a_command_still_comes_at_once(
    moons: Prepared, make: Make, until: Until, endless: int
) -> None:
    assert compiler.wait(120)
    trainer = make(moons, epochs=endless, batch_size=32)
    trainer.start()
    until(lambda: trainer.path == "compiled" and len(trainer.telemetry) > 3)
    loop: Any = trainer._loop
    end = time.monotonic() + 30
    while loop._compiled_seconds < CONTENDED_CHUNK_SECONDS and time.monotonic() < end:
        sum(range(50_000))
    assert loop._compiled_seconds == CONTENDED_CHUNK_SECONDS
    trainer.set("learning_rate", 1e-4)
    until(lambda: len(trainer.marks) == 1)
    # nobody else wants the interpreter now
    until(lambda: loop._compiled_seconds == COMPILED_CHUNK_SECONDS)
