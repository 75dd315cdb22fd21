"""RunControls: commands over the wire, the state it shows, reasons and remedies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import medilytica_widgets as mw
from medilytica_widgets.errors import OutOfMemoryError
from medilytica_widgets.widgets.run_controls import RunControls, remedy


@pytest.fixture
def experiment() -> Iterator[mw.Experiment]:
    made = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 1_000_000})
    yield made
    made.close()


@pytest.fixture
def controls(browser: Any, experiment: mw.Experiment) -> Iterator[RunControls]:
    widget = RunControls(experiment)
    yield widget
    widget.close()


def shows(widget: RunControls, status: str) -> bool:
    return widget.run is not None and widget.run["status"] == status


def test_before_the_first_run_there_is_nothing_to_show_and_nothing_in_the_way(controls: RunControls) -> None:
    assert (controls.run, controls.blocked) == (None, "")


def test_a_run_is_started_paused_stepped_resumed_and_stopped_from_the_page(
    browser: Any, controls: RunControls, experiment: mw.Experiment
) -> None:
    def command(name: str) -> dict[str, Any]:
        return dict(browser.ask(controls, "run.command", {"command": name})[0]["body"])

    started = command("start")
    browser.until(lambda: shows(controls, "running"))
    assert started["run"] == experiment.run.id == controls.run["id"]
    command("pause")
    browser.until(lambda: shows(controls, "paused"))
    epochs = len(experiment.run.telemetry)
    command("step")
    browser.until(lambda: len(experiment.run.telemetry) == epochs + 1 and experiment.run.status == "paused")
    command("resume")
    browser.until(lambda: shows(controls, "running"))
    command("stop")
    browser.until(lambda: shows(controls, "stopped"))


def test_progress_is_told_in_few_words(browser: Any, controls: RunControls, experiment: mw.Experiment) -> None:
    experiment.train()
    browser.until(lambda: controls.run is not None and controls.run["epoch"] > 3)
    state = controls.run
    assert (state["name"], state["epochs"], state["unit"], state["device"]) == ("run 1", 1_000_000, "epoch", "CPU")
    browser.until(lambda: bool(controls.run["samples_per_second"] and controls.run["remaining_seconds"]))
    for name in ("samples_per_second", "remaining_seconds"):
        assert controls.run[name] == float(f"{controls.run[name]:.2g}"), "rounded, so that equal looks send nothing"


def test_an_unchanged_state_sends_nothing(browser: Any, controls: RunControls, experiment: mw.Experiment) -> None:
    run = experiment.train()
    run.stop()
    browser.until(lambda: shows(controls, "stopped"))
    controls.flush()
    before = len(browser.updates(controls))
    controls.flush()
    assert len(browser.updates(controls)) == before


def test_a_second_start_is_refused_with_the_reason(
    browser: Any, controls: RunControls, experiment: mw.Experiment
) -> None:
    experiment.train()
    answer, _ = browser.ask(controls, "run.command", {"command": "start"})
    assert answer["kind"] == "run.command.error"
    assert "stop it first" in answer["body"]["message"]
    assert len(experiment.runs) == 1


@pytest.mark.parametrize("command", ["pause", "resume", "stop", "step"])
def test_without_a_run_a_command_says_what_to_do(browser: Any, controls: RunControls, command: str) -> None:
    answer, _ = browser.ask(controls, "run.command", {"command": command})
    assert answer["kind"] == "run.command.error"
    assert "Press Train" in answer["body"]["message"]


def test_it_says_what_carries_out_the_steps_and_where(browser: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 2})
    controls = RunControls(experiment)
    run = experiment.train(wait=True)
    browser.until(lambda: shows(controls, "finished"))
    assert controls.run["path"] == run.path != ""
    assert controls.run["device"] == "CPU"
    experiment.close()


def test_an_unknown_command_names_the_nearest(browser: Any, controls: RunControls) -> None:
    answer, _ = browser.ask(controls, "run.command", {"command": "strat"})
    assert "'start'" in answer["body"]["message"]


def test_an_impossible_stack_blocks_train_until_it_is_mended(
    browser: Any, controls: RunControls, experiment: mw.Experiment
) -> None:
    experiment.update_layer(0, units=0, strict=False)
    browser.until(lambda: controls.blocked != "")
    assert controls.blocked == experiment.analysis().error
    answer, _ = browser.ask(controls, "run.command", {"command": "start"})
    assert (answer["kind"], answer["body"]["layer"]) == ("run.command.error", 0)
    experiment.update_layer(0, units=8)
    browser.until(lambda: controls.blocked == "")


def test_a_diverged_run_says_why_and_its_remedy_trains(browser: Any) -> None:
    experiment = mw.Experiment(
        mw.load_dataset("diabetes"), hyperparameters={"optimizer": "sgd", "learning_rate": 10.0, "epochs": 400}
    )
    controls = RunControls(experiment)
    experiment.train()
    browser.until(lambda: shows(controls, "failed"))
    assert controls.run["error"] == experiment.run.error.message
    offered = controls.run["remedy"]
    assert (offered["name"], offered["value"]) == ("learning_rate", 1.0)
    assert offered["label"] == "Set learning rate to 1 and train again"
    browser.ask(controls, "hyperparameters.set", {"name": offered["name"], "value": offered["value"]})
    answer, _ = browser.ask(controls, "run.command", {"command": "start"})
    assert answer["kind"] == "run.command.result"
    assert experiment.runs[1].values["learning_rate"] == 1.0
    experiment.close()


def test_out_of_memory_halves_the_batch(experiment: mw.Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    run = experiment.train()
    monkeypatch.setattr(type(run), "error", property(lambda _: OutOfMemoryError("full")))
    assert remedy(experiment, run)["value"] == run.values["batch_size"] // 2


def test_the_page_cannot_set_what_does_not_exist(browser: Any, controls: RunControls) -> None:
    answer, _ = browser.ask(controls, "hyperparameters.set", {"name": "learning_rat", "value": 1.0})
    assert answer["body"]["parameter"] == "learning_rat"


def test_the_static_form_tells_how_the_run_ended(headless: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), algorithm="random_forest", hyperparameters={"n_estimators": 5})
    widget = RunControls(experiment)
    assert "Nothing was trained" in widget.static_html()
    experiment.train()
    assert "finished" in widget.static_html() and "5 of 5" in widget.static_html()


def test_whoever_asked_by_the_page_is_named(browser: Any, controls: RunControls, experiment: mw.Experiment) -> None:
    browser.metadata = {"medilytica_user": {"username": "ann", "name": "Ann A.", "role": "editor"}}
    browser.ask(controls, "run.command", {"command": "start"})
    run = experiment.run
    assert run is not None and run.options.author == "Ann A."
    assert experiment.activity[-1]["who"] == "Ann A."
    browser.ask(controls, "run.command", {"command": "stop"})
    run.wait(60)
    # the run's end is nobody's doing
    assert experiment.activity[0]["who"] is None
