"""The autoencoder as a step of a standalone script: a class of scikit-learn's kind around a torch network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..network import Head, Layer, source_lines
from .calls import Call

_CLASS = '''\
class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Squeezes rows through a few numbers, which become the new columns, and learns to bring the rows back."""

    def __init__(
        self,
        network: Callable[[], nn.Sequential],
        encoder: int,
        learning_rate: float,
        weight_decay: float,
        batch_size: int,
        epochs: int,
        random_state: int,
    ) -> None:
        self.network = network
        self.encoder = encoder  # so many modules lead to the code
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: object = None) -> "Autoencoder":
        inputs = torch.tensor(np.asarray(X), dtype=torch.float32)
        torch.manual_seed(self.random_state)  # the first weights
        model = self.network()
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        shuffle = torch.Generator().manual_seed(self.random_state + 1)  # the order of the rows
        for _ in range(self.epochs):
            order = torch.randperm(len(inputs), generator=shuffle)
            for start in range(0, len(inputs), self.batch_size):
                batch = inputs[order[start : start + self.batch_size]]
                loss = functional.mse_loss(model(batch), batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.model_ = model.eval()
        return self

    @torch.no_grad()
    def transform(self, X: np.ndarray) -> np.ndarray:
        return self.model_[: self.encoder](torch.tensor(np.asarray(X), dtype=torch.float32)).numpy()
'''


@dataclass(frozen=True)
class CodeStep(Call):
    """The package's own estimator, built here and defined in a script.

    Parameters
    ----------
    n_features : int
        Columns of the matrix that it is fitted on.
    """

    n_features: int = 0

    def source(self, indent: int = 0, used: int = 0) -> str:
        """Return the call of the class that a script defines."""
        values = self.arguments
        own = {
            "network": _Name(self._network),
            "encoder": modules_to_code(values),
            **{name: values[name] for name in ("learning_rate", "weight_decay", "batch_size", "epochs")},
            "random_state": values["random_state"],
        }
        return Call("Autoencoder", own).source(indent, used)

    @property
    def _network(self) -> str:
        sizes = "_".join(str(value) for value in (self.n_features, *map(self.arguments.get, _SHAPE)))
        return f"autoencoder_{self.arguments['activation']}_{sizes}".replace("-", "_").lower()

    def _own_imports(self) -> list[str]:
        return [
            "import numpy as np",
            "import torch",
            "from collections.abc import Callable",
            "from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin",
            "from torch import nn",
            "from torch.nn import functional",
        ]

    def _own_definitions(self) -> list[str]:
        values, n = self.arguments, self.n_features
        layers = autoencoder_layers(*(values[name] for name in ("width", "depth", "n_components", "activation")))
        lines = source_lines(layers, n, linear_head(n), n)
        body = lines[lines.index("") + 1 :]
        made = "\n".join(f"    {line}" if line else "" for line in body)
        return [_CLASS, f"def {self._network}() -> nn.Sequential:\n{made}\n    return model\n"]


_SHAPE = ("n_components", "width", "depth")


@dataclass(frozen=True)
class _Name(Call):
    """A name that the script defines."""

    def source(self, indent: int = 0, used: int = 0) -> str:
        return self.path


def autoencoder_layers(width: int, depth: int, n_components: int, activation: str) -> list[Layer]:
    """Return the stack up to the last hidden layer; one linear layer to the features follows."""
    hidden = [Layer("linear", units=width, activation=activation)] * depth
    return [*hidden, Layer("linear", units=n_components, activation="none"), *hidden]


def linear_head(n_features: int) -> Head:
    """Return a head whose outputs are as many as there are features: it is no more than a linear layer."""
    return Head("classification" if n_features > 1 else "regression")


def modules_to_code(values: Mapping[str, Any]) -> int:
    """Return how many modules of the network lead to the code."""
    return int(values["depth"]) * (1 if values["activation"] == "none" else 2) + 1
