"""Runs under everything that can go wrong; `make soak` does the same for longer."""

from __future__ import annotations

import dataclasses
import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import medilytica_widgets as mw
from medilytica_widgets import algorithms, errors
from medilytica_widgets.engine import Job, Trainer
from medilytica_widgets.store import default_store
from tests.soak.trials import TRIALS, Trial, check_marks, check_same, check_sentence, outcome, storm

SMALL = [mw.Layer("linear", units=12)]
NORMED = [mw.Layer("linear", units=12), mw.Layer("batch_norm")]


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("destruction")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDILYTICA_HOME", str(folder))
        yield folder


def table(rows: int = 120, classes: int = 2, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 4)), columns=list("abcd"))
    frame["y"] = [f"class {k % classes}" for k in range(rows)]
    return frame


def trained(frame: pd.DataFrame, algorithm: str = "mlp", layers: list[mw.Layer] | None = None, **values: Any) -> mw.Run:
    """Load, specify and train, as a person does; the run is closed and keeps what it learned."""
    if algorithm == "mlp":
        values, layers = {"epochs": 3, **values}, SMALL if layers is None else layers
    elif "n_estimators" in algorithms.parameters(algorithm):
        values = {"n_estimators": 8, **values}
    exp = mw.Experiment(mw.load_dataset(frame, target="y"), algorithm, values, layers, seed=4)
    run = exp.train().wait(100)
    exp.close()
    return run


# -- drawn specifications


# without shrinking: `outcome` trains three networks, and make test is to stay quick where it fails too
FEW = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@FEW
@given(TRIALS)
def test_any_specification_is_refused_or_trains_and_resumes_bit_for_bit(trial: Trial) -> None:
    assert outcome(trial) in ("refused", "finished", "diverged")


def test_the_drawn_specifications_come_to_every_end() -> None:
    good = Trial(30, 3, 1, True, [("dropout", {"p": 0.3})], {"learning_rate": 3e-3, "batch_size": 7}, 1)
    assert outcome(good) == "finished"
    assert outcome(dataclasses.replace(good, layers=[("linear", {"units": 0})])) == "refused"
    deep = [("linear", {"units": 24, "activation": "none"})] * 6
    wild = {"learning_rate": 10.0, "batch_size": 1, "optimizer": "sgd"}
    assert outcome(dataclasses.replace(good, layers=deep, values=wild)) == "diverged"


# -- extreme tables

RNG = np.random.default_rng(0)


def with_holes() -> pd.DataFrame:
    frame = table()
    frame.loc[::3, "a"] = np.nan
    frame.loc[::5, "b"] = np.inf
    frame.loc[1::5, "b"] = -np.inf
    frame.loc[::7, "c"] = 1e308
    frame.loc[::9, "y"] = None
    return frame


def with_constants() -> pd.DataFrame:
    return table().assign(a=1.0, b="same", c=np.nan)


def barely_varying() -> pd.DataFrame:
    # the training rows may see one value only
    return table().assign(a=[1.0] * 119 + [2.0], b=["x"] * 119 + ["z"])


EXTREMES = {
    "holes": with_holes,
    "constants": with_constants,
    "barely varying": barely_varying,
    "three rows": lambda: table(3),
    "a class of one row": lambda: table(40).assign(y=["rare", *["common"] * 39]),
    "more classes than rows to learn them": lambda: table(30, classes=15),
    "numbers of every size": lambda: table().assign(a=10.0 ** RNG.integers(-300, 149, 120).astype(float)),
}


FEW_ROWS = ("three rows", "a class of one row", "more classes than rows to learn them")
SOME = ("mlp", "logistic_regression", "random_forest", "gradient_boosting", "gaussian_nb", "lda", "qda", "svm_linear")
"""One of a sort; tests/test_matrix.py has them all, on a table that is less extreme."""


