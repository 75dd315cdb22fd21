"""Bodies of the requests about a table's quality and its columns; `messages` holds the contract."""

from __future__ import annotations

from typing import TypedDict


class QualityRows(TypedDict):
    """Example rows of the finding at this place of the report."""

    finding: int


class ProfileRead(TypedDict):
    """The profile of a column."""

    column: str


class ProfileKind(TypedDict):
    """Give a column another kind; the detected one when ``kind`` is empty."""

    column: str
    kind: str
