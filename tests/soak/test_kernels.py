"""``kill -9`` of kernels that train, at random moments: each run goes on and ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import medilytica_widgets as mw
from medilytica_widgets.engine import read_latest
from tests.soak.test_runs import _record
from tests.soak.trials import check_same

KILLS = 20
EVERY = 0.05
"""Seconds between two checkpoints."""

SPECS: dict[str, tuple[list[mw.Layer], dict[str, Any]]] = {
    "plain, adam": (
        [mw.Layer("linear", units=32), mw.Layer("linear", units=16, activation="tanh")],
        {"epochs": 5000, "batch_size": 8, "schedule": "cosine"},
    ),
    "dropout, sgd": (
        [mw.Layer("linear", units=24), mw.Layer("dropout", p=0.3), mw.Layer("linear", units=12)],
        {"epochs": 4000, "batch_size": 16, "optimizer": "sgd", "schedule": "plateau", "learning_rate": 0.01},
    ),
    "normed, nadam": (
        [mw.Layer("linear", units=24), mw.Layer("batch_norm"), mw.Layer("dropout", p=0.2)],
        {"epochs": 400, "batch_size": 16, "optimizer": "nadam", "patience": 390},
    ),
    "mixed, adamw": (
        [mw.Layer("linear", units=24), mw.Layer("layer_norm"), mw.Layer("linear", units=12, activation="gelu")],
        {"epochs": 150, "batch_size": 16, "optimizer": "adamw", "accumulation": 2, "precision": "mixed"},
    ),
}

KERNEL = """
import sys, time
from tests.soak.test_kernels import EVERY, experiment
exp = experiment(sys.argv[1])
def tell(status):
    if status == "running": print(run_id, time.monotonic(), flush=True)
def follow(run):
    global run_id
    run_id = run.id
    run.status_changed.connect(tell)
exp.run_added.connect(follow)
exp.train(checkpoint_seconds=EVERY, keep_epochs=5).wait()
"""


def experiment(name: str) -> mw.Experiment:
    layers, values = SPECS[name]
    return mw.Experiment(mw.load_dataset("breast_cancer"), hyperparameters=values, layers=layers, seed=7)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path))
    yield tmp_path


def test_twenty_killed_kernels_lose_no_run(own_home: Path) -> None:
    rng, began = random.Random(5), time.monotonic()
    whole = {name: experiment(name).train(keep_epochs=0).wait(300) for name in SPECS}
    lost: list[float] = []
    early = late = epochs = 0
    for number in range(KILLS):
        name = list(SPECS)[number % len(SPECS)]
        kernel = subprocess.Popen(
            [sys.executable, "-c", KERNEL, name], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        assert kernel.stdout is not None
        with kernel.stdout as told:
            run_id, started = told.readline().split()
        # of its training: while torch is loaded, before the first checkpoint, amid, and once at its end
        moment = rng.uniform(0.7, 1.7 + whole[name].progress()["seconds"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            kernel.wait(moment)
        kernel.send_signal(signal.SIGKILL)
        kernel.wait(30)
        trained = time.monotonic() - float(started)
        known = mw.runs()
        status = known.loc[run_id, "status"] if run_id in known.index else "not yet known"
        if status == "finished":
            late += 1
            check_same(whole[name], mw.open_run(run_id))
            continue
        # of a run that was killed nobody says that it trains
        assert status in ("interrupted", "not yet known")
        found = read_latest(own_home / "runs" / run_id)
        if found is None:
            early += 1
            with pytest.raises(mw.errors.MedilyticaError, match="checkpoint"):
                mw.Run.resume(run_id)
            continue
        assert status == "interrupted", "there are files of a run that nobody knows"
        if "run" in found[1].facts and found[0].name == "checkpoint.safetensors":
            lost.append(trained - float(found[1].facts["run"]["clock"]))
        rest = mw.Run.resume(run_id).wait(300)
        epochs += len(rest.history) - int(found[1].facts["epoch"])
        assert (rest.id, rest.status) == (run_id, "finished")
        assert rest.path == whole[name].path, "the kernel had measured other speeds"
        check_same(whole[name], rest)
        assert mw.runs().loc[run_id, "status"] == "finished"
        rest.close()
    _record(
        "kernels killed -9 while they trained",
        f"{KILLS} of {len(SPECS)} kinds in {time.monotonic() - began:.0f} s: {early} before their first checkpoint, "
        f"{late} had ended, {len(lost)} went on for {epochs} epochs together and ended bit for bit as if never killed; "
        f"checkpoints every {EVERY} s, lost at most {max(lost, default=0.0):.2f} s of training",
    )
    assert len(lost) >= KILLS // 3
    assert max(lost) < EVERY + 2.0
