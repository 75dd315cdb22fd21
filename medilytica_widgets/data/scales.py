"""Scales that words are on: low to high, Likert, clothes' sizes, Roman numerals, ranges, months."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Each place of a scale with the words for it, from the least to the most.
_SCALES: dict[str, tuple[tuple[str, ...], ...]] = {
    "a scale from low to high": (
        ("lowest",), ("very low", "very_low", "verylow"), ("low",), ("medium", "mid", "moderate", "middle", "normal"),
        ("high",), ("very high", "very_high", "veryhigh"), ("highest",),
    ),
    "a scale of sizes": (
        ("tiny",), ("very small",), ("small",), ("medium", "mid"), ("large", "big"), ("very large",), ("huge",),
    ),
    "clothes' sizes": (("xxs",), ("xs",), ("s",), ("m",), ("l",), ("xl",), ("xxl", "2xl"), ("xxxl", "3xl")),
    "a scale of agreement": (
        ("strongly disagree",), ("disagree",), ("somewhat disagree",),
        ("neutral", "neither agree nor disagree", "undecided"),
        ("somewhat agree",), ("agree",), ("strongly agree",),
    ),
    "a scale of satisfaction": (
        ("very dissatisfied", "very unsatisfied"), ("dissatisfied", "unsatisfied"), ("neutral",), ("satisfied",),
        ("very satisfied",),
    ),
    "a scale of frequency": (
        ("never",), ("rarely", "seldom"), ("sometimes", "occasionally"), ("often", "frequently"), ("usually",),
        ("always",),
    ),
    "a scale from poor to excellent": (
        ("very poor", "very bad"), ("poor", "bad"), ("fair", "average"), ("good",), ("very good",), ("excellent",),
    ),
    "a scale of severity": (
        ("none", "absent"), ("minimal",), ("mild",), ("moderate",), ("severe",), ("very severe", "critical"),
    ),
    "the days of the week": tuple(
        (day, day[:3]) for day in "monday tuesday wednesday thursday friday saturday sunday".split()
    ),
    "the months": tuple(
        (month, month[:3])
        for month in "january february march april may june july august september october november december".split()
    ),
    "the first, second, third": (
        ("first", "1st"), ("second", "2nd"), ("third", "3rd"), ("fourth", "4th"), ("fifth", "5th"), ("sixth", "6th"),
    ),
}  # fmt: skip
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_STEP = re.compile(r"^(stage|grade|level|phase|tier|q|quarter)[\s_-]*(\d{1,2}|[ivx]{1,4})$")
_RANGE = re.compile(
    r"^(?:(?P<below><=?|under|up to)\s*\d+|(?P<low>\d+)\s*(?:-|–|to)\s*(?P<high>\d+)|(?:>=?|over)\s*(?P<above>\d+)"
    r"|(?P<plus>\d+)\s*\+)$"
)
_LEAST = 3


def order_of(labels: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the scale that all labels are on and the labels in its order; None for fewer than three, or any doubt."""
    words = {label: " ".join(label.lower().split()) for label in labels}
    if len(set(words.values())) < max(_LEAST, len(labels)):
        return None
    for scale, places in _SCALES.items():
        rank = {word: place for place, names in enumerate(places) for word in names}
        if found := _ranked(words, rank):
            return scale, found
    # two or three letters that happen to be numerals are not enough: a scale of numerals begins at its beginning
    if {"i", "ii"} <= set(words.values()) and (found := _ranked(words, {w: n for n, w in enumerate(_ROMAN)})):
        return "the Roman numerals", found
    return _steps(words) or _ranges(words)


def _ranked(words: dict[str, str], rank: dict[str, int]) -> list[str] | None:
    if not all(word in rank for word in words.values()):
        return None
    places = [rank[word] for word in words.values()]
    return sorted(words, key=lambda label: rank[words[label]]) if len(set(places)) == len(places) else None


def _steps(words: dict[str, str]) -> tuple[str, list[str]] | None:
    found = {label: _STEP.match(word) for label, word in words.items()}
    rank: dict[str, int] = {}
    names: set[str] = set()
    for label, match in found.items():
        if match is None:
            return None
        names.add(match[1])
        if not match[2].isdigit() and match[2] not in _ROMAN:
            return None
        rank[label] = int(match[2]) if match[2].isdigit() else _ROMAN.index(match[2]) + 1
    if len(names) != 1 or len(set(rank.values())) != len(rank):
        return None
    return f"one series: {next(iter(names))} and a number", sorted(rank, key=lambda label: rank[label])


def _ranges(words: dict[str, str]) -> tuple[str, list[str]] | None:
    rank: dict[str, float] = {}
    for label, word in words.items():
        match = _RANGE.match(word)
        if match is None:
            return None
        if match["low"] is not None:
            if int(match["low"]) >= int(match["high"]):
                return None
            rank[label] = float(match["low"])
        else:
            rank[label] = -1.0 if match["below"] else float(match["above"] or match["plus"])
    if len(set(rank.values())) != len(rank):
        return None
    return "ranges that follow each other", sorted(rank, key=lambda label: rank[label])
