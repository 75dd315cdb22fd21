"""The grid through its request: pages equal what pandas says, whatever is asked and however it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from medilytica_widgets.data import Dataset, load_dataset
from medilytica_widgets.errors import InputError, MedilyticaError, UnknownArgumentError
from medilytica_widgets.widgets.data_grid import DataGrid

ROWS = 400
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    x = rng.normal(size=ROWS).round(3)
    x[rng.random(ROWS) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "x": x,
            "count": rng.integers(0, 12, ROWS),
            HOSTILE: rng.choice(["<img src=x onerror=alert(1)>", "naïve ☃", "'; drop table source; --", "Zoë %"], ROWS),
            "when": pd.Timestamp("2020-02-28") + pd.to_timedelta(rng.integers(0, 900, ROWS), unit="D"),
            "nothing": [None] * ROWS,
            "label": rng.choice(["yes", "no"], ROWS),
        }
    )


@pytest.fixture
def grid(browser: Any, frame: pd.DataFrame) -> DataGrid:
    return DataGrid(load_dataset(frame, target="label"))


def read(browser: Any, grid: DataGrid, **body: Any) -> tuple[dict[str, Any], pd.DataFrame]:
    asked = {"start": 0, "count": 50, "sort": [], "search": "", "filters": [], "where": "", "state": 0, **body}
    envelope, buffers = browser.ask(grid, "grid.rows", asked)
    assert envelope["kind"] == "grid.rows.result", envelope["body"]
    [raw] = buffers
    return envelope["body"], pa.ipc.open_stream(raw).read_all().to_pandas()


def refused(browser: Any, grid: DataGrid, **body: Any) -> str:
    asked = {"start": 0, "count": 50, "sort": [], "search": "", "filters": [], "where": "", "state": 0, **body}
    envelope, _ = browser.ask(grid, "grid.rows", asked)
    assert envelope["kind"] == "grid.rows.error"
    return str(envelope["body"]["message"])


def same(page: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert page["__row__"].tolist() == expected.index.tolist()
    for name in expected.columns:
        here = [None if pd.isna(v) else v for v in page[name]]
        assert here == [None if pd.isna(v) else v for v in expected[name]], name


def test_the_first_message_carries_columns_title_and_size(browser: Any, grid: DataGrid) -> None:
    state = next(c.opened["state"] for c in browser.comms if c.comm_id == grid.self_id)
    assert (state["total"], state["height"], state["component"]) == (ROWS, 360, "DataGrid")
    assert browser.updates(grid) == [{"self_id": grid.self_id}]
    told = {column["name"]: column for column in state["columns"]}
    assert [column["name"] for column in state["columns"]] == ["x", "count", HOSTILE, "when", "nothing", "label"]
    assert (told["label"]["role"], told["label"]["kind"]) == ("target", "binary")
    assert told["nothing"]["role"] == "set_aside" and "empty" in told["nothing"]["reason"]
    assert told["x"]["missing"] == int(grid.data.frame["x"].isna().sum()) > 0
    assert told[HOSTILE]["chars"] == len("<img src=x onerror=alert(1)>")
    json.dumps(state["columns"], allow_nan=False)


def test_rows_come_in_the_tables_order(browser: Any, grid: DataGrid) -> None:
    body, page = read(browser, grid, start=37, count=20, state=4)
    assert body == {"start": 37, "total": ROWS, "state": 4}
    same(page, grid.data.frame.iloc[37:57])


def test_the_last_page_is_short_and_one_behind_it_empty(browser: Any, grid: DataGrid) -> None:
    assert len(read(browser, grid, start=ROWS - 3)[1]) == 3
    body, page = read(browser, grid, start=ROWS + 100)
    assert (len(page), body["total"]) == (0, ROWS)


@pytest.mark.parametrize("sort", [[["x", False]], [["x", True]], [["count", True], ["x", False]], [[HOSTILE, True]]])
def test_sorted_rows_are_pandas(browser: Any, grid: DataGrid, sort: list[Any]) -> None:
    names, down = [name for name, _ in sort], [descending for _, descending in sort]
    expected = grid.data.frame.assign(place=range(ROWS)).sort_values(
        [*names, "place"], ascending=[*(not d for d in down), True], na_position="last"
    )
    same(read(browser, grid, start=200, count=200, sort=sort)[1], expected.drop(columns="place").iloc[200:400])


@pytest.mark.parametrize("search", ["<IMG", "drop table", "Zoë %", "ZOË", "2020-03", "☃", "  yes  "])
def test_searched_rows_are_those_of_which_a_cell_contains_the_words(browser: Any, grid: DataGrid, search: str) -> None:
    data = grid.data.frame
    words = search.strip().lower()
    text = data[[HOSTILE, "label"]].apply(lambda column: column.str.lower())
    text["when"] = data["when"].dt.strftime("%Y-%m-%d %H:%M:%S")
    found = data[text.apply(lambda column: column.str.contains(words, regex=False)).any(axis=1)]
    assert 0 < len(found) < ROWS
    body, page = read(browser, grid, count=400, search=search, sort=[])
    assert body["total"] == len(found)
    same(page, found)


def test_sorting_and_searching_work_together(browser: Any, grid: DataGrid) -> None:
    data = grid.data.frame
    found = data[data[HOSTILE].str.contains("☃")].sort_values("x", ascending=False, kind="stable", na_position="last")
    same(read(browser, grid, count=400, search="☃", sort=[["x", True]])[1], found)


def test_nothing_found_is_an_empty_page(browser: Any, grid: DataGrid) -> None:
    body, page = read(browser, grid, search="no such words")
    assert (body["total"], len(page)) == (0, 0)


def test_a_page_of_another_view_changes_nothing_for_this_one(browser: Any, grid: DataGrid) -> None:
    before = read(browser, grid)[1]
    read(browser, grid, sort=[["x", True]], search="yes")
    pd.testing.assert_frame_equal(read(browser, grid)[1], before)
    assert browser.updates(grid) == [{"self_id": grid.self_id}], "a read changes nothing that others see"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"sort": [["cuont", True]]}, "Did you mean 'count'"),
        ({"sort": [["__row__", True]]}, "no column '__row__'"),
        ({"start": -1}, "from row 0 on"),
        ({"count": 0}, "a page has 1 to"),
        ({"count": 10_000_000}, "a page has 1 to"),
        ({"search": "x" * 501}, "500 are the most"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(
    browser: Any, grid: DataGrid, body: dict[str, Any], said: str
) -> None:
    assert said in refused(browser, grid, **body)


def test_a_frame_is_turned_into_a_dataset(browser: Any) -> None:
    grid = DataGrid(pd.DataFrame({"a": [3, 1, 2], "": ["x", "y", "z"]}))
    assert isinstance(grid.data, Dataset)
    assert read(browser, grid, sort=[["a", False]])[1]["a"].tolist() == [1, 2, 3]


def test_whole_numbers_keep_all_their_digits(browser: Any) -> None:
    numbers = [2**60 + k for k in (3, 1, 2)]
    grid = DataGrid(pd.DataFrame({"big": numbers, "b": [1.5, 2.5, 3.5]}))
    assert read(browser, grid)[1]["big"].tolist() == numbers
    assert grid.columns[0]["chars"] == len(str(2**60))


def test_a_wide_table_has_smaller_pages(browser: Any) -> None:
    wide = pd.DataFrame(np.arange(120 * 2500.0).reshape(120, 2500), columns=[f"c{k}" for k in range(2500)])
    grid = DataGrid(wide)
    assert len(read(browser, grid, count=50)[1]) == 50
    assert "a page has 1 to 50 rows" in refused(browser, grid, count=51)


@pytest.mark.parametrize("height", [20, 5000, 3.5, True, "tall"])
def test_an_impossible_height_is_refused(browser: Any, height: Any) -> None:
    with pytest.raises(InputError, match="120 to 2000 pixels"):
        DataGrid(pd.DataFrame({"a": [1, 2]}), height=height)


def test_an_unknown_argument_names_the_nearest(browser: Any) -> None:
    with pytest.raises(UnknownArgumentError, match="Did you mean 'height'"):
        DataGrid(pd.DataFrame({"a": [1, 2]}), hieght=200)


def test_close_frees_the_pages_and_may_be_called_twice(browser: Any, grid: DataGrid) -> None:
    read(browser, grid)
    pager = grid._pager
    assert pager is not None
    grid.close()
    grid.close()
    with pytest.raises(MedilyticaError):
        pager.rows(0, 1)
    with pytest.raises(MedilyticaError, match="was closed"):
        grid._rows({"start": 0, "count": 1, "sort": [], "search": "", "filters": [], "where": "", "state": 0})


def test_two_grids_of_one_dataset_do_not_share_their_end(browser: Any, frame: pd.DataFrame) -> None:
    data = load_dataset(frame)
    one, two = DataGrid(data), DataGrid(data)
    read(browser, one)
    one.close()
    assert len(read(browser, two)[1]) == 50


def test_the_static_form_shows_the_first_rows_and_what_was_set_aside(headless: Any, frame: pd.DataFrame) -> None:
    grid = DataGrid(load_dataset(frame, target="label", name="<b>table</b>"))
    html = grid.static_html()
    assert html.count("<tr>") == 11
    assert "nothing" in html and "empty: no cell has a value" in html
    assert "The target is label." in html
    assert "&lt;script&gt;" in html and "&lt;b&gt;table" in html
    assert not any(tag in html for tag in ("<script", "<img", "<b>"))
    assert headless.comms == []


def test_the_kepler_table_as_nasa_gives_it(browser: Any) -> None:
    path = Path(__file__).parents[3] / "shared" / "data" / "kepler_koi_cumulative.csv"
    source = str(path) if path.exists() else "kepler"
    grid = DataGrid(load_dataset(source, target="koi_disposition"))
    body, page = read(browser, grid, count=120, sort=[["koi_period", True]])
    assert body["total"] == len(grid.data)
    expected = grid.data.frame["koi_period"].sort_values(ascending=False).head(120)
    assert page["koi_period"].tolist() == expected.tolist()
