"""Learning curves: one panel for the loss or one metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, hint
from .theme import Figure, Theme, ThemeName, axis, get_theme, layout, numbers, palette, plain, readable, rgb

if TYPE_CHECKING:
    import pandas as pd

_LETTER = 5.6  # px that a letter of an 11 px label takes on average
_ROW = 13  # px between two rows of labels
_ROWS = 4  # rows of labels of changes before the rest are told by pointing only


class MarkLike(Protocol):
    """A change made while training, as `medilytica_widgets.engine.Mark` holds it."""

    @property
    def epoch(self) -> float:
        """Where on the axis."""

    @property
    def name(self) -> str:
        """Id of the parameter."""

    @property
    def before(self) -> Any:
        """Value until then."""

    @property
    def after(self) -> Any:
        """Value from then on."""

    @property
    def author(self) -> str | None:
        """Who changed it, where that is known."""


def metric_label(metric: str) -> str:
    """Return a metric's name in words: ``"mean_absolute_error"`` gives ``"mean absolute error"``."""
    return {"roc_auc": "ROC AUC", "f1_macro": "macro F1", "r2": "R²"}.get(metric, metric.replace("_", " "))


def mark_text(mark: MarkLike) -> str:
    """Return the words at a mark, for example ``"learning rate 0.01 → 0.003 · you"``."""
    words = f"{mark.name.replace('_', ' ')} {_value(mark.before)} → {_value(mark.after)}"
    return plain(words, 60) + (f" · {plain(mark.author, 24)}" if mark.author else "")


