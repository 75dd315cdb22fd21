"""Opening, migrating and losing the database; the caller is never held up by it."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

import medilytica_widgets.store
from medilytica_widgets.errors import InputError, StateError
from medilytica_widgets.store import RunRecord, RunStore, home
from medilytica_widgets.store.database import Database, migrate
from medilytica_widgets.store.schema import REVISIONS, VERSION_TABLE, metadata
from tests.store.conftest import PASSWORD, Postgres, until

Stores = Callable[..., RunStore]
LONGEST_POST = 0.005


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/100% ours; it's.sqlite"
    return str(request.getfixturevalue("postgres").new_database())


def longest(act: Callable[[int], None], times: int = 300) -> float:
    """Return the longest of several calls that was no accident of a busy machine: the third of them."""
    taken = []
    for i in range(times):
        before = time.perf_counter()
        act(i)
        taken.append(time.perf_counter() - before)
    return sorted(taken)[-3]


def test_the_revisions_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(medilytica_widgets.store.__file__).parent / "migrations"))
    steps = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(step.revision for step in steps)[::-1] == REVISIONS


def test_the_migrations_make_the_table_that_the_code_uses(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    database = Database(url)
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_a_store_of_the_first_version_is_brought_up_to_date_with_its_runs(url: str, stores: Stores) -> None:
    database = Database(url)
    migrate(database._make(), "it", revision=REVISIONS[0])
    old = sa.Table("medilytica_runs", sa.MetaData(), autoload_with=(engine := database._make()))
    assert "parent" not in old.c and "tags" not in old.c
    with engine.begin() as connection:
        connection.execute(
            old.insert().values(
                id="0123456789ab",
                number=7,
                name="old",
                experiment="e",
                algorithm="mlp",
                task="regression",
                status="finished",
                created=datetime(2026, 1, 1, tzinfo=UTC),
                epoch=3.0,
                metrics='{"r2": 0.5}',
            )
        )
    engine.dispose()
    store = stores(url)
    store.post(RunRecord(id="aaaaaaaaaaaa", parent="0123456789ab", tags=("new",), status="finished"))
    found = store.get("0123456789ab")
    assert (found.number, found.name, found.metrics, found.parent, found.tags) == (7, "old", {"r2": 0.5}, None, ())
    assert store.list(tag="new").loc["aaaaaaaaaaaa", "parent"] == "0123456789ab"


def test_a_store_of_a_later_version_is_refused_and_left_alone(url: str, stores: Stores) -> None:
    stores(url).list()
    database = Database(url)
    with database.connect(write=True) as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '0999'"))
    database.close()
    said: list[str] = []
    store = stores(url, on_problem=said.append)
    with pytest.raises(StateError, match="later version.*0999.*Upgrade"):
        store.list()
    store.post(RunRecord(id="0123456789ab"))
    assert not store.flush(5)
    assert len(said) == 1 and "later version" in said[0]


def test_processes_that_open_a_fresh_store_at_once_all_write(url: str, stores: Stores) -> None:
    code = (
        "import sys; from medilytica_widgets.store import RunRecord, RunStore\n"
        "store = RunStore(sys.argv[1]); import sqlalchemy, alembic.command\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "store.post(RunRecord(id=sys.argv[2], status='finished')); store.get(sys.argv[2]); store.close()"
    )
    ids = [f"{n:012x}" for n in range(2)]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, url, run_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for run_id in ids
    ]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    assert sorted(stores(url).list().index) == ids


def test_threads_that_open_stores_at_once_all_read(tmp_path: Path, stores: Stores) -> None:
    opened = [stores(f"sqlite:///{tmp_path}/{n}.sqlite") for n in range(4)]
    lengths: list[int] = []
    threads = [threading.Thread(target=lambda store=store: lengths.append(len(store.list()))) for store in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [0, 0, 0, 0]


def test_a_locked_database_holds_nobody_up_and_nothing_is_lost(stores: Stores) -> None:
    said: list[str] = []
    store = stores(on_problem=said.append)
    store._courier._patience = 0.5
    store.post(RunRecord(id="0123456789ab", status="finished"))
    assert store.flush(30)
    code = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1]); connection.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home() / "runs.sqlite")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "locked\n"
        assert longest(lambda i: store.post("0123456789ab", epoch=float(i))) < LONGEST_POST
        assert longest(lambda i: store.post(RunRecord(id=f"{i:012x}", status="finished"))) < LONGEST_POST
        until(lambda: said)
        with pytest.raises(StateError, match="locked.*Another process"):
            store.list()
        other.communicate("done\n", timeout=30)
    assert store.flush(30)
    assert len(store.list()) == 301 and store.get("0123456789ab").epoch == 299.0
    assert "Training goes on" in said[0] and "has been written" in said[1] and len(said) == 2


def test_a_server_that_stops_and_starts_holds_nobody_up_and_nothing_is_lost(postgres: Postgres, stores: Stores) -> None:
    said: list[str] = []
    store = stores(postgres.new_database(), on_problem=said.append)
    store._courier._patience = 0.5
    store.post(RunRecord(id="0123456789ab", status="finished"))
    assert store.flush(30)
    postgres.stop()
    try:
        assert longest(lambda i: store.post("0123456789ab", epoch=float(i))) < LONGEST_POST
        assert longest(lambda i: store.post(RunRecord(id=f"{i:012x}", status="finished"))) < LONGEST_POST
        with pytest.raises(StateError, match="See that the server runs") as caught:
            store.list()
        assert PASSWORD not in caught.value.message and "***" in caught.value.message
        until(lambda: said)
    finally:
        postgres.start()
    assert store.flush(60)
    assert len(store.list()) == 301 and store.get("0123456789ab").epoch == 299.0
    assert len(said) == 2 and not any(PASSWORD in sentence for sentence in said)


def test_the_server_may_be_away_at_first(postgres: Postgres, stores: Stores) -> None:
    store = stores(postgres.new_database())
    postgres.stop()
    try:
        store.post(RunRecord(id="0123456789ab", status="finished"))
        assert not store.flush(1)
    finally:
        postgres.start()
    assert store.flush(60) and store.get("0123").status == "finished"


def test_a_backlog_has_an_end(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    store = stores(on_problem=said.append)
    store._courier._limit = 5
    store._courier._patience = 0.0
    home()
    with sqlite3.connect(home() / "runs.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        for i in range(8):
            store.post(RunRecord(id=f"{i:012x}", number=i, status="finished"))
        until(lambda: said)
        other.execute("ROLLBACK")
    other.close()
    assert store.list(order="number")["number"].tolist() == [3, 4, 5, 6, 7]
    assert "3 older entries did not fit and are lost" in said[1]


def test_a_listener_that_fails_disturbs_nothing(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_sentence: str) -> None:
        raise RuntimeError("the listener's own fault")

    store = stores(on_problem=fail)
    store._courier._patience = 0.0
    with sqlite3.connect(home() / "runs.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.post(RunRecord(id="0123456789ab", status="finished"))
        until(lambda: "listener" in caplog.text)
        other.execute("ROLLBACK")
    other.close()
    assert store.get("0123456789ab").status == "finished"


def test_a_row_that_no_database_takes_does_not_hold_up_the_others(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    store = stores()
    store.list()
    with sqlite3.connect(home() / "runs.sqlite") as other:
        other.execute(
            "CREATE TRIGGER picky BEFORE INSERT ON medilytica_runs WHEN NEW.name = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'no such names here'); END"
        )
    other.close()
    with caplog.at_level(logging.WARNING):
        for i, name in enumerate(["good", "bad", "good"]):
            store.post(RunRecord(id=f"{i:012x}", number=i, name=name, status="finished"))
        assert store.list(order="number")["number"].tolist() == [0, 2]
    assert "run 000000000001 cannot be stored" in caplog.text


def test_a_file_that_was_taken_away_is_made_anew(stores: Stores) -> None:
    store = stores()
    store.post(RunRecord(id="0123456789ab", status="finished"))
    assert store.flush(30)
    (home() / "runs.sqlite").unlink()
    store.post(RunRecord(id="bbbbbbbbbbbb", status="finished"))
    assert store.flush(30)
    assert store.list().index.tolist() == ["bbbbbbbbbbbb"]


def test_a_file_that_is_no_database_is_said_and_kept(stores: Stores) -> None:
    (home() / "runs.sqlite").write_bytes(b"not a database at all" * 100)
    store = stores()
    with pytest.raises(StateError, match="not a database.*restore a backup"):
        store.list()
    assert (home() / "runs.sqlite").read_bytes().startswith(b"not a database at all")


def test_a_damaged_row_hides_no_others(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    store = stores()
    for i in range(2):
        store.post(RunRecord(id=f"{i:012x}", status="finished"))
    assert store.flush(30)
    with sqlite3.connect(home() / "runs.sqlite") as other:
        other.execute("UPDATE medilytica_runs SET metrics = '{' WHERE id = '000000000000'")
    other.close()
    assert store.list().index.tolist() == ["000000000001"]
    with pytest.raises(StateError, match="damaged"):
        store.get("000000000000")
    store.delete("000000000000")
    assert len(store.list()) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me:hidden@host/db", "PostgreSQL.*'mysql'"),
        ("runs.sqlite", "no kind of database"),
        ("sqlite://", "names no file"),
        ("postgresql://me:hidden@host:port/db", "no database's URL"),
    ],
)
def test_a_wrong_url_is_said_without_its_password(stores: Stores, url: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        stores(url).list()
    assert "hidden" not in caught.value.message


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(InputError, match="cannot be made.*MEDILYTICA_HOME"):
        home()
    said: list[str] = []
    store = RunStore(on_problem=said.append)
    store.post(RunRecord(id="0123456789ab"))
    assert not store.flush(5) and "cannot be made" in said[0]
    store._courier.close(0)
    monkeypatch.setenv("MEDILYTICA_HOME", "s3://bucket/runs")
    with pytest.raises(InputError, match="folder of this machine"):
        home()


def test_the_home_is_its_owners_only(home: Path) -> None:
    assert medilytica_widgets.store.home() == home and home.is_dir()
    if os.name == "posix":
        assert home.stat().st_mode & 0o077 == 0
