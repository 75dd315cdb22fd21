"""Printed programs, run and looked at: what test_to_code_styles and soak/test_code share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

import medilytica_widgets as mw
from medilytica_widgets.algorithms import Algorithm
from medilytica_widgets.algorithms.base import SUPERVISED
from medilytica_widgets.code_styles import WIDTH

NETWORK_TOLERANCE, ESTIMATOR_TOLERANCE = 2e-2, 1e-9
"""A network's sums are taken in another order by another loop; estimators are deterministic."""

SHORT = {"epochs": 3, "n_estimators": 6, "iterations": 6}
"""Values that keep a fit short, where an algorithm has the parameter."""

HOSTILE = ['a "quoted" name', "it's", "back\\slash\\n", "naïve ☃ {x}", '"""', "#; import os", "%d\u2028end"]
"""Names that end a string, a comment or a line where they are not printed with care."""

WORKER = """
import contextlib, importlib.abc, io, json, os, runpy, sys, traceback

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "medilytica_widgets":
            raise ImportError("a printed program imports medilytica_widgets")

sys.meta_path.insert(0, Refuse())
for line in sys.stdin:
    folder, name = json.loads(line)
    os.chdir(folder)
    said, failed = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(name)
    except BaseException:
        failed = traceback.format_exc()
    print(json.dumps([said.getvalue(), failed]), flush=True)
"""


class Interpreter:
    """A process of its own, in isolated mode, that runs one program after the other and cannot import the package."""

    def __enter__(self) -> Interpreter:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-W", "ignore", "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def metrics(self, source: str, folder: Path) -> dict[str, float]:
        """Run a script in a folder and return the metrics that it prints."""
        (folder / "script.py").write_text(source, encoding="utf-8")
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(folder), "script.py"]) + "\n")
        self._process.stdin.flush()
        said, failed = json.loads(self._process.stdout.readline())
        assert not failed, failed
        return read_metrics(said)


def read_metrics(said: str) -> dict[str, float]:
    """Return what a program printed, ``name value`` a line."""
    return {name: float(value) for name, value in (line.split() for line in said.splitlines() if line)}


def run_notebook(text: str, folder: Path) -> dict[str, float]:
    """Run a notebook in a kernel of its own and return the metrics that its last cell prints."""
    (folder / "notebook.ipynb").write_text(text, encoding="utf-8")
    command = ["nbconvert", "--execute", "--to", "notebook", "--output", "done.ipynb", "notebook.ipynb"]
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    cells = json.loads((folder / "done.ipynb").read_text(encoding="utf-8"))["cells"]
    return read_metrics("".join("".join(output.get("text", ())) for output in cells[-1]["outputs"]))


def check_layout(text: str, folder: Path, name: str = "script.py") -> None:
    """Hold a program to ruff: formatted, imports in order, nothing unused or unknown, modern, no likely bug."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    common = ["--isolated", "--no-cache", f"--line-length={WIDTH}", "--target-version=py311"]
    for command in (["format", "--check", "--diff"], ["check", "--select=E4,E7,E9,F,I,UP,B", "--ignore=B007"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *common, str(path)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


def supervised() -> list[tuple[str, str]]:
    """Return every registered algorithm with every task of a target that it does."""
    return [(a.id, task) for a in mw.algorithms.list_() for task in sorted(a.tasks & SUPERVISED)]


def short(algorithm: Algorithm, task: str) -> dict[str, Any]:
    """Return hyperparameters that keep a fit short."""
    return {name: value for name, value in SHORT.items() if name in algorithm.parameters}


def tolerance(algorithm: Algorithm) -> float:
    """Return how far a program's metrics may be from the run's."""
    return NETWORK_TOLERANCE if algorithm.engine == "torch" else ESTIMATOR_TOLERANCE


def hostile_frame(task: str, rows: int = 120) -> pd.DataFrame:
    """Return a small table of all kinds of columns, with holes, under names that are hard to print."""
    rng = np.random.default_rng(3)
    numbers = rng.normal(size=(rows, 3)) * [1.0, 50.0, 1e-3]
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    words = rng.choice(np.array(['say "hi"', "it's", "C:\\new", "naïve ☃"], dtype=object), rows)
    signal = np.nan_to_num(numbers[:, 0]) + 0.8 * (words == "it's")
    words[rng.random(rows) < 0.1] = None
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D")
    target = signal * 3 + 10 if task == "regression" else np.where(signal > 0.3, 'yes "sir"', "no\\n")
    columns = [*numbers.T, words, days.strftime("%Y-%m-%d"), rng.integers(0, 2, rows), rng.choice(["a", "b"], rows)]
    frame = pd.DataFrame(dict(zip(HOSTILE, columns, strict=True)))
    return frame.assign(**{'target\'s \\ "name"': target})
