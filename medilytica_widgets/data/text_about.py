"""What the comment lines above a text table say of its columns: a description, and the unit at its end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

#: "COLUMN koi_period: Orbital Period [days]", as the tables of the NASA Exoplanet Archive have it.
_NASA = re.compile(r"^COLUMN\s+(\S+?)\s*:\s*(\S.*)$")
_ANY = re.compile(r"^(.{1,100}?)\s*(?:[:=\t]|\s[-–—]\s)\s*(\S.*)$")
_LONGEST = 300


def described(lines: Sequence[str], sign: str, columns: Sequence[Any]) -> dict[str, str]:
    """Return what comment lines say of columns, by the names as they stand in the file.

    Parameters
    ----------
    lines : list of str
        Above the table.
    sign : str
        What begins a comment.
    columns : list
    """
    known = {name for name in columns if isinstance(name, str) and name}
    found: dict[str, str] = {}
    for line in lines:
        words = line.strip().lstrip("\ufeff")
        if not sign or not words.startswith(sign):
            continue
        words = words.lstrip(sign).strip()
        match = _NASA.match(words) or _ANY.match(words)
        name = match[1].strip().strip("\"'`") if match else ""
        if match and name in known:
            # the first one is meant; a title may repeat a name further down
            found.setdefault(name, match[2].strip()[:_LONGEST])
    return found
