"""Which themes and widths the browser tests go through: all of them under `make soak`, else what differs most."""

from __future__ import annotations

import os

EVERYTHING = bool(os.environ.get("MEDILYTICA_EVERYTHING"))
THEMES = ["light", "dark"] if EVERYTHING else ["light"]
"""Dark is gone through by the journey and the harness each time."""


def some(widths: list[int]) -> list[int]:
    """Return all widths, or the narrowest and the widest."""
    return widths if EVERYTHING else [widths[0], widths[-1]]
