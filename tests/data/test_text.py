"""Text tables: how numbers are written, whether there is a header, comments between rows, and rows of another width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medilytica_widgets.data import Dataset, load_dataset
from medilytica_widgets.data.numerals import plain_numbers
from medilytica_widgets.errors import ColumnNotFoundError, DataError


def load(folder: Path, text: str, name: str = "table.csv", **options: object) -> Dataset:
    path = folder / name
    path.write_bytes(text.encode())
    return load_dataset(path, **options)  # type: ignore[arg-type]


def said(data: Dataset, words: str) -> bool:
    return any(words in note for note in data.notes)


def test_decimal_commas_are_read_and_said(tmp_path: Path) -> None:
    data = load(tmp_path, "a;b;word\n1,5;-2,25;x,y\n3;1e3;z\n,5;1.234,5;w\n")
    assert data.frame["a"].tolist() == [1.5, 3.0, 0.5] and data.frame["b"].tolist() == [-2.25, 1000.0, 1234.5]
    assert data.frame["word"].tolist() == ["x,y", "z", "w"]
    assert said(data, "2 columns hold numbers with a decimal comma") and said(data, "divided by semicolons")


@pytest.mark.parametrize("gap", [" ", "\u00a0", "\u202f", "'", "\u2019"])
def test_separated_thousands(gap: str, tmp_path: Path) -> None:
    text = f"a;b\n1{gap}234,5;x\n12;y\n1{gap}234{gap}567;z\n?;x\n"
    data = load(tmp_path, text)
    assert data.frame["a"].tolist()[:3] == [1234.5, 12, 1234567] and np.isnan(data.frame["a"][3])
    assert said(data, "between thousands")


def test_thousands_with_a_comma_in_quotes(tmp_path: Path) -> None:
    data = load(tmp_path, 'city,people\nA,"1,234"\nB,"12,345,678"\nC,77\n')
    assert data.frame["people"].tolist() == [1234, 12345678, 77]
    assert said(data, "1 column holds numbers with a comma between thousands")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # nothing else in the file: the delimiter decides
        ("a;b\n1,234;x\n5,678;y\n", 1.234),
        ("a\tb\n1,234\tx\n5,678\ty\n", 1234),
        # another column decides
        ("a;b\n1,234;0.5\n5,678;1.25\n", 1234),
        ("a\tb\n1,234\t0,5\n5,678\t1,25\n", 1.234),
        # a point between thousands, where others have decimal commas and none a decimal point
        ("a;b\n1.234;0,5\n5.678;1,25\n", 1234),
        ("a;b\n1.234;7\n5.678;8\n", 1.234),
    ],
)
def test_what_can_be_read_in_two_ways_is_decided_by_the_file(text: str, value: float, tmp_path: Path) -> None:
    assert load(tmp_path, text, "table.txt").frame["a"][0] == value


@pytest.mark.parametrize(
    "cells", [["1,2,3", "4,5"], ["123 456", "789 012"], ["3,14 m", "2,5 m"], ["1.2.3.4", "5.6.7.8"]]
)
def test_what_is_no_number_stays_as_it_is(cells: list[str], tmp_path: Path) -> None:
    data = load(tmp_path, "a;b\n" + "".join(f"{cell};{number}\n" for number, cell in enumerate(cells)))
    assert data.frame["a"].tolist() == cells


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=3, max_size=20),
    st.integers(0, 3),
    st.sampled_from([(".", ","), ("", ","), ("'", "."), ("\u00a0", ",")]),
)
def test_numbers_come_back_whatever_their_style(values: list[int], places: int, style: tuple[str, str]) -> None:
    thousands, decimal = style
    # the first two say how the others are meant
    numbers = [1234567.25, -0.5, *(value / 10**places for value in values)]
    words = [f"{n:,.{2 if i < 2 else places}f}" for i, n in enumerate(numbers)]
    swapped = [w.replace(",", "_").replace(".", decimal).replace("_", thousands) for w in words]
    rows, styles, _ = plain_numbers(pd.DataFrame({0: pd.Series(swapped, dtype="str")}), ";", ("",))
    assert [float(cell) for cell in rows[0]] == [float(w.replace(",", "")) for w in words] and styles


def test_a_file_without_a_header_is_found_and_said(tmp_path: Path) -> None:
    data = load(tmp_path, "63.5,1,145\n67,1,160\n37,0,130\n")
    assert [c.name for c in data.columns] == ["column 1", "column 2", "column 3"] and len(data) == 3
    assert said(data, "without a header") and said(data, "names=[…]")
    with pytest.raises(ColumnNotFoundError, match=r"seems to hold data, not names: give them with names"):
        load(tmp_path, "63.5,1,145\n67,1,160\n37,0,130\n", target="num")


def test_words_that_come_again_are_no_header(tmp_path: Path) -> None:
    text = "".join(f"{'ham' if i % 3 else 'spam'},some words {i}\n" for i in range(1, 60))
    data = load(tmp_path, text)
    assert len(data) == 59 and data.columns[0].name == "column 1"


@pytest.mark.parametrize(
    "text",
    [
        "country,2001,2002,2003\nA,1,2,3\nB,4,5,6\nC,7,8,9\n",
        "name,age\nann,3\nbob,4\ncec,5\n",
        # the header again, where two files were put together
        "kind,x\na,1\nb,2\n" + "kind,x\na,1\nb,2\n" * 9,
        "a,b\nx,y\nz,w\n",
    ],
)
def test_names_stay_names(text: str, tmp_path: Path) -> None:
    assert [c.name for c in load(tmp_path, text).columns] == text.split("\n")[0].split(",")


def test_comment_lines_between_rows_are_skipped_and_said(tmp_path: Path) -> None:
    data = load(tmp_path, "a,b\n1,x\n# a remark\n2,y\n#1,z\n# one, two, three\n3,w\n")
    assert data.frame["b"].tolist() == ["x", "y", "z", "w"]
    assert said(data, "2 comment lines between the rows skipped")


def long(line: int, row: str, quote: str = "") -> str:
    rows = ["a,b,c"] + [f"{i},{quote}x{quote},{i * 2}" for i in range(80_000)]
    rows[line - 1] = row
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize(("row", "cells"), [("1,2", "2 cells"), ("1,2,3,4,5", "5 cells"), ("7", "1 cell")])
def test_a_row_of_another_width_deep_down_is_named(row: str, cells: str, quote: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"table\.csv': line 70000 has {cells} where 3 are expected"):
        load(tmp_path, long(70_000, row, quote))


def test_the_line_is_counted_as_an_editor_does(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 6 has 1 cell where 2"):
        load(tmp_path, 'a,b\n"two\nlines",1\n\n2,\n3\n')


def test_empty_last_cells_are_cells(tmp_path: Path) -> None:
    data = load(tmp_path, "a,b\n1,\n2,x\n\n3,\n")
    assert data.column("b").missing == 2 and len(data) == 3


@pytest.mark.parametrize("rows", ["", "x,1\n" * 40])
def test_a_line_without_an_end_is_refused(rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medilytica_widgets.data.lines.LONGEST_LINE", 10_000)
    text = "a,b\n" + rows + "1," + "9" * 20_000 + "\n2,3\n"
    with pytest.raises(DataError, match=rf"line {2 + rows.count(chr(10))} is longer than"):
        load(tmp_path, text)


HOSTILE = [
    'say "hi"',
    "it's",
    "<script>alert(1)</script>",
    "two\nlines",
    "🦋 wing",
    "x" * 300,
    "__proto__",
    "constructor",
    "a;b,c",
    "'; drop table t; --",
]


def test_names_of_every_kind_stay_as_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame({name: [float(i), i + 0.5, i + 2.0] for i, name in enumerate(HOSTILE)})
    frame.to_csv(tmp_path / "names.csv", index=False)
    frame.to_parquet(tmp_path / "names.parquet")
    frame.to_excel(tmp_path / "names.xlsx", index=False)
    frame.to_json(tmp_path / "names.json", orient="records")
    for ending in ("csv", "parquet", "xlsx", "json"):
        data = load_dataset(tmp_path / f"names.{ending}", "__proto__")
        assert [c.name for c in data.columns] == HOSTILE, ending
        pd.testing.assert_frame_equal(data.frame, frame, check_dtype=False, check_column_type=False)
        assert data.target == "__proto__" and data.summary()
