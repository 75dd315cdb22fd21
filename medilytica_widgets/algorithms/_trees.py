"""What the tree ensembles share."""

from __future__ import annotations

from ..parameters import Parameter


def n_estimators(default: int, help: str) -> Parameter:
    """Return the number of trees (or of boosting rounds)."""
    return Parameter(
        "n_estimators", "int", default, low=1, high=10_000, scale="log", unit="trees", label="trees", help=help
    )


def min_samples_leaf(help: str) -> Parameter:
    """Return the least number of rows in a leaf."""
    return Parameter(
        "min_samples_leaf",
        "int",
        1,
        low=1,
        high=10_000,
        scale="log",
        unit="rows",
        label="least rows in a leaf",
        help=help,
    )


def class_weight() -> Parameter:
    """Return the choice to weigh rows by the rarity of their class."""
    return Parameter(
        "class_weight",
        "choice",
        "none",
        choices=("none", "balanced"),
        help=(
            "balanced weighs each row by the rarity of its class, so that small classes count as much as large ones: "
            "more of them are found, at the price of more false alarms. For regression it has no effect."
        ),
    )
