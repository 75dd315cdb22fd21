"""What the tree ensembles share."""

from __future__ import annotations

from ..parameters import Parameter
from . import _shared


def n_estimators(default: int, help: str) -> Parameter:
    """Return the number of trees (or of boosting rounds)."""
    return Parameter(
        "n_estimators", "int", default, low=1, high=10_000, scale="log", unit="trees", label="trees", help=help
    )


def max_depth(help: str) -> Parameter:
    """Return the greatest depth of a tree."""
    return Parameter(
        "max_depth",
        "int",
        None,
        low=1,
        high=1000,
        scale="log",
        unit="levels",
        label="greatest depth",
        optional=True,
        help=help,
    )


def min_samples_leaf(help: str, default: int = 1) -> Parameter:
    """Return the least number of rows in a leaf."""
    return Parameter(
        "min_samples_leaf",
        "int",
        default,
        low=1,
        high=10_000,
        scale="log",
        unit="rows",
        label="least rows in a leaf",
        help=help,
    )


def learning_rate(default: float, high: float = 1.0) -> Parameter:
    """Return the part of each tree's answer that boosting adds."""
    return Parameter(
        "learning_rate",
        "float",
        default,
        low=1e-4,
        high=high,
        scale="log",
        help=(
            "The part of each tree's answer that is added. Smaller values need more trees and generalise better; "
            "larger ones learn fast and overfit sooner."
        ),
    )


def class_weight(tasks: tuple[str, ...] = ()) -> Parameter:
    """Return the choice to weigh rows by the rarity of their class; without tasks it may be set for a regression."""
    return _shared.class_weight(tasks, "false alarms. For regression it has no effect.")
