"""The printed script does what the run did, in an interpreter that knows nothing of this package."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import medilytica_widgets as mw

QUICK = {
    "mlp": {"epochs": 4, "l2": 1e-4, "clip_norm": 1.0, "schedule": "cosine", "patience": 3},
    "logistic_regression": {},
    "random_forest": {"n_estimators": 20},
    "gradient_boosting": {"n_estimators": 10},
}
LEAKS = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]


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
