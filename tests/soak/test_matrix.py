"""Every algorithm with every task that it does on three small real tables, from training to the printed program."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import pytest

from medilytica_widgets import algorithms
from tests import code_trials as trials
from tests import matrix_cells as cells
from tests.engine.test_forged_models import stored, storm
from tests.soak.test_runs import _record

FORGED = 60

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::UserWarning",
    "ignore::RuntimeWarning",
)


def test_every_algorithm_task_and_table(tmp_path: Path) -> None:
    started, lived, stopped, failures = time.monotonic(), 0, 0, []
    for name in cells.TARGETS:
        kinds = ("classification", "regression")
        tables = {}
        for kind in kinds:
            folder = tmp_path / name / kind
            folder.mkdir(parents=True)
            tables[kind] = cells.table(name, kind, folder)
        with trials.Interpreter() as interpreter:
            for entry in algorithms.list():
                for task in cells.tasks(entry):
                    data = tables["regression" if task == "regression" else "classification"]
                    # each is to be seen, whatever happened to another
                    try:
                        cells.check_cell(entry, task, data, tmp_path, interpreter)
                        lived += 1
                        if cells.stoppable(entry):
                            cells.check_stop(entry, task, data)
                            stopped += 1
                    except (Exception, AssertionError) as error:
                        failures.append(f"{entry.id}, {task}, {name}: {type(error).__name__}: {str(error)[-600:]}")
    _record(
        "every algorithm, task and table",
        f"{lived} cells of {len(algorithms.list())} algorithms on {len(cells.TARGETS)} tables in "
        f"{time.monotonic() - started:.0f} s, {stopped} of them stopped in the middle too; {len(failures)} failures",
    )
    assert not failures, "\n\n".join(failures)


def test_thousands_of_forged_models(tmp_path: Path) -> None:
    started = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = stored(tmp_path)
    ends = storm(tmp_path, seed=2, times=FORGED, timeout=3600)
    said = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    _record(
        "stored models with a changed value",
        f"{sum(ends.values())} of {len(names)} kinds in {time.monotonic() - started:.0f} s: {said}; no crash",
    )
    assert sum(ends.values()) == FORGED * len(names)
