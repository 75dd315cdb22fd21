"""What is posted can be read, from any thread, in each kind of database."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medilytica_widgets.errors import InputError, StateError, UnknownArgumentError
from medilytica_widgets.store import RunRecord, RunStore, default_store, run_folder, versions
from medilytica_widgets.store.record import FIELDS
from tests.store.conftest import Postgres

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOSTILE = [
    "'; DROP TABLE medilytica_runs; --",
    '100% _ \\ " ` $1 :name %(x)s {x}',
    "a\x00b \ud800 c",
    "<script>alert(1)</script>",
    "Größe 変数 🙂 \u202e\u0301",
    "line\r\nline\ttab",
    "x" * 100_000,
]


def make(number: int, **fields: object) -> RunRecord:
    return RunRecord(id=f"{number:012x}", number=number, created=NOON + timedelta(hours=number), **fields)  # type: ignore[arg-type]


def full(number: int = 1) -> RunRecord:
    return make(
        number,
        name="run 1",
        experiment="cells",
        algorithm="mlp",
        task="classification",
        status="finished",
        error="none of note",
        started=NOON,
        ended=NOON + timedelta(minutes=3, microseconds=7),
        seconds=180.25,
        epoch=12.5,
        epochs=50,
        spec={"hyperparameters": {"learning_rate": 3e-3}, "layers": [{"kind": "linear"}], "none": None},
        metrics={"accuracy": 0.83, "nan": math.nan, "up": math.inf, "down": -math.inf},
        data_hash="ab" * 32,
        folder="/somewhere",
        path="compiled",
        device="cpu",
        seed=4294967295,
        author="Ada",
        parent="0123456789ab",
        tags=("first", "good"),
    )


def same(a: RunRecord, b: RunRecord) -> bool:
    """Compare through JSON, where NaN equals NaN, but for the store's own time."""
    return {**a.to_json(), "updated": None} == {**b.to_json(), "updated": None}


def test_a_record_comes_back_as_it_was(store: RunStore) -> None:
    store.post(full())
    found = store.get(full().id)
    assert same(found, full())
    assert found.updated is not None and abs(datetime.now(UTC) - found.updated) < timedelta(minutes=1)


def test_a_record_survives_json() -> None:
    assert same(RunRecord.from_json(json.loads(json.dumps(full().to_json(), allow_nan=False))), full())


def test_changes_merge_and_a_record_replaces(store: RunStore) -> None:
    store.post(make(1, name="a"))
    store.post(f"{1:012x}", epoch=3.0, metrics={"loss": 0.5})
    store.post(f"{1:012x}", epoch=4.0)
    first = store.get("000000000001")
    store.post(f"{1:012x}", status="stopped", ended=NOON)
    second = store.get("000000000001")
    store.post(make(1, name="b"))
    third = store.get("000000000001")
    assert (first.name, first.epoch, first.metrics) == ("a", 4.0, {"loss": 0.5})
    assert (second.name, second.epoch, second.status, second.ended) == ("a", 4.0, "stopped", NOON)
    assert (third.name, third.epoch, third.status) == ("b", 0.0, "queued")


def test_the_beginning_of_an_id_is_enough_where_it_is_one(store: RunStore) -> None:
    for run_id in ("abc000000000", "abd000000000"):
        store.post(RunRecord(id=run_id))
    assert store.get("abc").id == "abc000000000"
    with pytest.raises(InputError, match="abc000000000, abd000000000"):
        store.get("ab")
    with pytest.raises(InputError, match="Did you mean 'abc000000000'"):
        store.get("abc000000001")
    with pytest.raises(InputError, match="has no run"):
        store.get("%")
    with pytest.raises(InputError, match="has no run"):
        store.get("")


def test_an_empty_store_lists_no_runs_in_typed_columns(store: RunStore) -> None:
    frame = store.list()
    assert len(frame) == 0 and frame.index.name == "id"
    assert str(frame["created"].dtype) == "datetime64[us, UTC]"
    assert {"status", "algorithm", "epoch", "seed", "tags"} <= set(frame.columns)
    with pytest.raises(InputError, match="holds no runs yet"):
        store.get("abc")


