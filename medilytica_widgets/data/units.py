"""Units and currencies in the names of columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .naming import words_of

# Written at the end of a name as a word of its own ("mass_kg"). Words that are something else as often ("min", "m",
# "s", "in", "c", "pc") are believed in brackets only.
_LAST = {
    "kg": "kg", "mg": "mg", "lb": "lb", "lbs": "lb", "grams": "g", "tons": "t", "tonnes": "t", "ounces": "oz",
    "km": "km", "cm": "cm", "mm": "mm", "nm": "nm", "meters": "m", "metres": "m", "miles": "mi", "ft": "ft",
    "feet": "ft", "inches": "in", "sqft": "ft²", "sqm": "m²", "hectares": "ha", "acres": "acres",
    "seconds": "s", "secs": "s", "minutes": "min", "mins": "min", "hours": "hours", "hrs": "hours", "days": "days",
    "weeks": "weeks", "months": "months", "years": "years", "yrs": "years",
    "hz": "Hz", "khz": "kHz", "mhz": "MHz", "ghz": "GHz", "kw": "kW", "kwh": "kWh", "watts": "W", "volts": "V",
    "kph": "km/h", "kmh": "km/h", "mph": "mph", "mpg": "mpg", "rpm": "rpm", "bpm": "bpm", "mmhg": "mmHg",
    "hpa": "hPa", "kpa": "kPa", "psi": "psi", "celsius": "°C", "fahrenheit": "°F", "kelvin": "K", "ppm": "ppm",
    "ppb": "ppb", "kb": "kB", "mb": "MB", "gb": "GB", "kcal": "kcal", "calories": "cal", "litres": "L",
    "liters": "L", "ml": "mL", "gallons": "gal", "deg": "degrees", "degrees": "degrees", "lux": "lux",
    "decibels": "dB", "pixels": "px",
}  # fmt: skip
_BRACKETED = {
    **_LAST,
    "g": "g", "t": "t", "m": "m", "m2": "m²", "m²": "m²", "m3": "m³", "m³": "m³", "in": "in", "s": "s", "ms": "ms",
    "sec": "s", "min": "min", "h": "hours", "hr": "hours", "hour": "hours", "d": "days", "day": "days", "wk": "weeks",
    "yr": "years", "year": "years", "°c": "°C", "c": "°C", "°f": "°F", "f": "°F", "k": "K", "pa": "Pa", "bar": "bar",
    "l": "L", "dl": "dL", "w": "W", "v": "V", "a": "A", "j": "J", "kj": "kJ", "n": "N", "mol": "mol", "°": "degrees",
    "mag": "mag", "au": "AU", "pc": "pc", "earth radii": "Earth radii", "solar radii": "Solar radii",
    "earth flux": "Earth flux", "solar mass": "Solar mass", "bkjd": "BKJD", "db": "dB", "px": "px", "year(s)": "years",
    "hrs": "hours", "decimal degrees": "degrees", "decimal hours": "hours",
}  # fmt: skip
#: Amounts written with their sign: $1,200.50, 3 €, 12.5 %.
_MONEY = re.compile(r"^[-+(]?\s?(?:[$€£¥₹]\s?\d[\d.,]*|\d[\d.,]*\s?[$€£¥₹])\)?$")
_PERCENT = re.compile(r"^[-+]?\d+(?:[.,]\d+)?\s?%$")
_FITTING = 0.95
_PER = frozenset("second minute hour day week month year capita person kg km mile".split())
_BRACKETS = re.compile(r"[(\[]\s*([^()\[\]]{1,20}(?:\([^()]*\))?)\s*[)\]]\s*$")
_STATED = re.compile(r"\[\s*([^\[\]]{1,40}?)\s*\]\s*$")
_SYMBOLS = {"$": "USD", "us$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
_CURRENCIES = {
    **{code: code.upper() for code in "usd eur gbp jpy chf cny inr aud cad sek nok dkk pln brl".split()},
    "dollars": "USD",
    "euros": "EUR",
}  # fmt: skip


def unit_in(name: str) -> str:
    """Return the unit that a name gives: ``mass_kg``, ``period [days]``, ``hours_per_week``; empty where none."""
    bracketed = _BRACKETS.search(name)
    if bracketed:
        return _in_brackets(bracketed[1].strip())
    words = words_of(name)
    if len(words) >= 3 and words[-2] == "per" and words[-1] in _PER:
        top = _LAST.get(words[-3])
        return f"{top} per {words[-1]}" if top else ""
    # a name that is nothing but a short unit ("km", "gb") may as well be an abbreviation
    if words and words[-1] in _LAST and (len(words) > 1 or len(words[-1]) > 3):
        return _LAST[words[-1]]
    return ""


def stated_unit(description: str) -> str:
    """Return the unit at the end of a description, ``Orbital Period [days]``; empty where none.

    In square brackets it is taken as it stands, in round ones only where it is known as a unit.
    """
    square = _STATED.search(description)
    if square:
        return _in_brackets(square[1].strip()) or square[1].strip()
    round_ = _BRACKETS.search(description)
    return _in_brackets(round_[1].strip()) if round_ else ""


def _in_brackets(content: str) -> str:
    word = content.lower()
    if word in _BRACKETED:
        return _BRACKETED[word]
    parts = re.split(r"[/·]", word)
    if len(parts) == 2 and all(re.sub(r"(\^|\*\*)?-?[23²³]$", "", part.strip()) in _BRACKETED for part in parts):
        return content
    return ""


def currency_in(name: str) -> str:
    """Return the code of the currency that a name gives, as its last word or in brackets; empty where none."""
    bracketed = _BRACKETS.search(name)
    if bracketed:
        word = bracketed[1].strip().lower()
        return _SYMBOLS.get(word, _CURRENCIES.get(word, ""))
    words = words_of(name)
    return _CURRENCIES.get(words[-1], "") if len(words) > 1 else ""


def written_as(values: Sequence[str]) -> str:
    """Return the sign that nearly all values carry, a currency's or "%"; empty where they are no amounts."""
    least = max(1, _FITTING * len(values))
    if sum(bool(_PERCENT.match(value)) for value in values) >= least:
        return "%"
    found = [value for value in values if _MONEY.match(value)]
    return next(c for c in found[0] if c in _SYMBOLS) if len(found) >= least else ""
