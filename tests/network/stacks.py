"""Random stacks of every kind of layer, ways to break them, and what must hold for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

from medilytica_widgets.errors import ShapeError
from medilytica_widgets.network import (
    ACTIVATIONS,
    INITIALISATIONS,
    Head,
    Layer,
    analyse,
    build,
    network_hash,
    source_lines,
)

HEAD = Head("classification")

activation = st.sampled_from(sorted(ACTIVATIONS))
small = st.integers(1, 6)
part = st.sampled_from([0.0, 0.1, 0.5])


def _layer(kind: str, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[Layer]:
    return st.fixed_dictionaries(options).map(lambda given: Layer(kind, **given))


_ANY = [
    _layer("linear", units=small, activation=activation),
    _layer("dropout", p=part),
    _layer("layer_norm"),
    _layer("batch_norm"),
    _layer("activation", function=activation),
    _layer("flatten"),
    _layer("group_norm", groups=st.integers(1, 3)),
    _layer("torch.nn.Softplus", beta=st.sampled_from([0.5, 1, 2.0])),
    _layer("torch.nn.Linear", in_features=small, out_features=small, bias=st.booleans()),
]
_FLAT = [
    _layer("tokens", units=st.sampled_from([2, 4, 6]), class_token=st.booleans()),
    _layer("sequence", form=st.sampled_from(["channels", "tokens"])),
    _layer("reshape", channels=st.integers(1, 3), height=st.none() | small, width=st.none() | small),
    _layer("reshape", width=st.just(1)),
    _layer("embedding", categories=st.integers(1, 9), units=small),
    _layer(
        "residual",
        units=small,
        activation=activation,
        normalisation=st.sampled_from(["none", "layer", "batch"]),
        p=part,
    ),
    _layer("torch.nn.GLU", dim=st.just(1)),
]
_recurrent = {
    "units": small,
    "layers": st.integers(1, 2),
    "bidirectional": st.booleans(),
    "output": st.sampled_from(["last", "sequence"]),
}
_convolution = {
    "channels": small,
    "kernel": st.integers(1, 4),
    "stride": st.integers(1, 2),
    "dilation": st.integers(1, 2),
    "padding": st.sampled_from(["same", "none"]),
    "activation": activation,
}
_TWO = [
    _layer("conv1d", **_convolution),
    _layer("pooling", how=st.sampled_from(["max", "mean"]), size=st.integers(1, 3)),
    _layer("global_pooling", how=st.sampled_from(["max", "mean"])),
    _layer("lstm", **_recurrent),
    _layer("gru", **_recurrent),
    _layer("attention", heads=st.integers(1, 3)),
    _layer(
        "transformer_block",
        heads=st.integers(1, 3),
        units=small,
        activation=activation,
        p=part,
        normalisation=st.sampled_from(["first", "last"]),
    ),
    _layer("pool_tokens", how=st.sampled_from(["mean", "max", "first", "last"])),
    _layer("transpose"),
    _layer("residual", units=small, normalisation=st.sampled_from(["none", "layer"])),
    _layer("torch.nn.LSTM", input_size=small, hidden_size=small),
    _layer("torch.nn.TransformerEncoderLayer", d_model=small, nhead=st.integers(1, 2), dim_feedforward=small),
]
_THREE = [
    _layer("conv2d", **_convolution),
    _layer("pooling", how=st.sampled_from(["max", "mean"]), size=st.integers(1, 2)),
    _layer("global_pooling", how=st.sampled_from(["max", "mean"])),
]
_BY_RANK = {1: [*_ANY, *_FLAT], 2: [*_ANY, *_TWO], 3: [*_ANY, *_THREE, *_THREE, *_THREE]}


@dataclass(frozen=True)
class Stack:
    """Layers that connect, on so many features, for so many classes, with weights from a seed."""

    layers: tuple[Layer, ...]
    n_inputs: int
    classes: int
    seed: int


@st.composite
def stacks(draw: st.DrawFn, longest: int = 6) -> Stack:
    """Draw a stack that connects, some with skip connections, initialisations and frozen layers."""
    n_inputs, classes = draw(st.integers(1, 7)), draw(st.integers(2, 4))
    layers: list[Layer] = []

    def shape() -> tuple[int, ...]:
        if not layers:
            return (n_inputs,)
        found = analyse(layers, n_inputs, HEAD, classes).rows[-1].output_shape
        assert found is not None
        return found

    def fits(layer: Layer) -> bool:
        return not analyse([*layers, layer], n_inputs, HEAD, classes).rows[-1].error

    for _ in range(draw(st.integers(0, longest))):
        layer = draw(st.sampled_from(_BY_RANK[min(3, len(shape()))]).flatmap(lambda strategy: strategy))
        if draw(st.booleans()):
            layer = layer.model_copy(update={"name": f"own_{len(layers)}"})
        if draw(st.integers(0, 3)) == 0:
            layer = layer.model_copy(update={"init": draw(st.sampled_from(INITIALISATIONS))})
        if draw(st.integers(0, 3)) == 0:
            layer = layer.model_copy(update={"frozen": True})
        if fits(layer):
            layers.append(layer)
        named = [one.name for one in layers[:-1] if one.name]
        if named and layers[-1].name and draw(st.booleans()):
            other = draw(st.sampled_from([*named, "input"]))
            kind = draw(st.sampled_from(["add", "concatenate", "attention"]))
            options = {"heads": 1} if kind == "attention" else {}
            join = Layer(kind, inputs=(layers[-1].name, other), **options)
            if fits(join):
                layers.append(join)
    if len(shape()) > 1:
        layers.append(Layer("flatten"))
    if draw(st.integers(0, 4)) == 0:
        # a second branch from the input, and both into one
        layers[-1:] = [layers[-1].model_copy(update={"name": "deep"})] if layers else []
        wide = Layer("linear", units=draw(small), name="wide", inputs=("input",))
        layers += [wide, Layer("concatenate", inputs=("deep" if layers else "input", "wide"))]
    return Stack(tuple(layers), n_inputs, classes, draw(st.integers(0, 2**31)))


def check_stack(stack: Stack) -> None:
    """Build, count, print, run, train a step and round-trip a stack."""
    layers, seed = list(stack.layers), stack.seed
    given = (layers, stack.n_inputs, HEAD, stack.classes)
    analysis = analyse(*given)
    assert analysis.error is None, analysis.error
    before = torch.random.get_rng_state()
    generator = torch.Generator()
    model = build(*given, seed=seed, generator=generator)
    assert torch.equal(torch.random.get_rng_state(), before)

    tensors = [*model.parameters(), *model.buffers()]
    trained = [p for p in model.parameters() if p.requires_grad]
    assert analysis.total_parameters == sum(p.numel() for p in model.parameters())
    assert analysis.total_trainable == sum(p.numel() for p in trained)
    assert analysis.total_bytes == sum(t.numel() * t.element_size() for t in tensors)
    assert sum(row.tensors for row in (*analysis.rows, analysis.head)) == len(trained)

    written, drawn = run_source(layers, stack, seed)
    _same_weights(model, written)
    assert torch.equal(generator.get_state(), drawn)
    assert [p.requires_grad for p in written.parameters()] == [p.requires_grad for p in model.parameters()]

    x = torch.randn(5, stack.n_inputs, generator=torch.Generator().manual_seed(seed))
    target = torch.arange(5) % stack.classes
    outputs = [_one_step(network, x, target) for network in (model, written)]
    assert torch.equal(*outputs)
    _same_weights(model, written)
    _check_alone(model, x)

    again = [Layer(**plain) for plain in json.loads(json.dumps([layer.to_json() for layer in layers]))]
    assert again == layers
    assert network_hash(again, *given[1:]) == network_hash(*given)


def run_source(layers: list[Layer], stack: Stack, seed: int) -> tuple[torch.nn.Module, torch.Tensor]:
    """Return what the printed lines make, and where torch's generator stands afterwards."""
    names: dict[str, Any] = {}
    text = "\n".join(source_lines(layers, stack.n_inputs, HEAD, stack.classes))
    assert "medilytica" not in text
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        exec(text, names)
        return names["model"], torch.random.get_rng_state()


