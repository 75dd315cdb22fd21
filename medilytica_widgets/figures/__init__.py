"""Every figure as a pure function from plain data to a plotly figure as plain data.

Only the trace types of plotly.js's basic bundle are used: scatter and bar. What a function returns can be given to
`plotly.graph_objects.Figure`, to ``Plotly.newPlot`` and to `medilytica_widgets.report.figure`.
"""

from .bars import counts, histogram, per_class
from .boundary import boundary, boundary_pixels
from .confusion import confusion
from .curves import curves, decimate, mark_text, metric_label
from .png import data_uri, encode_png
from .profiles import column_bars, score_parts
from .theme import PALETTE, PALETTE_DARK, THEMES, Figure, Theme, ThemeName, get_theme, palette, plain, symbol

__all__ = [
    "PALETTE",
    "PALETTE_DARK",
    "THEMES",
    "Figure",
    "Theme",
    "ThemeName",
    "boundary",
    "boundary_pixels",
    "column_bars",
    "confusion",
    "counts",
    "curves",
    "data_uri",
    "decimate",
    "encode_png",
    "get_theme",
    "histogram",
    "mark_text",
    "metric_label",
    "palette",
    "per_class",
    "plain",
    "score_parts",
    "symbol",
]
