"""The peers: each trains the same network on the same rows with the same Adam.

What a peer can prepare before it trains (tensors, a loader, a trainer, a compiled model) is not counted.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

# keras reads it when it is first imported
os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from .problem import RATE, Problem


class Fit(NamedTuple):
    """What a peer's training gave: its seconds, and what predicts the classes of rows."""

    seconds: float
    predict: Callable[[NDArray[np.float32]], NDArray[np.int64]]

    def accuracy(self, problem: Problem) -> float:
        """Return the share of right answers on the training rows."""
        return float((self.predict(problem.X) == problem.y).mean())


Peer = Callable[[Problem], Fit]


def textbook(problem: Problem) -> Fit:
    """Train by the loop of the tutorials: a DataLoader, Adam, the loss added up by ``loss.item()``."""
    model = problem.module()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    loader = _loader(problem)
    criterion = nn.CrossEntropyLoss()
    started = time.perf_counter()
    for _ in range(problem.epochs):
        total = 0.0
        for rows, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(rows), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
    return Fit(time.perf_counter() - started, _predictor(model))


def lean(problem: Problem) -> Fit:
    """Train by a plain loop without waste: one permutation an epoch, slices, fused Adam, no ``.item()`` in a step."""
    model = problem.module()
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=RATE, fused=True)
    X, y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)
    started = time.perf_counter()
    for _ in range(problem.epochs):
        order = torch.randperm(len(X))
        total = torch.zeros(())
        for start in range(0, len(X), problem.batch):
            rows = order[start : start + problem.batch]
            for parameter in parameters:
                parameter.grad = None
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()
    return Fit(time.perf_counter() - started, _predictor(model))


def skorch(problem: Problem) -> Fit:
    """Train by skorch as it comes, on all rows: its own validation split is left out.

    With ``callbacks="disable"`` it is no faster: 71 and 216 thousand rows a second where its defaults have 68 and 219
    (30→64→64→2, batches of 32 and 256).
    """
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(
        problem.module(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=RATE,
        batch_size=problem.batch,
        max_epochs=problem.epochs,
        iterator_train__shuffle=True,
        train_split=None,
    )
    with _silence():
        started = time.perf_counter()
        net.fit(problem.X, problem.y)
    return Fit(time.perf_counter() - started, net.predict)


def lightning_bare(problem: Problem) -> Fit:
    """Train by Lightning in its barebones mode: no logger, checkpoint, progress bar or summary."""
    return _lightning(problem, log=False, barebones=True)


def lightning_defaults(problem: Problem) -> Fit:
    """Train by Lightning as it comes, with the loss logged as its guide shows."""
    with tempfile.TemporaryDirectory() as folder:
        return _lightning(problem, log=True, default_root_dir=folder)


def keras(problem: Problem) -> Fit:
    """Train by Keras 3 on torch, silently."""
    import keras as k

    if k.backend.backend() != "torch":
        raise RuntimeError("keras was imported before this module and took another backend than torch.")
    with k.device("cpu"):
        hidden = [k.layers.Dense(width, activation="relu") for width in problem.hidden]
        model = k.Sequential([k.Input((problem.X.shape[1],)), *hidden, k.layers.Dense(problem.n_classes)])
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=k.optimizers.Adam(RATE), loss=loss)
        started = time.perf_counter()
        model.fit(problem.X, problem.y, batch_size=problem.batch, epochs=problem.epochs, verbose=0)
        seconds = time.perf_counter() - started
    return Fit(seconds, lambda X: np.asarray(model.predict(X, batch_size=4096, verbose=0)).argmax(axis=1))


def scikit_learn(problem: Problem) -> Fit:
    """Train by MLPClassifier, without its penalty and without stopping early."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        problem.hidden,
        batch_size=problem.batch,
        learning_rate_init=RATE,
        max_iter=problem.epochs,
        n_iter_no_change=problem.epochs + 1,
        alpha=0.0,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        started = time.perf_counter()
        model.fit(problem.X, problem.y)
    return Fit(time.perf_counter() - started, model.predict)


# name, the distribution it needs, and whether it can express networks that are no plain perceptrons
TEXTBOOK, LEAN, LIGHTNING = "textbook loop", "lean loop", "Lightning, logging off"
SKORCH, KERAS, SCIKIT_LEARN = "skorch", "Keras 3 on torch", "scikit-learn"
_ALL: dict[str, tuple[Peer, str, bool]] = {
    TEXTBOOK: (textbook, "torch", True),
    LEAN: (lean, "torch", True),
    SKORCH: (skorch, "skorch", True),
    LIGHTNING: (lightning_bare, "lightning", True),
    "Lightning, defaults": (lightning_defaults, "lightning", True),
    KERAS: (keras, "keras", False),
    SCIKIT_LEARN: (scikit_learn, "sklearn", False),
}


def peers(problem: Problem, names: tuple[str, ...] = tuple(_ALL)) -> tuple[dict[str, Peer], list[str]]:
    """Return the peers that can train this and are installed, and a sentence on each that is not installed."""
    found: dict[str, Peer] = {}
    absent: list[str] = []
    for name in names:
        peer, package, general = _ALL[name]
        if not (problem.plain or general):
            continue
        if importlib.util.find_spec(package) is None:
            absent.append(f"{name} is not installed; `make bench` installs it beside the package.")
        else:
            found[name] = peer
    return found, absent


def _predictor(model: nn.Module) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
    def predict(X: NDArray[np.float32]) -> NDArray[np.int64]:
        model.eval()
        with torch.no_grad():
            return model(torch.from_numpy(X)).argmax(1).numpy()

    return predict


def _loader(problem: Problem) -> Any:
    dataset = TensorDataset(torch.from_numpy(problem.X), torch.from_numpy(problem.y))
    return DataLoader(dataset, batch_size=problem.batch, shuffle=True)


def _lightning(problem: Problem, log: bool, **options: Any) -> Fit:
    import lightning

    class Network(lightning.LightningModule):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            rows, labels = batch
            loss = functional.cross_entropy(self.model(rows), labels)
            if log:
                self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    with _silence():
        network, loader = Network(problem.module()), _loader(problem)
        trainer = lightning.Trainer(max_epochs=problem.epochs, accelerator="cpu", devices=1, **options)
        started = time.perf_counter()
        trainer.fit(network, loader)
        seconds = time.perf_counter() - started
    return Fit(seconds, _predictor(network.model))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Let what a peer prints and warns of go nowhere; it still does the work of printing."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield
