"""Runs of networks with several heads: they rest, travel and go on as others do; and heads that cannot be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medilytica_widgets import algorithms
from medilytica_widgets.engine import Job, Trainer, read_latest, restore_predictor, store_predictor
from medilytica_widgets.engine.heads_model import HeadsPredictor
from medilytica_widgets.engine.job_files import read_job, write_job
from medilytica_widgets.engine.keeper import Keeping
from medilytica_widgets.errors import HeadError, InputError, ShapeError, SpecError, TargetError, TrainingError
from medilytica_widgets.network import Head, Layer, build, register_loss
from medilytica_widgets.network.losses import CUSTOM, LOSSES
from tests.engine.heads_table import (
    COUNT,
    KIND,
    LAYERS,
    MAIN,
    SIZE,
    assert_same,
    final,
    job,
    rows,
)

# -- rest and go on


def test_a_run_goes_on_bit_for_bit_from_the_middle_of_an_epoch(
    train: Callable[..., Trainer], until: Callable[..., None], tmp_path: Path
) -> None:
    heads = (MAIN, SIZE.model_copy(update={"weight": "uncertainty"}), KIND)
    layers = (*LAYERS, Layer("dropout", p=0.3))
    given = job(heads, layers=layers, epochs=5, patience=4)
    whole = train(given)
    begun = Trainer(given, keeping=Keeping(tmp_path / "run"))
    # to the middle of the second epoch: what the heads have summed up travels too
    for _ in range(7):
        done = begun.progress()["step"]
        begun.step("batch")
        until(lambda done=done: begun.status == "paused" and begun.progress()["step"] == done + 1)
    assert begun.flush(30)
    found = read_latest(tmp_path / "run")
    assert found is not None
    begun.close()
    state = found[1]
    assert state.facts["done"] > 0 and state.tensors["heads.sums"].any()
    resumed = train(given, resume=state)
    assert_same(whole, resumed)


@pytest.mark.parametrize("units", [5, 13, 64])
@pytest.mark.parametrize("heads", [(MAIN,), (MAIN, SIZE.model_copy(update={"weight": "uncertainty"}), KIND, COUNT)])
def test_a_stored_snapshot_predicts_the_same_bit_for_bit(
    heads: tuple[Head, ...], units: int, train: Callable[..., Trainer]
) -> None:
    data = rows()
    layers = (Layer("linear", units=units, name="first"), Layer("linear", units=units + 1, activation="tanh"))
    trainer = train(job(heads, data, layers=layers, epochs=1))
    before = trainer.predictor()
    again = restore_predictor(*store_predictor(before), layers, trainer.job.head)
    assert isinstance(again, HeadsPredictor) == (len(heads) > 1)
    assert list(again.further) == [head.name for head in heads[1:]]
    # a matrix product picks its way by the number of rows, too
    for count in (1, 5, len(data.X_train)):
        few = data.X_train[:count]
        np.testing.assert_array_equal(again.predict_proba(few), before.predict_proba(few))
        for name in again.further:
            np.testing.assert_array_equal(again.further[name].predict(few), before.further[name].predict(few))


def test_a_job_with_heads_travels_to_another_process(tmp_path: Path, train: Callable[..., Trainer]) -> None:
    given = job()
    write_job(tmp_path, given)
    there, _ = read_job(tmp_path)
    assert there.heads == given.heads and there.head == given.head
    for name, target in given.prepared.further.items():
        if name in ("size", "kind"):
            np.testing.assert_array_equal(there.prepared.further[name].train, target.train)
    assert_same(train(given), train(there))


def test_a_loss_that_only_this_process_knows_cannot_travel(tmp_path: Path) -> None:
    # as one from a notebook's cell
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec("def squared(outputs, targets):\n    return (outputs - targets) ** 2", scope)
    register_loss("squared", scope["squared"], tasks=("regression",))
    try:
        given = job((MAIN, SIZE.model_copy(update={"loss": f"{CUSTOM}squared"})))
        with pytest.raises(SpecError, match="'squared' is known to this process only.*worker='thread'"):
            write_job(tmp_path, given)
    finally:
        LOSSES.pop(f"{CUSTOM}squared")


def test_a_registered_loss_trains_as_its_model_does(train: Callable[..., Trainer]) -> None:
    register_loss("squared", lambda outputs, targets: (outputs - targets) ** 2, tasks=("regression",))
    try:
        data = rows()
        own = train(job((MAIN, SIZE.model_copy(update={"loss": f"{CUSTOM}squared"})), data))
        usual = train(job((MAIN, SIZE), data))
        assert_same(own, usual)
    finally:
        LOSSES.pop(f"{CUSTOM}squared")


def test_a_registered_loss_that_fails_ends_the_run_with_its_sentence(train: Callable[..., Trainer]) -> None:
    register_loss("broken", lambda outputs, targets: outputs.mean(), tasks=("regression",))
    try:
        with pytest.raises(SpecError, match="'broken' returned shape \\(\\) for 5 rows"):
            train(job((MAIN, SIZE.model_copy(update={"loss": f"{CUSTOM}broken"}))))
    finally:
        LOSSES.pop(f"{CUSTOM}broken")


def test_the_forecast_counts_every_head() -> None:
    wide = [Layer("linear", units=2000, name="wide"), Layer("linear", units=4)]
    from medilytica_widgets.engine.network_parts import NetworkParts

    def bytes_of(heads: Sequence[Head]) -> int:
        given = job(heads, layers=wide)
        return NetworkParts(given, given.values).forecast(given.values, "cpu", 32).parameters

    one, two = (
        bytes_of([MAIN.model_copy(update={"loss": "focal"})]),
        bytes_of([MAIN.model_copy(update={"loss": "focal"}), SIZE.model_copy(update={"at": "wide"})]),
    )
    assert two - one == 4 * 2001


# -- what cannot be


@pytest.mark.parametrize(
    ("heads", "error", "words"),
    [
        ([MAIN, SIZE.model_copy(update={"at": "nowhere"})], (HeadError, ShapeError), "'nowhere', but no layer"),
        ([MAIN, SIZE, SIZE.model_copy(update={"loss": "mae"})], HeadError, "Two heads are called 'size'"),
        ([MAIN, SIZE, SIZE.model_copy(update={"name": "again"})], HeadError, "'size' and 'again' learn the same"),
        ([MAIN, SIZE.model_copy(update={"name": "my size"})], HeadError, "letters, digits and underscores"),
        ([MAIN, Head("regression", name="weight", target="weight")], SpecError, "prepared without it"),
        ([MAIN, Head("classification", name="size", target="size")], SpecError, "as classification.*without it"),
        ([MAIN, SIZE.model_copy(update={"loss": "poisson"})], TargetError, "counts, 0 or more, but 'size' goes down"),
        ([MAIN.model_copy(update={"loss": "binary_cross_entropy"})], TargetError, "two classes apart, but .* has 3"),
        ([Head("regression", name="grade")], SpecError, "The head does regression"),
    ],
)
def test_heads_that_cannot_be_are_refused(heads: list[Head], error: Any, words: str) -> None:
    data = rows()
    # far below 0, for the counts
    data.further["size"] = dataclasses.replace(data.further["size"], train=data.further["size"].train - 500)
    with pytest.raises(error, match=words):
        job(heads, data)


def test_a_head_needs_one_vector_a_row() -> None:
    layers = [
        Layer("sequence", form="channels"),
        Layer("conv1d", channels=3, kernel=2, name="wave"),
        Layer("flatten"),
        Layer("linear", units=4),
    ]
    with pytest.raises((HeadError, ShapeError), match="one row of features"):
        job([MAIN, SIZE.model_copy(update={"at": "wave"})], layers=layers)


def test_only_networks_have_heads() -> None:
    with pytest.raises(HeadError, match="Random forest learns one target.*algorithm='mlp'"):
        Job(algorithms.get("random_forest"), {}, rows(), heads=[MAIN, SIZE])  # type: ignore[arg-type]


def test_two_quantiles_of_one_target_are_two_heads(train: Callable[..., Trainer]) -> None:
    data = rows(600, missing=False, noise=1.0)
    heads = [
        MAIN,
        *(
            Head("regression", name=name, target="size", loss="quantile", options={"quantile": q})
            for name, q in (("low", 0.1), ("high", 0.9))
        ),
    ]
    data.further |= {"low": data.further["size"], "high": data.further["size"]}
    predictor = train(job(heads, data, epochs=80, learning_rate=0.01)).predictor()
    low, high = (predictor.further[name].predict(data.X_test) for name in ("low", "high"))
    truth = data.further["size"].test
    assert (low < high).mean() > 0.95
    assert 0.6 < ((truth > low) & (truth < high)).mean() < 0.97


def test_errors_of_a_run_are_the_packages_own() -> None:
    assert issubclass(HeadError, InputError) and not issubclass(HeadError, TrainingError)


def test_frozen_layers_stay_as_they_were_and_travel_with_the_model(train: Callable[..., Trainer]) -> None:
    data = rows()
    layers = (LAYERS[0].model_copy(update={"frozen": True}), LAYERS[1])
    for heads in ((MAIN, SIZE), (MAIN,)):
        trainer = train(job(heads, data, layers=layers, epochs=3))
        assert trainer.path == "general"
        weights = final(trainer)
        module = build(layers, 4, Head("classification"), 3, 3)
        start = next(iter(module.parameters()))
        first = next(value for value in weights.values() if value.shape == start.shape)
        assert torch.equal(first, start) and not start.requires_grad
        before = trainer.predictor()
        kind, content, facts = store_predictor(before)
        again = restore_predictor(kind, content, facts, layers, trainer.job.head)
        np.testing.assert_array_equal(again.predict_proba(data.X_test), before.predict_proba(data.X_test))
