"""Older versions of the specification, brought up to this one.

Each step is a pure function of plain data, from one version to the next, and stays as it is once released: files of
every version are kept in ``tests/golden``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .errors import SpecError

SPEC_VERSION = 2
"""The version that this package writes."""


def _from_1(plain: dict[str, Any]) -> dict[str, Any]:
    """Add the steps in front of the algorithm: version 1 knew none."""
    return {"preprocessing": [], **plain, "version": 2}


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""By the version that it takes; it gives the next."""


def migrated(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification's plain data in the present version; the given data are not changed.

    Data without a version are of the present one, as a person writes them.

    Raises
    ------
    SpecError
        For a version that this package does not know.
    """
    now = dict(plain)
    version = now.get("version", SPEC_VERSION)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SpecError(
            f"The specification's version is {version!r}; it is a whole number from 1 to {SPEC_VERSION}. "
            "Leave it out for the present one."
        )
    if version > SPEC_VERSION:
        raise SpecError(
            f"The specification is of version {version}; this package reads versions 1 to {SPEC_VERSION}. "
            "Update medilytica-widgets to the release that wrote it."
        )
    while version < SPEC_VERSION:
        now = MIGRATIONS[version](now)
        version += 1
    return now
