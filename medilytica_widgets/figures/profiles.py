"""How a column spreads from what was counted already, and what a table's quality score is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from .bars import counts
from .theme import Figure, Theme, ThemeName, axis, get_theme, layout, numbers, palette, plain


def column_bars(
    bars: Mapping[str, Any],
    *,
    name: str = "",
    title: str = "",
    height: int = 200,
    theme: ThemeName | Theme | None = None,
) -> Figure:
    """Return the histogram or the most frequent values of a column.

    Parameters
    ----------
    bars : mapping
        ``bars`` of `medilytica_widgets.data.profiles.profile_of`.
    name : str
        The axis title: the column.
    title, height, theme
        As for `confusion`.
    """
    if bars["form"] == "categories":
        items = {str(label): int(count) for label, count in bars["items"]}
        if bars["others"]:
            items[f"{bars['others']:,} others"] = int(bars["rest"])
        return counts(items, name=name, title=title, height=height, theme=theme)
    look = get_theme(theme)
    edges = [float(edge) for edge in bars["edges"]]
    words = [_day(edge) if bars["dates"] else f"{edge:.4g}" for edge in edges]
    kind: dict[str, Any] = {"type": "log", "dtick": 1} if bars["log"] else {"type": "date"} if bars["dates"] else {}
    trace = {
        "type": "bar",
        "name": plain(name),
        "x": numbers([(low + high) / 2 for low, high in pairwise(edges)], 12 if bars["dates"] else 9),
        "y": [int(count) for count in bars["counts"]],
        "width": numbers([high - low for low, high in pairwise(edges)], 9),
        "marker": {"color": palette(0, look.dark), "line": {"color": look.surface, "width": 0.5}},
        "customdata": [f"{low} to {high}" for low, high in pairwise(words)],
        "hovertemplate": "%{customdata}: %{y}<extra></extra>",
    }
    top = max(range(len(bars["counts"])), key=lambda place: bars["counts"][place])
    alt = (
        f"{name or 'Values'}: {sum(bars['counts'])} values from {words[0]} to {words[-1]}, most of them between "
        f"{words[top]} and {words[top + 1]}."
    )
    return {
        "data": [trace],
        "layout": layout(
            look,
            plain(title),
            height,
            alt,
            xaxis=axis(look, plain(name, 40), showgrid=False, showline=True, **kind),
            yaxis=axis(look, "rows", nticks=5),
            bargap=0,
            hovermode="closest",
        ),
    }


def _day(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")


def score_parts(
    parts: Sequence[Mapping[str, Any]],
    *,
    title: str = "",
    height: int | None = None,
    theme: ThemeName | Theme | None = None,
) -> Figure:
    """Return the parts of a quality score as bars, each beside what it could be.

    Parameters
    ----------
    parts : sequence of mapping
        ``{"name", "points", "most", "reason"}`` of each part, as `medilytica_widgets.data.ScorePart` has them.
    title, height, theme
        As for `confusion`.
    """
    look = get_theme(theme)
    names = [plain(part["name"], 24) for part in parts]
    points = [float(part["points"]) for part in parts]
    lost = [float(part["most"]) - have for part, have in zip(parts, points, strict=True)]
    reasons = [plain(part["reason"] or "nothing found", 90) for part in parts]
    shared = {"type": "bar", "orientation": "h", "y": names, "customdata": reasons}
    traces = [
        {
            **shared,
            "name": "points",
            "x": numbers(points),
            "marker": {"color": palette(2, look.dark)},
            "hovertemplate": "%{y}: %{x:.3g} points, %{customdata}<extra></extra>",
        },
        {
            **shared,
            "name": "lost",
            "x": numbers(lost),
            # the pattern tells what is lost without colour
            "marker": {"color": look.grid, "pattern": {"shape": "/", "fgcolor": palette(4, look.dark), "size": 5}},
            "text": [f"{have:.3g} of {float(part['most']):g}" for have, part in zip(points, parts, strict=True)],
            "textposition": "outside",
            "textfont": {"size": 11, "color": look.ink2},
            "cliponaxis": False,
            "hovertemplate": "%{y}: %{x:.3g} points lost, %{customdata}<extra></extra>",
        },
    ]
    said = ", ".join(f"{part['name']} {part['points']:.3g} of {part['most']:g}" for part in parts)
    return {
        "data": traces,
        "layout": layout(
            look,
            plain(title),
            height or 60 + 26 * max(len(names), 1),
            f"Parts of the score: {said}.",
            barmode="stack",
            bargap=0.35,
            margin={"l": 60, "r": 70, "t": 40 if title else 12, "b": 28},
            xaxis=axis(look, "points", nticks=6),
            yaxis=axis(look, autorange="reversed", showgrid=False),
            showlegend=False,
            hovermode="closest",
        ),
    }
