"""Every algorithm, task and style as a program of a process without the package; types; notebooks in a kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import medilytica_widgets as mw
from medilytica_widgets import errors
from medilytica_widgets.code_styles import STYLES
from tests import code_trials as trials

TABLES = ("wine", "diabetes", "hostile", "kepler")
LEAKS = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]


@pytest.fixture(scope="module")
def interpreter() -> Iterator[trials.Interpreter]:
    # one for all: most of a program's time would else go into loading torch
    with trials.Interpreter() as found:
        yield found


def load(table: str, task: str, folder: Path) -> mw.Dataset:
    if table == "kepler":
        target = "koi_disposition" if task == "classification" else "koi_prad"
        return mw.load_dataset("kepler", target=target, exclude=LEAKS)
    if table == "hostile":
        frame = trials.hostile_frame(task)
        frame.to_csv(folder / "table.csv", index=False)
        return mw.load_dataset(frame, target=frame.columns[-1])
    return mw.load_dataset(table)


def fits(table: str, task: str) -> bool:
    return {"wine": "classification", "diabetes": "regression"}.get(table, task) == task


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("algorithm", "task"), trials.supervised())
def test_every_style_finds_the_runs_metrics(
    algorithm: str, task: str, table: str, interpreter: trials.Interpreter, tmp_path: Path
) -> None:
    if not fits(table, task):
        pytest.skip(f"{table} has no target for {task}")
    entry = mw.algorithms.get(algorithm)
    data = load(table, task, tmp_path)
    exp = mw.Experiment(data, algorithm=algorithm, hyperparameters=trials.short(entry, task), seed=6)
    expected = exp.train().wait(600).evaluate().metrics
    said = []
    for style in STYLES:
        try:
            source = exp.to_code(style=style)
        except errors.InputError as error:
            assert style == "torch" and entry.engine != "torch", error
            continue
        said.append(style)
        if style == "notebook":
            # a kernel takes seconds; its cells hold the script's lines, and a sample is run below
            trials.check_layout(source, tmp_path, "notebook.ipynb")
            continue
        trials.check_layout(source, tmp_path)
        found = interpreter.metrics(source, tmp_path)
        assert found == pytest.approx(expected, rel=trials.tolerance(entry)), style
    assert len(said) == (4 if entry.engine == "torch" else 3)
    exp.close()


@pytest.mark.parametrize(("algorithm", "task"), trials.supervised())
def test_every_notebook_runs_in_a_kernel(algorithm: str, task: str, tmp_path: Path) -> None:
    entry = mw.algorithms.get(algorithm)
    data = load("wine" if task == "classification" else "diabetes", task, tmp_path)
    exp = mw.Experiment(data, algorithm=algorithm, hyperparameters=trials.short(entry, task), seed=6)
    expected = exp.train().wait(600).evaluate().metrics
    found = trials.run_notebook(exp.to_code(style="notebook"), tmp_path)
    assert found == pytest.approx(expected, rel=trials.tolerance(entry))
    exp.close()


def test_every_program_passes_mypy(tmp_path: Path) -> None:
    for algorithm, task in trials.supervised():
        entry = mw.algorithms.get(algorithm)
        exp = mw.Experiment(load("hostile", task, tmp_path), algorithm=algorithm)
        for style in ("script", "sklearn", *(["torch"] if entry.engine == "torch" else [])):
            (tmp_path / f"{algorithm}_{task}_{style}.py").write_text(exp.to_code(style=style), encoding="utf-8")
    options = ["--strict", "--allow-untyped-calls", "--ignore-missing-imports", "--follow-imports=silent"]
    # torch's own functions are not all typed, and scikit-learn's classes are not at all; nothing else is let off
    options += ["--allow-subclassing-any", "--no-warn-return-any"]
    # a recurrent layer returns its rows only, where torch's own returns its state too
    options += ["--disable-error-code=override"]
    command = [sys.executable, "-m", "mypy", *options, "--config-file=", *sorted(str(p) for p in tmp_path.glob("*.py"))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=1200)
    assert done.returncode == 0, done.stdout
