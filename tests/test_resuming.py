"""Runs whose kernel, process, machine or folder is not what it was: what is opened and what goes on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.engine import TrainingState, read_state
from medilytica_widgets.engine.checkpoints import write_state
from medilytica_widgets.engine.lock import LOCK, FolderLock
from medilytica_widgets.engine.processes import birth, is_alive
from medilytica_widgets.errors import CheckpointError, InputError, OutOfMemoryError, StateError, UnknownArgumentError
from medilytica_widgets.store import default_store

ENDLESS = 1_000_000


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def forgotten(run: mw.Run) -> None:
    default_store().delete(run.id, files=False)


def taken_away(run: mw.Run) -> None:
    default_store().flush()
    (run.folder.parent.parent / "runs.sqlite").unlink()


@pytest.fixture
def made() -> Iterator[Callable[..., mw.Experiment]]:
    kept: list[mw.Experiment] = []

    def make(source: Any = "moons", **values: Any) -> mw.Experiment:
        data = source if isinstance(source, mw.Dataset) else mw.load_dataset(source)
        layers = [mw.Layer("linear", units=6)]
        kept.append(mw.Experiment(data, hyperparameters={"epochs": 20, **values}, layers=layers, seed=3))
        return kept[-1]

    yield make
    for exp in kept:
        exp.close()


@pytest.fixture
def ends() -> Iterator[Callable[[mw.Run], mw.Run]]:
    """Stops the runs that a test resumed or attached."""
    kept: list[mw.Run] = []

    def keep(run: mw.Run) -> mw.Run:
        kept.append(run)
        return run

    yield keep
    for run in kept:
        run.stop()
        run.close()


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("uvw"))
    frame["label"] = np.where(frame["u"] > 0, "yes", "no")
    return frame


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.005)


def halted(run: mw.Run, rows: int = 3) -> mw.Run:
    """Stop after so many epochs at least."""
    until(lambda: len(run.history) >= rows)
    run.stop()
    return run.wait(60)


def same(one: mw.Run, other: mw.Run) -> bool:
    first, second = (run.predictor().state() for run in (one, other))  # type: ignore[attr-defined]
    return all((first[name] == second[name]).all() for name in first)


def weights_only(path: Path) -> None:
    """Leave of a kept epoch what those hold that were kept late in a long run."""
    state = read_state(path)
    tensors = {name: array for name, array in state.tensors.items() if name != "history"}
    write_state(path, TrainingState(tensors, state.facts))


KERNEL = """
import sys, time, medilytica_widgets as mw
exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 1000000}, seed=3)
run = exp.train(**eval(sys.argv[1]))
print(run.id, flush=True)
while len(run.history) < 6:
    time.sleep(0.01)
