"""build and source_lines: the torch module, its seeded weights, and the same in source."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.errors import ShapeError
from medilytica_widgets.network import ACTIVATIONS, Head, Layer, build, default_layers, source_lines, templates

CLASSES = Head("classification")
LAYERS = [
    *(Layer("linear", units=7, activation=name) for name in ACTIVATIONS),
    *(Layer("activation", name=name) for name in ACTIVATIONS),
    Layer("dropout", p=0.25),
    Layer("dropout", p=0),
    Layer("batch_norm"),
    Layer("layer_norm"),
]


def _run_source(layers: list[Layer], n_inputs: int, classes: int, seed: int) -> torch.nn.Module:
    names: dict[str, Any] = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        exec("\n".join(source_lines(layers, n_inputs, CLASSES, classes)), names)
    model = names["model"]
    assert isinstance(model, torch.nn.Module)
    return model


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(LAYERS), max_size=5), st.integers(0, 2**31))
def test_the_source_makes_the_same_modules_and_the_same_weights(layers: list[Layer], seed: int) -> None:
    built = build(layers, 5, CLASSES, 3, seed=seed)
    written = _run_source(layers, 5, 3, seed)
    assert repr(written) == repr(built)
    assert written.state_dict().keys() == built.state_dict().keys()
    for name, tensor in written.state_dict().items():
        assert torch.equal(tensor, built.state_dict()[name]), name


def test_building_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    build(templates()["deep"], 5, CLASSES, 3, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_seed_decides_the_weights_whatever_the_global_state_is() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        one = next(build(default_layers(), 5, CLASSES, 3, seed=7).parameters())
        torch.manual_seed(2)
        two = next(build(default_layers(), 5, CLASSES, 3, seed=7).parameters())
    other = next(build(default_layers(), 5, CLASSES, 3, seed=8).parameters())
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_weights_are_real_trainable_float32_on_the_cpu() -> None:
    for parameter in build(templates()["deep"], 5, CLASSES, 3, seed=0).parameters():
        assert parameter.device.type == "cpu"
        assert parameter.dtype == torch.float32
        assert parameter.requires_grad
        assert parameter.is_leaf


def test_source_of_a_broken_stack_raises() -> None:
    with pytest.raises(ShapeError) as caught:
        source_lines([Layer("linear", units=4), Layer("dropout", p=1.0)], 5, CLASSES, 3)
    assert caught.value.layer == 1
    assert "layer 2 (dropout)" in caught.value.message
