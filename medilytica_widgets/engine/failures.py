"""Errors of a training in words for the person who started it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import DivergenceError, MedilyticaError, OutOfMemoryError, TrainingError
from .memory import is_out_of_memory


def diverged(epoch: int, what: str, value: float, values: Mapping[str, Any]) -> DivergenceError:
    """Return the error of a loss (or of weights) that is no number any more.

    Parameters
    ----------
    epoch : int
        The epoch it happened in, from 1.
    what : str
        "loss", "validation loss" or "weights".
    value : float
        NaN or infinite.
    values : mapping
        The hyperparameters at that moment.
    """
    word = "NaN" if math.isnan(value) else "infinite"
    advice = []
    rate = values.get("learning_rate")
    if rate is not None and rate > 1e-6:
        advice.append(f"a learning rate of {max(rate / 10, 1e-6):.1g}")
    if values.get("clip_norm") is None and "clip_norm" in values:
        advice.append("clip_norm 1")
    verb = "became" if what != "weights" else "grew until they became"
    tail = f" Try {' or '.join(advice)}." if advice else " Look for extreme values in the features."
    return DivergenceError(f"Training stopped at epoch {epoch}: the {what} {verb} {word}.{tail}")


def explain(error: BaseException, name: str, epoch: float, device: str, values: Mapping[str, Any]) -> MedilyticaError:
    """Return the error as one of the package's own; the original is its cause."""
    if isinstance(error, MedilyticaError):
        return error
    text = str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    where = f"at epoch {max(1, math.ceil(epoch))}"
    told: MedilyticaError
    if is_out_of_memory(error):
        batch = values.get("batch_size")
        smaller = f"a batch_size smaller than {batch}, narrower layers" if batch else "fewer or smaller trees"
        told = OutOfMemoryError(
            f"{name} stopped {where}: the memory of the device ({device}) did not suffice. "
            f"Try {smaller} or a smaller table."
        )
    else:
        told = TrainingError(f"{name} stopped {where}: {first if first[-1] in '.?!' else first + '.'}")
    told.__cause__ = error
    return told
