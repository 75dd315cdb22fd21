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
    changed = builder.revision
    builder.update_view()
    assert builder.revision == changed
    experiment.undo()
    builder.update_view()
    assert builder.revision == before


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


def test_a_fixed_stack_becomes_a_persons_own(browser: Any, experiment: Experiment) -> None:
    experiment.select_algorithm("deep_mlp")
    builder = LayerBuilder(experiment)
    assert "follow from the hyperparameters" in builder.fixed
    stack = builder.network["layers"]
    refused, _ = browser.ask(builder, "layers.remove", {"index": 0})
    assert refused["kind"] == "layers.remove.error"
    answer, _ = browser.ask(builder, "layers.own", {})
    assert answer["kind"] == "layers.own.result"
    assert (builder.fixed, builder.network["layers"]) == ("", stack)
    assert experiment.algorithm.id == "mlp"
    browser.ask(builder, "layers.remove", {"index": 0})
    assert builder.network["layers"] == stack[1:]
    browser.ask(builder, "spec.undo", {})
    browser.ask(builder, "spec.undo", {})
    assert experiment.algorithm.id == "deep_mlp" and builder.network["layers"] == stack


def test_an_algorithm_without_layers_has_none_to_make_ones_own(browser: Any, experiment: Experiment) -> None:
    experiment.select_algorithm("random_forest")
    builder = LayerBuilder(experiment)
    answer, _ = browser.ask(builder, "layers.own", {})
    assert answer["kind"] == "layers.own.error"
    assert "Random forest has no layers" in answer["body"]["message"]
    assert experiment.algorithm.id == "random_forest"


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


