"""Places in a list as text: one can always be found between two, so that a move writes one value.

The method is fractional indexing with base-62 digits. Two people who put something at the same place at the same
time may find the same text; their ids then decide, the same way for everyone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(DIGITS)}
_BASE = len(DIGITS)


def between(left: str, right: str) -> str:
    """Return a place after ``left`` and before ``right``; an empty one is the end of the list.

    ``left`` is less than ``right``; what are no digits in either are taken as the lowest one.
    """
    found: list[str] = []
    bounded = bool(right)
    for place in range(max(len(left), len(right)) + 2):
        low = _VALUES.get(left[place], 0) if place < len(left) else 0
        high = (_VALUES.get(right[place], 0) if place < len(right) else 0) if bounded else _BASE
        if high - low > 1:
            return "".join(found) + DIGITS[(low + high) // 2]
        found.append(DIGITS[low])
        # one less than the upper bound here: whatever follows is below it
        bounded = bounded and high == low
    return "".join(found) + DIGITS[_BASE // 2]


def spread(count: int) -> list[str]:
    """Return places for a list that is written for the first time."""
    width, room = 1, _BASE
    while room <= 2 * (count + 1):
        width, room = width + 1, room * _BASE
    step = room // (count + 1)
    return [_text((index + 1) * step, width) for index in range(count)]


def placed(order: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the places to write, by id, so that the ids stand in the order given; as few as can be.

    ``known`` has the present places; an id without one is new.
    """
    present = [key for key in order if key in known]
    if len(present) == len(order) and present == sorted(present, key=lambda key: (known[key], key)):
        return {}
    kept = _rising([known.get(key) for key in order])
    written: dict[str, str] = {}
    left = ""
    for index, key in enumerate(order):
        if index in kept:
            left = known[key]
            continue
        right = next((known[order[later]] for later in range(index + 1, len(order)) if later in kept), "")
        left = written[key] = between(left, right)
    return written


def _rising(places: Sequence[str | None]) -> set[int]:
    """Return the indices of a longest strictly rising run of places that another can stand before and between."""
    ends: list[str] = []
    last: list[int] = []
    before: dict[int, int] = {}
    for index, place in enumerate(places):
        if not place or not _usable(place):
            continue
        at = bisect_left(ends, place)
        if at:
            before[index] = last[at - 1]
        ends[at:] = [place, *ends[at + 1 :]]
        last[at:] = [index, *last[at + 1 :]]
    kept: set[int] = set()
    at_index: int | None = last[-1] if last else None
    while at_index is not None:
        kept.add(at_index)
        at_index = before.get(at_index)
    return kept


def _usable(place: str) -> bool:
    # nothing stands before one that ends in the lowest digit; a foreign or endless text is replaced
    return place[-1] != DIGITS[0] and len(place) <= 200 and all(digit in _VALUES for digit in place)


def _text(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, _BASE)
        digits.append(DIGITS[rest])
    text = "".join(reversed(digits))
    return text if text[-1] != DIGITS[0] else text[:-1] + DIGITS[1]
