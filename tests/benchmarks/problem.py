"""What every contestant trains: rows, labels and a network, given once as a table and once as arrays."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import medilytica_widgets as mw
from medilytica_widgets.data import Prepared

RATE = 1e-3
"""Adam's learning rate, for everyone."""
LABEL = "label"
PART = 100_000


@dataclass(frozen=True, eq=False)
class Problem:
    """One training, as a contestant gets it.

    Parameters
    ----------
    X, y : ndarray
        The training rows, float32, scaled; and the positions of their classes, int64.
    n_classes : int
    layers : sequence of Layer
        The hidden stack. All torch contestants train the module that the package builds from it.
    batch, epochs : int
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    n_classes: int
    layers: Sequence[mw.Layer]
    batch: int
    epochs: int = 1

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return tuple(layer.options["units"] for layer in self.layers if layer.kind == "linear")

    @property
    def plain(self) -> bool:
        """Whether it is a perceptron of linear layers and ReLU, which every peer can express."""
        return all(layer.kind == "linear" for layer in self.layers)

    def module(self) -> Any:
        """Return a new torch module."""
        from medilytica_widgets.network import build

        return build(self.layers, self.X.shape[1], mw.Head("classification"), self.n_classes, seed=0)

    def head(self, rows: int) -> Problem:
        """Return the first rows only."""
        return replace(self, X=self.X[:rows], y=self.y[:rows])

    def longer(self, epochs: int) -> Problem:
        """Return the same for another number of epochs."""
        return replace(self, epochs=epochs)


class Ours:
    """The package on a table: an experiment, and one run after another of it.

    Parameters
    ----------
    rows, features, classes : int
    layers : sequence of Layer
    batch : int
    direct : bool
        Whether the arrays are handed over as if they were prepared, for tables that take long to prepare.
    """

    def __init__(
        self, rows: int, features: int, classes: int, layers: Sequence[mw.Layer], batch: int, *, direct: bool = False
    ) -> None:
        self.classes, self.layers, self.batch = classes, list(layers), batch
        self.path = ""
        """How the latest run was trained."""
        self.accuracy = 0.0
        """Of the latest run: the share of right answers on the training rows."""
        data = mw.load_dataset(
            table(200 * classes if direct else rows, features, classes),
            target=LABEL,
            roles={f"x{k}": "feature" for k in range(features)},
        )
        values = {"batch_size": batch, "epochs": 1, "learning_rate": RATE}
        # small held-out parts: what is compared is training, and the peers have none
        kind = _Handed if direct else mw.Experiment
        self.experiment = kind(data, hyperparameters=values, layers=self.layers, validation=0.01, test=0.01)
        if isinstance(self.experiment, _Handed):
            self.experiment.hand(*arrays(rows, features, classes))
        self.experiment.prepared()

    def problem(self) -> Problem:
        """Return the very rows that a run trains on."""
        prepared = self.experiment.prepared()
        return Problem(prepared.X_train, prepared.y_train, self.classes, self.layers, self.batch)

    def start(self, epochs: int, **options: Any) -> mw.Run:
        """Begin a run; ``options`` go to `Experiment.train`."""
        self.experiment.set("epochs", epochs)
        return self.experiment.train(wait=False, **options)

    def end(self, run: mw.Run) -> None:
        """Wait for a run, also for its evaluation, which must not run beside the next contestant."""
        run.wait()
        self.path = run.path
        prepared = self.experiment.prepared()
        shown = slice(0, PART)
        self.accuracy = float((run.predictor().predict(prepared.X_train[shown]) == prepared.y_train[shown]).mean())
        run.evaluate()
        run.close()

    def run(self, epochs: int, **options: Any) -> tuple[float, float]:
        """Train, and return the seconds of all epochs and those from the call to the end of the run."""
        started = time.perf_counter()
        run = self.start(epochs, **options).wait()
        whole = time.perf_counter() - started
        self.end(run)
        return float(run.history["seconds"].sum()), whole

    def close(self) -> None:
        """Free everything."""
        self.experiment.close()
        gc.collect()


class _Handed(mw.Experiment):
    """An experiment whose prepared rows are given."""

    _given: Prepared | None = None

    def hand(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        """Take these rows for training."""
        self._given = replace(super().prepared(), X_train=X, y_train=y)

    def prepared(self) -> Prepared:
        """Return the rows that were given, with the small table's held-out rows."""
        return self._given if self._given is not None else super().prepared()


def table(rows: int, features: int, classes: int) -> pd.DataFrame:
    """Return numbers and a label that a network can learn from them."""
    X, y = arrays(rows, features, classes)
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(features)])
    frame[LABEL] = np.char.add("class ", y.astype(str))
    return frame


def arrays(rows: int, features: int, classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the same as arrays. It is made in parts, so that making it takes no more memory than having it."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal(size=(features, 16), dtype=np.float32) / np.float32(features**0.5)
    second = rng.standard_normal(size=(16, classes), dtype=np.float32)
    X = np.empty((rows, features), dtype=np.float32)
    y = np.empty(rows, dtype=np.int64)
    for start in range(0, rows, PART):
        part = X[start : start + PART]
        part[:] = rng.standard_normal(size=part.shape, dtype=np.float32)
        scores = np.tanh(part @ first) @ second
        scores += 0.5 * rng.standard_normal(size=scores.shape, dtype=np.float32)
        y[start : start + PART] = scores.argmax(axis=1)
    return X, y


def perceptron(*units: int) -> list[mw.Layer]:
    """Return hidden layers with ReLU."""
    return [mw.Layer("linear", units=width, activation="relu") for width in units]


def normed(kind: str, *units: int) -> list[mw.Layer]:
    """Return hidden layers with a normalisation before their ReLU: no fast path serves such a network."""
    stack = []
    for width in units:
        stack += [mw.Layer("linear", units=width, activation="none"), mw.Layer(kind), mw.Layer("activation")]
    return stack
