"""Filters, typed conditions and column summaries: what they leave is what pandas says, and nothing else passes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medilytica_widgets.data.filters import Filter, View
from medilytica_widgets.data.paging import TablePager
from medilytica_widgets.data.relation import ArrowRelation, ParquetRelation
from medilytica_widgets.data.where_text import compile_where
from medilytica_widgets.errors import (
    CancelledRequest,
    ColumnNotFoundError,
    DataError,
    EmptyTableError,
    InputError,
    MissingFileError,
)

ROWS = 240
ODD = 'na"me; drop table source --'


def made() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    x = rng.normal(size=ROWS).round(2)
    x[rng.random(ROWS) < 0.15] = np.nan
    words = rng.choice(np.array(["ab", "AB c", "☃ snow", "", "%_", "a'b"], dtype=object), ROWS)
    words[rng.random(ROWS) < 0.1] = None
    return pd.DataFrame(
        {
            "x": x,
            "n": rng.integers(-5, 6, ROWS),
            ODD: words,
            "when": pd.Timestamp("2020-02-25") + pd.to_timedelta(rng.integers(0, 30, ROWS), unit="D"),
            "yes": rng.random(ROWS) < 0.5,
        }
    )


FRAME = made()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frame as a folder of three files of small row groups."""
    folder = tmp_path_factory.mktemp("par'quet")
    for number, start in enumerate(range(0, ROWS, 100)):
        part = FRAME.iloc[start : start + 100]
        table = pa.Table.from_pandas(part, preserve_index=False)
        # NaN stays NaN, as other programs write it
        table = table.set_column(0, "x", pa.array(part["x"].to_numpy(), from_pandas=False))
        pq.write_table(table, folder / f"part-{number}.parquet", row_group_size=32)
    return folder


def numbers(pager: TablePager, start: int = 0, count: int = ROWS, **view: Any) -> list[int]:
    page = pager.rows(start, count, **view)
    return [int(n) for n in pa.ipc.open_stream(page.ipc).read_all()["__row__"].to_pylist()]


def expected(view: View) -> list[int]:
    """What pandas says."""
    kept = pd.Series(True, index=FRAME.index)
    for one in view.filters:
        cells = FRAME[one.column]
        if one.kind == "range":
            low, high = one.low, one.high
            now = cells.notna()
            if low is not None:
                now &= cells >= (pd.Timestamp(low) if one.column == "when" else low)
            if high is not None:
                end = pd.Timestamp(high) if one.column == "when" else high
                now &= (cells < end) if one.open_end else (cells <= end)
        elif one.kind == "set":
            present = [value for value in one.values if value is not None]
            now = cells.isin(present) | (cells.isna() & (None in one.values))
            now = ~now if one.exclude else now
        elif one.kind == "contains":
            now = cells.astype("string").str.contains(one.text, case=one.case, regex=False).fillna(False).astype(bool)
        elif one.kind == "regex":
            now = cells.astype("string").str.contains(one.text, case=one.case, regex=True).fillna(False).astype(bool)
        else:
            now = cells.isna() if one.kind == "null" else cells.notna()
        kept &= now
    if view.search:
        found = FRAME[ODD].astype("string").str.lower().str.contains(view.search.lower(), regex=False).fillna(False)
        kept &= found.astype(bool)
    rows = FRAME[kept]
    for name, down in reversed(view.sort):
        rows = rows.sort_values(name, ascending=not down, kind="stable", na_position="last")
    return [int(n) for n in rows.index]


