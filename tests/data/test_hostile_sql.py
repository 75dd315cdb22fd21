"""Queries that try to write, to read any file, or to tell a password: a specification brings its query along."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pandas as pd
import pytest
import sqlalchemy

import medilytica_widgets as mw
from medilytica_widgets.data import Dataset, DataSpec, load_dataset
from medilytica_widgets.data.secrecy import redacted, secrets_of, without_secrets
from medilytica_widgets.errors import DataError, MissingFileError
from tests.store.conftest import PASSWORD, Postgres, _programs

FRAME = pd.DataFrame({"n": range(20), "word": [f"w{i % 3}" for i in range(20)], "x": [i / 7 for i in range(20)]})
WRITES = [
    "with gone as (delete from points returning *) select * from gone",
    "with gone as (delete/**/from points returning *) select * from gone",
    "with new as (insert into points values (99, 'x') returning n) select * from new",
    "with other as (update only points set n = 0 returning n) select * from other",
    'with other as (update "points" set n = 0 returning n) select * from other',
    "with other as (merge into points using points p on true when matched then delete) select 1",
    "select * into copy_of from points",
    "select 1; delete from points",
    r"select E'\\'' , 1; commit; delete from points --'",
    "select $$'$$; commit; delete from points; --'",
    "select 1 /* /* */ ; delete from points */",
    "select n from points for no key update",
    "copy points to '/tmp/never.csv'",
    "explain analyze delete from points",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is on this machine")
    folder = Path(tempfile.mkdtemp(prefix="medilytica-postgres-"))
    postgres = Postgres(programs, folder)
    yield postgres
    postgres.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: Postgres) -> str:
    """The address of a database with a table and a function that writes."""
    address = server.new_database().replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(address)
    FRAME.to_sql("points", engine, index=False)
    with engine.begin() as connection:
        body = "begin delete from points; return 1; end"
        connection.exec_driver_sql(f"create function wipe() returns int language plpgsql as $$ {body} $$")
    engine.dispose()
    return address


def rows(url: str) -> int:
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        count = connection.exec_driver_sql("select count(*) from points").scalar()
    engine.dispose()
    assert isinstance(count, int)
    return count


def test_postgresql_is_only_read(url: str) -> None:
    assert len(load_dataset("with few as (select * from points where n < 5) select * from few", connection=url)) == 5
    engine = sqlalchemy.create_engine(url)
    lively = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    for query in [*WRITES, "select wipe()"]:
        for connection in (url, engine, lively):
            with pytest.raises(DataError, match="read|refuses"):
                load_dataset(sql=query, connection=connection)
        assert rows(url) == 20, query
    with engine.connect() as connection:
        connection.exec_driver_sql("insert into points values (77, 'mine')")
        for query in (*WRITES, "select wipe()"):
            with pytest.raises(DataError, match="read|refuses"):
                load_dataset(sql=query, connection=connection)
        # what its owner began is still there, and can be gone on with
        assert len(load_dataset("points", connection=connection)) == 21
        connection.exec_driver_sql("insert into points values (78, 'mine')")
        connection.commit()
    assert rows(url) == 22
    engine.dispose()
    lively.dispose()


def test_no_password_of_an_address_is_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    data = load_dataset("points", "word", connection=url)
    exp = mw.Experiment(data, algorithm="decision_tree")
    told = [
        data.spec.model_dump_json(),
        json.dumps(exp.spec.to_json()),
        exp.to_code(),
        *data.notes,
        repr(data),
        data.name,
    ]
    with pytest.raises(DataError) as first:
        load_dataset("select nothing from points", connection=url)
    with pytest.raises(DataError) as second:
        load_dataset("points", connection=url.replace(quote(PASSWORD), "wrong-passw0rd"))
    with pytest.raises(DataError) as third:
        Dataset.from_spec(data.spec)
    told += [str(error.value) for error in (first, second, third)] + [caplog.text]
    for secret in (PASSWORD, quote(PASSWORD), "wrong-passw0rd"):
        assert not any(secret in text for text in told)
    assert "connection=" in str(third.value)
    # one that is written into a specification by hand does not stay there
    spec = DataSpec(source=url, sql="points")
    assert quote(PASSWORD) not in spec.model_dump_json() and spec.source == data.spec.source
    assert len(Dataset.from_spec(data.spec, connection=url)) == 20


def test_every_database_is_only_read(tmp_path: Path) -> None:
    small = tmp_path / "base.sqlite"
    duck = tmp_path / "base.duckdb"
    with sqlite3.connect(small) as connection:
        FRAME.to_sql("points", connection, index=False)
    with duckdb.connect(str(duck)) as own:
        own.register("given", FRAME)
        own.execute("create table points as select * from given")
    dbapi = sqlite3.connect(small)
    duckdb_only = [
        f"attach '{tmp_path / 'new.db'}' as new",
        f"copy points to '{tmp_path / 'out.csv'}'",
        f"copy (select 1) to '{tmp_path / 'out.csv'}'",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "call duckdb_settings()",
        "from read_text('/etc/passwd')",
        "select content from \"read_blob\"('/etc/passwd')",
        "select * from glob('/etc/*')",
    ]

    def look(connection: Any) -> None:
        for query in [*WRITES, *duckdb_only]:
            with pytest.raises(DataError):
                load_dataset(sql=query, connection=connection)
        assert len(load_dataset("points", connection=connection)) == 20

    for connection in (small, f"sqlite:///{small}", dbapi, duck):
        look(connection)
    with duckdb.connect(str(duck)) as live:
        look(live)
    # it is its owner's again
    dbapi.execute("insert into points values (1, 'x', 2.5)")
    dbapi.commit()
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".wal") == ["base.duckdb", "base.sqlite"]
    dbapi.close()
    with pytest.raises(MissingFileError, match="no database file"):
        load_dataset("points", connection=f"sqlite:///{tmp_path / 'gone.sqlite'}")
    assert not (tmp_path / "gone.sqlite").exists()


def test_a_query_without_a_connection_reads_the_tables_that_it_names(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a,b\n1,2\n")
    (tmp_path / "set").mkdir()
    for part in range(2):
        FRAME.to_parquet(tmp_path / "set" / f"{part}.parquet")
    FRAME.to_csv(tmp_path / "it's.csv", index=False)
    pattern = tmp_path / "set" / "*.parquet"
    assert len(load_dataset(f"select * from '{pattern}'")) == 40
    assert len(load_dataset("select * from read_parquet($files)", parameters={"files": str(pattern)})) == 40
    assert len(load_dataset(f"from '{tmp_path}/it''s.csv' where n < 3")) == 3
    assert len(load_dataset(f'from "{tmp_path}/set/0.parquet" where n < 3')) == 3
    hidden = pd.DataFrame({"a": [1]})
    for query in (
        f"select * from read_csv('{secret}')",
        f"select * from read_csv('{tmp_path}/sec' || 'ret')",
        f"select * from read_csv($${secret}$$)",
        f"select * from read_csv(['{secret}', '{tmp_path}/it''s.csv'])",
        f"select * from query('from read_csv(''{secret}'')')",
        "select * from read_text('/etc/passwd')",
        "select * from hidden",
        "select * from duckdb_secrets()",
    ):
        with pytest.raises(DataError, match="refuses|not from the text of any file"):
            load_dataset(query)
    with pytest.raises(DataError, match="reads the table files that it names"):
        load_dataset(f"select * from read_csv('{secret}')")
    assert len(hidden) == 1


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (
            "postgresql://ann:s3cret@h:5432/b?sslmode=require&sslpassword=t0ps",
            "postgresql://ann@h:5432/b?sslmode=require",
        ),
        ("postgresql://ann:s3c@ret/x?y@h/b", "postgresql://ann@h/b"),
        ("mssql+pyodbc://?odbc_connect=UID%3Dann%3BPWD%3Ds3cret", "mssql+pyodbc://"),
        ("mysql://ann:@h/b", "mysql://ann@h/b"),
        ("sqlite:////tmp/a:b@c.sqlite", "sqlite:////tmp/a:b@c.sqlite"),
        ("https://host/a.csv?token=1", "https://host/a.csv?token=1"),
        ("C:/data/a.csv", "C:/data/a.csv"),
    ],
)
def test_addresses_without_what_is_secret(address: str, kept: str) -> None:
    assert without_secrets(address) == kept == without_secrets(kept)
    message = redacted(f"could not connect to {address}: no", address)
    assert not any(secret in message for secret in secrets_of(address))


def test_an_address_of_a_file_with_a_password_is_not_fetched() -> None:
    with pytest.raises(DataError, match="holds a password") as caught:
        load_dataset("http://ann:hunter22@127.0.0.1:1/a.csv?x=1")
    assert "hunter22" not in str(caught.value)


def test_a_connection_that_is_none_tells_no_password() -> None:
    for wrong in (
        "host=h password=hunter22 dbname=b",
        "ann:hunter22@host/base",
        "nosuch://ann:hunter22@host/b",
        "x://:hunter22@",
    ):
        with pytest.raises(DataError) as caught:
            load_dataset("points", connection=wrong)
        assert "hunter22" not in str(caught.value), wrong
