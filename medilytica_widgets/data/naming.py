"""What the words of a column's name say."""

from __future__ import annotations

import re
from typing import Literal

_NUMBER_WORDS = frozenset(
    "id ids identifier uuid guid uid key pk row rowid rowno index idx no nr num number serial "
    "ssn record accession code".split()
)
_TEXT_WORDS = _NUMBER_WORDS | frozenset("name names email mail phone url uri link address hash ticket doi isbn".split())
# ordinary words that end in "id" or "key" without naming anything
_NOT_IDS = frozenset(
    "acid amid arid avid aid bid covid fluid grid humid hybrid kid lid lipid liquid mid orchid paid "
    "pyramid rapid rigid said solid steroid thyroid valid vivid centroid void turkey monkey".split()
)


def words_of(name: str) -> list[str]:
    """Return the words of a column name: ``kepoiName_2`` has kepoi, name and 2."""
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def name_speaks(name: str, text: bool) -> Literal["", "weak", "strong"]:
    """Tell whether a name is an identifier's: "strong" as a word of its own, "weak" as the end of one (``kepid``)."""
    words = words_of(name)
    if any(word in (_TEXT_WORDS if text else _NUMBER_WORDS) for word in words):
        return "strong"
    if any(word.endswith(("id", "uuid", "key")) and word not in _NOT_IDS for word in words):
        return "weak"
    return ""


def says_id(name: str) -> bool:
    """Tell whether a word of a name is "id" or ends so."""
    return any(word.endswith("id") and word not in _NOT_IDS for word in words_of(name))
