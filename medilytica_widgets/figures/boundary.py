"""The decision boundary: what the model would answer over two columns, under the rows it was tested on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .png import data_uri, encode_png
from .theme import Figure, Theme, ThemeName, axis, get_theme, layout, numbers, palette, plain, rgb, symbol

_FAINT, _FULL = 0.14, 0.62  # opacity of a region where the model is at its least and at its most sure
_SCALE_LIGHT = ("#f3f7fb", "#9ec9e8", "#0072b2", "#00304d")
_SCALE_DARK = ("#16222c", "#1d4f70", "#56b4e9", "#dff1fc")


class BoundaryLike(Protocol):
    """What `medilytica_widgets.evaluate.boundary` returns."""

    @property
    def x(self) -> str:
        """Column across."""

    @property
    def y(self) -> str:
        """Column upwards."""

    @property
    def x_range(self) -> tuple[float, float]:
        """Left and right end, in the column's own unit."""

    @property
    def y_range(self) -> tuple[float, float]:
        """Lower and upper end, in the column's own unit."""

    @property
    def x_log(self) -> bool:
        """Whether the axis across is logarithmic."""

    @property
    def y_log(self) -> bool:
        """Whether the axis upwards is logarithmic."""

    @property
    def classes(self) -> NDArray[np.uint8]:
        """Index of the most likely class, shape (height, width), top row first."""

    @property
    def confidence(self) -> NDArray[np.uint8]:
        """Its probability times 255, of the same shape."""

    @property
    def points(self) -> Mapping[str, ArrayLike]:
        """Rows tested on: ``x``, ``y``, ``label`` (class index), ``wrong``; for regression perhaps ``value``."""

    @property
    def held_sentence(self) -> str:
        """What the other columns are held at."""


def boundary_pixels(
    classes: NDArray[np.uint8],
    confidence: NDArray[np.uint8],
    n_classes: int,
    theme: ThemeName | Theme | None = None,
) -> NDArray[np.uint8]:
    """Return the picture of a grid of answers.

    Parameters
    ----------
    classes : ndarray of uint8, shape (height, width)
        Index of the most likely class; the top row is the highest y. Not read when ``n_classes`` is 0.
    confidence : ndarray of uint8, shape (height, width)
        Its probability times 255; for regression the predicted value, 0 to 255 over the range of values.
    n_classes : int
        0 for regression.
    theme : {"light", "dark"} or Theme, optional

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        RGBA. The surface shows through where the model is unsure: opacity grows from a probability of
        1 / ``n_classes``, the least that the most likely class can have, to 1.
    """
    look = get_theme(theme)
    pixels = np.empty((*np.asarray(classes).shape, 4), dtype=np.uint8)
    if n_classes == 0:
        pixels[:, :, :3] = _ramp(look)[confidence]
        pixels[:, :, 3] = 255
        return pixels
    colours = np.array([rgb(palette(i, look.dark)) for i in range(n_classes)], dtype=np.uint8)
    pixels[:, :, :3] = colours[np.minimum(classes, n_classes - 1)]
    least = 1 / n_classes
    share = np.clip((confidence / 255 - least) / max(1 - least, 1e-9), 0, 1)
    pixels[:, :, 3] = np.rint(255 * (_FAINT + (_FULL - _FAINT) * share)).astype(np.uint8)
    return pixels


def _stops(look: Theme) -> tuple[str, ...]:
    return _SCALE_DARK if look.dark else _SCALE_LIGHT


def _ramp(look: Theme) -> NDArray[np.uint8]:
    stops = np.array([rgb(colour) for colour in _stops(look)], dtype=np.float64)
    at, where = np.linspace(0, 1, 256), np.linspace(0, 1, len(stops))
    return np.stack([np.interp(at, where, stops[:, k]) for k in range(3)], axis=1).round().astype(np.uint8)


def boundary(
    grid: BoundaryLike,
    classes: Sequence[str] = (),
    *,
    value_range: tuple[float, float] | None = None,
    target: str = "prediction",
    title: str = "",
    height: int = 420,
    theme: ThemeName | Theme | None = None,
) -> Figure:
    """Return the decision boundary as a figure.

    Each class has its colour and its symbol; a row that the model gets wrong has a dark ring and a dot inside.
    Values held while the two columns vary are said in ``layout["meta"]["held"]``.

    Parameters
    ----------
    grid : Boundary
        Ranges are in the columns' own units, also where the axis is logarithmic. Rows at or below 0 on a
        logarithmic axis cannot be drawn and are left out.
    classes : sequence of str
        Names in the order of the class indices; empty for regression.
    value_range : (float, float), optional
        Regression: the values that confidence 0 and 255 stand for, shown as a colour bar.
    target : str
        Name of the column that is predicted, for the colour bar and the alternative text.
    title, height, theme
        As for `curves`.
    """
    look = get_theme(theme)
    png = encode_png(boundary_pixels(grid.classes, grid.confidence, len(classes), look))
    x_low, x_high = _in_axis(grid.x_range, grid.x_log)
    y_low, y_high = _in_axis(grid.y_range, grid.y_log)
    image = {
        "source": data_uri(png),
        "xref": "x",
        "yref": "y",
        "x": x_low,
        "y": y_high,
        "sizex": x_high - x_low,
        "sizey": y_high - y_low,
        "xanchor": "left",
        "yanchor": "top",
        "sizing": "stretch",
        "layer": "below",
    }
    traces = _classes(grid, classes, look) if classes else _values(grid, value_range, target, look)
    legend = {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "font": {"size": 11, "color": look.ink2},
        "itemsizing": "constant",
        "bgcolor": "rgba(0,0,0,0)",
    }
    return {
        "data": traces,
        "layout": layout(
            look,
            plain(title),
            height,
            _sentence(grid, classes, target),
            margin={"l": 48, "r": 12, "t": 62 if title else 40, "b": 40},
            xaxis=_axis(look, grid.x, (x_low, x_high), grid.x_log),
            yaxis=_axis(look, grid.y, (y_low, y_high), grid.y_log),
            images=[image],
            showlegend=bool(classes),
            legend=legend,
            hovermode="closest",
            meta={"alt": _sentence(grid, classes, target), "held": grid.held_sentence},
        ),
    }