print(run.trainer.pid if hasattr(run.trainer, "pid") else 0, flush=True)
sys.stdin.read()
"""


def killed_kernel(options: dict[str, Any], condition: Callable[[Path], bool], home: Path) -> tuple[str, int]:
    """Kill a kernel that trains as soon as its run's folder is as wanted; return the run's id and its child's pid."""
    command = [sys.executable, "-c", KERNEL, repr(options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout is not None
        run_id, child = kernel.stdout.readline().strip(), int(kernel.stdout.readline())
        until(lambda: condition(home / "runs" / run_id))
        kernel.kill()
    return run_id, child


# --- before the first checkpoint -------------------------------------------------------------------------


def test_a_kernel_killed_before_its_first_checkpoint_goes_on(own_home: Path, ends: Callable[[mw.Run], mw.Run]) -> None:
    options = {"checkpoint_seconds": None, "keep_epochs": 400}
    run_id, _ = killed_kernel(options, lambda folder: (folder / "epochs/00000005.safetensors").exists(), own_home)
    assert not (own_home / "runs" / run_id / "checkpoint.safetensors").exists()
    opened = mw.open_run(run_id)
    last = opened.epochs_kept[-1]
    assert opened.history["epoch"].tolist() == list(range(1, last + 1))
    rest = ends(mw.Run.resume(run_id, wait=False))
    assert rest.id == run_id and rest.history["epoch"].tolist()[:last] == list(range(1, last + 1))
    until(lambda: len(rest.history) > last)


def test_the_first_checkpoint_comes_after_a_second(made: Callable[..., mw.Experiment]) -> None:
    run = made(epochs=ENDLESS).train()
    until(lambda: (run.folder / "checkpoint.safetensors").exists(), 120)


def test_a_kept_epoch_is_resumed_as_a_run_of_its_own(made: Callable[..., mw.Experiment]) -> None:
    run = made().train(wait=True)
    again = mw.Run.resume(run.folder / "epochs" / "00000012.safetensors", wait=True)
    assert again.id != run.id and again.parent == run.id and len(again.history) == 20
    assert same(run, again)
    assert run.epochs_kept[-1] == 20


def test_a_kept_epoch_without_its_history_takes_it_from_the_checkpoint(made: Callable[..., mw.Experiment]) -> None:
    run = made().train(wait=True)
    path = run.folder / "epochs" / "00000012.safetensors"
    weights_only(path)
    assert len(mw.Run.resume(path, wait=True).history) == 20
    for other in run.folder.rglob("*.safetensors"):
        if other != path:
            other.unlink()
    assert mw.Run.resume(path, wait=True).history["epoch"].tolist() == list(range(13, 21))


# --- detached ----------------------------------------------------------------------------------------------


def test_a_killed_detached_run_is_opened_and_resumed_from_its_checkpoint(
    made: Callable[..., mw.Experiment], ends: Callable[[mw.Run], mw.Run]
) -> None:
    run = made(epochs=ENDLESS).train(detach=True, checkpoint_seconds=0.1, keep_epochs=5)
    until(lambda: (run.folder / "checkpoint-previous.safetensors").exists())
    child = run.trainer.pid
    run.close()
    os.kill(child, signal.SIGKILL)
    until(lambda: birth(child) is None)
    assert mw.runs().loc[run.id, "status"] == "interrupted"
    opened = mw.open_run(run.id)
    assert opened.status == "stopped" and len(opened.history) and opened.options.detach
    # in another way: what the process left behind is not the run any more
    rest = ends(mw.Run.resume(run.id, worker="thread"))
    assert not list(run.folder.glob("*.npy"))
    assert not any((run.folder / name).exists() for name in ("status.json", "record.bin", "job.json"))
    assert not rest.options.detach and rest.options.keep_epochs == 5
    halted(rest, len(opened.history) + 3)
    late = mw.open_run(run.id)
    assert late.status == "stopped" and len(late.history) == len(rest.history)


def test_a_detached_run_that_was_let_go_is_followed_by_the_store_and_by_who_attaches(
    made: Callable[..., mw.Experiment],
) -> None:
    run = made(epochs=ENDLESS).train(detach=True)
    until(lambda: len(run.history) > 3)
    run.close()
    assert mw.runs().loc[run.id, "status"] == "running"
    with pytest.raises(StateError, match="running|being trained"):
        mw.Run.resume(run.id)
    attached = mw.open_run(run.id)
    attached.stop()
    attached.wait(30)
    found = mw.runs().loc[run.id]
    assert found["status"] == "stopped" and found["metric.val_loss"] > 0
    assert not list(run.folder.glob("*.npy")) and not (run.folder / "job.json").exists()


def test_a_detached_run_that_ended_alone_is_known_to_have(made: Callable[..., mw.Experiment]) -> None:
    run = made(epochs=400).train(detach=True)
    until(lambda: len(run.history) > 0)
    run.close()
    until(lambda: json.loads((run.folder / "status.json").read_text()).get("status") == "finished")
    assert mw.runs().loc[run.id, "status"] == "finished"
    mw.open_run(run.id).close()
    until(lambda: mw.runs().loc[run.id, "metric.val_loss"] > 0)


def test_all_epochs_of_a_detached_run_are_there_after_its_end(made: Callable[..., mw.Experiment]) -> None:
    run = made(epochs=60, batch_size=8).train(detach=True, keep_epochs=64, wait=True)
    assert run.epochs_kept[-1] == 60
    assert run.at(60).epoch == 60


def test_a_process_that_a_person_killed_is_not_only_said_to_have_lacked_memory(
    made: Callable[..., mw.Experiment],
) -> None:
    run = made(epochs=ENDLESS).train(worker="process")
    until(lambda: len(run.history) > 0)
    os.kill(run.trainer.pid, signal.SIGKILL)
    with pytest.raises(OutOfMemoryError, match="as kill -9 does"):
        run.wait(30)


# --- without a home, in another one -----------------------------------------------------------------------


def test_a_table_from_memory_is_trained_on_without_a_home(
    made: Callable[..., mw.Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "file" / "home"))
    exp = made(mw.load_dataset(table(), target="label"))
    run = exp.train(wait=True)
    assert run.status == "finished" and exp.runs == [run]
    assert any("MEDILYTICA_HOME" in entry.message for entry in run.log.read()[0])


def test_a_run_that_could_not_begin_is_none(
    made: Callable[..., mw.Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InputError("no")

    exp = made()
    monkeypatch.setattr(mw.Run, "start", refuse)
    with pytest.raises(InputError, match="no"):
        exp.train()
    assert exp.runs == []


def test_runs_move_with_their_home(
    made: Callable[..., mw.Experiment],
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: Callable[[mw.Run], mw.Run],
) -> None:
    run = halted(made(epochs=ENDLESS).train())
    default_store().flush()
    moved = own_home.with_name("elsewhere ж")
    shutil.move(own_home, moved)
    monkeypatch.setenv("MEDILYTICA_HOME", str(moved))
    assert len(mw.open_run(run.id).history) == len(run.history)
    rest = ends(mw.Run.resume(run.id))
    assert rest.id == run.id and rest.folder == moved / "runs" / run.id


def test_a_home_behind_a_link_is_the_same_home(
    made: Callable[..., mw.Experiment],
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: Callable[[mw.Run], mw.Run],
) -> None:
    run = halted(made(epochs=ENDLESS).train())
    link = own_home.with_name("link")
    link.symlink_to(own_home)
    monkeypatch.setenv("MEDILYTICA_HOME", str(link))
    assert ends(mw.Run.resume(own_home / "runs" / run.id)).id == run.id


@pytest.mark.parametrize("lose", [forgotten, taken_away])
def test_a_run_that_the_store_has_lost_is_listed_again_when_it_goes_on(
    made: Callable[..., mw.Experiment], ends: Callable[[mw.Run], mw.Run], lose: Callable[[mw.Run], None]
) -> None:
    run = halted(made(epochs=ENDLESS).train(tags="night"))
    lose(run)
    ends(mw.Run.resume(run.id))
    assert list(mw.runs().loc[run.id, "tags"]) == ["night"]


# --- the table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"PAR1 garbage PAR1"])
def test_a_damaged_table_is_asked_for_and_written_anew(made: Callable[..., mw.Experiment], damage: bytes) -> None:
    data = mw.load_dataset(table(), target="label")
    run = made(data).train(wait=True)
    mw.open_run(run.id)
    (kept,) = (run.folder.parent.parent / "tables").glob("*.parquet")
    kept.write_bytes(damage)
    with pytest.raises(CheckpointError, match="Give it with data="):
        mw.open_run(run.id)
    assert len(mw.open_run(run.id, data=data).history) == 20
    assert len(mw.open_run(run.id).history) == 20


# --- one at a time ------------------------------------------------------------------------------------------


def hold(place: Path, **about: Any) -> None:
    place.mkdir(exist_ok=True)
    told = {"pid": os.getpid(), "birth": birth(os.getpid()), "host": platform.node(), "token": "another"}
    (place / LOCK).write_text(json.dumps({**told, **about}))


def test_a_folder_belongs_to_one_living_process(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    lock = FolderLock.take(folder)
    assert lock is not None
    with pytest.raises(StateError, match=f"process {os.getpid()}"):
        FolderLock.take(folder, patience=0.05)
    lock.release()
    hold(folder, birth="another boot:17")  # its number has another process now
    for _ in range(2):
        again = FolderLock.take(folder, patience=0.0)
        assert again is not None
        again.release()
        again.release()
    # of a home that was moved or copied while a run trained there
    hold(folder, folder=str(tmp_path / "before"))
    moved = FolderLock.take(folder, patience=0.0)
    assert moved is not None
    moved.release()
    # of another machine only its signs of life tell
    hold(folder, host="elsewhere", pid=1)
    with pytest.raises(StateError, match="elsewhere"):
        FolderLock.take(folder, patience=0.0)
    long_ago = time.time() - 3600
    os.utime(folder / LOCK, (long_ago, long_ago))
    assert FolderLock.take(folder, patience=0.0) is not None


RESUMING = """
import sys, medilytica_widgets as mw
sys.stdin.readline()
try:
    run = mw.Run.resume(sys.argv[1], wait=False)
except mw.errors.StateError as error:
    print("refused", error, flush=True)
else:
    print("resumed", run.status, flush=True)
    sys.stdin.readline()
    run.stop()
    run.wait(30)
"""


def test_of_two_kernels_that_resume_a_run_one_is_refused(made: Callable[..., mw.Experiment]) -> None:
    run = halted(made(epochs=ENDLESS).train())
    default_store().flush()
    command = [sys.executable, "-c", RESUMING, run.id]
    kernels = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for kernel in kernels:
        print(file=kernel.stdin, flush=True)
    said = sorted(kernel.stdout.readline().split()[0] for kernel in kernels)
    for kernel in kernels:
        kernel.communicate("\n", timeout=60)
    assert said == ["refused", "resumed"]


def test_a_run_that_trains_is_refused_though_the_store_is_gone(
    made: Callable[..., mw.Experiment], monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    run = made(epochs=ENDLESS).train(checkpoint_seconds=0.02)
    until(lambda: (run.folder / "checkpoint.safetensors").exists())
    monkeypatch.setenv("MEDILYTICA_DATABASE_URL", f"sqlite:///{own_home}/another.sqlite")
    with pytest.raises(StateError, match="being trained already"):
        mw.Run.resume(run.folder)
    run.stop()
    run.wait(60)
    lock = FolderLock.take(run.folder)
    assert lock is not None
    lock.release()


def test_what_the_store_could_not_write_of_a_run_of_this_process_does_not_bar_it(
    made: Callable[..., mw.Experiment], ends: Callable[[mw.Run], mw.Run]
) -> None:
    run = halted(made(epochs=ENDLESS).train())
    # as it says while a full disk keeps the news of the end away
    default_store().post(run.id, status="running", ended=None)
    assert default_store().get(run.id).status == "running"
    assert ends(mw.Run.resume(run.folder, wait=False)).id == run.id


# --- a machine with another name -----------------------------------------------------------------------------


def test_runs_of_a_machine_that_is_gone_are_interrupted_after_a_while(
    own_home: Path, ends: Callable[[mw.Run], mw.Run]
) -> None:
    run_id, _ = killed_kernel({}, lambda folder: (folder / "checkpoint.safetensors").exists(), own_home)
    folder, store = own_home / "runs" / run_id, default_store()
    told = json.loads((folder / LOCK).read_text())
    (folder / LOCK).write_text(json.dumps({**told, "host": "container-1"}))
    store.post(run_id, host="container-1")
    assert mw.runs().loc[run_id, "status"] == "running"
    with pytest.raises(StateError, match="container-1.*5 minutes"):
        mw.Run.resume(run_id)
    from medilytica_widgets.store.schema import runs as table

    with store.writing() as connection:
        connection.execute(table.update().values(updated=datetime.now(UTC) - timedelta(hours=1)))
    # its process may still write there
    assert mw.runs().loc[run_id, "status"] == "running"
    long_ago = time.time() - 3600
    for path in (*folder.rglob("*"), folder / LOCK):
        os.utime(path, (long_ago, long_ago))
    assert mw.runs().loc[run_id, "status"] == "interrupted"
    assert mw.prune(runs=0, dry_run=True).index.tolist() == [run_id]
    assert len(mw.open_run(run_id).history)
    assert ends(mw.Run.resume(run_id)).id == run_id


def test_a_process_has_one_identity_in_all_files() -> None:
    mine = birth(os.getpid())
    assert is_alive(os.getpid(), mine) and is_alive(os.getpid(), None)
    assert not is_alive(os.getpid(), "another boot:17") and not is_alive(0, mine) and not is_alive(None, None)


# --- what a run was told ---------------------------------------------------------------------------------------


def test_the_code_of_a_branch_is_the_same_after_opening_and_resuming(
    made: Callable[..., mw.Experiment], ends: Callable[[mw.Run], mw.Run]
) -> None:
    run = made().train(wait=True)
    live = run.branch(5, learning_rate=0.5, wait=True)
    assert mw.open_run(live.id).to_code() == live.to_code()
    sgd = run.branch(5, optimizer="sgd", wait=True)
    for branch in (sgd, sgd.branch(8, wait=True), mw.open_run(sgd.id), mw.open_run(sgd.id).branch(8, wait=True)):
        assert branch.remade == ("optimizer",)
        with pytest.raises(StateError, match="optimizer"):
            branch.to_code()
    going = halted(run.branch(5, learning_rate=0.5, epochs=ENDLESS), 8)
    assert "learning_rate = 0.003" in going.to_code()
    assert ends(mw.Run.resume(going.id)).to_code() == going.to_code()


def test_a_longer_branch_can_be_replayed_where_the_rate_does_not_depend_on_it(
    made: Callable[..., mw.Experiment],
) -> None:
    longer = made().train(wait=True).branch(5, epochs=25, wait=True)
    assert longer.remade == () and "epochs = 25" in longer.to_code()
    falling = made(schedule="cosine").train(wait=True).branch(5, epochs=25, wait=True)
    with pytest.raises(StateError, match="epochs"):
        falling.to_code()


def test_a_run_keeps_its_options(made: Callable[..., mw.Experiment], ends: Callable[[mw.Run], mw.Run]) -> None:
    options = {"keep_epochs": 7, "checkpoint_epochs": 2, "sheet_every": 9, "tags": ("a", "b"), "worker": "thread"}
    run = halted(made(epochs=ENDLESS).train(author="ada", **options))
    assert mw.open_run(run.id).options == run.options
    rest = halted(ends(mw.Run.resume(run.id)), 6)
    assert rest.options == run.options and rest.trainer.keeping.keep_epochs == 7
    fewer = ends(mw.Run.resume(run.id, keep_epochs=3, tags="c"))
    assert (fewer.options.keep_epochs, fewer.options.checkpoint_epochs, fewer.options.tags) == (3, 2, ("c",))
    with pytest.raises(UnknownArgumentError, match="keep_epochs"):
        mw.Run.resume(run.id, keep_epoch=3)


def test_a_resumed_run_began_when_it_began(
    made: Callable[..., mw.Experiment], ends: Callable[[mw.Run], mw.Run]
) -> None:
    run = halted(made(epochs=ENDLESS).train())
    began = default_store().get(run.id).started
    halted(ends(mw.Run.resume(run.id)), 6)
    assert began is not None and default_store().get(run.id).started == began


def test_a_beginning_that_several_ids_share_is_said_to_be(made: Callable[..., mw.Experiment]) -> None:
    run = made().train(wait=True)
    store = default_store()
    store.put([store.get(run.id).changed(id=run.id[:6] + end * 6) for end in "01"])
    with pytest.raises(InputError, match="Several runs begin with"):
        mw.Run.resume(run.id[:6])


def test_nothing_is_removed_before_the_run_can_go_on(
    made: Callable[..., mw.Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = halted(made(epochs=ENDLESS).train(checkpoint_seconds=None))
    kept = run.epochs_kept
    state = read_state(run.folder / "checkpoint.safetensors")
    state.facts["epoch"] = 1
    del state.facts["run"]["asked"]
    write_state(run.folder / "checkpoint.safetensors", state)
    with pytest.raises(CheckpointError, match="incomplete"):
        mw.Run.resume(run.id)
    assert run.epochs_kept == kept
    # and nobody else is kept away
    lock = FolderLock.take(run.folder, patience=0.0)
    assert lock is not None
    lock.release()
