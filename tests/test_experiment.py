"""The experiment and its runs through the public names."""

from __future__ import annotations

import json
import threading

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets import errors


@pytest.fixture(scope="module")
def moons() -> mw.Dataset:
    return mw.load_dataset("moons")


@pytest.fixture
def exp(moons: mw.Dataset):
    experiment = mw.Experiment(moons, hyperparameters={"epochs": 5, "batch_size": 64}, seed=1)
    yield experiment
    experiment.close()


def test_a_run_trains_in_the_background_and_learns(exp: mw.Experiment) -> None:
    exp.set("epochs", 60)
    run = exp.train()
    assert run.status in ("queued", "running", "finished")
    run.wait(60)
    assert run.status == "finished"
    assert list(run.history["epoch"]) == list(range(1, 61))
    assert run.evaluate().metrics["accuracy"] > 0.85


def test_spec_round_trip_loses_nothing(exp: mw.Experiment) -> None:
    exp.set("learning_rate", 0.02)
    exp.set_layers([mw.Layer("linear", units=7, activation="tanh"), mw.Layer("dropout", p=0.25)])
    plain = json.loads(json.dumps(exp.spec.to_json()))
    again = mw.Experiment.from_spec(plain)
    assert again.spec == exp.spec
    assert again.hyperparameters == exp.hyperparameters


def test_unknown_fields_of_a_spec_are_refused_by_name(exp: mw.Experiment) -> None:
    plain = exp.spec.to_json() | {"hyperparametres": {}}
    with pytest.raises(errors.SpecError, match="hyperparametres.*hyperparameters"):
        mw.Experiment.from_spec(plain)


def test_same_seed_same_result(moons: mw.Dataset) -> None:
    frames = []
    for _ in range(2):
        experiment = mw.Experiment(moons, hyperparameters={"epochs": 4}, seed=3)
        frames.append(experiment.train().wait(60).predict(moons.frame))
        experiment.close()
    pd.testing.assert_frame_equal(*frames)


def test_a_wrong_value_leaves_everything_as_it_was(exp: mw.Experiment) -> None:
    before = exp.spec
    with pytest.raises(errors.ParameterError, match="learning_rate") as caught:
        exp.set("learning_rate", -1)
    assert caught.value.nearest is not None
    with pytest.raises(errors.UnknownParameterError, match="learning_rate"):
        exp.set("lerning_rate", 0.1)
    with pytest.raises(errors.UnknownAlgorithmError, match="random_forest"):
        exp.select_algorithm("random_forrest")
    with pytest.raises(errors.ShapeError, match="units"):
        exp.update_layer(0, units=0)
    assert exp.spec == before


def test_constructor_refuses_what_cannot_be(moons: mw.Dataset) -> None:
    with pytest.raises(errors.ParameterError, match="learning_rate"):
        mw.Experiment(moons, hyperparameters={"learning_rate": -1})
    with pytest.raises(errors.ShapeError, match="units"):
        mw.Experiment(moons, layers=[mw.Layer("linear", units=0)])
    with pytest.raises(errors.UnknownArgumentError, match="hyperparameters"):
        mw.Experiment(moons, hyperparameter={})
    with pytest.raises(errors.TargetError, match="target"):
        mw.Experiment(mw.load_dataset(moons.frame))
    with pytest.raises(errors.SpecError, match="regression"):
        mw.Experiment(moons, heads=[mw.Head("regression")])


def test_a_draft_stack_is_kept_shown_and_refused(exp: mw.Experiment) -> None:
    exp.update_layer(0, units=0, strict=False)
    found = exp.analysis()
    assert found.failing == 0
    assert "units" in str(found.error)
    with pytest.raises(errors.ShapeError):
        exp.train()
    exp.undo()
    assert exp.analysis().error is None


def test_layers_are_edited_and_undone(exp: mw.Experiment) -> None:
    start = exp.layers
    exp.add_layer(1, mw.Layer("dropout", p=0.5))
    exp.move_layer(1, 0)
    assert exp.layers[0].kind == "dropout"
    exp.remove_layer(0)
    assert exp.layers == start
    exp.undo()
    exp.undo()
    exp.undo()
    assert exp.layers == start and not exp.can_undo
    exp.redo()
    assert exp.layers[1].kind == "dropout"


def test_one_drag_is_one_step_of_undo(exp: mw.Experiment) -> None:
    before = exp.hyperparameters["learning_rate"]
    for value in np.geomspace(0.001, 0.01, 20):
        exp.set("learning_rate", float(value))
    exp.undo()
    assert exp.hyperparameters["learning_rate"] == before


def test_settings_of_an_algorithm_come_back(exp: mw.Experiment) -> None:
    exp.set("learning_rate", 0.05)
    exp.select_algorithm("random_forest")
    assert "learning_rate" not in exp.hyperparameters
    exp.select_algorithm("mlp")
    assert exp.hyperparameters["learning_rate"] == 0.05


