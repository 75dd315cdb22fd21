"""The number of trainings that the server tells Prometheus, from the locks that the engine itself writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medilytica_widgets.engine.lock import LOCK, FolderLock
from medilytica_widgets.server import trainings as module
from medilytica_widgets.server.trainings import Trainings, home_folder
from medilytica_widgets.store.home import home_path


def test_a_run_counts_while_its_lock_is_held(tmp_path: Path) -> None:
    assert module.LOCK == LOCK
    assert Trainings(tmp_path).running() == 0, "no folder of runs at all"
    locks = [FolderLock.take(tmp_path / "runs" / name) for name in ("a" * 12, "b" * 12)]
    assert Trainings(tmp_path).running() == 2
    for lock in locks:
        assert lock is not None
        lock.release()
    assert Trainings(tmp_path).running() == 0


def test_a_lock_whose_process_died_counts_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / ("a" * 12)
    code = "import os, sys\nfrom medilytica_widgets.engine.lock import FolderLock\n"
    code += "FolderLock.take(sys.argv[1])\nos._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=120)
    assert json.loads((folder / LOCK).read_text())["pid"]
    assert Trainings(tmp_path).running() == 0


@pytest.mark.parametrize("content", ["", "{", "null", "[]", '{"pid": "x", "birth": "", "host": ""}', "[" * 4000])
def test_a_damaged_lock_counts_for_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "runs" / "x").mkdir(parents=True)
    (tmp_path / "runs" / "x" / LOCK).write_text(content)
    assert Trainings(tmp_path).running() == 0


def test_the_disk_is_not_looked_at_for_every_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 1e9)
    trainings = Trainings(tmp_path)
    assert trainings.running() == 0
    lock = FolderLock.take(tmp_path / "runs" / ("a" * 12))
    assert lock is not None
    assert trainings.running() == 0
    monkeypatch.setattr(module, "LOOK_SECONDS", -1.0)
    assert trainings.running() == 1
    lock.release()


@pytest.mark.parametrize("given", ["", "~/runs of mine", "/data"])
def test_it_looks_where_the_runs_are(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("MEDILYTICA_HOME", given)
    assert home_folder() == home_path()
