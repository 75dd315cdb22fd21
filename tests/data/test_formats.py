"""Spreadsheets, JSON, Arrow files, folders of Parquet files, compressed files and tables that speak Arrow."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import os
import re
import sys
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.feather
import pytest

from medilytica_widgets.data import Dataset, DataSpec, load_dataset
from medilytica_widgets.data.source_code import load_lines
from medilytica_widgets.errors import DataError, EmptyTableError, EncodingError, MissingExtraError

FRAME = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, np.nan, 2.5], "word": ["a", "é", None]})
LOCKED = Path(__file__).parent / "locked.xlsx.gz"


def same(data: Dataset, frame: pd.DataFrame = FRAME) -> None:
    """Compare a table, the same table from its spec, and what its printed lines load."""
    expected = load_dataset(frame).frame
    pd.testing.assert_frame_equal(data.frame, expected, check_dtype=False)
    again = Dataset.from_spec(DataSpec.model_validate_json(data.spec.model_dump_json()))
    pd.testing.assert_frame_equal(again.frame, data.frame)
    assert again.spec == data.spec
    scope: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec("\n".join(load_lines(data.spec, data)), scope)
    made = scope["frame"]
    assert list(made.columns) == list(data.frame.columns) and len(made) == len(data)
    for column in data.features:
        cells = data.cells[column.name]
        if cells.storage == "number":
            np.testing.assert_array_equal(made[column.name].to_numpy(float), cells.values.astype(float))


def book(path: Path, sheets: dict[str, list[list[Any]]], merged: str = "", offset: int = 0) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for at, row in enumerate(rows, start=1 + offset):
            for column, cell in enumerate(row, start=1 + offset):
                sheet.cell(at, column, cell)
        if merged:
            sheet.merge_cells(merged)
    made.save(path)
    return path


ROWS: list[list[Any]] = [["n", "x", "word"], [1, 0.5, "a"], [2, None, "é"], [3, 2.5, None]]


def test_a_spreadsheet_and_its_sheets(tmp_path: Path) -> None:
    path = book(tmp_path / "b.xlsx", {"empty": [], "first": ROWS, "other": [["z"], [5], [6]]})
    data = load_dataset(path)
    same(data)
    assert any("'first' was read" in note and "'other'" in note for note in data.notes) and data.spec.sheet is None
    other = load_dataset(path, sheet="other")
    assert other.spec.sheet == "other"
    same(other, pd.DataFrame({"z": [5, 6]}))
    with pytest.raises(DataError, match="no sheet 'fist'. Did you mean 'first'"):
        load_dataset(path, sheet="fist")
    with pytest.raises(EmptyTableError, match="'empty'"):
        load_dataset(path, sheet="empty")
    with pytest.raises(DataError, match="no spreadsheet"):
        load_dataset(Path(__file__), sheet="first")


def test_a_table_that_begins_further_down(tmp_path: Path) -> None:
    same(load_dataset(book(tmp_path / "b.xlsx", {"a": ROWS}, offset=3)))


def test_a_spreadsheet_without_names(tmp_path: Path) -> None:
    data = load_dataset(book(tmp_path / "b.xlsx", {"a": ROWS[1:]}), names=["n", "x", "word"])
    same(data)


def test_without_the_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "b.xlsx", {"a": ROWS})
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtraError, match=r"medilytica-widgets\[excel\]"):
        load_dataset(path)


def test_dates_and_flags_of_a_spreadsheet(tmp_path: Path) -> None:
    days = [datetime.datetime(2024, 1, day) for day in range(1, 5)]
    rows = [["day", "flag"], *([day, day.day % 2 == 0] for day in days)]
    data = load_dataset(book(tmp_path / "b.xlsx", {"a": rows}))
    assert data.column("day").kind == "datetime" and data.column("flag").kind == "binary"
    assert data.frame["day"].tolist() == [pd.Timestamp(day) for day in days]


def test_merged_cells_in_a_header_are_refused_with_their_place(tmp_path: Path) -> None:
    rows = [["weight", None, "word"], ["kg", "lb", ""], [1, 2, "a"], [3, 4, "b"]]
    with pytest.raises(DataError, match=r"merged cells in its header \(A1:B1\).*Unmerge"):
        load_dataset(book(tmp_path / "b.xlsx", {"a": rows}, "A1:B1"))
    data = load_dataset(book(tmp_path / "c.xlsx", {"a": ROWS}, "A3:A4"))
    assert any("1 merged cells" in note for note in data.notes) and data.column("n").missing == 1


def test_a_spreadsheet_with_a_password(tmp_path: Path) -> None:
    path = tmp_path / "locked.xlsx"
    path.write_bytes(gzip.decompress(LOCKED.read_bytes()))
    with pytest.raises(DataError, match="protected by a password"):
        load_dataset(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), b"no book"])
def test_a_damaged_spreadsheet(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=r"b\.xlsx"):
        load_dataset(tmp_path / "b.xlsx")


RECORDS = json.loads(FRAME.to_json(orient="records"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", FRAME.to_json(orient="records")),
        ("a.json", FRAME.to_json(orient="columns")),
        ("a.json", FRAME.to_json(orient="split")),
        ("a.json", json.dumps({name: [r[name] for r in RECORDS] for name in RECORDS[0]})),
        ("a.json", json.dumps({"count": 3, "results": RECORDS})),
        ("a.json", "\ufeff" + FRAME.to_json(orient="records")),
        ("a.json", FRAME.to_json(orient="records", lines=True)),
        ("a.jsonl", FRAME.to_json(orient="records", lines=True)),
        ("a.ndjson", "\n" + FRAME.to_json(orient="records", lines=True)),
    ],
)
def test_shapes_of_json(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    same(load_dataset(tmp_path / name))


def test_objects_in_records_are_flattened_one_level(tmp_path: Path) -> None:
    records = [{"id": i, "at": {"x": i / 2, "deep": {"y": 1}}} for i in range(4)]
    (tmp_path / "a.json").write_text(json.dumps(records))
    data = load_dataset(tmp_path / "a.json")
    assert [c.name for c in data.columns] == ["id", "at.x", "at.deep"]
    assert data.frame["at.x"].tolist() == [0, 0.5, 1, 1.5]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.json", '[{"a": 1}, {"a"', "not readable as JSON.*line 1, column 1"),
        ("a.json", "[1, 2]", "record 1 is a int"),
        ("a.json", "5", "single int"),
        ("a.json", '{"a": [1, 2], "b": [1]}', "different lengths"),
        ("a.json", '{"a": 1}', "no table"),
        ("a.json", '{"columns": ["a"], "data": [[1], [1, 2]]}', "row 2 "),
        ("a.json", "[]", "no records"),
        ("a.json", "[" * 100_000, "deep|JSON"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2 is no JSON record"),
        ("a.jsonl", '{"a": 1}\n7\n', "line 2 holds a int"),
    ],
)
def test_json_that_is_no_table(name: str, text: str, match: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=match):
        load_dataset(tmp_path / name)


def write_stream(path: Path) -> None:
    table = pa.Table.from_pandas(FRAME)
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)


def test_arrow_files(tmp_path: Path) -> None:
    FRAME.to_feather(tmp_path / "a.feather")
    pyarrow.feather.write_feather(pa.Table.from_pandas(FRAME), str(tmp_path / "b.arrow"), compression="uncompressed")
    write_stream(tmp_path / "c.arrows")
    write_stream(tmp_path / "d.arrow")
    for name in ("a.feather", "b.arrow", "c.arrows", "d.arrow"):
        same(load_dataset(tmp_path / name))


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrows"])
def test_a_cut_off_arrow_file(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        FRAME.to_parquet(path)
    elif ending == "feather":
        FRAME.to_feather(path)
    else:
        write_stream(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DataError, match=rf"'a\.{ending}' is not a readable .*cut off"):
        load_dataset(path)


def test_tables_that_speak_arrow() -> None:
    table = pa.Table.from_pandas(FRAME)
    with duckdb.connect() as connection:
        connection.register("given", FRAME)
        sources: list[Any] = [
            polars.from_pandas(FRAME),
            table,
            table.to_batches()[0],
            table.to_reader(),
            connection.sql("select * from given"),
        ]
        for source in sources:
            pd.testing.assert_frame_equal(load_dataset(source).frame, load_dataset(FRAME).frame, check_dtype=False)


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    for year in (2023, 2024):
        folder = tmp_path / "all" / f"year={year}"
        folder.mkdir(parents=True)
        for part in range(2):
            FRAME.assign(part=part).to_parquet(folder / f"[{part}].parquet")
        (folder / "_notes.txt").write_text("not a table")
    outer = tmp_path / "run=7"
    (tmp_path / "all").rename(outer)
    assert "run" not in load_dataset(outer).frame.columns
    outer.rename(tmp_path / "all")
    data = load_dataset(tmp_path / "all")
    whole = pd.concat([FRAME.assign(part=p, year=y) for y in (2023, 2024) for p in (0, 1)], ignore_index=True)
    same(data, whole)
    assert data.name == "all" and any("4 Parquet files" in note for note in data.notes)
    assert any("'year'" in note for note in data.notes)
    damaged = tmp_path / "all" / "year=2024" / "[1].parquet"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"'\[1\]\.parquet' in the folder .* cut off"):
        load_dataset(tmp_path / "all")


def test_a_folder_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="holds no Parquet file"):
        load_dataset(tmp_path)
    FRAME.to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"n": [[1]]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="no one table"):
        load_dataset(tmp_path)


TEXT = "n,x,word\n1,0.5,a\n2,,é\n3,2.5,\n"


def test_compressed_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "b.csv").write_bytes(gzip.compress(TEXT.encode()[:9]) + gzip.compress(TEXT.encode()[9:]))
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(FRAME.to_json(orient="records", lines=True).encode()))
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("inner.csv", TEXT)
    for name in ("a.csv.gz", "b.csv", "c.jsonl.gz", "d.zip"):
        same(load_dataset(tmp_path / name))
    with zipfile.ZipFile(tmp_path / "d.zip", "a") as archive:
        archive.writestr("other.csv", TEXT)
    with pytest.raises(DataError, match="holds 2 files"):
        load_dataset(tmp_path / "d.zip")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(TEXT.encode() * 99)[:-30])
    with pytest.raises(DataError, match="damaged or cut off"):
        load_dataset(tmp_path / "a.csv.gz")


@pytest.mark.parametrize("kind", ["gz", "zip", "xlsx", "lying"])
def test_bombs_are_not_unpacked(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medilytica_widgets.data.unpacking.UNPACKED_LIMIT", 1 << 20)
    bomb = b"a,b\n" + b"1,2\n" * (1 << 20)
    path = tmp_path / f"bomb.{'zip' if kind == 'lying' else kind}"
    if kind == "gz":
        path.write_bytes(gzip.compress(bomb))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/worksheets/sheet1.xml" if kind == "xlsx" else "a.csv", bomb)
        if kind == "lying":
            # the size that it states, in both headers, is a lie
            size = len(bomb).to_bytes(4, "little")
            path.write_bytes(path.read_bytes().replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(DataError, match="unpacks to more than|damaged"):
        load_dataset(path)


def test_a_bomb_is_stopped_long_before_memory_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medilytica_widgets.data.unpacking.budget", lambda: 6 * (24 << 20))
    path = tmp_path / "zeros.csv.gz"
    packer = zlib.compressobj(wbits=31)
    block = b"0,0\n" * (1 << 17)
    # a thousand times as much as the file has
    path.write_bytes(b"".join(packer.compress(block) for _ in range(150)) + packer.flush())
    tracemalloc.start()
    with pytest.raises(DataError, match=r"unpacks to more than 25 MB from \d"):
        load_dataset(path)
    assert tracemalloc.get_traced_memory()[1] < 80 << 20
    tracemalloc.stop()


def test_a_bomb_in_an_archive_in_an_archive(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (64 << 20))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../inner.xlsx", inner.getvalue())
    with pytest.raises(DataError, match="which is read unpacked only"):
        load_dataset(tmp_path / "outer.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["outer.zip"]
    (tmp_path / "inner.csv.gz").write_bytes(gzip.compress(gzip.compress(b"a,b\n1,2\n")))
    with pytest.raises(DataError):
        load_dataset(tmp_path / "inner.csv.gz")


@pytest.mark.parametrize("name", ["a.zip", "a.xlsx"])
def test_a_way_to_pack_that_is_not_known(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml" if name == "a.xlsx" else "a.csv", TEXT * 99)
    content = (tmp_path / name).read_bytes()
    # deflate64, in both headers
    content = content[:8] + b"\x09" + content[9:]
    at = content.index(b"PK\x01\x02")
    (tmp_path / name).write_bytes(content[: at + 10] + b"\x09" + content[at + 11 :])
    with pytest.raises(DataError, match="damaged or cut off: .*compression"):
        load_dataset(tmp_path / name)


def sheet_of(path: Path, rows: str) -> Path:
    """Write a spreadsheet with these rows, which a program for spreadsheets would not."""
    FRAME.to_excel(path, index=False)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    begin, end = "<sheetData>", "</sheetData>"
    sheet = parts["xl/worksheets/sheet1.xml"].decode()
    sheet = re.sub("<dimension[^>]*>", "", sheet)
    sheet = sheet[: sheet.index(begin) + len(begin)] + rows + sheet[sheet.index(end) :]
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("places", ['r="A1" r="XFD1048576"', "r='A1' r = 'XFD1048576'", 'r="XFD1" r="A1048576"'])
def test_cells_in_far_corners_do_not_end_the_process(places: str, tmp_path: Path) -> None:
    first, second = re.findall(r"r ?= ?['\"]\w+['\"]", places)
    rows = f"<row><c {first}><v>1</v></c></row><row><c {second}><v>2</v></c></row>"
    path = sheet_of(tmp_path / "far.xlsx", rows)
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match=r"1,048,576 rows × 16,384 columns, which does not fit into memory"):
        load_dataset(path)


def test_a_sheet_is_measured_exactly_where_it_may_be_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.xlsx"
    pd.DataFrame(np.zeros((120, 30))).to_excel(path, index=False)
    # 121 rows of 30 columns fit, what three digits could say does not
    monkeypatch.setattr("medilytica_widgets.data.sheet_size.budget", lambda: 121 * 30 * 64)
    assert load_dataset(path).frame.shape == (120, 30)
    monkeypatch.setattr("medilytica_widgets.data.sheet_size.budget", lambda: 121 * 30 * 64 - 1)
    with pytest.raises(DataError, match="121 rows × 30 columns"):
        load_dataset(path)


def test_what_cannot_be_sampled_and_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.json").write_text(FRAME.to_json(orient="records"))
    monkeypatch.setattr("medilytica_widgets.data.sources.budget", lambda: 10)
    with pytest.raises(DataError, match="does not fit into memory.*rows='all'"):
        load_dataset(tmp_path / "t.json")
    assert len(load_dataset(tmp_path / "t.json", rows="all")) == len(FRAME)


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_links_in_a_folder_of_parquet_files(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    FRAME.to_parquet(tmp_path / "set" / "a.parquet")
    FRAME.to_parquet(tmp_path / "blob")
    (tmp_path / "set" / "b.parquet").symlink_to(tmp_path / "blob")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "set")
    data = load_dataset(tmp_path / "set")
    assert len(data) == 2 * len(FRAME)
    assert "'b.parquet' is a link out of the folder; what it leads to was read." in data.notes
    (tmp_path / "set" / "c.parquet").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="'c.parquet' in the folder .* is not a readable parquet table"):
        load_dataset(tmp_path / "set")
    (tmp_path / "set" / "c.parquet").unlink()
    (tmp_path / "set" / "c.parquet").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match="'c.parquet' in the folder .* is a link that leads nowhere"):
        load_dataset(tmp_path / "set")


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.parquet", "a.json", "a.jsonl", "a.feather", "a.tsv"])
def test_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(EmptyTableError, match="is empty"):
        load_dataset(tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
def test_zero_bytes_and_bytes_of_no_encoding(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"a,b\n1,\x002\n3,4\n")
    with pytest.raises(EncodingError, match="zero byte"):
        load_dataset(tmp_path / name)
    (tmp_path / name).write_bytes(bytes(range(1, 32)) * 40 + bytes(range(0x80, 0xA0)) * 40)
    with pytest.raises(EncodingError, match="not text in any encoding"):
        load_dataset(tmp_path / name)