def test_the_list_filters_sorts_and_limits(store: RunStore) -> None:
    store.post(make(1, status="finished", algorithm="mlp", tags=("a", "a%b"), metrics={"accuracy": 0.5}))
    store.post(make(2, status="failed", algorithm="svm", experiment="x", error="Straße too NARROW"))
    store.post(make(3, status="finished", algorithm="mlp", experiment="x", metrics={"accuracy": 0.7, "loss": 1.0}))
    store.post(make(4, status="running", algorithm="knn", metrics={"accuracy": math.nan}))

    def numbers(**asked: object) -> list[int]:
        return store.list(**asked)["number"].tolist()  # type: ignore[arg-type]

    assert numbers() == [4, 3, 2, 1]
    assert numbers(order="created") == [1, 2, 3, 4]
    assert numbers(order="created", limit=2) == [1, 2]
    assert numbers(order="-metric.accuracy", limit=3) == [3, 1, 4]
    assert numbers(order="-metric.unknown", limit=1) == [1]
    assert numbers(status="finished") == [3, 1]
    assert numbers(status=["failed", "running"]) == [4, 2]
    assert numbers(algorithm="mlp", experiment="x") == [3]
    assert numbers(tag="a%b") == [1] and numbers(tag="%") == []
    assert numbers(text="STRASSE") == [2] and numbers(text="narrow") == [2] and numbers(text="_") == []
    assert numbers(since=NOON + timedelta(hours=3)) == [4, 3]
    assert numbers(since="2026-01-31T15:30:00+00:00") == [4]
    assert numbers(since=timedelta(seconds=1)) == []
    frame = store.list(order="number")
    assert frame.loc[f"{3:012x}", "metric.loss"] == 1.0 and math.isnan(frame.loc[f"{1:012x}", "metric.loss"])
    assert isinstance(frame["created"].iloc[0], pd.Timestamp)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"status": "finishd"}, "Did you mean 'finished'"),
        ({"order": "-creatd"}, "Did you mean 'created'"),
        ({"since": "yesterday"}, "is no time"),
        ({"since": 5}, "a int came"),
        ({"limit": -1}, "whole number"),
    ],
)
def test_what_cannot_be_asked_is_said(stores: Callable[..., RunStore], asked: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        stores().list(**asked)


def test_errors_in_the_calling_code_are_raised_at_once(stores: Callable[..., RunStore]) -> None:
    store = stores()
    with pytest.raises(UnknownArgumentError, match="Did you mean 'status'"):
        store.post("0123456789ab", stats="running")
    with pytest.raises(InputError, match="cannot be 'done'"):
        store.post("0123456789ab", status="done")
    with pytest.raises(InputError, match="not the id"):
        store.post("../../etc", status="running")
    with pytest.raises(InputError, match="not the id"):
        RunRecord(id="0123456789AB")
    with pytest.raises(InputError, match="not the id"):
        run_folder("..")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_field_is_only_text(store: RunStore, text: str) -> None:
    texts = [name for name, kind in FIELDS.items() if kind == "text" and name not in ("id", "status")]
    hostile = full().changed(
        **dict.fromkeys(texts, text),
        spec={text: [text, {"deep": text}]},
        metrics={text: 1.0},
        versions={text: text},
        tags=(text,),
    )
    store.post(hostile)
    store.post(make(2))
    found = store.get(hostile.id)
    stored = text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert {getattr(found, name) for name in texts} == {stored}
    # what travels as JSON is kept to the letter
    assert found.spec == hostile.spec and found.metrics == {text: 1.0} and found.tags == (text,)
    assert store.list(experiment=stored).index.tolist() == [hostile.id]
    assert store.list(tag=text).index.tolist() == [hostile.id]
    assert store.list(text=stored[:50]).index.tolist() == [hostile.id]
    assert len(store.list()) == 2


def test_numbers_beyond_the_columns_are_kept_as_far_as_they_go(store: RunStore) -> None:
    store.post(make(1, seed=10**30, pid=-(10**30), seconds=math.inf, epoch=math.nan, epochs=None))
    found = store.get("000000000001")
    assert (found.seed, found.pid, found.seconds, found.epoch) == (2**63 - 1, -(2**63) + 1, None, 0.0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=30),
    number=st.floats(),
    spec=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    when=st.datetimes(timezones=st.timezones() | st.just(UTC)),
)
def test_any_record_comes_back(store: RunStore, text: str, number: float, spec: object, when: datetime) -> None:
    try:
        when.astimezone(UTC)
    except OverflowError:
        return
    record = make(1, name=text, metrics={text: number}, spec={"any": spec}, started=when, tags=(text,))
    store.post(record)
    found = store.get(record.id)
    assert found.name == text.replace("\x00", "\ufffd")
    assert same(found.changed(name=text), record)


