"""Which networks are plain perceptrons, and where their weights lie."""

from __future__ import annotations

import pytest

from medilytica_widgets.engine.perceptron import plan_of
from medilytica_widgets.errors import ShapeError
from medilytica_widgets.network import Head, Layer, build

HEAD = Head("classification")


def test_the_stages_lie_in_the_flat_buffer_as_the_modules_parameters_do():
    layers = (Layer("dropout", p=0.1), Layer("linear", units=7, activation="silu"), Layer("linear", units=2))
    plan = plan_of(layers, 5, HEAD, 3)
    starts, at = [], 0
    for parameter in build(layers, 5, HEAD, 3, seed=0).parameters():
        starts.append(at)
        at += parameter.numel()
    linear = [stage for stage in plan.stages if stage.kind == "linear"]
    assert [at for stage in linear for at in (stage.weight, stage.bias)] == starts
    assert (plan.size, plan.paths) == (at, ("compiled", "written"))
    assert [(stage.inputs, stage.dropout) for stage in plan.dropouts] == [(5, 0)]


def test_an_activation_layer_belongs_to_the_linear_layer_before_it():
    alone = plan_of((Layer("linear", units=4, activation="none"), Layer("activation", name="tanh")), 5, HEAD, 3)
    assert alone == plan_of((Layer("linear", units=4, activation="tanh"),), 5, HEAD, 3)


@pytest.mark.parametrize(
    "layers",
    (
        (Layer("linear", units=4), Layer("batch_norm")),
        (Layer("layer_norm"),),
        (Layer("activation", name="relu"),),
        (Layer("linear", units=4, activation="relu"), Layer("activation", name="tanh")),
    ),
)
def test_other_networks_have_no_plan(layers):
    assert plan_of(layers, 5, HEAD, 3) is None


def test_gelu_is_for_the_written_path_alone():
    assert plan_of((Layer("linear", units=4, activation="gelu"),), 5, HEAD, 3).paths == ("written",)


def test_wrong_arguments_are_said_as_elsewhere():
    with pytest.raises(ShapeError, match="units"):
        plan_of((Layer("linear", units=0),), 5, HEAD, 3)