@pytest.mark.parametrize("algorithm", SOME)
@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_tables_are_learned_or_refused_in_a_sentence(name: str, algorithm: str) -> None:
    frame = EXTREMES[name]()
    try:
        run = trained(frame, algorithm)
    except errors.MedilyticaError as error:
        check_sentence(error)
        # an estimator may need several rows of every class; a network does not
        assert algorithm != "mlp" and name in FEW_ROWS, error.message
        return
    assert run.status == "finished" and run.path
    probabilities = run.predict(frame).filter(like="probability_")
    assert probabilities.shape[1] == frame["y"].nunique()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert np.isfinite(list(run.evaluate().metrics.values())).any()


@pytest.mark.parametrize("layers", [SMALL, NORMED, []])
def test_three_rows_of_numbers_leave_one_to_learn_from(layers: list[mw.Layer]) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "y": [0.5, 1.5, 7.25]})
    try:
        run = trained(frame, layers=layers)
    except errors.MedilyticaError as error:
        check_sentence(error)
        assert layers is NORMED and "batch" in error.message
        return
    assert run.samples_per_epoch == 1 and np.isfinite(run.history["train_loss"]).all()


@pytest.mark.parametrize(
    ("frame", "kind", "words"),
    [
        (table(1), errors.TargetError, "one class only"),
        (table(90, classes=1), errors.TargetError, "one class only"),
        (table(2), errors.DataError, "At least 3"),
        (table(0), errors.EmptyTableError, "no rows"),
        (table()[["y"]], errors.DataError, "No column is left"),
        (with_constants().drop(columns="d"), errors.DataError, "No column is left"),
        (table().assign(y=None), errors.TargetError, "no values"),
        (table().assign(y=np.inf), errors.TargetError, "no values"),
    ],
)
def test_what_nothing_can_be_learned_from_is_said(frame: pd.DataFrame, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        trained(frame)


def test_ten_thousand_classes_are_refused_by_name_and_trained_by_the_engine() -> None:
    frame = table(20_000, classes=10_000)
    with pytest.raises(errors.TargetError, match=r"'y' has 10,000 different"):
        mw.load_dataset(frame, target="y")
    # prepared by hand, the engine takes them all the same
    some = trained(table(60), epochs=1).prepared
    X = np.random.default_rng(1).normal(size=(20_000, 8)).astype(np.float32)
    y = np.arange(20_000) % 10_000
    prepared = dataclasses.replace(
        some,
        X_train=X,
        y_train=y,
        X_validation=X[:500],
        y_validation=y[:500],
        classes=[f"class {k}" for k in range(10_000)],
        feature_names=[f"x{k}" for k in range(8)],
    )
    values = {"epochs": 1, "batch_size": 512, "learning_rate": 1e-3}
    trainer = Trainer(Job(algorithms.get("mlp"), values, prepared, layers=[mw.Layer("linear", units=8)]))
    trainer.start()
    trainer.wait(100)
    assert trainer.status == "finished" and trainer.predictor().predict_proba(X[:3]).shape == (3, 10_000)
    (loss,) = trainer.telemetry.frame()["train_loss"]
    assert loss == pytest.approx(np.log(10_000), rel=0.05)
    trainer.close()


@pytest.mark.parametrize("layers", [SMALL, [mw.Layer("linear", units=12), mw.Layer("dropout", p=0.3)], NORMED])
def test_a_batch_larger_than_the_table_is_the_whole_table(layers: list[mw.Layer]) -> None:
    frame = table(101)
    full = trained(frame, layers=layers, batch_size=trained(frame).samples_per_epoch)
    larger = trained(frame, layers=layers, batch_size=65_536)
    assert full.progress()["step"] == larger.progress()["step"] == 3
    first, second = (run.predictor().state() for run in (full, larger))
    for name, tensor in first.items():
        np.testing.assert_allclose(tensor.numpy(), second[name].numpy(), rtol=1e-4, atol=1e-6)


# -- many at once, and many in a row


def test_two_hundred_commands_from_eight_threads() -> None:
    layers = [mw.Layer("linear", units=16), mw.Layer("dropout", p=0.2)]
    data = mw.load_dataset("moons")
    exp = mw.Experiment(data, hyperparameters={"epochs": 1_000_000}, layers=layers, seed=2)
    found = storm(exp, 200)
    found.check()
    assert found.refused and {"running", "paused"} <= set(found.seen)
    rest = mw.Run.resume(found.run.id, data, wait=False)
    assert rest.marks == found.run.marks and rest.values == found.run.values
    rest.set("learning_rate", 0.0123, "after")
    rest.stop()
    check_marks(rest.wait(30))
    rest.close()
    exp.close()


def test_four_runs_at_once_are_each_what_one_alone_is() -> None:
    exp = mw.Experiment(
        mw.load_dataset("breast_cancer"),
        hyperparameters={"epochs": 25},
        layers=[mw.Layer("linear", units=32), mw.Layer("dropout", p=0.1), mw.Layer("linear", units=16)],
        seed=1,
    )
    alone = exp.train().wait(60)
    for run in [exp.train() for _ in range(4)]:
        check_same(alone, run.wait(60))
    exp.close()


def test_twenty_runs_in_a_row_leave_nothing_behind() -> None:
    process, data = psutil.Process(), mw.load_dataset("moons")

    def one(number: int) -> None:
        exp = mw.Experiment(data, hyperparameters={"epochs": 5}, layers=[*NORMED], seed=number)
        assert exp.train(checkpoint_epochs=1).wait(60).status == "finished"
        exp.close()

    def held() -> tuple[set[str], int, float]:
        # a store that still writes has its file open
        assert default_store().flush(30)
        gc.collect()
        names = {t.name for t in threading.enumerate() if t.name.startswith(("medilytica-run", "medilytica-writer"))}
        return names, process.num_fds(), process.memory_info().rss / 2**20

    for number in range(5):
        one(number)
    threads, files, memory = held()
    for number in range(20):
        one(number)
    after = held()
    assert after[0] <= threads and after[1] <= files
    assert after[2] - memory < 30


# -- names that break what is careless with them

LONG = "x" * 5000
HOSTILE = {
    "quotes": """a'b"c`d; DROP TABLE runs; --""",
    "zero": "a\x00b\x1b[31m\r\nc",
    "right to left": "\u202eעמודה\u202c العمود",
    "emoji": "🧪👩‍🔬 e\u0301 \ufeff%s{}{0}",
    "path": "../../etc/passwd\\..\\con",
    "markup": "<script>alert(1)</script>&amp;",
    "long": LONG,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_survive_store_log_checkpoint_and_resume(name: str) -> None:
    word = HOSTILE[name]
    frame = table(90).rename(columns={"a": word})
    frame["kind"] = np.where(np.arange(90) % 3, word, "other")
    frame["y"] = np.where(np.arange(90) % 2, word, "other")
    data = mw.load_dataset(frame, target="y", name=word)
    exp = mw.Experiment(data, hyperparameters={"epochs": 1_000_000}, layers=SMALL, seed=1, name=word, description=word)
    run = exp.train(author=word, tags=(word, "mine"))
    run.set("learning_rate", 0.004, author=word)
    run.telemetry_advanced.connect(lambda count: run.stop() if count > 3 else None)
    run.wait(60)
    assert word in run.classes and run.status == "stopped"
    row = mw.runs(tag="mine").loc[run.id]
    # what a database cannot hold (a NUL) may be replaced, and nothing else
    assert row["status"] == "stopped" and row["experiment"] == row["author"]
    if "\x00" not in word:
        assert row["experiment"] == word and mw.runs(tag=word).index.tolist() == [run.id]
    assert run.log.total and run.log.frame()["message"].notna().all()
    rest = mw.Run.resume(run.id, wait=False)
    assert [(mark.author, mark.after) for mark in rest.marks] == [(word, 0.004)] and rest.classes == run.classes
    rest.stop()
    rest.wait(60)
    again = mw.open_run(run.id)
    pd.testing.assert_frame_equal(again.predict(frame), rest.predict(frame))
    for each in (exp, rest.experiment, again.experiment):
        each.close()
