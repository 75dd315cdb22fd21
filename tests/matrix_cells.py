"""One cell of the matrix of algorithms, tasks and tables: what test_matrix and soak/test_matrix share.

A cell is the whole life of a run: trained in the background, watched, evaluated, asked about rows with gaps and with
categories that nobody has seen, saved, loaded, and printed as a program that finds the same metrics.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets import errors
from medilytica_widgets.algorithms import Algorithm
from medilytica_widgets.algorithms.base import SUPERVISED
from tests import code_trials as trials
from tests.data.conftest import ADULT, HEART, TABLES

ROWS = 300
LEAKS = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]
TARGETS = {
    "adult": ("income", "hours_per_week"),
    "heart": ("num", "thalach"),
    "kepler": ("koi_disposition", "koi_kepmag"),
}
"""Of each table a target that is a class and one that is a number."""
SMALL: dict[str, Any] = {"epochs": 2, "n_estimators": 6, "iterations": 6}
SMALLER = {
    "autoencoder": {"epochs": 3},
    "hist_gradient_boosting": {"max_iter": 6},
    "deep_mlp": {"blocks": 1, "width": 16},
    "ft_transformer": {"blocks": 1},
    "select_from_model": {},
    "stacking": {"folds": 2},
    "tsne": {"max_iter": 250},
}
LONG = {"epochs": 100_000, "n_estimators": 10_000, "max_iter": 10_000}
"""Values with which a run that can be stopped would go on for very long."""


def table(name: str, task: str, folder: Path) -> mw.Dataset:
    """Return a small part of a real table as a file of its own, so that a program can read it too."""
    by_class, by_number = TARGETS[name]
    target = by_number if task == "regression" else by_class
    if name == "kepler":
        frame = mw.load_dataset("kepler", target=by_class, exclude=LEAKS).frame.drop(columns=LEAKS, errors="ignore")
    else:
        path = TABLES / {"adult": "adult_test.csv", "heart": "heart_disease_cleveland.csv"}[name]
        if not path.exists():
            pytest.skip(f"the real table {path.name} is not on this machine")
        frame = mw.load_dataset(path, names=ADULT if name == "adult" else HEART).frame
    part = frame.sample(min(ROWS, len(frame)), random_state=0)
    if name == "heart":
        # of five degrees of disease four have few rows
        part = part.assign(num=np.where(part["num"].astype(float) > 0, "ill", "well"))
    path = folder / f"{name}.csv"
    part.to_csv(path, index=False)
    return mw.load_dataset(path, target=target)


def tasks(entry: Algorithm) -> list[str]:
    """Return what an experiment of it does with some table; as a step of another it may do more."""
    return sorted({entry.task_for(asked) for asked in ("classification", "regression", None)} & entry.tasks)


def values(entry: Algorithm, task: str) -> dict[str, Any]:
    """Return hyperparameters that keep a fit short."""
    wanted = {name: value for name, value in SMALL.items() if name in entry.parameters}
    wanted |= SMALLER.get(entry.id, {})
    known = {name for name in wanted if task in (entry.parameters[name].tasks or (task,))}
    return {name: value for name, value in wanted.items() if name in known}


def strange_rows(data: mw.Dataset) -> pd.DataFrame:
    """Return rows with a gap in every column and a category that no training row has."""
    frame = data.frame.head(30).reset_index(drop=True).copy()
    for place, name in enumerate(frame.columns):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype(object)
            frame.loc[29 - place % 10, name] = "never seen before"
        else:
            frame[name] = frame[name].astype(float)
        frame.loc[place % 20, name] = None
    return frame


def check_cell(entry: Algorithm, task: str, data: mw.Dataset, folder: Path, interpreter: trials.Interpreter) -> None:
    """Live through a cell; what goes wrong raises."""
    exp = mw.Experiment(data, algorithm=entry.id, hyperparameters=values(entry, task), seed=3)
    try:
        assert exp.task == task
        run = exp.train(worker="thread", wait=False)
        ended = run.wait(300)
        assert ended.status == "finished", ended.error
        check_progress(run, entry)
        found = run.evaluate()
        assert found.n == len(exp.prepared().y_test) or entry.id == "tsne"
        assert found.metrics and all(np.isfinite(value) for value in found.metrics.values()), found.metrics
        check_predictions(run, entry, task, data, folder)
        printed = interpreter.metrics(run.to_code(), folder)
        tolerance = trials.NETWORK_TOLERANCE if on_torch(entry) else 1e-6
        if entry.id == "tsne":
            # its map follows the last bit of a sum, which the number of threads changes
            tolerance = 0.05
        assert printed == pytest.approx(found.metrics, rel=tolerance, abs=tolerance), (printed, found.metrics)
    finally:
        exp.close()


def on_torch(entry: Algorithm) -> bool:
    return entry.engine == "torch" or entry.id == "autoencoder"


def check_progress(run: mw.Run, entry: Algorithm) -> None:
    history = run.history
    assert len(history) >= 1
    assert (np.diff(history["epoch"]) > 0).all()
    if on_torch(entry) or entry.staged not in (None, "callback"):
        assert len(history) > 1, "no progress was seen before the end"


def check_predictions(run: mw.Run, entry: Algorithm, task: str, data: mw.Dataset, folder: Path) -> None:
    rows = strange_rows(data)
    path = run.save(folder / "model.mw")
    loaded = mw.load_model(path)
    if not rule_for_new_rows(entry):
        for model in (run, loaded):
            with pytest.raises(errors.StateError, match="no rule for others"):
                model.predict(rows)
        return
    said = run.predict(rows)
    assert len(said) == len(rows)
    numbers = said.select_dtypes("number").to_numpy(dtype=float)
    assert np.isfinite(numbers).all()
    assert task not in SUPERVISED or said["prediction"].notna().all()
    pd.testing.assert_frame_equal(loaded.predict(rows), said, check_exact=entry.id != "catboost")


def rule_for_new_rows(entry: Algorithm) -> bool:
    return entry.id != "tsne"


def stoppable(entry: Algorithm) -> bool:
    """Whether a run of it can be stopped in the middle and leaves what it has learned so far."""
    return on_torch(entry) or entry.staged not in (None, "callback")


def check_stop(entry: Algorithm, task: str, data: mw.Dataset) -> None:
    """Stop a run that would go on for long after its first progress; it predicts as far as it came."""
    long = {name: value for name, value in LONG.items() if name in entry.parameters}
    wanted = {**values(entry, task), **long}
    exp = mw.Experiment(data, algorithm=entry.id, hyperparameters=wanted, seed=3)
    try:
        seen = threading.Event()
        run = exp.train(worker="thread", wait=False)
        run.telemetry_advanced.connect(lambda _: seen.set())
        # it may have told of its first progress before somebody listened, and tells of more
        assert seen.wait(120), f"no progress in 120 s, {run.status}, {len(run.history)} rows"
        run.stop()
        assert run.wait(120).status == "stopped", run.error
        assert len(run.predict(strange_rows(data))) == 30
        grown, most = run.history["epoch"].max(), next(iter(long.values()))
        assert 0 < grown < most, f"stopped at {grown} of {most}"
    finally:
        exp.close()
