"""The profile of a column."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets import figures
from medilytica_widgets.data import Dataset, load_dataset
from medilytica_widgets.data.profiles import BINS, TOP, profile_of
from medilytica_widgets.errors import ColumnNotFoundError

RNG = np.random.default_rng(8)
ROWS = 300


@pytest.fixture(scope="module")
def data() -> Dataset:
    frame = pd.DataFrame(
        {
            "n": RNG.normal(50, 9, ROWS),
            "wide": RNG.lognormal(0, 4, ROWS),
            "few": RNG.integers(0, 5, ROWS),
            "c": RNG.choice([f"k{i}" for i in range(40)], ROWS),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 900, ROWS), unit="D"),
            "note": [f"a remark of many words, number {i} of them all" for i in range(ROWS)],
            "row_id": range(ROWS),
            "gone": None,
            "same": "x",
            "huge": RNG.choice([1e150, -1e150, 1.0], ROWS),
        }
    )
    frame.loc[:9, "n"] = np.nan
    return load_dataset(frame)


def test_numbers_have_their_statistics(data: Dataset) -> None:
    told = profile_of(data, "n")
    stats, values = dict(told["statistics"]), data.frame["n"].dropna()
    assert stats["mean"] == pytest.approx(values.mean(), rel=1e-5)
    assert stats["standard deviation"] == pytest.approx(values.std(), rel=1e-5)
    assert stats["first quartile"] == pytest.approx(values.quantile(0.25), rel=1e-5)
    assert (told["missing"], told["rows"], told["by_hand"]) == (10, ROWS, False)
    assert len(told["bars"]["counts"]) == BINS and sum(told["bars"]["counts"]) == ROWS - 10
    assert not told["bars"]["log"] and profile_of(data, "wide")["bars"]["log"]


def test_few_values_and_categories_are_counted(data: Dataset) -> None:
    few = profile_of(data, "few")["bars"]
    assert few["items"] == [[str(k), int(n)] for k, n in data.frame["few"].value_counts().sort_index().items()]
    bars = profile_of(data, "c")["bars"]
    counts = data.frame["c"].value_counts()
    assert [n for _, n in bars["items"]] == counts.to_list()[:TOP]
    assert bars["others"] == len(counts) - TOP and bars["rest"] == sum(counts.to_list()[TOP:])


def test_dates_and_texts(data: Dataset) -> None:
    dates = profile_of(data, "when")
    assert dates["bars"]["dates"]
    first = data.frame["when"].min()
    assert dates["bars"]["edges"][0] == first.timestamp() * 1000
    assert dict(dates["statistics"])["first"] == first.strftime("%Y-%m-%d")
    note = profile_of(data, "note")
    assert (
        note["bars"] is None and dict(note["statistics"])["longest, characters"] == data.frame["note"].str.len().max()
    )


def test_every_profile_is_plain_and_can_be_drawn(data: Dataset, kepler: Dataset) -> None:
    for table in (data, kepler):
        for column in table.columns:
            told = json.loads(json.dumps(profile_of(table, column.name), allow_nan=False))
            assert told["choices"][0] == column.kind
            if told["bars"]:
                for theme in ("light", "dark"):
                    drawn = figures.column_bars(told["bars"], name=column.name, theme=theme)  # type: ignore[arg-type]
                    json.dumps(drawn, allow_nan=False)
                    total = told["rows"] - told["missing"]
                    assert sum(drawn["data"][0]["y"]) == total and drawn["layout"]["meta"]["alt"]


def test_choices_are_kinds_that_may_fit(data: Dataset) -> None:
    assert profile_of(data, "gone")["choices"] == ["empty"]
    assert profile_of(data, "when")["choices"] == ["datetime", "categorical", "text", "identifier"]
    assert "binary" not in profile_of(data, "c")["choices"]


def test_an_unknown_column_names_the_nearest(data: Dataset) -> None:
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'note'"):
        profile_of(data, "notte")


def test_the_parts_of_a_score_are_drawn_beside_what_they_could_be() -> None:
    parts = [
        {"name": "<i>", "points": 12.5, "most": 25, "reason": "gaps"},
        {"name": "b", "points": 5, "most": 5, "reason": ""},
    ]
    drawn = figures.score_parts(parts)
    assert [trace["x"] for trace in drawn["data"]] == [[12.5, 5.0], [12.5, 0.0]]
    assert "12.5 of 25" in drawn["layout"]["meta"]["alt"] and "&lt;i&gt;" in drawn["data"][0]["y"][0]
