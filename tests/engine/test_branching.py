"""Branches and resumed networks: what of the earlier run still holds, and what counts anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.algorithms.schedules import Plateau
from medilytica_widgets.data import Prepared
from medilytica_widgets.engine import Job, Trainer
from medilytica_widgets.engine.branching import branched
from medilytica_widgets.engine.checkpoints import TrainingState, read_state
from medilytica_widgets.engine.keeper import Keeping
from medilytica_widgets.engine.network_state import predictor_of
from medilytica_widgets.engine.run_folder import epoch_path, read_latest
from medilytica_widgets.network import Layer

MLP = algorithms.get("mlp")


def job(prepared: Prepared, **values: Any) -> Job:
    return Job(MLP, values, prepared, layers=(Layer("linear", units=8),))


def finished(trainer: Trainer) -> Trainer:
    trainer.start()
    trainer.wait(60)
    return trainer


def trained(folder: Path, prepared: Prepared, **values: Any) -> Trainer:
    """Return a finished run that kept all of its epochs."""
    return finished(Trainer(job(prepared, **values), Keeping(folder, keep_epochs=1000)))


def latest(folder: Path) -> TrainingState:
    found = read_latest(folder)
    assert found is not None
    return found[1]


def branch(run: Trainer, epoch: int, **changes: Any) -> Trainer:
    """Return the branch of a run, not started."""
    assert run.keeping is not None
    state, prepared = read_state(epoch_path(run.keeping.folder, epoch)), run.job.prepared
    values = MLP.validate({**run.values, **changes}, prepared.task)
    live = {name: value for name, value in values.items() if MLP.parameters[name].live}
    begun = branched(state, epoch, values, live, run.telemetry, run.marks)
    return Trainer(job(prepared, **values), resume=begun)


def test_a_branch_without_patience_keeps_its_last_weights(moons: Prepared, tmp_path: Path) -> None:
    run = trained(tmp_path, moons, epochs=20, patience=15, learning_rate=0.05)
    assert finished(branch(run, 10, patience=None, epochs=25)).predictor().epoch == 25


def test_the_best_weights_count_only_with_patience(moons: Prepared, tmp_path: Path) -> None:
    run = trained(tmp_path, moons, epochs=500, patience=2, learning_rate=0.3)
    state, last = latest(tmp_path), len(run.telemetry)
    assert predictor_of(run.job, state).epoch == run.best_epoch == last - 2
    state.facts["values"] |= {"patience": None, "epochs": last}
    assert predictor_of(run.job, state).epoch == last
    assert finished(Trainer(job(moons, epochs=last), resume=state)).predictor().epoch == last


@pytest.mark.parametrize("change", [{"label_smoothing": 0.3}, {"class_weight": "balanced"}], ids=str)
def test_a_branch_with_another_loss_is_not_compared_with_the_one_before(
    moons: Prepared, tmp_path: Path, change: dict[str, Any]
) -> None:
    rare = np.flatnonzero(moons.y_train == 1)[8:]
    rows = np.setdiff1d(np.arange(len(moons.y_train)), rare)
    most = moons.y_validation == 0
    uneven = replace(
        moons, X_train=moons.X_train[rows], y_train=moons.y_train[rows],
        X_validation=moons.X_validation[most], y_validation=moons.y_validation[most],
    )  # fmt: skip
    run = trained(tmp_path, uneven, epochs=40, patience=3, learning_rate=0.01)
    assert run.best_epoch == 40
    other = finished(branch(run, 40, epochs=60, **change))
    assert other.best_epoch is not None and other.best_epoch > 40
    assert other.predictor().epoch == other.best_epoch


def test_another_loss_starts_a_new_plateau(moons: Prepared, tmp_path: Path) -> None:
    run = trained(tmp_path, moons, epochs=40, schedule="plateau", plateau_patience=10, learning_rate=0.01)
    assert run.telemetry.read()[0]["learning_rate"][-1] == 0.01
    other = finished(branch(run, 40, epochs=55, label_smoothing=0.3))
    assert other.telemetry.read()[0]["learning_rate"].tolist() == [0.01] * 55


def test_a_branch_takes_its_own_plateau_patience(moons: Prepared, tmp_path: Path) -> None:
    values = {"schedule": "plateau", "plateau_patience": 50, "learning_rate": 0.3}
    other = finished(branch(trained(tmp_path, moons, epochs=20, **values), 20, plateau_patience=1, epochs=50))
    losses = other.telemetry.read()[0]["val_loss"]
    expected = Plateau(1)
    expected.saw(losses[:20].min())
    assert len(other.notes) == sum(expected.saw(loss) for loss in losses[20:]) > 0


def test_another_schedule_forgets_what_the_plateau_saw(moons: Prepared, tmp_path: Path) -> None:
    first = trained(tmp_path, moons, epochs=30, schedule="plateau", plateau_patience=3, learning_rate=0.3)
    state = read_state(epoch_path(tmp_path, 30))
    assert state.facts["plateau"]["best"] is not None
    values = {**first.values, "schedule": "constant"}
    begun = branched(state, 30, values, {}, first.telemetry, [])
    assert begun.facts["plateau"] | {"patience": 3} == Plateau(3).state()


def test_a_branch_with_another_precision_takes_the_path_for_it(moons: Prepared, tmp_path: Path) -> None:
    run = trained(tmp_path, moons, epochs=2)
    other = finished(branch(run, 2, epochs=3, precision="mixed"))
    assert (run.path, other.path) == ("compiled", "general")


def test_a_run_that_patience_ended_stays_ended_when_resumed(moons: Prepared, tmp_path: Path) -> None:
    run = trained(tmp_path, moons, epochs=500, patience=2, learning_rate=0.3)
    again = finished(Trainer(run.job, resume=latest(tmp_path)))
    assert (again.status, len(again.telemetry), again.notes) == ("finished", len(run.telemetry), run.notes)
    np.testing.assert_array_equal(
        again.predictor().predict_proba(moons.X_test), run.predictor().predict_proba(moons.X_test)
    )


def test_a_branch_from_where_patience_was_over_trains_on(moons: Prepared, tmp_path: Path) -> None:
    run = trained(tmp_path, moons, epochs=500, patience=2, learning_rate=0.3)
    last = len(run.telemetry)
    assert len(finished(branch(run, last, learning_rate=0.01)).telemetry) >= last + 2


def test_a_branch_that_is_stopped_before_its_first_step_predicts_as_its_parent(moons: Prepared, tmp_path: Path) -> None:
    run = trained(tmp_path, moons, epochs=5)
    other = branch(run, 5, optimizer="sgd", epochs=1000)
    other.status_changed.connect(lambda status: other.stop())
    finished(other)
    assert (other.status, other.progress()["step"], other.predictor().epoch) == ("stopped", 0, 5)
    np.testing.assert_array_equal(
        other.predictor().predict_proba(moons.X_test), run.predictor().predict_proba(moons.X_test)
    )
