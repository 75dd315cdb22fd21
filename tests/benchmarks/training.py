"""Rows a second of the perceptron 30→64→64→2 with Adam, beside scikit-learn and the textbook loop."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import torch
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import medilytica_widgets as mw

from .harness import race, record

ROWS = 20_000


def main() -> None:
    """Measure at three batch sizes and write the table."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 30)).astype(np.float32)
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(30)])
    frame["label"] = np.where(X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=ROWS) > 0, "yes", "no")
    data = mw.load_dataset(frame, target="label", roles={f"x{k}": "feature" for k in range(30)})
    lines = ["| batch | contestant | thousand rows a second | spread |", "| --- | --- | --- | --- |"]
    for batch in (32, 256, 4096):
        epochs = {32: 1, 256: 4, 4096: 8}[batch]
        exp = mw.Experiment(
            data,
            hyperparameters={"batch_size": batch, "epochs": epochs, "learning_rate": 1e-3},
            layers=[mw.Layer("linear", units=64, activation="relu")] * 2,
        )
        prepared = exp.prepared()
        n = len(prepared.y_train)
        contestants = {
            "medilytica_widgets": lambda exp=exp: _ours(exp),
            "textbook loop": lambda p=prepared, b=batch, e=epochs: _textbook(p.X_train, p.y_train, b, e),
            "scikit-learn": lambda p=prepared, b=batch, e=epochs: _sklearn(p.X_train, p.y_train, b, e),
        }
        for timing in race(contestants):
            rate = n * epochs / timing.median / 1000
            lines.append(f"| {batch} | {timing.name} | {rate:.0f} | {timing.spread} |")
        exp.close()
    record("Training, thousand rows a second", lines)


def _ours(exp: mw.Experiment) -> float:
    run = exp.train().wait()
    seconds = float(run.history["seconds"].sum())
    run.close()
    return seconds


def _textbook(X: np.ndarray, y: np.ndarray, batch: int, epochs: int) -> float:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(y)), batch_size=batch, shuffle=True)
    started = time.perf_counter()
    for _ in range(epochs):
        total = 0.0
        for rows, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(rows), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
    return time.perf_counter() - started


def _sklearn(X: np.ndarray, y: np.ndarray, batch: int, epochs: int) -> float:
    model = MLPClassifier((64, 64), batch_size=batch, max_iter=1, random_state=0, alpha=0)
    started = time.perf_counter()
    for _ in range(epochs):
        model.partial_fit(X, y, classes=[0, 1])
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
