"""The state machine: commands from any thread, legal moves only, nothing left behind."""

from __future__ import annotations

import gc
import json
import logging
import random
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.data import Prepared
from medilytica_widgets.engine import ENDED, LEGAL, Job, Mark, RunQueue, Trainer, worker
from medilytica_widgets.engine import trainer as trainer_module
from medilytica_widgets.engine.keeper import Keeping
from medilytica_widgets.engine.run_folder import read_latest
from medilytica_widgets.errors import (
    DivergenceError,
    ParameterError,
    StateError,
    TrainingError,
    UnknownParameterError,
    WaitTimeout,
)
from medilytica_widgets.network import Layer

Make = Callable[..., Trainer]
Until = Callable[..., None]


def statuses_of(trainer: Trainer) -> list[str]:
    seen = ["queued"]
    trainer.status_changed.connect(seen.append)
    return seen


def assert_legal(seen: list[str]) -> None:
    for before, after in zip(seen, seen[1:], strict=False):
        assert after in LEGAL[before], seen  # type: ignore[index]


def test_a_run_goes_from_queued_to_finished(make: Make, moons: Prepared) -> None:
    trainer = make(moons, epochs=3)
    seen = statuses_of(trainer)
    trainer.start()
    trainer.wait(60)
    assert seen == ["queued", "running", "finished"]
    assert (trainer.status, trainer.error, len(trainer.telemetry)) == ("finished", None, 3)


def test_start_returns_while_it_trains(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless)
    trainer.start()
    until(lambda: trainer.status == "running")
    with pytest.raises(WaitTimeout, match="still running"):
        trainer.wait(0.01)


def test_while_paused_no_row_comes_and_resume_goes_on(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless)
    trainer.start()
    until(lambda: len(trainer.telemetry) > 3)
    trainer.pause()
    until(lambda: trainer.status == "paused")
    rows, step = len(trainer.telemetry), trainer.progress()["step"]
    assert not threading.Event().wait(0.2)
    assert (len(trainer.telemetry), trainer.progress()["step"]) == (rows, step)
    trainer.resume()
    until(lambda: len(trainer.telemetry) > rows)


