"""Networks that branch, start as asked, stay frozen, and have several heads."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from medilytica_widgets.errors import ShapeError, SpecError
from medilytica_widgets.network import (
    INITIALISATIONS,
    LAYER_KINDS,
    Head,
    Layer,
    analyse,
    batch_normed,
    build,
    layer_kinds,
    network_hash,
    register_layer,
    source_lines,
    unregister_layer,
)
from medilytica_widgets.network.graph_module import Network
from medilytica_widgets.parameters import Parameter

CLASSES, NUMBER = Head("classification"), Head("regression")

WIDE_AND_DEEP = [
    Layer("linear", units=8, name="first"),
    Layer("linear", units=8, name="second", activation="tanh"),
    Layer("add", inputs=("first", "second"), name="sum"),
    Layer("concatenate", inputs=("sum", "input")),
]


def test_a_skip_connection_adds_what_came_earlier() -> None:
    model = build(WIDE_AND_DEEP, 3, CLASSES, 2, seed=0)
    assert isinstance(model, Network)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    modules = dict(model.named_children())
    first = modules["first"](x)
    by_hand = torch.cat((first + modules["second"](first), x), dim=1)
    assert torch.equal(model(x), modules["head"](by_hand))


def test_every_edge_has_its_shape() -> None:
    rows = analyse(WIDE_AND_DEEP, 3, CLASSES, 2).rows
    assert [row.sources for row in rows] == [(-1,), (0,), (0, 1), (2, -1)]
    assert rows[3].input_shapes == ((8,), (3,))
    assert [row.output_shape for row in rows] == [(8,), (8,), (8,), (11,)]
    assert [row.label for row in rows] == ["first", "second", "sum", ""]


def test_a_layer_that_nobody_takes_is_an_error() -> None:
    analysis = analyse([Layer("linear"), Layer("linear", inputs=("input",))], 3, CLASSES, 2)
    assert analysis.failing == 0
    assert "nothing takes its output" in str(analysis.error)


def test_weights_bear_the_names_of_their_layers_whatever_these_are() -> None:
    awkward = ["forward", "x", "train", "head", "parameters", "training", "self_"]
    layers = [Layer("linear", units=2, activation="none", name=name) for name in awkward]
    layers.append(Layer("add", inputs=tuple(awkward)))
    model = build(layers, 2, CLASSES, 2, seed=0)
    names: dict[str, Any] = {}
    exec("\n".join(source_lines(layers, 2, CLASSES, 2)), names)
    assert list(names["model"].state_dict()) == list(model.state_dict())
    assert names["model"](torch.zeros(3, 2)).shape == model(torch.zeros(3, 2)).shape == (3, 2)
    plain = build(WIDE_AND_DEEP, 3, CLASSES, 2, seed=0)
    assert [name for name in plain.state_dict() if name.startswith("second")] == ["second.0.weight", "second.0.bias"]


@pytest.mark.parametrize("init", INITIALISATIONS)
def test_weights_are_drawn_as_asked_and_biases_begin_at_0(init: str) -> None:
    layers = [Layer("linear", units=50), Layer("linear", units=40, init=init)]
    model = build(layers, 3, NUMBER, 1, seed=4)
    plain = build([Layer("linear", units=50), Layer("linear", units=40)], 3, NUMBER, 1, seed=4)
    weight, bias = list(model.parameters())[2:4]
    assert torch.equal(next(model.parameters()), next(plain.parameters()))
    assert not bias.any()
    spread = {"xavier": (2 / 90) ** 0.5, "kaiming": (2 / 50) ** 0.5, "orthogonal": (1 / 50) ** 0.5}[init.split("_")[0]]
    assert float(weight.detach().std()) == pytest.approx(spread, rel=0.05)
    if init == "orthogonal":
        assert torch.allclose(weight @ weight.T, torch.eye(40), atol=1e-5)
    if init.endswith("uniform"):
        assert float(weight.detach().abs().max()) <= 3**0.5 * spread * 1.001


def test_only_frozen_layers_keep_their_weights() -> None:
    layers = [Layer("linear", units=4, frozen=True), Layer("linear", units=4)]
    model = build(layers, 3, CLASSES, 2, seed=0)
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True, True, True]
    analysis = analyse(layers, 3, CLASSES, 2)
    assert analysis.total_parameters == 16 + 20 + 10
    assert analysis.total_trainable == 20 + 10
    assert [(row.trainable, row.tensors, row.frozen) for row in analysis.rows] == [(0, 0, True), (20, 2, False)]


def test_two_heads_on_two_layers_are_one_network() -> None:
    layers = [Layer("linear", units=8, name="body"), Layer("linear", units=4, name="tip")]
    heads = [Head("classification", name="kind", at="tip"), Head("regression", name="size", at="body", loss="huber")]
    analysis = analyse(layers, 3, heads, [3, 1])
    assert analysis.error is None
    assert [row.input_shape for row in analysis.heads] == [(4,), (8,)]
    model = build(layers, 3, heads, [3, 1], seed=0)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    first, second = model(x)
    assert (first.shape, second.shape) == ((5, 3), (5, 1))
    names: dict[str, Any] = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec("\n".join(source_lines(layers, 3, heads, [3, 1])), names)
    written = names["model"](x)
    assert torch.equal(written[0], first) and torch.equal(written[1], second)
    assert network_hash(layers, 3, heads, [3, 1]) != network_hash(layers, 3, heads[::-1], [1, 3])


@pytest.mark.parametrize(
    ("heads", "said"),
    [
        ([Head("classification", at="tipp")], "Did you mean 'tip'?"),
        ([Head("classification", name="a"), Head("classification")], "each needs a name"),
        ([Head("classification", name="a"), Head("classification", name="a")], "two heads have this name"),
        ([Head("classification", name="a", at="long"), Head("classification", name="b")], "Put a flatten"),
    ],
)
def test_a_head_that_cannot_sit_there_says_so(heads: list[Head], said: str) -> None:
    layers = [Layer("tokens", name="long"), Layer("flatten", name="tip")]
    with pytest.raises(ShapeError, match="In the head") as caught:
        build(layers, 3, heads, [2] * len(heads), seed=0)
    assert said in caught.value.message
    assert caught.value.layer == -1


def test_one_output_tells_two_classes_apart_only_with_its_own_loss() -> None:
    assert analyse([], 3, Head("classification", loss="binary_cross_entropy"), 1).error is None
    assert analyse([], 3, CLASSES, 1).failing == -1


def test_a_network_of_any_size_has_a_hash() -> None:
    huge = [Layer("linear", units=60_000) for _ in range(4)]
    assert analyse(huge, 4, CLASSES, 2).failing == 1
    assert network_hash(huge, 4, CLASSES, 2) != network_hash(huge[:-1], 4, CLASSES, 2)
    long = [Layer("linear", units=3)] * 3000
    assert len(network_hash(long, 4, CLASSES, 2)) == 64


def test_names_and_initialisation_are_not_part_of_the_architecture_but_edges_are() -> None:
    plain = [Layer("linear", units=4), Layer("linear", units=4)]
    base = network_hash(plain, 4, CLASSES, 2)
    named = [Layer("linear", units=4, name="a", init="orthogonal"), Layer("linear", units=4, inputs=("a",))]
    assert network_hash(named, 4, CLASSES, 2) == base
    skip = [Layer("linear", units=4, name="a"), Layer("add", inputs=("a", "input"))]
    other = [Layer("linear", units=4, name="a"), Layer("add", inputs=("a", "a"))]
    assert network_hash(skip, 4, CLASSES, 2) != network_hash(other, 4, CLASSES, 2)
    assert network_hash([Layer("linear", units=4, frozen=True), plain[1]], 4, CLASSES, 2) != base


# sha-256 of specifications that were stored before layers had names
def test_the_hash_of_a_plain_stack_is_what_it_always_was() -> None:
    layers = [Layer("linear", units=64, activation="relu"), Layer("dropout", p=0.1)]
    assert network_hash(layers, 30, CLASSES, 2) == "b6f98fa8d8fc766fed49c3171336626fa3e94867f66b2773c41513efd7884abc"


def test_the_network_moves_and_exports() -> None:
    model = build(WIDE_AND_DEEP, 3, CLASSES, 2, seed=0).eval()
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert model.to(torch.float64)(x.double()).dtype == torch.float64
    model.to(torch.float32)
    exported = torch.export.export(model, (x,)).module()
    assert torch.equal(exported(x), model(x))
    gradients = torch.func.vmap(torch.func.grad(lambda row: torch.func.functional_call(model, {}, (row[None],)).sum()))
    assert gradients(x).shape == x.shape


def test_every_kind_says_what_it_is_in_plain_words() -> None:
    assert [kind["kind"] for kind in layer_kinds()] == list(LAYER_KINDS)
    for kind in layer_kinds():
        assert kind["name"] and kind["group"]
        assert kind["help"].endswith(".")
        assert all(p["help"].endswith(".") for p in kind["parameters"])
        assert kind["takes"][0] >= 1


def test_batch_normalisation_is_found_wherever_it_hides() -> None:
    for layer in (Layer("batch_norm"), Layer("residual", normalisation="batch"), Layer("torch.nn.BatchNorm1d")):
        assert batch_normed([Layer("linear"), layer])
    assert not batch_normed([Layer("layer_norm"), Layer("residual"), Layer("group_norm")])


class _Scale(nn.Module):
    def __init__(self, shape: tuple[int, ...], start: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full(shape, start))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class _Picky(nn.Module):
    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        raise ValueError("only on Sundays")


def test_a_registered_layer_is_a_kind_like_any_other() -> None:
    start = Parameter("start", "float", 1.0, low=0.0, high=9.0, help="The first factor.")
    register_layer("scale", help="Multiplies each feature.", parameters=(start,))(_Scale)
    register_layer("picky", help="Never works.")(_Picky)
    try:
        layers = [Layer("scale", start=2.0), Layer("linear", units=2)]
        assert analyse(layers, 3, CLASSES, 2).rows[0].parameters == 3
        model = build(layers, 3, CLASSES, 2, seed=0)
        assert torch.equal(next(model.parameters()), torch.full((3,), 2.0))
        names: dict[str, Any] = {}
        exec("\n".join(source_lines(layers, 3, CLASSES, 2)), names)
        assert names["model"](torch.ones(1, 3)).shape == (1, 2)
        assert analyse([Layer("scale", start=10)], 3, CLASSES, 2).failing == 0
        error = str(analyse([Layer("picky")], 3, CLASSES, 2).error)
        assert error.startswith("In layer 1 (picky): ") and "only on Sundays" in error
        with pytest.raises(SpecError, match="already"):
            register_layer("linear", help="Mine.")(_Scale)
    finally:
        unregister_layer("scale")
        unregister_layer("picky")
    assert analyse([Layer("scale")], 3, CLASSES, 2).failing == 0


def test_the_source_is_formatted(tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    assert ruff, "the environment of `make setup` holds ruff"
    blocks = [
        Layer("tokens", units=8, class_token=True, name="tokens", init="xavier_uniform"),
        Layer("transformer_block", heads=2, name="block", frozen=True),
        Layer("add", inputs=("tokens", "block")),
        Layer("lstm", units=5, bidirectional=True),
        Layer("residual"),
    ]
    for number, layers in enumerate((blocks, blocks[:1] + blocks[3:], WIDE_AND_DEEP, [Layer("linear")])):
        file = tmp_path / f"network_{number}.py"
        file.write_text("\n".join(source_lines(layers, 4, CLASSES, 3)) + "\n")
        done = subprocess.run(
            [ruff, "format", "--isolated", "--line-length", "120", "--check", "--diff", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
