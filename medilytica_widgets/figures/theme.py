"""Colours, symbols and the layout that every figure shares."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InputError

ThemeName = Literal["light", "dark"]
Figure = dict[str, Any]
"""A plotly figure as plain data: ``{"data": [trace, …], "layout": {…}}``, fit for JSON."""

# Okabe and Ito, "Color Universal Design" (https://jfly.uni-koeln.de/color/), in the order that keeps neighbours
# apart. Yellow and black are darkened and lightened on white, the whole set is lightened on dark, so that a thin
# line still shows; js/src/styles/index.css holds the same values as --mw-c0 … --mw-c7.
PALETTE: tuple[str, ...] = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b5a900", "#6b6b6b",
)  # fmt: skip
PALETTE_DARK: tuple[str, ...] = (
    "#56b4e9", "#f0b94a", "#3fc79a", "#e4a5c8", "#ff8a4c", "#9ad4f5", "#f0e442", "#b5b5b5",
)  # fmt: skip
_SYMBOLS = (
    "circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagon", "star",
    "triangle-left", "triangle-right", "star-square",
)  # fmt: skip


@dataclass(frozen=True)
class Theme:
    """The colours of the surface and of what is written on it."""

    name: ThemeName
    surface: str
    ink: str
    ink2: str
    ink3: str
    line: str
    grid: str

    @property
    def dark(self) -> bool:
        """Whether light ink stands on a dark surface."""
        return self.name == "dark"


THEMES: dict[str, Theme] = {
    "light": Theme("light", "#ffffff", "#1c2127", "#4f5964", "#66707c", "#dde1e7", "#eceff3"),
    "dark": Theme("dark", "#15191e", "#e8ebef", "#b3bcc6", "#98a3af", "#333c46", "#272e36"),
}


def get_theme(theme: ThemeName | Theme | None) -> Theme:
    """Return the theme of that name; None stands for light.

    Raises
    ------
    InputError
        Another name.
    """
    if isinstance(theme, Theme):
        return theme
    if theme is not None and theme not in THEMES:
        raise InputError(f"There is no theme {theme!r}; it is 'light' or 'dark'.")
    return THEMES[theme or "light"]


def palette(index: int, dark: bool = False) -> str:
    """Return the colour (``#rrggbb``) of class or series ``index``; it repeats after eight, `symbol` after eleven."""
    colours = PALETTE_DARK if dark else PALETTE
    return colours[index % len(colours)]


def symbol(index: int) -> str:
    """Return the marker of class ``index``, so that colour is never the only carrier."""
    return _SYMBOLS[index % len(_SYMBOLS)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Split ``#rrggbb`` into three numbers from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def blend(colour: str, surface: str, share: float) -> str:
    """Return the colour that ``colour`` gives on ``surface`` at an opacity of ``share`` (0 to 1)."""
    mixed = (round(a * share + b * (1 - share)) for a, b in zip(rgb(colour), rgb(surface), strict=True))
    return "#" + "".join(f"{c:02x}" for c in mixed)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [c / 255 for c in rgb(colour)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def readable(colour: str, theme: Theme, least: float = 4.5) -> str:
    """Return ``colour`` moved towards the ink until text in it reaches the contrast ``least`` on the surface."""
    for share in range(100, 0, -5):
        mixed = blend(colour, theme.ink, share / 100)
        if contrast(mixed, theme.surface) >= least:
            return mixed
    return theme.ink


def text_on(fill: str, theme: Theme) -> str:
    """Return the ink or the surface colour, whichever reads better on ``fill``."""
    return max((theme.ink, theme.surface), key=lambda colour: contrast(colour, fill))


def plain(text: object, limit: int | None = None) -> str:
    """Return text for a plotly label, which reads a subset of HTML: markup in it is shown, not obeyed.

    Parameters
    ----------
    text : object
    limit : int, optional
        Longer text is cut and ends in "…".
    """
    words = re.sub(r"\s+", " ", str(text)).strip()
    if limit is not None and len(words) > limit:
        words = words[: limit - 1].rstrip() + "…"
    # plotly turns the entities back into characters; "%{" would open a field of a hover template
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")


def numbers(values: Iterable[Any], digits: int = 6) -> list[float | None]:
    """Return numbers for JSON: plain floats of ``digits`` significant digits, None for what is not finite."""
    plain_numbers = (None if v is None else float(v) for v in values)
    return [None if v is None or not math.isfinite(v) else float(f"{v:.{digits}g}") for v in plain_numbers]


def axis(theme: Theme, title: str = "", **more: Any) -> dict[str, Any]:
    """Return an axis with hairline grid and quiet labels; ``more`` overrides."""
    return {
        "title": {"text": title, "font": {"size": 11, "color": theme.ink2}, "standoff": 6},
        "gridcolor": theme.grid,
        "linecolor": theme.line,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 11, "color": theme.ink3},
        "automargin": True,
    } | more


def layout(theme: Theme, title: str = "", height: int = 240, alt: str = "", **more: Any) -> dict[str, Any]:
    """Return the layout all figures start from; ``more`` overrides.

    The sentence ``alt`` says what is seen, for who cannot see it; it travels as ``layout["meta"]["alt"]``.
    """
    head: dict[str, Any] = {
        "text": title,
        "font": {"size": 12, "color": theme.ink2, "weight": 600},
        "x": 0,
        "xref": "container",
        "xanchor": "left",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "pad": {"l": 10, "t": 8},
    }
    return {
        "title": head,
        "height": height,
        "autosize": True,
        "margin": {"l": 48, "r": 16, "t": 32 if title else 12, "b": 40},
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 12, "color": theme.ink},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"bgcolor": theme.surface, "bordercolor": theme.line, "font": {"color": theme.ink, "size": 12}},
        "colorway": list(PALETTE_DARK if theme.dark else PALETTE),
        "showlegend": False,
        "dragmode": "zoom",
        "uirevision": "keep",
        "meta": {"alt": alt},
    } | more
