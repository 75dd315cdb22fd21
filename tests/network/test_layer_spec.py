"""Layers and heads as plain values: what they hold, what they refuse, and what older ones become."""

from __future__ import annotations

import json
from typing import Any

import pytest

from medilytica_widgets.errors import SpecError, UnknownArgumentError
from medilytica_widgets.network import LOSSES, Head, Layer, analyse, losses

CLASSES = Head("classification")


def test_a_plain_layer_is_what_it_always_was() -> None:
    plain = {"kind": "linear", "options": {"units": 8}}
    assert Layer("linear", units=8).to_json() == plain
    assert Layer("linear", units=8).model_dump() == plain
    assert Layer.model_validate(plain) == Layer("linear", units=8)
    assert Head("regression").to_json() == Head("regression").model_dump() == {"task": "regression"}


def test_what_differs_is_written_and_comes_back() -> None:
    layer = Layer("linear", units=8, name="a", inputs=["input"], init="orthogonal", frozen=True)
    plain = json.loads(json.dumps(layer.to_json()))
    assert plain == {
        "kind": "linear",
        "options": {"units": 8},
        "name": "a",
        "inputs": ["input"],
        "init": "orthogonal",
        "frozen": True,
    }
    assert Layer(**plain) == Layer.model_validate(plain) == layer
    assert layer.with_options(units=9).to_json() == {**plain, "options": {"units": 9}}


@pytest.mark.parametrize("plain", [{"kind": "activation", "options": {"name": "relu"}}])
def test_an_activation_keeps_its_function_and_may_have_a_name(plain: dict[str, Any]) -> None:
    assert Layer("activation", name="relu").to_json() == plain
    assert Layer("activation", function="relu").to_json() == plain
    both = Layer("activation", function="relu", name="bend")
    assert both.to_json() == {**plain, "name": "bend"}
    assert Layer(**both.to_json()) == both


@pytest.mark.parametrize(
    "layer",
    [
        Layer("torch.nn.GLU", dim=1),
        Layer("torch", class_="GLU", arguments={"dim": 1}),
        Layer("torch", class_="torch.nn.GLU", arguments={"dim": 1}),
        Layer("torch.nn.GLU", arguments={"dim": 1}),
        Layer(**{"kind": "torch.nn.GLU", "options": {"dim": 1}}),
    ],
)
def test_a_class_of_torch_has_one_form(layer: Layer) -> None:
    assert layer.to_json() == {"kind": "torch", "options": {"class_": "GLU", "arguments": {"dim": 1}}}
    assert analyse([layer], 4, CLASSES, 2).rows[0].output_shape == (2,)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": 3}, "name is 3; it takes text"),
        ({"inputs": 3}, "list of layers' names"),
        ({"inputs": [3]}, "hold 3"),
        ({"frozen": "yes"}, "True or False"),
        ({"init": None}, "it takes text"),
    ],
)
def test_a_field_of_a_wrong_type_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        Layer("linear", **values)
    assert said in caught.value.message


def test_a_head_holds_its_loss_and_comes_back() -> None:
    head = Head("regression", name="los", target="days", at="body", loss="huber", delta=0.5, weight="uncertainty")
    plain = json.loads(json.dumps(head.to_json()))
    assert plain["options"] == {"delta": 0.5}
    assert Head(**plain) == Head.model_validate(plain) == head
    assert head.loss_options() == {"delta": 0.5}
    assert Head("regression", loss="huber").loss_options() == {"delta": 1.0}
    assert (Head("regression").loss_kind, Head("classification").loss_kind) == ("mse", "cross_entropy")
    assert Head("regression", weight=2).weight == 2.0
    assert Head("regression", loss="custom:mine", weight=0.5).loss_kind == "custom:mine"


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_loss_serves_its_own_task_only(task: str) -> None:
    for name, loss in LOSSES.items():
        if task in loss.tasks:
            assert Head(task, loss=name).loss_kind == name
        else:
            with pytest.raises(SpecError, match="is for"):
                Head(task, loss=name)
    assert losses(task)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"loss": "hubber"}, "Did you mean 'huber'?"),
        ({"loss": "huber", "delta": -1.0}, "delta is -1.0"),
        ({"weight": 0}, "positive number"),
        ({"weight": True}, "positive number"),
        ({"weight": float("nan")}, "positive number"),
        ({"weight": "high"}, "'uncertainty'"),
        ({"at": 3}, "it takes text"),
        ({"loss": "mse", "options": {"delta": 1}}, "delta"),
    ],
)
def test_a_head_that_cannot_be_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        Head("regression", **values)
    assert said in caught.value.message


def test_an_unknown_argument_of_a_head_is_named() -> None:
    with pytest.raises(UnknownArgumentError, match="'target'"):
        Head("regression", targt="days")
    with pytest.raises(UnknownArgumentError, match="'delta'"):
        Head("regression", loss="huber", dleta=1.0)
    with pytest.raises(SpecError, match="'classification' or 'regression'"):
        Head("ranking")
