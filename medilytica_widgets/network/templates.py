"""Stacks to start from."""

from __future__ import annotations

from .spec import Layer


def default_layers() -> list[Layer]:
    """Return the stack of a new experiment: two layers of 64 units with a little dropout."""
    return [
        Layer("linear", units=64, activation="relu"),
        Layer("dropout", p=0.1),
        Layer("linear", units=64, activation="relu"),
    ]


def templates() -> dict[str, list[Layer]]:
    """Return named stacks: ``shallow``, ``deep`` and ``bottleneck``, each a new list."""
    return {
        "shallow": [Layer("linear", units=64, activation="relu")],
        "deep": [
            layer
            for _ in range(4)
            for layer in (
                # not batch_norm: in front of the activation it cancels the bias, whose gradient of pure rounding
                # error Adam blows up to full steps, so that no two machines reach the same weights
                Layer("linear", units=64, activation="none"),
                Layer("layer_norm"),
                Layer("activation", name="relu"),
                Layer("dropout", p=0.1),
            )
        ],
        "bottleneck": [
            Layer("linear", units=128, activation="relu"),
            Layer("dropout", p=0.1),
            Layer("linear", units=16, activation="relu"),
            Layer("linear", units=128, activation="relu"),
        ],
    }