bounds = st.one_of(st.none(), st.integers(-6, 6), st.floats(-3, 3, allow_nan=False))
days = st.one_of(
    st.none(), st.integers(0, 31).map(lambda k: str((pd.Timestamp("2020-02-25") + pd.Timedelta(k, "D")).date()))
)
texts = st.sampled_from(["a", "AB", "☃", "%", "'", "b c"])
filters = st.one_of(
    st.builds(Filter, st.sampled_from(["x", "n"]), st.just("range"), bounds, bounds, st.booleans()),
    st.builds(Filter, st.just("when"), st.just("range"), days, days, st.booleans()),
    st.builds(
        lambda values, exclude: Filter(ODD, "set", values=tuple(values), exclude=exclude),
        st.lists(st.sampled_from([None, "ab", "", "☃ snow", "no such"]), max_size=3),
        st.booleans(),
    ),
    st.builds(lambda values: Filter("n", "set", values=tuple(values)), st.lists(st.integers(-6, 6), max_size=4)),
    st.builds(lambda value: Filter("yes", "set", values=(value,)), st.booleans()),
    st.builds(lambda text, case: Filter(ODD, "contains", text=text, case=case), texts, st.booleans()),
    st.builds(
        lambda text, case: Filter(ODD, "regex", text=text, case=case),
        st.sampled_from(["^a", "b.?c", "[☃%]"]),
        st.booleans(),
    ),
    st.builds(Filter, st.sampled_from(["x", ODD]), st.sampled_from(["null", "not_null"])),
)
views = st.builds(
    View,
    sort=st.lists(
        st.tuples(st.sampled_from(list(FRAME.columns)), st.booleans()), max_size=3, unique_by=lambda s: s[0]
    ).map(tuple),
    search=st.sampled_from(["", "", "☃", "b C"]),
    filters=st.lists(filters, max_size=3).map(tuple),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(views, st.integers(0, 200), st.integers(1, 60)), min_size=1, max_size=4),
    lazy=st.booleans(),
)
def test_any_sequence_of_views_and_pages_is_what_pandas_says(
    files: Path, steps: list[tuple[View, int, int]], lazy: bool
) -> None:
    with TablePager(ParquetRelation(files) if lazy else FRAME) as pager:
        for view, start, count in steps:
            asked = {"sort": view.sort, "search": view.search, "filters": view.filters}
            rows = expected(view)
            assert numbers(pager, start, count, **asked) == rows[start : start + count]
            assert pager.count(view) == len(rows)


def test_a_folder_of_parquet_shows_the_cells_of_its_files(files: Path) -> None:
    with TablePager(ParquetRelation(files)) as pager:
        page = pa.ipc.open_stream(pager.rows(95, 10, sort=[("n", True)]).ipc).read_all().to_pandas()
        plain = pa.ipc.open_stream(pager.rows(95, 10).ipc).read_all().to_pandas()
    want = FRAME.sort_values("n", ascending=False, kind="stable").iloc[95:105]
    for got, cells in ((page, want), (plain, FRAME.iloc[95:105])):
        assert got["__row__"].tolist() == cells.index.tolist()
        for name in FRAME.columns:
            assert [None if pd.isna(v) else v for v in got[name]] == [None if pd.isna(v) else v for v in cells[name]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "range"}, "must name its column"),
        ({"column": "x", "kind": "rnage"}, "Did you mean 'range'"),
        ({"column": "x", "kind": "range", "lwo": 1}, "Did you mean 'low'"),
        ({"column": "x", "kind": "range", "low": [1]}, "a number or a date"),
        ({"column": "x", "kind": "range", "low": float("nan")}, "a number or a date"),
        ({"column": "x", "kind": "set", "values": "ab"}, "needs a list"),
        ({"column": "x", "kind": "set", "values": [[1]]}, "takes texts and numbers"),
        ({"column": "x", "kind": "set", "values": [1] * 1001}, "at most 1,000"),
        ({"column": "x", "kind": "contains", "text": ""}, "needs a text"),
        ({"column": "x", "kind": "regex", "text": "(a"}, "no regular expression: missing \\)"),
        ({"column": "x", "kind": "set", "values": [], "exclude": 1}, "true or false"),
        ({"column": "when", "kind": "range", "low": "soon"}, "is no date for 'when'"),
        ({"column": "x", "kind": "range", "low": "2020-01-01"}, "'x' holds numbers"),
        ({"column": "gone", "kind": "null"}, "no column 'gone'"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused_with_a_sentence(given: dict[str, Any], said: str) -> None:
    with TablePager(FRAME) as pager, pytest.raises(InputError, match=said):
        pager.rows(0, 1, filters=[given])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("x > 0.5 and n < 3", lambda f: (f["x"] > 0.5) & (f["n"] < 3)),
        ("X > 0.5", lambda f: f["x"] > 0.5),
        ("n in (1, 2) or not yes", lambda f: f["n"].isin([1, 2]) | ~f["yes"]),
        (
            "\"when\" between date '2020-03-01' and '2020-03-05'",
            lambda f: f["when"].between("2020-03-01", "2020-03-05"),
        ),
        ('"na""me; drop table source --" like \'a%\'', lambda f: f[ODD].str.startswith("a").fillna(False).astype(bool)),
        ("x is null -- that is all", lambda f: f["x"].isna()),
        ('abs(n) % 2 = 1 and extract(day from "when") = 1', lambda f: (f["n"] % 2 == 1) & (f["when"].dt.day == 1)),
        ("case when yes then n else -n end > 2", lambda f: f["n"].where(f["yes"], -f["n"]) > 2),
        ("n::varchar = '3'", lambda f: f["n"] == 3),
        ("n > 1) or (n < -4", lambda f: (f["n"] > 1) | (f["n"] < -4)),
    ],
)
def test_a_typed_condition_keeps_the_rows_it_says(text: str, rule: Any) -> None:
    with TablePager(FRAME) as pager:
        assert numbers(pager, where=text) == [int(n) for n in FRAME.index[rule(FRAME)]]


