"""The learning-rate schedules, shared by the engine and the printed script."""

from __future__ import annotations

import math

from ..errors import ParameterError, hint

SCHEDULES = ("constant", "step", "exponential", "cosine")


def schedule_factor(name: str, epoch: int, epochs: int) -> float:
    """Return what the learning rate is multiplied with during an epoch.

    Parameters
    ----------
    name : {"constant", "step", "exponential", "cosine"}
        step: halved at one third and again at two thirds of the epochs. exponential: falls evenly
        on a log scale to 1 % in the last epoch. cosine: falls along half a cosine wave towards 0,
        which it would reach after the last epoch (Loshchilov and Hutter 2017, without restarts).
    epoch : int
        From 0. Past ``epochs`` the value of the last epoch is kept.
    epochs : int
        The whole number of epochs, at least 1.

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    ParameterError
        For an unknown name.
    """
    epoch = min(max(epoch, 0), epochs - 1)
    if name == "constant":
        return 1.0
    if name == "step":
        # floor(3·epoch / epochs) thirds lie behind this epoch
        return float(0.5 ** (3 * epoch // epochs))
    if name == "exponential":
        return float(0.01 ** (epoch / (epochs - 1))) if epochs > 1 else 1.0
    if name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))
    raise ParameterError(f"There is no schedule {name!r}. {hint(str(name), SCHEDULES)}", "schedule", "constant")


def schedule_source(name: str) -> str:
    """Return the expression of `schedule_factor` in the names ``epoch`` and ``epochs``, for a script."""
    return {
        "constant": "1.0",
        "step": "0.5 ** (3 * epoch // epochs)",
        "exponential": "0.01 ** (epoch / max(1, epochs - 1))",
        "cosine": "0.5 * (1 + math.cos(math.pi * epoch / epochs))",
    }[name]
