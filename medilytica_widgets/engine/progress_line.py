"""Lines of progress for a run's log."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from .log import TrainingLog

LINE_SECONDS = 0.5
"""The least time between two lines."""


class ProgressLines:
    """Writes history rows into a log as sentences, not more than a person can read.

    Parameters
    ----------
    log : TrainingLog
    metric : str
        The readable metric beside the loss.
    last : int
        The epoch (or stage) after which the run is done; its line is always written.
    unit : str
        What a row is, for example "Epoch".
    """

    def __init__(self, log: TrainingLog, metric: str, last: int, unit: str) -> None:
        self._log, self._metric, self._last, self._unit = log, metric, last, unit
        self._next = -math.inf

    def row(self, row: Mapping[str, float], step: int) -> None:
        """Write a line, where the last one is long enough ago."""
        now = time.perf_counter()
        if now < self._next and row["epoch"] < self._last:
            return
        self._next = now + LINE_SECONDS
        metric = f"val_{self._metric}"
        shown = (("loss", "train_loss"), ("validation loss", "val_loss"))
        parts = [f"{words} {row[name]:.4g}" for words, name in shown if not math.isnan(row[name])]
        if math.isfinite(row["val_loss"]) or (metric in row and math.isfinite(row[metric])):
            parts.append(f"validation {self._metric.replace('_', ' ')} {row[metric]:.4g}")
        told = f": {', '.join(parts)}" if parts else ""
        sentence = f"{self._unit} {row['epoch']:.0f} of {self._last}{told}."
        self._log.append("training", sentence, epoch=row["epoch"], step=step)