@pytest.mark.parametrize(
    "text",
    [
        "x > 1; copy source to '/tmp/stolen.csv'",
        "x > 1) ; attach '/tmp/x.db' as y; select (1",
        "true) union all (select 1",
        "true) limit 1 --",
        "true) or exists (select 1",
        "x in (select 1)",
        "exists (from read_csv('/etc/passwd'))",
        "x > (select count(*) from '/etc/passwd')",
        "read_text('/etc/passwd') = ''",
        "getenv('HOME') = ''",
        "current_setting('threads') = 1",
        "repeat('x', 1000000000) = ''",
        "getvariable('a') = 1",
        "count(*) > 1",
        "row_number() over () < 3",
        "columns(*) > 1",
        "#1 > 1",
        "$1 > 1",
        "list_transform([1], v -> v) = [1]",
        "x = main.abs(1)",
        "cast(x as blob) = 'a'",
        "source.row_number = 1",
        "row_number = 1",
        "c0 > 1",
        "gone > 1",
        "x >",
        "x > 'a\0b'",
        "copy source to 'x'",
        "pragma database_list",
        "x" * 5000,
        "lambda x: x",
        "x = any([1, 2])",
        "x > 1 qualify 1 = 1",
        "x > 1 using sample 1",
    ],
)
def test_what_is_no_condition_is_refused(text: str, tmp_path: Path) -> None:
    with TablePager(FRAME) as pager, pytest.raises(InputError) as refused:
        pager.rows(0, 1, where=text)
    assert len(refused.value.message) < 700


@pytest.mark.parametrize(
    "text",
    [
        # 50 letters become 50 to the 16th
        "replace(replace(replace(replace(w, 'x', w), 'x', w), 'x', w), 'x', w) = 'y'",
        f"replace(replace(w, 'x', '{'y' * 1500}'), 'y', '{'z' * 1500}') = 'y'",
        f"regexp_replace(regexp_replace(w, '', '{'y' * 1500}', 'g'), '', '{'z' * 1500}', 'g') = 'y'",
        f"{' || '.join(['w'] * 70)} = 'y'",
        f"concat(replace(w, 'x', '{'y' * 20}'), replace(w, 'x', '{'y' * 45}')) = 'y'",
        "levenshtein(w || w, w || w) > 3",
    ],
)
def test_a_condition_that_would_fill_the_memory_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="could fill the memory|takes text in quotes|cells as they are") as refused:
        compile_where(text, {"w": "c0"})
    assert len(refused.value.message) < 300


