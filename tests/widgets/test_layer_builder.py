"""The stack of layers: what the builder says of it and how it changes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from medilytica_widgets import network
from medilytica_widgets.data import load_dataset
from medilytica_widgets.experiment import Experiment
from medilytica_widgets.network import Layer
from medilytica_widgets.widgets.layer_builder import LayerBuilder


@pytest.fixture
def experiment() -> Iterator[Experiment]:
    made = Experiment(
        load_dataset("moons"), layers=[Layer("linear", units=8, activation="relu"), Layer("dropout", p=0.2)]
    )
    yield made
    made.close()


def kinds(builder: LayerBuilder) -> list[str]:
    return [layer["kind"] for layer in builder.network["layers"]]


def test_it_says_shapes_counts_and_totals(browser: Any, experiment: Experiment) -> None:
    found = LayerBuilder(experiment).network
    assert (found["inputs"], found["outputs"], found["task"]) == (2, 2, "classification")
    assert found["layers"][0] == {"kind": "linear", "options": {"units": 8, "activation": "relu"}}
    assert [row["parameters"] for row in found["rows"]] == [24, 0]
    assert found["head"]["parameters"] == 18
    assert (found["total_parameters"], found["total_bytes"]) == (42, 168)
    assert (found["error"], found["failing"]) == (None, None)


def test_it_names_the_kinds_and_templates_there_are(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    assert builder.kinds == network.layer_kinds()
    assert [t["name"] for t in builder.templates] == list(network.templates())
    assert builder.templates[0]["layers"] == ["linear"]


def test_layers_are_added_moved_copied_and_removed(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    added = {"kind": "batch_norm", "options": {}}
    answer, _ = browser.ask(builder, "layers.add", {"index": 1, "layer": added})
    assert answer["kind"] == "layers.add.result"
    assert kinds(builder) == ["linear", "batch_norm", "dropout"]
    browser.ask(builder, "layers.move", {"index": 0, "to": 2})
    assert kinds(builder) == ["batch_norm", "dropout", "linear"]
    browser.ask(builder, "layers.remove", {"index": 1})
    assert kinds(builder) == ["batch_norm", "linear"]
    assert [layer.kind for layer in experiment.layers] == ["batch_norm", "linear"]


def test_an_option_changes_and_the_counts_follow_before_the_answer(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    browser.ask(builder, "layers.update", {"index": 0, "options": {"units": 16}})
    assert builder.network["layers"][0]["options"] == {"units": 16, "activation": "relu"}
    assert builder.network["total_parameters"] == 3 * 16 + 17 * 2
    methods = [m["method"] for m, _ in browser.messages(builder)]
    assert methods.index("update") < methods.index("custom")


@pytest.mark.parametrize("options", [{"units": 0}, {"units": "many"}, {"activation": "rleu"}])
def test_an_impossible_layer_stays_and_says_what_is_wrong(
    browser: Any, experiment: Experiment, options: dict[str, Any]
) -> None:
    builder = LayerBuilder(experiment)
    answer, _ = browser.ask(builder, "layers.update", {"index": 0, "options": options})
    assert answer["kind"] == "layers.update.result"
    assert builder.network["failing"] == 0
    assert builder.network["error"].startswith("In layer 1 (linear)")
    assert builder.network["rows"][0]["error"] == builder.network["error"]
    assert {**experiment.layers[0].options, **options} == experiment.layers[0].options


def test_a_layer_that_is_not_there_is_refused(browser: Any, experiment: Experiment) -> None:
    answer, _ = browser.ask(LayerBuilder(experiment), "layers.remove", {"index": 7})
    assert answer["kind"] == "layers.remove.error"
    assert answer["body"]["layer"] == 7


@pytest.mark.parametrize("layer", [{"options": {}}, {"kind": 3}, {"kind": "linear", "units": 3}])
def test_what_is_no_layer_is_refused_in_words(browser: Any, experiment: Experiment, layer: dict[str, Any]) -> None:
    builder = LayerBuilder(experiment)
    answer, _ = browser.ask(builder, "layers.add", {"index": 0, "layer": layer})
    assert answer["kind"] == "layers.add.error"
    assert answer["body"]["message"].startswith("A layer is a kind and its options")
    assert kinds(builder) == ["linear", "dropout"]


def test_a_template_replaces_the_stack_and_undo_brings_it_back(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    browser.ask(builder, "layers.template", {"name": "bottleneck"})
    assert kinds(builder) == ["linear", "dropout", "linear", "linear"]
    browser.ask(builder, "spec.undo", {})
    assert kinds(builder) == ["linear", "dropout"]
    assert (builder.can_undo, builder.can_redo) == (False, True)
    browser.ask(builder, "spec.redo", {})
    assert len(kinds(builder)) == 4


def test_an_unknown_template_names_the_nearest(browser: Any, experiment: Experiment) -> None:
    answer, _ = browser.ask(LayerBuilder(experiment), "layers.template", {"name": "botleneck"})
    assert "'bottleneck'" in answer["body"]["message"]


def test_the_script_is_the_experiments_own(browser: Any, experiment: Experiment) -> None:
    answer, _ = browser.ask(LayerBuilder(experiment), "code.read", {})
    assert answer["body"] == {"code": experiment.to_code()}


def test_a_script_of_a_stack_that_cannot_be_is_refused(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    browser.ask(builder, "layers.update", {"index": 1, "options": {"p": 2}})
    answer, _ = browser.ask(builder, "code.read", {})
    assert answer["kind"] == "code.read.error"
    assert answer["body"]["layer"] == 1


def test_another_revision_tells_that_the_script_may_differ(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    before = builder.revision
    experiment.set("epochs", 9)
    browser.until(lambda: builder.revision != before)


def test_an_algorithm_without_layers_shows_none(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    experiment.select_algorithm("random_forest")
    browser.until(lambda: not builder.uses_layers)
    assert (builder.network, builder.algorithm) == ({}, "Random forest")
    experiment.select_algorithm("mlp")
    browser.until(lambda: builder.uses_layers and kinds(builder) == ["linear", "dropout"])


def test_an_edit_in_mid_run_waits_for_the_next(browser: Any, experiment: Experiment) -> None:
    experiment.set("epochs", 1_000_000)
    builder = LayerBuilder(experiment)
    run = experiment.train(wait=False)
    browser.ask(builder, "layers.update", {"index": 0, "options": {"units": 9}})
    assert builder.pending
    run.stop()
    run.wait(20)
    browser.until(lambda: not builder.pending)


def test_the_static_form_lists_the_layers(headless: Any, experiment: Experiment) -> None:
    markup = LayerBuilder(experiment).static_html()
    assert "42 parameters" in markup
    assert "units 8, activation relu" in markup
    assert markup.count("<tr>") == 5
    experiment.select_algorithm("random_forest")
    assert "has no layers" in LayerBuilder(experiment).static_html()
    assert headless.comms == []


def test_the_static_form_shows_what_is_wrong_and_escapes_it(headless: Any, experiment: Experiment) -> None:
    experiment.set_layers([Layer("<b>bold</b>")], strict=False)
    markup = LayerBuilder(experiment).static_html()
    assert 'role="alert"' in markup
    assert "<b>bold</b>" not in markup
