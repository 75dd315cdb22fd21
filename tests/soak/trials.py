"""Trials that a run has to survive: drawn specifications, and commands from many threads. `make test` runs few, `make
soak` many."""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import medilytica_widgets as mw
from medilytica_widgets import errors
from medilytica_widgets.engine.states import LEGAL

PATHS = {"compiled", "written", "general", "graph"}
EXTREME_RATE = 0.1
"""Below it nothing of what is drawn here diverges in two epochs."""


# -- drawn specifications


@dataclass(frozen=True)
class Trial:
    """A table and a specification, as drawn."""

    rows: int
    columns: int
    outputs: int
    holes: bool
    layers: list[tuple[str, dict[str, Any]]]
    values: dict[str, Any]
    seed: int

    def data(self) -> mw.Dataset:
        """Return the table: ``outputs`` classes, or numbers when it is 1."""
        rng = np.random.default_rng(self.seed)
        X = rng.normal(size=(self.rows, self.columns)) * 10.0 ** rng.integers(-3, 4, self.columns)
        frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(self.columns)])
        if self.outputs == 1:
            frame["y"] = X.sum(axis=1) + rng.normal(size=self.rows)
        else:
            frame["y"] = [f"class {k % self.outputs}" for k in range(self.rows)]
        if self.holes:
            frame = frame.mask(rng.random(frame.shape) < 0.1)
            frame["kind"] = rng.choice(["a", "b", None], self.rows)
        return mw.load_dataset(frame, target="y")


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_RATES = st.sampled_from([1e-6, 1e-4, 3e-3, 1e-2, 0.03]) | st.sampled_from([1.0, 10.0])
_UNITS = st.integers(0, 24)
_ACTIVATIONS = st.sampled_from(["none", "relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "elu"])
_LAYERS = st.one_of(
    st.tuples(st.just("linear"), st.fixed_dictionaries({"units": _UNITS, "activation": _ACTIVATIONS})),
    st.tuples(st.just("linear"), st.fixed_dictionaries({"units": _UNITS, "activation": _ACTIVATIONS})),
    st.tuples(st.just("dropout"), st.fixed_dictionaries({"p": st.sampled_from([0.0, 0.3, 0.95])})),
    st.tuples(st.just("batch_norm"), st.just({})),
    st.tuples(st.just("layer_norm"), st.just({})),
    st.tuples(st.just("activation"), st.fixed_dictionaries({"name": _ACTIVATIONS})),
)
_VALUES = st.fixed_dictionaries(
    {
        "learning_rate": _RATES,
        "batch_size": st.integers(1, 40) | st.just(65536),
        "optimizer": st.sampled_from(["adam", "adamw", "sgd", "rmsprop", "nadam"]),
    },
    optional={
        "momentum": st.sampled_from([0.0, 0.9]),
        "nesterov": st.booleans(),
        "class_weight": st.sampled_from(["none", "balanced"]),
        "schedule": st.sampled_from(["constant", "step", "exponential", "cosine", "one_cycle", "plateau"]),
        "warmup": st.sampled_from([0.0, 0.5, 3.0]),
        "plateau_patience": st.integers(1, 3),
        "weight_decay": st.sampled_from([0.0, 0.01, 1.0]),
        "l1": st.sampled_from([0.0, 1e-3, 1.0]),
        "l2": st.sampled_from([0.0, 1e-3, 1.0]),
        "dropout": _maybe(st.sampled_from([0.0, 0.5])),
        "label_smoothing": st.sampled_from([0.0, 0.1, 0.5]),
        "patience": _maybe(st.integers(1, 3)),
        "clip_norm": _maybe(st.sampled_from([1e-3, 1.0])),
        "clip_value": _maybe(st.sampled_from([1e-3, 1.0])),
        "accumulation": st.integers(1, 5),
        "precision": st.sampled_from(["auto", "float32", "mixed"]),
    },
)
TRIALS = st.builds(
    Trial,
    rows=st.integers(3, 60),
    columns=st.integers(1, 5),
    outputs=st.integers(1, 5),
    holes=st.booleans(),
    layers=st.lists(_LAYERS, max_size=4),
    values=_VALUES,
    seed=st.integers(0, 2**32 - 1),
)


def outcome(trial: Trial) -> str:
    """Live a trial through and return "refused", "finished" or "diverged"; anything else is an `AssertionError`."""
    values = {"epochs": 2, **trial.values}
    try:
        data = trial.data()
        layers = [mw.Layer(kind, **options) for kind, options in trial.layers]
        exp = mw.Experiment(data, hyperparameters=values, layers=layers, seed=trial.seed)
        run = exp.train(worker="thread")
    except errors.InputError as error:
        check_sentence(error)
        return "refused"
    try:
        run.wait(60)
    except errors.DivergenceError as error:
        check_sentence(error)
        assert trial.values["learning_rate"] > EXTREME_RATE, error.message
        assert run.status == "failed" and run.error is error
        return "diverged"
    finally:
        exp.close()
    assert run.status == "finished" and run.path in PATHS
    history = run.history
    assert history["epoch"].tolist() == list(range(1, len(history) + 1)) and 1 <= len(history) <= 2
    assert np.isfinite(history[["train_loss", "val_loss", "learning_rate"]]).all(axis=None)
    predicted = run.predict(data.frame)
    assert len(predicted) == trial.rows and predicted["prediction"].notna().all()
    assert np.isfinite(predicted.select_dtypes("number")).all(axis=None)
    half = halted(mw.Experiment(data, hyperparameters=values, layers=layers, seed=trial.seed), trial.seed % 5)
    rest = mw.Run.resume(half.id, data).wait(60) if half.status == "stopped" else half
    assert (rest.status, rest.path, rest.id) == ("finished", run.path, half.id)
    check_same(run, rest)
    half.close()
    rest.close()
    return "finished"


def halted(exp: mw.Experiment, batches: int) -> mw.Run:
    """Train an experiment, pause before the first batch, take some single batches, and stop; or finish if there are
    no more."""
    seen: list[str] = []

    def follow(run: mw.Run) -> None:
        def slot(status: str) -> None:
            seen.append(status)
            if seen == ["running"]:
                run.pause()
                for _ in range(batches):
                    run.step("batch")
            elif status == "paused" and (seen.count("paused") == 2 or not batches):
                run.stop()

        run.status_changed.connect(slot)

    exp.run_added.connect(follow)
    return exp.train(worker="thread").wait(60)


def check_sentence(error: errors.MedilyticaError) -> None:
    """A message is a sentence for a person, without the names of Python's own errors."""
    text = error.message
    assert len(text) > 20 and text.rstrip()[-1] in ".?!" and "Traceback" not in text and "Error(" not in text, text


def check_same(one: mw.Run, other: mw.Run) -> None:
    """Two runs are the same bit for bit: weights and history, times left out."""
    first, second = (run.predictor().state() for run in (one, other))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor.numpy(), second[name].numpy(), err_msg=name)
    left_out = ["seconds", "samples_per_second"]
    pd.testing.assert_frame_equal(
        one.history.drop(columns=left_out), other.history.drop(columns=left_out), rtol=1e-12, atol=0
    )


# -- commands from many threads


@dataclass
class Storm:
    """What was seen while threads gave orders to one run."""

    run: mw.Run
    moves: list[str]
    seen: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    seconds: float = 0.0

    def check(self) -> None:
        """Every state was one that may follow, and the marks tell an unbroken story."""
        assert self.moves[0] == "running" and self.moves[-1] in ("stopped", "finished"), self.moves
        for before, after in itertools.pairwise(self.moves):
            assert after in LEGAL[before], f"{before} → {after}"  # type: ignore[index]
        assert set(self.seen) <= set(LEGAL)
        check_marks(self.run)


def check_marks(run: mw.Run) -> None:
    """Each mark begins with the value that the one before it left, and the last one's is in effect."""
    values, at = dict(run.trainer.job.values), -1
    for mark in run.marks:
        assert mark.before == values[mark.name] != mark.after
        assert mark.step >= at
        values[mark.name], at = mark.after, mark.step
    assert values == run.values


LIVE: dict[str, Callable[[random.Random], Any]] = {
    "learning_rate": lambda rng: rng.uniform(1e-4, 1e-2),
    "batch_size": lambda rng: rng.randint(1, 200),
    "weight_decay": lambda rng: rng.choice([0.0, 1e-4]),
    "l1": lambda rng: rng.choice([0.0, 1e-5]),
    "l2": lambda rng: rng.choice([0.0, 1e-5]),
    "dropout": lambda rng: rng.choice([None, 0.0, 0.5]),
    "clip_norm": lambda rng: rng.choice([None, 1.0]),
    "clip_value": lambda rng: rng.choice([None, 0.5]),
}


def storm(exp: mw.Experiment, commands: int, threads: int = 8, deadline: float = 60.0) -> Storm:
    """Start a run, give it orders from many threads at once, then stop it and return what was seen.

    Raises
    ------
    AssertionError
        When a thread does not return in time: a deadlock.
    """
    assert set(LIVE) == {p.id for p in exp.algorithm.parameters.parameters if p.live}
    moves: list[str] = []
    trains = threading.Event()

    def follow(added: mw.Run) -> None:
        added.status_changed.connect(moves.append)
        added.telemetry_advanced.connect(lambda count: trains.set())

    exp.run_added.connect(follow)
    run = exp.train(worker="thread")
    # torch is loaded and the first epoch over, so that orders meet a run at work
    assert trains.wait(deadline)
    found = Storm(run, moves)
    lock = threading.Lock()
    together = threading.Barrier(threads)
    troubles: list[BaseException] = []

    def order(number: int) -> None:
        rng = random.Random(number)

        def change() -> None:
            name = rng.choice(sorted(LIVE))
            run.set(name, LIVE[name](rng), f"person {number}")

        def slip() -> None:
            try:
                run.set(rng.choice(["batch_size", "epochs", "learnig_rate"]), 0)
            except errors.ParameterError as error:
                check_sentence(error)
                with lock:
                    found.refused += 1

        def wait() -> None:
            try:
                run.wait(0.004)
            except errors.WaitTimeout as error:
                check_sentence(error)

        orders = [
            wait,
            wait,
            run.pause,
            run.resume,
            run.resume,
            lambda: run.step("batch"),
            lambda: run.step("epoch"),
            change,
            change,
            run.progress,
            slip,
        ]
        try:
            together.wait(deadline)
            for _ in range(commands // threads):
                rng.choice(orders)()
                with lock:
                    found.seen[run.status] += 1
        except BaseException as error:
            troubles.append(error)

    started = time.monotonic()
    workers = [threading.Thread(target=order, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.1, started + deadline - time.monotonic()))
        assert not worker.is_alive(), "a thread that gave an order never got it back"
    if troubles:
        raise troubles[0]
    run.stop()
    run.wait(deadline)
    found.seconds = time.monotonic() - started
    assert math.isfinite(run.progress()["epoch"])
    return found