def test_texts_that_a_condition_makes_may_be_of_any_sensible_length() -> None:
    frame = pd.DataFrame({"w": pd.Series(["xox", "xx", None, "o"], dtype=object), "v": ["xx", "xo", "a", "b"]})
    with TablePager(frame) as pager:
        assert numbers(pager, where="replace(w, 'x', 'yyy') = 'yyyoyyy'") == [0]
        assert numbers(pager, where="regexp_replace(w || v, '[xo]+', 'z') = 'z'") == [0, 1]
        assert numbers(pager, where="levenshtein(w, v) = 1") == [0, 1, 3]
        assert numbers(pager, where="(" * 400 + "w = 'o'" + ")" * 400) == [3]


def test_the_error_names_the_nearest_column_and_function() -> None:
    with pytest.raises(InputError, match="Did you mean 'price'"):
        compile_where("prise > 1", {"price": "c0"})
    with pytest.raises(InputError, match="Did you mean 'lower'"):
        compile_where("lowr(price) = 'a'", {"price": "c0"})
    with pytest.raises(InputError, match="'Ab' or 'aB'"):
        compile_where("AB > 1", {"Ab": "c0", "aB": "c1"})
    assert compile_where("aB > 1", {"Ab": "c0", "aB": "c1"}) == "((c1 > 1))"


