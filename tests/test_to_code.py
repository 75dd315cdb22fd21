"""The printed script does what the run did, in an interpreter that knows nothing of this package."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import medilytica_widgets as mw

QUICK = {
    "mlp": {"epochs": 4, "l2": 1e-4, "clip_norm": 1.0, "schedule": "cosine", "patience": 3},
    "logistic_regression": {},
    "random_forest": {"n_estimators": 20},
    "gradient_boosting": {"n_estimators": 10},
}
LEAKS = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]

SHORT = {"epochs": 6, "batch_size": 32, "learning_rate": 0.01}
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "nadam": {"optimizer": "nadam"},
    "rmsprop": {"optimizer": "rmsprop"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "nesterov": {"optimizer": "sgd", "nesterov": True, "learning_rate": 0.05, "weight_decay": 0.01},
    "one_cycle": {"schedule": "one_cycle"},
    "plateau": {"schedule": "plateau", "plateau_patience": 1, "learning_rate": 0.1, "epochs": 15},
    "warmup": {"warmup": 2.5, "schedule": "cosine"},
    "clip_value": {"clip_value": 0.01, "clip_norm": 0.05, "l1": 1e-3, "l2": 1e-2},
    "accumulation": {"accumulation": 3, "batch_size": 10, "warmup": 1.5, "l2": 1e-2},
    "class_weight": {"class_weight": "balanced"},
    "label_smoothing": {"label_smoothing": 0.2},
    "accumulated class_weight": {"class_weight": "balanced", "label_smoothing": 0.1, "accumulation": 3},
    "mixed": {"precision": "mixed"},
    "mixed accumulation": {"precision": "mixed", "accumulation": 2, "schedule": "plateau", "plateau_patience": 1},
}
OF_CLASSES = {"class_weight", "label_smoothing", "accumulated class_weight"}


def run_script(source: str, folder: Path) -> dict[str, float]:
    """Run a script in isolated mode and return the metrics it prints."""
    assert "medilytica_widgets" not in ast.unparse(ast.parse(source)).replace("medilytica_widgets/data/samples", "")
    path = folder / "script.py"
    path.write_text(source, encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, text=True, timeout=240, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("algorithm", QUICK)
def test_script_finds_the_runs_metrics(algorithm: str, tmp_path: Path) -> None:
    data = mw.load_dataset("kepler", target="koi_disposition", exclude=LEAKS)
    exp = mw.Experiment(data, algorithm=algorithm, hyperparameters=QUICK[algorithm], seed=2)
    expected = exp.train().wait(240).evaluate().metrics
    # a network's sums are taken in another order by another loop; estimators are deterministic
    tolerance = 2e-2 if algorithm == "mlp" else 1e-6
    assert run_script(exp.to_code(), tmp_path) == pytest.approx(expected, abs=tolerance)
    exp.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("algorithm", ["mlp", "random_forest", "gradient_boosting"])
def test_regression_script_keeps_the_targets_units(algorithm: str, tmp_path: Path) -> None:
    hyperparameters = {name: QUICK[algorithm][name] for name in QUICK[algorithm] if name != "patience"}
    exp = mw.Experiment(mw.load_dataset("diabetes"), algorithm=algorithm, hyperparameters=hyperparameters)
    expected = exp.train().wait(240).evaluate().metrics
    assert run_script(exp.to_code(), tmp_path) == pytest.approx(expected, rel=2e-2 if algorithm == "mlp" else 1e-6)
    exp.close()


def test_a_hostile_name_stays_a_name(tmp_path: Path) -> None:
    exp = mw.Experiment(
        mw.load_dataset("moons"), hyperparameters={"epochs": 1}, name='"""\nimport os\nos.abort()\n"""\\'
    )
    assert set(run_script(exp.to_code(), tmp_path)) >= {"accuracy"}
    exp.close()


def test_a_runs_script_replays_its_mid_run_changes(tmp_path: Path) -> None:
    exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 40, "batch_size": 32}, seed=4)
    run = exp.train()
    run.pause()
    exp.set("learning_rate", 0.03)
    run.resume()
    run.wait(60)
    assert len(run.marks) == 1
    assert run_script(run.to_code(), tmp_path) == pytest.approx(run.evaluate().metrics, abs=2e-2)
    exp.close()


def run_here(source: str, folder: Path) -> dict[str, Any]:
    """Run a script in this interpreter, which has torch loaded already; return its names."""
    path = folder / "script.py"
    path.write_text(source, encoding="utf-8")
    with torch.random.fork_rng():
        return runpy.run_path(str(path))


# another loop sums in another order; a run that ignored its option would end further away than this
ROUNDING = 5e-4


@pytest.mark.parametrize("option", OPTIONS)
def test_the_script_ends_where_a_run_with_that_option_does(option: str, tmp_path: Path) -> None:
    # 1, 2 and 3 parts of three classes, so that the weights of classes matter
    wine = mw.load_dataset("wine")
    exp = mw.Experiment(wine, hyperparameters={**SHORT, **OPTIONS[option]}, seed=5)
    run = exp.train().wait(120)
    names = run_here(run.to_code(), tmp_path)
    found = run.predictor().predict_proba(names["X_test"])
    np.testing.assert_allclose(names["probabilities"], found, atol=ROUNDING)
    exp.close()


@pytest.mark.parametrize("option", [name for name in OPTIONS if name not in OF_CLASSES])
def test_the_script_predicts_the_numbers_of_a_run_with_that_option(option: str, tmp_path: Path) -> None:
    data = mw.load_dataset("diabetes")
    exp = mw.Experiment(data, hyperparameters={**SHORT, **OPTIONS[option]}, seed=5)
    run = exp.train().wait(120)
    names = run_here(run.to_code(), tmp_path)
    spread = float(names["y_train"].std())
    found = run.predictor().predict(names["X_test"])
    np.testing.assert_allclose(names["predicted"], found, atol=ROUNDING * spread)
    exp.close()


def test_a_runs_script_replays_changes_of_clipping_and_of_a_scheduled_rate(tmp_path: Path) -> None:
    exp = mw.Experiment(
        mw.load_dataset("moons"),
        hyperparameters={"epochs": 30, "batch_size": 16, "accumulation": 2, "schedule": "one_cycle", "warmup": 1.5},
        seed=4,
    )
    paused = threading.Event()
    run = exp.train()
    run.status_changed.connect(lambda status: paused.set() if status == "paused" else None)
    run.pause()
    assert paused.wait(60)
    paused.clear()
    run.step("epoch")
    assert paused.wait(60)
    exp.set("clip_value", 0.01)
    exp.set("learning_rate", 0.03)
    run.resume()
    run.wait(60)
    assert [mark.name for mark in run.marks] == ["clip_value", "learning_rate"]
    assert run.marks[0].step > 0
    names = run_here(run.to_code(), tmp_path)
    found = run.predictor().predict_proba(names["X_test"])
    np.testing.assert_allclose(names["probabilities"], found, atol=ROUNDING)
    exp.close()
