"""What the values of a column seem to mean beyond their kind: a unit, an order, a currency, a place on the globe, ….

Hints are careful: a name alone is believed only where its values fit, and what could as well be something else gets
none. Nothing is changed because of a hint; it is there to be read, and for a person or a panel to act on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .cleaning import FEW_VALUES, Cells
from .naming import says_id, words_of
from .scales import order_of
from .units import currency_in, stated_unit, unit_in, written_as

if TYPE_CHECKING:
    from .kinds import Column


class HintKind(StrEnum):
    """What a hint is about."""

    UNIT = "unit"
    ORDERED = "ordered"
    CURRENCY = "currency"
    PERCENT = "percent"
    LATITUDE = "latitude"
    LONGITUDE = "longitude"
    COORDINATES = "coordinates"
    ANGLE = "angle"
    YEAR = "year"
    POSTAL_CODE = "postal_code"
    PHONE = "phone"
    BOOLEAN = "boolean"
    ID = "id"


class Hint(NamedTuple):
    """One guess about a column.

    Attributes
    ----------
    kind : HintKind
    value : str
        The unit, the currency, the order ("low < medium < high"), the partner of a pair of coordinates, the word that
        means yes; empty where there is nothing more to say.
    evidence : str
        What spoke for it.
    """

    kind: HintKind
    value: str
    evidence: str


#: Distinct values of a text column that are looked at.
_SAMPLE = 2000
_YES_NO = (("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("off", "on"), ("absent", "present"))
_POSTAL = frozenset("zip zipcode postcode postalcode postal plz".split())
_PHONE = frozenset("phone telephone tel mobile fax cellphone".split())
_ANGLES = frozenset("angle azimuth bearing heading".split())


def hints_of(column: Column, cells: Cells) -> tuple[Hint, ...]:
    """Return what a column by itself seems to mean."""
    if column.kind in ("empty", "constant"):
        return ()
    if column.kind == "identifier":
        code = _named_code(column, cells)
        return (code or Hint(HintKind.ID, "", column.evidence),)
    if cells.storage == "number":
        return tuple(_number_hints(column, cells.values))
    if cells.storage == "text":
        return tuple(_text_hints(column, cells.values))
    return ()


def stated(column: Column, description: str) -> Column:
    """Return a column with what its file says of it, and the unit that follows."""
    unit = stated_unit(description) if column.kind in ("numeric", "binary", "constant", "identifier") else ""
    hints = column.hints
    if unit and column.kind == "numeric" and all(hint.value != unit for hint in hints):
        hints = (Hint(HintKind.UNIT, unit, f"the file says {description!r}"), *(h for h in hints if h.kind != "unit"))
    named = next((hint.value for hint in hints if hint.kind == HintKind.UNIT), "")
    return replace(column, hints=hints, description=description, unit=unit or named)


def _named_code(column: Column, cells: Cells) -> Hint | None:
    if cells.storage == "text":
        return _text_code(words_of(column.name), _distinct(cells.values))
    if cells.storage == "number":
        return _code(words_of(column.name), float(np.nanmin(cells.values)), float(np.nanmax(cells.values)))
    return None


def _distinct(values: NDArray[Any]) -> list[str]:
    present = values[~np.asarray(pd.isna(values), dtype=bool)]
    return [str(v) for v in pd.unique(present[: 20 * _SAMPLE])[:_SAMPLE]]


def _number_hints(column: Column, values: NDArray[Any]) -> list[Hint]:
    name, words = column.name, words_of(column.name)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    span = f"the values go from {low:g} to {high:g}"
    if flag := _flag(column, words, values):
        return [flag]
    if column.kind != "numeric":
        return []
    if _is_whole(values):
        if code := _code(words, low, high):
            return [code]
        if {"year", "yr", "yob"} & set(words) and 1500 <= low and high <= 2200 and high > low:
            return [Hint(HintKind.YEAR, "", f"the name says year and {span}")]
        if not column.discrete and says_id(name) and low >= 0:
            return [Hint(HintKind.ID, "", f"the name says id, though values repeat ({column.distinct:,} different)")]
    if "%" in name or {"pct", "percent", "percentage"} & set(words):
        return [Hint(HintKind.PERCENT, "%", f"the name says percent and {span}")] if abs(low) + abs(high) < 2e3 else []
    if currency := currency_in(name):
        return [Hint(HintKind.CURRENCY, currency, f"the name says {currency}")]
    if {"lat", "latitude"} & set(words) and -90 <= low and high <= 90:
        return [Hint(HintKind.LATITUDE, "degrees", f"the name says latitude and {span}")]
    if {"lon", "lng", "longitude"} & set(words) and -180 <= low and high <= 360:
        return [Hint(HintKind.LONGITUDE, "degrees", f"the name says longitude and {span}")]
    unit = unit_in(name)
    angle = _ANGLES & set(words)
    if (angle or unit == "degrees") and -360 <= low and high <= 360:
        said = f"the name says {next(iter(angle)) if angle else 'degrees'} and {span}"
        return [Hint(HintKind.ANGLE, "degrees" if unit == "degrees" or high > 10 else "", said)]
    return [Hint(HintKind.UNIT, unit, f"the name gives the unit {unit!r}")] if unit else []


def _is_whole(values: NDArray[Any]) -> bool:
    if values.dtype.kind == "i":
        return True
    present = values[~np.isnan(values)]
    return bool((present == np.trunc(present)).all())


def _code(words: Sequence[str], low: float, high: float) -> Hint | None:
    digits = f"whole numbers of {len(str(int(low)))} to {len(str(int(high)))} digits" if low >= 0 else ""
    if digits and _POSTAL & set(words) and 100 <= high < 1e9:
        return Hint(HintKind.POSTAL_CODE, "", f"the name says postal code, {digits}; no quantity")
    if digits and _PHONE & set(words) and 1e6 <= low and high < 1e15:
        return Hint(HintKind.PHONE, "", f"the name says telephone, {digits}; no quantity")
    return None


def _flag(column: Column, words: Sequence[str], values: NDArray[Any]) -> Hint | None:
    named = any(word.endswith("flag") for word in words) or (bool(words) and words[0] in ("is", "has", "was"))
    if not named or not (column.kind == "binary" or column.discrete):
        return None
    present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    other = int(((present != 0) & (present != 1)).sum())
    if other > 0.001 * len(present):
        return None
    more = f" in all but {other:,} row{'s' if other > 1 else ''}" if other else ""
    return Hint(HintKind.BOOLEAN, "1", f"the name says flag and the values are 0 and 1{more}")


def _text_hints(column: Column, values: NDArray[Any]) -> list[Hint]:
    words = words_of(column.name)
    unique = _distinct(values)
    lowered = [v.lower() for v in unique]
    if column.kind == "binary":
        for no, yes in _YES_NO:
            if set(lowered) == {no, yes} and len(unique) == 2:
                word = unique[lowered.index(yes)]
                return [Hint(HintKind.BOOLEAN, word, f"the two values are {unique[0]!r} and {unique[1]!r}")]
        return []
    if column.kind == "categorical" and column.distinct <= FEW_VALUES and (found := order_of(unique)):
        scale, order = found
        return [Hint(HintKind.ORDERED, " < ".join(order), f"all {len(order)} labels are of {scale}")]
    if amount := written_as(unique):
        kind = HintKind.PERCENT if amount == "%" else HintKind.CURRENCY
        return [Hint(kind, amount, f"the values are written like {unique[0]!r}")]
    code = _text_code(words, unique)
    return [code] if code else []


def _text_code(words: Sequence[str], unique: Sequence[str]) -> Hint | None:
    short = max((len(v) for v in unique), default=0) <= 10
    if _POSTAL & set(words) and short and all(any(c.isdigit() for c in v) for v in unique):
        return Hint(HintKind.POSTAL_CODE, "", f"the name says postal code, values like {unique[0]!r}; no quantity")
    digits = [sum(c.isdigit() for c in v) for v in unique]
    if _PHONE & set(words) and digits and 6 <= min(digits) and max(digits) <= 15:
        return Hint(HintKind.PHONE, "", f"the name says telephone, values like {unique[0]!r}; no quantity")
    return None


def paired(columns: Sequence[Column]) -> list[Column]:
    """Return the columns with the hints that only two of them together allow: latitude with longitude, ra with dec."""
    found = {column.name: column for column in columns}
    for first, second, what in _pairs(columns):
        for one, other in ((first, second), (second, first)):
            pair = Hint(HintKind.COORDINATES, other.name, f"{first.name!r} and {second.name!r} are {what}")
            angle = Hint(HintKind.ANGLE, "degrees", pair.evidence)
            # degrees are what an angle is in anyway
            plain = tuple(h for h in found[one.name].hints if (h.kind, h.value) != (HintKind.UNIT, "degrees"))
            own = plain or (angle,)
            found[one.name] = replace(found[one.name], hints=(*own, pair))
    return [found[column.name] for column in columns]


def _pairs(columns: Sequence[Column]) -> list[tuple[Column, Column, str]]:
    def of(kind: HintKind) -> list[Column]:
        return [column for column in columns if any(hint.kind == kind for hint in column.hints)]

    pairs: list[tuple[Column, Column, str]] = []
    for latitude in of(HintKind.LATITUDE):
        rest = _without(latitude.name, ("lat", "latitude"))
        partners = [c for c in of(HintKind.LONGITUDE) if _without(c.name, ("lon", "lng", "longitude")) == rest]
        if len(partners) == 1:
            pairs.append((latitude, partners[0], "latitude and longitude of a place"))
    for right in columns:
        words = words_of(right.name)
        # "dec" alone may be December or decimal: only right ascension beside it makes it a declination
        if right.kind == "numeric" and words.count("ra") == 1:
            rest = _without(right.name, ("ra",))
            partners = [
                c
                for c in columns
                if c.kind == "numeric" and "dec" in words_of(c.name) and _without(c.name, ("dec",)) == rest
            ]
            if len(partners) == 1:
                pairs.append((right, partners[0], "right ascension and declination of a place in the sky"))
    return pairs


def _without(name: str, words: Sequence[str]) -> list[str]:
    return [word for word in words_of(name) if word not in words]
