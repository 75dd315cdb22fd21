"""The multilayer perceptron, trained by the torch engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError
from ._perceptron_code import perceptron_lines
from .base import Algorithm
from .perceptron_parameters import PARAMETERS


def check_nesterov(values: Mapping[str, Any]) -> None:
    """Raise `ParameterError` where Nesterov's look ahead has no momentum to look along, as torch does."""
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
)
