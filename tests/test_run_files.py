"""What a run leaves on disk, and what comes back from it: resume, time travel, branches, the store."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.engine import read_latest
from medilytica_widgets.errors import CheckpointError, InputError, MissingFileError, StateError, UnknownArgumentError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def made() -> Iterator[Callable[..., mw.Experiment]]:
    kept: list[mw.Experiment] = []

    def make(source: object = "iris", layers: list[mw.Layer] | None = None, **values: object) -> mw.Experiment:
        data = source if isinstance(source, mw.Dataset) else mw.load_dataset(source)
        kept.append(mw.Experiment(data, hyperparameters={"epochs": 40, **values}, layers=layers, seed=3))
        return kept[-1]

    yield make
    for exp in kept:
        exp.close()


def weights(run: mw.Run) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in run.predictor().state().items()}  # type: ignore[attr-defined]


def same(one: mw.Run, other: mw.Run) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first)


def paused(run: mw.Run, count: int) -> mw.Run:
    """Train to so many rows of the history and pause: a fast path might be done before anyone could say stop."""
    run.pause()
    until(lambda: run.status == "paused")
    for _ in range(count - len(run.history)):
        run.step("epoch")
    until(lambda: len(run.history) == count and run.status == "paused")
    return run


def stopped(run: mw.Run, count: int) -> mw.Run:
    paused(run, count).stop()
    return run.wait(60)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.002)


STACKS = {
    "plain": [mw.Layer("linear", units=24), mw.Layer("linear", units=12, activation="tanh")],
    "dropout": [mw.Layer("linear", units=24), mw.Layer("dropout", p=0.3), mw.Layer("linear", units=12)],
    "normed": [mw.Layer("linear", units=24), mw.Layer("batch_norm"), mw.Layer("linear", units=12)],
}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam"])
def test_a_stopped_run_goes_on_bit_for_bit(made: Callable[..., mw.Experiment], stack: str, optimizer: str) -> None:
    values = {"optimizer": optimizer, "batch_size": 7, "schedule": "cosine", "epochs": 300}
    whole = made("iris", STACKS[stack], **values).train().wait(120)
    half = stopped(made("iris", STACKS[stack], **values).train(), 7)
    assert half.status == "stopped" and len(half.history) == 7
    rest = mw.Run.resume(half.id).wait(120)
    assert rest.id == half.id and rest.path == whole.path
    assert same(whole, rest)
    columns = ["epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate"]
    pd.testing.assert_frame_equal(rest.history[columns], whole.history[columns], rtol=1e-12)


def test_a_run_stopped_amid_an_epoch_goes_on_from_that_batch(made: Callable[..., mw.Experiment]) -> None:
    whole = made(batch_size=1, epochs=4).train().wait(60)
    half = made(batch_size=1, epochs=4).train()
    half.pause()
    until(lambda: half.status == "paused")
    # batch by batch, to stand in the middle of an epoch
    while half.progress()["step"] % 96 in (0, 95):
        step = half.progress()["step"]
        half.step("batch")
        until(lambda step=step: half.progress()["step"] > step and half.status == "paused")
    half.stop()
    assert 0 < half.wait(60).progress()["epoch"] % 1 < 1
    assert same(whole, mw.Run.resume(half.folder).wait(60))


def test_patience_and_a_live_change_survive_a_resume(made: Callable[..., mw.Experiment]) -> None:
    values = {"patience": 400, "epochs": 500, "schedule": "plateau", "batch_size": 16}

    one, two = (paused(made(**values).train(checkpoint_epochs=1), 3) for _ in range(2))
    for run in (one, two):
        run.set("learning_rate", 1e-3, "ada")
    one.resume()
    one.wait(120)
    rest = mw.Run.resume(stopped(two, 9).id).wait(120)
    assert [(m.name, m.after, m.author) for m in rest.marks] == [("learning_rate", 1e-3, "ada")]
    assert rest.values["learning_rate"] == 1e-3
    assert same(one, rest) and one.trainer.best_epoch == rest.trainer.best_epoch


@pytest.mark.parametrize("algorithm", ["random_forest", "gradient_boosting"])
def test_an_estimator_goes_on_growing(algorithm: str) -> None:
    def make() -> mw.Experiment:
        return mw.Experiment(mw.load_dataset("iris"), algorithm, {"n_estimators": 60}, seed=1)

    whole = make().train().wait(60)
    half = stopped(make().train(), 4)
    rest = mw.Run.resume(half.id).wait(60)
    rows = whole.prepared.X_test
    assert (whole.predictor().predict_proba(rows) == rest.predictor().predict_proba(rows)).all()


KERNEL = """
import sys, medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("breast_cancer"), hyperparameters={"epochs": 4000, "batch_size": 8}, seed=5)
run = exp.train(checkpoint_seconds=0.02)
print(run.id, run.folder, flush=True)
run.wait()
"""


def test_kill_9_of_the_kernel_loses_no_more_than_the_last_checkpoint(own_home: Path) -> None:
    kernel = subprocess.Popen([sys.executable, "-c", KERNEL], stdout=subprocess.PIPE, text=True)
    assert kernel.stdout is not None
    run_id, folder = kernel.stdout.readline().split()

    def trained() -> float:
        found = read_latest(folder) if Path(folder).exists() else None
        return float(found[1].facts["epoch"]) if found else 0.0

    until(lambda: trained() > 20)
    kernel.send_signal(signal.SIGKILL)
    kernel.wait(10)
    before = trained()
    assert mw.runs().loc[run_id, "status"] == "interrupted"
    rest = mw.Run.resume(run_id)
    rest.telemetry_advanced.connect(lambda count: rest.stop() if count > before + 50 else None)
    rest.wait(120)
    stopped_at = len(rest.history)
    assert rest.history["epoch"].tolist() == list(range(1, stopped_at + 1))
    values = {"epochs": 4000, "batch_size": 8}
    exp = mw.Experiment(mw.load_dataset("breast_cancer"), hyperparameters=values, seed=5)
    never = exp.train(keep_epochs=0)
    never.telemetry_advanced.connect(lambda count: never.stop() if count >= stopped_at else None)
    never.wait(120)
    columns = ["train_loss", "val_loss", "val_accuracy"]
    common = min(stopped_at, len(never.history))
    pd.testing.assert_frame_equal(rest.history[columns].iloc[:common], never.history[columns].iloc[:common], rtol=1e-12)
    assert mw.runs().loc[run_id, "status"] == "stopped"


def test_a_table_from_memory_comes_back(made: Callable[..., mw.Experiment], own_home: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": rng.choice(["x", "y", None], 300)})
    frame["label"] = np.where(frame["a"] > 0, "yes", "no")
    data = mw.load_dataset(frame, target="label")
    run = made(data).train().wait(60)
    again = mw.open_run(run.id)
    pd.testing.assert_frame_equal(again.predict(frame), run.predict(frame))
    shutil.rmtree(own_home / "tables")
    with pytest.raises(CheckpointError, match="data="):
        mw.open_run(run.id)
    assert mw.open_run(run.id, data=data).evaluate().metrics == run.evaluate().metrics
    with pytest.raises(CheckpointError, match="not what the run was trained on"):
        mw.open_run(run.id, data=mw.load_dataset(frame.iloc[1:], target="label"))


def test_time_travel_and_branches(made: Callable[..., mw.Experiment]) -> None:
    exp = made("moons", epochs=30)
    run = exp.train().wait(60)
    then = run.at(12)
    assert then.epoch == 12 and len(then.history) == 12
    assert then.predictor().epoch == 12
    assert set(then.evaluate().metrics) == set(run.evaluate().metrics)
    frame = run.data.frame.head()
    assert list(then.predict(frame).columns) == list(run.predict(frame).columns)
    twin = run.branch(12).wait(60)
    assert same(run, twin) and twin.parent == run.id and twin in exp.runs
    slow = run.branch(epoch=12, learning_rate=1e-4, epochs=20).wait(60)
    shared = ["epoch", "train_loss", "val_loss"]
    pd.testing.assert_frame_equal(slow.history[shared].iloc[:12], run.history[shared].iloc[:12])
    assert slow.history["learning_rate"].iloc[12:].eq(1e-4).all() and len(slow.history) == 20
    assert not same(run, slow)
    assert [(m.epoch, m.name, m.before, m.after) for m in slow.marks] == [(12.0, "learning_rate", 3e-3, 1e-4)]
    other = run.branch(12, optimizer="sgd", wait=True)
    with pytest.raises(StateError, match="optimizer"):
        other.to_code()
    assert other.status == "finished" and other.values["optimizer"] == "sgd"
    assert mw.runs().loc[slow.id, "parent"] == run.id
    with pytest.raises(CheckpointError, match="nearest"):
        run.at(31)
    with pytest.raises(StateError, match="keeps no earlier stages"):
        mw.Experiment(mw.load_dataset("iris"), "random_forest").train(wait=True).at(1)


def test_no_more_epochs_are_kept_than_asked_for(made: Callable[..., mw.Experiment]) -> None:
    run = made(epochs=500).train(keep_epochs=8).wait(60)
    assert 2 <= len(run.epochs_kept) <= 8
    assert max(np.diff(run.epochs_kept)) <= 2 * min(np.diff(run.epochs_kept))
    assert made().train(keep_epochs=0, wait=True).epochs_kept == []


def test_the_store_lists_runs_and_opens_them_again(made: Callable[..., mw.Experiment]) -> None:
    assert mw.runs().empty
    exp = made()
    one = exp.train(author="ada", tags=("first", "night")).wait(60)
    two = exp.train(tags="second").wait(60)
    table = mw.runs()
    assert table.index.tolist() == [two.id, one.id]
    assert table.loc[one.id, "status"] == "finished" and table.loc[one.id, "author"] == "ada"
    assert table.loc[one.id, "data_hash"] == exp.data.spec.fingerprint
    assert mw.runs(tag="night").index.tolist() == [one.id]
    assert table.loc[one.id, "metric.val_loss"] == pytest.approx(one.history["val_loss"].iloc[-1])
    found = one.evaluate().metrics["accuracy"]
    assert mw.runs().loc[one.id, "metric.accuracy"] == pytest.approx(found)
    again = mw.open_run(one.id[:8])
    assert (again.id, again.status, again.number) == (one.id, "finished", 1)
    assert again.spec == one.spec and same(one, again)
    pd.testing.assert_frame_equal(again.history, one.history)
    assert again.epochs_kept == one.epochs_kept and again.log.total == one.log.total
    assert again.branch(again.epochs_kept[-1], epochs=45).wait(60).status == "finished"


def test_pruning_leaves_the_list_and_says_so_when_opened(made: Callable[..., mw.Experiment]) -> None:
    exp = made()
    old, new = (exp.train().wait(60) for _ in range(2))
    assert mw.prune(runs=1, dry_run=True).index.tolist() == [old.id] and old.folder.exists()
    mw.prune(runs=1)
    assert not old.folder.exists() and new.folder.exists() and len(mw.runs()) == 2
    with pytest.raises(StateError, match="left no checkpoint"):
        mw.open_run(old.id)


def test_a_backup_comes_back_in_another_home(
    made: Callable[..., mw.Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = made()
    done = exp.train().wait(60)
    going = made("moons", epochs=1_000_000).train(checkpoint_seconds=0.05)
    archive = mw.backup(tmp_path / "runs.zip")
    going.stop()
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "elsewhere"))
    assert mw.runs().empty
    mw.restore(archive)
    assert set(mw.runs().index) == {done.id, going.id}
    assert mw.open_run(done.id).evaluate().metrics == done.evaluate().metrics


def test_what_cannot_be_resumed_says_why(made: Callable[..., mw.Experiment], tmp_path: Path) -> None:
    run = made("moons", epochs=1_000_000).train(checkpoint_seconds=0.02)
    until(lambda: run.folder is not None and (run.folder / "checkpoint.safetensors").exists())
    with pytest.raises(StateError, match="being trained already"):
        mw.Run.resume(run.id)
    run.stop()
    run.wait(60)
    with pytest.raises(MissingFileError, match=r"mw\.runs\(\)"):
        mw.Run.resume(tmp_path / "nothing.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    content = (run.folder / "checkpoint.safetensors").read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError):
        mw.Run.resume(damaged)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(content)
    # a copy elsewhere is the beginning of another run
    other = mw.Run.resume(copy, wait=False)
    assert other.id != run.id and other.parent == run.id
    other.stop()


def test_a_home_that_cannot_be_written_ends_no_run(
    made: Callable[..., mw.Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "file" / "home"))
    run = made().train().wait(60)
    assert run.status == "finished" and run.folder is None
    with pytest.raises(StateError, match="MEDILYTICA_HOME"):
        run.at(2)


def test_a_folder_that_is_taken_away_is_said_in_the_log(made: Callable[..., mw.Experiment]) -> None:
    run = made("moons", epochs=1_000_000).train(checkpoint_seconds=0.02)
    until(lambda: run.folder is not None and (run.folder / "checkpoint.safetensors").exists())
    run.folder.rename(run.folder.with_name("moved"))
    run.folder.write_text("in the way")
    until(lambda: any(entry.level == "warning" for entry in run.log.read()[0]))
    rows = len(run.history)
    until(lambda: len(run.history) > rows)
    run.stop()
    assert run.wait(60).status == "stopped"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"worker": "fibre"}, "'thread' or 'process'"),
        ({"worker": "thread", "detach": True}, "worker='process'"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds"),
        ({"keep_epochs": 1.5}, "keep_epochs"),
        ({"sheet_every": 0}, "sheet_every"),
        ({"priority": "high"}, "priority"),
    ],
)
def test_options_that_cannot_be(made: Callable[..., mw.Experiment], options: dict, message: str) -> None:
    exp = made()
    with pytest.raises(InputError, match=message):
        exp.train(**options)
    assert exp.runs == []


def test_an_unknown_option_names_the_nearest(made: Callable[..., mw.Experiment]) -> None:
    with pytest.raises(UnknownArgumentError, match="keep_epochs"):
        made().train(keep_epoch=3)


def test_priorities_decide_who_goes_next(made: Callable[..., mw.Experiment]) -> None:
    width = mw.queue.width
    mw.queue.width = 1
    try:
        first = made("moons", epochs=1_000_000).train()
        until(lambda: first.status == "running")
        order: list[str] = []
        waiting = [made("moons").train(priority=priority) for priority in (0, 5, 1, 5)]
        for k, run in enumerate(waiting):
            run.status_changed.connect(lambda status, k=k: order.append(str(k)) if status == "running" else None)
        cancelled = made("moons").train(priority=9)
        assert cancelled.status == "queued" and len(mw.queue.waiting) == 5
        cancelled.stop()
        assert cancelled.wait(5).status == "stopped"
        first.stop()
        for run in waiting:
            run.wait(60)
        assert order == ["1", "3", "2", "0"]
    finally:
        mw.queue.width = width


DETACHED = """
import sys, medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 1000000}, seed=5)
run = exp.train(detach=True)
while run.status == "queued" or not len(run.telemetry):
    run.trainer._mailbox.ended.wait(0.01)