def test_eight_threads_post_and_nothing_is_lost(store: RunStore) -> None:
    def work(thread: int) -> None:
        for i in range(50):
            store.post(make(thread * 50 + i))
            store.post(f"{thread * 50 + i:012x}", status="running", epoch=1.0)
            store.post(f"{thread * 50 + i:012x}", status="finished", epoch=2.0)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frame = store.list()
    assert len(frame) == 400 and set(frame["status"]) == {"finished"} and set(frame["epoch"]) == {2.0}


def test_posting_takes_microseconds(stores: Callable[..., RunStore]) -> None:
    store = stores()
    store.post(make(1))
    assert store.flush(30)
    times = []
    for i in range(2000):
        before = time.perf_counter()
        store.post("000000000001", epoch=float(i))
        times.append(time.perf_counter() - before)
    assert sorted(times)[1000] < 100e-6
    assert store.get("000000000001").epoch == 1999.0


def test_delete_takes_record_and_files_but_not_of_a_living_run(store: RunStore) -> None:
    store.post(make(1, status="running"))
    store.post(make(2, status="finished"))
    store.post(make(3, status="finished"))
    for number in (1, 2, 3):
        run_folder(f"{number:012x}").mkdir(parents=True)
    with pytest.raises(StateError, match="stop it"):
        store.delete("000000000001")
    store.delete("000000000002")
    store.delete("000000000003", files=False)
    assert [run_folder(f"{n:012x}").exists() for n in (1, 2, 3)] == [True, False, True]
    assert store.list().index.tolist() == ["000000000001"]
    store.post("000000000002", epoch=9.0)
    assert len(store.list()) == 1


def test_a_closed_store_says_so_and_takes_posts_quietly(stores: Callable[..., RunStore]) -> None:
    store = stores()
    store.post(make(1))
    store.close()
    store.close()
    store.post(make(2))
    with pytest.raises(StateError, match="closed"):
        store.list()
    assert stores().list()["number"].tolist() == [1]


def test_what_was_posted_is_written_when_the_process_ends(home: Path, stores: Callable[..., RunStore]) -> None:
    code = (
        "from medilytica_widgets.store import RunRecord, default_store\n"
        "default_store().post(RunRecord(id='0123456789ab', status='finished'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert stores().get("0123456789ab").status == "finished"


def test_a_forked_child_has_a_store_of_its_own(store: RunStore) -> None:
    import os

    store.post(make(1, status="finished"))
    assert store.flush(30)
    child = os.fork()
    if child == 0:
        store.post(make(2, status="finished"))
        os._exit(0 if store.flush(30) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.post(make(3, status="finished"))
    assert store.list(order="number")["number"].tolist() == [1, 2, 3]


def test_the_default_store_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    first = default_store()
    assert default_store() is first
    first.post(make(1, status="finished"))
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "other"))
    second = default_store()
    assert second is not first and len(second.list()) == 0
    monkeypatch.setenv("MEDILYTICA_DATABASE_URL", postgres.new_database())
    third = default_store()
    third.post(make(2, status="finished"))
    assert third.list()["number"].tolist() == [2] and len(second.database.label) > 0
    monkeypatch.delenv("MEDILYTICA_DATABASE_URL")
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    assert default_store().list()["number"].tolist() == [1]
    default_store().close()


def test_versions_name_what_decides_a_result() -> None:
    assert {"python", "numpy", "torch", "scikit-learn", "medilytica-widgets"} <= set(versions())


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = "import sys, medilytica_widgets.store; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "medilytica_widgets" in loaded
    assert not loaded & {"sqlalchemy", "alembic", "psycopg", "pandas", "torch", "sklearn", "mlflow", "psutil"}