def test_a_pause_acts_amid_an_epoch(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    rows = np.tile(moons.X_train, (400, 1))
    trainer = make(_with_rows(moons, rows, np.tile(moons.y_train, 400)), epochs=1, batch_size=1)
    trainer.start()
    until(lambda: trainer.progress()["step"] > 0)
    trainer.pause()
    until(lambda: trainer.status == "paused")
    assert len(trainer.telemetry) == 0
    assert 0 < trainer.progress()["epoch"] < 1


def test_steps_of_an_epoch_and_of_a_batch(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless, batch_size=32)
    seen = statuses_of(trainer)
    trainer.step("epoch")
    until(lambda: trainer.status == "paused")
    assert len(trainer.telemetry) == 1
    step = trainer.progress()["step"]
    for _ in range(3):
        before = len(seen)
        trainer.step("batch")
        until(lambda before=before: len(seen) == before + 2)
    assert trainer.progress()["step"] == step + 3
    assert len(trainer.telemetry) == 1
    trainer.step("epoch")
    until(lambda: len(seen) == 11)
    assert len(trainer.telemetry) == 2
    assert_legal(seen)


def test_a_second_step_waits_for_the_first(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless)
    for _ in range(4):
        trainer.step("epoch")
    until(lambda: trainer.status == "paused" and len(trainer.telemetry) == 4)
    trainer.resume()
    until(lambda: len(trainer.telemetry) > 6)
    trainer.step("epoch")
    rows = len(trainer.telemetry)
    until(lambda: len(trainer.telemetry) > rows + 5)
    with pytest.raises(StateError, match="fortnight"):
        trainer.step("fortnight")  # type: ignore[arg-type]


def test_stop_ends_and_keeps_what_is_learned(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless)
    trainer.start()
    until(lambda: len(trainer.telemetry) > 1)
    trainer.stop()
    trainer.wait(30)
    assert trainer.status == "stopped"
    assert trainer.predictor().predict(moons.X_test).shape == moons.y_test.shape
    assert trainer.progress()["remaining_seconds"] == 0


def test_stop_while_paused(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless)
    seen = statuses_of(trainer)
    trainer.step("batch")
    until(lambda: trainer.status == "paused")
    trainer.stop()
    trainer.wait(30)
    assert seen == ["queued", "running", "paused", "stopped"]


def test_a_run_stopped_before_its_start_stays_stopped(make: Make, moons: Prepared) -> None:
    trainer = make(moons)
    seen = statuses_of(trainer)
    trainer.stop()
    trainer.start()
    trainer.step()
    trainer.wait(5)
    assert seen == ["queued", "stopped"]
    with pytest.raises(StateError, match="learned nothing"):
        trainer.predictor()


def test_commands_do_nothing_where_they_do_not_apply(make: Make, moons: Prepared) -> None:
    trainer = make(moons, epochs=2)
    trainer.pause()
    trainer.resume()
    trainer.start()
    trainer.wait(60)
    for command in (trainer.start, trainer.pause, trainer.resume, trainer.stop, trainer.step):
        command()
    trainer.set("learning_rate", 0.5)
    assert trainer.status == "finished"
    assert trainer.marks == []
    trainer.close()
    trainer.close()
    assert len(trainer.telemetry.frame()) == 2


@pytest.mark.parametrize("seed", range(3))
def test_random_commands_of_eight_threads_end_in_a_legal_state(
    make: Make, moons: Prepared, endless: int, until: Until, seed: int
) -> None:
    trainer = make(moons, epochs=endless)
    seen = statuses_of(trainer)
    failed: list[BaseException] = []

    def press(number: int) -> None:
        rng = random.Random(100 * seed + number)
        commands: list[Callable[[], Any]] = [
            trainer.start,
            trainer.pause,
            trainer.resume,
            lambda: trainer.step("batch"),
            lambda: trainer.step("epoch"),
            lambda: trainer.set("learning_rate", rng.uniform(1e-4, 1e-2)),
            lambda: trainer.set("batch_size", rng.randint(8, 64)),
            trainer.progress,
            lambda: trainer.telemetry.read(0),
        ]
        try:
            for _ in range(100):
                rng.choice(commands)()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=press, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    trainer.start()
    trainer.stop()
    trainer.wait(60)
    assert not failed
    assert trainer.status == "stopped" == seen[-1]
    assert_legal(seen)


def test_stops_racing_with_starts_leave_no_run_behind(make: Make, moons: Prepared, endless: int) -> None:
    for _ in range(20):
        trainer = make(moons, epochs=endless)
        threads = [threading.Thread(target=act) for act in (trainer.start, trainer.stop, trainer.stop, trainer.start)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        trainer.stop()
        trainer.wait(60)
        assert trainer.status == "stopped"


def test_ten_rounds_leave_no_thread_and_no_memory(moons: Prepared, endless: int, until: Until) -> None:
    from medilytica_widgets import algorithms

    before = set(threading.enumerate())
    left = []
    for _ in range(10):
        trainer = Trainer(Job(algorithms.get("mlp"), {"epochs": endless}, moons, layers=[Layer("linear", units=16)]))
        trainer.start()
        until(lambda trainer=trainer: len(trainer.telemetry) > 0)
        trainer.close()
        assert trainer.status == "stopped"
        left.append(weakref.ref(trainer))
        del trainer
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("medilytica")]
    gc.collect()
    assert sum(ref() is not None for ref in left) == 0


def test_a_failed_run_lets_go_of_its_network(make: Make, moons: Prepared) -> None:
    from medilytica_widgets.engine.torch_loop import TorchLoop

    layers = [Layer("linear", units=32, activation="none")] * 6
    trainer = make(moons, learning_rate=10.0, optimizer="sgd", momentum=0.99, layers=layers)
    trainer.start()
    with pytest.raises(DivergenceError):
        trainer.wait(60)
    gc.collect()
    assert not [o for o in gc.get_objects() if type(o) is TorchLoop]


def test_several_runs_at_once_are_what_each_is_alone(make: Make, moons: Prepared) -> None:
    layers = [Layer("linear", units=8), Layer("dropout", p=0.3)]
    runs = [make(moons, layers=layers, seed=seed % 2, epochs=15) for seed in range(6)]
    for run in runs:
        run.start()
    for run in runs:
        run.wait(60)
    alone = make(moons, layers=layers, seed=0, epochs=15)
    alone.start()
    alone.wait(60)
    answers = [run.predictor().predict_proba(moons.X_test) for run in runs]
    for answer in answers[::2]:
        np.testing.assert_array_equal(answer, alone.predictor().predict_proba(moons.X_test))
    assert not np.array_equal(answers[0], answers[1])


def test_a_change_leaves_a_mark_and_holds_from_the_next_step(
    make: Make, moons: Prepared, endless: int, until: Until
) -> None:
    trainer = make(moons, epochs=endless)
    told: list[Mark] = []
    trainer.marked.connect(told.append)
    trainer.step("epoch")
    until(lambda: trainer.status == "paused")
    trainer.set("learning_rate", 0.0007, author="Ada")
    until(lambda: len(trainer.marks) == 1)
    mark = trainer.marks[0]
    assert (mark.name, mark.before, mark.after, mark.author) == ("learning_rate", 0.003, 0.0007, "Ada")
    assert (mark.epoch, mark.step) == (1.0, trainer.progress()["step"])
    assert told == [mark]
    assert trainer.values["learning_rate"] == 0.0007
    trainer.step("epoch")
    until(lambda: trainer.status == "paused" and len(trainer.telemetry) == 2)
    assert trainer.telemetry.frame()["learning_rate"].tolist() == pytest.approx([0.003, 0.0007])


def test_a_change_before_the_start_is_marked_at_the_beginning(make: Make, moons: Prepared) -> None:
    trainer = make(moons, epochs=1)
    trainer.set("learning_rate", 0.01)
    trainer.set("learning_rate", 0.01)
    trainer.start()
    trainer.wait(60)
    assert [(m.epoch, m.step, m.after) for m in trainer.marks] == [(0.0, 0, 0.01)]


def test_wrong_changes_are_refused_in_the_caller(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless, layers=[Layer("linear", units=4), Layer("batch_norm")])
    trainer.step("batch")
    until(lambda: trainer.status == "paused")
    with pytest.raises(ParameterError, match="learning_rate is -1"):
        trainer.set("learning_rate", -1)
    with pytest.raises(ParameterError, match="next run"):
        trainer.set("epochs", 5)
    with pytest.raises(UnknownParameterError, match="learning_rate"):
        trainer.set("learning_rat", 0.1)
    with pytest.raises(ParameterError, match="batch normalisation"):
        trainer.set("batch_size", 1)
    assert (trainer.status, trainer.marks) == ("paused", [])


def test_a_slot_that_raises_does_not_end_the_run(make: Make, moons: Prepared, caplog: pytest.LogCaptureFixture) -> None:
    trainer = make(moons, epochs=2)

    def broken(status: str) -> None:
        raise RuntimeError("slot is broken")

    trainer.status_changed.connect(broken)
    with caplog.at_level(logging.ERROR):
        trainer.start()
        trainer.wait(60)
    assert trainer.status == "finished"
    assert "slot is broken" in caplog.text


def test_waiting_for_a_run_that_cannot_end_is_refused(make: Make, moons: Prepared) -> None:
    trainer = make(moons, epochs=1)
    with pytest.raises(StateError, match=r"start\(\)"):
        trainer.wait()
    caught: list[BaseException] = []

    def impatient(status: str) -> None:
        try:
            trainer.wait()
        except StateError as error:
            caught.append(error)

    trainer.status_changed.connect(impatient)
    trainer.start()
    trainer.wait(60)
    assert caught


def test_closing_from_a_slot_does_not_hang(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless)
    trainer.telemetry_advanced.connect(lambda rows: trainer.close())
    trainer.start()
    until(lambda: trainer.status in ENDED)
    assert trainer.status == "stopped"


def test_rows_are_announced_up_to_the_last(make: Make, moons: Prepared) -> None:
    trainer = make(moons, epochs=25)
    told: list[int] = []
    trainer.telemetry_advanced.connect(told.append)
    trainer.start()
    trainer.wait(60)
    assert told == sorted(set(told))
    assert told[-1] == 25


def test_progress_is_plain_and_moves(make: Make, moons: Prepared, until: Until) -> None:
    trainer = make(moons, epochs=40)
    assert trainer.progress()["remaining_seconds"] is None
    for _ in range(20):
        trainer.step("epoch")
    until(lambda: trainer.status == "paused" and len(trainer.telemetry) == 20)
    now = json.loads(json.dumps(trainer.progress()))
    assert (now["epoch"], now["epochs"], now["status"], now["device"]) == (20.0, 40, "paused", "cpu")
    assert now["remaining_seconds"] > 0
    assert now["samples_per_second"] > 0
    seconds = now["seconds"]
    assert not threading.Event().wait(0.1)
    assert trainer.progress()["seconds"] == seconds
    assert trainer.best_epoch == int(trainer.telemetry.frame()["val_loss"].argmin()) + 1


def test_nothing_is_learned_before_the_first_batch(make: Make, moons: Prepared) -> None:
    trainer = make(moons)
    with pytest.raises(StateError, match="queued and has learned nothing"):
        trainer.predictor()


def test_a_snapshot_stays_as_it_is_while_training_goes_on(
    make: Make, moons: Prepared, endless: int, until: Until
) -> None:
    trainer = make(moons, epochs=endless, layers=[Layer("linear", units=8), Layer("batch_norm")])
    trainer.start()
    until(lambda: len(trainer.telemetry) > 0)
    first = trainer.predictor()
    answer = first.predict_proba(moons.X_test)
    until(lambda: trainer.predictor().version > first.version + 2)
    np.testing.assert_array_equal(first.predict_proba(moons.X_test), answer)
    later = trainer.predictor()
    assert later.epoch > first.epoch
    assert not np.array_equal(later.predict_proba(moons.X_test), answer)


def test_a_snapshot_answers_many_threads_at_once(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless)
    trainer.start()
    until(lambda: len(trainer.telemetry) > 0)
    snapshots = []
    for _ in range(3):
        snapshots.append(trainer.predictor())
        until(lambda: trainer.predictor().version > snapshots[-1].version)
    expected = [s.predict_proba(moons.X_test) for s in snapshots]
    wrong: list[int] = []

    def ask() -> None:
        for _ in range(30):
            for snapshot, answer in zip(snapshots, expected, strict=True):
                if not np.array_equal(snapshot.predict_proba(moons.X_test), answer):
                    wrong.append(snapshot.version)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


def test_interest_brings_snapshots_amid_an_epoch(make: Make, moons: Prepared, until: Until) -> None:
    rows = _with_rows(moons, np.tile(moons.X_train, (3000, 1)), np.tile(moons.y_train, 3000))
    trainer = make(rows, epochs=1, batch_size=1)
    trainer.snapshot_interest = True
    trainer.start()
    epochs: set[float] = set()

    def looked() -> bool:
        try:
            epochs.add(trainer.predictor().epoch)
        except StateError:
            return False
        return len(epochs) > 3

    until(looked)
    assert len(trainer.telemetry) == 0
    assert max(epochs) < 1


def test_every_step_of_a_batch_trains_one_batch(make: Make, moons: Prepared, endless: int, until: Until) -> None:
    trainer = make(moons, epochs=endless)
    seen = statuses_of(trainer)
    for number in range(1, 9):
        trainer.step("batch")
        until(lambda number=number: len(seen) == 2 * number + 1)
        assert trainer.progress()["step"] == number
    assert len(trainer.telemetry) >= 2


def test_a_step_of_a_resumed_run_trains_a_batch(moons: Prepared, endless: int, until: Until, tmp_path: Path) -> None:
    first = Trainer(_job(moons, endless), Keeping(tmp_path))
    first.step("epoch")
    until(lambda: first.status == "paused")
    first.close()
    found = read_latest(tmp_path)
    assert found is not None
    again = Trainer(first.job, resume=found[1])
    step = again.progress()["step"]
    again.step("batch")
    until(lambda: again.status == "paused")
    assert again.progress()["step"] == step + 1
    again.close()


def test_a_change_while_paused_is_on_disk_before_training_goes_on(
    moons: Prepared, endless: int, until: Until, tmp_path: Path
) -> None:
    trainer = Trainer(_job(moons, endless), Keeping(tmp_path))
    trainer.step("epoch")
    until(lambda: trainer.status == "paused" and trainer.flush(30) and read_latest(tmp_path) is not None)
    trainer.set("learning_rate", 0.0007)

    def written() -> float:
        found = read_latest(tmp_path)
        assert found is not None
        return float(found[1].facts["values"]["learning_rate"])

    until(lambda: written() == 0.0007)
    assert trainer.status == "paused"
    trainer.close()


def test_a_stop_keeps_the_checkpoint_though_memory_for_the_model_is_out(
    moons: Prepared, endless: int, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medilytica_widgets.engine.torch_loop import TorchLoop

    def cramped(self: TorchLoop, version: int) -> None:
        raise MemoryError

    monkeypatch.setattr(TorchLoop, "final", cramped)
    trainer = Trainer(_job(moons, endless), Keeping(tmp_path, checkpoint_seconds=None))
    trainer.start()
    until(lambda: len(trainer.telemetry) > 3)
    trainer.stop()
    trainer.wait(30)
    found = read_latest(tmp_path)
    assert found is not None
    assert (trainer.status, found[1].facts["run"]["status"]) == ("stopped", "stopped")
    assert any("memory" in note for note in trainer.notes)
    trainer.close()


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> RunQueue:
    """Return the queue of this test's runs, one at a time."""
    own = RunQueue(1)
    for module in (worker, trainer_module):
        monkeypatch.setattr(module, "queue", own)
    return own


def test_a_run_for_which_there_is_no_thread_fails_and_frees_its_place(
    make: Make, moons: Prepared, endless: int, until: Until, narrow: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (make(moons, epochs=endless) for _ in range(3))
    seen = statuses_of(second)
    first.start()
    until(lambda: len(first.telemetry) > 0)
    second.start()
    third.start()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _no_thread)
        first.stop()
        first.wait(30)
    for trainer in (second, third):
        with pytest.raises(TrainingError, match="could not be started.*can't start new thread"):
            trainer.wait(30)
        trainer.close()
    assert (first.status, second.status, third.status) == ("stopped", "failed", "failed")
    assert_legal(seen)
    assert (narrow.running, narrow.waiting) == (0, [])
    last = make(moons, epochs=1)
    last.start()
    last.wait(30)
    assert last.status == "finished"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_run_ends_though_its_place_cannot_be_given_on(
    make: Make, moons: Prepared, narrow: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(item: object) -> None:
        raise RuntimeError("the next one could not begin")

    monkeypatch.setattr(narrow, "release", broken)
    trainer = make(moons, epochs=1)
    trainer.start()
    trainer.wait(30)
    assert trainer.status == "finished"


def test_at_the_interpreters_end_no_waiting_run_begins(
    make: Make, moons: Prepared, endless: int, until: Until, narrow: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "_started", weakref.WeakSet())
    first, second = make(moons, epochs=endless), make(moons, epochs=endless)
    first.start()
    until(lambda: len(first.telemetry) > 0)
    second.start()
    trainer_module._end_all()
    assert (first.status, second.status, narrow.running) == ("stopped", "queued", 0)


def _job(prepared: Prepared, epochs: int) -> Job:
    return Job(algorithms.get("mlp"), {"epochs": epochs}, prepared, layers=[Layer("linear", units=8)])


def _no_thread(self: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def _with_rows(prepared: Prepared, X: Any, y: Any) -> Prepared:
    from dataclasses import replace

    return replace(prepared, X_train=X, y_train=y)
