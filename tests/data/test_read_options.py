"""What a person says of a file where the detection is wrong; and what the file's own comments say of its columns."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.data import Dataset, load_dataset, sampling
from medilytica_widgets.data.source_code import load_lines
from medilytica_widgets.errors import DataError, EmptyTableError, EncodingError, UnknownArgumentError

# each file would be read otherwise without what is said
CASES: dict[str, tuple[bytes, dict[str, Any], dict[str, list[Any]]]] = {
    "delimiter": (b"a|b;c|d\n1|2;3|4\n5|6;7|8\n", {"delimiter": ";"}, {"a|b": ["1|2", "5|6"], "c|d": ["3|4", "7|8"]}),
    "blanks": (b"a  b\n1   2\nx y\n", {"delimiter": " "}, {"a": ["1", "x"], "b": ["2", "y"]}),
    "colon": (b"a:b\n1:2\n3:4\n", {"delimiter": ":"}, {"a": [1, 3], "b": [2, 4]}),
    "decimal comma": (b"a;b\n1.234;1\n5.678;2\n", {"decimal": ","}, {"a": [1234, 5678], "b": [1, 2]}),
    "decimal point": (b"a;b\n1,234;1\n5,678;2\n", {"decimal": "."}, {"a": [1234, 5678], "b": [1, 2]}),
    "quote": (b"a,b\n'x,1',2\n'y,2',3\n", {"quotechar": "'"}, {"a": ["x,1", "y,2"], "b": [2, 3]}),
    "no quote": (b'a,b\n"x,2\n"y,3\n', {"quotechar": ""}, {"a": ['"x', '"y'], "b": [2, 3]}),
    "no header": (b"a,b\nc,d\n", {"header": None}, {"column 1": ["a", "c"], "column 2": ["b", "d"]}),
    "names": (b"1,2\n3,4\n5,6\n7,8\n", {"header": 0}, {"1": [3, 5, 7], "2": [4, 6, 8]}),
    "third row": (b"Report,2024\nby,Ann\n\n# note\nx,y\n1,2\n3,4\n", {"header": 2}, {"x": [1, 3], "y": [2, 4]}),
    "encoding": ("a,b\nж,1\nю,2\n".encode("cp1251"), {"encoding": "cp1251"}, {"a": ["ж", "ю"], "b": [1, 2]}),
    "utf-16": ("a,b\né,1\nü,2\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, {"a": ["é", "ü"], "b": [1, 2]}),
    "comment": (b"% made, by\na,b\n1,2\n% 3,4\n5,6\n", {"comment": "%"}, {"a": [1, 5], "b": [2, 6]}),
    "slashes": (b"// made\na,b\n1,2\n//x,4\n5,6\n", {"comment": "//"}, {"a": [1, 5], "b": [2, 6]}),
    "no comment": (b"#a,b\n#1,2\n#3,4\n", {"comment": ""}, {"#a": ["#1", "#3"], "b": [2, 4]}),
}


def plain(data: Dataset) -> dict[str, list[Any]]:
    return {name: data.frame[name].tolist() for name in data.frame}


@pytest.mark.parametrize("case", list(CASES))
def test_what_is_said_wins_and_is_kept(case: str, tmp_path: Path) -> None:
    content, options, wanted = CASES[case]
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    data = load_dataset(path, **options)
    assert plain(data) == wanted
    # the specification, and the script that follows from it
    again = Dataset.from_spec(data.spec.model_dump(mode="json"))
    assert plain(again) == wanted and again.spec == data.spec
    scope: dict[str, Any] = {}
    exec("\n".join(load_lines(data.spec, data)), scope)
    for name, cells in wanted.items():
        assert (
            scope["frame"][name].astype(str).tolist()
            == pd.Series(cells).astype(scope["frame"][name].dtype).astype(str).tolist()
        )
    if case != "names":
        try:
            assert plain(load_dataset(path)) != wanted, "nothing had to be said"
        except DataError:
            pass


@pytest.mark.parametrize("case", ["delimiter", "quote", "third row", "encoding", "utf-16", "comment", "decimal comma"])
def test_it_holds_for_compressed_files_and_for_samples(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, options, wanted = CASES[case]
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(content))
    assert plain(load_dataset(packed, **options)) == wanted
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    monkeypatch.setattr(sampling, "budget", lambda: 1)
    monkeypatch.setattr("medilytica_widgets.data.text_stream.budget", lambda: 1)
    data = load_dataset(path, rows=5, **options)
    assert plain(data) == wanted and data.reading.sample is not None


def test_a_spreadsheet_takes_the_row_of_its_names(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    cells = [["Report", None], ["by", "Ann"], ["x", "y"], [1, 2], [3, 4]]
    pd.DataFrame(cells).to_excel(path, index=False, header=False)
    data = load_dataset(path, header=2)
    assert plain(data) == {"x": [1, 3], "y": [2, 4]}
    assert plain(Dataset.from_spec(data.spec)) == plain(data)
    scope: dict[str, Any] = {}
    exec("\n".join(load_lines(data.spec, data)), scope)
    np.testing.assert_array_equal(scope["frame"]["x"], [1, 3])
    assert len(load_dataset(path, header=None).frame) == 5
    assert list(load_dataset(path, header=2, names=["p", "q"]).frame) == ["p", "q"]
    with pytest.raises(EmptyTableError, match="no row 9"):
        load_dataset(path, header=9)
    with pytest.raises(DataError, match="is no text table, so delimiter=…"):
        load_dataset(path, delimiter=";")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"delimiter": ";;"}, "takes one character.*semicolon"),
        ({"delimiter": "a"}, "takes one character"),
        ({"delimiter": 3}, "takes a text"),
        ({"decimal": ";"}, "takes '.' or ','"),
        ({"header": -1}, "counted from 0"),
        ({"header": True}, "whole number"),
        ({"header": "first"}, "whole number"),
        ({"encoding": "lattin-1"}, "no encoding 'lattin-1'. Did you mean 'latin-1'"),
        ({"encoding": "hex"}, "no encoding of a table"),
        ({"encoding": "unicode_escape"}, "no encoding of a table"),
        ({"comment": "# "}, "comment lines begin with"),
        ({"quotechar": "ab"}, "or '' for none"),
        ({"delimiter": "|", "quotechar": "|"}, "another sign"),
        ({"header": 50}, "no row 50"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(options: dict[str, Any], match: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match=match):
        load_dataset(path, **options)


def test_an_encoding_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\né,1\n".encode("latin-1"))
    with pytest.raises(EncodingError, match=r"is no utf-8 text: it breaks at byte 4"):
        load_dataset(path, encoding="utf-8")
    with pytest.raises(EncodingError, match="holds a zero|breaks"):
        (tmp_path / "z.csv").write_bytes(b"a,b\n1\0,2\n")
        load_dataset(tmp_path / "z.csv", encoding="latin-1")


@pytest.mark.parametrize(("wrong", "right"), [("sep", "delimiter"), ("delimter", "delimiter"), ("sheet_name", "sheet")])
def test_near_names_are_named(wrong: str, right: str) -> None:
    with pytest.raises(UnknownArgumentError, match=f"Did you mean '{right}'"):
        load_dataset("iris", **{wrong: ";"})  # type: ignore[arg-type]


def test_what_is_no_text_refuses_them(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    sources: list[Any] = [tmp_path / "t.parquet", tmp_path, "iris", pd.DataFrame({"a": [1, 2]})]
    for source in sources:
        with pytest.raises(DataError, match="is no text table, so decimal=…"):
            load_dataset(source, decimal=",")
    with pytest.raises(DataError, match="The answer of a query is no text table"):
        load_dataset("select 1 as a", encoding="utf-8")


def test_an_old_specification_is_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    data = load_dataset(tmp_path / "t.csv")
    assert "read_as" not in data.spec.model_dump() and data.spec.read_as.said == {}


# --- what comment lines say of columns --------------------------------------------------------------------


def test_descriptions_and_units_of_nasas_comments(kepler: Dataset) -> None:
    period = kepler.column("koi_period")
    assert (period.description, period.unit) == ("Orbital Period [days]", "days")
    assert period.hints[0][:2] == ("unit", "days") and "the file says" in period.hints[0].evidence
    units = {c.name: c.unit for c in kepler.columns if c.unit}
    assert units["koi_duration"] == "hours" and units["koi_depth"] == "ppm" and units["koi_teq"] == "K"
    assert units["koi_prad"] == "Earth radii" and units["koi_slogg"] == "log10(cm/s**2)"
    assert kepler.column("kepid").description == "KepID" and kepler.column("kepid").unit == ""
    assert {hint.kind.value for hint in kepler.column("ra").hints} == {"angle", "coordinates"}


def test_other_ways_to_describe_columns(tmp_path: Path) -> None:
    top = (
        "# mass: Mass of the body (kg)\n# speed = how fast [furlong/fortnight]\n# note - a remark (see below)\n# x: 1\n"
    )
    (tmp_path / "t.csv").write_text(
        top + "mass,speed,note,y\n" + "".join(f"{k / 3},{k},w{k % 2},{k}\n" for k in range(30))
    )
    data = load_dataset(tmp_path / "t.csv")
    assert [(c.name, c.description, c.unit) for c in data.columns] == [
        ("mass", "Mass of the body (kg)", "kg"),
        ("speed", "how fast [furlong/fortnight]", "furlong/fortnight"),
        ("note", "a remark (see below)", ""),
        ("y", "", ""),
    ]
    # another kind, and the same words
    assert data.with_kinds({"speed": "categorical"}).column("speed").description == "how fast [furlong/fortnight]"
