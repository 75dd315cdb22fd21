"""Loading: sources, encodings, delimiters, headers, and what is said when something is wrong."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from medilytica_widgets.data import BUILTIN, Dataset, DataSpec, MemoryWarning, load_dataset, prepare, split
from medilytica_widgets.errors import (
    ColumnNotFoundError,
    DataError,
    EmptyTableError,
    EncodingError,
    MissingFileError,
    ParameterError,
    SpecError,
    TargetError,
    UnknownArgumentError,
)

ROWS = "a,b,label\n" + "1,x,yes\n2,y,no\n3,x,yes\n" * 5


def write(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_kepler_exactly_as_it_is(kepler: Dataset) -> None:
    assert len(kepler) == 9564 and len(kepler.columns) == 50
    assert kepler.task == "classification"
    assert kepler.classes == ["CANDIDATE", "CONFIRMED", "FALSE POSITIVE"]
    aside = kepler.set_aside
    assert set(aside) == {"loc_rowid", "kepid", "kepoi_name", "kepler_name", "koi_teq_err1", "koi_teq_err2"}
    assert all(aside.values())
    assert "name" in aside["kepoi_name"] and "empty" in aside["koi_teq_err1"]
    assert kepler.column("koi_tce_delivname").kind == "categorical"
    assert kepler.column("koi_period").kind == "numeric" and kepler.frame["koi_period"].dtype == np.float64
    assert kepler.column("koi_tce_plnt_num").discrete
    assert kepler.column("koi_disposition").role == "target"
    assert any("comment" in note for note in kepler.notes)


def test_packages_sample_tells_the_same_story(kepler: Dataset) -> None:
    sample = load_dataset("kepler")
    assert 1900 <= len(sample) <= 2100
    assert [c.name for c in sample.columns] == [c.name for c in kepler.columns]
    assert sample.set_aside.keys() == kepler.set_aside.keys()
    share = {name: (sample.frame.koi_disposition == name).mean() for name in sample.classes}
    whole = {name: (kepler.frame.koi_disposition == name).mean() for name in kepler.classes}
    assert share == pytest.approx(whole, abs=0.001)
    full = kepler.frame.set_index("loc_rowid").loc[sample.frame.loc_rowid].reset_index()
    pd.testing.assert_frame_equal(full[sample.frame.columns], sample.frame, check_dtype=False)


def test_sample_states_its_source_and_size() -> None:
    from medilytica_widgets.data.builtin import SAMPLE

    text = SAMPLE.read_text(encoding="ascii")
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    assert "NASA Exoplanet Archive" in head and "public domain" in head and "stratified" in head
    assert SAMPLE.stat().st_size < 800_000


def test_heart_disease_without_header(heart: Dataset) -> None:
    assert len(heart) == 297
    kinds = {c.name: c.kind for c in heart.columns}
    assert {kinds[name] for name in ("sex", "fbs", "exang")} == {"binary"}
    for name in ("cp", "slope", "thal"):
        assert heart.column(name).kind == "numeric" and heart.column(name).discrete
    assert heart.task == "classification" and heart.classes == ["0", "1", "2", "3", "4"]


def test_integer_classes_stored_as_floats_are_classes(tmp_path: Path) -> None:
    text = "x,num\n" + "".join(f"{i}.5,{i % 5}.0\n" for i in range(40)) + "7,?\n8,2.\n"
    data = load_dataset(write(tmp_path, text), "num")
    assert data.task == "classification" and data.classes == ["0", "1", "2", "3", "4"]
    assert data.column("num").missing == 1


def test_adult_with_blanks_and_question_marks(adult: Dataset) -> None:
    assert len(adult) == 16281
    assert adult.classes == ["<=50K.", ">50K."]
    assert adult.column("workclass").kind == "categorical" and adult.column("workclass").missing == 963
    assert not any(str(v).startswith(" ") for v in adult.frame["workclass"].dropna())
    assert adult.column("fnlwgt").kind == "numeric" and "fnlwgt" not in adult.set_aside


def test_messages_with_quotes_inside_keep_all_rows(messages: Dataset) -> None:
    assert len(messages) == 5574
    assert messages.column("text").kind == "text" and "text" in messages.set_aside
    assert messages.frame["text"].str.contains('"').any()
    with pytest.raises(DataError, match="No column is left"):
        prepare(messages, split(messages))


@pytest.mark.parametrize("name", BUILTIN)
def test_every_built_in_table_loads_with_its_target(name: str) -> None:
    data = load_dataset(name)
    measured = name in ("diabetes", "swiss_roll", "friedman", "plane", "linnerud")
    assert data.target == BUILTIN[name] and data.task == ("regression" if measured else "classification")
    assert data.name == name and len(data) >= (20 if name == "linnerud" else 150)
    assert "options" not in data.spec.model_dump()


DRAWN = ("spiral", "moons", "circles", "blobs", "xor", "gaussian", "checkerboard", "swiss_roll", "friedman", "plane")


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_tables_take_size_noise_and_seed(name: str) -> None:
    data = load_dataset(name, n=121, noise=0.3, seed=5)
    assert len(data) == 121 and data.spec.options == {"n": 121, "noise": 0.3, "seed": 5}
    again = Dataset.from_spec(DataSpec.model_validate_json(data.spec.model_dump_json()))
    pd.testing.assert_frame_equal(again.frame, data.frame)
    other = load_dataset(name, n=121, noise=0.3, seed=6).frame
    assert not other.equals(data.frame)
    assert not load_dataset(name, n=121, noise=0.0, seed=5).frame.equals(data.frame)


def test_options_of_built_in_tables_that_are_not_there() -> None:
    with pytest.raises(UnknownArgumentError, match="Did you mean 'noise'"):
        load_dataset("spiral", nois=0.2)
    with pytest.raises(UnknownArgumentError, match="noise"):
        load_dataset("iris", noise=0.2)
    with pytest.raises(ParameterError, match="n is 0; it takes a whole number from 10"):
        load_dataset("moons", n=0)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (ROWS.replace("yes", "ja").encode("utf-8-sig"), "utf-8-sig"),
        (ROWS.replace("yes", "où").encode("utf-16"), "utf-16"),
        (ROWS.replace("yes", "où").encode("cp1252"), "cp1252"),
        (ROWS.replace("yes", "où").encode("utf-8"), ""),
    ],
)
def test_encodings_are_found_and_said(content: bytes, encoding: str, tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path, content), "label")
    assert data.columns[0].name == "a"
    assert set(data.classes) & {"ja", "où"}
    assert any(encoding in note for note in data.notes) or encoding in ("", "utf-8-sig")


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 9,
        bytes(range(256)) * 4,
        b"a,b\n1,\x00\n",
        b"\xff\xfea\x00\xd8",
        bytes(range(0x80, 0xA0)) * 20,
    ],
)
def test_bytes_that_are_no_text(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(EncodingError, match=r"table\.csv"):
        load_dataset(write(tmp_path, content))


@pytest.mark.parametrize("content", ["", "  \n \n", "a,b\n", "# only a comment\n", "# c\na,b\n\n"])
def test_nothing_to_load(content: str, tmp_path: Path) -> None:
    with pytest.raises(EmptyTableError):
        load_dataset(write(tmp_path, content))


def test_frames_without_rows_or_columns() -> None:
    with pytest.raises(EmptyTableError, match="no rows"):
        load_dataset(pd.DataFrame({"a": []}))
    with pytest.raises(EmptyTableError, match="no columns"):
        load_dataset(pd.DataFrame(index=[0, 1]))


def test_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path, ROWS, "patients.csv")
    with pytest.raises(MissingFileError, match=r"Did you mean 'patients\.csv'"):
        load_dataset(tmp_path / "patient.csv")
    with pytest.raises(FileNotFoundError):
        load_dataset(str(tmp_path / "none" / "x.csv"))
    with pytest.raises(MissingFileError, match="built-in table 'spiral'"):
        load_dataset("spirals")


def test_damaged_files_and_other_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder"):
        load_dataset(tmp_path)
    with pytest.raises(DataError, match="Save the sheet as CSV"):
        load_dataset(write(tmp_path, b"PK\x03\x04", "book.xlsx"))
    with pytest.raises(DataError, match="parquet"):
        load_dataset(write(tmp_path, b"PAR1 damaged", "book.parquet"))
    with pytest.raises(DataError, match="int"):
        load_dataset(7)


def test_a_row_with_too_many_cells_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 4 has 5 cells where 3"):
        load_dataset(write(tmp_path, "a,b,c\n1,2,3\n1,2,3\n1,2,3,4,5\n"))


def test_unknown_names_get_the_nearest_one(tmp_path: Path) -> None:
    file = write(tmp_path, ROWS)
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'label'"):
        load_dataset(file, "labels")
    with pytest.raises(ColumnNotFoundError, match="exclude names 'bb'"):
        load_dataset(file, "label", exclude=["bb"])
    with pytest.raises(ColumnNotFoundError, match="roles names 'z'"):
        load_dataset(file, "label", roles={"z": "feature"})
    with pytest.raises(ColumnNotFoundError, match="no column 'aa'"):
        load_dataset(file).column("aa")
    with pytest.raises(UnknownArgumentError, match="Did you mean 'target'"):
        load_dataset(file, taget="label")
    with pytest.raises(DataError, match="Did you mean 'feature'"):
        load_dataset(file, roles={"a": "features"})  # type: ignore[dict-item]
    with pytest.raises(DataError, match="3 columns, but names=… gives 2"):
        load_dataset(file, names=["a", "b"])


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (["a"] * 30, "one class only, 'a'"),
        ([None] * 30, "no values"),
        (pd.date_range("2020", periods=30), "dates"),
        ([f"word {i}" for i in range(30)], "too many"),
    ],
)
def test_targets_that_cannot_be_learned(values: list[object], match: str) -> None:
    with pytest.raises(TargetError, match=match):
        load_dataset(pd.DataFrame({"x": np.arange(30) * 1.5, "y": values}), "y")


def test_the_target_cannot_be_set_aside() -> None:
    frame = pd.DataFrame({"x": [1.5, 2, 3], "y": ["a", "b", "a"]})
    with pytest.raises(DataError, match="'y' is the target"):
        load_dataset(frame, "y", exclude=["y"])
    with pytest.raises(DataError, match="one target"):
        load_dataset(frame, "y", roles={"x": "target"})
    assert load_dataset(frame, roles={"y": "target"}).target == "y"


def test_roles_by_hand_win(kepler_file: Path) -> None:
    data = load_dataset(
        kepler_file, "koi_disposition", exclude="koi_score", roles={"kepid": "feature", "ra": "set_aside"}
    )
    assert data.column("kepid").role == "feature" and data.column("kepid").kind == "identifier"
    assert data.set_aside["koi_score"] == data.set_aside["ra"] == "excluded by hand"
    with pytest.raises(DataError, match="'koi_teq_err1' cannot be a feature"):
        load_dataset(kepler_file, roles={"koi_teq_err1": "feature"})


def test_repeated_and_nameless_columns_are_renamed(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path, "a,a,,label\n" + "1,2,3,u\n4,5,6,v\n7,8,7,u\n" * 5), "label")
    assert [c.name for c in data.columns] == ["a", "a (2)", "column 3", "label"]
    frame = pd.DataFrame([[1.5, 2, 3], [4, 5, 6], [7, 8, 9]], columns=["a", "a", None])
    assert [c.name for c in load_dataset(frame).columns] == ["a", "a (2)", "column 3"]
    assert data.quality().of("unnamed_or_duplicate_columns")[0].columns == ["a (2)", "column 3"]


def test_a_renamed_column_does_not_take_anothers_name() -> None:
    frame = pd.DataFrame([[1.5, 2, 3, 4]] * 3, columns=["a", "a", "a (2)", "__row__"])
    names = [c.name for c in load_dataset(frame).columns]
    assert len(set(names)) == 4 and names[0] == "a" and names[2] == "a (2)" and "__row__" not in names


def test_a_header_in_the_last_comment_line(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path, "# made by hand\n# time,flux\n1,2.5\n2,3.5\n3,4\n"))
    assert [c.name for c in data.columns] == ["time", "flux"] and len(data) == 3


def test_names_for_a_file_that_has_them_already(tmp_path: Path) -> None:
    assert len(load_dataset(write(tmp_path, ROWS), "label", names=["a", "b", "label"])) == 15


def test_a_header_that_looks_like_data_is_said(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path, "63,1,145\n67,1,160\n37,0,130\n"))
    assert any("names=[…]" in note for note in data.notes)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("tsv", ROWS.replace(",", "\t")),
        ("txt", ROWS.replace(",", ";")),
        ("csv", ROWS.replace(",", "|")),
        ("csv", ROWS.replace("\n", "\r\n")),
        ("csv", ROWS.replace("\n", "\r")),
    ],
)
def test_delimiters_and_line_ends(suffix: str, text: str, tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path, text, f"table.{suffix}"), "label")
    assert [c.name for c in data.columns] == ["a", "b", "label"] and len(data) == 15


def test_json_parquet_and_arrow_give_the_same_table(tmp_path: Path) -> None:
    expected = load_dataset(write(tmp_path, ROWS), "label").frame
    frame = expected.copy()
    frame.to_json(tmp_path / "t.json", orient="records")
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (
        tmp_path / "t.json",
        tmp_path / "t.parquet",
        pa.Table.from_pandas(frame),
        frame,
        frame.set_index(frame.index + 5),
        frame.convert_dtypes(),
    ):
        pd.testing.assert_frame_equal(load_dataset(source, "label").frame, expected)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    write(tmp_path, ROWS)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_addresses(server: str) -> None:
    data = load_dataset(f"{server}/table.csv?version=2", "label")
    assert len(data) == 15 and data.name == "table" and data.spec.source.startswith("http")
    with pytest.raises(MissingFileError, match="404"):
        load_dataset(f"{server}/none.csv")


def test_ten_thousand_columns_load_with_a_warning(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 10_000)).round(4)).add_prefix("gene")
    frame["label"] = rng.choice(["a", "b"], 60)
    frame.to_csv(tmp_path / "wide.csv", index=False)
    began = time.monotonic()
    with pytest.warns(MemoryWarning, match="10,001 columns"):
        data = load_dataset(tmp_path / "wide.csv", "label")
    prepared = prepare(data, split(data))
    data.quality()
    assert prepared.X_train.shape[1] == 10_000
    assert time.monotonic() - began < 60


def test_a_spec_brings_the_table_back(tmp_path: Path) -> None:
    file = write(tmp_path, ROWS)
    data = load_dataset(file, "label", exclude=["b"], missing=["", "3"], name="mine")
    again = Dataset.from_spec(DataSpec.model_validate_json(data.spec.model_dump_json()))
    assert again.spec == data.spec and again.name == "mine"
    pd.testing.assert_frame_equal(again.frame, data.frame)
    assert Dataset.from_spec(data.spec.model_dump()).set_aside == data.set_aside
    file.write_text(ROWS.replace("1", "9"))
    assert any("changed" in note for note in Dataset.from_spec(data.spec).notes)


def test_specs_that_cannot_be_loaded() -> None:
    frame = pd.DataFrame({"x": [1.5, 2, 3], "y": ["a", "b", "a"]})
    with pytest.raises(SpecError, match="given in memory"):
        Dataset.from_spec(load_dataset(frame, "y").spec)
    with pytest.raises(SpecError, match="sauce"):
        Dataset.from_spec({"source": "iris", "sauce": 1})


def test_fingerprints_tell_content_apart() -> None:
    frame = pd.DataFrame({"x": [1.5, 2, 3], "y": ["a", "b", "a"]})
    one = load_dataset(frame, "y").spec.fingerprint
    assert one == load_dataset(frame.copy(), "y").spec.fingerprint and len(one) == 64
    assert one != load_dataset(frame.assign(y=["a", "b", "b"]), "y").spec.fingerprint


def test_the_callers_frame_is_left_alone() -> None:
    frame = pd.DataFrame({"x": [" 1", "2 ", "?"], "y": ["a", "b", "a"]})
    before = frame.copy()
    load_dataset(frame, "y")
    pd.testing.assert_frame_equal(frame, before)
