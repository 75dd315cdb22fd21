"""The confusion matrix as a grid of written cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError
from .theme import Figure, Theme, ThemeName, axis, blend, get_theme, layout, palette, plain, text_on


def confusion(
    matrix: ArrayLike,
    classes: Sequence[str],
    *,
    title: str = "",
    height: int | None = None,
    theme: ThemeName | Theme | None = None,
) -> Figure:
    """Return a confusion matrix: rows are the true classes, columns what the model said.

    A cell is filled by its share of the row, in one colour on the diagonal and in another beside it, and
    says its count; up to six classes also the share.

    Parameters
    ----------
    matrix : array_like of int, shape (k, k)
        As `sklearn.metrics.confusion_matrix` returns it.
    classes : sequence of str, length k
    title : str
    height : int, optional
        Pixels; from the number of classes when not given.
    theme : {"light", "dark"} or Theme, optional

    Raises
    ------
    InputError
        The matrix does not have one row and one column for each class.
    """
    look = get_theme(theme)
    counts = np.asarray(matrix, dtype=np.int64)
    size = len(classes)
    if counts.shape != (size, size) or size == 0:
        raise InputError(f"A confusion matrix of {size} classes has {size} rows and columns; got {counts.shape}.")
    totals = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(totals, 1)
    fills, inks, words, hovers, xs, ys = [], [], [], [], [], []
    for row in range(size):
        for column in range(size):
            colour = palette(0 if row == column else 4, look.dark)
            part = float(share[row, column])
            fill = blend(colour, look.surface, 0.06 + 0.84 * part if part else 0)
            empty = not counts[row, column]
            fills.append(_cell(row, column, fill, look))
            inks.append(look.ink3 if empty else text_on(fill, look))
            more = f"<br>{part:.0%}" if size <= 6 and not empty else ""
            words.append(f"{counts[row, column]:,}".replace(",", "\u202f") + more)
            verb = "rightly called" if row == column else "taken for"
            hovers.append(
                f"{counts[row, column]} of {int(totals[row, 0])} {plain(classes[row], 40)} {verb} "
                f"{plain(classes[column], 40)} ({part:.1%})"
            )
            xs.append(column)
            ys.append(row)
    ticks = {
        "tickmode": "array",
        "tickvals": list(range(size)),
        "ticktext": [plain(name, 18) for name in classes],
        "showgrid": False,
        "range": [-0.5, size - 0.5],
    }
    trace = {
        "type": "scatter",
        "mode": "text",
        "x": xs,
        "y": ys,
        "text": words,
        "textfont": {"color": inks, "size": 13 if size <= 6 else 11},
        "hovertext": hovers,
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    right = int(np.trace(counts))
    alt = f"Confusion matrix of {int(counts.sum())} rows, {right} of them right. {_worst(counts, classes)}"
    return {
        "data": [trace],
        "layout": layout(
            look,
            plain(title),
            height or max(240, 110 + 44 * size),
            alt,
            margin={"l": 60, "r": 12, "t": 32 if title else 12, "b": 48},
            xaxis=axis(look, "predicted", **ticks, tickangle=0 if size <= 3 else -35),
            yaxis=axis(look, "true", **(ticks | {"range": [size - 0.5, -0.5]})),
            shapes=fills,
            hovermode="closest",
        ),
    }


def _cell(row: int, column: int, fill: str, look: Theme) -> dict[str, Any]:
    return {
        "type": "rect",
        "x0": column - 0.48,
        "x1": column + 0.48,
        "y0": row - 0.47,
        "y1": row + 0.47,
        "fillcolor": fill,
        "line": {"color": look.line, "width": 1},
        "layer": "below",
    }


def _worst(counts: np.ndarray[Any, np.dtype[np.int64]], classes: Sequence[str]) -> str:
    beside = counts - np.diag(np.diag(counts))
    row, column = divmod(int(beside.argmax()), len(classes))
    if not beside[row, column]:
        return "No mistake."
    return f"Most common mistake: {beside[row, column]} {classes[row]} taken for {classes[column]}."