def _value(value: Any) -> str:
    if value is None:
        return "off"
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def decimate(x: ArrayLike, y: ArrayLike, points: int = 2000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return at most about ``points`` points of a curve that look like all of them.

    The smallest and the largest value of every stretch are kept, in their order, and both ends.

    Parameters
    ----------
    x, y : array_like of float, shape (n,)
        y may hold NaN; a stretch of nothing else is kept as one NaN, so that a gap stays a gap.
    points : int
        At least 4.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    count = len(xs)
    if count <= points:
        return xs, ys
    edges = np.linspace(0, count, max(points // 2 - 1, 1) + 1).astype(int)
    keep = {0, count - 1}
    for start, stop in pairwise(edges):
        part = ys[start:stop]
        keep.update((start,) if np.all(np.isnan(part)) else (start + np.nanargmin(part), start + np.nanargmax(part)))
    index = np.array(sorted(int(i) for i in keep))
    return xs[index], ys[index]


def curves(
    history: Mapping[str, ArrayLike] | pd.DataFrame,
    metric: str = "loss",
    *,
    marks: Iterable[MarkLike] = (),
    best_epoch: float | None = None,
    epochs: int | None = None,
    title: str | None = None,
    y_log: bool = False,
    width: int = 460,
    height: int = 240,
    max_points: int = 2000,
    theme: ThemeName | Theme | None = None,
) -> Figure:
    """Return one panel of learning curves.

    Trace 0 is the training line and trace 1 the validation line, both always there (empty where the history
    has no such column) and named ``"train"`` and ``"validation"``; trace 2 is the dot of the best epoch. A live
    view extends the first two and moves the annotations named ``"end:train"`` and ``"end:validation"``.

    Parameters
    ----------
    history : mapping or DataFrame
        Columns ``epoch``, ``train_<metric>`` and ``val_<metric>``.
    metric : str
        ``"loss"``, ``"accuracy"``, …
    marks : iterable of Mark
        Drawn as dashed lines with words at the end that the curve leaves free: the top where it falls, the
        foot where it rises. Words that would run into one another get their own row, and past four rows a
        "+" tells them when pointed at.
    best_epoch : float, optional
    epochs : int, optional
        How many were ordered: the axis already spans them, so that nothing jumps while the curve grows.
    title : str, optional
        The metric's name when not given.
    y_log : bool
        Logarithmic values axis; linear all the same where a value is not above 0.
    width, height : int
        Pixels. The figure takes the width of its place; ``width`` is the narrowest at which no words of
        marks touch.
    max_points : int
        Longer lines are thinned by `decimate`.
    theme : {"light", "dark"} or Theme, optional

    Raises
    ------
    InputError
        The history has neither column of the metric.
    """
    look = get_theme(theme)
    names = [str(name) for name in history]
    columns = {"train": f"train_{metric}", "validation": f"val_{metric}"}
    if names and not any(column in names for column in columns.values()):
        known = sorted({n.split("_", 1)[1] for n in names if n.startswith(("train_", "val_"))})
        raise InputError(f"The history has no metric {metric!r}. {hint(metric, known)}")
    rows: dict[str, NDArray[np.float64]] = {
        name: np.asarray(history[name], dtype=np.float64) for name in ("epoch", *columns.values()) if name in names
    }
    epoch = rows.get("epoch", np.empty(0))
    traces: list[dict[str, Any]] = []
    ends: list[tuple[str, str, float, float]] = []
    low, high = math.inf, -math.inf
    for index, (name, column) in enumerate(columns.items()):
        x, y = decimate(epoch, rows[column], max_points) if column in rows else (np.empty(0), np.empty(0))
        seen = np.flatnonzero(np.isfinite(y))
        if len(seen):
            low, high = min(low, float(y[seen].min())), max(high, float(y[seen].max()))
            ends.append((name, palette(index, look.dark), float(x[seen[-1]]), float(y[seen[-1]])))
        traces.append(_line(name, x, y, palette(index, look.dark)))
    falls = _falls(traces)
    traces.append(_best(epoch, rows.get(columns["validation"]), best_epoch, falls, look))
    first, last = (float(epoch.min()), float(epoch.max())) if len(epoch) else (0.0, 1.0)
    span = (min(first, 1.0), max(last, float(epochs or 0), first + 1))
    right = 84 if not epochs or last > span[0] + 0.8 * (span[1] - span[0]) else 16
    words = title if title is not None else metric_label(metric)
    shapes, notes = _marks(marks, span, width - 48 - right, falls, look)
    y_log = y_log and 0 < low <= high
    shown = (math.log10(low), math.log10(high)) if y_log else (low, high)
    notes += _end_labels(ends, shown, height - 72, y_log, look)
    return {
        "data": traces,
        "layout": layout(
            look,
            plain(words),
            height,
            _sentence(words, columns, rows, best_epoch),
            margin={"l": 48, "r": right, "t": 32, "b": 40},
            xaxis=axis(look, "epoch", range=[span[0], span[1]], showgrid=False, showline=True),
            yaxis=axis(look, nticks=6, **_span(shown, y_log)),
            shapes=shapes,
            annotations=notes,
            hovermode="x unified",
        ),
    }


def _span(shown: tuple[float, float], y_log: bool) -> dict[str, Any]:
    """Return an axis range with room above and below the lines, so that words at their ends fit."""
    kind = {"type": "log"} if y_log else {}
    low, high = shown
    if not (math.isfinite(low) and math.isfinite(high)):
        return kind
    room = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    return kind | {"range": [low - room, high + room]}


def _line(name: str, x: NDArray[np.float64], y: NDArray[np.float64], colour: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": name,
        "mode": "lines+markers" if len(x) == 1 else "lines",
        "x": numbers(x, 9),
        "y": numbers(y),
        "line": {"color": colour, "width": 2},
        "marker": {"color": colour, "size": 6},
        "hovertemplate": f"%{{y:.4g}}<extra>{name}</extra>",
    }


def _falls(traces: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the first line that has values ends lower than it starts."""
    for trace in traces:
        values = [v for v in trace["y"] if v is not None]
        if values:
            return bool(values[-1] < values[0])
    return False


def _best(
    epoch: NDArray[np.float64],
    validation: NDArray[np.float64] | None,
    best_epoch: float | None,
    falls: bool,
    look: Theme,
) -> dict[str, Any]:
    """Return the dot on the validation line; without a best epoch it has no point."""
    x: list[float | None] = []
    y: list[float | None] = []
    at = np.flatnonzero(epoch == best_epoch) if best_epoch is not None else np.empty(0, dtype=int)
    if len(at) and validation is not None:
        value = numbers([validation[at[0]]])[0]
        if value is not None:
            x, y = numbers([epoch[at[0]]], 9), [value]
    return {
        "type": "scatter",
        "name": "best epoch",
        "mode": "markers+text",
        "x": x,
        "y": y,
        "text": ["best"] if x else [],
        "textposition": "bottom center" if falls else "top center",
        "textfont": {"size": 11, "color": look.ink2},
        "cliponaxis": False,
        "marker": {
            "color": look.surface,
            "size": 8,
            "line": {"color": readable(palette(1, look.dark), look, 3), "width": 2},
        },
        "hovertemplate": "%{y:.4g}<extra>best epoch</extra>",
    }


def _end_labels(
    ends: Sequence[tuple[str, str, float, float]], shown: tuple[float, float], pixels: float, y_log: bool, look: Theme
) -> list[dict[str, Any]]:
    """Return the names at the line ends, pushed apart where the ends nearly touch."""
    places = [math.log10(y) if y_log and y > 0 else y for *_, y in ends]
    shifts = [0.0] * len(ends)
    if len(ends) == 2 and shown[1] >= shown[0]:
        scale = pixels / (1.16 * (shown[1] - shown[0]) or 1.0)
        gap = (places[0] - places[1]) * scale
        if abs(gap) < _ROW:
            push = (_ROW - abs(gap)) / 2 * (1 if gap >= 0 else -1)
            shifts = [push, -push]
    return [
        {
            "name": f"end:{name}",
            "text": name,
            "x": x,
            "y": place,
            "xanchor": "left",
            "yanchor": "middle",
            "xshift": 6,
            "yshift": round(shift, 1),
            "showarrow": False,
            "font": {"size": 11, "color": readable(colour, look)},
        }
        for (name, colour, x, _), place, shift in zip(ends, places, shifts, strict=True)
    ]


def _marks(
    marks: Iterable[MarkLike], span: tuple[float, float], pixels: float, top: bool, look: Theme
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the dashed lines and their words, each in the lowest row where it touches no other."""
    scale = pixels / ((span[1] - span[0]) or 1.0)
    rows: list[list[tuple[float, float]]] = [[] for _ in range(_ROWS + 1)]
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for number, mark in enumerate(sorted(marks, key=lambda m: m.epoch)):
        words = mark_text(mark)
        place = (float(mark.epoch) - span[0]) * scale
        length = 8 + _LETTER * len(words)
        leftward = place + length > pixels and place - length >= 0
        taken = (place - length, place) if leftward else (place, place + length)
        level = next((i for i, row in enumerate(rows[:_ROWS]) if _free(row, taken)), None)
        shapes.append(
            {
                "name": f"mark:{number}",
                "type": "line",
                "x0": float(mark.epoch),
                "x1": float(mark.epoch),
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "layer": "below",
                "line": {"color": look.ink3, "width": 1, "dash": "dash"},
            }
        )
        text = words
        if level is None:
            level, text, leftward, taken = _ROWS, "+", False, (place, place + 8 + _LETTER)
            if not _free(rows[level], taken):
                notes[-1]["hovertext"] += "<br>" + words
                continue
        rows[level].append(taken)
        notes.append(
            {
                "name": f"mark:{number}",
                "text": text,
                "hovertext": words,
                "x": float(mark.epoch),
                "y": 1 if top else 0,
                "yref": "paper",
                "xanchor": "right" if leftward else "left",
                "yanchor": "top" if top else "bottom",
                "xshift": -3 if leftward else 3,
                "yshift": (-1 if top else 1) * (1 + _ROW * level),
                "showarrow": False,
                "bgcolor": f"rgba({','.join(map(str, rgb(look.surface)))},0.8)",
                "borderpad": 0,
                "font": {"size": 11, "color": look.ink3},
            }
        )
    return shapes, notes


def _free(row: Sequence[tuple[float, float]], taken: tuple[float, float]) -> bool:
    return all(taken[1] <= start or taken[0] >= stop for start, stop in row)


def _sentence(
    words: str,
    columns: Mapping[str, str],
    rows: Mapping[str, NDArray[np.float64]],
    best_epoch: float | None,
) -> str:
    parts = []
    for name, column in columns.items():
        values = rows.get(column, np.empty(0))
        values = values[np.isfinite(values)]
        if len(values):
            parts.append(f"{name} from {values[0]:.3g} to {values[-1]:.3g} over {len(values)} epochs")
    best = f"; best epoch {best_epoch:g}" if best_epoch is not None else ""
    return f"{words}: {', '.join(parts)}{best}." if parts else f"{words}: nothing learned yet."
