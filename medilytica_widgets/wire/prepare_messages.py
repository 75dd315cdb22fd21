"""Bodies of the requests about the split and the steps of the preparation; `messages` holds the contract."""

from __future__ import annotations

from typing import Any, TypedDict


class StepAdd(TypedDict):
    """Insert a step, in its plain form, before position ``index``."""

    step: dict[str, Any]
    index: int


class StepAt(TypedDict):
    """Remove the step at ``index``."""

    index: int


class StepMove(TypedDict):
    """Move the step at ``index`` so that it stands at ``to``."""

    index: int
    to: int


class StepUpdate(TypedDict):
    """Change ``options``, ``columns`` or ``kind`` of the step at ``index``; what is left out stays."""

    index: int
    fields: dict[str, Any]


class StepPicture(TypedDict):
    """A column before a step and what came of it; step -1 is the default preparation.

    ``version`` is that of the preparation that was computed; ``column`` may be empty.
    """

    step: int
    column: str
    version: int


class SplitSet(TypedDict):
    """Divide the rows in another way: ``method``, ``column``, ``validation``, ``test``, ``folds``, ``fold``."""

    fields: dict[str, Any]
