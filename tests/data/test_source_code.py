"""The printed lines run on their own and give the same arrays as the package."""

from __future__ import annotations

import csv
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.data import BUILTIN, Dataset, Prepared, Split, load_dataset, prepare, split
from medilytica_widgets.data.source_code import load_lines, prepare_lines
from medilytica_widgets.errors import ColumnNotFoundError

PARTS = ("X_train", "y_train", "X_validation", "y_validation", "X_test", "y_test")


def lines_of(data: Dataset, rows: Split, data_path: Path | None = None) -> list[str]:
    """Return the printed lines; ``data_path`` stands where a person fills in the path of a frame's file."""
    lines = [*load_lines(data.spec, data), *prepare_lines(data, rows)]
    if data_path is None:
        return lines
    return [f"DATA = {str(data_path)!r}" if line.startswith("DATA = ") else line for line in lines]


def assert_same(theirs: Mapping[str, Any], ours: Prepared) -> None:
    """Compare all arrays bit for bit."""
    for name in PARTS:
        expected = getattr(ours, name)
        assert theirs[name].dtype == expected.dtype, name
        np.testing.assert_array_equal(theirs[name], expected, err_msg=name)
    assert list(theirs["classes"]) == ours.classes


def assert_same_in_a_script(data: Dataset, folder: Path, data_path: Path | None = None) -> None:
    """Run the lines in a fresh interpreter, in another folder, with warnings as errors."""
    rows = split(data, seed=3)
    lines = lines_of(data, rows, data_path)
    kept = ", ".join(f"{name}={name}" for name in PARTS)
    lines.append(f"np.savez({str(folder / 'out.npz')!r}, {kept}, classes=np.array(classes, dtype=str))")
    script = folder / "script.py"
    script.write_text("\n".join(lines), encoding="utf-8")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert_same(np.load(folder / "out.npz"), prepare(data, rows))


def assert_same_here(data: Dataset, data_path: Path | None = None) -> None:
    """Run the lines in this process: the start of an interpreter costs seconds."""
    rows = split(data, seed=3)
    scope: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec("\n".join(lines_of(data, rows, data_path)), scope)
    assert_same(scope, prepare(data, rows))


def test_kepler_as_it_is(kepler_file: Path, tmp_path: Path) -> None:
    data = load_dataset(kepler_file, "koi_disposition", exclude=["koi_score", "koi_pdisposition"])
    assert_same_in_a_script(data, tmp_path)


def test_heart_without_header(heart: Dataset, tmp_path: Path) -> None:
    assert_same_in_a_script(heart, tmp_path)


def test_adult_with_categories_and_question_marks(adult: Dataset, tmp_path: Path) -> None:
    assert_same_in_a_script(adult, tmp_path)


def test_target_with_missing_rows(planets: Dataset) -> None:
    assert_same_here(planets)


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_tables(name: str) -> None:
    assert_same_here(load_dataset(name))


@pytest.mark.parametrize("name", ["spiral", "friedman", "checkerboard"])
def test_drawn_tables_with_their_options(name: str) -> None:
    assert_same_here(load_dataset(name, n=90, noise=0.3, seed=4))


def test_a_file_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("".join(f"{i / 4},{i % 7},{i % 2}\n" for i in range(90)))
    assert_same_here(load_dataset(tmp_path / "a.csv", "column 3"))


def test_a_sample_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i / 4},{i % 2}\n" for i in range(500)))
    assert_same_here(load_dataset(tmp_path / "a.csv", "y", rows=120, seed=2))


def test_the_packages_sample_by_its_absolute_path(tmp_path: Path) -> None:
    assert_same_in_a_script(load_dataset("kepler"), tmp_path)


def messy_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 160
    return pd.DataFrame(
        {
            "weight": [None if i % 7 == 0 else float(v) for i, v in enumerate(rng.normal(70, 9, n))],
            'quo"te\n<script>': rng.integers(0, 3, n).astype(float),
            "__proto__": rng.choice(["été", "naïve", "mœurs"], n),
            "seen": pd.date_range("2020-01-01", periods=n, freq="37h"),
            "flag": rng.choice([True, False], n),
            "half": rng.choice([0.5, 1.5, np.nan], n),
            "town": [None if i % 11 == 0 else f" town {i % 70} " for i in range(n)],
            "label": rng.choice(["a", "b"], n),
        }
    )