def _same_weights(one: torch.nn.Module, other: torch.nn.Module) -> None:
    theirs = other.state_dict()
    assert list(theirs) == list(one.state_dict())
    for name, tensor in one.state_dict().items():
        # equal, and NaN where the other has NaN: layers of other people may divide by zero
        assert torch.allclose(tensor, theirs[name], rtol=0, atol=0, equal_nan=True), name


def _one_step(model: torch.nn.Module, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Train one step and return the evaluation outputs afterwards."""
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    head = list(model.parameters())[-1]
    before = head.detach().clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.train()
        outputs = model(x)
        assert tuple(outputs.shape) == (5, int(head.numel()))
        torch.nn.functional.cross_entropy(outputs, target).backward()
    optimizer.step()
    assert not torch.equal(head, before)
    assert all(torch.equal(p, frozen[name]) for name, p in model.named_parameters() if name in frozen)
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(x)
    assert bool(found.isfinite().all())
    return found


def _check_alone(model: torch.nn.Module, x: torch.Tensor) -> None:
    """In evaluation a row's answer does not depend on the other rows, and weights can be handed in."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        whole = model(x)
        for rows in (x[:1], x[3:]):
            alone = torch.func.functional_call(model, state, (rows,))
            assert torch.allclose(alone, whole[:1] if len(rows) == 1 else whole[3:], rtol=1e-4, atol=1e-5)


WRONG = [
    Layer("linear", units=0),
    Layer("conv3d"),
    Layer("lstm", unit=3),
    Layer("linear", inputs=("nobody",)),
    Layer("linear", inputs=("late",)),
    Layer("add"),
    Layer("linear", inputs=("input", "input")),
    Layer("linear", name="input"),
    Layer("linear", name="not a name"),
    Layer("linear", init="xavier"),
    Layer("dropout", init="orthogonal"),
    Layer("attention", heads=97),
    Layer("conv2d", kernel=1000, padding="none"),
    Layer("torch.nn.GLUU"),
    Layer("torch.nn.Linear", in_features=3),
    Layer("torch.nn.Linear", in_features=3, out_feature=3),
    Layer("torch.nn.Linear", in_features=999, out_features=3),
    Layer("torch.nn.Linear", in_features="many", out_features=3),
    Layer("torch.nn.Softmax", dim=0),
    Layer("torch.nn.Softmax"),
    Layer("torch.nn.LSTM", input_size=97, hidden_size=2),
    Layer("torch.nn.Sequential"),
    Layer("torch", class_="Linear", arguments={"in_features": object()}),
    Layer("torch", arguments={}),
]


def check_broken(stack: Stack, wrong: Layer, at: int) -> None:
    """Put a wrong layer into a good stack: it, and none before it, is to blame."""
    at = min(at, len(stack.layers))
    layers = [*stack.layers[:at], wrong, *stack.layers[at:], Layer("linear", units=2, name="late")]
    given = (layers, stack.n_inputs, HEAD, stack.classes)
    analysis = analyse(*given)
    assert analysis.failing == at
    with pytest.raises(ShapeError) as caught:
        build(*given, seed=0)
    assert caught.value.layer == at
    assert caught.value.message == analysis.error == analysis.rows[at].error
    named = f", {wrong.name!r}" if wrong.name else ""
    assert caught.value.message.startswith(f"In layer {at + 1} ({wrong.kind}{named}): ")
    json.dumps(analysis.to_json())
