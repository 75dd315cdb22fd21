"""A job as files: what comes back is what was written, and nothing in it is trusted."""

from __future__ import annotations

import json
import os
import pickle
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.data import Prepared
from medilytica_widgets.engine import Job
from medilytica_widgets.engine.job_files import ARRAYS, read_job, write_job
from medilytica_widgets.errors import DataError, SpecError, StateError, UnknownAlgorithmError
from medilytica_widgets.network import Layer

LAYERS = (Layer("linear", units=8, activation="relu"), Layer("dropout", p=0.1))


@pytest.fixture
def job(diabetes: Prepared) -> Job:
    values = {"learning_rate": 0.1 + 0.2, "epochs": 7, "patience": None}
    return Job(algorithms.get("mlp"), values, diabetes, layers=LAYERS, seed=11, device="cpu")


def test_a_job_comes_back_as_it_was(job: Job, tmp_path: Path) -> None:
    write_job(tmp_path, job, goal="epoch", spec={"name": "trial"})
    back, extra = read_job(tmp_path)
    assert extra == {"goal": "epoch", "spec": {"name": "trial"}}
    assert back.algorithm is job.algorithm
    assert (back.values, back.layers, back.head) == (job.values, job.layers, job.head)
    assert (back.seed, back.device, back.task, back.n_classes) == (11, "cpu", "regression", 1)
    assert (back.prepared.feature_names, back.prepared.classes) == (job.prepared.feature_names, [])
    for name in ARRAYS:
        before, after = getattr(job.prepared, name), getattr(back.prepared, name)
        np.testing.assert_array_equal(after, before)
        assert after.dtype == before.dtype


def test_rows_are_mapped_and_can_be_written_to_without_changing_the_file(job: Job, tmp_path: Path) -> None:
    write_job(tmp_path, job)
    rows = read_job(tmp_path)[0].prepared.X_train
    base: Any = rows
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    rows[0] = 7.0
    np.testing.assert_array_equal(read_job(tmp_path)[0].prepared.X_train, job.prepared.X_train)


def test_a_job_that_is_written_again_leaves_the_rows_of_a_training_alone(job: Job, tmp_path: Path) -> None:
    write_job(tmp_path, job)
    rows = read_job(tmp_path)[0].prepared.X_train
    write_job(tmp_path, replace(job, prepared=replace(job.prepared, X_train=job.prepared.X_train + 1)))
    np.testing.assert_array_equal(rows, job.prepared.X_train)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_split_with_few_rows(job: Job, tmp_path: Path, rows: int) -> None:
    data = job.prepared
    few = replace(data, X_validation=data.X_validation[:rows], y_validation=data.y_validation[:rows])
    write_job(tmp_path, replace(job, prepared=few))
    back = read_job(tmp_path)[0].prepared
    assert back.X_validation.shape == (rows, data.X_train.shape[1])
    assert back.y_validation.shape == (rows,)


def test_rows_that_are_not_contiguous(job: Job, tmp_path: Path) -> None:
    data = job.prepared
    write_job(tmp_path, replace(job, prepared=replace(data, X_train=data.X_train[::2], y_train=data.y_train[::2])))
    np.testing.assert_array_equal(read_job(tmp_path)[0].prepared.X_train, data.X_train[::2])


def test_100_000_rows_take_less_than_a_blink(job: Job, tmp_path: Path) -> None:
    rows = np.zeros((100_000, 30), dtype=np.float32)
    large = replace(job.prepared, X_train=rows, y_train=np.zeros(len(rows), dtype=np.float32))
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        write_job(tmp_path, replace(job, prepared=large))
        seconds.append(time.perf_counter() - started)
    # the best of five: a busy machine slows writing down, nothing speeds it up
    assert min(seconds) < 0.05


def test_objects_are_not_written_and_pickles_are_not_read(job: Job, tmp_path: Path) -> None:
    words = np.array(["a", None], dtype=object)
    with pytest.raises(DataError, match="y_train holds Python objects"):
        write_job(tmp_path, replace(job, prepared=replace(job.prepared, y_train=words)))
    write_job(tmp_path, job)

    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    for content in (pickle.dumps(Bomb()), _object_array(Bomb())):
        (tmp_path / "y_train.npy").write_bytes(content)
        with pytest.raises(StateError, match="damaged"):
            read_job(tmp_path)
    assert not (tmp_path / "exploded").exists()


def _object_array(item: Any) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, np.array([item], dtype=object), allow_pickle=True)
    return file.getvalue()


def test_an_incomplete_or_damaged_job_is_said(job: Job, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"no complete job in .*job\.json is missing"):
        read_job(tmp_path)
    write_job(tmp_path, job)
    (tmp_path / "X_test.npy").unlink()
    with pytest.raises(StateError, match=r"X_test\.npy is missing"):
        read_job(tmp_path)
    (tmp_path / "job.json").write_text('{"version": 1')
    with pytest.raises(StateError, match="damaged"):
        read_job(tmp_path)


def test_an_entry_that_lives_in_a_function_cannot_be_found(job: Job, tmp_path: Path) -> None:
    local = replace(job.algorithm, id="local", coder=lambda request: [])
    with pytest.raises(SpecError, match="into a module of its own"):
        write_job(tmp_path, replace(job, algorithm=local))


def test_reading_imports_nothing_unless_it_may(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_job(tmp_path, job)
    facts = json.loads((tmp_path / "job.json").read_text())
    facts["algorithm"] = {"id": "absent", "module": "surprise_module", "attribute": "ENTRY"}
    (tmp_path / "job.json").write_text(json.dumps(facts))
    (tmp_path / "surprise_module.py").write_text("raise RuntimeError('it was imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnknownAlgorithmError, match="absent"):
        read_job(tmp_path)
    with pytest.raises(RuntimeError, match="it was imported"):
        read_job(tmp_path, imports=True)
