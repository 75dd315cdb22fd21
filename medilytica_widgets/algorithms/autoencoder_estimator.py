"""An autoencoder with scikit-learn's interface, trained by torch; all that it has learned is numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..network import build
from ._autoencoder_code import autoencoder_layers, linear_head, modules_to_code

if TYPE_CHECKING:
    import torch
    from torch import nn

_ROWS = 16384
"""Rows in one forward pass of an answer, which bounds its memory."""


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Squeezes each row through a few numbers, the code, and learns to bring the row back from them.

    Parameters
    ----------
    n_components : int
        Numbers in the code.
    width, depth : int
        Of the hidden layers on either side of the code, and how many there are on each.
    activation : str
        One of `medilytica_widgets.network.ACTIVATIONS`.
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size, epochs : int
    contamination : float
        The part of the training rows that is called unusual.
    random_state : int
        Of the first weights; the order of the rows comes from the number after it. No global state is touched.
    warm_start : bool
        Whether `fit` goes on where the last one ended, up to ``epochs`` in all: bit for bit one fit of as many.

    Attributes
    ----------
    weights_ : dict of str to ndarray
    offset_ : float
        The score below which a row is unusual.
    epochs_ : int
    n_features_in_ : int
    """

    weights_: dict[str, NDArray[np.float32]]
    moments_: list[dict[str, NDArray[np.float32]]]
    order_state_: NDArray[np.uint8]
    offset_: float
    epochs_: int
    n_features_in_: int

    def __init__(
        self,
        n_components: int = 8,
        width: int = 64,
        depth: int = 1,
        activation: str = "relu",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        batch_size: int = 128,
        epochs: int = 50,
        contamination: float = 0.05,
        random_state: int = 0,
        warm_start: bool = False,
    ) -> None:
        self.n_components = n_components
        self.width = width
        self.depth = depth
        self.activation = activation
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.contamination = contamination
        self.random_state = random_state
        self.warm_start = warm_start

    def fit(self, X: ArrayLike, y: object = None) -> Autoencoder:
        """Train on the rows; ``y`` is not read."""
        import torch
        from torch.nn import functional

        going_on = self.warm_start and hasattr(self, "weights_")
        inputs = torch.tensor(validate_data(self, X, dtype=np.float32, reset=not going_on))
        model = self._model() if going_on else self._empty()
        shuffle = torch.Generator().manual_seed(self.random_state + 1)
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        done = 0
        if going_on:
            done = self.epochs_
            shuffle.set_state(torch.tensor(self.order_state_))
            self._restore(optimizer)
        model.train()
        for _ in range(done, self.epochs):
            order = torch.randperm(len(inputs), generator=shuffle)
            for start in range(0, len(inputs), self.batch_size):
                batch = inputs[order[start : start + self.batch_size]]
                loss = functional.mse_loss(model(batch), batch)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        # new objects each time: an earlier snapshot keeps its own
        self.weights_ = {name: value.numpy().copy() for name, value in model.state_dict().items()}
        self.order_state_ = shuffle.get_state().numpy().copy()
        self.moments_ = [
            {name: np.array(value.numpy()) for name, value in state.items()}
            for state in optimizer.state_dict()["state"].values()
        ]
        self.epochs_ = max(done, self.epochs)
        self.offset_ = float(np.quantile(self.score_samples(inputs.numpy()), self.contamination))
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the code of each row, shape (rows, n_components)."""
        rows = self._rows(X)
        encoder = self._model()[: self._code_at()]
        return self._answered(encoder, rows, self.n_components)

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return rows from their codes, shape (rows, features)."""
        check_is_fitted(self)
        decoder = self._model()[self._code_at() :]
        return self._answered(decoder, np.asarray(X, dtype=np.float32), self.n_features_in_)

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the negative mean squared difference between each row and what the code brings back of it."""
        rows = self._rows(X)
        back = self._answered(self._model(), rows, self.n_features_in_)
        return np.asarray(-np.mean((rows.astype(np.float64) - back) ** 2, axis=1))

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return -1 for unusual rows and 1 for the others."""
        return np.where(self.score_samples(X) < self.offset_, -1, 1)

    # -- inside

    def _rows(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        rows: NDArray[np.float32] = validate_data(self, X, dtype=np.float32, reset=False, ensure_min_samples=0)
        return rows

    def _code_at(self) -> int:
        """Return how many modules lead to the code."""
        return modules_to_code({"depth": self.depth, "activation": self.activation})

    @property
    def _n_features_out(self) -> int:
        return self.n_components

    def _empty(self) -> nn.Module:
        layers = autoencoder_layers(self.width, self.depth, self.n_components, self.activation)
        n = int(self.n_features_in_)
        return build(layers, n, linear_head(n), n, self.random_state)

    def _model(self) -> Any:
        import torch

        model = self._empty()
        model.load_state_dict({name: torch.tensor(value) for name, value in self.weights_.items()})
        return model.eval()

    def _restore(self, optimizer: torch.optim.Optimizer) -> None:
        import torch

        kept = optimizer.state_dict()
        kept["state"] = {
            index: {name: torch.tensor(value) for name, value in state.items()}
            for index, state in enumerate(self.moments_)
        }
        optimizer.load_state_dict(kept)

    @staticmethod
    def _answered(model: nn.Module, rows: NDArray[np.float32], width: int) -> NDArray[np.float32]:
        import torch

        with torch.no_grad():
            parts = [model(torch.tensor(rows[start : start + _ROWS])).numpy() for start in range(0, len(rows), _ROWS)]
        return np.concatenate(parts) if parts else np.empty((0, width), dtype=np.float32)
