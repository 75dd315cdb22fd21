"""A made-up table for networks with several heads, and what tests ask of their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from medilytica_widgets import algorithms
from medilytica_widgets.data.further import FurtherTarget
from medilytica_widgets.engine import Job, Trainer
from medilytica_widgets.network import Head, Layer

LAYERS = (Layer("linear", units=12, name="first"), Layer("linear", units=8, activation="tanh"))
TIMES = ("seconds", "samples_per_second")


def rows(n: int = 160, *, noise: float = 0.1, missing: bool = True, seed: int = 0) -> SimpleNamespace:
    """Return a made-up table: three classes, and under "size" a number and under "kind" two classes, some missing."""
    rng = np.random.default_rng(seed)
    parts: dict[str, Any] = {}
    further: dict[str, dict[str, Any]] = {"size": {}, "kind": {}, "count": {}}
    for part, count in (("train", n), ("validation", n // 4), ("test", n // 4)):
        X = rng.standard_normal((count, 4)).astype(np.float32)
        parts[f"X_{part}"] = X
        parts[f"y_{part}"] = (np.digitize(X[:, 0] + 0.3 * X[:, 1], (-0.6, 0.6))).astype(np.int64)
        size = 50 + 20 * X[:, 2] * X[:, 0] + noise * 20 * rng.standard_normal(count)
        kind = (X[:, 3] > 0.2).astype(np.int64)
        number = rng.poisson(np.exp(0.5 * X[:, 1] + 1)).astype(np.float32)
        if missing:
            size[rng.random(count) < 0.3] = np.nan
            kind[rng.random(count) < 0.2] = -1
        further["size"][part] = size.astype(np.float32)
        further["kind"][part] = kind
        further["count"][part] = number
    known = further["size"]["train"][~np.isnan(further["size"]["train"])].astype(np.float64)
    targets = {
        "size": further_target("size", "regression", (), float(known.mean()), float(known.std()), further["size"]),
        "kind": further_target("kind", "classification", ("no", "yes"), 0.0, 1.0, further["kind"]),
        "count": further_target("count", "regression", (), 0.0, 1.0, further["count"]),
    }
    return SimpleNamespace(
        **parts, feature_names=list("abcd"), classes=["low", "mid", "high"], task="classification", further=targets
    )


def further_target(
    column: str, task: str, classes: tuple[str, ...], mean: float, std: float, parts: Mapping[str, Any]
) -> Any:
    return FurtherTarget(column, task, **parts, classes=classes, mean=mean, std=std)  # type: ignore[arg-type]


MAIN = Head("classification", name="grade")
SIZE = Head("regression", name="size", target="size")
KIND = Head("classification", name="kind", target="kind", loss="binary_cross_entropy", at="first")
COUNT = Head("regression", name="count", target="count", loss="poisson")


def job(
    heads: Sequence[Head] = (MAIN, SIZE, KIND),
    data: SimpleNamespace | None = None,
    layers: Sequence[Layer] = LAYERS,
    **values: Any,
) -> Job:
    values = {"epochs": 4, "batch_size": 32, **values}
    return Job(algorithms.get("mlp"), values, data or rows(), layers=layers, heads=heads, seed=3)  # type: ignore[arg-type]


def final(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.predictor().state()  # type: ignore[attr-defined,no-any-return]


def history(trainer: Trainer) -> dict[str, np.ndarray]:
    columns, _ = trainer.telemetry.read()
    return {name: values for name, values in columns.items() if name not in TIMES}


def assert_same(first: Trainer, second: Trainer) -> None:
    ours, theirs = history(first), history(second)
    assert list(ours) == list(theirs)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    one, two = final(first), final(second)
    assert list(one) == list(two)
    for name in one:
        assert torch.equal(one[name], two[name]), name
