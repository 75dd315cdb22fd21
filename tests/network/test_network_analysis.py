"""analyse: the numbers of a stack as one types, equal to torch's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.errors import ShapeError
from medilytica_widgets.network import (
    ACTIVATIONS,
    MAX_PARAMETERS,
    Head,
    Layer,
    analyse,
    build,
    default_layers,
    layer_kinds,
    network_hash,
    templates,
)

CLASSES = Head("classification")
ONE = Head("regression")

activation = st.sampled_from(sorted(ACTIVATIONS))
valid_layer = st.one_of(
    st.builds(lambda u, a: Layer("linear", units=u, activation=a), st.integers(1, 9), activation),
    st.builds(lambda p: Layer("dropout", p=p), st.floats(0, 0.95)),
    st.just(Layer("batch_norm")),
    st.just(Layer("layer_norm")),
    st.builds(lambda a: Layer("activation", name=a), activation),
)
wrong_layer = st.one_of(
    st.builds(lambda u: Layer("linear", units=u), st.sampled_from([0, -3, 2.5, None, "8", 10**400, float("nan"), []])),
    st.just(Layer("linear", units=4, activation="reluu")),
    st.just(Layer("linear", unit=4)),
    st.builds(lambda p: Layer("dropout", p=p), st.sampled_from([1, 1.0, 1.5, -0.1, "0.1"])),
    st.just(Layer("batch_norm", units=3)),
    st.just(Layer("activation", name="")),
    st.just(Layer("conv")),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(valid_layer, max_size=6), st.integers(1, 12), st.integers(2, 5))
def test_a_valid_stack_counts_what_torch_counts_and_trains(layers: list[Layer], n_inputs: int, classes: int) -> None:
    analysis = analyse(layers, n_inputs, CLASSES, classes)
    assert analysis.error is None
    assert analysis.failing is None
    model = build(layers, n_inputs, CLASSES, classes, seed=0)

    tensors = [*model.parameters(), *model.buffers()]
    assert analysis.total_parameters == sum(p.numel() for p in model.parameters())
    assert analysis.total_bytes == sum(t.numel() * t.element_size() for t in tensors)

    x = torch.randn(8, n_inputs, generator=torch.Generator().manual_seed(0))
    logits = model(x)
    assert tuple(logits.shape) == (8, classes)
    logits.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


@settings(deadline=None, max_examples=40)
@given(st.lists(valid_layer, min_size=1, max_size=5), st.integers(1, 7))
def test_every_row_is_the_shape_and_count_of_its_own_layer(layers: list[Layer], n_inputs: int) -> None:
    rows = analyse(layers, n_inputs, ONE, 1).rows
    shape = (n_inputs,)
    for layer, row in zip(layers, rows, strict=True):
        assert row.input_shape == shape
        # torch with the one layer alone, less its head
        alone = build([layer], shape[0], ONE, 1, seed=0)[:-1]
        shape = tuple(alone(torch.zeros(2, *shape)).shape[1:])
        assert row.output_shape == shape
        assert row.parameters == sum(p.numel() for p in alone.parameters())


@settings(deadline=None, max_examples=60)
@given(st.lists(valid_layer, max_size=3), wrong_layer, st.lists(valid_layer | wrong_layer, max_size=3))
def test_a_wrong_layer_fails_at_the_same_place_in_analyse_and_build(
    before: list[Layer], wrong: Layer, after: list[Layer]
) -> None:
    layers = [*before, wrong, *after]
    analysis = analyse(layers, 4, CLASSES, 2)
    assert analysis.failing == len(before)
    assert analysis.rows[len(before)].error == analysis.error
    assert all(not row.error for row in analysis.rows[: len(before)])
    with pytest.raises(ShapeError) as caught:
        build(layers, 4, CLASSES, 2, seed=0)
    assert caught.value.layer == len(before)
    assert caught.value.message == analysis.error
    json.dumps(analysis.to_json())


def test_an_error_names_the_layer_as_a_person_counts() -> None:
    analysis = analyse([Layer("linear", units=8), Layer("linear", units=0)], 4, CLASSES, 2)
    assert analysis.error == "In layer 2 (linear): units is 0; it takes a whole number from 1 to 65536."


def test_layers_after_a_broken_one_are_still_judged() -> None:
    layers = [Layer("linear", units=0), Layer("batch_norm"), Layer("linear", units=8), Layer("dropout", p=2)]
    rows = analyse(layers, 4, CLASSES, 2).rows
    assert [row.input_shape for row in rows] == [(4,), None, None, (8,)]
    assert [bool(row.error) for row in rows] == [True, False, False, True]


@pytest.mark.parametrize(
    ("n_inputs", "head", "n_outputs"), [(0, CLASSES, 2), (4, CLASSES, 1), (4, CLASSES, 0), (4, ONE, 2), (-1, ONE, 1)]
)
def test_inputs_and_outputs_that_cannot_be_fail_at_the_head(n_inputs: int, head: Head, n_outputs: int) -> None:
    analysis = analyse(default_layers(), n_inputs, head, n_outputs)
    assert analysis.failing == -1
    assert analysis.error == analysis.head.error
    with pytest.raises(ShapeError) as caught:
        build(default_layers(), n_inputs, head, n_outputs, seed=0)
    assert caught.value.layer == -1


def test_a_network_too_large_for_memory_is_refused_at_the_layer_that_makes_it_so() -> None:
    layers = [Layer("linear", units=60_000), Layer("linear", units=60_000), Layer("linear", units=60_000)]
    analysis = analyse(layers, 4, CLASSES, 2)
    assert analysis.failing == 1
    assert f"{MAX_PARAMETERS:,}" in str(analysis.error)
    assert not analysis.rows[2].error


def test_identity_and_none_are_the_activation_none() -> None:
    hashes = {
        network_hash([Layer("linear", units=4, activation=name)], 3, ONE, 1) for name in ("none", "identity", None)
    }
    assert len(hashes) == 1


def test_the_hash_stands_for_the_architecture() -> None:
    base = network_hash([Layer("linear", units=64)], 3, ONE, 1)
    assert base == network_hash([Layer("linear", activation="relu", units=64.0)], 3, ONE, 1)
    others = {
        network_hash([Layer("linear", units=65)], 3, ONE, 1),
        network_hash([Layer("linear", units=64)], 4, ONE, 1),
        network_hash([Layer("linear", units=64)], 3, CLASSES, 2),
        network_hash([Layer("linear", units=64), Layer("dropout")], 3, ONE, 1),
    }
    assert len(others) == 4
    assert base not in others
    with pytest.raises(ShapeError):
        network_hash([Layer("linear", units=0)], 3, ONE, 1)


@pytest.mark.parametrize("name", ["shallow", "deep", "bottleneck"])
def test_templates_connect(name: str) -> None:
    assert analyse(templates()[name], 30, CLASSES, 3).error is None
    assert templates()[name] is not templates()[name]


def test_the_menu_begins_with_what_follows_from_a_row_of_features() -> None:
    kinds = [kind["kind"] for kind in layer_kinds()]
    assert kinds[:5] == ["linear", "dropout", "batch_norm", "layer_norm", "activation"]
    for kind in kinds[:5]:
        assert analyse([Layer(kind)], 4, CLASSES, 2).error is None
    json.dumps(layer_kinds())


def test_analysing_does_not_load_torch() -> None:
    code = (
        "import sys; from medilytica_widgets.network import *; analyse(default_layers(), 4, Head('regression'), 1);"
        "network_hash(default_layers(), 4, Head('regression'), 1); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_plain_form_is_what_the_wire_carries() -> None:
    plain: dict[str, Any] = analyse(default_layers(), 40, CLASSES, 3).to_json()
    assert plain["rows"][0]["output_shape"] == [64]
    assert plain["head"]["output_shape"] == [3]
    assert plain["total_parameters"] == 40 * 64 + 64 + 64 * 64 + 64 + 64 * 3 + 3
