"""Bars: scores of each class, how the values of a column spread, and counts of categories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .theme import Figure, Theme, ThemeName, axis, get_theme, layout, numbers, palette, plain

_SCORES = (("precision", ""), ("recall", "/"), ("f1", "x"))  # the pattern tells the bars apart without colour


def per_class(
    rows: Sequence[Mapping[str, Any]],
    classes: Sequence[str] | None = None,
    *,
    title: str = "",
    height: int | None = None,
    theme: ThemeName | Theme | None = None,
) -> Figure:
    """Return precision, recall and F1 of every class as bars from 0 to 1.

    Parameters
    ----------
    rows : sequence of mapping
        ``{"class", "precision", "recall", "f1", "support"}`` of one class each; ``"class"`` may be left out
        when ``classes`` gives the names, ``"support"`` (how many true rows) always.
    classes : sequence of str, optional
    title, height, theme
        As for `confusion`.
    """
    look = get_theme(theme)
    names = [str(row.get("class", index)) for index, row in enumerate(rows)] if classes is None else list(classes)
    ticks = []
    for name, row in zip(names, rows, strict=True):
        support = row.get("support")
        ticks.append(plain(name, 24) + (f"<br>{int(support)} rows" if support is not None else ""))
    traces = []
    for index, (score, pattern) in enumerate(_SCORES):
        values = numbers([row[score] for row in rows])
        label = "F1" if score == "f1" else score
        traces.append(
            {
                "type": "bar",
                "name": label,
                "orientation": "h",
                "y": list(range(len(rows))),
                "x": values,
                "text": [_score(v) for v in values],
                "textposition": "outside",
                "textfont": {"size": 11, "color": look.ink2},
                "cliponaxis": False,
                "marker": {
                    "color": palette(index, look.dark),
                    "pattern": {"shape": pattern, "fgcolor": look.surface, "size": 5, "fillmode": "overlay"},
                },
                "hovertemplate": f"{label} %{{x:.3f}}<extra>%{{customdata}}</extra>",
                "customdata": [plain(name, 40) for name in names],
            }
        )
    scores = "; ".join(
        f"{name} " + ", ".join(f"{s} {_score(row[s])}" for s, _ in _SCORES)
        for name, row in zip(names, rows, strict=True)
    )
    top = 58 if title else 36
    return {
        "data": traces,
        "layout": layout(
            look,
            plain(title),
            height or top + 40 + 62 * max(len(rows), 1),
            f"Scores of each class: {scores}.",
            margin={"l": 60, "r": 36, "t": top, "b": 32},
            barmode="group",
            bargap=0.28,
            bargroupgap=0.12,
            xaxis=axis(look, range=[0, 1], nticks=6),
            yaxis=axis(
                look,
                tickmode="array",
                tickvals=list(range(len(rows))),
                ticktext=ticks,
                autorange="reversed",
                showgrid=False,
            ),
            showlegend=True,
            legend={
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": 1,
                "yanchor": "bottom",
                "font": {"size": 11, "color": look.ink2},
            },
            hovermode="closest",
        ),
    }


def _score(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.2f}"


def histogram(
    values: ArrayLike,
    *,
    name: str = "",
    bins: int = 30,
    log: bool = False,
    title: str = "",
    height: int = 200,
    theme: ThemeName | Theme | None = None,
) -> Figure:
    """Return how numbers spread.

    Parameters
    ----------
    values : array_like of float
        Missing and infinite values are left out, and values at or below 0 where ``log``; the alternative
        text says how many.
    name : str
        The axis title: the column.
    bins : int
        Of equal width, on the logarithm where ``log``.
    log : bool
        Logarithmic values axis.
    title, height, theme
        As for `confusion`.
    """
    look = get_theme(theme)
    every = np.asarray(values, dtype=np.float64).ravel()
    kept = every[np.isfinite(every) & ((every > 0) | (not log))]
    counts, edges = np.histogram(np.log10(kept) if log else kept, bins=bins)
    if log:
        edges = 10.0**edges
    # the middle in the column's own unit also on a logarithmic axis: plotly takes half the width off on either side
    centres = (edges[:-1] + edges[1:]) / 2
    trace = {
        "type": "bar",
        "name": plain(name),
        "x": numbers(centres, 9),
        "y": [int(c) for c in counts],
        "width": numbers(np.diff(edges), 9),
        "marker": {"color": palette(0, look.dark), "line": {"color": look.surface, "width": 0.5}},
        "customdata": [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)],
        "hovertemplate": "%{customdata}: %{y}<extra></extra>",
    }
    spread = (
        f"half lie between {np.quantile(kept, 0.25):.4g} and {np.quantile(kept, 0.75):.4g}" if len(kept) else "none"
    )
    missing = f"; {len(every) - len(kept)} left out" if len(kept) < len(every) else ""
    kind: dict[str, Any] = {"type": "log", "dtick": 1} if log else {}
    return _upright(
        [trace], look, name, title, height, f"{name or 'Values'}: {len(kept)} values, {spread}{missing}.", kind
    )


def counts(
    categories: Mapping[str, int],
    *,
    name: str = "",
    classes: bool = False,
    title: str = "",
    height: int = 200,
    theme: ThemeName | Theme | None = None,
) -> Figure:
    """Return how often each category occurs, in the order given.

    Parameters
    ----------
    categories : mapping of str to int
    name : str
        The axis title: the column.
    classes : bool
        Whether the categories are the classes in their order, so that each wears its colour.
    title, height, theme
        As for `confusion`.
    """
    look = get_theme(theme)
    values = [int(v) for v in categories.values()]
    trace = {
        "type": "bar",
        "name": plain(name),
        "x": list(range(len(values))),
        "y": values,
        "text": [f"{v:,}".replace(",", "\u202f") for v in values],
        "textposition": "outside",
        "textfont": {"size": 11, "color": look.ink2},
        "cliponaxis": False,
        "marker": {"color": [palette(i, look.dark) for i in range(len(values))] if classes else palette(0, look.dark)},
        "customdata": [plain(c, 40) for c in categories],
        "hovertemplate": "%{customdata}: %{y}<extra></extra>",
    }
    ticks = {
        "tickmode": "array",
        "tickvals": list(range(len(values))),
        "ticktext": [plain(c, 18) for c in categories],
    }
    alt = f"{name or 'Counts'}: " + ", ".join(f"{c} {v}" for c, v in zip(categories, values, strict=True)) + "."
    return _upright([trace], look, name, title, height, alt, ticks, bargap=0.35)


def _upright(
    traces: list[dict[str, Any]],
    look: Theme,
    name: str,
    title: str,
    height: int,
    alt: str,
    kind: dict[str, Any],
    bargap: float = 0,
) -> Figure:
    return {
        "data": traces,
        "layout": layout(
            look,
            plain(title),
            height,
            alt,
            xaxis=axis(look, plain(name, 40), showgrid=False, showline=True, **kind),
            yaxis=axis(look, "rows", nticks=5),
            bargap=bargap,
            hovermode="closest",
        ),
    }
