"""The form of hyperparameters: what it says, what it changes, what it marks as coming later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medilytica_widgets.data import load_dataset
from medilytica_widgets.experiment import Experiment
from medilytica_widgets.widgets.hyperparameter_panel import HyperparameterPanel


@pytest.fixture
def experiment() -> Iterator[Experiment]:
    made = Experiment(load_dataset("moons"))
    yield made
    made.close()


def test_it_holds_the_table_and_the_values_from_the_start(browser: Any, experiment: Experiment) -> None:
    panel = HyperparameterPanel(experiment)
    assert panel.algorithm == {"id": "mlp", "name": "Multilayer perceptron"}
    assert panel.form == experiment.algorithm.parameters.to_json()
    assert panel.values == experiment.hyperparameters
    assert (panel.pending, panel.can_undo, panel.can_redo) == ([], False, False)


def test_a_value_is_set_and_seen_before_the_answer(browser: Any, experiment: Experiment) -> None:
    panel = HyperparameterPanel(experiment)
    answer, _ = browser.ask(panel, "hyperparameters.set", {"name": "learning_rate", "value": 0.01})
    assert answer["kind"] == "hyperparameters.set.result"
    assert answer["body"] == {"value": 0.01}
    assert experiment.hyperparameters["learning_rate"] == 0.01
    kinds = [m["method"] for m, _ in browser.messages(panel)]
    assert kinds.index("update") < kinds.index("custom")
    assert panel.values["learning_rate"] == 0.01
    assert panel.can_undo


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [("learning_rate", -1, 1e-6), ("epochs", 0, 1), ("batch_size", 1.5, 2), ("optimizer", "adan", "adam")],
)
def test_a_wrong_value_is_refused_with_the_nearest_right_one(
    browser: Any, experiment: Experiment, name: str, value: Any, nearest: Any
) -> None:
    panel = HyperparameterPanel(experiment)
    before = experiment.hyperparameters
    answer, _ = browser.ask(panel, "hyperparameters.set", {"name": name, "value": value})
    assert answer["kind"] == "hyperparameters.set.error"
    assert answer["body"]["parameter"] == name
    assert answer["body"]["nearest"] == nearest
    assert answer["body"]["message"].startswith(name)
    assert experiment.hyperparameters == before


def test_an_unknown_name_is_refused_and_the_nearest_named(browser: Any, experiment: Experiment) -> None:
    answer, _ = browser.ask(
        HyperparameterPanel(experiment), "hyperparameters.set", {"name": "learning_rat", "value": 0.1}
    )
    assert answer["kind"] == "hyperparameters.set.error"
    assert "learning_rate" in answer["body"]["message"]


def test_an_optional_one_goes_off_and_on(browser: Any, experiment: Experiment) -> None:
    panel = HyperparameterPanel(experiment)
    browser.ask(panel, "hyperparameters.set", {"name": "patience", "value": 10})
    assert panel.values["patience"] == 10
    browser.ask(panel, "hyperparameters.set", {"name": "patience", "value": None})
    assert panel.values["patience"] is None


def test_one_or_all_go_back_to_their_defaults(browser: Any, experiment: Experiment) -> None:
    panel = HyperparameterPanel(experiment)
    experiment.set("epochs", 7)
    experiment.set("l2", 0.1)
    browser.ask(panel, "hyperparameters.reset", {"name": "l2"})
    assert (panel.values["l2"], panel.values["epochs"]) == (0.0, 7)
    browser.ask(panel, "hyperparameters.reset", {"name": ""})
    assert panel.values == experiment.algorithm.parameters.defaults()


def test_undo_and_redo_are_offered_when_there_is_something(browser: Any, experiment: Experiment) -> None:
    panel = HyperparameterPanel(experiment)
    browser.ask(panel, "hyperparameters.set", {"name": "epochs", "value": 7})
    browser.ask(panel, "spec.undo", {})
    assert (panel.values["epochs"], panel.can_undo, panel.can_redo) == (50, False, True)
    browser.ask(panel, "spec.redo", {})
    assert (panel.values["epochs"], panel.can_undo, panel.can_redo) == (7, True, False)


def test_it_follows_what_others_change(browser: Any, experiment: Experiment) -> None:
    panel = HyperparameterPanel(experiment)
    experiment.set("epochs", 9)
    browser.until(lambda: panel.values["epochs"] == 9)
    experiment.select_algorithm("random_forest")
    browser.until(lambda: panel.algorithm["id"] == "random_forest")
    assert [p["id"] for p in panel.form] == list(panel.values)


def test_while_a_run_trains_only_what_waits_for_the_next_is_pending(browser: Any, experiment: Experiment) -> None:
    experiment.set("epochs", 1_000_000)
    panel = HyperparameterPanel(experiment)
    run = experiment.train(wait=False)
    browser.ask(panel, "hyperparameters.set", {"name": "learning_rate", "value": 0.02})
    browser.ask(panel, "hyperparameters.set", {"name": "optimizer", "value": "sgd"})
    assert panel.pending == ["optimizer"]
    browser.until(lambda: any(mark.name == "learning_rate" for mark in run.marks))
    run.stop()
    run.wait(20)
    browser.until(lambda: panel.pending == [])


def test_another_algorithm_is_pending_as_a_whole(browser: Any, experiment: Experiment) -> None:
    experiment.set("epochs", 1_000_000)
    panel = HyperparameterPanel(experiment)
    run = experiment.train(wait=False)
    experiment.select_algorithm("random_forest")
    browser.until(lambda: len(panel.pending) > 0)
    assert panel.pending == ["algorithm"]
    run.stop()
    run.wait(20)


def test_a_change_of_one_value_resends_no_table(browser: Any, experiment: Experiment) -> None:
    panel = HyperparameterPanel(experiment)
    before = len(browser.updates(panel))
    browser.ask(panel, "hyperparameters.set", {"name": "epochs", "value": 9})
    (update,) = browser.updates(panel)[before:]
    assert set(update) == {"values", "can_undo"}


def test_the_static_form_names_what_departs_from_the_default(headless: Any, experiment: Experiment) -> None:
    experiment.set("learning_rate", 0.01)
    markup = HyperparameterPanel(experiment).static_html()
    assert "0.01 (default 0.003)" in markup
    assert "Multilayer perceptron" in markup
    assert "off" in markup
    assert headless.comms == []


def test_it_says_which_task_the_table_is_read_for(browser: Any, experiment: Experiment) -> None:
    assert HyperparameterPanel(experiment).task == "classification"
    assert HyperparameterPanel(Experiment(load_dataset("diabetes"))).task == "regression"


def test_the_static_form_leaves_out_what_has_no_effect(headless: Any, experiment: Experiment) -> None:
    panel = HyperparameterPanel(experiment)
    assert "Against overfitting" in panel.static_html()
    assert "momentum" not in panel.static_html()
    experiment.set("optimizer", "sgd")
    assert "momentum" in panel.static_html()
    experiment.set("momentum", 0.5)
    experiment.set("optimizer", "adam")
    assert "0.5 (default 0.9)" in panel.static_html()
    assert "Nesterov" not in panel.static_html()
    regression = HyperparameterPanel(Experiment(load_dataset("diabetes")))
    assert "class weight" in panel.static_html()
    assert "class weight" not in regression.static_html()


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_it_lists_the_presets_of_the_algorithm(browser: Any, experiment: Experiment, own_home: Path) -> None:
    panel = HyperparameterPanel(experiment)
    assert [(preset["name"], preset["own"]) for preset in panel.presets] == [
        ("fast", False),
        ("accurate", False),
        ("regularised", False),
    ]
    assert all(preset["about"] and preset["values"] for preset in panel.presets)


def test_a_preset_is_applied_in_one_step_for_everyone(browser: Any, experiment: Experiment, own_home: Path) -> None:
    panel, other = HyperparameterPanel(experiment), HyperparameterPanel(experiment)
    before = panel.values
    answer, _ = browser.ask(panel, "preset.apply", {"algorithm": "mlp", "name": "accurate"})
    assert answer["kind"] == "preset.apply.result"
    assert (panel.values["epochs"], panel.values["schedule"]) == (200, "cosine")
    browser.until(lambda: other.values == panel.values)
    browser.ask(panel, "spec.undo", {})
    assert (panel.values, panel.can_undo) == (before, False)


def test_one_that_is_saved_is_everyones_and_can_be_deleted(
    browser: Any, experiment: Experiment, own_home: Path
) -> None:
    experiment.set("epochs", 7)
    panel, other = HyperparameterPanel(experiment), HyperparameterPanel(experiment)
    answer, _ = browser.ask(panel, "preset.save", {"algorithm": "mlp", "name": " ../mine "})
    assert answer["body"] == {"name": "../mine"}
    assert panel.presets[-1] == {
        "name": "../mine",
        "values": experiment.hyperparameters,
        "own": True,
        "about": "",
        "problem": "",
    }
    browser.until(lambda: other.presets == panel.presets)
    browser.ask(other, "preset.delete", {"algorithm": "mlp", "name": "../mine"})
    browser.until(lambda: [preset["own"] for preset in panel.presets] == [False] * 3)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("preset.apply", "acurate", "Did you mean 'accurate'"),
        ("preset.save", "fast", "one of the package's presets"),
        ("preset.save", "", "needs a name"),
        ("preset.delete", "fast", "belongs to the package"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    browser: Any, experiment: Experiment, own_home: Path, kind: str, name: str, words: str
) -> None:
    panel = HyperparameterPanel(experiment)
    before = (panel.values, panel.presets)
    answer, _ = browser.ask(panel, kind, {"algorithm": "mlp", "name": name})
    assert answer["kind"] == f"{kind}.error"
    assert words in answer["body"]["message"]
    assert (panel.values, panel.presets) == before


def test_a_page_that_shows_another_algorithm_still_changes_nothing(
    browser: Any, experiment: Experiment, own_home: Path
) -> None:
    panel = HyperparameterPanel(experiment)
    experiment.select_algorithm("random_forest")
    before = experiment.spec
    for kind, name in (("preset.apply", "fast"), ("preset.save", "mine")):
        answer, _ = browser.ask(panel, kind, {"algorithm": "mlp", "name": name})
        assert "Random forest by now" in answer["body"]["message"]
    assert experiment.spec == before
    assert not own_home.exists()


def test_it_says_when_live_changes_act(browser: Any, experiment: Experiment) -> None:
    experiment.set("epochs", 1_000_000)
    panel = HyperparameterPanel(experiment)
    assert panel.training is False
    run = experiment.train(wait=False)
    browser.until(lambda: panel.training)
    experiment.select_algorithm("random_forest")
    browser.until(lambda: not panel.training)
    experiment.select_algorithm("mlp")
    browser.until(lambda: panel.training)
    run.stop()
    run.wait(20)
    browser.until(lambda: not panel.training)


def test_a_preset_acts_on_a_run_where_it_can(browser: Any, experiment: Experiment) -> None:
    experiment.set("epochs", 1_000_000)
    panel = HyperparameterPanel(experiment)
    run = experiment.train(wait=False)
    browser.ask(panel, "preset.apply", {"algorithm": "mlp", "name": "fast"})
    browser.until(lambda: {mark.name for mark in run.marks} == {"learning_rate", "batch_size"})
    assert panel.pending == ["epochs"]
    run.stop()
    run.wait(20)


def test_the_static_form_names_the_preset_in_force(headless: Any, experiment: Experiment, own_home: Path) -> None:
    panel = HyperparameterPanel(experiment)
    assert "preset:" not in panel.static_html()
    experiment.apply_preset("regularised")
    assert "preset: regularised" in panel.static_html()
