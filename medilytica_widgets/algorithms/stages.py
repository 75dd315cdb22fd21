"""At which sizes an estimator that learns in stages is looked at; see `medilytica_widgets.algorithms.base.Staged`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def counted_by(staged: str) -> str:
    """Return the parameter that says how many stages there are at most."""
    return {"callback": "max_iter", "partial_fit": "epochs"}.get(staged, staged)


def stage_sizes(staged: str, values: Mapping[str, Any]) -> list[int]:
    """Return the growing sizes, the last being the full one; for ``"callback"`` the most iterations."""
    full = int(values[counted_by(staged)])
    if staged == "callback":
        return [full]
    # a pass costs the same each time
    return list(range(1, full + 1)) if staged == "partial_fit" else growing_sizes(full)


def growing_sizes(full: int, share: int = 16) -> list[int]:
    """Return stage sizes that grow by one at first and by a ``1/share`` part later, up to ``full``.

    A stage is evaluated with all that was grown before it, so that equal steps would cost the
    square of their number.
    """
    sizes = [1]
    while sizes[-1] < full:
        sizes.append(min(full, sizes[-1] + max(1, sizes[-1] // share)))
    return sizes
