"""What columns seem to mean beyond their kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.data import BUILTIN, load_dataset

RNG = np.random.default_rng(3)
ROWS = 120
NUMBERS = RNG.normal(50, 9, ROWS).round(3)


def pick(*words: str) -> list[str]:
    return [words[k % len(words)] for k in RNG.permutation(ROWS)]


def hints(name: str, values: object) -> dict[str, str]:
    column = load_dataset(pd.DataFrame({name: values, "x": NUMBERS})).column(name)
    assert all(hint.evidence for hint in column.hints)
    return {hint.kind.value: hint.value for hint in column.hints}


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("mass_kg", NUMBERS, {"unit": "kg"}),
        ("koi_period [days]", NUMBERS, {"unit": "days"}),
        ("temp (°C)", NUMBERS, {"unit": "°C"}),
        ("koi_slogg [cm/s**2]", NUMBERS, {"unit": "cm/s**2"}),
        ("hoursPerWeek", NUMBERS, {"unit": "hours per week"}),
        ("price_usd", NUMBERS, {"currency": "USD"}),
        ("fee (€)", NUMBERS, {"currency": "EUR"}),
        ("share_pct", NUMBERS, {"percent": "%"}),
        ("fat %", NUMBERS, {"percent": "%"}),
        ("paid", [f"$1,{k:03d}.50" for k in RNG.permutation(ROWS)], {"currency": "$"}),
        ("rate", [f"{k}.5 %" for k in RNG.permutation(ROWS)], {"percent": "%"}),
        ("risk", pick("low", "medium", "high"), {"ordered": "low < medium < high"}),
        ("stage", pick("I", "II", "III", "IV"), {"ordered": "I < II < III < IV"}),
        ("size", pick("M", "XL", "S", "L"), {"ordered": "S < M < L < XL"}),
        (
            "answer",
            pick("agree", "neutral", "strongly agree", "disagree"),
            {"ordered": "disagree < neutral < agree < strongly agree"},
        ),
        ("age group", pick("18-29", "30-44", "45-59", "60+"), {"ordered": "18-29 < 30-44 < 45-59 < 60+"}),
        ("tumour", pick("Stage 2", "Stage 1", "Stage 10"), {"ordered": "Stage 1 < Stage 2 < Stage 10"}),
        ("zip", RNG.integers(501, 99_950, ROWS), {"postal_code": ""}),
        ("zip_code", [f"{k:05d}" for k in RNG.integers(501, 900, ROWS)], {"postal_code": ""}),
        ("phone", RNG.integers(2_000_000, 9_000_000, ROWS) * 1000.0, {"phone": ""}),
        ("built_year", RNG.integers(1900, 2020, ROWS), {"year": ""}),
        ("wind bearing", RNG.uniform(0, 360, ROWS), {"angle": "degrees"}),
        ("smoker", pick("yes", "no"), {"boolean": "yes"}),
        ("is_open", RNG.integers(0, 2, ROWS), {"boolean": "1"}),
        ("customer_id", RNG.integers(0, 60, ROWS), {"id": ""}),
        ("patient_id", np.arange(ROWS) + 7, {"id": ""}),
        # what could be something else gets none
        ("long", RNG.uniform(-180, 180, ROWS), {}),
        ("dec", RNG.uniform(-90, 90, ROWS), {}),
        ("ra", RNG.uniform(0, 360, ROWS), {}),
        ("lat", RNG.uniform(0, 900, ROWS), {}),
        ("year", NUMBERS, {}),
        ("zip", NUMBERS, {}),
        ("min", NUMBERS, {}),
        ("mark", pick("A", "B", "C"), {}),
        ("answer", pick("I", "V", "X"), {}),
        ("note", pick("low", "medium", "green"), {}),
        ("risk", pick("low", "LOW", "high", "medium"), {}),
        ("sex", RNG.integers(0, 2, ROWS), {}),
        ("group", pick("u", "v"), {}),
        ("salt", NUMBERS, {}),
        ("monkey", RNG.integers(0, 60, ROWS), {}),
        ("pounds", NUMBERS, {}),
    ],
)
def test_hints(name: str, values: object, expected: dict[str, str]) -> None:
    assert hints(name, values) == expected


def test_latitude_and_longitude_belong_together() -> None:
    frame = pd.DataFrame(
        {
            "start_lat": RNG.uniform(40, 50, ROWS),
            "start_lng": RNG.uniform(5, 15, ROWS),
            "end_lat": RNG.uniform(40, 50, ROWS),
            "RA": RNG.uniform(0, 360, ROWS),
            "Dec": RNG.uniform(-90, 90, ROWS),
        }
    )
    data = load_dataset(frame)
    found = {c.name: {h.kind.value: h.value for h in c.hints} for c in data.columns}
    assert found["start_lat"] == {"latitude": "degrees", "coordinates": "start_lng"}
    assert found["start_lng"] == {"longitude": "degrees", "coordinates": "start_lat"}
    assert found["end_lat"] == {"latitude": "degrees"}
    assert found["RA"] == {"angle": "degrees", "coordinates": "Dec"}


def test_tables_whose_names_say_nothing_get_no_hints() -> None:
    for name in BUILTIN:
        if name not in ("kepler",):
            told = {c.name: c.hints for c in load_dataset(name).columns if c.hints and "(" not in c.name}
            assert told == {}, name