def _in_axis(limits: tuple[float, float], log: bool) -> tuple[float, float]:
    """Return a range as plotly counts on the axis: powers of ten where it is logarithmic."""
    low, high = (math.log10(v) for v in limits) if log else limits
    return float(low), float(high)


def _axis(look: Theme, column: str, limits: tuple[float, float], log: bool) -> dict[str, Any]:
    name = plain(column, 40) + (" (log)" if log else "")
    kind = {"type": "log", "dtick": 1 if limits[1] - limits[0] >= 2 else "D2"} if log else {"nticks": 7}
    return axis(look, name, range=list(limits), showgrid=False, showline=True, mirror=True, **kind)


def _classes(grid: BoundaryLike, classes: Sequence[str], look: Theme) -> list[dict[str, Any]]:
    """Return two traces a class, right rows and wrong rows, and one that explains the ring."""
    x, y = (np.asarray(grid.points[name], dtype=np.float64) for name in ("x", "y"))
    label, wrong = np.asarray(grid.points["label"]), np.asarray(grid.points["wrong"], dtype=bool)
    drawn = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not grid.x_log)) & ((y > 0) | (not grid.y_log))
    columns = f"{plain(grid.x)}: %{{x:.4g}}<br>{plain(grid.y)}: %{{y:.4g}}"
    traces = []
    for index, name in enumerate(classes):
        colour, words = palette(index, look.dark), plain(name, 40)
        for is_wrong in (False, True):
            rows = drawn & (label == index) & (wrong == is_wrong)
            mark: dict[str, Any] = {"color": colour, "size": 7, "symbol": symbol(index)}
            mark["line"] = {"color": look.surface, "width": 0.8}
            if is_wrong:
                mark |= {"symbol": symbol(index) + "-dot", "size": 8, "line": {"color": look.ink, "width": 1.6}}
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": words,
                    "legendgroup": f"class {index}",
                    "showlegend": not is_wrong,
                    "x": numbers(x[rows]),
                    "y": numbers(y[rows]),
                    "marker": mark,
                    "hovertemplate": f"{words}{', taken for another class' if is_wrong else ''}<br>{columns}"
                    "<extra></extra>",
                }
            )
    if bool(np.any(drawn & wrong)):
        ring = {"symbol": "circle-dot", "size": 8, "color": look.grid, "line": {"color": look.ink, "width": 1.6}}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "ringed: wrong",
                "x": [None],
                "y": [None],
                "marker": ring,
                "hoverinfo": "skip",
            }
        )
    return traces


def _values(
    grid: BoundaryLike, value_range: tuple[float, float] | None, target: str, look: Theme
) -> list[dict[str, Any]]:
    """Return the rows of a regression, with the colour bar where the range of values is known."""
    x, y = (np.asarray(grid.points[name], dtype=np.float64) for name in ("x", "y"))
    drawn = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not grid.x_log)) & ((y > 0) | (not grid.y_log))
    mark: dict[str, Any] = {"color": look.surface, "size": 6, "line": {"color": look.ink, "width": 1}}
    hover = f"{plain(grid.x)}: %{{x:.4g}}<br>{plain(grid.y)}: %{{y:.4g}}"
    more: dict[str, Any] = {}
    if value_range is not None:
        stops = _stops(look)
        mark |= {
            "cmin": float(value_range[0]),
            "cmax": float(value_range[1]),
            "colorscale": [[i / (len(stops) - 1), colour] for i, colour in enumerate(stops)],
            "showscale": True,
            "colorbar": {
                "title": {"text": plain(target, 30), "side": "right", "font": {"size": 11, "color": look.ink2}},
                "thickness": 10,
                "outlinewidth": 0,
                "tickfont": {"size": 11, "color": look.ink3},
            },
        }
        known = grid.points.get("value")
        # a colour bar needs numbers as colours, so rows of unknown value stand in the middle of the range
        middle = (value_range[0] + value_range[1]) / 2
        mark["color"] = (
            numbers(np.asarray(known, dtype=np.float64)[drawn]) if known is not None else [middle] * int(drawn.sum())
        )
        if known is not None:
            hover += f"<br>{plain(target)}: %{{marker.color:.4g}}"
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": plain(target),
            "x": numbers(x[drawn]),
            "y": numbers(y[drawn]),
            "marker": mark,
            "hovertemplate": hover + "<extra></extra>",
            **more,
        }
    ]


def _sentence(grid: BoundaryLike, classes: Sequence[str], target: str) -> str:
    held = f" {grid.held_sentence.rstrip('.')}." if grid.held_sentence else ""
    if not classes:
        return f"Predicted {target} over {grid.x} and {grid.y}.{held}"
    share = np.bincount(np.asarray(grid.classes).ravel(), minlength=len(classes)) / max(
        np.asarray(grid.classes).size, 1
    )
    parts = ", ".join(f"{name} {share[i]:.0%}" for i, name in enumerate(classes))
    wrong = np.asarray(grid.points["wrong"], dtype=bool)
    rows = f" {int(wrong.sum())} of {len(wrong)} rows shown are wrong." if len(wrong) else ""
    return f"Decision regions over {grid.x} and {grid.y}, as shares of the picture: {parts}.{rows}{held}"
