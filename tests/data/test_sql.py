"""Tables from SQL: over SQLAlchemy, ADBC, DBAPI and DuckDB; reading only, and found again from the specification."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_sqlite.dbapi
import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlalchemy

from medilytica_widgets.data import Dataset, DataSpec, load_dataset
from medilytica_widgets.data.source_code import load_lines
from medilytica_widgets.data.sql import without_password
from medilytica_widgets.errors import DataError, MissingFileError, SpecError

FRAME = pd.DataFrame({"n": range(40), "x": np.arange(40) / 4, "word": [f"w{i % 3}" for i in range(40)]})
QUERY = "select n, x, word from points where n < 30 order by n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.sqlite"
    with sqlite3.connect(path) as connection:
        FRAME.to_sql("points", connection, index=False)
        FRAME.to_sql('odd "name', connection, index=False)
    connection.close()
    return path


@pytest.fixture
def duck(tmp_path: Path) -> Path:
    path = tmp_path / "base.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.register("given", FRAME)
        connection.execute("create table points as select * from given")
    return path


@pytest.fixture(params=["url", "engine", "connection", "file", "dbapi", "adbc", "duckdb", "duckfile"])
def connection(request: pytest.FixtureRequest, base: Path, duck: Path) -> Iterator[Any]:
    made: dict[str, Any] = {
        "url": lambda: f"sqlite:///{base}",
        "engine": lambda: sqlalchemy.create_engine(f"sqlite:///{base}"),
        "connection": lambda: sqlalchemy.create_engine(f"sqlite:///{base}").connect(),
        "file": lambda: base,
        "dbapi": lambda: sqlite3.connect(base),
        "adbc": lambda: adbc_driver_sqlite.dbapi.connect(str(base)),
        "duckdb": lambda: duckdb.connect(str(duck)),
        "duckfile": lambda: str(duck),
    }
    opened = made[request.param]()
    yield opened
    for close in ("close", "dispose"):
        getattr(opened, close, lambda: None)()


def test_a_query_and_a_table_over_every_connection(connection: Any) -> None:
    data = load_dataset(QUERY, "word", connection=connection)
    pd.testing.assert_frame_equal(data.frame, load_dataset(FRAME[:30]).frame, check_dtype=False)
    assert data.spec.sql == QUERY and data.task == "classification"
    whole = load_dataset("points", connection=connection)
    assert len(whole) == 40 and whole.name == "points"
    pd.testing.assert_frame_equal(load_dataset(sql=QUERY, connection=connection).frame, data.frame)
    spec = DataSpec.model_validate_json(data.spec.model_dump_json())
    pd.testing.assert_frame_equal(Dataset.from_spec(spec, connection=connection).frame, data.frame)
    if data.reading.form == "frame":
        assert any("live connection" in note for note in data.notes)
        with pytest.raises(SpecError, match="live connection.*connection=…"):
            Dataset.from_spec(spec)
        return
    pd.testing.assert_frame_equal(Dataset.from_spec(spec).frame, data.frame)
    for each in (data, whole):
        scope: dict[str, Any] = {}
        exec("\n".join(load_lines(each.spec, each)), scope)
        np.testing.assert_array_equal(scope["frame"]["x"], each.frame["x"])


@pytest.mark.parametrize(
    "query",
    [
        "drop table points",
        "delete from points where n > 3",
        "insert into points values (1, 2, 'x')",
        "attach 'other.db' as other",
        "pragma writable_schema = 1",
        "with gone as (select 1) delete from points",
        "select 1; drop table points",
        "select 1 /* */; delete from points",
    ],
)
def test_only_reading_is_allowed(query: str, connection: Any) -> None:
    with pytest.raises(DataError, match="read|refuses"):
        load_dataset(sql=query, connection=connection)
    assert len(load_dataset("points", connection=connection)) == 40


@pytest.mark.parametrize("query", ["select * from nowhere", "select oops from points", "nowhere", "select from where"])
def test_what_the_database_refuses_is_said(query: str, connection: Any) -> None:
    with pytest.raises(DataError, match=r"refuses: .+|has no table 'nowhere'\. Known|begins with"):
        load_dataset(sql=query, connection=connection)


def test_parameters_are_never_pasted(base: Path, duck: Path) -> None:
    hostile = "w1' or '1'='1"
    by_name = "select * from points where word = :word"
    assert len(load_dataset(by_name, connection=base, parameters={"word": "w1"})) == 13
    with pytest.raises(DataError, match="no rows"):
        load_dataset(by_name, connection=base, parameters={"word": hostile})
    data = load_dataset("select * from points where word = ?", connection=str(duck), parameters=["w1"])
    assert len(data) == 13 and len(Dataset.from_spec(data.spec.model_dump())) == 13
    assert len(load_dataset("select * from points where n < $n", connection=str(duck), parameters={"n": 5})) == 5
    with pytest.raises(DataError, match="by name"):
        load_dataset(by_name, connection=base, parameters=["w1"])
    with pytest.raises(DataError, match="there is none"):
        load_dataset("iris", parameters={"a": 1})


def test_a_name_with_quotes_is_a_name(base: Path) -> None:
    with sqlite3.connect(base) as connection:
        connection.execute('create table "a""b" as select * from points')
        assert len(load_dataset('a"b', connection=connection)) == 40
    assert len(load_dataset('a"b', connection=base)) == 40
    connection.close()


def test_a_query_over_files_needs_no_connection(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "points.parquet")
    query = f"select n, x from '{tmp_path / 'points.parquet'}' where n % 2 = 0 order by n"
    data = load_dataset(query)
    assert data.frame["n"].tolist() == list(range(0, 40, 2)) and data.spec.source == "duckdb"
    pd.testing.assert_frame_equal(Dataset.from_spec(data.spec).frame, data.frame)
    with pytest.raises(DataError, match="that read"):
        load_dataset(sql=f"copy (select 1) to '{tmp_path / 'out.csv'}'")
    with pytest.raises(DataError, match="Only one query"):
        load_dataset(sql=f"select 1; copy (select 1) to '{tmp_path / 'out.csv'}'")
    assert not (tmp_path / "out.csv").exists()


def test_no_secret_goes_into_a_specification() -> None:
    url = sqlalchemy.make_url(
        "postgresql+psycopg://ann:s3cret@host:5432/base?sslmode=require&sslpassword=t0p&token=abc"
    )
    kept = without_password(url)
    assert kept == "postgresql+psycopg://ann@host:5432/base?sslmode=require"
    # nobody listens there; the message must not tell the password either
    with pytest.raises(DataError) as caught:
        load_dataset("select 1 as a", connection="postgresql+psycopg://ann:s3cret@127.0.0.1:1/base?connect_timeout=2")
    assert "s3cret" not in str(caught.value)
    spec = {"source": "postgresql+psycopg://ann@127.0.0.1:1/base?connect_timeout=2", "sql": "select 1 as a"}
    with pytest.raises(DataError, match="without its password.*connection=…"):
        Dataset.from_spec(spec)


def test_a_database_in_memory_is_a_live_connection() -> None:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    FRAME.to_sql("points", engine, index=False)
    data = load_dataset("points", connection=engine)
    assert data.reading.form == "frame" and len(data) == 40
    # what is asked read only stays writable for its owner
    FRAME.to_sql("more", engine, index=False)
    engine.dispose()


def test_a_sample_of_an_answer(base: Path) -> None:
    data = load_dataset("points", connection=base, rows=10, seed=4)
    assert len(data) == 10 and any("10 of 40 rows, drawn with the seed 4" in note for note in data.notes)
    assert data.frame["n"].is_monotonic_increasing
    pd.testing.assert_frame_equal(Dataset.from_spec(data.spec).frame, data.frame)
    assert data.frame.equals(load_dataset(FRAME, rows=10, seed=4).frame)


def test_an_answer_larger_than_memory_asks_for_a_sample(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medilytica_widgets.data.sampling.budget", lambda: 1000)
    with pytest.raises(DataError, match=r"does not fit into memory.*rows=…"):
        load_dataset("points", connection=base)
    assert len(load_dataset("points", connection=base, rows=5)) == 5


def test_kinds_by_hand_run_no_query_again(base: Path) -> None:
    data = load_dataset("points", connection=base)
    base.unlink()
    assert data.with_kinds({"n": "categorical"}).column("n").kind == "categorical"


def test_a_file_that_is_called_like_a_query_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("table 1.csv", "from home to work.csv", "values 2024.csv", "with love.csv", "select 1.csv"):
        if not name.startswith("select"):
            with pytest.raises(MissingFileError):
                load_dataset(name)
        (tmp_path / name).write_text("a,b\n1,2\n3,4\n")
        assert len(load_dataset(name)) == 2


def test_arguments_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Both"):
        load_dataset("iris", sql="select 1")
    with pytest.raises(DataError, match="query or a table's name"):
        load_dataset(FRAME, connection="sqlite://")
    with pytest.raises(DataError, match="it takes an address"):
        load_dataset("select 1", connection=7)
    with pytest.raises(DataError, match="it takes an address"):
        load_dataset("select 1", connection="base.txt")
    with pytest.raises(MissingFileError, match="no database file"):
        load_dataset("select 1", connection=tmp_path / "none.duckdb")
    with pytest.raises(DataError, match="no source"):
        load_dataset()
    with pytest.raises(DataError, match="sql is empty"):
        load_dataset(sql=" -- nothing\n")
    with pytest.raises(SpecError, match="did not come from SQL"):
        Dataset.from_spec({"source": "iris"}, connection="sqlite://")
