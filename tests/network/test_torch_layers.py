"""Any class of torch.nn as a layer, and a torch module as layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from medilytica_widgets.errors import InputError
from medilytica_widgets.network import Head, Layer, analyse, build, default_layers, layers_of, torch_classes

CLASSES = Head("classification")


def _error(*layers: Layer, n_inputs: int = 4) -> str:
    return str(analyse(list(layers), n_inputs, CLASSES, 2).error)


def test_the_classes_say_what_they_take() -> None:
    classes = {found["name"]: found for found in torch_classes()}
    assert {"Linear", "LSTM", "GLU", "TransformerEncoderLayer", "PReLU"} <= set(classes)
    assert not {"Module", "Sequential", "ModuleList", "MSELoss", "LazyLinear", "DataParallel"} & set(classes)
    arguments = {one["name"]: one for one in classes["Linear"]["arguments"]}
    assert list(arguments) == ["in_features", "out_features", "bias"]
    assert arguments["in_features"]["required"] and arguments["bias"]["default"] == "True"
    assert "hidden_size" in [one["name"] for one in classes["LSTM"]["arguments"]]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Layer("torch.nn.GLUU"), "torch.nn has no layer 'GLUU'. Did you mean 'GLU'?"),
        (Layer("torch.nn.LazyLinear", out_features=3), "name 'Linear' instead"),
        (Layer("torch.nn.Linear", in_features=4), "needs the argument 'out_features'"),
        (Layer("torch.nn.Linear", in_feature=4), "no argument 'in_feature'. Did you mean 'in_features'?"),
        (Layer("torch.nn.Identity", x=1), "takes no arguments"),
        (Layer("torch.nn.Linear", in_features=4, out_features=2, device="cuda"), "device is the experiment's"),
        (Layer("torch.nn.Linear", in_features=3, out_features=2), "it got (4,), which does not fit torch.nn.Linear"),
        (Layer("torch.nn.GRU", input_size=4, hidden_size=2, batch_first=False), "here the rows come first"),
        (Layer("torch.nn.GRU", input_size=4, hidden_size=2), "mixes the rows"),
        (Layer("torch.nn.Softmax"), "needs dim"),
        (Layer("torch.nn.Softmax", dim=-2), "mixes the rows"),
        (Layer("torch.nn.Flatten", start_dim=0), "the rows of the table"),
        (Layer("torch.nn.Dropout", p=3.0), "cannot be made with these arguments: dropout probability"),
        (Layer("torch.nn.LSTM", input_size=4, hidden_size=2, num_layers=10**9), "at most 100"),
        (Layer("torch.nn.GLU", dim=float("nan")), "it takes numbers, text"),
        (Layer("torch", class_=3), "needs the name of a class"),
        (Layer("torch", class_="GLU", dim=1), "arguments of the class stand in arguments"),
        (Layer("torch", class_="GLU", arguments=[1]), "values by name"),
    ],
)
def test_what_torch_would_refuse_is_said_at_the_layer(layer: Layer, said: str) -> None:
    error = _error(Layer("linear", units=4), layer)
    assert error.startswith("In layer 2 (torch): ")
    assert said in error


def test_a_class_that_returns_several_things_passes_on_the_first() -> None:
    layers = [
        Layer("tokens", units=6),
        Layer("torch.nn.LSTM", input_size=6, hidden_size=3),
        Layer("pool_tokens", how="last"),
    ]
    assert [row.output_shape for row in analyse(layers, 4, CLASSES, 2).rows] == [(4, 6), (4, 3), (3,)]
    assert build(layers, 4, CLASSES, 2, seed=0)(torch.zeros(5, 4)).shape == (5, 2)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Layer("conv1d"), "it got (4,) and needs (channels, length). Put a sequence layer"),
        (Layer("conv2d"), "it got (4,) and needs (channels, height, width). Put a reshape layer"),
        (Layer("lstm"), "it got (4,) and needs (tokens, width). Put a tokens layer"),
        (Layer("transpose"), "it got (4,) and needs two sizes"),
        (Layer("group_norm", groups=3), "it got (4,) and needs a first size that 3 groups divide"),
        (Layer("reshape", channels=3), "it got (4,), 4 values, which cannot be laid out as 3 × ?"),
        (Layer("global_pooling"), "take this layer out"),
    ],
)
def test_a_shape_that_does_not_fit_says_what_came_what_is_needed_and_what_to_do(layer: Layer, said: str) -> None:
    assert said in _error(layer)


def test_a_network_without_limits_is_refused_before_memory_is() -> None:
    wide = [Layer("torch.nn.Linear", in_features=n, out_features=30_000) for n in (4, 30_000)]
    assert "500,000,000" in _error(*wide)
    assert "at most 50,000,000" in _error(Layer("torch.nn.ZeroPad1d", padding=[0, 10**9]), n_inputs=4)


MODULES: list[tuple[nn.Module, list[Layer]]] = [
    (
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 3))),
        [
            Layer("linear", units=8, activation="relu"),
            Layer("dropout", p=0.2),
            Layer("linear", units=3, activation="none"),
        ],
    ),
    (
        nn.Sequential(nn.Linear(4, 8, bias=False), nn.LeakyReLU(0.3), nn.LayerNorm(8), nn.BatchNorm1d(8)),
        [
            Layer("torch.nn.Linear", in_features=4, out_features=8, bias=False),
            Layer("torch.nn.LeakyReLU", negative_slope=0.3),
            Layer("layer_norm"),
            Layer("batch_norm"),
        ],
    ),
    (
        nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Conv1d(2, 3, 2, padding=1), nn.Flatten(), nn.PReLU()),
        [
            Layer("torch.nn.Unflatten", dim=1, unflattened_size=[2, 2]),
            Layer("torch.nn.Conv1d", in_channels=2, out_channels=3, kernel_size=2, padding=1),
            Layer("flatten"),
            Layer("activation", name="prelu"),
        ],
    ),
]


@pytest.mark.parametrize(("module", "layers"), MODULES)
def test_a_module_becomes_layers_that_build_it_again(module: nn.Module, layers: list[Layer]) -> None:
    found = layers_of(module)
    assert found == layers
    built = build(found, 4, CLASSES, 2, seed=0)
    flat = [str(part) for part in module.modules() if not isinstance(part, nn.Sequential)]
    assert [str(part) for part in built][:-1] == flat


@pytest.mark.parametrize(
    "module",
    [
        nn.TransformerEncoderLayer(8, 2, 16, 0.3, "gelu", batch_first=True, norm_first=True),
        nn.LSTM(8, 3, 2, bidirectional=True, batch_first=True),
        nn.MultiheadAttention(8, 2, batch_first=True),
        nn.GroupNorm(2, 8),
        nn.Embedding(5, 3),
        nn.PReLU(3, init=0.5),
    ],
)
def test_arguments_are_read_back_or_the_module_is_refused(module: nn.Module) -> None:
    try:
        (layer,) = layers_of(module)
    except InputError as error:
        # the first value of a slope is not kept
        assert isinstance(module, nn.PReLU)
        assert "'init'" in error.message
        return
    first = {"batch_first": True} if hasattr(module, "batch_first") or hasattr(module, "self_attn") else {}
    again = getattr(nn, layer.options["class_"])(**layer.options["arguments"], **first)
    assert str(again) == str(module)
    assert {n: p.shape for n, p in again.named_parameters()} == {n: p.shape for n, p in module.named_parameters()}


def test_the_head_of_an_imported_network_may_be_left_out() -> None:
    module = build(default_layers(), 4, CLASSES, 3, seed=0)
    assert layers_of(module, without_head=True) == default_layers()
    assert len(layers_of(module)) == len(default_layers()) + 1


class _Own(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.Sequential(_Own())), "'1.0' (_Own) is not a class of torch.nn"),
        (nn.Sequential(nn.LSTM(4, 4)), "'0' (LSTM) cannot become a layer: its batch_first is False"),
        (nn.Sequential(nn.Softmax(dim=0)), "'0' (Softmax) cannot become a layer: its dim is 0"),
        ("linear", "takes a torch.nn.Module, not str"),
    ],
)
def test_a_module_that_cannot_be_read_is_named(module: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        layers_of(module)
    assert said in caught.value.message
