"""Every algorithm lives a whole life on a small real table; `make soak` takes all its tasks and three tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import medilytica_widgets as mw
from medilytica_widgets import algorithms
from tests import code_trials as trials
from tests import matrix_cells as cells

pytestmark = [
    pytest.mark.timeout(180),
    # three epochs and six trees are not enough, and need not be
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*are constant:UserWarning"),
    pytest.mark.filterwarnings("ignore:Bins whose width are too small:UserWarning"),
]
ENTRIES = {entry.id: entry for entry in algorithms.list()}
STOPPABLE = [name for name, entry in ENTRIES.items() if cells.stoppable(entry)]


@pytest.fixture(scope="module")
def interpreter() -> Iterator[trials.Interpreter]:
    with trials.Interpreter() as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, mw.Dataset]:
    kinds = ("classification", "regression")
    for kind in kinds:
        (folder / kind).mkdir()
    return {kind: cells.table("adult", kind, folder / kind) for kind in kinds}


def table_for(task: str, tables: dict[str, mw.Dataset]) -> mw.Dataset:
    return tables["regression" if task == "regression" else "classification"]


@pytest.mark.parametrize("algorithm", ENTRIES)
def test_an_algorithm_from_training_to_program(
    algorithm: str, tables: dict[str, mw.Dataset], folder: Path, interpreter: trials.Interpreter
) -> None:
    entry = ENTRIES[algorithm]
    task = cells.tasks(entry)[0]
    cells.check_cell(entry, task, table_for(task, tables), folder, interpreter)


@pytest.mark.parametrize("algorithm", STOPPABLE)
def test_a_run_stopped_in_the_middle_predicts(algorithm: str, tables: dict[str, mw.Dataset]) -> None:
    entry = ENTRIES[algorithm]
    task = cells.tasks(entry)[-1]
    cells.check_stop(entry, task, table_for(task, tables))


def test_what_can_be_stopped_is_known() -> None:
    assert {"mlp", "random_forest", "hist_gradient_boosting"} <= set(STOPPABLE)
    assert not {"ridge", "knn", "pca"} & set(STOPPABLE)
