"""Lazy frames of polars: what is not needed is not collected."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pytest

from medilytica_widgets.data import lazy_frames, load_dataset
from medilytica_widgets.errors import ColumnNotFoundError, DataError, MissingExtraError

FRAME = pd.DataFrame({"n": range(500), "x": np.arange(500) / 4, "word": [f"w{i % 3}" for i in range(500)]})


def lazy() -> polars.LazyFrame:
    return polars.from_pandas(FRAME).lazy()


def test_a_lazy_frame_is_collected() -> None:
    data = load_dataset(lazy().filter(polars.col("n") < 300), "word")
    pd.testing.assert_frame_equal(data.frame, load_dataset(FRAME[:300]).frame, check_dtype=False)
    assert data.task == "classification" and data.spec.source == "<frame>"


def test_excluded_columns_are_never_computed() -> None:
    def fails(_: polars.Series) -> polars.Series:
        raise RuntimeError("it was computed")

    asked = lazy().with_columns(polars.col("x").map_batches(fails, return_dtype=polars.Float64).alias("costly"))
    data = load_dataset(asked, "word", exclude=["costly"])
    assert list(data.frame) == ["n", "x", "word"] and data.spec.exclude == []
    assert "Not collected, as exclude=… says: 'costly'." in data.notes
    with pytest.raises(DataError, match="it was computed"):
        load_dataset(asked, "word")
    with pytest.raises(ColumnNotFoundError, match="exclude names 'cost'"):
        load_dataset(lazy(), "word", exclude="cost")


def test_a_sample_is_the_same_as_of_the_whole_table() -> None:
    data, whole = load_dataset(lazy(), rows=40, seed=3), load_dataset(FRAME, rows=40, seed=3)
    pd.testing.assert_frame_equal(data.frame, whole.frame, check_dtype=False)
    assert any("40 of 500 rows, drawn with the seed 3" in note for note in data.notes)


def test_what_does_not_fit_into_memory_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy_frames, "budget", lambda: 20_000)
    data = load_dataset(lazy())
    assert 0 < len(data) < 500 and any("would not fit into memory" in note for note in data.notes)
    assert len(load_dataset(lazy(), rows="all")) == 500


def test_a_query_that_fails_is_said(tmp_path: Path) -> None:
    for wrong in (lazy().select("nowhere"), polars.scan_csv(tmp_path / "gone.csv")):
        with pytest.raises(DataError, match="LazyFrame cannot be collected: .+"):
            load_dataset(wrong)
    with pytest.raises(DataError, match="All columns"):
        load_dataset(lazy(), exclude=["n", "x", "word"])


def test_without_polars_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    given = lazy()
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"pip install polars; or give the collected table"):
        load_dataset(given)
