"""Parameters that several of the transformations share."""

from __future__ import annotations

from typing import Any

from ..parameters import Parameter


def components(default: int | None, help: str, **more: Any) -> Parameter:
    """Return the number of new columns."""
    return Parameter(
        "n_components",
        "int",
        default,
        low=1,
        high=10_000,
        scale="log",
        unit="columns",
        label="new columns",
        help=help,
        **more,
    )


def iterations(default: int, help: str, low: int = 1) -> Parameter:
    """Return the most iterations of a fit."""
    return Parameter(
        "max_iter",
        "int",
        default,
        low=low,
        high=100_000,
        scale="log",
        unit="iterations",
        label="most iterations",
        help=help,
    )


def tolerance(default: float, help: str) -> Parameter:
    """Return how little an iteration may change before the fit ends."""
    return Parameter("tol", "float", default, low=1e-12, high=1.0, scale="log", label="tolerance", help=help)


def choice(id: str, default: str, choices: tuple[str, ...], help: str, **more: Any) -> Parameter:
    """Return a choice among words."""
    return Parameter(id, "choice", default, choices=choices, help=help, **more)


def switch(id: str, default: bool, help: str, **more: Any) -> Parameter:
    """Return a switch."""
    return Parameter(id, "bool", default, help=help, **more)
