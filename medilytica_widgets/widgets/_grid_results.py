"""What a run says of every row, as columns beside the table it learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from ..data.grid_table import GridTable
    from ..run import Run


def beside(table: GridTable, run: Run) -> GridTable:
    """Return the table with the run's predictions, how far they are off, and the split.

    For a number: ``prediction`` and ``residual``, the target less the prediction. For classes: ``prediction``,
    ``confidence`` and ``correct``, which is missing where the target is. ``split`` says what a row was used for.

    Raises
    ------
    InputError
        The run learned from another table.
    StateError
        It has learned nothing yet.
    """
    from ..data.grid_table import with_columns

    data = table.data
    if data is None or data.spec.fingerprint != run.experiment.data.spec.fingerprint:
        raise InputError(
            "The predictions of a run are shown beside the table that it learned from, and this is another one. "
            "Leave the table out: mw.DataGrid(run=run)."
        )
    found = run.predict(data.frame)
    prepared = run.prepared
    split = np.full(len(data), None, dtype=object)
    for name in ("train", "validation", "test"):
        split[getattr(prepared.split, name)] = name
    columns: dict[str, Any] = {"split": split}
    if "prediction" in found:
        columns["prediction"] = found["prediction"].to_numpy()
        target = None if data.target is None else data.frame[data.target]
        if "confidence" in found:
            columns["confidence"] = found["confidence"].to_numpy(dtype=np.float64)
            if target is not None:
                columns["correct"] = _correct(run, columns["prediction"])
        elif target is not None:
            columns["residual"] = target.to_numpy(dtype=np.float64) - columns["prediction"]
    else:
        columns |= {str(name): found[name].to_numpy() for name in found.columns[:8]}
    return with_columns(table, columns, f"from run {run.id}")


def _correct(run: Run, predicted: Any) -> Any:
    """Return whether each prediction is the row's own class; None where the row has none."""
    from ..data.cleaning import labels

    data = run.experiment.data
    own = labels(data.frame[str(data.target)].to_numpy(), data.cells[str(data.target)].storage)
    return np.array([None if a is None else bool(a == b) for a, b in zip(own, predicted, strict=True)], dtype=object)
