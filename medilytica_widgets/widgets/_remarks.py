"""Which cells of a weight sheet are worth a look, in words; the thresholds are those of the run's diagnoses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any, Literal

from ..engine import WeightSheet
from ..engine.diagnoses import (
    EXPLODING,
    GROWTH,
    LARGE_UPDATE,
    MOSTLY_STUCK,
    SMALL_UPDATE,
    STUCK,
    VANISHING,
)
from ..engine.weight_sheet import COLUMNS

_FIRST_SHEETS = 5
_FINITE = {"norm": "weights", "gradient_norm": "gradient"}


def usual_gradient(first: Sequence[WeightSheet]) -> float | None:
    """Return the gradient's usual norm at a run's beginning; None until there are enough sheets to say."""
    if len(first) < _FIRST_SHEETS:
        return None
    return median(math.hypot(*sheet.column("gradient_norm").tolist()) for sheet in first[:_FIRST_SHEETS])


def remarks(sheet: WeightSheet, usual: float | None = None) -> list[dict[str, Any]]:
    """Return what is to be said of a sheet's cells.

    Updates and gradients are judged for weights only: a bias begins near 0, where any step is large.

    Parameters
    ----------
    sheet : WeightSheet
    usual : float, optional
        The norm of the whole gradient at the beginning, `usual_gradient`.

    Returns
    -------
    list of dict
        ``row`` (of the parameter), ``column``, ``level`` ("warning" or "note") and ``words``.
    """
    found: list[dict[str, Any]] = []
    values = dict(zip(COLUMNS, sheet.values.tolist(), strict=True))

    def say(row: int, column: str, level: Literal["warning", "note"], words: str) -> None:
        found.append({"row": row, "column": column, "level": level, "words": words})

    for column, what in _FINITE.items():
        for row, value in enumerate(values[column]):
            if not math.isfinite(value):
                say(row, column, "warning", f"The {what} became infinite or NaN: the steps are far too large.")
    weights = [row for row, shape in enumerate(sheet.shapes) if len(shape) > 1]
    for row in weights:
        _stuck(row, values, say)
        ratio = values["update_ratio"][row]
        if ratio > LARGE_UPDATE:
            words = f"One step changes these weights by {ratio:.0%} of their size; about 0.1 % is usual. "
            say(row, "update_ratio", "warning", words + "Lower the learning rate.")
        elif ratio < SMALL_UPDATE:
            words = f"One step changes these weights by only {ratio:.0e} of their size; about 0.001 is usual. "
            say(row, "update_ratio", "note", words + "Early in a run that is too little; at its end it is rest.")
    _gradients(sheet, values["gradient_norm"], weights, usual, say)
    return found


def _stuck(row: int, values: dict[str, list[float]], say: Any) -> None:
    dead, saturated = values["dead"][row], values["saturated"][row]
    if dead > STUCK:
        words = f"{dead:.0%} of the units behind these weights are off for every row looked at, and learn nothing. "
        advice = (
            "Take leaky_relu, gelu or elu there, or a lower learning rate."
            if dead > MOSTLY_STUCK
            else "A narrow or deep relu network often begins so, and the others can do without them."
        )
        say(row, "dead", "warning" if dead > MOSTLY_STUCK else "note", words + advice)
    if saturated > STUCK:
        words = f"{saturated:.0%} of the units behind these weights sit at the flat ends of their activation. "
        say(row, "saturated", "warning", words + "Lower the learning rate, normalise before it, or take relu.")


def _gradients(sheet: WeightSheet, norms: list[float], weights: list[int], usual: float | None, say: Any) -> None:
    whole = math.hypot(*norms) if norms else 0.0
    if not math.isfinite(whole):
        return
    if whole > min(EXPLODING, max(GROWTH * usual, 10.0) if usual is not None else EXPLODING):
        began = f", after {usual:.3g} at the beginning" if usual is not None else ""
        words = f"The gradient explodes: the norm of all together is {whole:.3g}{began}. "
        say(norms.index(max(norms)), "gradient_norm", "warning", words + "Lower the learning rate or clip it.")
    # the gradient of a single weight, so that a narrow layer compares with a wide one
    single = {row: norms[row] / math.sqrt(math.prod(sheet.shapes[row])) for row in weights}
    behind = 0.0
    for row in reversed(weights):
        if single[row] < VANISHING * behind:
            words = f"A weight's gradient is only {single[row] / behind:.0e} of one in a later layer: it vanishes on "
            say(row, "gradient_norm", "warning", words + "its way back, and these weights hardly learn.")
        behind = max(behind, single[row])
