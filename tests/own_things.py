"""One of each thing that people register, as they would write it in a module of their own; see test_register."""

from typing import Literal

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn
from torch.nn import functional

import medilytica_widgets as mw

IDS = {
    "dataset": "own_rings",
    "algorithm": "own_nearest_mean",
    "layer": "own_scale",
    "activation": "own_soft_step",
    "loss": "own_brier",
    "optimizer": "own_signum",
}


@mw.register.dataset(IDS["dataset"], name="Rings", target="ring")
def rings(rows: int = 300, noise: float = 0.1):
    """Two rings around each other."""
    rng = np.random.default_rng(0)
    ring = np.arange(rows) % 2
    angle = rng.uniform(0, 2 * np.pi, rows)
    radius = 1 + ring + rng.normal(0, noise, rows)
    names = np.where(ring, "outer", "inner").astype(object)
    return pd.DataFrame({"x": radius * np.cos(angle), "y": radius * np.sin(angle), "ring": names})


@mw.register.algorithm(IDS["algorithm"], name="Nearest mean", help="Takes the class with the nearest mean.")
class NearestMean(ClassifierMixin, BaseEstimator):
    def __init__(self, shrink: float = 0.0, metric: Literal["euclid", "city"] = "euclid", random_state: int = 0):
        self.shrink = shrink
        self.metric = metric
        self.random_state = random_state

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == c].mean(axis=0) for c in self.classes_]) * (1 - self.shrink)
        self.means_ = self.means_ + 1e-3 * np.random.default_rng(self.random_state).normal(size=self.means_.shape)
        return self

    def predict_proba(self, X):
        power = 2 if self.metric == "euclid" else 1
        near = -(np.abs(X[:, None] - self.means_) ** power).sum(axis=2)
        shares = np.exp(near - near.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@mw.register.layer(
    IDS["layer"],
    help="Multiplies each feature by a learned number.",
    parameters=[mw.Parameter("start", "float", 1.0, low=0.1, high=10.0, scale="log", help="The first number.")],
)
class OwnScale(nn.Module):
    def __init__(self, in_features, start):
        super().__init__()
        self.factor = nn.Parameter(torch.full((in_features,), start))

    def forward(self, x):
        return x * self.factor


@mw.register.activation(IDS["activation"], help="Bends softly at 0 and 1.")
def soft_step(x):
    return torch.sigmoid(4 * x - 2)


@mw.register.loss(IDS["loss"], tasks="classification")
def brier(outputs, targets, power: float = 2.0):
    """The distance of the probabilities from the truth."""
    shares = outputs.softmax(1)
    return (shares - functional.one_hot(targets, shares.shape[1])).abs().pow(power).sum(1)


@mw.register.optimizer(IDS["optimizer"], name="Signum")
class Signum(torch.optim.Optimizer):
    """Steps of one size, in the direction in which the gradients point on average."""

    def __init__(self, params, lr: float = 0.01, beta: float = 0.9, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["mean"], state["steps"] = torch.zeros_like(p, dtype=torch.float64), 0
                state["steps"] += 1
                state["mean"].lerp_(p.grad.double(), 1 - group["beta"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                # the more dimensions the larger: only an optimizer that sees the layers can tell
                p.add_(state["mean"].sign().float(), alpha=-group["lr"] * p.dim() / state["steps"] ** 0.1)