def test_a_copy_stands_behind_its_layer_with_a_name_of_its_own(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    browser.ask(builder, "layers.configure", {"index": 0, "fields": {"name": "enc", "init": "orthogonal"}})
    browser.ask(builder, "layers.duplicate", {"index": 0})
    assert [layer.name for layer in experiment.layers] == ["enc", "enc_2", ""]
    assert experiment.layers[1].init == "orthogonal"
    experiment.undo()
    browser.until(lambda: kinds(builder) == ["linear", "dropout"])


def test_an_option_keeps_name_first_weights_and_freezing(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    fields = {"name": "enc", "init": "orthogonal", "frozen": True}
    browser.ask(builder, "layers.configure", {"index": 0, "fields": fields})
    browser.ask(builder, "layers.update", {"index": 0, "options": {"units": 3}})
    layer = {"kind": "linear", "options": {"units": 3, "activation": "relu"}, **fields}
    assert builder.network["layers"][0] == layer


@pytest.mark.parametrize(
    ("fields", "field", "nearest"),
    [
        ({"name": "taken"}, "name", "taken_2"),
        ({"name": "input"}, "name", "input_2"),
        ({"name": "no good"}, "name", "no_good"),
        ({"name": "x" * 80}, "name", None),
        ({"name": 3}, "name", "enc"),
        ({"init": "zeros"}, "init", None),
        ({"frozen": "yes"}, "frozen", False),
    ],
)
def test_what_a_layer_cannot_have_is_refused_by_field(
    browser: Any, experiment: Experiment, fields: dict[str, Any], field: str, nearest: Any
) -> None:
    builder = LayerBuilder(experiment)
    experiment.configure_layer(0, name="enc")
    experiment.configure_layer(1, name="taken")
    before = experiment.layers
    answer, _ = browser.ask(builder, "layers.configure", {"index": 0, "fields": fields})
    assert answer["kind"] == "layers.configure.error"
    assert answer["body"]["parameter"] == field
    assert nearest is None or answer["body"]["nearest"] == nearest
    assert experiment.layers == before


def test_an_unknown_field_names_the_nearest(browser: Any, experiment: Experiment) -> None:
    answer, _ = browser.ask(LayerBuilder(experiment), "layers.configure", {"index": 0, "fields": {"frosen": True}})
    assert "'frozen'" in answer["body"]["message"]


def three(experiment: Experiment) -> LayerBuilder:
    linear = Layer("linear", units=8)
    experiment.set_layers([linear, linear, Layer("add"), linear], strict=False)
    return LayerBuilder(experiment)


def test_connecting_names_the_layers_that_have_none(browser: Any, experiment: Experiment) -> None:
    builder = three(experiment)
    assert builder.network["failing"] == 2
    browser.ask(builder, "layers.connect", {"index": 2, "source": 0, "connected": True})
    assert builder.network["layers"][2]["inputs"] == ["linear_2", "linear_1"]
    assert [layer.get("name") for layer in builder.network["layers"]] == ["linear_1", "linear_2", None, None]
    assert builder.network["error"] is None
    browser.ask(builder, "layers.connect", {"index": 2, "source": "linear_1", "connected": False})
    assert "inputs" not in builder.network["layers"][2]


def test_a_kind_of_one_input_takes_it_from_there_instead(browser: Any, experiment: Experiment) -> None:
    builder = three(experiment)
    browser.ask(builder, "layers.connect", {"index": 3, "source": -1, "connected": True})
    assert builder.network["layers"][3]["inputs"] == ["input"]
    browser.ask(builder, "layers.connect", {"index": 3, "source": 0, "connected": True})
    assert builder.network["layers"][3]["inputs"] == ["linear_1"]


def test_input_from_a_later_layer_is_refused(browser: Any, experiment: Experiment) -> None:
    builder = three(experiment)
    answer, _ = browser.ask(builder, "layers.connect", {"index": 1, "source": 2, "connected": True})
    assert answer["kind"] == "layers.connect.error"
    assert answer["body"]["layer"] == 1


def test_who_takes_input_follows_a_new_name_in_one_step_of_undo(browser: Any, experiment: Experiment) -> None:
    builder = three(experiment)
    experiment.connect_layer(2, 0)
    experiment.update_head(0, at="linear_2")
    browser.ask(builder, "layers.configure", {"index": 1, "fields": {"name": "deep"}})
    assert experiment.layers[2].inputs == ("deep", "linear_1")
    assert experiment.heads[0].at == "deep"
    experiment.undo()
    assert (experiment.layers[2].inputs, experiment.heads[0].at) == (("linear_2", "linear_1"), "linear_2")


def test_a_name_that_is_needed_cannot_be_taken_away(browser: Any, experiment: Experiment) -> None:
    builder = three(experiment)
    experiment.connect_layer(2, 0)
    answer, _ = browser.ask(builder, "layers.configure", {"index": 0, "fields": {"name": ""}})
    assert "layer 3 takes input from it" in answer["body"]["message"]


def test_imported_layers_replace_the_stack_or_say_what_is_wrong(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    layers = [layer.to_json() for layer in network.templates()["deep"]]
    browser.ask(builder, "layers.replace", {"layers": layers})
    assert builder.network["layers"] == layers
    answer, _ = browser.ask(builder, "layers.replace", {"layers": [{"kind": "linear", "units": 3}]})
    assert answer["body"]["message"].startswith("A layer is a kind and its options")
    answer, _ = browser.ask(builder, "layers.replace", {"layers": [{"kind": "linear"}] * 501})
    assert "at most 500" in answer["body"]["message"]
    assert builder.network["layers"] == layers


def test_a_torch_module_is_taken_as_layers(browser: Any, experiment: Experiment) -> None:
    from torch import nn

    builder = LayerBuilder(experiment)
    assert builder.load(nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Dropout(0.3), nn.Linear(5, 4))) is builder
    found = builder.network
    assert [row["output_shape"] for row in found["rows"]][-1] == [4]
    assert found["error"] is None
    experiment.undo()
    assert [layer.kind for layer in experiment.layers] == ["linear", "dropout"]


def test_the_signature_of_a_torch_class(browser: Any, experiment: Experiment) -> None:
    builder = LayerBuilder(experiment)
    answer, _ = browser.ask(builder, "layers.signature", {"name": "nn.Threshold"})
    assert [(a["name"], a["required"]) for a in answer["body"]["arguments"]] == [
        ("threshold", True),
        ("value", True),
        ("inplace", False),
    ]
    names, _ = browser.ask(builder, "layers.signature", {"name": ""})
    assert "Hardtanh" in names["body"]["names"]
    answer, _ = browser.ask(builder, "layers.signature", {"name": "Treshold"})
    assert "'Threshold'" in answer["body"]["message"]


def test_it_carries_shapes_and_bytes_of_each_layer_and_the_heads(browser: Any, experiment: Experiment) -> None:
    found = LayerBuilder(experiment).network
    assert [row["output_shape"] for row in found["rows"]] == [[8], [8]]
    assert [row["bytes"] for row in found["rows"]] == [96, 0]
    assert found["heads"] == [{"task": "classification"}]
    assert [row["parameters"] for row in found["head_rows"]] == [18]