print(run.id, flush=True)
"""


def test_a_detached_run_survives_its_kernel(own_home: Path) -> None:
    told = subprocess.run([sys.executable, "-c", DETACHED], capture_output=True, text=True, timeout=90)
    run_id = told.stdout.strip()
    assert run_id, told.stderr
    run = mw.open_run(run_id)
    assert run.status == "running"
    rows = len(run.history)
    until(lambda: len(run.history) > rows)
    assert mw.runs().loc[run_id, "status"] == "running"
    run.stop()
    run.wait(30)
    assert mw.runs().loc[run_id, "status"] == "stopped"
    again = mw.open_run(run_id)
    assert again.status == "stopped" and again.evaluate().metrics == run.evaluate().metrics
    again.close()
    run.close()


def test_a_process_gives_what_a_thread_gives(made: Callable[..., mw.Experiment]) -> None:
    here = made(batch_size=8).train().wait(60)
    there = made(batch_size=8).train(worker="process").wait(120)
    assert there.path == here.path and same(here, there)
    assert there.at(there.epochs_kept[0]).epoch == there.epochs_kept[0]
    assert len(there.sheets) and there.log.total


KEEPING = """
import medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 2})
exp.train().wait()
import threading
for thread in threading.enumerate():
    if thread.name == "medilytica-retention":
        thread.join()
print(len(mw.runs()))
"""


def test_a_kernel_applies_the_limits_of_the_environment(
    made: Callable[..., mw.Experiment], own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = made(epochs=2)
    old = [exp.train().wait(60) for _ in range(3)]
    assert len(mw.runs()) == 3
    monkeypatch.setenv("MEDILYTICA_KEEP_RUNS", "1")
    subprocess.run([sys.executable, "-c", KEEPING], check=True, timeout=90)
    assert [run.folder.exists() for run in old] == [False, False, True]