def test_a_live_change_reaches_the_run_and_is_marked(exp: mw.Experiment) -> None:
    exp.set("epochs", 100000)
    run = exp.train()
    run.pause()
    _until(lambda: run.status == "paused")
    exp.set("learning_rate", 0.0007, author="me")
    exp.set("epochs", 7)
    assert exp.pending() == {"epochs": 7}
    run.resume()
    _until(lambda: len(run.marks) == 1)
    mark = run.marks[0]
    assert (mark.name, mark.after, mark.author) == ("learning_rate", 0.0007, "me")
    assert run.values["learning_rate"] == 0.0007
    rows = len(run.telemetry)
    _until(lambda: len(run.telemetry) > rows + 1)
    assert run.history["learning_rate"].iloc[-1] == pytest.approx(0.0007)
    run.stop()
    run.wait(20)
    assert run.status == "stopped"
    assert any("0.0007" in entry["what"] and entry["who"] == "me" for entry in exp.activity)


def test_wait_says_when_time_is_over(exp: mw.Experiment) -> None:
    exp.set("epochs", 100000)
    run = exp.train()
    with pytest.raises(errors.WaitTimeout):
        run.wait(0.05)
    run.stop()
    run.wait(20)


def test_several_runs_at_once(exp: mw.Experiment) -> None:
    exp.set("epochs", 30)
    runs = [exp.train() for _ in range(3)]
    for run in runs:
        run.wait(60)
    assert [run.status for run in runs] == ["finished"] * 3
    histories = [run.history.drop(columns=["seconds", "samples_per_second"]) for run in runs]
    pd.testing.assert_frame_equal(histories[0], histories[1])


def test_thousands_of_short_epochs_go_on(moons: mw.Dataset) -> None:
    rows = mw.load_dataset(moons.frame.iloc[:40], target=moons.target)
    experiment = mw.Experiment(
        rows, hyperparameters={"epochs": 3000, "batch_size": 4096}, layers=[mw.Layer("linear", units=2)]
    )
    assert experiment.train().wait(100).status == "finished"
    experiment.close()


def test_ten_rounds_leave_no_threads(moons: mw.Dataset) -> None:
    experiment = mw.Experiment(moons, hyperparameters={"epochs": 100000})
    before = {t.name for t in threading.enumerate()}
    for _ in range(10):
        run = experiment.train()
        _until(lambda run=run: len(run.telemetry) > 0)
        run.stop()
        run.wait(20)
    experiment.close()
    _until(lambda: not {t.name for t in threading.enumerate() if t.name.startswith("medilytica")} - before)


def test_nan_loss_ends_the_run_with_advice(moons: mw.Dataset) -> None:
    experiment = mw.Experiment(
        moons,
        hyperparameters={"learning_rate": 10.0, "optimizer": "sgd", "momentum": 0.99, "epochs": 500},
        seed=0,
        layers=[mw.Layer("linear", units=64, activation="identity")] * 6,
    )
    run = experiment.train()
    with pytest.raises(errors.DivergenceError, match="learning rate"):
        run.wait(60)
    assert run.status == "failed"
    assert isinstance(run.error, errors.DivergenceError)
    experiment.close()


def test_predict_names_missing_columns_and_keeps_the_index(exp: mw.Experiment) -> None:
    run = exp.train().wait(60)
    frame = exp.data.frame.set_index(pd.Index([f"row {k}" for k in range(len(exp.data))])).iloc[:5]
    answer = run.predict(frame)
    assert list(answer.index) == list(frame.index)
    probabilities = answer.filter(like="probability_").to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(answer["confidence"], probabilities.max(axis=1))
    with pytest.raises(errors.ColumnNotFoundError, match=exp.data.features[0].name):
        run.predict(frame.drop(columns=exp.data.features[0].name))


def test_parameters_names_what_a_notebook_may_set(exp: mw.Experiment) -> None:
    table = exp.parameters()
    assert {"algorithm", "seed", "learning_rate", "epochs"} <= set(table)
    exp.apply_parameters({"learning_rate": 0.01, "seed": 5})
    assert (exp.hyperparameters["learning_rate"], exp.seed) == (0.01, 5)
    before = exp.spec
    with pytest.raises(errors.UnknownParameterError, match="'learning_rate'"):
        exp.apply_parameters({"learnin_rate": 0.01})
    with pytest.raises(errors.ParameterError, match="epochs.*from 1"):
        exp.apply_parameters({"learning_rate": 0.02, "epochs": 0})
    assert exp.spec == before


def _until(condition, seconds: float = 20.0) -> None:
    """Wait for a condition; the deadline is only there to fail instead of hanging."""
    done = threading.Event()
    end = threading.Timer(seconds, done.set)
    end.start()
    try:
        while not condition():
            assert not done.is_set(), "the condition did not come true in time"
            done.wait(0.01)
    finally:
        end.cancel()
