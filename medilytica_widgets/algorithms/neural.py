"""Networks of fixed design that read a row at once: deep, and wide and deep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..network import Layer
from ._perceptron_code import perceptron_lines
from .base import SUPERVISED, Algorithm
from .neural_parameters import activation, choice, expansion, normalisation, table, whole
from .perceptron import check_nesterov

_NORM_LAYERS = {"layer": "layer_norm", "batch": "batch_norm"}
_FEWEST = 2
"""Layers get no narrower than this where each is half as wide as the one before."""


def network_entry(**about: Any) -> Algorithm:
    """Return an entry whose layers follow from its hyperparameters: for both tasks with a target, trained by torch.

    Parameters
    ----------
    **about
        The fields of `Algorithm` that differ; ``checks`` are added to those of the training.
    """
    checks = (check_nesterov, *about.pop("checks", ()))
    return Algorithm(
        category=("Neural networks",), tasks=SUPERVISED, engine="torch", coder=perceptron_lines, checks=checks, **about
    )


def _deep(values: Mapping[str, Any], n_features: int) -> list[Layer]:
    inside = max(1, round(values["width"] * values["expansion"]))
    norm = values["normalisation"]
    block = Layer(
        "residual", units=inside, activation=values["activation"], normalisation=norm, p=float(values["dropout"])
    )
    end = [Layer(_NORM_LAYERS[norm])] if norm != "none" else []
    return [
        Layer("linear", units=values["width"], activation="none"),
        *([block] * values["blocks"]),
        *end,
        Layer("activation", name=values["activation"]),
    ]


DEEP_MLP = network_entry(
    id="deep_mlp",
    name="Deep perceptron with residual blocks",
    summary=(
        "A row of blocks, each of two layers whose result is added to what came in. A block so only corrects the one "
        "before it, and the gradient finds its way through many of them; normalisation keeps the numbers in range."
    ),
    when=(
        "When a plain perceptron of two or three layers is not enough and there are some thousand rows or more. It is "
        "the ResNet for tables of Gorishniy et al., a strong and simple first choice among deep networks."
    ),
    when_not=(
        "On a few hundred rows, which it learns by heart, or when training must be quick: a plain perceptron or "
        "gradient boosting is then as good."
    ),
    references=(
        "He, Zhang, Ren and Sun (2016), Deep residual learning for image recognition, arXiv:1512.03385",
        "Gorishniy, Rubachev, Khrulkov and Babenko (2021), Revisiting deep learning models for tabular data, "
        "arXiv:2106.11959",
    ),
    parameters=table(
        whole("blocks", 2, 1, 64, "How many blocks follow each other. More make a deeper network; 2 to 8 is usual."),
        whole(
            "width",
            128,
            1,
            8192,
            "How many numbers go from block to block. Wider learns finer structure and costs more; 64 to 512 is usual.",
            unit="units",
        ),
        expansion(2.0, "the numbers between them"),
        activation(),
        normalisation("layer", ("layer", "batch", "none")),
        learning_rate=1e-3,
        where="within each block",
    ),
    network=_deep,
    presets={
        "fast": {"epochs": 15, "batch_size": 512, "width": 64, "learning_rate": 0.003},
        "accurate": {
            "epochs": 200,
            "blocks": 4,
            "width": 256,
            "learning_rate": 5e-4,
            "schedule": "cosine",
            "patience": 30,
        },
        "regularised": {"optimizer": "adamw", "weight_decay": 0.05, "dropout": 0.3, "patience": 15},
    },
)


def _wide_and_deep(values: Mapping[str, Any], n_features: int) -> list[Layer]:
    norm, deep, width = values["normalisation"], [], int(values["width"])
    for _ in range(values["depth"]):
        deep.append(Layer("linear", units=width, activation="none"))
        if norm != "none":
            deep.append(Layer(_NORM_LAYERS[norm]))
        deep += [Layer("activation", name=values["activation"]), Layer("dropout", p=float(values["dropout"]))]
        width = max(_FEWEST, width // 2) if values["shape"] == "halving" else width
    deep[-1] = deep[-1].model_copy(update={"name": "deep"})
    # the output layer weighs the features themselves beside what the deep part makes of them
    return [*deep, Layer("concatenate", name="wide_and_deep", inputs=("input", "deep"))]


WIDE_AND_DEEP = network_entry(
    id="wide_and_deep",
    name="Wide and deep network",
    summary=(
        "A linear model and a deep network side by side, learned together: the output adds up the weighed features "
        "themselves (wide) and the weighed results of the hidden layers (deep)."
    ),
    when=(
        "When much of the answer is a plain sum of the features and the rest is not, as in tables with many categories "
        "of which some speak for themselves."
    ),
    when_not=(
        "When all is linear, where logistic or ridge regression says the same in few weights, or nothing is, where the "
        "wide part adds nothing. Products of columns are not made for it; the step 'polynomial_features' makes them."
    ),
    references=(
        "Cheng et al. (2016), Wide and deep learning for recommender systems, arXiv:1606.07792",
        "https://docs.pytorch.org/docs/stable/nn.html",
    ),
    parameters=table(
        whole("depth", 2, 1, 32, "How many hidden layers the deep part has. 2 to 4 is usual.", label="hidden layers"),
        whole(
            "width",
            64,
            1,
            8192,
            "How wide the first hidden layer is. Wider learns finer structure and costs more; 32 to 256 is usual.",
            unit="units",
        ),
        choice(
            "shape",
            "constant",
            ("constant", "halving"),
            "Whether all hidden layers are as wide as the first, or each is half as wide as the one before, which "
            "holds fewer weights.",
        ),
        activation(),
        normalisation("none", ("none", "layer", "batch")),
        where="after each hidden layer",
    ),
    network=_wide_and_deep,
    presets={
        "fast": {"epochs": 15, "batch_size": 512, "learning_rate": 0.01},
        "accurate": {
            "epochs": 200,
            "batch_size": 64,
            "depth": 3,
            "width": 128,
            "learning_rate": 0.001,
            "schedule": "cosine",
            "patience": 30,
        },
        "regularised": {"optimizer": "adamw", "weight_decay": 0.05, "l1": 1e-5, "dropout": 0.3, "patience": 15},
    },
)
