"""The heads: what the editor says of them, how it changes them, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from medilytica_widgets.data import load_dataset
from medilytica_widgets.errors import HeadError
from medilytica_widgets.experiment import Experiment
from medilytica_widgets.network import Head, Layer
from medilytica_widgets.widgets.head_editor import HeadEditor


def table() -> pd.DataFrame:
    rows = range(120)
    return pd.DataFrame(
        {
            "age": [20.0 + 1.37 * (k % 41) for k in rows],
            "size": [0.5 + 0.173 * ((7 * k) % 59) for k in rows],
            "visits": [k % 6 for k in rows],
            "ward": [("a", "b", "c")[k % 3] for k in rows],
            "same": [1 for _ in rows],
            "ill": [("no", "yes")[(k // 3) % 2] for k in rows],
        }
    )


@pytest.fixture
def experiment() -> Iterator[Experiment]:
    layers = [Layer("linear", units=8, name="enc"), Layer("linear", units=8)]
    made = Experiment(load_dataset(table(), target="ill"), layers=layers)
    yield made
    made.close()


@pytest.fixture
def both(experiment: Experiment) -> Experiment:
    experiment.set_heads([Head("classification", name="ill"), Head("regression", name="size", target="size", at="enc")])
    return experiment


def refused(browser: Any, editor: HeadEditor, index: int, **fields: Any) -> dict[str, Any]:
    before = editor.experiment.heads
    answer, _ = browser.ask(editor, "heads.update", {"index": index, "fields": fields})
    assert answer["kind"] == "heads.update.error", answer
    assert editor.experiment.heads == before
    body: dict[str, Any] = answer["body"]
    return body


def update(browser: Any, editor: HeadEditor, index: int, **fields: Any) -> dict[str, Any]:
    answer, _ = browser.ask(editor, "heads.update", {"index": index, "fields": fields})
    assert answer["kind"] == "heads.update.result", answer
    head: dict[str, Any] = editor.heads[index]
    return head


def test_it_says_heads_layers_columns_and_losses(browser: Any, both: Experiment) -> None:
    editor = HeadEditor(both)
    assert [(head["name"], head["target"], head["at"]) for head in editor.heads] == [
        ("ill", "", ""),
        ("size", "size", "enc"),
    ]
    assert [layer["name"] for layer in editor.layers] == ["enc", ""]
    assert editor.own == "ill"
    can = {target["name"]: target["tasks"] for target in editor.targets}
    assert can["size"] == ["regression"]
    assert can["visits"] == ["classification", "regression"]
    assert can["same"] == []
    assert next(t["reason"] for t in editor.targets if t["name"] == "same") == "it has one value only"
    assert {"cross_entropy", "huber", "poisson"} <= {loss["id"] for loss in editor.losses}


def test_a_head_is_added_that_can_be_at_once(browser: Any, experiment: Experiment) -> None:
    editor = HeadEditor(experiment)
    answer, _ = browser.ask(editor, "heads.add", {"head": {}})
    assert answer["kind"] == "heads.add.result", answer
    assert [(h["name"], h["task"], h["target"]) for h in editor.heads] == [
        ("ill", "classification", ""),
        ("age", "regression", "age"),
    ]
    browser.ask(editor, "spec.undo", {})
    assert len(experiment.heads) == 1
    browser.ask(editor, "spec.redo", {})
    assert len(editor.heads) == 2


def test_a_copy_learns_by_another_loss(browser: Any, both: Experiment) -> None:
    editor = HeadEditor(both)
    browser.ask(editor, "heads.duplicate", {"index": 1})
    assert [h["name"] for h in editor.heads] == ["ill", "size", "size_2"]
    assert editor.heads[2]["loss"] not in ("", "mse")


def test_heads_are_removed_down_to_the_last(browser: Any, both: Experiment) -> None:
    editor = HeadEditor(both)
    browser.ask(editor, "heads.remove", {"index": 1})
    assert len(editor.heads) == 1
    answer, _ = browser.ask(editor, "heads.remove", {"index": 0})
    assert "at least one head" in answer["body"]["message"]
    both.undo()
    assert len(both.heads) == 2


def test_every_field_changes(browser: Any, both: Experiment) -> None:
    editor = HeadEditor(both)
    assert update(browser, editor, 1, name="width")["name"] == "width"
    assert update(browser, editor, 1, loss="huber")["loss"] == "huber"
    assert update(browser, editor, 1, options={"delta": 2.5})["options"] == {"delta": 2.5}
    assert update(browser, editor, 1, weight="uncertainty")["weight"] == "uncertainty"
    assert update(browser, editor, 1, weight=0.25)["weight"] == 0.25
    assert update(browser, editor, 1, at="")["at"] == ""


def test_a_layer_without_a_name_gets_one_to_sit_on(browser: Any, both: Experiment) -> None:
    editor = HeadEditor(both)
    assert update(browser, editor, 1, at=1)["at"] == "linear_2"
    assert both.layers[1].name == "linear_2"
    both.undo()
    assert (both.layers[1].name, both.heads[1].at) == ("", "enc")


def test_another_column_brings_its_task_and_drops_a_loss_that_no_longer_fits(browser: Any, both: Experiment) -> None:
    editor = HeadEditor(both)
    update(browser, editor, 1, loss="huber")
    update(browser, editor, 1, options={"delta": 2.5})
    head = update(browser, editor, 1, target="ward")
    assert (head["task"], head["loss"], head["options"]) == ("classification", "", {})
    assert update(browser, editor, 1, target="visits")["task"] == "classification"
    assert update(browser, editor, 1, task="regression")["task"] == "regression"


@pytest.mark.parametrize(
    ("fields", "field", "nearest", "words"),
    [
        ({"name": "ill"}, "name", "ill_2", "Two heads are called 'ill'"),
        ({"name": "no good"}, "name", "no_good", "cannot name a head"),
        ({"target": "sizes"}, "target", "size", "no column 'sizes'"),
        ({"target": "same"}, "target", None, "one value only"),
        ({"task": "classification"}, "task", "regression", "not for classification"),
        ({"task": "clustering"}, "task", None, "clustering"),
        ({"at": "ence"}, "at", "enc", "no layer 'ence'"),
        ({"loss": "hubert"}, "loss", None, "hubert"),
        ({"loss": "focal"}, "loss", "", "Focal is a loss for classification"),
        ({"options": {"delta": 1}}, "options.delta", None, "delta"),
        ({"weight": 0}, "weight", 1.0, "weight"),
        ({"weight": "much"}, "weight", 1.0, "weight"),
        ({"colour": "red"}, "colour", None, "no field 'colour'"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    browser: Any, both: Experiment, fields: dict[str, Any], field: str, nearest: Any, words: str
) -> None:
    body = refused(browser, HeadEditor(both), 1, **fields)
    assert body["parameter"] == field
    assert words in body["message"]
    assert nearest is None or body["nearest"] == nearest


def test_an_option_out_of_range_names_the_nearest(browser: Any, both: Experiment) -> None:
    editor = HeadEditor(both)
    update(browser, editor, 1, loss="huber")
    body = refused(browser, editor, 1, options={"delta": -1})
    assert (body["parameter"], body["nearest"]) == ("options.delta", 0.001)


def test_a_loss_for_two_classes_needs_two(browser: Any, both: Experiment) -> None:
    editor = HeadEditor(both)
    update(browser, editor, 1, target="ward")
    assert "has 3" in refused(browser, editor, 1, loss="binary_cross_entropy")["message"]
    assert update(browser, editor, 0, loss="binary_cross_entropy")["loss"] == "binary_cross_entropy"


def test_the_first_head_keeps_the_tables_own_target(browser: Any, both: Experiment) -> None:
    body = refused(browser, HeadEditor(both), 0, target="ward")
    assert (body["parameter"], body["nearest"]) == ("target", "ill")


def test_a_head_that_is_not_there_is_refused(browser: Any, both: Experiment) -> None:
    body = refused(browser, HeadEditor(both), 7, name="x")
    assert "no head 7" in body["message"]


def test_python_refuses_the_same_with_an_exception(both: Experiment) -> None:
    with pytest.raises(HeadError) as caught:
        both.update_head(1, at="nowhere")
    assert (caught.value.head, caught.value.parameter) == (1, "at")
    with pytest.raises(HeadError, match="at least one"):
        both.set_heads([])
    assert len(both.heads) == 2


def test_several_heads_without_names_are_named_by_what_they_learn(experiment: Experiment) -> None:
    experiment.set_heads([Head("classification"), Head("regression", target="size")])
    assert [head.name for head in experiment.heads] == ["ill", "size"]


def test_two_editors_stay_in_step(browser: Any, both: Experiment) -> None:
    one, other = HeadEditor(both), HeadEditor(both)
    update(browser, one, 1, name="width")
    browser.until(lambda: other.heads[1]["name"] == "width")
    assert other.heads == one.heads


def test_an_algorithm_without_a_network_has_none_to_edit(browser: Any, experiment: Experiment) -> None:
    editor = HeadEditor(experiment)
    experiment.select_algorithm("random_forest")
    browser.until(lambda: not editor.uses_layers)
    assert "Random forest has no heads" in editor.static_html()


def test_the_static_form_lists_the_heads_and_escapes_them(headless: Any, both: Experiment) -> None:
    both.configure_layer(0, name="deep")
    both.update_head(1, loss="huber", options={"delta": 2.0}, weight="uncertainty")
    markup = HeadEditor(both).static_html()
    assert "2 heads" in markup
    assert "Huber (delta 2.0)" in markup
    assert "by uncertainty" in markup
    assert "deep" in markup
    assert headless.comms == []
