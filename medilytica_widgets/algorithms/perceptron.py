"""The multilayer perceptron, trained by the torch engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError
from ._perceptron_code import perceptron_lines
from .base import Algorithm
from .own import check_decay
from .perceptron_parameters import PARAMETERS


def check_nesterov(values: Mapping[str, Any]) -> None:
    """Raise `ParameterError` where the optimizer cannot do what is asked of it.

    Nesterov's look ahead needs a momentum to look along, as torch's does, and a registered optimizer may know no decay.
    """
    check_decay(values)
    if values["optimizer"] == "sgd" and values["nesterov"] and values["momentum"] == 0.0:
        raise ParameterError(
            "nesterov is on, but momentum is 0; it needs a momentum. "
            "Raise momentum (0.9 is usual) or switch nesterov off.",
            "nesterov",
        )


MLP = Algorithm(
    id="mlp",
    name="Multilayer perceptron",
    category=("Neural networks",),
    tasks=frozenset({"classification", "regression"}),
    summary=(
        "A neural network of layers in a row: each multiplies its input with weights and bends the result by an "
        "activation. All weights are learned together by gradient descent in small batches."
    ),
    when=(
        "When the boundary is smooth and curved, when many rows are at hand, or to see learning happen: it can be "
        "paused, changed and continued while it trains."
    ),
    when_not=(
        "On small tables of mixed columns, where gradient boosting is usually ahead with less tuning, or when every "
        "weight must be explained to someone: take logistic regression."
    ),
    references=(
        "Rumelhart, Hinton and Williams (1986), Learning representations by back-propagating errors, Nature 323",
        "Goodfellow, Bengio and Courville (2016), Deep Learning, chapters 6 to 8, https://www.deeplearningbook.org",
        "https://docs.pytorch.org/docs/stable/nn.html",
    ),
    parameters=PARAMETERS,
    engine="torch",
    coder=perceptron_lines,
    checks=(check_nesterov,),
    uses_layers=True,
    presets={
        "fast": {"epochs": 15, "batch_size": 512, "learning_rate": 0.01},
        "accurate": {
            "epochs": 200,
            "batch_size": 64,
            "learning_rate": 0.001,
            "schedule": "cosine",
            "patience": 30,
        },
        "regularised": {
            "optimizer": "adamw",
            "weight_decay": 0.05,
            "l1": 1e-5,
            "dropout": 0.2,
            "label_smoothing": 0.05,
            "patience": 15,
        },
    },
)
