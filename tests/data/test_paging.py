"""Pages of a table."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.data import Dataset, Page, TablePager, load_dataset
from medilytica_widgets.errors import ColumnNotFoundError, StateError


def read(page: Page) -> pa.Table:
    return pa.ipc.open_stream(page.ipc).read_all()


def test_pages_carry_row_numbers_and_all_columns(kepler: Dataset) -> None:
    pager = kepler.pager()
    page = pager.rows(9560, 100)
    table = read(page)
    assert page.total == 9564 and page.start == 9560 and table.num_rows == 4
    assert table.schema.names == ["__row__", *kepler.frame.columns]
    assert table["__row__"].to_pylist() == [9560, 9561, 9562, 9563] and table.schema.field(0).type == pa.int64()
    assert table["kepler_name"].to_pylist() == kepler.frame["kepler_name"].iloc[9560:].tolist()
    assert len(page.ipc) < 40_000
    pager.close()


def test_sorting_puts_missing_last_both_ways(kepler: Dataset) -> None:
    with kepler.pager() as pager:
        for descending in (False, True):
            rows = read(pager.rows(0, 9564, sort=[("koi_score", descending)]))
            scores = rows["koi_score"].to_pylist()
            present = [s for s in scores if s is not None]
            assert scores[len(present) :] == [None] * 1510
            assert present == sorted(present, reverse=descending)


def test_ties_keep_their_order_and_two_keys_work(kepler: Dataset) -> None:
    with kepler.pager() as pager:
        rows = read(pager.rows(0, 9564, sort=[("koi_disposition", True), ("koi_tce_plnt_num", False)]))
    expected = kepler.frame.reset_index().sort_values("index").sort_values("koi_tce_plnt_num", kind="stable")
    expected = expected.sort_values("koi_disposition", ascending=False, kind="stable")
    assert rows["__row__"].to_pylist() == expected["index"].tolist()


def test_search_looks_into_all_cells_whatever_the_case(kepler: Dataset) -> None:
    with kepler.pager() as pager:
        page = pager.rows(0, 50, search="kepler-227 B")
        assert page.total == 1 and read(page)["__row__"].to_pylist() == [0]
        assert pager.rows(0, 50, search="no such words").total == 0
        assert read(pager.rows(0, 50, search="no such words")).num_rows == 0
        percent = pager.rows(0, 1, search="%")
    assert percent.total == 0


def test_names_that_differ_in_case_only() -> None:
    frame = pd.DataFrame({"a": [3, 1, 2], "A": [1, 2, 3], "row_number": [9, 9, 9], 'q"': ["x", None, "y"]})
    with load_dataset(frame).pager() as pager:
        assert read(pager.rows(0, 3, sort=[("a", False)]))["__row__"].to_pylist() == [1, 2, 0]
        assert read(pager.rows(0, 3, sort=[("A", True)]))["__row__"].to_pylist() == [2, 1, 0]
        assert read(pager.rows(0, 3, sort=[('q"', True)]))["__row__"].to_pylist() == [2, 0, 1]


def test_wrong_questions(kepler: Dataset) -> None:
    pager = kepler.pager()
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'koi_score'"):
        pager.rows(0, 5, sort=[("koi_scor", False)])
    assert read(pager.rows(-5, 3))["__row__"].to_pylist() == [0, 1, 2]
    assert read(pager.rows(10**9, 3)).num_rows == 0
    pager.close()
    pager.close()
    with pytest.raises(StateError):
        pager.rows(0, 1)


def test_many_threads_may_ask(kepler: Dataset) -> None:
    pager = kepler.pager()
    names = ["koi_period", "koi_depth", "koi_disposition", "ra"]
    wrong: list[str] = []

    def ask(name: str) -> None:
        for start in range(0, 2000, 100):
            rows = read(pager.rows(start, 100, sort=[(name, False)]))[name].to_pylist()
            if rows != sorted(rows):
                wrong.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in names * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    pager.close()
    assert wrong == [] and not any(thread.is_alive() for thread in threads)


def test_dates_numbers_and_words_keep_their_types() -> None:
    frame = pd.DataFrame(
        {"d": pd.date_range("2020", periods=3), "i": [1, 2, 3], "f": [0.5, np.nan, 1], "s": list("abc")}
    )
    with load_dataset(frame).pager() as pager:
        schema = read(pager.rows(0, 3)).schema
        assert pager.schema == [(f.name, str(f.type)) for f in schema][1:]
    assert [str(t) for t in schema.types] == ["int64", "timestamp[us]", "int64", "double", "string"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=1, max_size=30),
    st.booleans(),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_pages_are_slices(words: list[str | None], descending: bool, start: int, count: int) -> None:
    with TablePager(pd.DataFrame({"w": pd.Series(words, dtype=object)})) as pager:
        everything = read(pager.rows(0, 100, sort=[("w", descending)]))["__row__"].to_pylist()
        page = pager.rows(start, count, sort=[("w", descending)])
    assert sorted(everything) == list(range(len(words)))
    assert read(page)["__row__"].to_pylist() == everything[start : start + count] and page.total == len(words)
