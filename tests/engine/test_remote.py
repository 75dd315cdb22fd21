"""A training in a process of its own: the same results, and whichever side dies, the other one copes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.data import Prepared
from medilytica_widgets.engine import LEGAL, Job, Mark, Trainer
from medilytica_widgets.engine.facts import read_json
from medilytica_widgets.engine.keeper import Keeping
from medilytica_widgets.engine.processes import birth
from medilytica_widgets.engine.remote import RemoteTrainer
from medilytica_widgets.engine.run_folder import read_latest
from medilytica_widgets.errors import (
    DivergenceError,
    InputError,
    OutOfMemoryError,
    ParameterError,
    SpecError,
    StateError,
    TrainingError,
    WaitTimeout,
)
from medilytica_widgets.network import Layer

Make = Callable[..., RemoteTrainer]
Until = Callable[..., None]
ROOT = Path(__file__).parents[2]
LAYERS = (Layer("linear", units=8), Layer("dropout", p=0.2))
MODULE = """
from medilytica_widgets.algorithms import Algorithm
from medilytica_widgets.parameters import ParameterTable

def build(values, task, n_features, n_classes, seed):
    from sklearn.ensemble import RandomForestClassifier
    return RandomForestClassifier(n_estimators=10_000_000, random_state=seed)

def code(request):
    return []

ENDLESS = Algorithm(
    id="endless_forest", name="Endless forest", category=("Test",), tasks=frozenset({"classification"}), summary="",
    when="", when_not="", references=(), parameters=ParameterTable(()), engine="estimator", coder=code, builder=build,
)
"""
KERNEL = """
import sys, threading
from medilytica_widgets.engine.job_files import read_job
from medilytica_widgets.engine.remote import RemoteTrainer

def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

if __name__ == "__main__":
    what, source, folder = sys.argv[1:]
    if what == "attach":
        trainer = RemoteTrainer.attach(folder)
    else:
        trainer = RemoteTrainer(read_job(source)[0], folder=folder, detached=what == "detached")
        trainer.start()
        trainer.begun.wait()
    say(trainer.pid)
    for line in sys.stdin:
        command, *given = line.split()
        if command == "rows":
            while len(trainer.telemetry) < int(given[0]):
                threading.Event().wait(0.01)
        elif command == "status":
            while trainer.status != given[0]:
                threading.Event().wait(0.01)
        else:
            getattr(trainer, command)(*given)
        say("done", command, trainer.status)
