"""Static output, papermill's parameters, and reports.

Names that need nbconvert and papermill (`make_report`, `notebook_html`) live in `report.notebook` and `report.export`.
"""

from ..headless import (
    check_injected,
    check_notebook,
    check_parameters,
    declared_parameters,
    injected_parameters,
    is_headless,
)
from .html import (
    Html,
    card,
    code,
    escape,
    format_value,
    grid,
    grouped,
    join,
    key_values,
    metrics,
    pills,
    plain_text,
    section,
    sentence,
    table,
)
from .static import Display, figure, plotly_script, style

__all__ = [
    "Display",
    "Html",
    "card",
    "check_injected",
    "check_notebook",
    "check_parameters",
    "code",
    "declared_parameters",
    "escape",
    "figure",
    "format_value",
    "grid",
    "grouped",
    "injected_parameters",
    "is_headless",
    "join",
    "key_values",
    "metrics",
    "pills",
    "plain_text",
    "plotly_script",
    "section",
    "sentence",
    "style",
    "table",
]
