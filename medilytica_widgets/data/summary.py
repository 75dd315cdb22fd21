"""The small picture of a table that a card shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .cleaning import labels

if TYPE_CHECKING:
    from .dataset import Dataset

BINS = 16
BARS = 8


def summarise(data: Dataset) -> dict[str, Any]:
    """Return sizes, target, task, features with histograms, what is set aside, the quality score and notes."""
    shown = sorted((c for c in data.columns if c.role != "set_aside"), key=lambda c: c.role != "target")
    return {
        "name": data.name,
        "rows": len(data),
        "columns": len(data.columns),
        "target": data.target,
        "task": data.task,
        "classes": list(data.classes),
        "features": [
            {"name": c.name, "kind": c.kind, "role": c.role, "histogram": histogram(data, c.name), "missing": c.missing}
            for c in shown
        ],
        "set_aside": [{"name": name, "reason": reason} for name, reason in data.set_aside.items()],
        "quality": data.quality().score,
        "notes": list(data.notes),
    }


def histogram(data: Dataset, name: str) -> list[float]:
    """Return bar heights from 0 to 1.

    Numbers and dates: 16 bins from the 1st to the 99th percentile, on a log scale where all are positive and
    spread over more than two decades. Anything else, and numbers of at most 8 values: the most
    frequent 8 values, the largest first (numbers in their order).
    """
    column, cells = data.column(name), data.cells[name]
    values = cells.values
    if cells.storage == "text" or 0 < column.distinct <= BARS:
        words = [word for word in labels(values, cells.storage) if word is not None]
        if not words:
            return []
        _, counts = np.unique(np.array(words, dtype=str), return_counts=True)
        if cells.storage == "text":
            counts = np.sort(counts)[::-1]
        else:
            present = values[~_absent(values)]
            counts = np.unique(present, return_counts=True)[1]
        return _heights(counts[:BARS])
    present = values[~_absent(values)]
    numbers = present.astype(np.int64).astype(np.float64) if present.dtype.kind == "M" else present.astype(np.float64)
    if not len(numbers):
        return []
    low, high = np.quantile(numbers, [0.01, 0.99])
    if numbers.min() > 0 and high > 100 * low:
        numbers, low, high = np.log10(numbers), np.log10(low), np.log10(high)
    if not high > low:
        low, high = numbers.min(), numbers.max()
    # neighbours among the largest floats leave no room for 16 bins between them
    if not (np.isfinite(high - low) and low + (high - low) / BINS > low):
        return _heights(np.array([len(numbers)]))
    return _heights(np.histogram(numbers, bins=BINS, range=(low, high))[0])


def _absent(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(pd.isna(values), dtype=bool)


def _heights(counts: NDArray[np.int64]) -> list[float]:
    top = int(counts.max()) if len(counts) else 0
    return [round(float(c) / top, 4) if top else 0.0 for c in counts]