"""


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert not list(Path(tempfile.gettempdir()).glob(f"medilytica-run-{os.getpid()}-*"))
    assert [p for p in psutil.Process().children() if "engine.child" in " ".join(p.cmdline())] == []


@pytest.fixture
def remote() -> Iterator[Make]:
    """Return ``remote(prepared, algorithm="mlp", layers=…, seed=0, folder=None, detached=False, **values)``."""
    made: list[RemoteTrainer] = []

    def factory(
        prepared: Prepared,
        algorithm: Any = "mlp",
        layers: Sequence[Layer] = LAYERS,
        seed: int = 0,
        folder: Path | None = None,
        detached: bool = False,
        **values: Any,
    ) -> RemoteTrainer:
        found = algorithms.get(algorithm) if isinstance(algorithm, str) else algorithm
        job = Job(found, values, prepared, layers=layers, seed=seed, device="cpu")
        made.append(RemoteTrainer(job, folder=folder, detached=detached))
        return made[-1]

    yield factory
    for trainer in made:
        trainer.stop()
        trainer.close()


@pytest.fixture
def endless_forest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return an entry whose single fit does not end, in a module that another process can import."""
    place = tmp_path / "modules"
    place.mkdir()
    (place / "endless_entry.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(place))
    import endless_entry  # type: ignore[import-not-found]

    yield endless_entry.ENDLESS
    sys.modules.pop("endless_entry")


class Kernel:
    """A process that holds a run as a kernel does."""

    def __init__(self, what: str, source: Path, folder: Path, script: Path) -> None:
        script.write_text(KERNEL)
        command = [sys.executable, str(script), what, str(source), str(folder)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=script.parent
        )
        self.child = int(self._read())

    def _read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the kernel ended"
        return line

    def tell(self, command: str, *given: Any) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, (command, *given))) + "\n")
        self.process.stdin.flush()
        return self._read().split()[-1]

    def quit(self) -> None:
        with self.process:
            pass

    def kill(self) -> None:
        with self.process:
            self.process.kill()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Return ``kernel(what, source, folder)``: what is "attached", "detached" or "attach"."""
    made: list[Kernel] = []

    def factory(what: str, source: Path, folder: Path) -> Kernel:
        made.append(Kernel(what, source, folder, tmp_path / "kernel.py"))
        return made[-1]

    yield factory
    for one in made:
        one.kill()
        if birth(one.child) is not None:
            os.kill(one.child, signal.SIGKILL)


def assert_same_model(found: Any, expected: Any, rows: Any) -> None:
    answers = [model.predict_proba(rows) if model.task == "classification" else model.predict(rows)
               for model in (found, expected)]  # fmt: skip
    np.testing.assert_array_equal(*answers)
    if hasattr(expected, "state"):
        weights = expected.state()
        for name, value in found.state().items():
            np.testing.assert_array_equal(value.numpy(), weights[name].numpy())


def assert_same_history(found: Trainer, expected: Trainer) -> None:
    timed = ["seconds", "samples_per_second"]
    one, other = (t.telemetry.frame().drop(columns=timed) for t in (found, expected))
    np.testing.assert_array_equal(one.to_numpy(), other.to_numpy())


# -- the same as in the kernel


@pytest.mark.parametrize(
    ("data", "algorithm", "values"),
    [
        ("moons", "mlp", {"epochs": 6, "batch_size": 16}),
        ("diabetes", "mlp", {"epochs": 6, "schedule": "cosine"}),
        ("iris", "random_forest", {"n_estimators": 6}),
        ("diabetes", "gradient_boosting", {"n_estimators": 6}),
    ],
)
def test_it_learns_what_a_trainer_in_the_kernel_learns(
    remote: Make, request: pytest.FixtureRequest, data: str, algorithm: str, values: dict[str, Any]
) -> None:
    prepared: Prepared = request.getfixturevalue(data)
    trainer = remote(prepared, algorithm, **values)
    seen: list[str] = []
    trainer.status_changed.connect(seen.append)
    trainer.start()
    local = Trainer(trainer.job)
    local.start()
    local.wait(60)
    trainer.wait(60)
    assert seen == ["running", "finished"]
    assert_same_history(trainer, local)
    assert_same_model(trainer.predictor(), local.predictor(), prepared.X_test)
    assert (trainer.best_epoch, trainer.values) == (local.best_epoch, local.values)
    one, other = trainer.progress(), local.progress()
    for key in ("status", "epoch", "epochs", "step", "remaining_seconds", "device", "best_epoch"):
        assert one[key] == other[key]
    assert one["seconds"] > 0
    assert [e.message for e in trainer.log.read()[0]] == [e.message for e in local.log.read()[0]]
    sheet, expected = trainer.sheets.latest, local.sheets.latest
    assert (sheet is None) == (expected is None)


def test_commands_act_as_in_the_kernel(remote: Make, moons: Prepared, endless: int, until: Until) -> None:
    def play(trainer: Trainer) -> list[str]:
        seen: list[str] = ["queued"]
        trainer.status_changed.connect(seen.append)
        trainer.set("learning_rate", 0.01)
        trainer.step("epoch")
        until(lambda: trainer.status == "paused" and len(trainer.telemetry) == 1)
        trainer.set("learning_rate", 0.0007, author="Ada")
        trainer.set("batch_size", 20)
        for _ in range(2):
            before = len(seen)
            trainer.step("batch")
            until(lambda before=before: len(seen) == before + 2)
        trainer.step("epoch")
        until(lambda: trainer.status == "paused" and len(trainer.telemetry) == 2)
        trainer.stop()
        trainer.wait(60)
        return seen

    trainer = remote(moons, epochs=endless)
    told: list[Mark] = []
    trainer.marked.connect(told.append)
    local = Trainer(trainer.job)
    statuses = play(trainer)
    assert statuses == play(local)
    for before, after in zip(statuses, statuses[1:], strict=False):
        assert after in LEGAL[before]  # type: ignore[index]
    assert_same_history(trainer, local)
    assert_same_model(trainer.predictor(), local.predictor(), moons.X_test)
    assert [replace(mark, time=0.0) for mark in trainer.marks] == [replace(mark, time=0.0) for mark in local.marks]
    assert [(m.name, m.author) for m in told] == [
        ("learning_rate", None), ("learning_rate", "Ada"), ("batch_size", None),
    ]  # fmt: skip
    assert trainer.values == local.values


def test_pause_resume_and_what_is_refused(remote: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = remote(moons, epochs=endless, layers=(Layer("linear", units=4), Layer("batch_norm")))
    with pytest.raises(StateError, match=r"start\(\)"):
        trainer.wait()
    trainer.start()
    assert trainer.status == "queued"
    until(lambda: len(trainer.telemetry) > 3)
    with pytest.raises(WaitTimeout, match="still running"):
        trainer.wait(0.01)
    trainer.pause()
    until(lambda: trainer.status == "paused")
    rows = len(trainer.telemetry)
    with pytest.raises(ParameterError, match="learning_rate is -1"):
        trainer.set("learning_rate", -1)
    with pytest.raises(ParameterError, match="batch normalisation"):
        trainer.set("batch_size", 1)
    with pytest.raises(StateError, match="fortnight"):
        trainer.step("fortnight")  # type: ignore[arg-type]
    assert (len(trainer.telemetry), trainer.marks) == (rows, [])
    first = trainer.predictor()
    trainer.resume()
    until(lambda: len(trainer.telemetry) > rows)
    # each is asked for by the call before
    until(lambda: trainer.predictor().version > first.version + 2)
    trainer.snapshot_interest = True
    version = trainer.predictor().version
    until(lambda: trainer.predictor().version > version + 5)
    trainer.stop()
    trainer.wait(30)
    assert trainer.status == "stopped"
    assert trainer.predictor().epoch == pytest.approx(trainer.progress()["epoch"])


def test_an_error_of_the_training_is_told_in_the_kernel(remote: Make, moons: Prepared) -> None:
    layers = [Layer("linear", units=32, activation="none")] * 6
    trainer = remote(moons, learning_rate=10.0, optimizer="sgd", momentum=0.99, layers=layers)
    trainer.start()
    with pytest.raises(DivergenceError, match="Try a learning rate") as caught:
        trainer.wait(60)
    assert trainer.status == "failed"
    assert any("In the training process" in note for note in caught.value.__notes__)


def test_what_cannot_begin_is_said(remote: Make, moons: Prepared, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a folder"):
        remote(moons, detached=True)
    with pytest.raises(SpecError, match="module of its own"):
        remote(moons, replace(algorithms.get("mlp"), id="local", coder=lambda request: []))
    (tmp_path / "file").write_text("")
    trainer = remote(moons, folder=tmp_path / "file" / "run")
    trainer.start()
    with pytest.raises(TrainingError, match="could not be started"):
        trainer.wait(30)
    with pytest.raises(StateError, match="no run to attach"):
        RemoteTrainer.attach(tmp_path)


def test_a_stop_before_the_process_is_there(remote: Make, moons: Prepared) -> None:
    trainer = remote(moons)
    trainer.start()
    trainer.stop()
    trainer.wait(30)
    assert trainer.status == "stopped"
    with pytest.raises(StateError, match="learned nothing"):
        trainer.predictor()


# -- whichever side dies


def test_stop_ends_a_fit_that_has_no_end(remote: Make, iris: Prepared, endless_forest: Any, until: Until) -> None:
    trainer = remote(iris, endless_forest)
    trainer.start()
    until(lambda: trainer.status == "running")
    pid = trainer.pid
    assert pid is not None
    trainer.stop()
    trainer.wait(10)
    assert trainer.status == "stopped"
    assert any("was ended" in note for note in trainer.notes)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (signal.SIGKILL, OutOfMemoryError, r"killed by signal 9 \(SIGKILL\), as the system does when memory runs out"),
        (signal.SIGSEGV, TrainingError, r"killed by signal 11 \(SIGSEGV\).*\n.*Segmentation fault"),
    ],
)
def test_a_process_that_dies_fails_the_run_and_keeps_what_came(
    remote: Make, moons: Prepared, endless: int, until: Until, number: int, kind: type[Exception], words: str
) -> None:
    trainer = remote(moons, epochs=endless)
    trainer.start()
    until(lambda: len(trainer.telemetry) > 0)
    trainer.predictor()
    assert trainer.pid is not None
    os.kill(trainer.pid, number)
    with pytest.raises(kind, match=f"(?s){words}"):
        trainer.wait(30)
    assert trainer.status == "failed"
    assert len(trainer.telemetry) > 0
    assert trainer.predictor().predict(moons.X_test).shape == moons.y_test.shape
    assert trainer.log.read()[0][-1].level == "error"


@pytest.mark.parametrize("moment", ["at once", "amid the training"])
def test_a_killed_kernel_takes_its_child_along(
    kernel: Callable[..., Kernel], moons: Prepared, endless: int, tmp_path: Path, until: Until, moment: str
) -> None:
    from medilytica_widgets.engine.job_files import write_job

    source = tmp_path / "source"
    source.mkdir()
    write_job(source, Job(algorithms.get("mlp"), {"epochs": endless}, moons, layers=LAYERS))
    one = kernel("attached", source, tmp_path / "run")
    if moment != "at once":
        one.tell("rows", 1)
        assert birth(one.child) is not None
    one.kill()
    until(lambda: birth(one.child) is None, 5.0)


# -- detached


def test_a_detached_run_survives_and_obeys_whoever_attaches(
    kernel: Callable[..., Kernel], moons: Prepared, tmp_path: Path, until: Until
) -> None:
    from medilytica_widgets.engine.job_files import write_job

    source, folder = tmp_path / "source", tmp_path / "runs" / ("a long name " * 10)
    source.mkdir()
    job = Job(algorithms.get("mlp"), {"epochs": 40}, moons, layers=LAYERS, device="cpu")
    write_job(source, job)
    local = Trainer(job)
    local.step("epoch")
    first = kernel("detached", source, folder)
    first.tell("pause")
    # a step before the pause would otherwise depend on when it came
    first.tell("status", "paused")
    first.kill()
    assert birth(first.child) is not None
    assert read_json(folder / "status.json")["pid"] == first.child

    second = kernel("attach", source, folder)
    assert second.child == first.child
    trainer = RemoteTrainer.attach(folder)
    assert (trainer.status, trainer.pid) == ("paused", first.child)
    seen: list[str] = []
    trainer.status_changed.connect(seen.append)
    rows = len(trainer.telemetry)
    assert second.tell("step", "epoch")
    until(lambda: seen == ["running", "paused"] and len(trainer.telemetry) == rows + 1)
    # a client that hears nothing any more holds nobody up
    os.kill(second.process.pid, signal.SIGSTOP)
    trainer.close()
    assert birth(first.child) is not None
    with pytest.raises(StateError, match="attach it again"):
        trainer.wait()
    again = RemoteTrainer.attach(folder)
    assert len(again.telemetry) == rows + 1
    again.resume()
    again.wait(60)
    os.kill(second.process.pid, signal.SIGCONT)
    second.tell("wait")

    local.resume()
    local.wait(60)
    assert_same_history(again, local)
    assert_same_model(again.predictor(), local.predictor(), moons.X_test)
    until(lambda: birth(first.child) is None)
    late = RemoteTrainer.attach(folder)
    assert late.status == "finished"
    late.wait(10)
    assert_same_history(late, local)
    assert_same_model(late.predictor(), local.predictor(), moons.X_test)
    assert late.progress()["epoch"] == 40
    assert not (folder / "address.json").exists()
    assert not (folder / "key").exists()


def test_a_detached_run_that_was_killed_says_so(
    remote: Make, moons: Prepared, endless: int, tmp_path: Path, until: Until
) -> None:
    trainer = remote(moons, epochs=endless, folder=tmp_path, detached=True)
    trainer.start()
    until(lambda: len(trainer.telemetry) > 0)
    trainer.close()
    assert trainer.pid is not None
    os.kill(trainer.pid, signal.SIGKILL)
    until(lambda: birth(trainer.pid or 0) is None)
    late = RemoteTrainer.attach(tmp_path)
    with pytest.raises(TrainingError, match=r"its process is gone.*resume it from its last checkpoint"):
        late.wait(10)
    assert late.status == "failed" == read_json(tmp_path / "status.json")["status"]


def test_another_kernel_can_end_a_detached_fit_without_stages(
    remote: Make, iris: Prepared, endless_forest: Any, tmp_path: Path, until: Until
) -> None:
    trainer = remote(iris, endless_forest, folder=tmp_path / "run", detached=True)
    trainer.start()
    until(lambda: trainer.status == "running")
    other = RemoteTrainer.attach(tmp_path / "run")
    other.stop()
    other.wait(10)
    trainer.wait(10)
    assert (other.status, trainer.status) == ("stopped", "stopped")
    late = RemoteTrainer.attach(tmp_path / "run")
    assert late.status == "stopped"


def test_what_the_process_kept_another_one_goes_on_from(moons: Prepared, tmp_path: Path, until: Until) -> None:
    job = Job(algorithms.get("mlp"), {"epochs": 8}, moons, layers=LAYERS, device="cpu")
    first = RemoteTrainer(job, Keeping(tmp_path, checkpoint_epochs=1))
    first.step("epoch")
    until(lambda: first.status == "paused")
    first.step("epoch")
    until(lambda: first.status == "paused" and len(first.telemetry) == 2)
    first.close()
    found = read_latest(tmp_path)
    assert found is not None
    second = RemoteTrainer(job, resume=found[1])
    assert len(second.telemetry) == 2
    second.start()
    local = Trainer(job)
    local.start()
    local.wait(60)
    second.wait(60)
    assert_same_history(second, local)
    assert_same_model(second.predictor(), local.predictor(), moons.X_test)


# -- nothing is left


def test_five_runs_leave_nothing_behind(remote: Make, moons: Prepared, until: Until) -> None:
    me = psutil.Process()

    def run_some(count: int) -> None:
        runs = [remote(moons, epochs=2) for _ in range(count)]
        for run in runs:
            run.start()
        for run in runs:
            run.wait(60)

    run_some(1)
    gc.collect()

    def threads() -> int:
        # the deadline of the waiting is one too
        return sum(not isinstance(thread, threading.Timer) for thread in threading.enumerate())

    # a server that serves all tests may be a child too
    before, files, children = threads(), me.num_fds(), set(me.children())
    run_some(5)
    gc.collect()
    # what another test left behind may end meanwhile
    until(lambda: threads() <= before and me.num_fds() <= files)
    assert set(me.children()) <= children