def test_the_connection_itself_reaches_no_file(files: Path, tmp_path: Path) -> None:
    """The second wall: what the check let through would still find every door shut."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for relation in (ArrowRelation.of_frame(FRAME), ParquetRelation(files)):
        connection = relation.connect()
        for query in (
            f"select * from read_csv('{secret}')",
            f"copy (select 1) to '{tmp_path / 'out.csv'}'",
            f"attach '{tmp_path / 'x.db'}'",
            "set enable_external_access=true",
            "install httpfs",
        ):
            with pytest.raises(Exception, match=r"disabled|locked|Cannot"):
                connection.execute(query)
        connection.close()
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_a_wrong_comparison_says_what_is_wrong() -> None:
    with TablePager(FRAME) as pager, pytest.raises(InputError, match="Cannot compare values of type VARCHAR"):
        pager.rows(0, 1, where='"na""me; drop table source --" > 3')


def test_what_takes_too_long_is_stopped_and_a_newer_question_ends_it() -> None:
    slow = "jaccard(w, reverse(w)) + levenshtein(w, reverse(w)) > 1e9"
    frame = pd.DataFrame({"w": pd.Series([f"{k} {'abcdefghij' * 40}" for k in range(30_000)], dtype=object)})
    with TablePager(frame, seconds=0.2) as pager:
        with pytest.raises(InputError, match=r"longer than 0\.2 seconds"):
            pager.rows(0, 1, where=slow)
        assert len(numbers(pager, 0, 5)) == 5
    with TablePager(frame) as pager:
        met: list[BaseException] = []

        def ask() -> None:
            try:
                pager.rows(0, 1, where=slow)
            except CancelledRequest as error:
                met.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while thread.is_alive():
            pager.interrupt()
            thread.join(0.02)
        assert len(met) == 1
        assert len(numbers(pager, 0, 5)) == 5


@pytest.mark.parametrize("lazy", [False, True])
def test_a_summary_counts_all_rows_and_those_the_other_filters_leave(files: Path, lazy: bool) -> None:
    own = Filter("x", "range", low=0.0)
    other = Filter("yes", "set", values=(True,))
    left = FRAME[FRAME["yes"]]
    with TablePager(ParquetRelation(files) if lazy else FRAME) as pager:
        bars = pager.summary("x", View(filters=(own, other)))
        assert bars.kind == "histogram" and len(bars.edges) == 21
        assert bars.all == np.histogram(FRAME["x"].dropna(), bars.edges)[0].tolist()
        assert bars.here == np.histogram(left["x"].dropna(), bars.edges)[0].tolist()
        both = left["x"][left["x"] >= 0]
        assert (bars.facts["count"], bars.facts["missing"]) == (len(both), 0)
        assert bars.facts["mean"] == pytest.approx(both.mean()) and bars.facts["std"] == pytest.approx(both.std())
        top = pager.summary(ODD, View(filters=(other,)))
        counts, now = FRAME[ODD].value_counts(), left[ODD].value_counts()
        assert top.kind == "top" and top.all == [int(counts[value]) for value in top.values]
        assert top.here == [int(now.get(value, 0)) for value in top.values] and top.other_all == 0
        assert top.facts["missing"] == int(left[ODD].isna().sum())
        dates = pager.summary("when")
        assert sum(dates.all) == ROWS and dates.edges[0] == FRAME["when"].min().timestamp() * 1000


def test_a_summary_of_nothing_and_of_one_value() -> None:
    frame = pd.DataFrame({"none": pd.Series([None, None], dtype=object), "one": [7.0, 7.0], "ends": [np.inf, 1.0]})
    with TablePager(frame) as pager:
        assert pager.summary("none").kind == "empty"
        one = pager.summary("one")
        assert (one.kind, one.values, one.all) == ("top", [7.0], [2])
        assert pager.summary("ends").kind == "top"
        with pytest.raises(ColumnNotFoundError, match="look at"):
            pager.summary("nine")


def test_odd_arrow_types_become_cells() -> None:
    table = pa.table(
        {
            "list": pa.array([[1, 2], None]),
            "decimal": pa.array(["1.50", None]).cast(pa.decimal128(6, 2)),
            "zone": pa.array([0, None], type=pa.timestamp("ms", tz="Europe/Berlin")),
            "words": pa.array(["a", None]).dictionary_encode(),
            "day": pa.array([0, None], type=pa.date32()),
            "raw": pa.array([b"ab", None]),
        }
    )
    with TablePager(ArrowRelation(table)) as pager:
        cells = pa.ipc.open_stream(pager.rows(0, 1, sort=[("words", False)]).ipc).read_all().to_pylist()[0]
    assert (cells["list"], cells["decimal"], cells["words"]) == ("[1, 2]", 1.5, "a")
    assert str(cells["zone"]) == "1970-01-01 00:00:00" and str(cells["day"]) == "1970-01-01 00:00:00"


def test_odd_parquet_types_become_the_same_cells(tmp_path: Path) -> None:
    table = pa.table(
        {
            "list": pa.array([[1, 2], None]),
            "decimal": pa.array(["1.50", None]).cast(pa.decimal128(6, 2)),
            "zone": pa.array([0, None], type=pa.timestamp("ms", tz="Europe/Berlin")),
            "day": pa.array([0, None], type=pa.date32()),
        }
    )
    pq.write_table(table, tmp_path / "odd.parquet")
    with TablePager(ParquetRelation(tmp_path / "odd.parquet")) as pager:
        cells = pa.ipc.open_stream(pager.rows(0, 1, sort=[("day", False)]).ipc).read_all().to_pylist()[0]
        plain = pa.ipc.open_stream(pager.rows(0, 1).ipc).read_all().to_pylist()[0]
    assert cells == plain and (cells["list"], cells["decimal"]) == ("[1, 2]", 1.5)
    assert str(cells["zone"]) == "1970-01-01 00:00:00" and str(cells["day"]) == "1970-01-01 00:00:00"


def test_files_that_cannot_be_shown_say_why(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no file or folder"):
        ParquetRelation(tmp_path / "gone.parquet")
    with pytest.raises(EmptyTableError, match=r"no \.parquet file"):
        ParquetRelation(tmp_path)
    whole = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), whole)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(DataError, match="Is it complete"):
        ParquetRelation(cut)
    cut.unlink()
    pq.write_table(pa.table({"b": [1.5]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="other columns than 'a"):
        ParquetRelation(tmp_path)


def test_what_is_frequent_among_very_many_values_is_found_and_counted() -> None:
    words = [f"word {k}" for k in range(30_000)] + ["often"] * 900 + ["again"] * 400 + [None] * 7
    frame = pd.DataFrame({"w": pd.Series(words, dtype=object).sample(frac=1, random_state=0).to_numpy()})
    with TablePager(frame) as pager:
        told = pager.summary("w")
        assert (told.kind, told.values[:2], told.all) == ("top", ["often", "again"], [900, 400, 1, 1, 1, 1])
        assert told.other_all == len(words) - 7 - sum(told.all) and told.facts["missing"] == 7
        left = pager.summary("w", View.of(where="w <> 'often'"))
        assert left.here == [0, *told.all[1:]] and left.all == told.all
