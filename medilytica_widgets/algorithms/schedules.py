"""The learning-rate schedules, shared by the engine and the printed script."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, hint

SCHEDULES = ("constant", "step", "exponential", "cosine", "one_cycle", "plateau")

ONE_CYCLE_RISE = 0.3
"""The part of all epochs in which the rate of ``one_cycle`` rises."""
ONE_CYCLE_FIRST = 1 / 25
ONE_CYCLE_LAST = 1 / 25 / 10**4
"""Its first and last factor; these three are the defaults of ``torch.optim.lr_scheduler.OneCycleLR``."""

WARMUP_FIRST = 0.001
"""What warm-up starts from: at exactly 0 the first step would be lost."""

PLATEAU_LEAST = 2.0**-30
"""Where `Plateau` ends: such a rate moves no float32 weight any more, and a factor must not become 0."""


def schedule_factor(name: str, epoch: int, epochs: int) -> float:
    """Return what the learning rate is multiplied with at the start of an epoch, without warm-up.

    Parameters
    ----------
    name : str
        One of

        - constant: 1.
        - step: halved at one third and again at two thirds of the epochs.
        - exponential: falls evenly on a log scale to 1 % in the last epoch.
        - cosine: falls along half a cosine wave towards 0, which it would reach after the last epoch
          (Loshchilov and Hutter 2017, without restarts).
        - one_cycle: rises along half a cosine wave from 1/25 to 1 in the first 30 % of the epochs, then
          falls along another to 1/250 000 at their end (Smith and Topin 2018, with the shape and numbers
          of ``torch.optim.lr_scheduler.OneCycleLR``; the momentum stays). It alone changes within an epoch.
        - plateau: 1; what it is multiplied with depends on the losses, see `Plateau`.
    epoch : int
        From 0. Past ``epochs`` the value of the last epoch (one_cycle: of its end) is kept.
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
    if name == "one_cycle":
        return float(_one_cycle(np.asarray(min(max(epoch, 0) / epochs, 1.0))))
    epoch = min(max(epoch, 0), epochs - 1)
    if name in ("constant", "plateau"):
        return 1.0
    if name == "step":
        # floor(3·epoch / epochs) thirds lie behind this epoch
        return float(0.5 ** (3 * epoch // epochs))
    if name == "exponential":
        return float(0.01 ** (epoch / (epochs - 1))) if epochs > 1 else 1.0
    if name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))
    raise ParameterError(f"There is no schedule {name!r}. {hint(str(name), SCHEDULES)}", "schedule", "constant")


def rate_factors(
    name: str, epoch: int, epochs: int, starts: NDArray[np.float64], warmup: float = 0.0
) -> NDArray[np.float64]:
    """Return what the learning rate is multiplied with at each step of an epoch.

    Parameters
    ----------
    name : str
        As of `schedule_factor`. For plateau the caller multiplies by `Plateau.factor` as well.
    epoch, epochs : int
        As of `schedule_factor`.
    starts : ndarray of float64
        Where the rows of each step begin, as a part of the epoch's rows, 0 <= s < 1.
    warmup : float
        In its first so many epochs the rate is also multiplied by a number that rises linearly from
        0.001 to 1, as that of ``torch.optim.lr_scheduler.LinearLR``. 0 for none. Where it is longer
        than the run, 1 is never reached.

    Returns
    -------
    ndarray of float64
        As many as ``starts``, in (0, 1].

    Raises
    ------
    ParameterError
        For an unknown name.
    """
    position = np.minimum(max(epoch, 0) + np.asarray(starts, dtype=np.float64), float(epochs))
    if name == "one_cycle":
        factors = _one_cycle(position / epochs)
    else:
        factors = np.full(position.shape, schedule_factor(name, epoch, epochs))
    if warmup > 0:
        factors *= np.minimum(1.0, WARMUP_FIRST + (1.0 - WARMUP_FIRST) * (position / warmup))
    return factors


def _one_cycle(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor after a part of all epochs, 0 to 1."""
    rising = part < ONE_CYCLE_RISE
    start = np.where(rising, ONE_CYCLE_FIRST, 1.0)
    end = np.where(rising, 1.0, ONE_CYCLE_LAST)
    done = np.where(rising, part / ONE_CYCLE_RISE, (part - ONE_CYCLE_RISE) / (1.0 - ONE_CYCLE_RISE))
    return np.minimum(1.0, end + (start - end) / 2 * (1.0 + np.cos(math.pi * done)))


def schedule_source(name: str) -> str:
    """Return the expression of the factor, for a script.

    The names in it are ``epoch`` and ``epochs``; for one_cycle ``part``, the part of all epochs that is
    done. For plateau there is none: the script has to look at its losses.
    """
    return {
        "constant": "1.0",
        "step": "0.5 ** (3 * epoch // epochs)",
        "exponential": "0.01 ** (epoch / max(1, epochs - 1))",
        "cosine": "0.5 * (1 + math.cos(math.pi * epoch / epochs))",
        "one_cycle": (
            "0.52 - 0.48 * math.cos(math.pi * part / 0.3) if part < 0.3 "
            "else 4e-6 + 0.499998 * (1 + math.cos(math.pi * (part - 0.3) / 0.7))"
        ),
    }[name]


class Plateau:
    """Halves the learning rate whenever the loss has not fallen for some epochs.

    ``Plateau(n)`` halves in the same epochs as ``torch.optim.lr_scheduler.ReduceLROnPlateau(factor=0.5,
    patience=n - 1, threshold=0.0)``: torch's patience counts the epochs that are forgiven, this one the
    epochs after which it acts, as the hyperparameter ``patience`` does.

    Parameters
    ----------
    patience : int
        Epochs without a lower loss after which the rate is halved, at least 1.

    Attributes
    ----------
    factor : float
        What the learning rate is multiplied with, in (0, 1].
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.factor = 1.0
        self._best = math.inf
        self._waited = 0

    def saw(self, loss: float) -> bool:
        """Take in an epoch's loss; return whether the factor has just been halved.

        NaN counts as not lower.
        """
        if loss < self._best:
            self._best, self._waited = float(loss), 0
            return False
        self._waited += 1
        if self._waited < self.patience:
            return False
        self._waited = 0
        before = self.factor
        self.factor = max(0.5 * before, PLATEAU_LEAST)
        return self.factor < before

    def state(self) -> dict[str, Any]:
        """Return everything that `from_state` needs, JSON-able (no loss yet is None)."""
        best = None if self._best == math.inf else self._best
        return {"patience": self.patience, "factor": self.factor, "best": best, "waited": self._waited}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Plateau:
        """Return a plateau that goes on where another stood."""
        plateau = cls(int(state["patience"]))
        plateau.factor = float(state["factor"])
        plateau._best = math.inf if state["best"] is None else float(state["best"])
        plateau._waited = int(state["waited"])
        return plateau
