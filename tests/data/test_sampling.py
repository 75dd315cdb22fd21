"""Tables larger than memory: a sample is taken, said, kept in the specification, and the same ever after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medilytica_widgets.data import Dataset, DataSpec, load_dataset, sampling
from medilytica_widgets.data.sampling import Reservoir, positions
from medilytica_widgets.data.source_code import load_lines
from medilytica_widgets.errors import DataError

N = 20_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = np.array(["red", "green, dark", "été"], dtype=object)[rng.integers(0, 3, N)]
    return pd.DataFrame({"n": np.arange(N), "x": rng.normal(size=N), "word": words})


def files(frame: pd.DataFrame, folder: Path) -> dict[str, Path]:
    frame.to_parquet(folder / "a.parquet", row_group_size=3_000)
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_csv(folder / "b.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    frame.to_csv(folder / "c.csv", index=False, encoding="utf-16", lineterminator="\r\n")
    (folder / "d").mkdir()
    for part in range(4):
        frame.iloc[part * N // 4 : (part + 1) * N // 4].to_parquet(folder / "d" / f"{part}.parquet")
    return {name: folder / name for name in ("a.parquet", "a.csv", "b.csv", "c.csv", "d")}


def test_what_does_not_fit_is_sampled_the_same_way_everywhere(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in files(frame, tmp_path).items():
        with monkeypatch.context() as patched:
            patched.setattr(sampling, "budget", lambda: 400_000)
            patched.setattr("medilytica_widgets.data.arrow_files.budget", lambda: 400_000)
            patched.setattr("medilytica_widgets.data.text_stream.budget", lambda: 400_000)
            patched.setattr("medilytica_widgets.data.text_stream._PIECE", 50_000)
            patched.setattr("medilytica_widgets.data.text_stream.HEAD", 20_000)
            data = load_dataset(path, "word")
        rows = data.spec.rows
        assert isinstance(rows, int) and 100 < rows < N // 2 and len(data) == rows, name
        said = f"A sample of {rows:,} of {N:,} rows, drawn with the seed 0: the whole table would not fit"
        assert any(said in note for note in data.notes), name
        # the rows are those of the file, in its order, and drawn as a frame's are
        expected = load_dataset(frame, "word", rows=rows).frame
        pd.testing.assert_frame_equal(data.frame, expected, check_dtype=False, obj=name)
        # with memory enough the specification finds the same sample
        again = Dataset.from_spec(DataSpec.model_validate_json(data.spec.model_dump_json()))
        pd.testing.assert_frame_equal(again.frame, data.frame, obj=name)
        scope: dict[str, Any] = {}
        exec("\n".join(load_lines(again.spec, again)), scope)
        np.testing.assert_array_equal(scope["frame"]["x"], data.frame["x"], err_msg=name)


def test_rows_and_seed_by_hand(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = files(frame, tmp_path)["a.csv"]
    one, two = load_dataset(path, rows=500, seed=1), load_dataset(path, rows=500, seed=2)
    assert len(one) == len(two) == 500 and not one.frame.equals(two.frame)
    assert any("rows=… asks for it" in note for note in one.notes)
    assert len(load_dataset(path, rows=N + 1)) == N
    assert "rows" not in load_dataset(path).spec.model_dump()
    # every part of the table has its share
    assert np.histogram(one.frame["n"], bins=5, range=(0, N))[0].min() > 60


def test_all_means_all(frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "budget", lambda: 400_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream.budget", lambda: 400_000)
    made = files(frame, tmp_path)
    for name in ("a.csv", "a.parquet"):
        data = load_dataset(made[name], rows="all")
        assert len(data) == N and data.spec.rows == "all"


@pytest.mark.parametrize("rows", [0, -1, 2.5, True, "many"])
def test_rows_that_are_no_number(rows: Any) -> None:
    with pytest.raises(DataError, match="rows is"):
        load_dataset("iris", rows=rows)
    with pytest.raises(DataError, match="seed is"):
        load_dataset("iris", seed=-1)


def test_a_wrong_row_far_down_a_large_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "budget", lambda: 100_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream.budget", lambda: 100_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream._PIECE", 40_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream.HEAD", 20_000)
    for row, cells in (("1,2,3", 3), ("1", 1)):
        lines = ["a,b"] + [f'{i},"{i * 2}"' if i % 9 else f'{i},"two\nlines"' for i in range(30_000)]
        lines[20_000] = row
        text = "\n".join(lines)
        number = text[: text.index(f"\n{row}\n")].count("\n") + 2
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(DataError, match=rf"line {number} has {cells} cell"):
            load_dataset(tmp_path / "a.csv")


def test_an_endless_line_in_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "budget", lambda: 100_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream.budget", lambda: 100_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream._PIECE", 20_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream.HEAD", 10_000)
    monkeypatch.setattr("medilytica_widgets.data.lines.LONGEST_LINE", 50_000)
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 9_000 + "9" * 200_000 + "\n")
    with pytest.raises(DataError, match="longer than"):
        load_dataset(tmp_path / "a.csv")


def test_text_that_is_no_utf8_below_its_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "budget", lambda: 100_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream.budget", lambda: 100_000)
    monkeypatch.setattr("medilytica_widgets.data.text_stream.HEAD", 10_000)
    (tmp_path / "a.csv").write_bytes(b"a,b\n" + b"1,x\n" * 9_000 + "2,où\n".encode("cp1252") * 9_000)
    data = load_dataset(tmp_path / "a.csv")
    assert set(data.frame["b"]) == {"x", "où"} and any("cp1252" in note for note in data.notes)


@given(st.integers(1, 400), st.integers(1, 200), st.lists(st.integers(1, 50), max_size=12), st.integers(0, 9))
def test_a_sample_does_not_depend_on_the_pieces(total: int, rows: int, cuts: list[int], seed: int) -> None:
    kept = Reservoir(rows, seed)
    start = 0
    for size in (*cuts, total):
        end = min(total, start + size)
        kept.add(pd.DataFrame({"n": range(start, end)}))
        start = end
    assert kept.total == total
    assert kept.frame()["n"].tolist() == positions(total, rows, seed).tolist()


def test_every_row_is_as_likely() -> None:
    counts = np.zeros(20)
    for seed in range(2_000):
        counts[positions(20, 5, seed)] += 1
    assert counts.sum() == 10_000 and abs(counts - 500).max() < 100
