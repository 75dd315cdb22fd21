"""How much memory a table takes, and how much training on it will, told before it hurts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .findings import Finding, FindingKind, Memory

if TYPE_CHECKING:
    from .dataset import Dataset

#: Categories of one column that get a column of their own in the matrix, at most; see `preprocess.MAX_CATEGORIES`.
_CATEGORIES = 50
#: While the matrix is made, of float32, its parts are there once more as float64.
_BYTES_A_CELL = 4 + 8
_SAMPLE = 2_000
_TEXT_BYTES = 49
"""What a Python string takes besides its characters."""
_SHARE = 0.5
_CGROUP = Path("/sys/fs/cgroup")


def memory_of(data: Dataset, available: int | None = None) -> Memory:
    """Return what a table takes in memory, and what preparing it for training will.

    Parameters
    ----------
    data : Dataset
    available : int, optional
        Bytes that are left; the machine's, or the container's where it has fewer, when None.
    """
    table = width = 0
    for cells in data.cells.values():
        table += cells.values.nbytes
        if cells.storage == "text" and len(cells.values):
            some = cells.values[:: max(1, len(cells.values) // _SAMPLE)]
            table += int(np.mean([0 if v is None else _TEXT_BYTES + len(v) for v in some]) * len(cells.values))
    for column in data.features:
        text = data.cells[column.name].storage == "text"
        width += min(column.distinct + bool(column.missing), _CATEGORIES) if text else 1
    return Memory(table, len(data) * width * _BYTES_A_CELL, _left() if available is None else available)


def memory_finding(memory: Memory) -> Finding | None:
    """Return the warning that training may not fit into what is left; None where it does."""
    if memory.available is None or memory.training < _SHARE * memory.available:
        return None
    return Finding(
        FindingKind.MEMORY,
        [],
        [],
        f"Preparing the table for training takes about {_size(memory.training)}, and {_size(memory.available)} of "
        "memory are left.",
        "Train on a sample of the rows, or set columns aside with exclude=[…]; columns of many categories need most.",
    )


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count = round(count / 1000)
    return f"{count:,} GB"


def _left() -> int | None:
    try:
        import psutil  # ipykernel brings it
    except ImportError:
        return None
    left = int(psutil.virtual_memory().available)
    try:
        # of a container the machine's memory says nothing
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return left
    return min(left, max(0, int(limit) - used)) if limit.isdigit() else left