def test_frame_in_memory_is_read_from_the_file_its_user_writes(tmp_path: Path) -> None:
    frame = messy_frame()
    frame.to_csv(tmp_path / "given.csv", index=False)
    assert_same_in_a_script(load_dataset(frame, "label"), tmp_path, data_path=tmp_path / "given.csv")


def test_frame_with_repeated_and_missing_names(tmp_path: Path) -> None:
    frame = messy_frame()
    frame.columns = ["a", "a", "", "seen", "flag", "half", "town", "label"]
    frame.to_csv(tmp_path / "given.csv", index=False)
    assert_same_here(load_dataset(frame, "label"), data_path=tmp_path / "given.csv")


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    messy_frame().set_index(np.arange(160)[::-1]).to_parquet(tmp_path / "table.parquet")
    assert_same_here(load_dataset(tmp_path / "table.parquet", "label"))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("x;y;label\n1,5;a;u\n2,5;b;v\n" * 1 + "3.5;c;u\n4;a;v\n" * 20, {}),
        ("# note\n\n# more\nx\ty\tlabel\n" + '1\t"in" quotes\tu\n2\tout\tv\n3\tb\tu\n' * 10, {}),
        ("x,label\n" + "1,été\n2,où\n nan ,où\n inf,été\n" * 9, {"encoding": "cp1252"}),
        ("x,label\n" + "1,été\n2,où\n" * 9, {"encoding": "utf-16"}),
        ("x,d,label\n" + "1,31/12/2020,0\n2,01/02/2021,1\n3,15/02/2021,4\n" * 9, {}),
        ("x y label\n" + "1 2.5 0\n2 1e3 1\n3 7 1\n" * 9, {}),
        ("#x,y,label\n" + "1,2.5,u\n2,7,v\n3,7,v\n" * 9, {}),
        ("x,y,label,\n" + "1,2.5,u,\n2,7,v,\n3,7,v,\n" * 9, {}),
        ("x,y,label\n" + "1,2.5,u,\n2,7,v,\n3,7,v,\n" * 9, {}),
        ("x;y;label\n" + "1,5;1.234,5;u\n2;-17;v\n3,25;?;v\n" * 9, {}),
        ("x,y,label\n" + '"1,234",7,u\n"12",8,v\n"1,234,567",9,v\n' * 9, {}),
        ("x,y,label\n" + "1,2.5,u\n# a remark\n2,7,v\n3,7,v\n" * 9, {}),
        ("x,zip,label\n" + "1,01234,0.5\n2,98765,0.25\n3,04711,7\n" * 9, {}),
    ],
)
def test_text_formats(text: str, options: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(text.encode(options.get("encoding", "utf-8")))
    assert_same_here(load_dataset(file, "label"))


def test_regression_head_on_an_integer_target(heart: Dataset) -> None:
    rows = split(heart, task="regression")
    lines = "\n".join(prepare_lines(heart, rows, "regression"))
    assert not rows.stratified and "stratify" not in lines
    assert prepare(heart, rows, "regression").y_train.dtype == np.float32
    assert "classes: list[str] = []" in lines


def test_each_fragment_begins_with_its_imports() -> None:
    data = load_dataset("iris")
    for fragment in (load_lines(data.spec, data), prepare_lines(data, split(data))):
        head = fragment[: fragment.index("")]
        assert head and all(line.startswith(("import ", "from ")) for line in head)


def test_a_frame_says_where_its_file_is_named() -> None:
    data = load_dataset(load_dataset("iris").frame, "species")
    lines = load_lines(data.spec, data)
    assert any(line.startswith("#") and "to_csv(DATA" in line for line in lines)
    assert 'DATA = "table.csv"' in lines


CELL = st.one_of(
    st.sampled_from(
        ["", "NA", "?", " ? ", "1", "2", "2.0", " 3", "1e5", "-.5", "inf", "nan", "007", "yes", "no", "2020-01-02"]
    ),
    st.text("ab ,;\"'#é\n\\{}1", max_size=6),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=12, max_size=40), st.sampled_from(",;\t"))
def test_any_text_table_gives_the_same_arrays(cells: list[list[str]], delimiter: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "table.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, delimiter=delimiter)
            writer.writerow(["a", "b b", "c", "label"])
            writer.writerows([*row, "uvw"[i % 3]] for i, row in enumerate(cells))
        try:
            data = load_dataset(file, "label")
        except ColumnNotFoundError as error:
            # a name that stands in its own column again and again is taken for a value, and that is said
            assert "seems to hold data" in error.message
            return
        if data.features:
            assert_same_here(data)
