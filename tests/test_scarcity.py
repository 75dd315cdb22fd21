"""Runs on a full disk, and where memory gives out; each in a process that has little of either."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def python(code: str, *arguments: object, prefix: tuple[str, ...] = (), **variables: str) -> Any:
    """Run a script in a process of its own and return what its last line says, in JSON."""
    command = [*prefix, sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=110, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def own_mounts() -> tuple[str, ...]:
    """Return a command's beginning that may mount without anybody else seeing it."""
    for prefix in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        command = [*prefix, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if shutil.which("unshare") and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return prefix
    pytest.skip("a small disk of its own needs a mount namespace, and this container allows none")


FULL_DISK = """
import json, subprocess, sys, threading
from pathlib import Path
import medilytica_widgets as mw
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=True)
def fill():
    with open(disk / "filler", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)): pass
        except OSError:
            pass
def train(epochs, layers):
    exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": epochs}, layers=layers, seed=1)
    return exp.train(checkpoint_seconds=0.02)
def lines(run, level):
    return [entry.message for entry in run.log.read()[0] if entry.level == level]
layers = [mw.Layer("linear", units=64)] * 2
if sys.argv[2] == "before":
    fill()
run = train(30, layers).wait(60)
told = {"status": run.status, "rows": len(run.history), "accuracy": run.evaluate().metrics["accuracy"]}
if sys.argv[2] == "amid":
    fill()
    full = train(1_000_000, layers)
    while not lines(full, "warning"): full.trainer._mailbox.ended.wait(0.005)
    (disk / "filler").unlink()
    while not any("written again" in line for line in lines(full, "warning") + lines(full, "info")):
        assert full.status == "running", full.error
        full.trainer._mailbox.ended.wait(0.005)
    full.stop()
    run = full.wait(30)
    told["resumed"] = mw.Run.resume(run.folder, wait=False).trainer.progress()["epoch"] > 1
    told["then"] = run.status
print(json.dumps(told | {"warnings": lines(run, "warning")}))
"""


@pytest.mark.parametrize("when", ["before", "amid"])
def test_a_full_disk_ends_no_run_and_is_said(when: str, tmp_path: Path) -> None:
    told = python(FULL_DISK, tmp_path, when, prefix=own_mounts(), MEDILYTICA_HOME=str(tmp_path / "home"))
    assert told["status"] == "finished" and told["rows"] == 30 and told["accuracy"] > 0.7
    assert any("cannot be written" in line and "full" in line for line in told["warnings"])
    if when == "amid":
        assert told["resumed"] and told["then"] == "stopped"


MEMORY = """
import gc, json, os, resource, sys
import numpy as np, pandas as pd, psutil
import medilytica_widgets as mw
when, room, units = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
wide = mw.Layer("linear", units=1024)
layers = [wide, *[mw.Layer(kind) for kind in sys.argv[4:]], mw.Layer("linear", units=units)]
rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(12_800, 20)).astype("float32")).add_prefix("x")
frame["y"] = np.where(frame.sum(axis=1) > 0, "yes", "no")
data = mw.load_dataset(frame, target="y")
def begin(batch):
    values = {"epochs": 2 if when == "amid" else 1, "batch_size": batch, "learning_rate": 1e-4}
    share = 0.5 if when == "validating" else 0.16
    exp = mw.Experiment(data, hyperparameters=values, layers=layers, seed=1, validation=share)
    return exp.train(keep_epochs=0)
def limit(room):
    gc.collect()
    most = hard if room is None else psutil.Process().memory_info().vms + room * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
_, hard = resource.getrlimit(resource.RLIMIT_AS)
def said(run):
    return [entry.message for entry in run.log.read()[0]]
# what torch, its threads and MKL take once in a process, they take before memory becomes scarce
os.environ["MEDILYTICA_PATH"] = "general"
batch = 256 if when == "validating" else 8192
free = begin(batch).wait(100)
del os.environ["MEDILYTICA_PATH"]
if when == "amid":
    # the one with the largest buffers of its own
    os.environ["MEDILYTICA_PATH"] = "written"
    run = begin(64)
    run.pause()
    while run.status != "paused": run.trainer._mailbox.ended.wait(0.005)
    limit(room)
    run.set("batch_size", 8192)
    run.resume()
else:
    limit(room)
    run = begin(batch)
found = {"free": free.history["val_loss"].tolist(), "free log": said(free)}
try:
    run.wait(100)
except mw.errors.MedilyticaError as error:
    found |= {"error": type(error).__name__, "message": error.message}
limit(None)
found |= {"status": run.status, "log": said(run), "losses": run.history["val_loss"].tolist()}
if run.status == "failed":
    found["again"] = begin(batch).wait(100).status
print(json.dumps(found))
"""


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")


@linux
def test_a_batch_that_does_not_fit_is_halved_to_the_same_result() -> None:
    told = python(MEMORY, "before", 90, 256, MALLOC_ARENA_MAX="1")
    assert told["status"] == "finished", told
    assert any("gradients are added up" in line for line in told["log"])
    assert not any("gradients are added up" in line for line in told["free log"])
    np.testing.assert_allclose(told["losses"], told["free"], rtol=1e-4)


@linux
@pytest.mark.parametrize("normed", [[], ["layer_norm"]], ids=["plain", "normed"])
def test_a_batch_that_no_longer_fits_amid_a_run_is_halved(normed: list[str]) -> None:
    told = python(MEMORY, "amid", 20, 256, *normed, MALLOC_ARENA_MAX="1")
    assert told["status"] == "finished" and len(told["losses"]) == 2, told
    assert any("gradients are added up" in line for line in told["log"])


@linux
def test_validation_rows_that_do_not_fit_at_once_go_in_parts() -> None:
    told = python(MEMORY, "validating", 30, 256, "layer_norm", MALLOC_ARENA_MAX="1")
    assert told["status"] == "finished", told
    np.testing.assert_allclose(told["losses"], told["free"], rtol=1e-4)


@linux
def test_where_nothing_fits_the_run_fails_and_says_what_to_change() -> None:
    told = python(MEMORY, "before", 15, 1024, MALLOC_ARENA_MAX="1")
    assert (told["status"], told["error"]) == ("failed", "OutOfMemoryError")
    assert "narrower layers" in told["message"] and told["message"] in told["log"]
    # its memory is free again, and the next run has all of it
    assert told["again"] == "finished"
